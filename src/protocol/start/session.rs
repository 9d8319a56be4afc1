//! The start of a session cluster: before it says from where each job goes on, it looks closely at what nobody has proven yet, and
//! records what nobody has recorded.

use jiff::Timestamp;

use super::super::entry::Saved;
use super::super::jobs::{Waiting, still, waiting};
use super::super::point::{Kind, PointRef, same};
use super::super::stop::{Search, Secured};
use super::{Start, State, Trouble};

impl Start {
    /// A job's point that was neither verified when it was recorded nor since.
    pub(super) fn unproven(&self) -> Option<Waiting> {
        if !self.plan.session {
            return None;
        }
        let proven = |path: &str| {
            let mut recorded = self.history.saved().map(|(_, saved)| saved).filter(|saved| saved.doubt.is_none());
            self.proven.contains(path) || recorded.any(|saved| same(&saved.point.path, path))
        };
        self.situation().waiting().into_iter().find(|one| one.point.as_ref().is_some_and(|point| !proven(&point.path)))
    }

    pub(super) fn verified_for(&mut self, one: &Waiting, point: &PointRef, search: Search) {
        let path = point.path.clone();
        let why = match search {
            Search::Found(secured) => {
                self.proven.insert(path);
                let known = self.history.saved().any(|(_, saved)| same(&saved.point.path, &point.path));
                if let Some(doubt) = &secured.doubt {
                    self.doubted.insert(point.path.clone(), doubt.clone());
                } else if !known && !self.plan.only_plan {
                    let saved = salvaged(one, point, &secured, self.plan.now);
                    self.state = State::SalvageJob { epoch: one.epoch, saved };
                    return;
                }
                return self.choose();
            }
            Search::Unreadable(reason) => {
                let reason = format!("{path} can't be read: {reason}");
                return self.trouble(Trouble { reason, passes: true });
            }
            Search::Nothing => "nothing is there".to_owned(),
            Search::Broken(why) => why,
        };
        if self.broken.insert(path.clone(), why).is_some() {
            return self.refuse(format!("{path} can't be used"));
        }
        self.choose();
    }

    /// The jobs that this start leaves to be submitted again.
    pub(super) fn jobs(&self) -> Vec<Waiting> {
        if self.plan.session { self.situation().waiting() } else { Vec::new() }
    }

    /// The same for an epoch that has begun already, as far as the record tells.
    pub(super) fn jobs_of(&self, number: u64) -> Vec<Waiting> {
        if !self.plan.session {
            return Vec::new();
        }
        still(waiting(&self.history, number, None), self.history.epochs.get(&number))
    }
}

fn salvaged(one: &Waiting, point: &PointRef, secured: &Secured, now: Timestamp) -> Saved {
    Saved {
        job_id: one.job_id,
        job_name: Some(one.job_name.clone()),
        point: PointRef { path: point.path.clone(), epoch: Some(one.epoch), ..secured.point.clone() },
        kind: one.kind.unwrap_or(Kind::Checkpoint),
        format: None,
        completed_at: secured.completed_at.unwrap_or(now),
        bytes: secured.bytes,
        duration_ms: None,
        predicted_ms: None,
        drained: false,
        doubt: None,
        salvaged: true,
    }
}
