//! What is written of a stop's end.

use std::time::Duration;

use jiff::Timestamp;

use super::super::entry::{Attempt, Fact, JobEvent, Saved};
use super::super::id::JobId;
use super::super::phase::Took;
use super::super::point::{Kind, PointRef};
use super::{Ending, InFlight, Secured};

/// What the stop itself does not know of it.
#[derive(Debug, Clone)]
pub struct Around<'a> {
    /// The epoch that was stopped.
    pub epoch: u64,
    /// The job, where it is known.
    pub job_id: Option<JobId>,
    /// The job's name, where it is one of several.
    pub job_name: Option<&'a str>,
    /// What the savepoint was expected to take.
    pub predicted: Option<Duration>,
    /// What the stop took; none where that is not recorded.
    pub took: Option<Took>,
    /// The clock.
    pub now: Timestamp,
}

impl Ending {
    /// The facts, in the order in which they are written.
    #[must_use]
    pub fn facts(&self, around: &Around) -> Vec<Fact> {
        let mut facts = Vec::new();
        if let Some((secured, InFlight { attempt, kind })) = &self.joined {
            facts.extend(around.saved(secured, Some(attempt), *kind, None).map(Fact::Saved));
        }
        if let Some((secured, attempt)) = &self.saved {
            let kind = if attempt.is_some() { Kind::Final } else { Kind::Checkpoint };
            facts.extend(around.saved(secured, attempt.as_ref(), kind, self.took).map(Fact::Saved));
        }
        if let Some(end) = &self.end {
            facts.extend(end.facts(around.epoch, around.job_name, around.now));
        }
        let (outcome, reason) = (self.outcome, self.reason.clone());
        facts.push(match (around.job_name, around.job_id) {
            (Some(name), Some(job_id)) => Fact::of_job(job_id, name, JobEvent::Stopped { outcome, reason }),
            _ => Fact::Stopped { outcome, reason, took: around.took },
        });
        facts
    }
}

impl Around<'_> {
    fn saved(&self, secured: &Secured, attempt: Option<&Attempt>, kind: Kind, took: Option<Duration>) -> Option<Saved> {
        Some(Saved {
            job_id: attempt.map(|attempt| attempt.job_id).or(secured.job_id).or(self.job_id)?,
            job_name: self.job_name.map(str::to_owned),
            point: PointRef { epoch: Some(self.epoch), ..secured.point.clone() },
            kind,
            format: attempt.map(|attempt| attempt.format),
            completed_at: secured.completed_at.unwrap_or(self.now),
            bytes: secured.bytes,
            duration_ms: took.and_then(millis),
            predicted_ms: took.and(self.predicted).and_then(millis),
            doubt: secured.doubt.clone(),
            salvaged: false,
            drained: attempt.is_some_and(|attempt| attempt.drain),
        })
    }
}

fn millis(duration: Duration) -> Option<u64> {
    u64::try_from(duration.as_millis()).ok()
}
