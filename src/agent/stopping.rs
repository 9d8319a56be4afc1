//! A stop as the agent carries it out, and the entrypoint's end.

use std::rc::Rc;

use super::Agent;
use super::session::Session;
use crate::api::{Exited, Orders, ReleaseOrder};
use crate::protocol::entry::Attempt;
use crate::protocol::id::TriggerId;
use crate::protocol::stop::{Plan, Release, Stop};
use crate::protocol::time::{Deadline, Moment};
use crate::stop;

impl Agent {
    /// Begins a stop, or joins the one that is under way. It goes on when whoever asked hangs up.
    pub(super) fn begin_stop(self: &Rc<Self>, session: &Rc<Session>, began: Moment) {
        if session.is_over() || session.stopping.replace(true) {
            return;
        }
        if session.void.get() {
            // A job that runs from something else is being ended already, and must not be saved.
            return self.order(session.epoch(), |orders| orders.stopping = true);
        }
        session.abort_tasks();
        let config = &self.config;
        let plan = Plan {
            job_id: session.job_id.get(),
            target: session.finish.target.clone(),
            format: session.finish.format,
            drain: session.finish.drain,
            began,
            deadline: Deadline::after(began, config.stop.grace, config.stop.reserve),
            resume: session.said.attempt.clone(),
            seed: TriggerId::seed(&session.finish.target),
            ran: session.ran.get(),
            checkpoints_survive: false,
        };
        tracing::info!(epoch = session.epoch(), grace = ?config.stop.grace, "stopping");
        self.order(session.epoch(), |orders| orders.stopping = true);
        let (agent, session) = (Rc::clone(self), Rc::clone(session));
        tokio::task::spawn_local(async move {
            let plan = Plan { checkpoints_survive: session.checkpoints_survive().await, ..plan };
            let release = agent.stop(&session, plan).await;
            let took = agent.clock.now().since(began);
            stop::log(&release);
            agent.metrics.stopped(&release, took);
            agent.order(session.epoch(), |orders| {
                orders.release = Some(ReleaseOrder {
                    kill: release.kill,
                    exit: None,
                    outcome: Some(release.outcome),
                    reason: release.reason.clone(),
                });
            });
        });
    }

    async fn stop(&self, session: &Session, plan: Plan) -> Release {
        let hands = stop::Hands {
            flink: session.flink.clone(),
            memory: Some((self.record.clone(), session.marker.clone())),
            epoch: session.epoch(),
            job_id: session.job_id.clone(),
            target: session.finish.target.clone(),
            checkpoints: session.finish.checkpoints.clone(),
            above: session.finish.above,
            known: session.said.known.clone(),
            gone: session.gone.subscribe(),
        };
        let attempted = |attempt: &Attempt| {
            self.order(session.epoch(), |orders| orders.attempt = Some(attempt.clone()));
        };
        stop::drive(Stop::begin(plan), hands, self.clock, attempted).await
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
        let agent = Rc::clone(self);
        let watched = Rc::clone(session);
        let task = tokio::task::spawn_local(async move { agent.watch(&watched).await });
        session.adopt(task.abort_handle());
    }

    pub(super) fn exited(session: &Session, exited: Exited) {
        tracing::info!(code = exited.code, signal = exited.signal, "the entrypoint has ended");
        session.gone.send_replace(true);
        // That an epoch is void is still to be recorded.
        if !session.stopping.get() && !session.void.get() {
            session.abort_tasks();
        }
    }
}
