//! The reader on files of real Flink (`tests/vectors`), whole and damaged, and on files of the tests' own making.

mod damage;
mod made;
mod writer;

use std::path::{Path, PathBuf};

use super::{Contents, FileRef, Metadata, ReadError};

/// Every vector: its name, its `_metadata`, and what Flink's own reader found in it.
fn vectors() -> Vec<(String, Vec<u8>, serde_json::Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    let mut vectors: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect();
    vectors.sort();
    assert!(vectors.len() > 20, "they are kept in the repository");
    let read = |vector: PathBuf| {
        let metadata = std::fs::read(vector.join("_metadata")).unwrap();
        let expected = std::fs::read(vector.join("expected.json")).unwrap();
        let name = vector.file_name().unwrap().to_str().unwrap().to_owned();
        (name, metadata, serde_json::from_slice(&expected).unwrap())
    };
    vectors.into_iter().map(read).collect()
}

fn read(mut bytes: &[u8]) -> (Result<Metadata, ReadError>, Vec<FileRef>) {
    let mut files = Vec::new();
    let read = super::read(&mut bytes, &mut |file| files.push(file));
    (read, files)
}

#[test]
fn what_real_flink_wrote_is_read_as_flink_itself_reads_it() {
    for (name, bytes, expected) in vectors() {
        let contents = Contents::read(&mut bytes.as_slice()).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(serde_json::to_value(contents).unwrap(), expected, "{name}");
    }
}

#[test]
fn a_uid_that_flink_wrote_down_hashes_to_the_operator_beside_it() {
    let mut seen = 0;
    for (name, bytes, _) in vectors() {
        for operator in read(&bytes).0.unwrap().operators {
            if let Some(uid) = operator.uid {
                assert_eq!(crate::flink::uid::operator_id(&uid), operator.id, "{name}: {uid}");
                seen += 1;
            }
        }
    }
    assert!(seen > 20, "{seen}");
}
