//! What `run`, guards and the agent say to each other: JSON over HTTP/1.1, `run` over its socket, guards over the network.
//!
//! | request | meaning |
//! |---|---|
//! | `POST /v1/claim` | may Flink start, and how? ([`ClaimRequest`], [`ClaimReply`]) |
//! | `POST /v1/started` | the entrypoint runs ([`Started`]) |
//! | `GET /v1/orders` | a stream of lines, each an [`Orders`] or empty (a sign of life); it ends when the agent dies |
//! | `POST /v1/stop` | take a final savepoint ([`StopRequest`]); the result comes as an order |
//! | `POST /v1/drain` | the same for whichever epoch runs; answered when the outcome is durable ([`Drained`]) |
//! | `POST /v1/exited` | the entrypoint has ended ([`Exited`]) |
//! | `GET /api/v1/stop?works_for=EPOCH` | for guards: a stream of lines, each a [`Tidings`] or empty (a sign of life) |
//! | `GET /api/v1/stop?waits_for=EPOCH` | the same for the agent of another pod, which waits at its gate for that epoch's end |
//! | `GET /api/v1/look` | a guard's pod is being ended: look whether this one is too; the answer is a [`Tidings`] |

use serde::{Deserialize, Serialize};

use crate::config::LogLevel;
use crate::flink::Access;
use crate::flink::setup::Setup;
use crate::protocol::entry::{Attempt, Holder};
use crate::protocol::ha::Places;
use crate::protocol::id::JobId;
use crate::protocol::outcome::StopOutcome;
use crate::protocol::point::Format;
use crate::protocol::time::Moment;
use crate::storage::Options;

/// `run` asks whether Flink may start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClaimRequest {
    /// Who asks.
    pub holder: Holder,
    /// The entrypoint's command line.
    pub argv: Vec<String>,
    /// What Flink's configuration says.
    pub setup: Setup,
    /// Whether the entrypoint runs already, and only the agent is new.
    pub running: bool,
}

/// The agent's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum ClaimReply {
    /// Start Flink.
    Go {
        /// The command line with which it starts.
        argv: Vec<String>,
        /// `restore` or `fresh`.
        decision: String,
        /// What is restored.
        path: Option<String>,
        /// Why.
        reason: String,
        /// What `run` needs to finish a stop if the agent is not there.
        finish: Box<Finish>,
    },
    /// Don't, until a person did something.
    No {
        /// `hold` or `refuse`.
        decision: String,
        /// Why, and the way out.
        reason: String,
    },
    /// Not now; ask again.
    Later {
        /// Why.
        reason: String,
        /// Whether another pod's end is waited for: then each moment counts.
        #[serde(default)]
        soon: bool,
    },
    /// End what runs: a newer epoch has begun.
    Superseded {
        /// By whom.
        reason: String,
    },
}

/// What a stop needs to know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finish {
    /// The epoch that was claimed.
    pub epoch: u64,
    /// The job's id, where it is known.
    pub job_id: Option<JobId>,
    /// How Flink's REST API is reached.
    pub flink: Access,
    /// Where this epoch's savepoints go.
    pub target: String,
    /// Flink's checkpoint directory.
    pub checkpoints: String,
    /// Where Flink's own high availability keeps its files, if it is on.
    #[serde(default)]
    pub high_availability: Option<Places>,
    /// How the stores are reached that these lie in.
    #[serde(default)]
    pub storage: Options,
    /// The base's checkpoint id.
    pub above: Option<u64>,
    /// The final savepoint's format.
    pub format: Format,
    /// Whether the maximum watermark is emitted first.
    pub drain: bool,
    /// From the signal to the kill, in milliseconds.
    pub grace_ms: u64,
    /// Kept back for the record, in milliseconds.
    pub reserve_ms: u64,
    /// Where several jobs run: how many are stopped at the same time.
    #[serde(default)]
    pub parallel: usize,
}

/// The entrypoint runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Started {
    /// The epoch that was claimed.
    pub epoch: u64,
}

/// `run` got a signal to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct StopRequest {
    /// The epoch that runs.
    pub epoch: u64,
    /// How long ago, in milliseconds.
    pub since_ms: u64,
}

/// The answer to a drain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drained {
    /// How the stop ended; none if nothing ran that could be stopped.
    pub outcome: Option<StopOutcome>,
    /// Why, in words.
    pub reason: String,
}

/// What the agent wants of `run`; the newest counts.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Orders {
    /// The epoch they are for.
    pub epoch: u64,
    /// A stop is under way.
    pub stopping: bool,
    /// The request for a savepoint that was or is about to be made.
    pub attempt: Option<Attempt>,
    /// What was said of such a request before counts no more: the stop that made it is over, and the job goes on.
    #[serde(default)]
    pub withdrawn: bool,
    /// The number of the newest point that the job has gone on from: a final savepoint has a higher one.
    #[serde(default)]
    pub after: Option<u64>,
    /// When the container is killed, once the pod has told.
    #[serde(default)]
    pub kill_at: Option<Moment>,
    /// Whether a checkpoint survives an ordinary end of the JobManager, once Flink has told.
    pub checkpoints_survive: Option<bool>,
    /// Whether the cluster runs several jobs, each of which is stopped.
    #[serde(default)]
    pub several: bool,
    /// What the stop came to, in one line.
    #[serde(default)]
    pub summary: Option<String>,
    /// The level at which a person wants this process to log.
    #[serde(default)]
    pub log_level: Option<LogLevel>,
    /// End the entrypoint.
    pub release: Option<ReleaseOrder>,
}

/// End the entrypoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseOrder {
    /// With SIGKILL: an ordinary end would delete the checkpoint that counts.
    pub kill: bool,
    /// The exit code of `run` where no signal began this: the job came to its own end.
    pub exit: Option<u8>,
    /// How the stop ended, if there was one.
    pub outcome: Option<StopOutcome>,
    /// Another pod takes over, or the JobManager is to be started once more: `run` goes back to the gate.
    #[serde(default)]
    pub hand_over: bool,
    /// Why, in words.
    pub reason: String,
}

/// The entrypoint has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exited {
    /// The epoch that ran.
    pub epoch: u64,
    /// Its exit code, if it had one.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
}

/// What the agent tells guards about the JobManager beside it; the newest counts.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Tidings {
    /// The cluster's id. A guard keeps to the first one that it heard of.
    pub cluster: String,
    /// The epoch that is served here; none before the first start.
    pub epoch: Option<u64>,
    /// How it stands with that epoch.
    pub phase: Phase,
    /// Its JobManager's process has ended: a TaskManager that starts now can't find it any more.
    pub ended: bool,
    /// `host:port` of the agent that serves a newer epoch.
    pub elsewhere: Option<String>,
}

/// What came of the checkpoint that a guard asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpointed {
    /// Its number; none if none was completed.
    pub checkpoint_id: Option<u64>,
    /// Why not, in words.
    #[serde(default)]
    pub reason: String,
}

/// How it stands with an epoch, as far as TaskManagers are concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// The gate is closed: no JobManager.
    #[default]
    Waiting,
    /// The JobManager runs.
    Running,
    /// A final savepoint is being taken: no task may end now.
    Stopping,
    /// The final savepoint is durable and the job at its end: its tasks are gone.
    Released,
    /// The JobManager has ended, or is being ended, while its tasks may still work.
    Gone,
}

#[cfg(test)]
mod tests;
