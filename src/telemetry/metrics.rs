//! Metrics for Prometheus. Every series exists from the start, and no label takes a value from outside a closed set.
//!
//! Nobody scrapes a process that is about to end: what the last stop came to is published again by the next start, as
//! `savepointd_last_stop_*`, from the record.

use std::time::Duration;

use metrics::{counter, describe_counter, describe_gauge, gauge};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

use crate::protocol::estimate::advice::Advice;
use crate::protocol::failure::FailureClass;
use crate::protocol::outcome::StopOutcome;
use crate::protocol::point::Kind;
use crate::protocol::retention::What;
use crate::protocol::stop::Release;

const TAKEN: &str = "taken";
const FAILED: &str = "failed";
const NEWEST: &str = "newest";
const ELSEWHERE: &str = "elsewhere";
const DECISIONS: [&str; 6] = ["restore", "fresh", "resubmit", "hold", "refuse", "later"];

/// The process's metrics.
#[derive(Clone)]
pub struct Metrics {
    handle: PrometheusHandle,
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Metrics {
    /// Begins to collect.
    #[must_use]
    pub fn install() -> Self {
        let recorder = PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        // Fails only if this process has a recorder already, and then that one goes on.
        let _ = metrics::set_global_recorder(recorder);
        describe_gauge!("savepointd_info", "Always 1; the labels tell version and cluster");
        describe_gauge!("savepointd_epoch", "The epoch that was claimed last; 0 before the first");
        gauge!("savepointd_epoch").set(0.0);
        describe_gauge!("savepointd_flink_up", "Whether Flink's REST API answered the last request");
        gauge!("savepointd_flink_up").set(0.0);
        describe_gauge!("savepointd_restore_confirmed", "Whether Flink confirmed what this epoch should have restored");
        gauge!("savepointd_restore_confirmed").set(0.0);
        describe_counter!("savepointd_start_decisions_total", "Answers to starts, by decision");
        for decision in DECISIONS {
            counter!("savepointd_start_decisions_total", "decision" => decision).absolute(0);
        }
        describe_counter!(
            "savepointd_starts_without_gate_total",
            "Starts that no `run` stood before, by what they ran from"
        );
        for from in [NEWEST, ELSEWHERE] {
            counter!("savepointd_starts_without_gate_total", "from" => from).absolute(0);
        }
        describe_counter!("savepointd_restore_failures_total", "Starts whose point Flink could not restore, by class");
        for class in [FailureClass::Incompatible, FailureClass::Unreadable] {
            counter!("savepointd_restore_failures_total", "class" => class.as_str()).absolute(0);
        }
        describe_counter!("savepointd_pruned_total", "Directories that retention deleted, by kind");
        for what in What::ALL {
            counter!("savepointd_pruned_total", "kind" => what.as_str()).absolute(0);
        }
        describe_gauge!("savepointd_leftover_checkpoint_bytes", "Checkpoints of earlier epochs that nobody deletes");
        gauge!("savepointd_leftover_checkpoint_bytes").set(0.0);
        describe_counter!("savepointd_savepoints_total", "Savepoints of a job that goes on, by kind and outcome");
        for kind in [Kind::Manual, Kind::Periodic] {
            for outcome in [TAKEN, FAILED] {
                counter!("savepointd_savepoints_total", "kind" => kind.as_str(), "outcome" => outcome).absolute(0);
            }
        }
        describe_gauge!(
            "savepointd_last_savepoint_timestamp_seconds",
            "When the newest recorded savepoint was complete"
        );
        gauge!("savepointd_last_savepoint_timestamp_seconds").set(0.0);
        describe_counter!("savepointd_stops_total", "Stops, by outcome");
        describe_gauge!("savepointd_last_stop_outcome", "1 for the outcome of the newest recorded stop");
        describe_gauge!("savepointd_last_stop_timestamp_seconds", "When the newest recorded stop ended, in Unix time");
        describe_gauge!(
            "savepointd_last_stop_duration_seconds",
            "From the signal to the release, of the newest stop of this process"
        );
        for outcome in StopOutcome::ALL {
            counter!("savepointd_stops_total", "outcome" => outcome.as_str()).absolute(0);
            gauge!("savepointd_last_stop_outcome", "outcome" => outcome.as_str()).set(0.0);
        }
        let expected: [(&'static str, &'static str); 5] = [
            (
                "savepointd_predicted_savepoint_seconds",
                "What a stop's savepoint would take now; 0 while it is not known",
            ),
            ("savepointd_predicted_savepoint_at_most_seconds", "The same, hardly ever more"),
            ("savepointd_grace_seconds", "What a stop is given: the pod's grace period, or stop.grace"),
            ("savepointd_last_savepoint_seconds", "What the newest stop's savepoint took"),
            ("savepointd_last_savepoint_predicted_seconds", "What that had been predicted to take"),
        ];
        for (name, text) in expected {
            describe_gauge!(name, text);
            gauge!(name).set(0.0);
        }
        gauge!("savepointd_last_stop_timestamp_seconds").set(0.0);
        gauge!("savepointd_last_stop_duration_seconds").set(0.0);
        Self { handle }
    }

    /// The cluster's id is known.
    pub fn cluster(&self, id: &str) {
        gauge!("savepointd_info", "version" => env!("CARGO_PKG_VERSION"), "cluster" => id.to_owned()).set(1.0);
    }

    /// The text that Prometheus scrapes.
    #[must_use]
    pub fn render(&self) -> String {
        self.handle.render()
    }

    /// Keeps the collection small between scrapes.
    pub fn upkeep(&self) {
        self.handle.run_upkeep();
    }

    /// An epoch was claimed.
    #[expect(clippy::cast_precision_loss, reason = "no cluster starts 2^52 times")]
    pub fn epoch(&self, epoch: u64) {
        gauge!("savepointd_epoch").set(epoch as f64);
        gauge!("savepointd_restore_confirmed").set(0.0);
    }

    /// A start was answered.
    pub fn decided(&self, decision: &str) {
        if let Some(decision) = DECISIONS.into_iter().find(|known| *known == decision) {
            counter!("savepointd_start_decisions_total", "decision" => decision).increment(1);
        }
    }

    /// A job was taken up that no `run` had stood before, and ran from the newest point or from something else.
    pub fn started_without_gate(&self, newest: bool) {
        let from = if newest { NEWEST } else { ELSEWHERE };
        counter!("savepointd_starts_without_gate_total", "from" => from).increment(1);
    }

    /// Retention deleted a directory.
    pub fn pruned(&self, what: What) {
        counter!("savepointd_pruned_total", "kind" => what.as_str()).increment(1);
    }

    /// So many bytes lie in checkpoint folders that are left over.
    #[expect(clippy::cast_precision_loss, reason = "nobody counts single bytes of petabytes")]
    pub fn left_over(&self, bytes: u64) {
        gauge!("savepointd_leftover_checkpoint_bytes").set(bytes as f64);
    }

    /// Flink answered, or did not.
    pub fn flink_up(&self, up: bool) {
        gauge!("savepointd_flink_up").set(f64::from(u8::from(up)));
    }

    /// Flink confirmed the restore, or contradicted.
    pub fn confirmed(&self, confirmed: bool) {
        gauge!("savepointd_restore_confirmed").set(f64::from(u8::from(confirmed)));
    }

    /// Flink could not restore the point.
    pub fn restore_failed(&self, class: FailureClass) {
        counter!("savepointd_restore_failures_total", "class" => class.as_str()).increment(1);
    }

    /// A savepoint of a job that goes on was complete at that time, or failed.
    pub fn saved(&self, kind: Kind, completed_at: Option<jiff::Timestamp>) {
        let outcome = if completed_at.is_some() { TAKEN } else { FAILED };
        counter!("savepointd_savepoints_total", "kind" => kind.as_str(), "outcome" => outcome).increment(1);
        if let Some(at) = completed_at {
            self.last_savepoint(at);
        }
    }

    /// When the newest recorded savepoint was complete.
    #[expect(clippy::cast_precision_loss, reason = "Unix time fits")]
    pub fn last_savepoint(&self, at: jiff::Timestamp) {
        gauge!("savepointd_last_savepoint_timestamp_seconds").set(at.as_second() as f64);
    }

    /// A stop ended.
    pub fn stopped(&self, release: &Release, took: Duration) {
        counter!("savepointd_stops_total", "outcome" => release.outcome.as_str()).increment(1);
        gauge!("savepointd_last_stop_duration_seconds").set(took.as_secs_f64());
        self.last_stop(release.outcome, jiff::Timestamp::now());
    }

    /// What a stop would take now, and what it is given.
    pub fn predicted(&self, advice: &Advice) {
        gauge!("savepointd_predicted_savepoint_seconds").set(advice.needs.likely.as_secs_f64());
        gauge!("savepointd_predicted_savepoint_at_most_seconds").set(advice.needs.at_most.as_secs_f64());
        gauge!("savepointd_grace_seconds").set(advice.has.as_secs_f64());
    }

    /// What the newest stop's savepoint took, and what it had been predicted to take.
    pub fn took(&self, took: Duration, predicted: Duration) {
        gauge!("savepointd_last_savepoint_seconds").set(took.as_secs_f64());
        gauge!("savepointd_last_savepoint_predicted_seconds").set(predicted.as_secs_f64());
    }

    /// What the newest recorded stop came to.
    #[expect(clippy::cast_precision_loss, reason = "Unix time fits")]
    pub fn last_stop(&self, outcome: StopOutcome, at: jiff::Timestamp) {
        for one in StopOutcome::ALL {
            gauge!("savepointd_last_stop_outcome", "outcome" => one.as_str()).set(f64::from(u8::from(one == outcome)));
        }
        gauge!("savepointd_last_stop_timestamp_seconds").set(at.as_second() as f64);
    }
}
