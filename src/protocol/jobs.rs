//! The jobs of a cluster that runs several: a session cluster, or an application that submits more than one.
//!
//! Such a cluster's start restores nothing: whoever submits the jobs has their programs. What savepointd knows is which of them had
//! state, where the newest of it lies, and whether a job runs again that was restored from exactly that. Jobs are known by their
//! names, as each submission has another id; where two share a name, by their ids.

mod schedule;
mod submission;
mod sum;
mod waiting;

use serde::{Deserialize, Serialize};

pub use schedule::{Expected, Schedule};
pub use submission::{Submission, Version};
pub use sum::{Part, sum};
pub use waiting::{Seen, Waiting, of_epoch, still, waiting};

use super::entry::{End, EndKind, JobEvent};
use super::outcome::StopOutcome;
use super::point::PointRef;

/// What became of one job in one epoch.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Past {
    /// Its name; empty where nobody knows it.
    pub name: String,
    /// Whether Flink was seen to run it.
    pub ran: bool,
    /// What it was restored from, says Flink.
    pub restored: Option<PointRef>,
    /// How its stop ended, and why.
    pub stopped: Option<(StopOutcome, String)>,
    /// Its own end.
    pub ended: Option<End>,
}

impl Past {
    /// Takes in what the record says.
    pub fn add(&mut self, name: &str, event: &JobEvent) {
        if !name.is_empty() {
            name.clone_into(&mut self.name);
        }
        match event {
            JobEvent::Running { restored } => {
                self.ran = true;
                self.restored.clone_from(restored);
            }
            JobEvent::Stopped { outcome, reason } => self.stopped = Some((*outcome, reason.clone())),
            JobEvent::Ended(end) => self.ended = Some(end.clone()),
            JobEvent::Unknown => {}
        }
    }

    /// Whether it came to an end after which nobody wants it back.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.ended.as_ref().is_some_and(|end| matches!(end.how, EndKind::Finished | EndKind::Cancelled))
    }
}

/// A job in words, by its name where it has one.
#[must_use]
pub fn called(name: &str, job_id: super::id::JobId) -> String {
    if name.is_empty() { format!("job {job_id}") } else { format!("{name:?} ({job_id})") }
}
