//! The gate: answers a claim by carrying out a start.

mod ungated;

use std::rc::Rc;

use super::Agent;
use super::guards::Turn;
use super::session::{Said, Session};
use crate::api::{ClaimReply, ClaimRequest, Finish, Orders};
use crate::config::{OnUnverifiable, SavepointFormat};
use crate::flink::setup::{Mode, Setup};
use crate::flink::{Access, Flink};
use crate::protocol::choose::Decision;
use crate::protocol::entry::{Directories, Holder, PodRef};
use crate::protocol::history::History;
use crate::protocol::id::JobId;
use crate::protocol::inject::{Injection, inject};
use crate::protocol::phase::StartPhase;
use crate::protocol::point::Format;
use crate::protocol::start::{Go, JobIds, Start, Verdict};
use crate::record::marker::Marker;
use crate::start::{plan, reach};
use crate::storage::{self, Storage};
use crate::telemetry::words::Gate;
use crate::{kubernetes, report, start};

impl Agent {
    pub(super) async fn claim(self: &Rc<Self>, request: ClaimRequest) -> ClaimReply {
        let _one_at_a_time = self.claiming.lock().await;
        if !request.running {
            self.end_the_former_life();
        }
        let reply = match self.try_claim(request).await {
            Ok(reply) => reply,
            Err(reason) => ClaimReply::No { decision: Decision::Refuse.as_str().to_owned(), reason },
        };
        let decision = self.report(&reply);
        self.metrics.decided(decision);
        reply
    }

    /// A `run` that stands at the gate runs no JobManager, and there is one `run` in a pod: whichever ran before it is gone,
    /// with or without a word.
    fn end_the_former_life(self: &Rc<Self>) {
        let Some(former) = self.served().filter(|session| session.started.get()) else { return };
        tracing::warn!(epoch = former.epoch(), "the JobManager has ended without a word");
        self.ended(&former);
    }

    /// Answers, or says in words why the start is refused before anything was looked at.
    async fn try_claim(self: &Rc<Self>, request: ClaimRequest) -> Result<ClaimReply, String> {
        let ClaimRequest { holder, argv, setup, running } = request;
        if let Some(session) = self.session.borrow().as_ref().filter(|_| running) {
            self.heard_of(session);
        }
        plan::supported(&setup)?;
        let access = reach::access(&self.config.flink, &setup)?;
        // One that can't be made must not be noticed at the stop.
        Flink::new(access.clone()).map_err(|error| report::chain(&error))?;
        let directories = plan::directories(&self.config, &setup)?;
        let job_ids = plan::job_ids(&self.config, &setup)?;
        // An entrypoint that can't be told anything must not cost an epoch.
        let restores = setup.mode != Mode::Session;
        let trial = self.injection(&setup, restores.then(|| "file:///trial".to_owned()), None);
        inject(&argv, &trial).map_err(|error| error.to_string())?;

        let (cluster, own) = match self.identity().await {
            Ok(identity) => identity,
            Err(error) if error.passes() => {
                return Ok(ClaimReply::Later { reason: report::chain(&error), soon: false });
            }
            Err(error) => return Err(report::chain(&error)),
        };
        let holder = Holder { pod: own.clone(), ..holder };
        let storage = self.storage.or_of(&setup);
        let trusted = self.config.restore.on_unverifiable == OnUnverifiable::Trust;
        let marker = Marker::for_savepoints(&storage, &directories, cluster, trusted);
        let marker = self.known_marker(marker.map_err(|error| report::chain(&error))?);
        let hands = start::Hands {
            record: self.record.clone(),
            storage: storage.clone(),
            marker: marker.clone(),
            cluster: cluster.to_owned(),
            kubernetes: self.kubernetes.clone(),
            own,
        };
        let mut plan = plan::of(&self.config, cluster, holder, directories.clone(), &setup, job_ids);
        plan.running = running;
        let (verdict, watch) = start::drive(&mut Start::begin(plan), &hands, self.clock).await;
        let go = match verdict {
            Verdict::Go(go) => go,
            Verdict::No { decision, reason, .. } => {
                return Ok(ClaimReply::No { decision: decision.as_str().to_owned(), reason });
            }
            Verdict::Later { reason, holder: Some(holder) } => {
                // Said before the wait: this is what the next seconds are about.
                self.report(&ClaimReply::Later { reason: reason.clone(), soon: true });
                self.wait_for(&holder).await;
                return Ok(ClaimReply::Later { reason, soon: true });
            }
            Verdict::Later { reason, holder: None } => return Ok(ClaimReply::Later { reason, soon: false }),
            Verdict::Superseded { reason } => return Ok(ClaimReply::Superseded { reason }),
        };
        for phase in StartPhase::ALL {
            self.metrics.start_took(phase, watch.spent(phase));
        }
        let restore = go.base.as_ref().map(|base| base.path.clone());
        let injection = self.injection(&setup, restore.clone(), go.job_id.filter(|_| job_ids == JobIds::Derived));
        let argv = inject(&argv, &injection).map_err(|error| error.to_string())?;
        let finish = self.finish(cluster, &go, &directories, access, &storage);
        let session = self.session(go, setup, finish.clone(), marker).await?;
        let reply = ClaimReply::Go {
            argv,
            decision: session.go.decision().as_str().to_owned(),
            path: restore,
            reason: session.go.reason.clone(),
            finish: Box::new(finish),
        };
        self.guards.point_elsewhere(None);
        self.begin_session(session, running);
        if !running {
            self.guards.before_a_start().await;
        }
        Ok(reply)
    }

