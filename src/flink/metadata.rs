//! Flink's `_metadata` file: what a savepoint or checkpoint holds, and every file that it needs.
//!
//! Big-endian, as Java's `DataOutputStream` writes it. Versions 3 to 6 are written by Flink 1.14 to 2.3; version 7 is on
//! its main branch.

mod body;
mod contents;
mod handles;
mod head;
mod source;
mod text;
mod trailer;

use std::io;

use body::Body;
pub use contents::{Contents, File};
use source::Source;

pub use head::{HEAD, Head, HeadError};
use serde::Serialize;

/// What a `_metadata` file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metadata {
    /// The format version.
    pub version: u32,
    /// The checkpoint id, which savepoints share.
    pub checkpoint_id: u64,
    /// Every operator, in the file's order.
    pub operators: Vec<Operator>,
    /// Bytes of state, those that lie in `_metadata` itself included.
    pub bytes: u64,
}

/// The state of one operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Operator {
    /// What a uid hashes to: 32 hex digits, as in Flink's REST API and logs.
    pub id: String,
    /// Its name, where the format has it (Flink 2.0 and newer) and the job gave one.
    pub name: Option<String>,
    /// Its uid, where the format has it (Flink 2.0 and newer) and the job gave one.
    pub uid: Option<String>,
    /// How many subtasks it had.
    pub parallelism: u32,
    /// How many key groups its state is cut into.
    pub max_parallelism: u32,
    /// Bytes of its state, those that lie in `_metadata` itself included.
    pub bytes: u64,
}

/// A file that the state needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileRef {
    /// Where it lies.
    pub place: Reference,
    /// How long it is.
    pub extent: Extent,
}

/// Where a file lies.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reference {
    /// Below the directory of `_metadata`.
    Relative(String),
    /// A URL, or an absolute path.
    Absolute(String),
}

/// What is known of a file's length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Extent {
    /// Exactly this.
    Whole(u64),
    /// No less: a segment of a file that is shared with others.
    AtLeast(u64),
}

/// Why a `_metadata` file can't be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It could not be read at all.
    #[error("_metadata can't be read")]
    Io(#[source] io::Error),
    /// Flink did not write this, or not to its end.
    #[error("_metadata is damaged at byte {offset}: {what}")]
    Damaged {
        /// How many bytes were understood before it.
        offset: u64,
        /// What was being read, and what is wrong with it.
        what: String,
    },
    /// From a Flink that this build does not know: nothing can be said about it.
    #[error("_metadata can't be verified by this build of savepointd: {what} at byte {offset} is not known to it")]
    Unknown {
        /// Where it is.
        offset: u64,
        /// The unknown format version or type of state handle.
        what: String,
    },
}

impl ReadError {
    fn damaged(offset: u64, what: impl Into<String>) -> Self {
        Self::Damaged { offset, what: what.into() }
    }

    fn unknown(offset: u64, what: impl Into<String>) -> Self {
        Self::Unknown { offset, what: what.into() }
    }
}

/// Reads a `_metadata` file from its first byte to its last, and hands over each reference to a file as it comes: a file
/// that several handles share, several times. References come also from a file that turns out to be damaged further on.
///
/// # Errors
/// If the file can't be read, is damaged, or is of a Flink that this build does not know.
pub fn read(input: &mut impl io::Read, each: &mut dyn FnMut(FileRef)) -> Result<Metadata, ReadError> {
    let mut source = Source::new(input);
    let head = source.array::<HEAD>("the head")?;
    let Head { version, checkpoint_id } = Head::parse(&head).map_err(|error| match error {
        // Older than Flink 1.11, or newer than this build: Flink adds one in a year or two.
        HeadError::Version(version @ (1..=2 | 8..=31)) => ReadError::unknown(4, format!("format version {version}")),
        HeadError::Version(_) => ReadError::damaged(4, error.to_string()),
        HeadError::Short(_) | HeadError::Magic(_) => ReadError::damaged(0, error.to_string()),
        HeadError::CheckpointId(_) => ReadError::damaged(8, error.to_string()),
    })?;
    let operators = Body::new(&mut source, version, each).read()?;
    if version >= trailer::FIRST_VERSION {
        trailer::check(&mut source)?;
    }
    source.end()?;
    let bytes = operators.iter().fold(0, |sum: u64, operator| sum.saturating_add(operator.bytes));
    Ok(Metadata { version, checkpoint_id, operators, bytes })
}

#[cfg(test)]
mod tests;
