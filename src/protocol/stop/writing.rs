//! How the outcome of a stop becomes durable: in the record, or, while that can't be written, in the marker.
//!
//! The JobManager is kept from SIGTERM until then, and no longer than that helps. A savepoint lies in its epoch's own folder, where
//! the next start finds it without the record; what that start would not know is that there must be one, should it vanish. A note in
//! the marker tells it. With that, an API server that is away has [`PATIENCE`] to come back before the JobManager, its
//! TaskManagers and their pods are let go: holding them any longer makes no state safer, and the new pod may wait for them.
//!
//! Only an outcome that leaves the job at its end is written there. Any other may still be followed by another one of the same epoch,
//! and a note in the marker is never changed.

use std::time::Duration;

use super::super::outcome::StopOutcome;
use super::super::time::{Deadline, Moment};
use super::{Ending, RETRY, RecordReply, Release, SETTLE, State, Stop};

/// How long the record may take once the marker has the outcome: time for one request that hangs, and for another one.
const PATIENCE: Duration = Duration::from_secs(7);
/// How long the first try may take before the marker has its turn.
const FIRST_TRY: Duration = Duration::from_secs(2);
/// How long any other may.
const TRY: Duration = Duration::from_secs(5);

/// An outcome that is being written.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Writing {
    pub(super) ending: Ending,
    /// Since when.
    since: Moment,
    /// Why the record does not have it, once it was tried.
    failed: Option<String>,
    /// The marker has it.
    pub(super) marked: bool,
}

impl Writing {
    fn may_be_marked(&self) -> bool {
        !self.marked && matches!(self.ending.outcome, StopOutcome::Savepoint | StopOutcome::Ended)
    }

    /// When it is given up.
    pub(super) fn limit(&self, deadline: Deadline) -> Moment {
        let latest = deadline.record_until();
        if self.marked { latest.min(self.since.plus(PATIENCE)) } else { latest }
    }

    /// How long the next try to record may take.
    pub(super) fn slice(&self, now: Moment, limit: Moment) -> Duration {
        if self.may_be_marked() { FIRST_TRY.min(limit.since(now) / 2) } else { TRY }
    }
}

impl Stop {
    pub(super) fn write(&mut self, now: Moment, ending: Ending) {
        self.go(now, State::Record(Writing { ending, since: now, failed: None, marked: false }));
    }

    pub(super) fn leave_a_record_that_is_late(&mut self, now: Moment) {
        let (State::Record(writing) | State::Mark(writing)) = &self.state else { return };
        if now >= self.plan.deadline.record_until() {
            self.state = State::Done(self.release(writing, false));
        } else if now >= writing.limit(self.plan.deadline) {
            let release = self.release(writing, false);
            self.settle(release, now);
        }
    }

    pub(super) fn recorded(&mut self, writing: Writing, reply: RecordReply, now: Moment) {
        match reply {
            RecordReply::Done => {
                let release = self.release(&writing, true);
                self.settle(release, now);
            }
            RecordReply::Failed(why) => {
                let writing = Writing { failed: Some(why), ..writing };
                if writing.may_be_marked() {
                    self.go(now, State::Mark(writing));
                } else {
                    self.pause(now, RETRY, State::Record(writing));
                }
            }
            RecordReply::Superseded(reason) => {
                let mut release = self.release(&writing, false);
                release.outcome = StopOutcome::Superseded;
                release.reason = reason;
                self.go(now, State::Done(release));
            }
        }
    }

    pub(super) fn marked(&mut self, writing: Writing, marked: bool, now: Moment) {
        self.pause(now, RETRY, State::Record(Writing { marked, ..writing }));
    }

    /// The job is at its end, or nearly so: the JobManager is not ended before that.
    fn settle(&mut self, release: Release, now: Moment) {
        self.settle_until = now.plus(SETTLE);
        let next = match (release.outcome, self.take_unread()) {
            (StopOutcome::Savepoint, _) if self.gone => return self.settled(release, now),
            (StopOutcome::Savepoint, Some(attempt)) => State::Reread(release, attempt),
            (StopOutcome::Savepoint, None) => State::Settle(release),
            _ => State::Done(release),
        };
        self.go(now, next);
    }

    fn release(&self, writing: &Writing, recorded: bool) -> Release {
        let ending = &writing.ending;
        let saved = ending.saved.as_ref().map(|(secured, _)| secured);
        let joined = ending.joined.as_ref().map(|(secured, _)| secured);
        Release {
            outcome: ending.outcome,
            reason: ending.reason.clone(),
            point: saved.or(joined).map(|secured| secured.point.clone()),
            recorded,
            late: writing.failed.clone().filter(|_| writing.marked && !recorded),
            // Somebody else's stop that is completed now would delete them, and leave a savepoint that we may not find.
            kill: (!self.plan.checkpoints_survive || self.theirs)
                && matches!(ending.outcome, StopOutcome::Checkpoint | StopOutcome::Nothing),
        }
    }
}
