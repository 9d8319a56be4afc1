//! What the record knows of the past, as metrics: nobody scrapes a process that ends with its stop, so the next one tells.

use std::time::Duration;

use super::Agent;
use crate::protocol::entry::{Fact, Saved};
use crate::protocol::history::History;
use crate::protocol::point::Kind;

impl Agent {
    /// Reads the record, and publishes what it tells.
    pub(super) async fn republish(&self) {
        if self.cluster().await.is_ok() && self.record.load().await.is_ok() {
            self.publish_past().await;
        }
    }

    /// Publishes what is known of the newest stop and of the newest points, without reading again.
    pub(super) async fn publish_past(&self) {
        let known = self.record.known().await;
        let history = History::read(&known.entries);
        let stopped = history.epochs.values().rev().find_map(|epoch| Some((epoch.stopped.as_ref()?, epoch.took)));
        if let Some(((outcome, _, at), took)) = stopped {
            self.metrics.last_stop(*outcome, *at);
            self.metrics.last_stop_took(&took.unwrap_or_default());
        }
        for (_, saved) in history.saved() {
            self.metrics.newest_point(saved.kind, saved.bytes, saved.completed_at);
        }
        let savepoints = history.saved().filter(|(_, saved)| saved.kind != Kind::Checkpoint);
        if let Some(at) = savepoints.map(|(_, saved)| saved.completed_at).max() {
            self.metrics.last_savepoint(at);
        }
        // What retention has deleted still tells what a prediction is worth.
        let newest: Option<&Saved> = known.entries.iter().rev().find_map(|entry| match &entry.fact {
            Fact::Saved(saved) if saved.predicted_ms.is_some() => Some(saved),
            _ => None,
        });
        if let Some((took, predicted)) = newest.and_then(|saved| Some((saved.duration_ms?, saved.predicted_ms?))) {
            self.metrics.took(Duration::from_millis(took), Duration::from_millis(predicted));
        }
    }
}
