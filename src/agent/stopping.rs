//! A stop as the agent carries it out, and the entrypoint's end.

use std::rc::Rc;

use super::Agent;
use super::session::Session;
use crate::api::{Exited, ReleaseOrder};
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
        session.abort_tasks();
        let config = &self.config;
        let plan = Plan {
            job_id: session.job_id.get(),
            target: session.finish.target.clone(),
            format: session.finish.format,
            drain: session.finish.drain,
            began,
            deadline: Deadline::after(began, config.stop.grace, config.stop.reserve),
            resume: session.resume.clone(),
            seed: TriggerId::seed(&session.finish.target),
            ran: session.ran.get(),
            checkpoints_survive: session.retains.get().unwrap_or(true),
        };
        tracing::info!(epoch = session.epoch(), grace = ?config.stop.grace, "stopping");
        self.orders.send_modify(|orders| orders.stopping = true);
        let (agent, session) = (Rc::clone(self), Rc::clone(session));
        tokio::task::spawn_local(async move {
            let release = agent.stop(&session, plan).await;
            let took = agent.clock.now().since(began);
            stop::log(&release);
            agent.metrics.stopped(&release, took);
            agent.orders.send_modify(|orders| {
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
            job_id: session.job_id.get(),
            target: session.finish.target.clone(),
            checkpoints: session.finish.checkpoints.clone(),
            above: session.finish.above,
            known: session.known.clone(),
            gone: session.gone.subscribe(),
        };
        let attempted = |attempt: &Attempt| {
            self.orders.send_if_modified(|orders| {
                let new = orders.attempt.as_ref() != Some(attempt);
                orders.attempt = Some(attempt.clone());
                new
            });
        };
        stop::drive(Stop::begin(plan), hands, self.clock, attempted).await
    }

    /// The entrypoint runs: from now on Flink is watched.
    pub(super) fn started(self: &Rc<Self>) {
        let session = self.session.borrow().clone();
        let Some(session) = session else { return };
        if session.started.replace(true) {
            return;
        }
        let agent = Rc::clone(self);
        let watched = Rc::clone(&session);
        let task = tokio::task::spawn_local(async move { agent.watch(&watched).await });
        session.adopt(task.abort_handle());
    }

    pub(super) fn exited(&self, exited: Exited) {
        tracing::info!(code = exited.code, signal = exited.signal, "the entrypoint has ended");
        if let Some(session) = self.session.borrow().as_ref() {
            session.gone.send_replace(true);
            if !session.stopping.get() {
                session.abort_tasks();
            }
        }
    }
}
