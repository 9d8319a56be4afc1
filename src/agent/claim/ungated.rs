//! A JobManager that no `run` stands before, because its entrypoint can't be wrapped (`flink.without_run`).
//!
//! Nothing can be kept back there, and nothing injected: what such a start restores from is what its manifest says. What is left of the
//! promises is kept after the fact:
//!
//! * As soon as Flink shows the job, an epoch is claimed for it, marked as one without a gate and based on what Flink says that it
//!   restored. From then on the job is watched, saved and stopped like any other.
//! * What it restored is compared with what a start would have chosen. Where that is something else, an Event, a metric and the log say
//!   so, and with `flink.without_run = "cancel"` the job is cancelled at once, without a savepoint, and nothing of its epoch is used.
//! * `savepointd drain`, from the container's preStop hook, takes the final savepoint, verifies and records it before the JobManager
//!   hears of a signal: the kubelet sends none before the hook has ended.
//!
//! Nothing but what the manifest says keeps a second JobManager from starting beside the first: as long as another pod holds the
//! newest epoch, what runs here should not run.

use std::rc::Rc;
use std::time::Duration;

use crate::agent::Agent;
use crate::agent::guards::Turn;
use crate::agent::session::Session;
use crate::config::{OnUnverifiable, WithoutRun};
use crate::flink::setup::Setup;
use crate::flink::{Access, Flink};
use crate::kubernetes::Severity;
use crate::protocol::confirm::{Confirm, Confirmation};
use crate::protocol::entry::Holder;
use crate::protocol::id::{Id, JobId};
use crate::protocol::point::{PointRef, normalize};
use crate::protocol::start::{Go, JobIds, Start, Ungated, Verdict};
use crate::protocol::stop::{Job, JobState, JobsReply};
use crate::record::marker::Marker;
use crate::start::{self, plan, reach};
use crate::{holder, report};

/// How often it is looked whether a job runs that nobody was asked about.
const LOOK: Duration = Duration::from_secs(1);
/// How soon Flink is asked again what the job has restored.
const AGAIN: Duration = Duration::from_millis(250);

/// The job of such a JobManager.
struct Found {
    access: Access,
    flink: Flink,
    job: Job,
    setup: Setup,
    /// What tells this life of the JobManager from others.
    life: Id,
}

/// Why a job is not taken up.
enum Not {
    /// None runs, or it is done.
    Needed,
    /// It can't be, as things are.
    Possible(String),
    /// It should not run.
    Allowed(String),
}

impl Agent {
    /// Takes up each job that begins to run beside this agent, where no `run` stands before its JobManager.
    pub(in crate::agent) async fn take_up_whatever_runs(self: &Rc<Self>) {
        if self.config.flink.without_run == WithoutRun::Refuse {
            return;
        }
        loop {
            tokio::time::sleep(LOOK).await;
            // It was said.
            let _ = self.take_up_what_runs().await;
        }
    }

    /// Takes up the job that runs without a gate, unless that is done. Says why it can't.
    pub(in crate::agent) async fn take_up_what_runs(self: &Rc<Self>) -> Result<(), String> {
        if self.config.flink.without_run == WithoutRun::Refuse {
            return Err("no JobManager runs here under savepointd run. Where its entrypoint can't be wrapped: \
                        flink.without_run = \"warn\" or \"cancel\" (SAVEPOINTD_FLINK__WITHOUT_RUN)"
                .to_owned());
        }
        let _one_at_a_time = self.claiming.lock().await;
        let found = match self.find().await {
            Ok(found) => found,
            Err(Not::Needed) => return Ok(()),
            Err(Not::Possible(reason) | Not::Allowed(reason)) => return Err(self.not_protected(reason)),
        };
        match self.take_up(&found).await {
            Ok(()) | Err(Not::Needed) => Ok(()),
            Err(Not::Possible(reason)) => Err(self.not_protected(reason)),
            Err(Not::Allowed(reason)) => {
                let reason = self.not_protected(format!("the job should not run: {reason}"));
                if self.config.flink.without_run == WithoutRun::Cancel {
                    tracing::error!(job_id = %found.job.id, reason, "the job is cancelled");
                    found.flink.cancel(found.job.id).await.map_err(|error| report::chain(&error))?;
                }
                Err(reason)
            }
        }
    }

    /// Says why, once.
    fn not_protected(self: &Rc<Self>, reason: String) -> String {
        let gate = format!("none, and not protected: {reason}");
        if *self.gate.borrow() != gate {
            tracing::warn!(reason, "the job that no run stands before is not protected");
            self.metrics.started_without_gate(false);
            self.event(Severity::Warning, "NotProtected", reason.clone());
            *self.gate.borrow_mut() = gate;
        }
        reason
    }

    /// The job that is to be taken up. What was taken up before ends with its JobManager.
    async fn find(self: &Rc<Self>) -> Result<Found, Not> {
        let known = self.served();
        if known.as_ref().is_some_and(|session| !session.go.ungated || session.stopping.get()) {
            return Err(Not::Needed);
        }
        let impossible = |error| Not::Possible(report::chain(&error));
        let access = reach::access(&self.config.flink, &Setup::default()).map_err(Not::Possible)?;
        let flink = Flink::new(access.clone()).map_err(impossible)?;
        let JobsReply::Listed(jobs) = flink.jobs().await else { return Err(Not::Needed) };
        let mut running = jobs.into_iter().filter(|job| job.state == JobState::Active);
        let (job, others) = (running.next().ok_or(Not::Needed)?, running.next().is_some());
        let began = flink.began(job.id).await.map_err(impossible)?;
        let life = Id::seed(&format!("{}@{began}", job.id));
        if let Some(session) = known {
            if session.life.get() == Some(life) {
                return Err(Not::Needed);
            }
            tracing::warn!(epoch = session.epoch(), "the JobManager has ended without a word, and another one runs");
            self.ended(&session);
        }
        if others {
            let reason = "several jobs run, and no savepointd run stands before their JobManager";
            return Err(Not::Possible(reason.to_owned()));
        }
        let setup = flink.setup().await.map_err(impossible)?;
        Ok(Found { access, flink, job, setup, life })
    }

