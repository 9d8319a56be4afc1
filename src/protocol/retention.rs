//! Retention: what of this cluster may be deleted, what stays, and why. Pure: the same inventory gives the same lines,
//! in the agent, in `prune --dry-run` and in a test.
//!
//! What a start could choose, now or after a person's `unpin`, stays; so does all that a point that stays refers to. The
//! rules say what they have to know for that ([`Findings::unread`], [`Findings::unmeasured`]), and are asked again once it
//! was read. Whatever is doubtful stays.

mod disposal;
mod rules;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::choose::Situation;
use super::id::JobId;

/// What the configuration, or a person, says about retention.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// So many savepoints stay.
    pub keep: usize,
    /// Savepoints older than this go, the newest apart.
    pub max_age: Option<SignedDuration>,
    /// What is half-written or left over goes only when nothing of it was written for so long.
    pub min_age: SignedDuration,
    /// Checkpoint folders that are left over go as well.
    pub checkpoints: bool,
    /// Flink deletes, not the store.
    pub by_flink: bool,
}

/// Everything that the rules rest on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inventory {
    /// What the next start would see. Its epoch is above all others: nothing that exists is passed over. What a closer look
    /// showed to be unusable or gone stands in `broken`.
    pub situation: Situation,
    /// The folders of this cluster's jobs in its checkpoint directories.
    pub folders: Vec<JobFolder>,
    /// What was found in directories, by path.
    pub measured: BTreeMap<String, Measured>,
    /// What the `_metadata` of points refers to, by path.
    pub read: BTreeMap<String, Reading>,
}

/// `<checkpoint directory>/<job id>`, with `chk-<n>`, `shared` and `taskowned` in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobFolder {
    /// Where it lies.
    pub path: String,
    /// Whose it is.
    pub job_id: JobId,
}

/// What lies in a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Measured {
    /// All files together.
    pub bytes: u64,
    /// When the newest of them was last written; none if there is no file, or the store does not tell.
    pub changed: Option<Timestamp>,
    /// How many files.
    pub files: u64,
}

/// What came of reading a point's `_metadata`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reading {
    /// The directories, outside its own, in which files that it needs lie.
    Needs(BTreeSet<String>),
    /// It could not be read: it may need anything.
    Unreadable(String),
}

/// What a line is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// A savepoint of ours.
    Savepoint,
    /// A savepoint directory of ours without `_metadata`.
    HalfWritten,
    /// The checkpoint folder of one job.
    Checkpoints,
}

impl What {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Savepoint, Self::HalfWritten, Self::Checkpoints];

    /// The word used in logs, metrics and `prune`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Savepoint => "savepoint",
            Self::HalfWritten => "half_written",
            Self::Checkpoints => "checkpoints",
        }
    }
}

/// What becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It stays.
    Keep,
    /// It goes.
    Delete,
    /// It stays, and a person should know of it.
    Report,
}

impl Verdict {
    /// The word used by `prune`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::Delete => "delete",
            Self::Report => "report",
        }
    }
}

/// One directory, and what becomes of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// What it is.
    pub what: What,
    /// Where it lies.
    pub path: String,
    /// All files in it together, where they were counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// What becomes of it.
    pub verdict: Verdict,
    /// Why, in words.
    pub reason: String,
}

/// What the rules say, and what they have to know to be sure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Findings {
    /// Each directory of ours: savepoints newest first, then what is half-written, then checkpoint folders.
    pub lines: Vec<Line>,
    /// Points whose references decide about a line. Until they are read nothing goes.
    pub unread: Vec<String>,
    /// Directories whose content decides about a line, or is to be told. Until they are measured they stay.
    pub unmeasured: Vec<String>,
}

/// Applies the rules.
#[must_use]
pub fn findings(inventory: &Inventory, terms: &Terms) -> Findings {
    rules::Rules::of(inventory, terms).findings()
}

#[cfg(test)]
mod tests;
