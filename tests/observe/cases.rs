//! For each alert, series with which it fires and series with which it does not.

/// One case: series by the notation of promtool (one value a minute), and whether the alert fires at its end.
pub struct Case {
    pub alert: &'static str,
    pub series: &'static [(&'static str, &'static str)],
    /// When it is looked at, in minutes.
    pub at: u32,
    pub fires: bool,
}

const fn fires(alert: &'static str, at: u32, series: &'static [(&'static str, &'static str)]) -> Case {
    Case { alert, series, at, fires: true }
}

const fn silent(alert: &'static str, at: u32, series: &'static [(&'static str, &'static str)]) -> Case {
    Case { alert, series, at, fires: false }
}

const OPEN: (&str, &str) = ("savepointd_gate{state=\"open\"}", "1x1000");

pub const CASES: &[Case] = &[
    fires("SavepointdStartRefused", 3, &[("savepointd_gate{state=\"refused\"}", "1x10")]),
    // It was mended within the minute.
    silent("SavepointdStartRefused", 3, &[("savepointd_gate{state=\"refused\"}", "0 1 0 0 0")]),
    silent("SavepointdStartRefused", 3, &[("savepointd_gate{state=\"held\"}", "1x10")]),
    fires("SavepointdStartHeld", 6, &[("savepointd_gate{state=\"held\"}", "1x10")]),
    silent("SavepointdStartHeld", 6, &[("savepointd_gate{state=\"open\"}", "1x10")]),
    fires("SavepointdStartWaiting", 12, &[("savepointd_gate{state=\"waiting\"}", "1x20")]),
    // As long as an old pod takes to end.
    silent("SavepointdStartWaiting", 12, &[("savepointd_gate{state=\"waiting\"}", "1x6 0x20")]),
    fires("SavepointdVerificationFailed", 1, &[("savepointd_last_verification_outcome{outcome=\"broken\"}", "0 1")]),
    fires("SavepointdVerificationFailed", 1, &[("savepointd_last_verification_outcome{outcome=\"missing\"}", "0 1")]),
    // The store does not answer: that is no damage. A whole point was found since.
    silent(
        "SavepointdVerificationFailed",
        1,
        &[("savepointd_last_verification_outcome{outcome=\"unreadable\"}", "0 1")],
    ),
    silent("SavepointdVerificationFailed", 2, &[("savepointd_last_verification_outcome{outcome=\"broken\"}", "0 1 0")]),
    fires("SavepointdRestoredOlder", 30, &[("savepointd_restored_older", "1x1000")]),
    // It has been told for long enough.
    silent("SavepointdRestoredOlder", 400, &[("savepointd_restored_older", "1x1000")]),
    silent("SavepointdRestoredOlder", 30, &[("savepointd_restored_older", "0x1000")]),
    fires(
        "SavepointdRestoreFailed",
        2,
        &[
            ("savepointd_restore_failures_total{class=\"incompatible\"}", "1x10"),
            ("savepointd_restore_failures_total{class=\"unreadable\"}", "0x10"),
            ("savepointd_restore_confirmed", "0x10"),
        ],
    ),
    // The next start could.
    silent(
        "SavepointdRestoreFailed",
        2,
        &[
            ("savepointd_restore_failures_total{class=\"incompatible\"}", "1x10"),
            ("savepointd_restore_confirmed", "0 1 1"),
        ],
    ),
    silent(
        "SavepointdRestoreFailed",
        2,
        &[
            ("savepointd_restore_failures_total{class=\"incompatible\"}", "0x10"),
            ("savepointd_restore_confirmed", "0x10"),
        ],
    ),
    fires("SavepointdRestoreNotConfirmed", 16, &[OPEN, ("savepointd_restore_confirmed", "0x20")]),
    silent("SavepointdRestoreNotConfirmed", 16, &[OPEN, ("savepointd_restore_confirmed", "0x5 1x20")]),
    silent(
        "SavepointdRestoreNotConfirmed",
        16,
        &[("savepointd_gate{state=\"open\"}", "0x20"), ("savepointd_restore_confirmed", "0x20")],
    ),
    // In these tests the clock begins at 1970, and the point was complete 10 s after that.
    fires("SavepointdStateTooOld", 70, &[OPEN, ("savepointd_newest_point_timestamp_seconds", "10x100")]),
    silent("SavepointdStateTooOld", 50, &[OPEN, ("savepointd_newest_point_timestamp_seconds", "10x100")]),
    silent("SavepointdStateTooOld", 70, &[OPEN, ("savepointd_newest_point_timestamp_seconds", "10+60x100")]),
    // None is known, as of a session cluster.
    silent("SavepointdStateTooOld", 70, &[OPEN, ("savepointd_newest_point_timestamp_seconds", "0x100")]),
    // It does not run.
    silent(
        "SavepointdStateTooOld",
        70,
        &[("savepointd_gate{state=\"open\"}", "0x100"), ("savepointd_newest_point_timestamp_seconds", "10x100")],
    ),
    fires(
        "SavepointdWillNotFit",
        16,
        &[
            ("savepointd_predicted_savepoint_at_most_seconds", "28x20"),
            ("savepointd_reserve_seconds", "3x20"),
            ("savepointd_grace_seconds", "30x20"),
        ],
    ),
    silent(
        "SavepointdWillNotFit",
        16,
        &[
            ("savepointd_predicted_savepoint_at_most_seconds", "26x20"),
            ("savepointd_reserve_seconds", "3x20"),
            ("savepointd_grace_seconds", "30x20"),
        ],
    ),
    fires(
        "SavepointdStoppedWithoutSavepoint",
        5,
        &[
            ("savepointd_last_stop_outcome{outcome=\"checkpoint\"}", "1x100"),
            ("savepointd_last_stop_timestamp_seconds", "10x100"),
        ],
    ),
    fires(
        "SavepointdStoppedWithoutSavepoint",
        5,
        &[
            ("savepointd_last_stop_outcome{outcome=\"nothing\"}", "1x100"),
            ("savepointd_last_stop_timestamp_seconds", "10x100"),
        ],
    ),
    silent(
        "SavepointdStoppedWithoutSavepoint",
        5,
        &[
            ("savepointd_last_stop_outcome{outcome=\"savepoint\"}", "1x100"),
            ("savepointd_last_stop_timestamp_seconds", "10x100"),
        ],
    ),
    // Long ago.
    silent(
        "SavepointdStoppedWithoutSavepoint",
        70,
        &[
            ("savepointd_last_stop_outcome{outcome=\"checkpoint\"}", "1x100"),
            ("savepointd_last_stop_timestamp_seconds", "10x100"),
        ],
    ),
    fires(
        "SavepointdPeriodicSavepointsFail",
        300,
        &[
            ("savepointd_savepoints_total{kind=\"periodic\",outcome=\"failed\"}", "0x60 1x60 2x60 3x200"),
            ("savepointd_savepoints_total{kind=\"periodic\",outcome=\"taken\"}", "5x400"),
        ],
    ),
    // One succeeded between them.
    silent(
        "SavepointdPeriodicSavepointsFail",
        300,
        &[
            ("savepointd_savepoints_total{kind=\"periodic\",outcome=\"failed\"}", "0x60 1x60 2x60 3x200"),
            ("savepointd_savepoints_total{kind=\"periodic\",outcome=\"taken\"}", "5x100 6x300"),
        ],
    ),
    // Whoever takes one by hand sees that it fails.
    silent(
        "SavepointdPeriodicSavepointsFail",
        300,
        &[("savepointd_savepoints_total{kind=\"manual\",outcome=\"failed\"}", "0x60 1x60 2x60 3x200")],
    ),
    fires("SavepointdRecordFailing", 6, &[("savepointd_record_failing{operation=\"write\"}", "1x10")]),
    silent("SavepointdRecordFailing", 6, &[("savepointd_record_failing{operation=\"write\"}", "1x2 0x10")]),
    fires("SavepointdRequestsFail", 40, &[("savepointd_request_errors_total{to=\"storage\"}", "0+6x100")]),
    // Now and then one fails; and a Flink that starts does not answer.
    silent("SavepointdRequestsFail", 40, &[("savepointd_request_errors_total{to=\"storage\"}", "0+1x100")]),
    silent("SavepointdRequestsFail", 40, &[("savepointd_request_errors_total{to=\"flink\"}", "0+60x100")]),
    fires("SavepointdFlinkDown", 6, &[OPEN, ("savepointd_flink_up", "0x10")]),
    silent("SavepointdFlinkDown", 6, &[OPEN, ("savepointd_flink_up", "0x2 1x10")]),
];
