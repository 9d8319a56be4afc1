//! Watching a started Flink: the restore is confirmed, progress noted once, the job's own end respected.

use std::rc::Rc;
use std::time::Duration;

use jiff::Timestamp;

use super::Agent;
use super::cleaning::Cleaning;
use super::guards::Turn;
use super::restoring::Restoring;
use super::session::Session;
use super::silence::Silence;
use crate::api::ReleaseOrder;
use crate::exit::Exit;
use crate::flink::version;
use crate::kubernetes::Severity;
use crate::protocol::confirm::{Confirm, Confirmation};
use crate::protocol::entry::{End, EndKind, Fact};
use crate::protocol::phase::StartPhase;
use crate::protocol::point::{PointRef, normalize};
use crate::protocol::stop::{Job, JobsReply, RecordReply};
use crate::{record, report, stop};

/// While the start is not confirmed. A JobManager whose job can't even begin to restore ends by itself, and says why for
/// 0.2 to 0.9 s (measured on Flink 1.15.4 to 1.20.5).
const SOON: Duration = Duration::from_millis(100);
/// In steady state.
const SELDOM: Duration = Duration::from_secs(2);
/// How often the record is tried again while a job's end waits to be recorded.
const AGAIN: Duration = Duration::from_millis(500);
/// How long the record may hold up the end of a job that must not run and can't be cancelled.
const FIRST: Duration = Duration::from_secs(2);

impl Agent {
    pub(super) async fn watch(self: &Rc<Self>, session: &Session) {
        let mut confirm = Confirm::of(session.go.base.clone()).or(session.go.or.clone());
        let mut restoring = Restoring::default();
        let mut cleaning = Cleaning::default();
        let mut silence = Silence::default();
        loop {
            let confirmed = session.confirmed.borrow().is_some();
            tokio::time::sleep(if confirmed { SELDOM } else { SOON }).await;
            if session.several.get() {
                return self.watch_jobs(session).await;
            }
            let (job, answers) = self.job(session, &mut silence).await;
            if session.is_cleaning_up() {
                if self.has_only_cleaned_up(job.as_ref(), answers, &mut cleaning) {
                    return self.start_anew(session);
                }
                continue;
            }
            self.complain_of_no_job(session, job.as_ref(), answers, &mut cleaning);
            let Some(job) = job else { continue };
            if !confirmed && let Some(failed) = self.restore_failure(session, &job, &mut restoring).await {
                return self.give_up_restoring(session, failed).await;
            }
            if job.state.is_terminal() {
                return self.job_ended(session, &job).await;
            }
            if !job.all_tasks_up {
                continue;
            }
            if !confirmed && let Some(wrong) = self.confirm(session, &job, &mut confirm).await {
                return self.void(session, &job, &wrong).await;
            }
            if !session.progressed.get() {
                session.progressed.set(self.note_progress(session, &job).await);
            }
        }
    }

    /// The job of this session, if Flink shows one that can be taken for it; and whether Flink answers.
    async fn job(self: &Rc<Self>, session: &Session, silence: &mut Silence) -> (Option<Job>, bool) {
        let reply = session.flink.jobs().await;
        self.listen(silence, &reply);
        let JobsReply::Listed(jobs) = reply else { return (None, false) };
        self.note_several(session, &jobs);
        if session.several.get() {
            return (None, true);
        }
        let named = jobs.iter().find(|job| Some(job.id) == session.job_id.get());
        let only = if let [job] = jobs.as_slice() { Some(job) } else { None };
        let Some(job) = named.or(only).cloned() else { return (None, true) };
        session.job_id.set(Some(job.id));
        // The end of the job that Flink cleans up after tells nothing of the new one.
        if job.any_task_up && !(session.is_cleaning_up() && job.state.is_terminal()) {
            session.ran.set(true);
        }
        (Some(job), true)
    }

    /// Compares what Flink restored with what was injected. Says what is wrong, if anything is.
    async fn confirm(self: &Rc<Self>, session: &Session, job: &Job, confirm: &mut Confirm) -> Option<String> {
        if session.retains.get().is_none() {
            let retains = session.flink.retains_checkpoints(job.id).await.ok()?;
            if retains == Some(false) {
                tracing::warn!(
                    "the job's own code has Flink delete checkpoints when the JobManager ends; a stop that must fall back to \
                     one will end the JobManager with SIGKILL. Remove the retention setting from the job's code"
                );
            }
            if let Some(lacks) = session.flink.version().await.ok().as_deref().and_then(version::shortcoming) {
                tracing::warn!("{lacks}");
            }
            let survive = retains.unwrap_or(true);
            session.retains.set(Some(survive));
            self.order(session.epoch(), |orders| orders.checkpoints_survive = Some(survive));
        }
        let restored = session.flink.restored(job.id).await.ok()?;
        match confirm.on(job.id, restored, self.clock.now()) {
            Confirmation::Pending => None,
            Confirmation::Wrong(wrong) => Some(wrong),
            Confirmation::Right(restored) => {
                let path = restored.as_ref().map(|restored| normalize(&restored.path));
                tracing::info!(epoch = session.epoch(), job_id = %job.id, restored = path, "the restore is confirmed");
                self.metrics.confirmed(true);
                if let Some(started) = session.started_at.take() {
                    self.metrics.start_took(StartPhase::Confirm, self.clock.now().since(started));
                }
                let what = path.clone().unwrap_or_else(|| "a fresh start".to_owned());
                if !session.said.confirmed {
                    let text = format!("epoch {}: Flink runs from {what}", session.epoch());
                    self.event(Severity::Normal, "RestoreConfirmed", text);
                }
                *session.confirmed.borrow_mut() = Some(what);
                let point = restored.zip(path).map(|(restored, path)| PointRef {
                    path,
                    checkpoint_id: Some(restored.id),
                    epoch: None,
                });
                if !session.said.confirmed {
                    let reply =
                        self.record.say(session.epoch(), Fact::Confirmed { job_id: job.id, restored: point }).await;
                    if let RecordReply::Failed(reason) | RecordReply::Superseded(reason) = reply {
                        tracing::warn!(reason, "the confirmation could not be recorded");
                    }
                }
                None
            }
        }
    }

