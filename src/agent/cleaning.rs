//! A start in which Flink first cleans up what a killed JobManager had left of a job that had ended.
//!
//! Flink up to 1.20 mostly has done so before the program submits the job anew, and the job runs. Where it has not, the new job is
//! taken for the ended one and not run, in this start. The next one finds nothing left.

use std::time::Duration;

use super::Agent;
use super::guards::Turn;
use super::session::Session;
use crate::api::ReleaseOrder;
use crate::protocol::outcome::StopOutcome;
use crate::protocol::stop::Job;
use crate::protocol::time::Moment;

/// So long nothing but the ended job is there before the new one counts as not run. A program that takes longer until it submits
/// its job is only begun once more.
const IDLE: Duration = Duration::from_secs(10);

/// So long a Flink under high availability shows no job at all before somebody is told why that may be.
const NO_JOB: Duration = Duration::from_secs(60);

/// How a start under high availability gets on.
#[derive(Debug, Default)]
pub(super) struct Cleaning {
    idle_since: Option<Moment>,
    complained: bool,
}

impl Agent {
    /// Whether Flink has only cleaned up, and runs nothing. `answers`: whether it says anything at all.
    pub(super) fn has_only_cleaned_up(&self, job: Option<&Job>, answers: bool, cleaning: &mut Cleaning) -> bool {
        let idle = answers && job.is_none_or(|job| job.state.is_terminal());
        let now = self.clock.now();
        let since = *cleaning.idle_since.get_or_insert(now);
        if !idle {
            cleaning.idle_since = None;
        }
        idle && now.since(since) >= IDLE
    }

    /// A job that Flink takes for ended it does not run, and goes on running nothing (measured on Flink 1.20.5): with an entry in
    /// another job result store than the one that was looked at, for example.
    pub(super) fn complain_of_no_job(
        &self,
        session: &Session,
        job: Option<&Job>,
        answers: bool,
        cleaning: &mut Cleaning,
    ) {
        let Some(places) = &session.finish.high_availability else { return };
        if !answers || job.is_some() || session.ran.get() {
            cleaning.idle_since = None;
            return;
        }
        let now = self.clock.now();
        let since = *cleaning.idle_since.get_or_insert(now);
        if now.since(since) >= NO_JOB && !cleaning.complained {
            cleaning.complained = true;
            tracing::error!(
                epoch = session.epoch(),
                results = places.results,
                "Flink runs no job: the program has not submitted it yet, or Flink takes it for ended and says so in its job result store"
            );
        }
    }

    /// Ends this JobManager, and has `run` ask for the next start.
    pub(super) fn start_anew(&self, session: &Session) {
        tracing::info!(
            epoch = session.epoch(),
            "Flink has cleaned up what was left of the ended job; starting once more"
        );
        self.end_unchanged(session, true);
    }

    /// Ends a JobManager that has not run the job yet.
    pub(super) fn end_unchanged(&self, session: &Session, again: bool) {
        self.guards.tell(session.epoch(), Turn::Condemned);
        self.order(session.epoch(), |orders| {
            orders.stopping = !again;
            orders.release = Some(ReleaseOrder {
                kill: false,
                exit: None,
                outcome: Some(StopOutcome::Unchanged),
                hand_over: again,
                reason: "Flink was cleaning up what was left of an ended job, and had not begun with the new one"
                    .to_owned(),
            });
        });
    }
}
