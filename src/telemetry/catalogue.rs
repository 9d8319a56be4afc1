//! Every metric: name, type, help, and labels, each with the closed set of its values. A test holds the table in the README to this.

use metrics::{Label as Pair, counter, gauge, histogram};

use crate::protocol::failure::FailureClass;
use crate::protocol::outcome::StopOutcome;
use crate::protocol::phase::{StartPhase, StopPhase};
use crate::protocol::point::Kind;
use crate::protocol::retention::What;
use crate::telemetry::metrics::{ELSEWHERE, FAILED, NEWEST, TAKEN};
use crate::telemetry::words::{Gate, Operation, Peer, Verification};

/// How long savepoints take, from a small state's to one of terabytes.
const SAVEPOINT_SECONDS: [f64; 12] = [0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1_800.0, 3_600.0];

/// What Prometheus calls the type.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Type {
    Counter,
    Gauge,
    /// With the upper bounds of its buckets.
    Histogram(&'static [f64]),
}

/// A label, and every value that it may have; none where it has one that is told at run time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Label {
    pub(super) name: &'static str,
    pub(super) values: fn() -> Vec<&'static str>,
}

/// A metric with all its series.
#[derive(Debug, Clone, Copy)]
pub(super) struct Family {
    pub(super) name: &'static str,
    pub(super) kind: Type,
    pub(super) labels: &'static [Label],
    pub(super) help: &'static str,
}

impl Family {
    const fn of(kind: Type, name: &'static str, labels: &'static [Label], help: &'static str) -> Self {
        Self { name, kind, labels, help }
    }

    const fn gauge(name: &'static str, help: &'static str) -> Self {
        Self::of(Type::Gauge, name, &[], help)
    }

    fn series(&self, values: &[&str]) -> Vec<Pair> {
        self.labels.iter().zip(values).map(|(label, value)| Pair::new(label.name, (*value).to_owned())).collect()
    }

    /// Has every series exist.
    pub(super) fn describe(&self) {
        let (name, help) = (self.name, self.help);
        metrics::with_recorder(|recorder| match self.kind {
            Type::Counter => recorder.describe_counter(name.into(), None, help.into()),
            Type::Gauge => recorder.describe_gauge(name.into(), None, help.into()),
            Type::Histogram(_) => recorder.describe_histogram(name.into(), None, help.into()),
        });
        for values in self.combinations() {
            match self.kind {
                Type::Counter => counter!(name, self.series(&values)).absolute(0),
                Type::Gauge => self.set(&values, 0.0),
                Type::Histogram(_) => drop(histogram!(name, self.series(&values))),
            }
        }
    }

    fn combinations(&self) -> Vec<Vec<&'static str>> {
        let mut all = vec![Vec::new()];
        for label in self.labels {
            let longer = |before: &Vec<&'static str>| {
                let before = before.clone();
                (label.values)().into_iter().map(move |value| before.iter().copied().chain([value]).collect())
            };
            all = all.iter().flat_map(longer).collect();
        }
        all
    }

    pub(super) fn set(&self, values: &[&str], to: f64) {
        gauge!(self.name, self.series(values)).set(to);
    }

    pub(super) fn count(&self, values: &[&str]) {
        counter!(self.name, self.series(values)).increment(1);
    }

    pub(super) fn observe(&self, values: &[&str], value: f64) {
        histogram!(self.name, self.series(values)).record(value);
    }

    /// Sets one of the series of a single label to 1, all others to 0.
    pub(super) fn only(&self, value: &str) {
        for one in self.combinations() {
            self.set(&one, if one.contains(&value) { 1.0 } else { 0.0 });
        }
    }
}

const fn one_of(name: &'static str, values: fn() -> Vec<&'static str>) -> Label {
    Label { name, values }
}

