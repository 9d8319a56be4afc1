//! A stop as the agent carries it out, and the entrypoint's end.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use super::Agent;
use super::guards::Turn;
use super::session::Session;
use crate::api::{Drained, Exited, Orders, ReleaseOrder};
use crate::protocol::entry::{Attempt, Entry, Fact};
use crate::protocol::id::TriggerId;
use crate::protocol::outcome::StopOutcome;
use crate::protocol::stop::{Job, JobsReply, Plan, RecordReply, Release, Stop};
use crate::protocol::time::{Deadline, Moment};
use crate::telemetry::words::Gate;
use crate::{random, record, stop};

/// How soon the record is tried again.
const AGAIN: Duration = Duration::from_millis(500);

impl Agent {
    /// Begins a stop, or joins the one that is under way. It goes on when whoever asked hangs up.
    pub(super) fn begin_stop(self: &Rc<Self>, session: &Rc<Session>, began: Moment) {
        if session.is_over() {
            return;
        }
        let stop = self.config.stop;
        if !session.stopping.get() {
            self.begin_stop_until(session, began, stop.grace);
        } else if session.handing_over.replace(false) {
            session.deadline.send_replace(Deadline::after(began, stop.grace, stop.reserve));
        } else {
            return;
        }
        let (agent, session) = (Rc::clone(self), Rc::clone(session));
        // The deadline is known soon; the stop does not wait for it.
        tokio::task::spawn_local(async move { agent.read_deadline(&session, began).await });
    }

    pub(super) fn begin_stop_until(self: &Rc<Self>, session: &Rc<Session>, began: Moment, grace: Duration) {
        session.stopping.set(true);
        let config = &self.config;
        let deadline = Deadline::after(began, grace, config.stop.reserve);
        session.deadline.send_replace(deadline);
        if session.is_condemned() {
            // A job that runs from something else, or from nothing yet, is being ended already and must not be saved.
            return self.order(session.epoch(), |orders| orders.stopping = true);
        }
        session.abort_tasks();
        self.foresee(session);
        if session.is_cleaning_up() {
            return self.end_unchanged(session, false);
        }
        // Flink would answer a second stop under the first one's trigger id with the first one's failure.
        let tried = session.tried.borrow().clone();
        let seed = match tried.filter(|_| session.handing_over.get()) {
            Some(tried) => format!("{}/for/{}/{}", session.finish.target, tried.heir, tried.times),
            None => session.finish.target.clone(),
        };
        let plan = Plan {
            job_id: session.job_id.get(),
            target: session.finish.target.clone(),
            format: session.finish.format,
            // Another pod goes on with the job.
            drain: session.finish.drain && !session.handing_over.get(),
            began,
            deadline,
            // Once: the same request asked for again later gets the same answer from Flink.
            resume: session.said.attempt.take(),
            seed: TriggerId::seed(&seed),
            ran: session.ran.get(),
            checkpoints_survive: false,
            prediction: session.prediction.borrow().clone(),
            in_flight: session.in_flight.borrow().clone(),
            cleans_up: session.finish.high_availability.is_some(),
            several: false,
        };
        tracing::info!(epoch = session.epoch(), ?grace, "stopping");
        self.order(session.epoch(), |orders| orders.stopping = true);
        self.guards.tell(session.epoch(), Turn::Stopping);
        let (agent, session) = (Rc::clone(self), Rc::clone(session));
        tokio::task::spawn_local(async move {
            agent.linger(&session, began).await;
            let (release, unsaid) = if agent.runs_several(&session).await {
                agent.stop_several(&session, plan, seed).await
            } else {
                let plan = Plan { checkpoints_survive: session.checkpoints_survive().await, ..plan };
                agent.stop(&session, plan).await
            };
            let took = agent.clock.now().since(began);
            session
                .released
                .set(release.recorded && matches!(release.outcome, StopOutcome::Savepoint | StopOutcome::Ended));
            stop::log(&release);
            agent.metrics.stopped(&release, took);
            agent.tell_of_stop(&session, &release, took);
            if agent.keeps_the_job(&session, &release) {
                return;
            }
            if !unsaid.is_empty() {
                agent.say_late(unsaid);
            }
            let hand_over = session.handing_over.get();
            agent.guards.tell(session.epoch(), Turn::of(release.outcome));
            agent.order(session.epoch(), |orders| {
                orders.release = Some(ReleaseOrder {
                    kill: release.kill,
                    exit: None,
                    outcome: Some(release.outcome),
                    hand_over,
                    reason: release.reason.clone(),
                });
            });
            // Last, as whoever writes to the record holds it up.
            agent.publish_past().await;
        });
    }

    /// Stops whatever runs, and waits until its outcome is durable.
    pub(super) async fn drain(self: &Rc<Self>) -> Drained {
        let taken_up = self.take_up_what_runs().await;
        let Some(session) = self.served().filter(|session| session.started.get()) else {
            let reason = taken_up.err().unwrap_or_else(|| "no JobManager runs here".to_owned());
            return Drained { outcome: None, reason };
        };
        self.begin_stop(&session, self.clock.now());
        let epoch = session.epoch();
        let mut orders = self.orders.subscribe();
        let over = orders.wait_for(|orders| orders.epoch != epoch || orders.release.is_some()).await;
        match over.ok().and_then(|orders| orders.release.clone()) {
            Some(release) => Drained { outcome: release.outcome, reason: release.reason },
            None => Drained { outcome: None, reason: "the JobManager has ended".to_owned() },
        }
    }

