//! The record's entries: facts in the order in which they became durable.
//!
//! An entry is never changed. What a reader does not understand (a newer savepointd wrote it) it leaves alone: entries
//! are separate objects, and [`Fact::Unknown`] carries on.

mod end;
mod job;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::failure::FailureClass;
use super::ha::Places;
use super::id::{Id, JobId, TriggerId};
use super::outcome::StopOutcome;
use super::phase::Took;
use super::point::{Format, Kind, PointRef};
pub use end::{End, EndKind};
pub use job::{JobEvent, OfJob};

/// The version of the entry format that this build writes.
pub const VERSION: u32 = 1;

/// One fact in the record.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Entry {
    /// Format version; readers accept any, and understand what they can.
    pub version: u32,
    /// Chosen by the writer, so that a lost reply can be told from a conflict by reading back.
    pub write_id: Id,
    /// The writer's clock. For people; nothing is ordered by it.
    pub at: Timestamp,
    /// The epoch in whose name this was written; 0 for what people say.
    pub epoch: u64,
    /// What happened.
    pub fact: Fact,
}

/// What an entry says.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Fact {
    /// The record was made: first entry of all.
    Created {
        /// The cluster it belongs to.
        cluster: String,
        /// Told apart from any other record of the same name by this.
        record_id: Id,
    },
    /// An epoch began: from here on nobody older may write.
    Claimed(Claim),
    /// What the epoch restores from. Durable before Flink starts.
    Based(Based),
    /// The epoch's job completed a first checkpoint: from here on "nothing found" is a loss, not a beginning.
    Progressed {
        /// The job that Flink runs in this epoch.
        job_id: JobId,
        /// The oldest checkpoint id that was seen.
        checkpoint_id: u64,
    },
    /// Flink named the injected point as the one it restored, or none where none was injected.
    Confirmed {
        /// The job that Flink runs in this epoch.
        job_id: JobId,
        /// What Flink restored.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        restored: Option<PointRef>,
    },
    /// The job ran from something else than what was injected and was cancelled; nothing of this epoch is used.
    Voided {
        /// What Flink did instead.
        reason: String,
    },
    /// Flink could not restore what this epoch is based on, and the point or the program is to blame.
    RestoreFailed(RestoreFailed),
    /// A stop is about to be asked for. Written before the request, so that whoever goes on knows its trigger id.
    Attempted(Attempt),
    /// A restore point became durable.
    Saved(Saved),
    /// A stop ended.
    Stopped {
        /// How.
        outcome: StopOutcome,
        /// Why, in words.
        reason: String,
        /// What it took until then; none where nobody measured it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        took: Option<Took>,
    },
    /// The job came to an end that no stop of ours caused.
    Ended(End),
    /// Something of one job of a cluster that runs several.
    Job(OfJob),
    /// A person said what the next start restores.
    Pinned {
        /// The point.
        path: String,
    },
    /// A person took the pin back.
    Unpinned,
    /// A person allowed the next start, and only that, to begin with nothing.
    FreshAllowed,
    /// A newer pod asks the epoch's holder to stop with a savepoint and to hand over.
    HandoverAsked {
        /// Who asks.
        by: PodRef,
    },
    /// The epoch's JobManager has ended, for whatever reason: nothing of it writes any more, zombies apart.
    Left,
    /// A person says that the epoch's holder is gone for good, whatever the API server says of its pod.
    TakenOver,
    /// Retention gives this savepoint or checkpoint folder up. Written before anything of it is deleted: from here on it is
    /// no restore point, however much of it is left.
    Pruned {
        /// The directory.
        path: String,
    },
    /// Written by a newer savepointd.
    #[serde(other)]
    Unknown,
}

/// An epoch's beginning.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Claim {
    /// The job id that this start injects; none where Flink's own is used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_id: Option<JobId>,
    /// Who holds the epoch.
    pub holder: Holder,
    /// Where the epoch's points will lie; the next start looks there too, even if the configuration changes.
    pub directories: Directories,
    /// Whether it is a session cluster's: its start restores nothing, as others submit the jobs.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub session: bool,
    /// Whether no gate was there: Flink was started without `run`, and the epoch was claimed for what ran already.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub without_gate: bool,
}