const OUTCOME: Label = one_of("outcome", || StopOutcome::ALL.map(StopOutcome::as_str).to_vec());
const VERIFIED: Label = one_of("outcome", || Verification::ALL.map(Verification::as_str).to_vec());
const WITHOUT_STOP: Label = one_of("kind", || [Kind::Manual, Kind::Periodic].map(Kind::as_str).to_vec());

pub(super) const BUILD_INFO: Family = Family::of(
    Type::Gauge,
    "savepointd_build_info",
    &[one_of("version", || vec![env!("CARGO_PKG_VERSION")])],
    "Always 1",
);
pub(super) const CLUSTER_INFO: Family = Family::of(
    Type::Gauge,
    "savepointd_cluster_info",
    &[one_of("cluster_id", Vec::new)],
    "Always 1, once the cluster's id is known",
);
pub(super) const EPOCH: Family =
    Family::gauge("savepointd_epoch", "The epoch that was claimed last; 0 before the first");
pub(super) const GATE: Family = Family::of(
    Type::Gauge,
    "savepointd_gate",
    &[one_of("state", || Gate::ALL.map(Gate::as_str).to_vec())],
    "1 for what stands between the kubelet and Flink: `waiting` ends by itself, `held` and `refused` want a person",
);
pub(super) const FLINK_UP: Family =
    Family::gauge("savepointd_flink_up", "Whether Flink's REST API answered the last request for its jobs");
pub(super) const GUARDS: Family = Family::gauge("savepointd_guards", "TaskManagers' guards that follow this agent");
pub(super) const RESTORE_CONFIRMED: Family =
    Family::gauge("savepointd_restore_confirmed", "Whether Flink confirmed what this epoch should have restored");
pub(super) const RESTORED_OLDER: Family = Family::gauge(
    "savepointd_restored_older",
    "Whether this epoch began from something older than the newest point: by a person's word, or as `restore.on_broken` or \
     `restore.on_failed` allows",
);
pub(super) const NEWEST_POINT_AT: Family = Family::gauge(
    "savepointd_newest_point_timestamp_seconds",
    "When the newest restore point was complete, checkpoints of the running job too; 0 while none is known, and where several jobs run",
);
pub(super) const NEWEST_POINT_BYTES: Family =
    Family::gauge("savepointd_newest_point_bytes", "The newest restore point's size; 0 where it is not known");
pub(super) const NEWEST_POINT_KIND: Family = Family::of(
    Type::Gauge,
    "savepointd_newest_point_kind",
    &[one_of("kind", || Kind::ALL.map(Kind::as_str).to_vec())],
    "1 for the newest restore point's kind",
);
pub(super) const PREDICTED: Family = Family::gauge(
    "savepointd_predicted_savepoint_seconds",
    "What a stop's savepoint would take now; 0 while that is not known",
);
pub(super) const PREDICTED_AT_MOST: Family = Family::gauge(
    "savepointd_predicted_savepoint_at_most_seconds",
    "What a stop's savepoint would hardly ever exceed; 0 while that is not known",
);
pub(super) const GRACE: Family = Family::gauge(
    "savepointd_grace_seconds",
    "What a stop is given: the pod's `terminationGracePeriodSeconds`, else `stop.grace`",
);
pub(super) const RESERVE: Family =
    Family::gauge("savepointd_reserve_seconds", "What is kept back of it for the record: `stop.reserve`");
