//! Everything that a `_metadata` file says, for people and programs.

use std::collections::BTreeMap;
use std::io;

use serde::Serialize;

use super::{Extent, FileRef, Operator, ReadError, Reference};

/// A savepoint's or checkpoint's operators and files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Contents {
    /// The format version.
    pub version: u32,
    /// The checkpoint id, which savepoints share.
    pub checkpoint_id: u64,
    /// Bytes of state, those that lie in `_metadata` itself included.
    pub bytes: u64,
    /// Every operator, in the file's order.
    pub operators: Vec<Operator>,
    /// Every file once, by path.
    pub files: Vec<File>,
}

/// A file that the state needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct File {
    /// Relative to the directory of `_metadata`, or absolute.
    pub path: String,
    /// Its length.
    pub bytes: u64,
    /// Whether the file may be longer: others may use it too.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub at_least: bool,
}

impl Contents {
    /// Reads them all.
    ///
    /// # Errors
    /// As for [`read`](super::read).
    pub fn read(input: &mut impl io::Read) -> Result<Self, ReadError> {
        let mut files = BTreeMap::new();
        let read = super::read(input, &mut |FileRef { place, extent }| {
            let known = files.entry(place).or_insert(extent);
            *known = known.and(extent);
        })?;
        let files = files.into_iter().map(|(place, extent)| File::new(place, extent)).collect();
        let super::Metadata { version, checkpoint_id, operators, bytes } = read;
        Ok(Self { version, checkpoint_id, bytes, operators, files })
    }
}

impl Extent {
    /// What two handles say of one file.
    #[must_use]
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::AtLeast(one), Self::AtLeast(another)) => Self::AtLeast(one.max(another)),
            (Self::Whole(bytes), _) | (_, Self::Whole(bytes)) => Self::Whole(bytes),
        }
    }
}

impl File {
    fn new(place: Reference, extent: Extent) -> Self {
        let (Reference::Relative(path) | Reference::Absolute(path)) = place;
        match extent {
            Extent::Whole(bytes) => Self { path, bytes, at_least: false },
            Extent::AtLeast(bytes) => Self { path, bytes, at_least: true },
        }
    }
}