/// The process that holds an epoch: one life of `savepointd run`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Holder {
    /// Chosen at random by each life of `run`.
    pub incarnation: Id,
    /// Host name; in a pod, the pod's name.
    pub host: String,
    /// The kernel's boot id, so that a process id of an earlier boot is not believed.
    pub boot_id: String,
    /// Process id in the namespace of `run`.
    pub pid: u32,
    /// Start time of that process in clock ticks since boot (`/proc/<pid>/stat`, field 22).
    pub started: u64,
    /// The pod that it runs in, if it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod: Option<PodRef>,
}

impl Holder {
    /// Whether both are lives of one process.
    #[must_use]
    pub fn is_the_process_of(&self, other: &Self) -> bool {
        let process = |holder: &Self| (holder.host.clone(), holder.boot_id.clone(), holder.pid, holder.started);
        process(self) == process(other) && self.pod.is_none() && other.pod.is_none()
    }
}

/// A pod, so that it can be told from any other, also from one of its name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PodRef {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// `metadata.uid`.
    pub uid: String,
    /// `metadata.creationTimestamp`, by the API server's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<Timestamp>,
    /// Where its agent's admin server is reached: host and port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
}

/// Directory URLs of one epoch.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Directories {
    /// Where our savepoints go: `<savepoint>/<cluster>/<epoch>/`.
    pub savepoint: String,
    /// Flink's own default savepoint directory, if it is another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flink_savepoint: Option<String>,
    /// Where Flink keeps checkpoints: `<checkpoint>/<job id>/chk-<n>`.
    pub checkpoint: String,
    /// Where Flink's own high availability keeps its files, if it is on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub high_availability: Option<Places>,
}

/// What an epoch restores from, and why.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Based {
    /// The point; none for a fresh start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<PointRef>,
    /// The restore path that the user gave at this start, if any. It counts again only when it changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub explicit: Option<String>,
    /// The entry of a person (pin or fresh) that this start used up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consumed: Option<Id>,
    /// Savepoints in Flink's default directory that might be ours and were there already: their names don't tell the
    /// epoch, but what comes later is this epoch's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub seen: Vec<String>,
    /// Points that Flink's own high availability may restore in place of the base: it alone knows which of them it was sure of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub or: Vec<String>,
    /// Flink was told that the job had ended, to clean up what was left of it: what it shows of the job at first is that end.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cleans_up: bool,
    /// Why, in words.
    pub reason: String,
}

/// A restore that Flink could not make.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RestoreFailed {
    /// The job that failed.
    pub job_id: JobId,
    /// The point.
    pub path: String,
    /// What kept it from being restored.
    pub class: FailureClass,
    /// Flink's words.
    pub reason: String,
    /// Whether state without an operator was allowed to be left out: where that is new, a failure without it says nothing.
    #[serde(default)]
    pub allow_non_restored_state: bool,
}

/// One stop-with-savepoint request.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Attempt {
    /// The job it stops.
    pub job_id: JobId,
    /// Ours, fresh for each attempt.
    pub trigger_id: TriggerId,
    /// Where the savepoint goes.
    pub target: String,
    /// Its format.
    pub format: Format,
    /// Whether the maximum watermark is emitted first.
    pub drain: bool,
}

/// A durable restore point.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Saved {
    /// The job that wrote it.
    pub job_id: JobId,
    /// Its name, where several jobs may have to be told from each other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_name: Option<String>,
    /// Where, and its number.
    pub point: PointRef,
    /// What made it.
    pub kind: Kind,
    /// The format of a savepoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<Format>,
    /// When Flink finished it, as far as the writer could tell.
    pub completed_at: Timestamp,
    /// Bytes in its directory; none where they were not counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// From the request to its completion, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    /// How long that was expected to take before it began, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub predicted_ms: Option<u64>,
    /// Why it could not be proven whole when it was recorded; none if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doubt: Option<String>,
    /// Whether it was found in storage by a later start, because nobody had recorded it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub salvaged: bool,
    /// Whether the job was told before that its input had ended: its windows have fired, and it is not gone on with by itself.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub drained: bool,
}

#[cfg(test)]
mod tests;
