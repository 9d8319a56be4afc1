//! Events on the own pod: what a start decided and how a stop ended, for `kubectl describe pod`.

use std::rc::Rc;
use std::time::Duration;

use super::Agent;
use super::session::Session;
use crate::kubernetes::Severity;
use crate::protocol::entry::{End, EndKind};
use crate::protocol::outcome::StopOutcome;
use crate::protocol::stop::Release;
use crate::report;
use crate::telemetry::termination;

/// An Event is worth waiting for at the very end, but not for long.
const PATIENCE: Duration = Duration::from_secs(3);

impl Agent {
    /// Leaves an Event, in the background.
    pub(super) fn event(self: &Rc<Self>, severity: Severity, reason: &'static str, message: String) {
        let Some(kubernetes) = self.kubernetes.clone() else { return };
        self.closing.spawn_local(async move {
            match tokio::time::timeout(PATIENCE, kubernetes.event(severity, reason, &message)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::warn!(error = report::chain(&error), reason, "the Event can't be left"),
                Err(_) => tracing::warn!(reason, "the Event can't be left in time"),
            }
        });
    }

    /// Says what the gate answered, once for each new answer.
    pub(super) fn event_of_start(self: &Rc<Self>, decision: &str, text: &str) {
        if *self.said.borrow() == text {
            return;
        }
        text.clone_into(&mut self.said.borrow_mut());
        let (severity, reason) = match decision {
            "restore" => (Severity::Normal, "Restoring"),
            "fresh" => (Severity::Normal, "StartingFresh"),
            "resubmit" => (Severity::Warning, "JobsToSubmit"),
            "hold" => (Severity::Warning, "StartHeld"),
            "later" => (Severity::Normal, "StartWaiting"),
            _ => (Severity::Warning, "StartRefused"),
        };
        self.event(severity, reason, text.to_owned());
    }

    /// Says what a stop came to, in an Event, and as the last word of both containers.
    pub(super) fn tell_of_stop(self: &Rc<Self>, session: &Session, release: &Release, took: Duration) {
        let (severity, reason) = match release.outcome {
            StopOutcome::Savepoint => (Severity::Normal, "SavepointTaken"),
            StopOutcome::Checkpoint => (Severity::Warning, "StoppedOnCheckpoint"),
            StopOutcome::Unchanged => (Severity::Normal, "StoppedUnchanged"),
            StopOutcome::Ended => (Severity::Normal, "JobEnded"),
            StopOutcome::Superseded => (Severity::Warning, "StopSuperseded"),
            StopOutcome::Nothing => (Severity::Warning, "NothingSaved"),
        };
        let point = release.point.as_ref().map(|point| format!("{}: ", point.path)).unwrap_or_default();
        let cause = session.cause.borrow().as_ref().map(|cause| format!("; {cause}")).unwrap_or_default();
        let epoch = session.epoch();
        let text = format!("epoch {epoch}, {took:.1?}: {point}{}{cause}", release.reason);
        let summary = format!("{}: {text}", release.outcome.as_str());
        self.last_word(&summary);
        self.order(epoch, |orders| orders.summary = Some(summary));
        self.event(severity, reason, text);
    }

    /// Leaves the line that is shown of this container when it has ended.
    pub(super) fn last_word(&self, text: &str) {
        termination::leave(&self.config.termination_log, text);
    }

    /// Says how the job came to its own end.
    pub(super) fn tell_of_end(self: &Rc<Self>, session: &Session, end: &End) {
        let severity = if end.how == EndKind::Failed { Severity::Warning } else { Severity::Normal };
        let why = if end.reason.is_empty() { String::new() } else { format!(": {}", end.reason) };
        let text = format!("epoch {}: the job {}{why}", session.epoch(), end.how.as_str());
        self.last_word(&text);
        self.event(severity, "JobEnded", text);
    }
}
