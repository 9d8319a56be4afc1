//! What the record says of one job of a cluster that runs several.

use serde::{Deserialize, Serialize};

use super::super::id::JobId;
use super::super::outcome::StopOutcome;
use super::super::point::PointRef;
use super::{End, Fact};

/// Something of one job among several.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct OfJob {
    /// Which.
    pub job_id: JobId,
    /// Its name; another job may have the same.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub job_name: String,
    /// What happened to it.
    pub event: JobEvent,
}

/// What happened to one job among several.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "was", rename_all = "snake_case")]
pub enum JobEvent {
    /// It runs, and has state that would be lost with it: restored, or in a completed checkpoint.
    Running {
        /// What it was restored from, says Flink.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        restored: Option<PointRef>,
    },
    /// A stop ended for it.
    Stopped {
        /// How.
        outcome: StopOutcome,
        /// Why, in words.
        reason: String,
    },
    /// It came to an end that no stop of ours caused.
    Ended(End),
    /// Written by a newer savepointd.
    #[serde(other)]
    Unknown,
}

impl Fact {
    /// What happened to one job among several.
    #[must_use]
    pub fn of_job(job_id: JobId, name: &str, event: JobEvent) -> Self {
        Self::Job(OfJob { job_id, job_name: name.to_owned(), event })
    }
}