pub(super) const LAST_SAVEPOINT_AT: Family = Family::gauge(
    "savepointd_last_savepoint_timestamp_seconds",
    "When the newest recorded savepoint was complete; 0 while there is none",
);
pub(super) const LAST_SAVEPOINT_TOOK: Family = Family::gauge(
    "savepointd_last_savepoint_seconds",
    "What the newest stop's savepoint took, whichever process stopped",
);
pub(super) const LAST_SAVEPOINT_PREDICTED: Family = Family::gauge(
    "savepointd_last_savepoint_predicted_seconds",
    "What the newest stop's savepoint had been predicted to take",
);
pub(super) const SAVEPOINTS: Family = Family::of(
    Type::Counter,
    "savepointd_savepoints_total",
    &[WITHOUT_STOP, one_of("outcome", || vec![TAKEN, FAILED])],
    "Savepoints while the job goes on",
);
pub(super) const SAVEPOINT_DURATION: Family = Family::of(
    Type::Histogram(&SAVEPOINT_SECONDS),
    "savepointd_savepoint_duration_seconds",
    &[WITHOUT_STOP],
    "How long savepoints took while the job went on",
);
pub(super) const STOPS: Family = Family::of(
    Type::Counter,
    "savepointd_stops_total",
    &[OUTCOME],
    "Stops of this process: hardly ever scraped, as it ends with them",
);
pub(super) const LAST_STOP_OUTCOME: Family = Family::of(
    Type::Gauge,
    "savepointd_last_stop_outcome",
    &[OUTCOME],
    "1 for the outcome of the newest recorded stop, also of an earlier process",
);
pub(super) const LAST_STOP_AT: Family = Family::gauge(
    "savepointd_last_stop_timestamp_seconds",
    "When the newest recorded stop ended; 0 while there is none",
);
pub(super) const LAST_STOP_TOOK: Family = Family::gauge(
    "savepointd_last_stop_duration_seconds",
    "How long the newest recorded stop took, from the signal until its outcome was recorded",
);
pub(super) const LAST_STOP_PHASE: Family = Family::of(
    Type::Gauge,
    "savepointd_last_stop_phase_seconds",
    &[one_of("phase", || StopPhase::ALL.map(StopPhase::as_str).to_vec())],
    "What the newest recorded stop spent that on",
);
pub(super) const DECISIONS: Family = Family::of(
    Type::Counter,
    "savepointd_start_decisions_total",
    &[one_of("decision", || super::metrics::DECISIONS.to_vec())],
    "Answers to starts; one that waits or is refused asks again and again",
);
pub(super) const START_PHASE: Family = Family::of(
    Type::Gauge,
    "savepointd_start_phase_seconds",
    &[one_of("phase", || StartPhase::ALL.map(StartPhase::as_str).to_vec())],
    "What the newest start spent its time on; `confirm` is from Flink's start to its confirmed restore",
);
pub(super) const STARTS_WITHOUT_GATE: Family = Family::of(
    Type::Counter,
    "savepointd_starts_without_gate_total",
    &[one_of("from", || vec![NEWEST, ELSEWHERE])],
    "Starts that no `run` stood before, by what they ran from",
);
pub(super) const RESTORE_FAILURES: Family = Family::of(
    Type::Counter,
    "savepointd_restore_failures_total",
    &[one_of("class", || [FailureClass::Incompatible, FailureClass::Unreadable].map(FailureClass::as_str).to_vec())],
    "Starts whose point Flink could not restore",
);
pub(super) const VERIFICATIONS: Family = Family::of(
    Type::Counter,
    "savepointd_verifications_total",
    &[VERIFIED],
    "Points that a start or a stop looked at to the last file",
);
pub(super) const LAST_VERIFICATION: Family = Family::of(
    Type::Gauge,
    "savepointd_last_verification_outcome",
    &[VERIFIED],
    "1 for what the newest look at a point found: `doubtful` can't be told, `unreadable` is the store's fault",
);
pub(super) const RECORD_FAILING: Family = Family::of(
    Type::Gauge,
    "savepointd_record_failing",
    &[one_of("operation", || Operation::ALL.map(Operation::as_str).to_vec())],
    "Whether the last try to read or write the record failed",
);
pub(super) const REQUEST_ERRORS: Family = Family::of(
    Type::Counter,
    "savepointd_request_errors_total",
    &[one_of("to", || Peer::ALL.map(Peer::as_str).to_vec())],
    "Requests that brought no usable answer; to Flink also while it is not up yet",
);
pub(super) const PRUNED: Family = Family::of(
    Type::Counter,
    "savepointd_pruned_total",
    &[one_of("kind", || What::ALL.map(What::as_str).to_vec())],
    "Directories that retention deleted",
);
pub(super) const LEFTOVER_BYTES: Family = Family::gauge(
    "savepointd_leftover_checkpoint_bytes",
    "Checkpoint folders of earlier epochs, which only `prune --checkpoints` deletes",
);

