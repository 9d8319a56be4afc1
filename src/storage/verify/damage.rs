//! What is wrong with a file that a point needs.

use std::fmt;

use serde::Serialize;

use super::wanted::Length;

/// A file that a point needs, and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Damage {
    /// The file's URL.
    pub path: String,
    /// What is wrong.
    #[serde(flatten)]
    pub what: Wrong,
}

/// What is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "wrong", rename_all = "snake_case")]
pub enum Wrong {
    /// It is not there.
    Missing,
    /// It lost bytes.
    Shorter {
        /// How long it is.
        bytes: u64,
        /// How long it should be, at least.
        expected: u64,
    },
    /// Somebody wrote to it.
    Longer {
        /// How long it is.
        bytes: u64,
        /// How long it should be.
        expected: u64,
    },
    /// `_metadata` names it, but it can't be the name of a file.
    Nowhere,
}

impl Damage {
    /// What is wrong with a file of this size.
    pub(super) fn of(path: impl FnOnce() -> String, length: Length, size: Option<u64>) -> Option<Self> {
        let what = match size {
            None => Wrong::Missing,
            Some(bytes) if bytes < length.at_least => Wrong::Shorter { bytes, expected: length.at_least },
            Some(bytes) if bytes > length.at_most => Wrong::Longer { bytes, expected: length.at_most },
            Some(_) => return None,
        };
        Some(Self { path: path(), what })
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = &self.path;
        match self.what {
            Wrong::Missing => write!(formatter, "{path} is missing"),
            Wrong::Shorter { bytes, expected } => {
                write!(formatter, "{path} has only {bytes} of {expected} bytes")
            }
            Wrong::Longer { bytes, expected } => {
                write!(formatter, "{path} has {bytes} bytes, but should have {expected}")
            }
            Wrong::Nowhere => write!(formatter, "_metadata refers to {path:?}, which is not the name of a file"),
        }
    }
}

/// The first few of several in one sentence.
pub(super) fn sentence(damages: &[Damage]) -> String {
    const FEW: usize = 3;
    let mut text = damages.iter().take(FEW).map(ToString::to_string).collect::<Vec<_>>().join("; ");
    if let Some(more) = damages.len().checked_sub(FEW).filter(|more| *more > 0) {
        let files = if more == 1 { "file" } else { "files" };
        text = format!("{text}; and {more} more {files}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn damage(length: (u64, u64), size: Option<u64>) -> Option<String> {
        let (at_least, at_most) = length;
        Damage::of(|| "s3://a/b".to_owned(), Length { at_least, at_most }, size).map(|damage| damage.to_string())
    }

    #[test]
    fn a_file_is_right_only_with_the_length_that_its_handles_tell() {
        assert_eq!(damage((7, 7), Some(7)), None);
        assert_eq!(damage((7, u64::MAX), Some(9)), None);
        assert_eq!(damage((0, 0), Some(0)), None);
        assert_eq!(damage((7, 7), None).unwrap(), "s3://a/b is missing");
        assert_eq!(damage((7, u64::MAX), Some(6)).unwrap(), "s3://a/b has only 6 of 7 bytes");
        assert_eq!(damage((7, 7), Some(8)).unwrap(), "s3://a/b has 8 bytes, but should have 7");
        // Handles that contradict each other.
        for size in 0..9 {
            assert!(damage((7, 5), Some(size)).is_some(), "{size}");
        }
    }

    #[test]
    fn of_many_damages_the_first_are_named_and_the_rest_counted() {
        let one = |n: u32| Damage { path: format!("s3://{n}"), what: Wrong::Missing };
        let all: Vec<_> = (1..=5).map(one).collect();
        assert_eq!(sentence(&all), "s3://1 is missing; s3://2 is missing; s3://3 is missing; and 2 more files");
        assert_eq!(sentence(&all[..3]), "s3://1 is missing; s3://2 is missing; s3://3 is missing");
        assert!(sentence(&all[..4]).ends_with("; and 1 more file"));
    }
}
