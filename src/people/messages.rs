//! What people ask, and what they are told.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::config::LogLevel;
use crate::doctor::Finding;
use crate::flink::setup::Setup;
use crate::protocol::choose::{Candidate, Situation};
use crate::protocol::entry::{EndKind, Saved};
use crate::protocol::id::JobId;
use crate::protocol::jobs::Submission;
use crate::protocol::outcome::StopOutcome;
use crate::protocol::point::{Format, Kind};
use crate::prune::Pruned;

/// A request over the control socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub enum Request {
    /// All recorded points.
    History,
    /// What would the next start do?
    Plan {
        /// What Flink's configuration says, where it was given.
        setup: Option<Box<Setup>>,
    },
    /// The next start restores this.
    Pin {
        /// The point.
        path: String,
    },
    /// The pin is taken back.
    Unpin,
    /// The next start begins with nothing.
    Fresh,
    /// The newest epoch's holder is gone for good.
    Takeover,
    /// What will not work?
    Doctor {
        /// What Flink's configuration says, where it was given.
        setup: Option<Box<Setup>>,
    },
    /// A savepoint of the running job is taken.
    Savepoint {
        /// Its format.
        format: Format,
    },
    /// At which level does the agent log?
    LogLevel {
        /// From now on at this one.
        level: Option<LogLevel>,
    },
    /// What is not needed any more is deleted.
    Prune {
        /// Only say what would go.
        dry_run: bool,
        /// Checkpoint folders that are left over as well.
        checkpoints: bool,
        /// What is half-written or left over goes only when nothing of it was written for so long.
        min_age_ms: u64,
        /// So many savepoints stay, if not as configured.
        keep: Option<usize>,
        /// Flink deletes, not the store.
        #[serde(default)]
        by_flink: bool,
    },
}

/// The answer, or why there is none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// All recorded points, newest first.
    History(Vec<Row>),
    /// What the next start would do.
    Plan(Box<Plan>),
    /// What was found out about that on which savepointd relies.
    Findings(Vec<Finding>),
    /// The savepoint that was taken.
    Saved(Box<Saved>),
    /// What a prune found and did.
    Pruned(Pruned),
    /// Done; the text says what.
    Done(String),
    /// Not done; the text says why. `passes`: it may go better by itself.
    Refused {
        /// Why.
        reason: String,
        /// Whether it may go better by itself.
        passes: bool,
    },
}

/// One recorded point, or the end of an epoch that saved none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// The epoch.
    pub epoch: u64,
    /// Where the point lies; none if there is none.
    pub path: Option<String>,
    /// What made it.
    pub kind: Option<Kind>,
    /// The job that wrote it.
    pub job_id: Option<JobId>,
    /// Its name, where it is one of several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_name: Option<String>,
    /// Its number.
    pub checkpoint_id: Option<u64>,
    /// When it was complete.
    pub completed_at: Option<Timestamp>,
    /// Bytes in its directory.
    pub bytes: Option<u64>,
    /// From request to completion, in milliseconds.
    pub duration_ms: Option<u64>,
    /// What that was predicted to be.
    #[serde(default)]
    pub predicted_ms: Option<u64>,
    /// Why it could not be proven whole when it was recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doubt: Option<String>,
    /// Whether a later start found it in storage, because nobody had recorded it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub salvaged: bool,
    /// What the epoch restored from; none for a fresh start.
    pub base: Option<String>,
    /// Whether Flink confirmed that.
    pub confirmed: bool,
    /// Why Flink could not restore that.
    #[serde(default)]
    pub restore_failed: Option<String>,
    /// How the epoch's stop ended.
    pub outcome: Option<StopOutcome>,
    /// How its job ended by itself.
    pub ended: Option<EndKind>,
}

/// What the next start would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// `restore`, `fresh`, `hold` or `refuse`.
    pub decision: String,
    /// What would be restored.
    pub path: Option<String>,
    /// Why.
    pub reason: String,
    /// Everything that was looked at.
    pub candidates: Vec<Candidate>,
    /// The jobs that a session cluster leaves to be submitted again, and how.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub jobs: Vec<Submission>,
    /// The version of the situation's form.
    pub version: u32,
    /// What the choice rests on; none if there was none, as the record is not to be used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub situation: Option<Box<Situation>>,
}

/// The version of the form in which this build gives a situation.
pub const SITUATION: u32 = 1;
