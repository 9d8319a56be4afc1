//! What a stop comes to.

use super::super::entry::{End, EndKind};
use super::super::id::JobId;
use super::super::outcome::StopOutcome;
use super::super::point::{normalize, same};
use super::super::time::Moment;
use super::{Attempt, Ending, JobState, Search, Secured, State, Stop};

impl Stop {
    pub(super) fn found_checkpoint(&mut self, reason: String, otherwise: Option<JobId>, search: Search, now: Moment) {
        if let (Some(job_id), Search::Nothing | Search::Broken(_) | Search::Unreadable(_)) = (otherwise, &search)
            && self.joined.is_none()
            && now < self.plan.deadline.cutoff()
            && !self.gone
        {
            // There is no checkpoint to be content with.
            return self.attempt_anew(job_id, self.plan.format, now);
        }
        let joined = self.joined.as_ref().map(|(secured, _)| secured.point.checkpoint_id);
        let search = match search {
            // What was in flight is newer, or all there is.
            Search::Found(secured) if joined.is_some_and(|joined| joined > secured.point.checkpoint_id) => {
                return self.keep_joined(&reason, now);
            }
            Search::Found(_) => search,
            _ if joined.is_some() => return self.keep_joined(&reason, now),
            _ => search,
        };
        let (outcome, reason, saved) = match search {
            Search::Found(secured) => {
                let proof = proof(&secured);
                let reason = format!("no final savepoint: {reason}; the newest completed checkpoint is kept{proof}");
                (StopOutcome::Checkpoint, reason, Some((secured, None)))
            }
            Search::Nothing if self.ran => {
                (StopOutcome::Nothing, format!("{reason}; no checkpoint was completed either"), None)
            }
            Search::Nothing => (StopOutcome::Unchanged, reason, None),
            Search::Broken(why) | Search::Unreadable(why) => (StopOutcome::Nothing, format!("{reason}; {why}"), None),
        };
        self.end(now, outcome, reason, saved);
    }

    fn keep_joined(&mut self, reason: &str, now: Moment) {
        let proof = self.joined.as_ref().map(|(secured, _)| proof(secured)).unwrap_or_default();
        let reason = format!("no final savepoint: {reason}; the savepoint that was in flight is kept{proof}");
        self.end(now, StopOutcome::Checkpoint, reason, None);
    }

    pub(super) fn ended(&mut self, job_id: JobId, state: JobState, end: Option<End>, now: Moment) {
        let end = end.unwrap_or_else(|| End {
            job_id,
            how: match state {
                // Without an answer it counts as finished rather than stopped by a person: the next start then waits.
                JobState::Finished | JobState::Initializing | JobState::Active => EndKind::Finished,
                JobState::Cancelled => EndKind::Cancelled,
                JobState::Failed => EndKind::Failed,
            },
            savepoint: None,
            reason: "Flink did not say more in time".to_owned(),
        });
        if let (EndKind::Stopped, Some(point)) = (end.how, &end.savepoint)
            && let Some(attempt) = &self.asked
            && point.path.starts_with(&normalize(&self.plan.target))
        {
            // The answer to our own request got lost, and this is what came of it.
            let (point, doubt) = (point.clone(), Some("not looked at".to_owned()));
            let secured = Secured { point, job_id: Some(job_id), bytes: None, completed_at: None, doubt };
            let attempt = attempt.clone();
            return self.save(now, secured, Some(attempt), "named by Flink as the job's last savepoint");
        }
        let when = if self.theirs { "while the stop waited for that" } else { "before the stop began" };
        let reason = format!("the job had {} {when}", end.how.as_str());
        let (outcome, joined) = (StopOutcome::Ended, self.joined.take());
        self.write(now, Ending { outcome, reason, saved: None, joined, took: None, end: Some(end) });
    }

    pub(super) fn save(&mut self, now: Moment, secured: Secured, attempt: Option<Attempt>, reason: &str) {
        let why = self.why.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
        let reason = reason.to_owned() + &why + &proof(&secured);
        self.end(now, StopOutcome::Savepoint, reason, Some((secured, attempt)));
    }

    fn end(&mut self, now: Moment, outcome: StopOutcome, reason: String, saved: Option<(Secured, Option<Attempt>)>) {
        let took = self.posted.filter(|_| outcome == StopOutcome::Savepoint).map(|posted| now.since(posted));
        let joined = self.joined.take();
        self.write(now, Ending { outcome, reason, saved, joined, took, end: None });
    }

    pub(super) fn search(&mut self, now: Moment, attempt: Attempt, reason: String, transient: bool) {
        self.go(now, State::Search { attempt, reason, transient });
    }

    /// Storage was looked at, as Flink did not say that the savepoint is complete.
    pub(super) fn searched(&mut self, attempt: Attempt, reason: &str, transient: bool, search: Search, now: Moment) {
        let known = self.joined.as_ref().map(|(joined, _)| joined.point.path.as_str());
        let reason = match search {
            Search::Found(secured) if known.is_some_and(|known| same(known, &secured.point.path)) => {
                // It could not be looked at before, so its number was not known.
                self.joined = self.joined.take().map(|(_, in_flight)| (secured, in_flight));
                reason.to_owned()
            }
            Search::Found(secured) if self.unread.is_some() && self.joined.is_none() => {
                // It may be the one that was given up for this one, complete just before. The job may still run then, so it does not
                // count as the final one.
                self.joined = self.unread.clone().map(|given_up| (secured, given_up));
                reason.to_owned()
            }
            Search::Found(secured) => {
                return self.save(now, secured, Some(attempt), "found complete in the target directory");
            }
            Search::Nothing => reason.to_owned(),
            // Where Flink has said that nothing came of it, there is no reason to wait for a look that succeeds.
            Search::Broken(why) | Search::Unreadable(why) => format!("{reason}; {why}"),
        };
        if transient && self.attempts < super::ATTEMPTS {
            self.look_until = Some(super::patience(now, self.plan.deadline.cutoff()));
            self.pause(now, super::LOOK_AGAIN, State::Look);
        } else {
            self.find_checkpoint(now, &reason);
        }
    }

    /// The newest checkpoint is what is left, for this reason.
    pub(super) fn find_checkpoint(&mut self, now: Moment, reason: &str) {
        let why = self.why.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
        self.go(now, State::FindCheckpoint { reason: format!("{reason}{why}"), otherwise: None });
    }
}

/// What is known of a point's wholeness, in words behind a reason.
fn proof(secured: &Secured) -> String {
    match &secured.doubt {
        None => ", and whole".to_owned(),
        Some(doubt) => format!("; not verified: {doubt}"),
    }
}
