//! A restore that fails: from the start until Flink has confirmed what it restored, the job's failures are read, and those
//! that the point is to blame for are counted in the record.

use std::rc::Rc;
use std::time::Duration;

use super::Agent;
use super::session::Session;
use crate::exit::Exit;
use crate::kubernetes::Severity;
use crate::protocol::entry::{Fact, RestoreFailed};
use crate::protocol::failure::{Failure, classify};
use crate::protocol::stop::{Job, JobState};
use crate::protocol::time::Moment;

/// So long Flink answers with the failures that it knew at the last question.
const CACHE: Duration = Duration::from_millis(3_200);
/// How soon a JobManager that is about to end is asked again.
const AGAIN: Duration = Duration::from_millis(100);
/// So often in a row Flink itself may try to restore within one start. Its restart strategy would go on for ever.
const TRIES: usize = 3;

/// What was asked of one start.
#[derive(Debug, Default)]
pub(super) struct Restoring {
    asked: Option<Moment>,
}

impl Agent {
    /// Why Flink can't restore the point, if it can't and the point is to blame. An outage is nobody's fault.
    pub(super) async fn restore_failure(
        &self,
        session: &Session,
        job: &Job,
        restoring: &mut Restoring,
    ) -> Option<RestoreFailed> {
        let base = session.go.base.as_ref().filter(|_| !session.said.confirmed)?;
        let traces = match job.state {
            JobState::Failed => self.last_words(session, job).await,
            JobState::Active if !job.all_tasks_up => {
                let now = self.clock.now();
                if restoring.asked.is_some_and(|asked| now.since(asked) < CACHE) {
                    return None;
                }
                restoring.asked = Some(now);
                let traces = session.flink.failures(job.id).await.ok()?;
                (failures(&traces).len() >= TRIES).then_some(traces)?
            }
            _ => return None,
        };
        let Failure { class, reason } = failures(&traces).into_iter().next()?;
        Some(RestoreFailed {
            job_id: job.id,
            path: base.path.clone(),
            class,
            reason,
            allow_non_restored_state: self.config.restore.allow_non_restored_state,
        })
    }

    /// What a job that has failed for good failed of; nothing if Flink does not say before it ends.
    async fn last_words(&self, session: &Session, job: &Job) -> Vec<String> {
        let until = self.clock.now().plus(CACHE);
        loop {
            match session.flink.failures(job.id).await {
                Ok(traces) if traces.is_empty() && self.clock.now() < until => {}
                answer => return answer.unwrap_or_default(),
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// Records that the point could not be restored, and ends the JobManager: the next start decides what comes of that.
    pub(super) async fn give_up_restoring(self: &Rc<Self>, session: &Session, failed: RestoreFailed) {
        session.restore_failed.set(true);
        // A JobManager that ends by itself takes `run` along, and an agent that `run` has started.
        let _recorded = self.closing.token();
        let RestoreFailed { job_id, path, class, reason, .. } = &failed;
        let class = class.as_str();
        tracing::error!(epoch = session.epoch(), %job_id, path, class, reason, "Flink can't restore the point");
        self.metrics.restore_failed(failed.class);
        let why = format!("Flink can't restore {path}: {reason}");
        self.event(Severity::Warning, "RestoreFailed", format!("epoch {}: {why}", session.epoch()));
        self.keep(session, vec![Fact::RestoreFailed(failed)]).await;
        self.release(session, &why, Exit::State, false);
    }
}

/// The newest failures, as far back as the point is to blame.
fn failures(traces: &[String]) -> Vec<Failure> {
    traces.iter().map_while(|trace| classify(trace)).collect()
}
