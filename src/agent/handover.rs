//! Handing the job over to a newer pod that asked for it: a stop with savepoint of a JobManager that nobody ends.
//!
//! There is no deadline, and nothing is forced: if the savepoint fails, the job goes on here and the other pod waits on.

use std::rc::Rc;
use std::time::Duration;

use super::Agent;
use super::guards::Turn;
use super::session::{Session, Tried};
use crate::kubernetes::Severity;
use crate::protocol::entry::PodRef;
use crate::protocol::outcome::StopOutcome;
use crate::protocol::stop::Release;

/// A savepoint that takes longer than this is given up, unless the pod is ended before.
pub(super) const PATIENCE: Duration = Duration::from_secs(60 * 60);

/// A job that can't be saved now, because it restarts for example, can be later; but each try costs it a stop that fails.
fn pause_after(times: u32) -> Duration {
    Duration::from_secs(match times {
        ..=1 => 60,
        2 => 5 * 60,
        _ => 15 * 60,
    })
}

impl Agent {
    pub(super) fn begin_handover(self: &Rc<Self>, session: &Rc<Session>, heir: PodRef) {
        if session.stopping.get() || session.is_condemned() {
            return;
        }
        session.handing_over.set(true);
        self.event(
            Severity::Normal,
            "HandingOver",
            format!("pod {} asks to take over epoch {}", heir.name, session.epoch()),
        );
        let now = self.clock.now();
        let before = session.tried.take().filter(|tried| tried.heir == heir.uid).map_or(0, |tried| tried.times);
        let times = before + 1;
        session.tried.replace(Some(Tried { heir: heir.uid, times, again_at: now.plus(pause_after(times)) }));
        self.begin_stop_until(session, now, PATIENCE);
    }

    /// Whether a stop that began as a handover, and was not overtaken by the pod's own end, leaves the job where it is.
    pub(super) fn keeps_the_job(self: &Rc<Self>, session: &Rc<Session>, release: &Release) -> bool {
        if !session.handing_over.get()
            || matches!(release.outcome, StopOutcome::Savepoint | StopOutcome::Unchanged | StopOutcome::Ended)
            || session.is_over()
            // Those of several jobs that were saved are at their ends already.
            || session.several.get()
        {
            return false;
        }
        tracing::warn!(reason = release.reason, "not handed over; the job goes on here");
        let reason = format!("the job goes on in this pod: {}", release.reason);
        self.event(Severity::Warning, "HandoverFailed", reason);
        session.handing_over.set(false);
        session.stopping.set(false);
        self.guards.tell(session.epoch(), Turn::Kept);
        self.order(session.epoch(), |orders| {
            orders.stopping = false;
            orders.attempt = None;
            orders.withdrawn = true;
            orders.summary = None;
        });
        session.started.set(false);
        self.started(session);
        true
    }
}
