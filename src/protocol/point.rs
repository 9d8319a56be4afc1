//! Restore points: what a start can use, and what a listing of storage found.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::id::JobId;

/// What made a restore point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The savepoint of a stop.
    Final,
    /// A savepoint taken by the clock.
    Periodic,
    /// A savepoint that a person took.
    Manual,
    /// A checkpoint that Flink retained.
    Checkpoint,
}

impl Kind {
    /// All of them, so that every metric series exists from the start.
    pub const ALL: [Self; 4] = [Self::Final, Self::Periodic, Self::Manual, Self::Checkpoint];

    /// The word used in the record, in logs and in `history`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Final => "final",
            Self::Periodic => "periodic",
            Self::Manual => "manual",
            Self::Checkpoint => "checkpoint",
        }
    }
}

/// The format of a savepoint (FLIP-203).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// The state backend's own format: fast, self-contained, bound to the backend.
    Native,
    /// The format that any state backend reads.
    Canonical,
}

/// A restore point by name: enough to inject it and to find it again.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PointRef {
    /// Where it lies, in the form that [`normalize`] gives.
    pub path: String,
    /// Flink's checkpoint id, which savepoints share; it goes on counting across restores.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint_id: Option<u64>,
    /// The epoch that wrote it, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u64>,
}

/// One directory that a listing of storage took for a savepoint or a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Found {
    /// Where it lies, in the form that [`normalize`] gives.
    pub path: String,
    /// Whether it lies in a checkpoint folder (`<directory>/<job id>/chk-<n>`).
    pub checkpoint: bool,
    /// The job whose folder it lies in. A savepoint's name tells only six digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_id: Option<JobId>,
    /// The first six digits of the job id, from a savepoint's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_prefix: Option<String>,
    /// The epoch, where the folder it lies in tells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u64>,
    /// What its `_metadata` says.
    pub metadata: Metadata,
    /// When the store last changed `_metadata`. For people; no decision but the age limit rests on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modified: Option<Timestamp>,
}

/// What a listing of storage found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Listing {
    /// Whatever may be a restore point.
    pub found: Vec<Found>,
    /// Why a part of storage can't be seen by any listing: this build has no client for it.
    pub unseen: Option<String>,
}

/// What a look at a `_metadata` file showed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metadata {
    /// Magic number and version are right. (Flink writes `_metadata` last.)
    Whole {
        /// The checkpoint id it names.
        checkpoint_id: u64,
        /// Its own size in bytes.
        bytes: u64,
    },
    /// There is none: half-written, or being written.
    Missing,
    /// There is one, but it is not what Flink writes; the text says why.
    Broken(String),
}

impl Found {
    /// The checkpoint id, if the point is whole.
    #[must_use]
    pub fn checkpoint_id(&self) -> Option<u64> {
        match self.metadata {
            Metadata::Whole { checkpoint_id, .. } => Some(checkpoint_id),
            Metadata::Missing | Metadata::Broken(_) => None,
        }
    }
}

/// The one spelling of a path that the protocol compares.
///
/// Flink writes `file:/a`, takes `/a`, `file:///a` and the `_metadata` file itself, and all name one point.
#[must_use]
pub fn normalize(path: &str) -> String {
    let path = path.trim();
    let path = path.strip_suffix("/_metadata").unwrap_or(path);
    let path = path.trim_end_matches('/');
    if let Some(rest) = path.strip_prefix("file:") {
        return format!("file:///{}", rest.trim_start_matches('/'));
    }
    if path.starts_with('/') {
        return format!("file:///{}", path.trim_start_matches('/'));
    }
    path.to_owned()
}

/// Whether two paths, as [`normalize`] gives them, name one point.
///
/// Flink has several file systems for one store, told apart by the scheme. What is given to Flink keeps the scheme that it was
/// written with, as only that file system may be there; what is compared must not.
#[must_use]
pub fn same(left: &str, right: &str) -> bool {
    // Most differ in their names already: that is soon told.
    left == right || (name(left) == name(right) && identity(left) == identity(right))
}

fn name(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

/// What two paths of one point have in common: `same` compares it.
#[must_use]
pub fn identity(path: &str) -> (&str, String) {
    let (scheme, rest) = path.split_once("://").unwrap_or(("", path));
    match scheme {
        "s3" | "s3a" | "s3p" | "s3n" => ("s3", rest.to_owned()),
        "abfs" | "abfss" | "wasb" | "wasbs" => ("abfs", rest.replacen(".blob.", ".dfs.", 1)),
        other => (other, rest.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::{normalize, same};

    #[test]
    fn the_file_system_that_reads_it_makes_no_other_point_of_it() {
        for (left, right, expected) in [
            ("s3://b/a", "s3://b/a", true),
            ("s3://b/a", "s3a://b/a", true),
            ("s3p://b/a", "s3a://b/a", true),
            ("s3://b/a", "s3://b/aa", false),
            ("s3://b/a", "gs://b/a", false),
            ("abfss://c@acme.dfs.core.windows.net/a", "wasbs://c@acme.blob.core.windows.net/a", true),
            ("abfss://c@acme.dfs.core.windows.net/a", "abfss://d@acme.dfs.core.windows.net/a", false),
            ("file:///a", "file:///a", true),
            ("file:///a", "file:///b", false),
        ] {
            assert_eq!(same(left, right), expected, "{left} {right}");
        }
    }

    #[test]
    fn one_point_has_one_spelling() {
        for path in
            ["/a/b", "/a/b/", "file:/a/b", "file:///a/b", "file:///a/b/", "file:///a/b/_metadata", " /a/b/_metadata"]
        {
            assert_eq!(normalize(path), "file:///a/b", "{path}");
        }
        assert_eq!(normalize("s3://bucket/a/b/"), "s3://bucket/a/b");
    }
}
