//! What the own pod says of its end: the deadline of a stop, and whether one is due that nobody has asked for.

use std::rc::Rc;
use std::time::Duration;

use super::Agent;
use super::session::Session;
use crate::exit::Exit;
use crate::kubernetes::Kubernetes;
use crate::protocol::entry::PodRef;
use crate::protocol::grace::{self, Cause, Sight};
use crate::protocol::history::History;
use crate::protocol::time::{Deadline, Moment};
use crate::{random, report};

/// How soon the API server is asked again while it does not say when the pod ends.
const AGAIN: Duration = Duration::from_millis(500);
/// How often the pod is read again while a stop is under way.
const ONCE_MORE: Duration = Duration::from_secs(5);
/// A deadline that is nearer by less than this is the same one, read at another fraction of a second.
const SHORTER: Duration = Duration::from_millis(1_500);
/// How often an agent that may be asked to hand over looks for that by itself.
const SELDOM: Duration = Duration::from_secs(60);

impl Agent {
    /// Reads from the pod when its containers are killed, and moves the stop's deadline. Until it is known, the configured
    /// grace counts.
    pub(super) async fn read_deadline(&self, session: &Session, began: Moment) {
        let Some(kubernetes) = &self.kubernetes else { return };
        tokio::select! {
            () = self.follow_deadline(kubernetes, session, began) => {}
            () = session.over() => {}
        }
    }

    async fn follow_deadline(&self, kubernetes: &Kubernetes, session: &Session, began: Moment) {
        let mut told: Option<Deadline> = None;
        loop {
            let Some((asked_at, (sight, cause))) = self.own_end(kubernetes).await else { return };
            let grace = grace::after_first_sign(&sight, began, asked_at, self.config.stop.grace);
            let moved = Deadline::after(began, grace, self.config.stop.reserve);
            // Whoever deletes it again may give it less time, never more. Seconds are all that the API server tells.
            if told.is_none_or(|told| moved.at.plus(SHORTER) < told.at) {
                tracing::info!(epoch = session.epoch(), ?grace, cause = %cause, "the pod tells when it ends");
                *session.cause.borrow_mut() = Some(cause);
                session.deadline.send_replace(moved);
                self.order(session.epoch(), |orders| orders.kill_at = Some(moved.at));
                told = Some(moved);
            }
            tokio::time::sleep(random::jitter(ONCE_MORE)).await;
        }
    }

    /// Asks until the API server answers; none if it never will.
    async fn own_end(&self, kubernetes: &Kubernetes) -> Option<(Moment, (Sight, Cause))> {
        let mut said = false;
        loop {
            let asked_at = self.clock.now();
            match kubernetes.own_end().await {
                Ok(end) => return Some((asked_at, end)),
                Err(_) if said => {}
                Err(error) => {
                    said = true;
                    let grace = self.config.stop.grace;
                    tracing::warn!(
                        error = report::chain(&error),
                        ?grace,
                        "the pod does not tell when it ends; going by stop.grace"
                    );
                    if !error.passes() {
                        return None;
                    }
                }
            }
            tokio::time::sleep(random::jitter(AGAIN)).await;
        }
    }

    /// Somebody on the network has reason to think that this pod is being ended, or asked to hand over. What is true is
    /// read from pod and record; the word of whoever asked counts for nothing.
    pub(super) async fn look(self: &Rc<Self>) {
        let (Some(kubernetes), Some(session)) = (&self.kubernetes, self.served()) else { return };
        let began = self.clock.now();
        if !session.stopping.get() || session.handing_over.get() {
            match kubernetes.own_end().await {
                Ok((Sight::Present { deletion: None, .. }, _)) => {}
                Ok(_) => return self.begin_stop(&session, began),
                Err(error) => tracing::warn!(error = report::chain(&error), "the pod can't be looked at"),
            }
        }
        self.look_at_the_record(&session).await;
    }

    /// Whether a newer pod asks for the JobManager, or another one has taken it over already.
    async fn look_at_the_record(self: &Rc<Self>, session: &Rc<Session>) {
        if session.stopping.get() || !session.started.get() {
            return;
        }
        let snapshot = match self.record.load().await {
            Ok(snapshot) => snapshot,
            Err(error) => return tracing::warn!(error = report::chain(&error), "the record can't be looked at"),
        };
        let history = History::read(&snapshot.entries);
        if let Some((newest, claim)) = history.newest_claim().filter(|(newest, _)| *newest > session.epoch()) {
            let reason = format!("epoch {newest} has begun on {}", claim.holder.host);
            tracing::error!(epoch = session.epoch(), reason, "this JobManager is a zombie; killing it");
            return self.release(session, &reason, Exit::Later, true);
        }
        let asked = history.epochs.get(&session.epoch()).and_then(|epoch| epoch.asked.clone());
        let now = self.clock.now();
        let not_yet = |heir: &PodRef| {
            session.tried.borrow().as_ref().is_some_and(|tried| tried.heir == heir.uid && now < tried.again_at)
        };
        let Some(heir) = asked.filter(|heir| !not_yet(heir)) else { return };
        tracing::info!(epoch = session.epoch(), pod = heir.name, "a newer pod asks to take over");
        self.begin_handover(session, heir);
    }

    /// Where a newer pod may ask, this one looks now and then, should nobody be able to reach it.
    pub(super) async fn look_now_and_then(self: &Rc<Self>) {
        if self.kubernetes.is_none() || self.config.handover != crate::config::Handover::Request {
            return std::future::pending().await;
        }
        loop {
            tokio::time::sleep(SELDOM + random::jitter(SELDOM / 10)).await;
            if let Some(session) = self.served() {
                self.look_at_the_record(&session).await;
            }
        }
    }

    /// The session whose JobManager runs.
    pub(super) fn served(&self) -> Option<Rc<Session>> {
        self.session.borrow().clone().filter(|session| !session.is_over())
    }
}