    /// The same marker, as far as it was read. A start that waits asks again and again, each time for all that was ever written there.
    fn known_marker(&self, marker: Marker) -> Marker {
        let mut known = self.marker.borrow_mut();
        match known.as_ref().filter(|known| known.is(&marker)) {
            Some(known) => known.clone(),
            None => known.insert(marker).clone(),
        }
    }

    fn injection(&self, setup: &Setup, restore: Option<String>, job_id: Option<JobId>) -> Injection {
        Injection {
            restore,
            allow_non_restored_state: self.config.restore.allow_non_restored_state,
            job_id: job_id.map(|job_id| job_id.to_string()),
            retention: true,
            keep_running: true,
            configured_path: setup.configured_path.clone(),
        }
    }

    /// The cluster's id, and the pod that this is. It must be readable: its end is the deadline, and its UID says who holds an
    /// epoch. Better known at the first start than at the first stop.
    async fn identity(&self) -> Result<(&str, Option<PodRef>), kubernetes::Error> {
        let cluster = self.cluster().await?;
        let Some(kubernetes) = &self.kubernetes else { return Ok((cluster, None)) };
        Ok((cluster, Some(kubernetes.own_pod().await?)))
    }

    fn finish(&self, cluster: &str, go: &Go, directories: &Directories, flink: Access, storage: &Storage) -> Finish {
        let millis = |duration: std::time::Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Finish {
            epoch: go.epoch,
            job_id: go.job_id,
            flink,
            target: storage::epoch_folder(directories, cluster, go.epoch),
            checkpoints: directories.checkpoint.clone(),
            high_availability: directories.high_availability.clone(),
            storage: storage.options().clone(),
            above: go.base.as_ref().and_then(|base| base.checkpoint_id),
            format: match self.config.savepoint.format {
                SavepointFormat::Native => Format::Native,
                SavepointFormat::Canonical => Format::Canonical,
            },
            drain: self.config.savepoint.drain,
            grace_ms: millis(self.config.stop.grace),
            reserve_ms: millis(self.config.stop.reserve),
            parallel: self.config.session.parallel,
        }
    }

