//! Savepoints that are being taken when the stop begins: a stop of ours would abort them.
//!
//! * One of ours is waited for while that leaves time for the final one; where the final one does not fit for certain, until the
//!   deadline: it is the insurance then, or what the stop comes to. It is recorded as what it was asked for.
//! * Somebody's stop-with-savepoint is waited for until the deadline: a second one would destroy it, and it began before. When it has
//!   come to its end, the job is finished and Flink tells of its savepoint, or the job runs on and ours follows. Flink shows
//!   it within 0.1 s, but its statistics are cached for 3 s: one that begins meanwhile may not be seen.
//! * Somebody's plain savepoint is waited for if it is expected to end soon enough.

use std::time::Duration;

use super::super::entry::Attempt;
use super::super::estimate::{Expected, Prediction};
use super::super::id::JobId;
use super::super::time::Moment;
use super::{InFlight, Insurance, PollReply, RETRY, Search, Secured, State, Stop, Survey};

/// A savepoint that is waited for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Joining {
    pub(super) in_flight: InFlight,
    pub(super) job_id: JobId,
    /// Since when this stop waits.
    since: Moment,
    /// Until when.
    pub(super) until: Moment,
}

/// How long a savepoint of ours that has been taken for `so_far` is waited for, `left` being the time until the deadline.
fn patience(left: Duration, so_far: Duration, same_format: bool, prediction: Option<&Prediction>) -> Duration {
    let Some(Prediction { savepoint: Expected { likely, at_most }, .. }) = prediction else {
        // One that takes half of the time leaves too little for another of its kind.
        return if same_format { left } else { left / 2 };
    };
    let Some(spare) = left.checked_sub(*at_most) else { return left };
    let whole = if same_format { *likely } else { *likely * 2 };
    if whole.saturating_sub(so_far) <= spare { spare } else { Duration::ZERO }
}

/// How long somebody else's is waited for.
fn courtesy(left: Duration, so_far: Duration, prediction: Option<&Prediction>) -> Duration {
    let Some(Prediction { savepoint: Expected { likely, at_most }, .. }) = prediction else { return left / 4 };
    let spare = left.saturating_sub(*at_most);
    if likely.saturating_sub(so_far) <= spare { spare } else { Duration::ZERO }
}

impl Stop {
    /// The tasks run: before anything is asked of Flink, it is asked what it is doing.
    pub(super) fn ready(&mut self, job_id: JobId, now: Moment) {
        if self.surveys > 0 {
            self.go(now, State::Survey(job_id));
        } else {
            self.decide(job_id, now);
        }
    }

    pub(super) fn surveyed(&mut self, job_id: JobId, survey: Option<Survey>, now: Moment) {
        let Some(survey) = survey else {
            if let Some(so_far) = self.survey.stop {
                // What was seen counts until something else is.
                return self.await_others(so_far, now);
            }
            self.surveys -= 1;
            return match self.surveys {
                0 => self.join(job_id, Duration::ZERO, now),
                _ => self.pause(now, RETRY, State::Survey(job_id)),
            };
        };
        let left = self.left(now);
        let prediction = self.plan.prediction.as_ref();
        self.survey = survey.clone();
        self.theirs = survey.stop.is_some();
        if let Some(so_far) = survey.stop {
            return self.await_others(so_far, now);
        }
        let ours = self.plan.in_flight.is_some();
        if let Some(so_far) = survey.savepoint.filter(|_| !ours) {
            let until = *self.courtesy_until.get_or_insert_with(|| now.plus(courtesy(left, so_far, prediction)));
            if now < until {
                return self.await_others(so_far, now);
            }
        }
        self.surveys = 0;
        self.join(job_id, survey.savepoint.unwrap_or_default(), now);
    }

    /// Looks again later whether it still is under way, and whether the job still runs.
    fn await_others(&mut self, so_far: Duration, now: Moment) {
        self.look_until = Some(super::patience(now, self.plan.deadline.cutoff()));
        self.pause(now, super::pace(so_far, 20), State::Look);
    }

    fn join(&mut self, job_id: JobId, so_far: Duration, now: Moment) {
        let Some(in_flight) = self.plan.in_flight.take() else { return self.decide(job_id, now) };
        let same_format = in_flight.attempt.format == self.plan.format;
        let patience = patience(self.left(now), so_far, same_format, self.plan.prediction.as_ref());
        let joining = Joining { in_flight, job_id, since: now, until: now.plus(patience) };
        self.go(now, State::Join(joining));
    }

    /// Its time is over.
    pub(super) fn leave_what_was_in_flight(&mut self, now: Moment) {
        if let State::Join(joining) = &self.state
            && now >= joining.until
            && now < self.plan.deadline.cutoff()
            && !self.gone
        {
            let Joining { in_flight, job_id, .. } = joining.clone();
            // The final one aborts it; an answer that nobody reads keeps the JobManager from ending for 5 s.
            self.unread = Some(in_flight);
            self.decide(job_id, now);
        }
    }

    pub(super) fn joined(&mut self, joining: Joining, reply: PollReply, now: Moment) {
        match reply {
            PollReply::InProgress => {
                let pause = super::pace(now.since(joining.since), 20);
                self.pause(now, pause, State::Join(joining));
            }
            PollReply::Lost(_) => self.pause(now, RETRY, State::Join(joining)),
            PollReply::Completed(location) => self.go(now, State::VerifyJoined { joining, location }),
            PollReply::Failed { .. } | PollReply::Unknown => self.go(now, State::SearchJoined(joining)),
        }
    }

    /// Storage was looked at: at the savepoint that Flink named, or for one that Flink says nothing of.
    pub(super) fn found_joined(&mut self, joining: Joining, named: Option<&str>, search: Search, now: Moment) {
        let Joining { in_flight, job_id, .. } = joining;
        let secured = match (search, named) {
            (Search::Found(secured), _) => Some(secured),
            (Search::Unreadable(why), Some(location)) => Some(Secured::unread(location, Some(job_id), &why)),
            _ => None,
        };
        if let Some(secured) = secured {
            self.joined = Some((secured, in_flight));
            self.insurance = Insurance::Joined;
        }
        self.decide(job_id, now);
    }

    /// The number above which a savepoint is none that was there before ours was asked for.
    pub(super) fn highest(&self) -> Option<u64> {
        let joined = self.joined.as_ref().and_then(|(secured, _)| secured.point.checkpoint_id);
        let insured = match self.insurance {
            Insurance::Taken(number) => Some(number),
            _ => None,
        };
        self.survey.highest.max(joined).max(insured)
    }

    /// Reads what the final savepoint has aborted, before the JobManager is ended.
    pub(super) fn take_unread(&mut self) -> Option<Attempt> {
        self.unread.take().map(|in_flight| in_flight.attempt)
    }
}
