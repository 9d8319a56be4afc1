//! Watching a cluster that runs several jobs: which of them have state, from where they were restored, and how they end.
//!
//! Nothing is injected into such a cluster and nothing is cancelled: whoever submits a job says from where it goes on. What is said
//! here is whether it does.

use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

use jiff::Timestamp;

use super::Agent;
use super::session::Session;
use super::silence::Silence;
use crate::exit::Exit;
use crate::flink::setup::Mode;
use crate::kubernetes::Severity;
use crate::protocol::entry::{Entry, Fact, JobEvent};
use crate::protocol::id::JobId;
use crate::protocol::jobs::{Submission, Version, Waiting, called};
use crate::protocol::point::{PointRef, normalize, same};
use crate::protocol::stop::{Job, JobState, JobsReply, RecordReply};
use crate::{record, stop};

/// Until Flink has listed its jobs for the first time.
const SOON: Duration = Duration::from_millis(100);
/// From then on.
const SELDOM: Duration = Duration::from_secs(2);
/// So often in a row all jobs of an application have to be at their ends: its program may submit one after the other.
const OVER: u32 = 3;

impl Agent {
    pub(super) async fn watch_jobs(self: &Rc<Self>, session: &Session) {
        let mut stateless: BTreeSet<JobId> = BTreeSet::new();
        let mut silence = Silence::default();
        let mut over = 0;
        loop {
            let up = session.confirmed.borrow().is_some();
            tokio::time::sleep(if up { SELDOM } else { SOON }).await;
            let reply = session.flink.jobs().await;
            self.listen(&mut silence, &reply);
            let JobsReply::Listed(jobs) = reply else { continue };
            if !up {
                self.several_are_up(session).await;
            }
            for job in &jobs {
                if !stateless.contains(&job.id) && self.look_at_job(session, job).await == Some(Stateless) {
                    stateless.insert(job.id);
                }
            }
            let all_over = !jobs.is_empty() && jobs.iter().all(|job| job.state.is_terminal());
            over = if all_over { over + 1 } else { 0 };
            if over >= OVER && session.setup.mode != Mode::Session {
                let failed = jobs.iter().any(|job| job.state == JobState::Failed);
                let exit = if failed { Exit::Failed } else { Exit::Done };
                return self.release(session, "all jobs of the application have come to their ends", exit, false);
            }
        }
    }

    async fn several_are_up(&self, session: &Session) {
        session.version.set(session.flink.version().await.ok().as_deref().and_then(Version::parse));
        let waiting = session.waiting.borrow().len();
        tracing::info!(epoch = session.epoch(), waiting, "a cluster of several jobs is up");
        *session.confirmed.borrow_mut() = Some("a cluster of several jobs".to_owned());
        session.progressed.set(true);
        self.metrics.confirmed(true);
        self.metrics.no_newest_point();
    }

    async fn look_at_job(self: &Rc<Self>, session: &Session, job: &Job) -> Option<Stateless> {
        let known = session.jobs.borrow().contains_key(&job.id);
        if known && job.state.is_terminal() && !session.ended.borrow().contains(&job.id) {
            self.one_ended(session, job).await;
        } else if !known && job.all_tasks_up {
            return self.meet(session, job).await;
        }
        None
    }

    /// Notes a job once it has something to lose.
    async fn meet(self: &Rc<Self>, session: &Session, job: &Job) -> Option<Stateless> {
        let Some((restored, progressed)) = session.flink.rests_on(job.id).await.ok()? else { return Some(Stateless) };
        if restored.is_none() && !progressed {
            return None;
        }
        let restored = restored.map(|restored| PointRef {
            path: normalize(&restored.path),
            checkpoint_id: Some(restored.id),
            epoch: None,
        });
        let event = JobEvent::Running { restored: restored.clone() };
        let entry = record::entry(session.epoch(), Fact::of_job(job.id, &job.name, event));
        match self.record.add_and_keep(&session.marker, &[entry]).await {
            RecordReply::Done => {
                session.jobs.borrow_mut().insert(job.id, job.name.clone());
                let known = self.record.known().await;
                let whose = restored.as_ref().and_then(|point| whose(&known.entries, &point.path));
                self.say_from_where(session, job, restored.as_ref(), whose);
            }
            RecordReply::Failed(reason) | RecordReply::Superseded(reason) => {
                tracing::warn!(job_id = %job.id, name = job.name, reason, "that the job runs can't be recorded yet");
            }
        }
        None
    }

    /// Says whether a job goes on from where one of its name stopped.
    fn say_from_where(self: &Rc<Self>, session: &Session, job: &Job, restored: Option<&PointRef>, whose: Option<&str>) {
        let path = restored.map(|point| point.path.as_str());
        let is_from = |one: &Waiting| one.point.as_ref().zip(path).is_some_and(|(point, path)| same(&point.path, path));
        let mut waiting = session.waiting.borrow_mut();
        let before = waiting.len();
        waiting.retain(|one| !is_from(one));
        let (job_id, name) = (job.id, job.name.as_str());
        if waiting.len() < before {
            tracing::info!(%job_id, name, restored = path, left = waiting.len(), "the job goes on from its own point");
            return;
        }
        tracing::info!(%job_id, name, restored = path, "a job with state runs");
        let of_its_name = waiting.iter().find(|one| !name.is_empty() && one.job_name == name);
        if let Some(Waiting { point: Some(point), .. }) = of_its_name {
            let called = called(name, job_id);
            let from = path.unwrap_or("nothing");
            let why =
                format!("{called} runs from {from}, though a job of that name waits to go on from {}", point.path);
            tracing::warn!(%job_id, name, reason = why, "a job runs without its state");
            self.event(Severity::Warning, "JobWithoutItsState", why);
        } else if let (Some(path), Some(other)) = (path, whose.filter(|other| !name.is_empty() && *other != name)) {
            // An application's restore path goes to every job that it submits.
            let why = format!("{} runs from {path}, which is the state of job {other:?}", called(name, job_id));
            tracing::warn!(%job_id, name, reason = why, "a job runs from the state of another");
            self.event(Severity::Warning, "JobFromAnothersState", why);
        }
    }

    async fn one_ended(&self, session: &Session, job: &Job) {
        let Some(end) = stop::read_end(&session.flink, job.id).await else { return };
        let path = end.savepoint.as_ref().map(|point| point.path.as_str());
        let facts = end.facts(session.epoch(), Some(&job.name), Timestamp::now());
        let entries: Vec<_> = facts.into_iter().map(|fact| record::entry(session.epoch(), fact)).collect();
        if self.record.add_and_keep(&session.marker, &entries).await == RecordReply::Done {
            let (how, reason) = (end.how.as_str(), end.reason.as_str());
            tracing::info!(job_id = %job.id, name = job.name, how, savepoint = path, reason, "a job came to its own end");
            session.ended.borrow_mut().insert(job.id);
        }
    }

    /// How the jobs that wait are submitted again.
    pub(super) fn submissions(&self, session: &Session) -> Vec<Submission> {
        let allow = self.config.restore.allow_non_restored_state;
        session.waiting.borrow().iter().map(|one| Submission::of(one, session.version.get(), allow)).collect()
    }
}

/// The name of the job that a point is recorded of, where it is one of several.
fn whose<'a>(entries: &'a [Entry], path: &str) -> Option<&'a str> {
    entries.iter().rev().find_map(|entry| match &entry.fact {
        Fact::Saved(saved) if same(&saved.point.path, path) => saved.job_name.as_deref(),
        _ => None,
    })
}

/// A job that knows no checkpoints, such as a batch job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stateless;