    async fn stop(&self, session: &Session, plan: Plan) -> (Release, Vec<Entry>) {
        let attempted = |attempt: &Attempt| {
            self.order(session.epoch(), |orders| {
                orders.attempt = Some(attempt.clone());
                orders.withdrawn = false;
            });
        };
        stop::drive(Stop::begin(plan), self.hands(session), self.clock, attempted).await
    }

    /// Stops each job of a cluster that runs several.
    async fn stop_several(&self, session: &Session, plan: Plan, seed: String) -> (Release, Vec<Entry>) {
        let resumes = plan.resume.is_some();
        let several = stop::Several {
            plan: Plan { resume: None, ..plan },
            seed,
            hands: self.hands(session),
            parallel: self.config.session.parallel,
            known: session.jobs.borrow().clone(),
            ended: session.ended.borrow().clone(),
            resumes,
        };
        stop::drive_all(several, self.clock).await
    }

    /// Whether the cluster runs several jobs. Where Flink gives them their ids, another one may just have been submitted.
    async fn runs_several(&self, session: &Session) -> bool {
        const PATIENCE: Duration = Duration::from_secs(1);
        if !session.several.get() && session.go.job_id.is_none() {
            let asked = tokio::time::timeout(PATIENCE, session.flink.jobs()).await;
            if let Ok(JobsReply::Listed(jobs)) = asked {
                self.note_several(session, &jobs);
            }
        }
        session.several.get()
    }

    /// Notes that more than one job runs.
    pub(super) fn note_several(&self, session: &Session, jobs: &[Job]) {
        if !session.several.get() && jobs.iter().filter(|job| !job.state.is_terminal()).count() > 1 {
            tracing::warn!(
                "the application runs several jobs: each is stopped, and none is restored by itself at the next start"
            );
            session.several.set(true);
            self.order(session.epoch(), |orders| orders.several = true);
        }
    }

    fn hands(&self, session: &Session) -> stop::Hands {
        stop::Hands {
            flink: session.flink.clone(),
            memory: Some((self.record.clone(), session.marker.clone())),
            storage: self.storage.or_of(&session.setup),
            epoch: session.epoch(),
            job_id: session.job_id.clone(),
            job_name: None,
            target: session.finish.target.clone(),
            checkpoints: session.finish.checkpoints.clone(),
            high_availability: session.finish.high_availability.clone(),
            above: session.finish.above,
            after: session.newest.get(),
            known: session.said.known.borrow().clone(),
            predicted: session.prediction.borrow().as_ref().map(|prediction| prediction.savepoint.likely),
            took: Some(Cell::default()),
            gone: session.gone.subscribe(),
            deadline: session.deadline.subscribe(),
        }
    }

    /// Changes the orders of one epoch. A stop may outlive its `run`; what it comes to is no order to the next one.
    pub(super) fn order(&self, epoch: u64, change: impl FnOnce(&mut Orders)) {
        self.orders.send_if_modified(|orders| {
            let before = orders.clone();
            if orders.epoch == epoch {
                change(orders);
            }
            *orders != before
        });
    }

    /// The session of this epoch, if it is the one that is served.
    pub(super) fn session_of(&self, epoch: u64) -> Option<Rc<Session>> {
        self.session.borrow().clone().filter(|session| session.epoch() == epoch)
    }

    /// The entrypoint runs: from now on Flink is watched.
    pub(super) fn started(self: &Rc<Self>, session: &Rc<Session>) {
        if session.started.replace(true) {
            return;
        }
        session.started_at.set(Some(self.clock.now()).filter(|_| !session.said.confirmed));
        self.guards.tell(session.epoch(), Turn::Started);
        self.expect_line_of(session);
        let agent = Rc::clone(self);
        let watched = Rc::clone(session);
        let task = tokio::task::spawn_local(async move { agent.watch(&watched).await });
        session.adopt(task.abort_handle());
        self.prune_later(session);
        self.adopt_savepoints(session);
        self.save_periodically(session);
        self.estimate_now_and_then(session);
    }

    pub(super) fn exited(self: &Rc<Self>, session: &Session, exited: Exited) {
        if session.is_over() {
            return;
        }
        tracing::info!(code = exited.code, signal = exited.signal, "the entrypoint has ended");
        self.ended(session);
        if !session.released.get() {
            self.say_that_it_left(session.epoch());
        }
    }

    /// The JobManager's process is gone.
    pub(super) fn ended(&self, session: &Session) {
        session.gone.send_replace(true);
        self.metrics.gate(Gate::Closed);
        self.guards.tell(session.epoch(), Turn::Ended);
        // That an epoch is void, or that its restore failed, is still to be recorded.
        if !session.stopping.get() && !session.is_condemned() {
            session.abort_tasks();
        }
    }

    /// Another pod that waits need not wait for this one to be gone. A process on this machine is seen to end.
    fn say_that_it_left(self: &Rc<Self>, epoch: u64) {
        if self.kubernetes.is_none() {
            return;
        }
        self.say_late(vec![record::entry(epoch, Fact::Left)]);
    }

    /// Tells the record, as soon as it can be told, what nothing waits for.
    fn say_late(self: &Rc<Self>, entries: Vec<Entry>) {
        let agent = Rc::clone(self);
        self.closing.spawn_local(async move {
            while let RecordReply::Failed(reason) = agent.record.add(&entries).await {
                tracing::debug!(reason, "the record can't be told yet how the JobManager has ended");
                tokio::time::sleep(random::jitter(AGAIN)).await;
            }
        });
    }
}