    async fn take_up(self: &Rc<Self>, found: &Found) -> Result<(), Not> {
        let Found { access, flink, job, setup, life } = found;
        plan::supported(setup).map_err(Not::Possible)?;
        if setup.is_highly_available() {
            let reason = "Flink runs with high availability, and takes up its job again by itself: that needs savepointd run \
                          before its JobManager";
            return Err(Not::Possible(reason.to_owned()));
        }
        let directories = plan::directories(&self.config, setup).map_err(Not::Possible)?;
        let restored = self.restored(flink, job.id).await?;
        let (cluster, own) = self.identity().await.map_err(|error| Not::Possible(report::chain(&error)))?;
        let holder = Holder { pod: own.clone(), ..holder::current(*life) };
        let storage = self.storage.or_of(setup);
        let trusted = self.config.restore.on_unverifiable == OnUnverifiable::Trust;
        let marker = Marker::for_savepoints(&storage, &directories, cluster, trusted);
        let marker = self.known_marker(marker.map_err(|error| Not::Possible(report::chain(&error)))?);
        let hands = start::Hands {
            record: self.record.clone(),
            storage: storage.clone(),
            marker: marker.clone(),
            cluster: cluster.to_owned(),
            kubernetes: self.kubernetes.clone(),
            own,
        };
        let mut plan = plan::of(&self.config, cluster, holder, directories.clone(), setup, JobIds::Flink);
        plan.ungated = Some(Ungated { job_id: job.id, restored });
        // Whoever is asked to hand over has to be waited for, and nothing waits here.
        plan.ask_to_hand_over = false;
        let (verdict, _) = start::drive(&mut Start::begin(plan), &hands, self.clock).await;
        let go = match verdict {
            Verdict::Go(go) => go,
            Verdict::No { reason, .. }
            | Verdict::Later { reason, holder: Some(_) }
            | Verdict::Superseded { reason } => {
                return Err(Not::Allowed(reason));
            }
            Verdict::Later { reason, holder: None } => return Err(Not::Possible(reason)),
        };
        let finish = self.finish(cluster, &go, &directories, access.clone(), &storage);
        let session = self.session(go, setup.clone(), finish, marker).await.map_err(Not::Possible)?;
        session.job_id.set(Some(job.id));
        session.ran.set(job.any_task_up);
        session.life.set(Some(*life));
        self.begin_session(session, false);
        let Some(session) = self.served() else { return Err(Not::Needed) };
        self.taken_up(&session, job).await;
        Ok(())
    }

    /// What the job has restored. Flink may say for a while that it has restored nothing.
    async fn restored(&self, flink: &Flink, job_id: JobId) -> Result<Option<PointRef>, Not> {
        let anything = PointRef { path: String::new(), checkpoint_id: None, epoch: None };
        let mut confirm = Confirm::of(Some(anything));
        loop {
            let restored = flink.restored(job_id).await.map_err(|error| Not::Possible(report::chain(&error)))?;
            if let Some(restored) = restored {
                let path = normalize(&restored.path);
                return Ok(Some(PointRef { path, checkpoint_id: Some(restored.id), epoch: None }));
            }
            if confirm.on(job_id, None, self.clock.now()) != Confirmation::Pending {
                return Ok(None);
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    async fn taken_up(self: &Rc<Self>, session: &Rc<Session>, job: &Job) {
        let Go { epoch, base, reason, instead, .. } = &session.go;
        let restored = base.as_ref().map(|base| base.path.as_str());
        self.metrics.started_without_gate(instead.is_none());
        *self.gate.borrow_mut() = format!("none: {reason}");
        tracing::info!(epoch, job_id = %job.id, restored, reason, "a job that no run stands before is taken up");
        let Some(instead) = instead else {
            let text = format!("epoch {epoch}, without a gate: {}", restored.unwrap_or("nothing restored"));
            self.event(Severity::Normal, "StartedWithoutGate", text);
            return self.started(session);
        };
        tracing::error!(epoch, job_id = %job.id, reason = instead, "started from something else than the newest point");
        let cancels = self.config.flink.without_run == WithoutRun::Cancel;
        let fate = if cancels { "it is cancelled" } else { "it goes on" };
        self.event(Severity::Warning, "StartedFromElsewhere", format!("epoch {epoch}: {instead}; {fate}"));
        if cancels {
            session.started.set(true);
            self.guards.tell(*epoch, Turn::Started);
            return self.void(session, job, instead).await;
        }
        self.started(session);
    }

    /// A native sidecar is told to end when the JobManager has; nobody else says so.
    pub(in crate::agent) async fn see_whether_it_runs(&self, session: &Session) {
        let answers = matches!(session.flink.jobs().await, JobsReply::Listed(_));
        if !answers {
            self.ended(session);
        }
    }
}
