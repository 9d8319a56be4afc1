//! Metrics for Prometheus. Every series exists from the start, and no label takes a value from outside a closed set.
//!
//! Nobody scrapes a process that is about to end: what the last stop came to is published again by the next start, as
//! `savepointd_last_stop_*`, from the record.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use jiff::Timestamp;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use super::catalogue::{self as all, FAMILIES, Type};
use super::words::{Gate, Operation, Peer, Verification};
use crate::protocol::entry::Saved;
use crate::protocol::estimate::advice::Advice;
use crate::protocol::failure::FailureClass;
use crate::protocol::outcome::StopOutcome;
use crate::protocol::phase::{StartPhase, StopPhase, Took};
use crate::protocol::point::Kind;
use crate::protocol::retention::What;
use crate::protocol::stop::Release;

pub(super) const TAKEN: &str = "taken";
pub(super) const FAILED: &str = "failed";
pub(super) const NEWEST: &str = "newest";
pub(super) const ELSEWHERE: &str = "elsewhere";
pub(super) const DECISIONS: [&str; 6] = ["restore", "fresh", "resubmit", "hold", "refuse", "later"];

/// The process's metrics.
#[derive(Clone)]
pub struct Metrics {
    handle: PrometheusHandle,
    /// When the newest point was complete, as far as any is known.
    newest: Rc<Cell<Timestamp>>,
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
        let mut builder = PrometheusBuilder::new();
        for family in FAMILIES {
            if let Type::Histogram(buckets) = family.kind {
                let matcher = Matcher::Full(family.name.to_owned());
                // Fails only without buckets, and then the builder is lost: such a histogram is shown as a summary.
                builder = builder.set_buckets_for_metric(matcher, buckets).unwrap_or_default();
            }
        }
        let recorder = builder.build_recorder();
        let handle = recorder.handle();
        // Fails only if this process has a recorder already, and then that one goes on.
        let _ = metrics::set_global_recorder(recorder);
        for family in FAMILIES {
            family.describe();
        }
        all::BUILD_INFO.set(&[env!("CARGO_PKG_VERSION")], 1.0);
        all::GATE.only(Gate::Closed.as_str());
        Self { handle, newest: Rc::new(Cell::new(Timestamp::UNIX_EPOCH)) }
    }

    /// The cluster's id is known.
    pub fn cluster(&self, id: &str) {
        all::CLUSTER_INFO.set(&[id], 1.0);
    }

    /// The text that Prometheus scrapes.
    #[must_use]
    pub fn render(&self) -> String {
        self.handle.render()
    }

    /// Keeps the collection small between scrapes: a histogram keeps each of its values until then.
    pub fn upkeep(&self) {
        self.handle.run_upkeep();
    }

    /// An epoch was claimed. `older`: not from the newest point.
    pub fn epoch(&self, epoch: u64, older: bool) {
        all::EPOCH.set(&[], number(epoch));
        all::RESTORED_OLDER.set(&[], truth(older));
        self.confirmed(false);
    }

    /// A start was answered.
    pub fn decided(&self, decision: &str) {
        if DECISIONS.contains(&decision) {
            all::DECISIONS.count(&[decision]);
        }
    }

    /// How the gate stands.
    pub fn gate(&self, gate: Gate) {
        all::GATE.only(gate.as_str());
    }

    /// What a part of the newest start took.
    pub fn start_took(&self, phase: StartPhase, took: Duration) {
        all::START_PHASE.set(&[phase.as_str()], took.as_secs_f64());
    }

    /// A job was taken up that no `run` had stood before, and ran from the newest point or from something else.
    pub fn started_without_gate(&self, newest: bool) {
        all::STARTS_WITHOUT_GATE.count(&[if newest { NEWEST } else { ELSEWHERE }]);
    }

    /// So many guards follow.
    pub fn guards(&self, guards: usize) {
        all::GUARDS.set(&[], number(u64::try_from(guards).unwrap_or(u64::MAX)));
    }

    /// Retention deleted a directory.
    pub fn pruned(&self, what: What) {
        all::PRUNED.count(&[what.as_str()]);
    }

    /// So many bytes lie in checkpoint folders that are left over.
    pub fn left_over(&self, bytes: u64) {
        all::LEFTOVER_BYTES.set(&[], number(bytes));
    }

    /// Flink answered, or did not.
    pub fn flink_up(&self, up: bool) {
        all::FLINK_UP.set(&[], truth(up));
    }

    /// Flink confirmed the restore, or contradicted.
    pub fn confirmed(&self, confirmed: bool) {
        all::RESTORE_CONFIRMED.set(&[], truth(confirmed));
    }

    /// Flink could not restore the point.
    pub fn restore_failed(&self, class: FailureClass) {
        all::RESTORE_FAILURES.count(&[class.as_str()]);
    }

    /// A savepoint of a job that goes on was taken, or failed.
    pub fn saved(&self, kind: Kind, saved: Option<&Saved>) {
        let outcome = if saved.is_some() { TAKEN } else { FAILED };
        all::SAVEPOINTS.count(&[kind.as_str(), outcome]);
        let Some(saved) = saved else { return };
        self.last_savepoint(saved.completed_at);
        self.newest_point(saved.kind, saved.bytes, saved.completed_at);
        if let Some(took) = saved.duration_ms {
            all::SAVEPOINT_DURATION.observe(&[kind.as_str()], Duration::from_millis(took).as_secs_f64());
        }
    }

    /// When the newest recorded savepoint was complete.
    pub fn last_savepoint(&self, at: Timestamp) {
        all::LAST_SAVEPOINT_AT.set(&[], seconds(at));
    }

    /// There is a restore point; only the newest one counts.
    pub fn newest_point(&self, kind: Kind, bytes: Option<u64>, at: Timestamp) {
        if at < self.newest.get() {
            return;
        }
        self.newest.set(at);
        all::NEWEST_POINT_AT.set(&[], seconds(at));
        all::NEWEST_POINT_BYTES.set(&[], number(bytes.unwrap_or(0)));
        all::NEWEST_POINT_KIND.only(kind.as_str());
    }

    /// Several jobs run: no one point is the newest of all.
    pub fn no_newest_point(&self) {
        self.newest.set(Timestamp::MAX);
        all::NEWEST_POINT_AT.set(&[], 0.0);
        all::NEWEST_POINT_BYTES.set(&[], 0.0);
        all::NEWEST_POINT_KIND.only("");
    }

    /// A stop ended.
    pub fn stopped(&self, release: &Release, took: Duration) {
        all::STOPS.count(&[release.outcome.as_str()]);
        self.last_stop(release.outcome, Timestamp::now());
        all::LAST_STOP_TOOK.set(&[], took.as_secs_f64());
    }

    /// What a stop is given, and what is kept back of that.
    pub fn allowed(&self, grace: Duration, reserve: Duration) {
        all::GRACE.set(&[], grace.as_secs_f64());
        all::RESERVE.set(&[], reserve.as_secs_f64());
    }

    /// What a stop would take now, and what it is given.
    pub fn predicted(&self, advice: &Advice) {
        all::PREDICTED.set(&[], advice.needs.likely.as_secs_f64());
        all::PREDICTED_AT_MOST.set(&[], advice.needs.at_most.as_secs_f64());
        all::GRACE.set(&[], advice.has.as_secs_f64());
    }

    /// What the newest stop's savepoint took, and what it had been predicted to take.
    pub fn took(&self, took: Duration, predicted: Duration) {
        all::LAST_SAVEPOINT_TOOK.set(&[], took.as_secs_f64());
        all::LAST_SAVEPOINT_PREDICTED.set(&[], predicted.as_secs_f64());
    }

    /// What the newest recorded stop came to.
    pub fn last_stop(&self, outcome: StopOutcome, at: Timestamp) {
        all::LAST_STOP_OUTCOME.only(outcome.as_str());
        all::LAST_STOP_AT.set(&[], seconds(at));
    }

    /// What the newest recorded stop took.
    pub fn last_stop_took(&self, took: &Took) {
        all::LAST_STOP_TOOK.set(&[], took.together().as_secs_f64());
        for phase in StopPhase::ALL {
            all::LAST_STOP_PHASE.set(&[phase.as_str()], took.of(phase).as_secs_f64());
        }
    }
}

/// A start or a stop has looked at a point. Nothing, where nobody collects metrics.
pub fn verified(verification: Verification) {
    all::VERIFICATIONS.count(&[verification.as_str()]);
    all::LAST_VERIFICATION.only(verification.as_str());
}

/// The record was read or written, or could not be. Nothing, where nobody collects metrics.
pub fn record_failing(operation: Operation, failing: bool) {
    all::RECORD_FAILING.set(&[operation.as_str()], truth(failing));
}

/// A request brought no usable answer. Nothing, where nobody collects metrics.
pub fn request_failed(to: Peer) {
    all::REQUEST_ERRORS.count(&[to.as_str()]);
}

fn truth(is_true: bool) -> f64 {
    f64::from(u8::from(is_true))
}

#[expect(clippy::cast_precision_loss, reason = "nobody counts single bytes of petabytes, or 2^52 starts")]
fn number(number: u64) -> f64 {
    number as f64
}

#[expect(clippy::cast_precision_loss, reason = "Unix time fits")]
fn seconds(at: Timestamp) -> f64 {
    at.as_second() as f64
}
