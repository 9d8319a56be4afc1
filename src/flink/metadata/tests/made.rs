//! Files that no Flink at hand writes: all kinds of handles in all versions, and unknown ones.

use proptest::prelude::*;

use super::writer::{Out, Written, file};
use super::{read, vectors};
use crate::flink::metadata::ReadError;

/// The trailer of a real savepoint.
fn trailer() -> Vec<u8> {
    let (_, bytes, _) = vectors().into_iter().find(|(name, ..)| name.starts_with("2.3")).unwrap();
    let begin = bytes.windows(4).rposition(|four| four == [0xac, 0xed, 0, 5]).unwrap();
    bytes[begin..].to_vec()
}

fn assert_read(Written { bytes, metadata, files }: Written) -> Result<(), TestCaseError> {
    let (found, found_files) = read(&bytes);
    prop_assert_eq!(found.map_err(|error| TestCaseError::fail(error.to_string()))?, metadata);
    prop_assert_eq!(found_files, files);
    Ok(())
}

#[test]
fn every_kind_of_handle_is_read_in_every_version() {
    let strategy = file(trailer());
    let mut runner = proptest::test_runner::TestRunner::default();
    runner.run(&strategy, assert_read).unwrap();
}

#[test]
fn it_does_not_matter_in_which_pieces_a_file_comes() {
    struct Pieces<'a>(&'a [u8], usize);
    impl std::io::Read for Pieces<'_> {
        fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
            let length = self.1.min(into.len()).min(self.0.len());
            let (now, later) = self.0.split_at(length);
            into[..length].copy_from_slice(now);
            self.0 = later;
            Ok(length)
        }
    }
    for (name, bytes, _) in vectors() {
        for length in [1, 7, 1000] {
            let mut files = Vec::new();
            let read_so = crate::flink::metadata::read(&mut Pieces(&bytes, length), &mut |file| files.push(file));
            let (whole, whole_files) = read(&bytes);
            assert_eq!((read_so.unwrap(), files), (whole.unwrap(), whole_files), "{name}");
        }
    }
}

proptest! {
    #[test]
    fn bytes_of_any_kind_are_survived(mut bytes: Vec<u8>, version in 0..9_u8) {
        let mut all = vec![0x49, 0x60, 0x67, 0x2d, 0, 0, 0, version, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1];
        all.append(&mut bytes);
        drop(read(&all));
    }

    #[test]
    fn trailers_of_any_kind_are_survived(bytes: Vec<u8>, keep in 0..700_usize) {
        let mut all = vec![0x49, 0x60, 0x67, 0x2d, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0];
        all.extend(trailer().into_iter().take(keep));
        all.extend(bytes);
        drop(read(&all));
    }
}

/// A file of version 4 up to where one subtask's managed keyed state is due.
fn up_to_keyed_state() -> Vec<u8> {
    let mut out = Out::default();
    for number in [0x4960_672d, 4, 0, 1, 0, 1] {
        out.int(number);
    }
    out.bytes.extend([7; 16]);
    out.int(1);
    out.int(128);
    out.bytes.push(0);
    for number in [1, 0, 0, 0] {
        out.int(number);
    }
    out.bytes
}

#[test]
fn a_handle_of_a_newer_flink_is_unknown_and_one_in_a_wrong_place_is_damage() {
    let with = |kind: u8| {
        let mut bytes = up_to_keyed_state();
        let at = bytes.len() as u64;
        bytes.push(kind);
        bytes.extend([0; 4000]);
        (read(&bytes).0.unwrap_err(), at)
    };
    for kind in [18, 99, 255] {
        let (error, at) = with(kind);
        assert!(matches!(error, ReadError::Unknown { offset, .. } if offset == at), "{kind}: {error}");
        assert!(error.to_string().contains(&format!("type {kind} (keyed state)")), "{error}");
    }
    for kind in [1, 2, 4, 6, 15, 16, 17] {
        let (error, at) = with(kind);
        assert!(matches!(error, ReadError::Damaged { offset, .. } if offset == at), "{kind}: {error}");
    }
}

#[test]
fn handles_nested_without_end_are_damage() {
    // Changelogs of one state each, which is a changelog again; and key groups in key groups.
    let changelog = [8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
    let key_groups = [3, 0, 0, 0, 0, 0, 0, 0, 0];
    for nested in [changelog.as_slice(), &key_groups] {
        let mut bytes = up_to_keyed_state();
        for _ in 0..100_000 {
            bytes.extend(nested);
        }
        let error = read(&bytes).0.unwrap_err();
        assert!(error.to_string().contains("nested too deep"), "{error}");
    }
}