/// All of them, in the order of the documentation.
pub(super) const FAMILIES: [&Family; 35] = [
    &EPOCH,
    &GATE,
    &FLINK_UP,
    &GUARDS,
    &RESTORE_CONFIRMED,
    &RESTORED_OLDER,
    &NEWEST_POINT_AT,
    &NEWEST_POINT_BYTES,
    &NEWEST_POINT_KIND,
    &PREDICTED,
    &PREDICTED_AT_MOST,
    &GRACE,
    &RESERVE,
    &LAST_SAVEPOINT_AT,
    &LAST_SAVEPOINT_TOOK,
    &LAST_SAVEPOINT_PREDICTED,
    &SAVEPOINTS,
    &SAVEPOINT_DURATION,
    &STOPS,
    &LAST_STOP_OUTCOME,
    &LAST_STOP_AT,
    &LAST_STOP_TOOK,
    &LAST_STOP_PHASE,
    &DECISIONS,
    &START_PHASE,
    &STARTS_WITHOUT_GATE,
    &RESTORE_FAILURES,
    &VERIFICATIONS,
    &LAST_VERIFICATION,
    &RECORD_FAILING,
    &REQUEST_ERRORS,
    &PRUNED,
    &LEFTOVER_BYTES,
    &BUILD_INFO,
    &CLUSTER_INFO,
];

#[cfg(test)]
mod tests {
    use super::*;

    const README: &str = include_str!("../../README.md");

    impl Family {
        fn unit(&self) -> &'static str {
            let name = self.name.trim_end_matches("_total");
            ["seconds", "bytes"].into_iter().find(|unit| name.ends_with(unit)).unwrap_or("")
        }

        fn row(&self) -> String {
            let label = |label: &Label| {
                let values: Vec<String> = (label.values)().into_iter().map(|value| format!("`{value}`")).collect();
                let values = if label.name == "version" { String::new() } else { values.join(", ") };
                if values.is_empty() { format!("`{}`", label.name) } else { format!("`{}`: {values}", label.name) }
            };
            let labels: Vec<String> = self.labels.iter().map(label).collect();
            let (name, kind) = (self.name, format!("{:?}", self.kind).to_lowercase());
            let kind = kind.split('(').next().unwrap_or_default();
            format!("| `{name}` | {kind} | {} | {} | {} |", labels.join("; "), self.unit(), self.help)
        }
    }

    #[test]
    fn the_table_in_the_readme_is_what_the_code_has() {
        let section = README.split("\n## Metrics\n").nth(1).and_then(|rest| rest.split("\n## ").next()).unwrap_or("");
        let written: Vec<&str> = section.lines().filter(|line| line.starts_with("| `savepointd_")).collect();
        let expected: Vec<String> = FAMILIES.iter().map(|family| family.row()).collect();
        assert!(written == expected, "the table under \"## Metrics\" should be\n{}", expected.join("\n"));
    }

    #[test]
    fn names_follow_the_conventions_of_prometheus() {
        for family in FAMILIES {
            let Family { name, kind, .. } = family;
            assert_eq!(*kind == Type::Counter, name.ends_with("_total"), "{name}");
            assert!(name.starts_with("savepointd_") && !name.contains("_ms") && !name.contains("minutes"), "{name}");
            let info = family.labels.iter().any(|label| matches!(label.name, "version" | "cluster_id"));
            assert_eq!(info, name.ends_with("_info"), "{name}: only what is always 1 may have open labels");
        }
    }
}
