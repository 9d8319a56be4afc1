//! Files that Flink wrote, or somebody in its place.

use std::collections::BTreeSet;
use std::io::Read;

use savepointd::flink::completed;
use savepointd::flink::metadata::{Contents, ReadError};

/// As a store may hand it over: a few bytes at a time.
struct Pieces<'a>(&'a [u8]);

impl Read for Pieces<'_> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let most = into.len().min(7);
        self.0.read(into.get_mut(..most).unwrap_or_default())
    }
}

fn read(mut bytes: &[u8]) -> Result<Contents, ReadError> {
    Contents::read(&mut bytes)
}

pub fn metadata(bytes: &[u8]) {
    let whole = read(bytes).map_err(|error| error.to_string());
    let in_pieces = Contents::read(&mut Pieces(bytes)).map_err(|error| error.to_string());
    assert_eq!(whole, in_pieces, "it depends on how it is read");
    let Ok(contents) = whole else { return };
    // What is whole is so from its first byte to its last, and no other file is.
    for length in [bytes.len() - 1, bytes.len() / 2, bytes.len() / 3, 0] {
        let begin = read(bytes.split_at(length).0);
        assert!(matches!(begin, Err(ReadError::Damaged { .. })), "{length} bytes of it are read");
    }
    assert!(read(&[bytes, &[0]].concat()).is_err(), "what follows its end is passed over");
    let told = contents.operators.len() + contents.files.len();
    assert!(told <= bytes.len(), "{told} things in {} bytes", bytes.len());
    let files: BTreeSet<&str> = contents.files.iter().map(|file| file.path.as_str()).collect();
    assert!(files.len() * 2 >= contents.files.len(), "each file is told once");
    for operator in &contents.operators {
        assert!(operator.id.len() == 32 && operator.id.bytes().all(|digit| digit.is_ascii_hexdigit()), "{operator:?}");
        assert!(operator.bytes <= contents.bytes, "{operator:?} of {} bytes", contents.bytes);
    }
}

pub fn completed(bytes: &[u8]) {
    let Some(kept) = completed::parse(bytes) else { return };
    // Only the beginning of such a file is read.
    assert_eq!(completed::parse(&[bytes, b"whatever follows"].concat()), Some(kept.clone()));
    assert_eq!(savepointd::protocol::point::normalize(&kept.path), kept.path);
}
