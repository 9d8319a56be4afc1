//! The rung is taken: a stop-with-savepoint, a checkpoint on demand before it, or neither.

use super::super::id::{JobId, TriggerId};
use super::super::point::Format;
use super::super::time::Moment;
use super::rung::{self, Insurance, Rung, Situation};
use super::{Attempt, CheckpointReply, PostReply, RETRY, State, Stop};

/// Which of a stop's trigger ids the checkpoint's is. There is one checkpoint, and Flink keeps its ids apart from those of savepoints.
const NUMBER: u32 = u32::MAX;

/// A checkpoint that is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct OnDemand {
    pub(super) job_id: JobId,
    pub(super) trigger_id: TriggerId,
    since: Moment,
}

impl Stop {
    /// Nothing is under way, and the tasks run.
    pub(super) fn decide(&mut self, job_id: JobId, now: Moment) {
        let situation = Situation {
            left: self.left(now),
            format: self.plan.format,
            prediction: self.plan.prediction.as_ref(),
            newest: self.survey.newest,
            insurance: self.insurance,
        };
        let rung = rung::choose(&situation);
        self.why = rung::words(&situation, &rung);
        match rung {
            Rung::Stop(format) => self.attempt_anew(job_id, format, now),
            Rung::Insure => {
                let trigger_id = TriggerId::nth(self.plan.seed, NUMBER);
                self.go(now, State::PostCheckpoint(OnDemand { job_id, trigger_id, since: now }));
            }
            Rung::Keep => {
                let reason = self.why.clone().unwrap_or_default();
                self.go(now, State::FindCheckpoint { reason, otherwise: Some(job_id) });
            }
        }
    }

    pub(super) fn attempt_anew(&mut self, job_id: JobId, format: Format, now: Moment) {
        self.attempts += 1;
        self.posted = None;
        let attempt = Attempt {
            job_id,
            trigger_id: TriggerId::nth(self.plan.seed, self.attempts),
            target: self.plan.target.clone(),
            format,
            drain: self.plan.drain,
        };
        self.asked = Some(attempt.clone());
        self.go(now, State::Note(attempt));
    }

    pub(super) fn checkpoint_was_posted(&mut self, asked: OnDemand, reply: &PostReply, now: Moment) {
        match reply {
            PostReply::Accepted => self.go(now, State::PollCheckpoint(asked)),
            PostReply::Lost(_) => self.pause(now, RETRY, State::PostCheckpoint(asked)),
            PostReply::Refused(_) => self.insured(asked, Insurance::Refused, now),
        }
    }

    pub(super) fn checkpoint_polled(&mut self, asked: OnDemand, reply: &CheckpointReply, now: Moment) {
        match reply {
            CheckpointReply::InProgress => {
                let pause = super::pace(now.since(asked.since), 20);
                self.pause(now, pause, State::PollCheckpoint(asked));
            }
            CheckpointReply::Lost(_) => self.pause(now, RETRY, State::PollCheckpoint(asked)),
            CheckpointReply::Completed(number) => self.insured(asked, Insurance::Taken(*number), now),
            CheckpointReply::Failed(_) => self.insured(asked, Insurance::Refused, now),
        }
    }

    fn insured(&mut self, asked: OnDemand, insurance: Insurance, now: Moment) {
        self.insurance = insurance;
        self.decide(asked.job_id, now);
    }
}
