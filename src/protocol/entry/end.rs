//! What the record says of a job that came to its end by itself, or by a person.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::super::id::JobId;
use super::super::point::{Kind, PointRef};
use super::{Fact, JobEvent, Saved};

/// The job's own end.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct End {
    /// The job that ended.
    pub job_id: JobId,
    /// How it ended.
    pub how: EndKind,
    /// The savepoint with which a person stopped it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub savepoint: Option<PointRef>,
    /// Flink's words, where there are any.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

/// How a job ended without us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndKind {
    /// It reached the end of its input.
    Finished,
    /// Somebody cancelled it.
    Cancelled,
    /// Somebody stopped it with a savepoint.
    Stopped,
    /// It failed and its restart strategy gave up.
    Failed,
}

impl EndKind {
    /// The word used in messages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Finished => "finished",
            Self::Cancelled => "cancelled",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
        }
    }
}

impl End {
    /// The savepoint with which a person stopped the job, as a point of `epoch`. `name` is that of one job among several.
    #[must_use]
    pub fn saved(&self, epoch: u64, name: Option<&str>, at: Timestamp) -> Option<Saved> {
        let point = self.savepoint.clone()?;
        Some(Saved {
            job_id: self.job_id,
            job_name: name.map(str::to_owned),
            point: PointRef { epoch: Some(epoch), ..point },
            kind: Kind::Manual,
            format: None,
            completed_at: at,
            bytes: None,
            duration_ms: None,
            predicted_ms: None,
            doubt: Some("not looked at".to_owned()),
            salvaged: false,
            drained: false,
        })
    }

    /// What is recorded of it: the savepoint, if there is one, and the end itself.
    #[must_use]
    pub fn facts(&self, epoch: u64, name: Option<&str>, at: Timestamp) -> Vec<Fact> {
        let ended = match name {
            Some(name) => Fact::of_job(self.job_id, name, JobEvent::Ended(self.clone())),
            None => Fact::Ended(self.clone()),
        };
        self.saved(epoch, name, at).map(Fact::Saved).into_iter().chain([ended]).collect()
    }
}
