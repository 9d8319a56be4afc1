//! The estimate: how long the stop's savepoint and a checkpoint on demand will take, from what Flink and the record have measured.

use std::time::Duration;

use serde::Serialize;

/// How long something is expected to take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Expected {
    /// As likely to take longer as to take less.
    pub likely: Duration,
    /// Hardly ever longer; never less than `likely`.
    pub at_most: Duration,
}

/// What is expected of a stop that begins now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Prediction {
    /// Stop-with-savepoint in the configured format, from the request to the savepoint's completion.
    pub savepoint: Expected,
    /// A checkpoint on demand; none where Flink takes none (before 1.17) or none is known.
    pub checkpoint: Option<Expected>,
    /// The state's size by now, where Flink has told.
    pub bytes: Option<u64>,
    /// What it rests on, in words.
    pub basis: String,
}
