//! What a stop will take, long before there is one: asked of Flink now and then, shown, and warned of where the grace is too short.

use std::rc::Rc;
use std::time::Duration;

use jiff::Timestamp;

use super::Agent;
use super::session::Session;
use crate::flink::statistics::Statistics;
use crate::kubernetes::Severity;
use crate::protocol::entry::{Fact, Saved};
use crate::protocol::estimate::advice::{Advice, Fit, Grantor};
use crate::protocol::estimate::{Evidence, Measured, Sample, predict};
use crate::protocol::point::Kind;
use crate::random;

/// How soon Flink is asked first.
const FIRST: Duration = Duration::from_secs(2);
/// How often at least, and at most: as often as it completes checkpoints, but it costs the JobManager a little.
const SELDOM: Duration = Duration::from_secs(60);
const OFTEN: Duration = Duration::from_secs(5);

impl Agent {
    pub(super) fn estimate_now_and_then(self: &Rc<Self>, session: &Rc<Session>) {
        let (agent, session_of_it) = (Rc::clone(self), Rc::clone(session));
        let task = tokio::task::spawn_local(async move {
            agent.begin_estimate(&session_of_it).await;
            let mut pause = FIRST;
            loop {
                tokio::time::sleep(random::jitter(pause)).await;
                pause = (pause * 2).min(agent.ask_how_long(&session_of_it).await);
            }
        });
        session.adopt(task.abort_handle());
    }

    /// What is known without Flink: earlier stops, and the size of what was restored.
    async fn begin_estimate(&self, session: &Session) {
        let known = self.record.known().await;
        // Those that retention has deleted still tell how long they took.
        let saved: Vec<&Saved> = known
            .entries
            .iter()
            .filter_map(|entry| match &entry.fact {
                Fact::Saved(saved) => Some(saved),
                _ => None,
            })
            .collect();
        let base = session.go.base.as_ref().map(|base| base.path.as_str());
        let base = saved.iter().rev().find(|saved| Some(saved.point.path.as_str()) == base);
        *session.evidence.borrow_mut() = Evidence {
            base_bytes: base.and_then(|saved| saved.bytes),
            before: saved.iter().filter_map(|saved| Sample::recorded(saved)).collect(),
            ..Evidence::default()
        };
        self.foresee(session);
    }

    /// Asks Flink, and says when to ask again.
    async fn ask_how_long(self: &Rc<Self>, session: &Session) -> Duration {
        let Some(job_id) = session.job_id.get() else { return FIRST };
        let Ok(Statistics { samples, overtakes }) = session.flink.statistics(job_id).await else { return SELDOM };
        let mut taken: Vec<Timestamp> =
            samples.iter().filter(|sample| sample.measured == Measured::Checkpoint).map(|sample| sample.at).collect();
        taken.sort();
        let apart = match taken.as_slice() {
            [.., before, last] => Duration::try_from(last.duration_since(*before)).unwrap_or(SELDOM),
            _ => SELDOM,
        };
        {
            let mut evidence = session.evidence.borrow_mut();
            (evidence.here, evidence.overtakes) = (samples, overtakes);
        }
        self.note_newest_checkpoint(session);
        self.foresee(session);
        self.warn_of_a_short_grace(session);
        apart.clamp(OFTEN, SELDOM)
    }

    /// Brings the prediction up to date: a state may have grown since Flink was asked.
    pub(super) fn foresee(&self, session: &Session) {
        let prediction = predict(&session.evidence.borrow(), session.finish.format, Timestamp::now());
        *session.prediction.borrow_mut() = prediction;
        if let Some(advice) = self.advice(session) {
            self.metrics.predicted(&advice);
        }
    }

    /// What the prediction means for the grace period.
    pub(super) fn advice(&self, session: &Session) -> Option<Advice> {
        let savepoint = session.prediction.borrow().as_ref()?.savepoint;
        let stop = self.config.stop;
        let of_the_pod = self.kubernetes.as_ref().and_then(crate::kubernetes::Kubernetes::own_grace);
        Some(match of_the_pod {
            Some(grace) => Advice::on(savepoint, grace, stop.reserve, Grantor::Pod),
            None => Advice::on(savepoint, stop.grace, stop.reserve, Grantor::Configuration),
        })
    }

    /// Says it once, and again when it has become worse.
    fn warn_of_a_short_grace(self: &Rc<Self>, session: &Session) {
        let Some(advice) = self.advice(session) else { return };
        let said = session.advised.get();
        let worse = match said {
            None => advice.fit != Fit::Fits,
            Some((fit, enough)) => {
                advice.fit > fit || advice.fit == fit && advice.fit != Fit::Fits && advice.enough > enough * 3 / 2
            }
        };
        if worse {
            let message = format!("the final savepoint {advice}");
            tracing::warn!(epoch = session.epoch(), advice = %advice, basis = session.basis(), "the grace period is too short");
            self.event(Severity::Warning, "GraceTooShort", message);
        } else if advice.fit == Fit::Fits && said.is_some_and(|(fit, _)| fit != Fit::Fits) {
            tracing::info!(epoch = session.epoch(), advice = %advice, "the grace period is long enough again");
        } else {
            return;
        }
        session.advised.set(Some((advice.fit, advice.enough)));
    }

    /// A retained checkpoint is a restore point like any other, and mostly the newest.
    fn note_newest_checkpoint(&self, session: &Session) {
        let evidence = session.evidence.borrow();
        let checkpoints = evidence.here.iter().filter(|sample| sample.measured == Measured::Checkpoint);
        if let Some(newest) = checkpoints.max_by_key(|sample| sample.at) {
            self.metrics.newest_point(Kind::Checkpoint, Some(newest.state), newest.at);
        }
    }
}
