//! Gathers what the status says. Reading it changes nothing and keeps nothing waiting: what does not answer soon is said not to.

use std::rc::Rc;
use std::time::Duration;

use jiff::Timestamp;

use super::Agent;
use super::session::Session;
use crate::config::without_secrets;
use crate::people;
use crate::protocol::entry::Entry;
use crate::protocol::history::History;
use crate::telemetry::status::{
    self, Expectation, FlinkNow, Headline, Known, Level, MOST, Next, Phase, Place, Status, headline,
};

/// How long Flink and the record's cache may take: both are near.
const NEAR: Duration = Duration::from_secs(1);

impl Agent {
    pub(super) async fn status(self: &Rc<Self>) -> Status {
        let (entries, history_is_old) = self.recorded().await;
        let foreseen = self.foreseen(entries.len()).await;
        let session = self.session.borrow().clone();
        let flink = match session.as_deref().filter(|session| session.started.get() && !session.is_over()) {
            Some(session) => Some(flink_now(session).await),
            None => None,
        };
        let history = History::read(&entries);
        let mut rows = people::rows(&history);
        let session = session.as_deref();
        let now = Timestamp::now();
        let evidence = session.map(|session| session.evidence.borrow().here.clone()).unwrap_or_default();
        let known = Known { rows: &rows, measured: &evidence, now };
        let plan = foreseen.plan.as_ref().map(|told| &told.1);
        let newest = status::newest(plan, known);
        let next = Next {
            decision: plan.map(|plan| plan.decision.clone()),
            path: plan.and_then(|plan| plan.path.clone()),
            point: plan.and_then(|plan| status::next_point(plan, known)),
            reason: plan.map(|plan| plan.reason.clone()).unwrap_or_default(),
            requested: history.request.is_some(),
            candidates: plan.map(|plan| plan.candidates.clone()).unwrap_or_default(),
            usable: plan.and_then(status::usable),
            jobs: plan.map(|plan| plan.jobs.clone()).unwrap_or_default(),
            asked_at: foreseen.plan.as_ref().map(|told| told.0),
            unknown: foreseen.trouble,
        };
        let history_left_out = rows.len().saturating_sub(MOST);
        let mut starts = status::starts(&entries, &history);
        rows.truncate(MOST);
        starts.truncate(MOST);
        let orders = self.orders.borrow().clone();
        let release = orders.release.as_ref();
        let mut status = Status {
            version: env!("CARGO_PKG_VERSION"),
            at: now,
            headline: Headline { level: Level::Unknown, text: String::new(), detail: None },
            cluster: self.cluster.get().cloned(),
            record: without_secrets(self.config.record.as_str()),
            phase: phase(session, orders.stopping, release.is_some()),
            gate: self.gate.borrow().clone(),
            epoch: session.map(Session::epoch),
            job_id: session.and_then(|session| session.job_id.get()),
            base: session.and_then(|session| session.go.base.as_ref()).map(|base| base.path.clone()),
            started: session.is_some_and(|session| session.started.get()),
            jobs_waiting: session.map(|session| self.submissions(session)).unwrap_or_default(),
            confirmed: session.and_then(|session| session.confirmed.borrow().clone()),
            prediction: session.and_then(|session| self.expectation(session)),
            stopping: orders.stopping,
            stop_seconds_left: session.filter(|_| orders.stopping && release.is_none()).map(|session| {
                let deadline = *session.deadline.borrow();
                deadline.kill_at().since(self.clock.now()).as_secs_f64()
            }),
            guards: self.guards.number(),
            outcome: release.and_then(|release| release.outcome),
            ended_because: release.map(|release| release.reason.clone()),
            flink,
            newest,
            next,
            starts,
            history: rows,
            history_left_out,
            history_is_old,
            commands: Vec::new(),
            configuration: self.settings.clone(),
        };
        status.commands = status::commands(&status, &self.place());
        status.headline = headline(&status);
        status
    }

    /// What the record says, as it was read or written last. Where somebody is waiting for its store just now, what was known before.
    async fn recorded(&self) -> (Vec<Entry>, bool) {
        match tokio::time::timeout(NEAR, self.record.known()).await {
            Ok(snapshot) => {
                self.seen.borrow_mut().clone_from(&snapshot.entries);
                (snapshot.entries, false)
            }
            Err(_) => (self.seen.borrow().clone(), true),
        }
    }

    fn expectation(&self, session: &Session) -> Option<Expectation> {
        let prediction = session.prediction.borrow().clone()?;
        Some(Expectation::of(&prediction, &self.advice(session)?, self.config.stop.reserve))
    }

    /// From where commands reach this agent.
    fn place(&self) -> Place {
        let program = std::env::current_exe().ok().map(|path| path.display().to_string());
        let program = program.unwrap_or_else(|| "savepointd".to_owned());
        let pod = self.kubernetes.as_ref().and_then(crate::kubernetes::Kubernetes::known_pod);
        if let Some((namespace, name)) = pod {
            return Place::in_pod(&namespace, &name, &program);
        }
        let mut settings = vec![("control_socket", self.config.control_socket.display().to_string())];
        settings.extend(self.config.cluster.id.clone().map(|id| ("cluster.id", id)));
        Place::here(&program, self.config.record.as_str(), &settings)
    }
}

fn phase(session: Option<&Session>, stopping: bool, released: bool) -> Phase {
    match session {
        None => Phase::Waiting,
        Some(session) if session.is_over() || released => Phase::Ended,
        Some(_) if stopping => Phase::Stopping,
        Some(session) if !session.started.get() => Phase::Waiting,
        Some(session) if session.confirmed.borrow().is_none() => Phase::Starting,
        Some(_) => Phase::Running,
    }
}

async fn flink_now(session: &Session) -> FlinkNow {
    if let Ok(reply) = tokio::time::timeout(NEAR, session.flink.jobs()).await {
        return reply.into();
    }
    let reason = format!("its REST API says nothing within {} s", NEAR.as_secs());
    FlinkNow { answers: false, reason: Some(reason), jobs: Vec::new() }
}
