//! Finishing a stop without the agent: the same stop, without record. The next start finds the savepoint in storage.

use std::collections::{BTreeMap, BTreeSet};

use tokio::sync::watch;

use crate::api::{Finish, Orders, ReleaseOrder};
use crate::clock::Clock;
use crate::flink::Flink;
use crate::protocol::entry::Attempt;
use crate::protocol::id::TriggerId;
use crate::protocol::stop::{Plan, Release, Stop};
use crate::protocol::time::{Deadline, Moment};
use crate::stop::Several;
use crate::storage::Storage;
use crate::{report, stop};

/// What the agent told, as far as it matters for going on with its stop.
#[derive(Debug, Clone, Default)]
pub(super) struct Told {
    /// The request for a savepoint that the agent has made or is about to make.
    attempt: Option<Attempt>,
    /// Whether a checkpoint survives an ordinary end of the JobManager.
    checkpoints_survive: Option<bool>,
    /// Whether the cluster runs several jobs.
    several: bool,
    /// The number of the newest point that the job has gone on from.
    after: Option<u64>,
}

impl Told {
    pub(super) fn hear(&mut self, orders: &Orders) {
        // An agent that was started again knows of none.
        self.attempt = orders.attempt.clone().or_else(|| self.attempt.take().filter(|_| !orders.withdrawn));
        self.checkpoints_survive = orders.checkpoints_survive.or(self.checkpoints_survive);
        self.several |= orders.several;
        self.after = self.after.max(orders.after);
    }

    /// Whether SIGTERM leaves checkpoints in place. Where nobody told, SIGKILL does either way.
    pub(super) fn may_end_gently(&self) -> bool {
        self.checkpoints_survive == Some(true)
    }
}

pub(super) async fn finish(
    finish: Finish,
    told: Told,
    (began, deadline): (Moment, watch::Receiver<Deadline>),
    clock: Clock,
    gone: watch::Receiver<bool>,
) -> ReleaseOrder {
    let Told { attempt: resume, checkpoints_survive: survive, several, after } = told;
    let flink = match Flink::new(finish.flink.clone()) {
        Ok(flink) => flink,
        Err(error) => {
            return ReleaseOrder {
                kill: false,
                exit: None,
                outcome: None,
                hand_over: false,
                reason: report::chain(&error),
            };
        }
    };
    let job_id = resume.as_ref().map(|attempt| attempt.job_id).or(finish.job_id);
    let retains = match job_id {
        _ if survive.is_some() => survive,
        Some(job_id) => {
            let asked = tokio::time::timeout(std::time::Duration::from_secs(1), flink.retains_checkpoints(job_id));
            asked.await.ok().and_then(Result::ok).flatten()
        }
        None => None,
    };
    let plan = Plan {
        job_id,
        target: finish.target.clone(),
        format: finish.format,
        drain: finish.drain,
        began,
        deadline: *deadline.borrow(),
        resume,
        seed: TriggerId::seed(&finish.target),
        // What ran is not known here; taking it for granted only means to look more patiently.
        ran: true,
        // Where nobody can tell, SIGKILL leaves a checkpoint in place either way.
        checkpoints_survive: retains.unwrap_or(false),
        // The agent knew, and is dead.
        prediction: None,
        in_flight: None,
        cleans_up: finish.high_availability.is_some(),
        several,
    };
    let hands = stop::Hands {
        flink,
        memory: None,
        storage: Storage::here(finish.storage),
        epoch: finish.epoch,
        job_id: job_id.into(),
        job_name: None,
        target: finish.target.clone(),
        checkpoints: finish.checkpoints,
        high_availability: finish.high_availability,
        above: finish.above,
        after,
        known: Vec::new(),
        predicted: None,
        took: None,
        gone,
        deadline,
    };
    // There is no record here, so nothing is in it.
    let (release, _) = if several {
        let seed = finish.target;
        let (known, ended, parallel) = (BTreeMap::new(), BTreeSet::new(), finish.parallel);
        // The agent may have begun it, and nobody knows with which of them.
        let plan = Plan { resume: None, ..plan };
        stop::drive_all(Several { plan, seed, hands, parallel, known, ended, resumes: true }, clock).await
    } else {
        stop::drive(Stop::begin(plan), hands, clock, |_| {}).await
    };
    let release = Release { recorded: false, ..release };
    stop::log(&release);
    ReleaseOrder {
        kill: release.kill,
        exit: None,
        outcome: Some(release.outcome),
        hand_over: false,
        reason: release.reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::id::{Id, JobId};
    use crate::protocol::point::Format;

    #[test]
    fn a_request_counts_until_it_is_withdrawn_though_a_new_agent_knows_of_none() {
        let attempt = Attempt {
            job_id: JobId::derived("orders", 3),
            trigger_id: Id::from_bytes([7; 16]),
            target: "file:///savepoints/orders/3".to_owned(),
            format: Format::Native,
            drain: false,
        };
        let mut told = Told::default();
        told.hear(&Orders { attempt: Some(attempt.clone()), ..Orders::default() });
        told.hear(&Orders::default());
        assert_eq!(told.attempt, Some(attempt.clone()));
        told.hear(&Orders { withdrawn: true, ..Orders::default() });
        assert_eq!(told.attempt, None);
        told.hear(&Orders { attempt: Some(attempt.clone()), withdrawn: true, ..Orders::default() });
        assert_eq!(told.attempt, Some(attempt));
    }
}
