//! The typed ends of a stop: a closed set, used in logs, metrics, the record and exit codes.

use serde::{Deserialize, Serialize};

/// How a stop ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopOutcome {
    /// The final savepoint is durable.
    Savepoint,
    /// No final savepoint, but a completed checkpoint of this epoch is kept, or a savepoint that was in flight when the stop began.
    Checkpoint,
    /// The job had done nothing since the epoch's base: that is still the newest state.
    Unchanged,
    /// The job had come to its own end before.
    Ended,
    /// The job ran, and neither savepoint nor checkpoint could be secured: the base is the newest state known.
    Nothing,
    /// A newer epoch holds the record: nothing of this one counts any more.
    Superseded,
}

impl StopOutcome {
    /// All of them, so that every metric series exists from the start.
    pub const ALL: [Self; 6] =
        [Self::Savepoint, Self::Checkpoint, Self::Unchanged, Self::Ended, Self::Nothing, Self::Superseded];

    /// The word used in logs, metrics and the record.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Savepoint => "savepoint",
            Self::Checkpoint => "checkpoint",
            Self::Unchanged => "unchanged",
            Self::Ended => "ended",
            Self::Nothing => "nothing",
            Self::Superseded => "superseded",
        }
    }
}