    async fn session(&self, go: Go, setup: Setup, finish: Finish, marker: Marker) -> Result<Session, String> {
        // The start has just read it, and written to it.
        let history = History::read(&self.record.known().await.entries);
        let epoch = history.epochs.get(&go.epoch);
        if !go.resumed {
            Self::tell_whoever_was_overtaken(&history, &go);
        }
        let points = || epoch.iter().flat_map(|epoch| &epoch.saved).map(|saved| &saved.point);
        let attempt = epoch.filter(|epoch| epoch.stopped.is_none()).and_then(|epoch| epoch.attempt.clone());
        let flink = Flink::new(finish.flink.clone()).map_err(|error| report::chain(&error))?;
        let said = Said {
            known: points().map(|point| point.path.clone()).collect::<Vec<_>>().into(),
            newest: points().filter_map(|point| point.checkpoint_id).max(),
            attempt: attempt.into(),
            jobs: epoch.into_iter().flat_map(|epoch| &epoch.jobs).map(|(id, past)| (*id, past.name.clone())).collect(),
            ended: epoch
                .into_iter()
                .flat_map(|epoch| &epoch.jobs)
                .filter(|(_, past)| past.ended.is_some())
                .map(|(id, _)| *id)
                .collect(),
            confirmed: epoch.is_some_and(|epoch| epoch.confirmed),
            progressed: epoch.is_some_and(|epoch| epoch.progressed.is_some()),
        };
        let session = Session::new(go, setup, finish, flink, marker, said);
        if let Some(job_id) = epoch.and_then(|epoch| epoch.ran) {
            session.job_id.set(Some(job_id));
            session.ran.set(true);
        }
        Ok(session)
    }

    /// Whoever held the epoch before and was not seen to end it may be cut off, and still run its JobManager.
    fn tell_whoever_was_overtaken(history: &History, go: &Go) {
        let before = history.epochs.range(..go.epoch).rev().find_map(|(_, epoch)| Some((epoch, epoch.claim.as_ref()?)));
        let Some((_, claim)) = before.filter(|(epoch, _)| !epoch.is_released()) else { return };
        let now = history.epochs.get(&go.epoch).and_then(|epoch| epoch.claim.as_ref()?.holder.pod.as_ref());
        let Some(pod) = claim.holder.pod.clone().filter(|pod| now.is_some_and(|now| now.uid != pod.uid)) else {
            return;
        };
        tokio::task::spawn_local(async move { start::nudge(&pod).await });
    }

    fn begin_session(self: &Rc<Self>, session: Session, running: bool) {
        if let Some(known) = self.session_of(session.epoch()).filter(|known| running && !known.is_over()) {
            // Only the connection had broken; what is under way goes on.
            self.guards.tell(known.epoch(), Turn::Started);
            if known.stopping.get() {
                self.guards.tell(known.epoch(), Turn::Stopping);
            }
            return;
        }
        let session = Rc::new(session);
        let former = self.session.replace(Some(Rc::clone(&session)));
        if let Some(former) = former {
            former.abort_tasks();
            former.gone.send_replace(true);
        }
        let (epoch, several, after) = (session.epoch(), session.several.get(), session.newest.get());
        let log_level = self.orders.borrow().log_level;
        self.orders.send_replace(Orders { epoch, after, several, log_level, ..Orders::default() });
        self.metrics.epoch(session.epoch(), session.go.goes_back);
        self.guards.tell(session.epoch(), Turn::Claimed);
        if running {
            self.started(&session);
        }
    }

    /// Says what is answered, and gives the word for it.
    fn report<'a>(self: &Rc<Self>, reply: &'a ClaimReply) -> &'a str {
        let (decision, text) = match reply {
            ClaimReply::Go { decision, path, reason, .. } => {
                let path = path.as_deref();
                tracing::info!(decision, path, reason, "start");
                (decision.as_str(), format!("{decision}: {}", path.unwrap_or(reason)))
            }
            ClaimReply::No { decision, reason } => {
                tracing::warn!(decision, reason, "start");
                (decision.as_str(), format!("{decision}: {reason}"))
            }
            ClaimReply::Superseded { reason } => {
                tracing::error!(decision = "superseded", reason, "start");
                ("refuse", format!("superseded: {reason}"))
            }
            ClaimReply::Later { reason, .. } => {
                if *self.gate.borrow() != format!("waiting: {reason}") {
                    tracing::info!(decision = "later", reason, "start");
                }
                ("later", format!("waiting: {reason}"))
            }
        };
        self.metrics.gate(Gate::after(decision));
        self.event_of_start(decision, &text);
        *self.gate.borrow_mut() = text;
        decision
    }
}
