//! Damaged files: told in bounded time and memory, never a panic.

use super::{read, vectors};
use crate::flink::metadata::ReadError;

#[test]
fn a_file_cut_off_anywhere_is_damaged() {
    for (name, bytes, _) in vectors() {
        for length in 0..bytes.len() {
            match read(&bytes[..length]).0 {
                Err(ReadError::Damaged { offset, .. }) => assert!(offset <= length as u64, "{name} at {length}"),
                other => panic!("{name} cut off at {length}: {other:?}"),
            }
        }
    }
}

#[test]
fn what_follows_the_end_is_damage() {
    for (name, mut bytes, _) in vectors() {
        bytes.push(0);
        let offset = bytes.len() as u64 - 1;
        match read(&bytes).0 {
            Err(ReadError::Damaged { offset: at, .. }) => assert_eq!(at, offset, "{name}"),
            other => panic!("{name}: {other:?}"),
        }
    }
}

/// Nothing that the file says is believed further than it is long.
fn assert_bounded(name: &str, at: usize, bytes: &[u8]) {
    let (read, files) = read(bytes);
    assert!(files.len() <= bytes.len(), "{name} at {at}: {} files", files.len());
    if let Ok(metadata) = read {
        assert!(metadata.operators.len() <= bytes.len(), "{name} at {at}");
    }
}

/// Where a file is damaged: everywhere, or, as large files take long, in some places of them.
fn places(bytes: &[u8], everywhere: bool) -> impl Iterator<Item = usize> {
    let step = if everywhere || bytes.len() < 3_000 { 1 } else { bytes.len() / 211 };
    (0..bytes.len()).step_by(step)
}

fn flip_bits(everywhere: bool) {
    for (name, mut bytes, _) in vectors() {
        for at in places(&bytes.clone(), everywhere) {
            // Each bit in turn, and all at once.
            for flip in [1 << (at % 8), 0xff] {
                bytes[at] ^= flip;
                assert_bounded(&name, at, &bytes);
                bytes[at] ^= flip;
            }
        }
    }
}

fn write_numbers(everywhere: bool) {
    for (name, bytes, _) in vectors() {
        for at in places(&bytes[4..], everywhere) {
            for number in [i32::MAX, i32::MIN, -1] {
                let mut bytes = bytes.clone();
                bytes[at..at + 4].copy_from_slice(&number.to_be_bytes());
                assert_bounded(&name, at, &bytes);
            }
        }
    }
}

#[test]
fn flipped_bits_are_survived() {
    flip_bits(false);
}

#[test]
#[ignore = "the full size"]
fn flipped_bits_anywhere_are_survived() {
    flip_bits(true);
}

#[test]
fn huge_and_negative_numbers_are_survived() {
    write_numbers(false);
}

#[test]
#[ignore = "the full size"]
fn huge_and_negative_numbers_anywhere_are_survived() {
    write_numbers(true);
}

#[test]
fn a_damaged_head_is_told_as_what_it_is() {
    let (_, bytes, _) = vectors().remove(0);
    let with = |at: usize, byte: u8| {
        let mut bytes = bytes.clone();
        bytes[at] = byte;
        read(&bytes).0.unwrap_err()
    };
    assert!(matches!(with(0, 0), ReadError::Damaged { offset: 0, .. }));
    assert!(matches!(with(8, 0x80), ReadError::Damaged { offset: 8, .. }));
    for version in [0, 32, 255] {
        assert!(matches!(with(7, version), ReadError::Damaged { offset: 4, .. }), "{version}");
    }
    for version in [1, 2, 8, 31] {
        let error = with(7, version);
        assert!(matches!(error, ReadError::Unknown { offset: 4, .. }));
        assert!(error.to_string().contains(&format!("format version {version} ")), "{error}");
    }
}

#[test]
fn an_error_of_the_store_is_not_damage() {
    struct Broken;
    impl std::io::Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("the store went away"))
        }
    }
    let (_, bytes, _) = vectors().remove(0);
    let mut input = std::io::Read::chain(&bytes[..100], Broken);
    assert!(matches!(crate::flink::metadata::read(&mut input, &mut |_| ()), Err(ReadError::Io(_))));
}