    /// A job that runs from something else is cancelled at once, without a savepoint, and nothing of its epoch is used.
    pub(super) async fn void(self: &Rc<Self>, session: &Session, job: &Job, wrong: &str) {
        session.void.set(true);
        tracing::error!(epoch = session.epoch(), job_id = %job.id, reason = wrong, "the job is cancelled");
        self.metrics.confirmed(false);
        self.event(
            Severity::Warning,
            "RestoredWrong",
            format!("epoch {}: the job is cancelled: {wrong}", session.epoch()),
        );
        let mut cancelled = session.flink.cancel(job.id).await;
        if cancelled.is_err() {
            tokio::time::sleep(AGAIN).await;
            cancelled = session.flink.cancel(job.id).await;
        }
        let voided = || self.keep(session, vec![Fact::Voided { reason: wrong.to_owned() }]);
        if let Err(error) = cancelled {
            tracing::error!(error = report::chain(&error), "the job can't be cancelled; killing the JobManager");
            // Recorded first, as `run` and its agent end with the JobManager; but the job must not go on working for long.
            let kept = tokio::time::timeout(FIRST, voided()).await;
            self.release(session, wrong, Exit::State, true);
            if kept.is_ok() {
                return;
            }
        }
        voided().await;
        self.release(session, wrong, Exit::State, false);
    }

    /// Notes once that the epoch has a checkpoint: from then on "nothing found" is a loss, not a beginning.
    async fn note_progress(&self, session: &Session, job: &Job) -> bool {
        let Ok(checkpoints) = session.flink.checkpoints(job.id).await else { return false };
        let Some(completed) = checkpoints.latest.completed else { return false };
        let expected = normalize(&session.finish.checkpoints);
        if let Some(path) =
            completed.external_path.as_deref().map(normalize).filter(|path| !path.starts_with(&expected))
        {
            tracing::error!(
                path,
                expected,
                "Flink keeps checkpoints in another directory than its configuration names; after a crash they would not be \
                 found: set checkpoint.directory (SAVEPOINTD_CHECKPOINT__DIRECTORY)"
            );
        }
        let fact = Fact::Progressed { job_id: job.id, checkpoint_id: completed.id };
        let entry = record::entry(session.epoch(), fact);
        self.record.add_and_keep(&session.marker, &[entry]).await == RecordReply::Done
    }

    async fn job_ended(self: &Rc<Self>, session: &Session, job: &Job) {
        let end = loop {
            match stop::read_end(&session.flink, job.id).await {
                Some(end) => break end,
                None => tokio::time::sleep(AGAIN).await,
            }
        };
        let End { how, savepoint, reason, .. } = &end;
        let path = savepoint.as_ref().map(|point| point.path.as_str());
        tracing::info!(how = how.as_str(), savepoint = path, reason, "the job came to its own end");
        self.tell_of_end(session, &end);
        self.keep(session, end.facts(session.epoch(), None, Timestamp::now())).await;
        let exit = if end.how == EndKind::Failed { Exit::Failed } else { Exit::Done };
        self.release(session, &format!("the job {}", how.as_str()), exit, false);
    }

    /// Records facts, however long the record needs: the JobManager is not ended before they are durable.
    pub(super) async fn keep(&self, session: &Session, facts: Vec<Fact>) {
        let entries: Vec<_> = facts.into_iter().map(|fact| record::entry(session.epoch(), fact)).collect();
        loop {
            match self.record.add_and_keep(&session.marker, &entries).await {
                RecordReply::Done => return,
                RecordReply::Failed(reason) => tracing::warn!(reason, "can't be recorded yet"),
                RecordReply::Superseded(reason) => {
                    tracing::warn!(reason, "not recorded");
                    return;
                }
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    pub(super) fn release(&self, session: &Session, reason: &str, exit: Exit, kill: bool) {
        let turn = if kill || session.is_condemned() { Turn::Condemned } else { Turn::Released };
        self.guards.tell(session.epoch(), turn);
        self.order(session.epoch(), |orders| {
            orders.release.get_or_insert_with(|| ReleaseOrder {
                kill,
                exit: Some(exit.code()),
                outcome: None,
                hand_over: false,
                reason: reason.to_owned(),
            });
        });
    }
}
