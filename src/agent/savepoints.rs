//! Savepoints of a job that goes on, at a person's word or by the clock: one at a time, and none beside a stop.

use std::rc::Rc;

use jiff::Timestamp;

use super::Agent;
use super::saving::Hands;
use super::session::Session;
use crate::kubernetes::Severity;
use crate::protocol::entry::{Attempt, Fact, Saved};
use crate::protocol::point::{Format, Kind, Metadata, PointRef};
use crate::protocol::stop::{RecordReply, Search};
use crate::protocol::time::Moment;
use crate::{random, report, storage};

/// Why there is no savepoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) reason: String,
    /// Whether it may go better by itself.
    pub(super) passes: bool,
}

impl Refusal {
    fn later(reason: &str) -> Self {
        Self { reason: reason.to_owned(), passes: true }
    }
}

/// The newest savepoint that this agent took, and when that began.
pub(super) type Newest = Option<(Moment, Saved)>;

impl Agent {
    /// Takes a savepoint, or shares one that began after this was asked for. It goes on when whoever asked hangs up, and beside a
    /// stop that begins meanwhile: Flink's answer has to be read, or the JobManager does not end.
    pub(super) async fn savepoint(self: &Rc<Self>, kind: Kind, format: Format) -> Result<Saved, Refusal> {
        let (agent, asked) = (Rc::clone(self), self.clock.now());
        let taking = self.closing.spawn_local(async move {
            let mut newest = agent.savepoints.lock().await;
            let fits = |saved: &Saved| (saved.kind, saved.format) == (kind, Some(format));
            if let Some((_, saved)) = newest.as_ref().filter(|(began, saved)| *began > asked && fits(saved)) {
                return Ok(saved.clone());
            }
            let began = agent.clock.now();
            let saved = agent.take(kind, format).await;
            if let Ok(saved) = &saved {
                *newest = Some((began, saved.clone()));
            }
            saved
        });
        taking.await.unwrap_or_else(|error| Err(Refusal::later(&error.to_string())))
    }

    async fn take(self: &Rc<Self>, kind: Kind, format: Format) -> Result<Saved, Refusal> {
        let session = self.savable()?;
        let Some(job_id) = session.job_id.get() else { return Err(Refusal::later("Flink shows no job yet")) };
        let (trigger_id, target) = (random::id(), session.finish.target.clone());
        let attempt = Attempt { job_id, trigger_id, target, format, drain: false };
        let taken = Hands::new(self, &session, kind, attempt).drive().await;
        self.metrics.saved(kind, taken.as_ref().ok());
        match &taken {
            Ok(saved) => {
                self.order(session.epoch(), |orders| orders.after = session.newest.get());
                let Saved { point, bytes, duration_ms, doubt, .. } = saved;
                let (path, kind, doubt) = (point.path.as_str(), kind.as_str(), doubt.as_deref());
                tracing::info!(path, kind, bytes, duration_ms, doubt, "a savepoint is taken; the job goes on");
            }
            Err(refusal) => {
                tracing::warn!(kind = kind.as_str(), reason = refusal.reason, "no savepoint was taken");
                self.event(
                    Severity::Warning,
                    "SavepointFailed",
                    format!("{} savepoint: {}", kind.as_str(), refusal.reason),
                );
            }
        }
        taken
    }

    /// The session whose job may be asked for a savepoint now.
    pub(super) fn savable(&self) -> Result<Rc<Session>, Refusal> {
        let session = self.served().filter(|session| session.started.get());
        let session = session.ok_or_else(|| Refusal::later("no JobManager runs here under savepointd run"))?;
        if session.stopping.get() {
            return Err(Refusal::later("a stop is under way: it takes the final savepoint"));
        }
        if session.is_condemned() {
            let reason = "the job did not restore what it should, and is being ended".to_owned();
            return Err(Refusal { reason, passes: false });
        }
        if session.several.get() {
            let reason = "the cluster runs several jobs, of which savepointd takes final savepoints only: while one goes on, take its \
                          savepoint with `flink savepoint JOB_ID`";
            return Err(Refusal { reason: reason.to_owned(), passes: false });
        }
        if session.confirmed.borrow().is_none() {
            return Err(Refusal::later(
                "Flink has not confirmed yet what the job restored: its tasks are not all running",
            ));
        }
        Ok(session)
    }

    /// Records what an agent that died had asked for, in an epoch that goes on; nothing of that is a final savepoint.
    pub(super) fn adopt_savepoints(self: &Rc<Self>, session: &Rc<Session>) {
        if !session.go.resumed || session.said.attempt.borrow().is_some() {
            return;
        }
        let (agent, adopting) = (Rc::clone(self), Rc::clone(session));
        let task = tokio::task::spawn_local(async move {
            let _one_at_a_time = agent.savepoints.lock().await;
            agent.adopt_what_is_there(&adopting).await;
        });
        session.adopt(task.abort_handle());
    }

    async fn adopt_what_is_there(&self, session: &Session) {
        let storage = self.storage.or_of(&session.setup);
        let found = match storage::savepoints_in(&storage, &session.finish.target).await {
            Ok(found) => found,
            Err(error) => {
                return tracing::warn!(error = report::chain(&error), "the epoch's savepoints can't be listed");
            }
        };
        for one in found {
            if session.said.known.borrow().contains(&one.path) {
                continue;
            }
            session.went_on_from(&one.path, one.checkpoint_id());
            let Some(job_id) = session.job_id.get().filter(|_| one.metadata != Metadata::Missing) else { continue };
            let Search::Found(secured) = storage::look(&storage, &one.path, None).await else { continue };
            let saved = Saved {
                job_id,
                job_name: None,
                point: PointRef { epoch: Some(session.epoch()), ..secured.point },
                // Of a person's nobody knows any more: where there is a clock, it was most likely that.
                kind: if self.config.savepoint.interval.is_some() { Kind::Periodic } else { Kind::Manual },
                format: None,
                completed_at: secured.completed_at.unwrap_or_else(Timestamp::now),
                bytes: secured.bytes,
                duration_ms: None,
                doubt: secured.doubt,
                salvaged: true,
                drained: false,
                predicted_ms: None,
            };
            let path = saved.point.path.clone();
            match self.record.say(session.epoch(), Fact::Saved(saved)).await {
                RecordReply::Done => tracing::info!(path, "a savepoint that nobody had recorded is recorded"),
                RecordReply::Failed(reason) | RecordReply::Superseded(reason) => {
                    tracing::warn!(path, reason, "a savepoint that nobody had recorded can't be recorded");
                }
            }
        }
    }
}
