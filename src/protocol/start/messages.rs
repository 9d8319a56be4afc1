//! What a start is told, asks for, and ends with.

use jiff::Timestamp;

use super::super::choose::{Candidate, Decision, Policy};
use super::super::entry::{Directories, Entry, Fact, Holder, PodRef};
use super::super::ha::{Leftovers, Places};
use super::super::id::{Id, JobId};
use super::super::jobs::Waiting;
use super::super::point::{Listing, PointRef};
use super::super::stop::Search;

/// What a start is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[expect(clippy::struct_excessive_bools, reason = "each answers a question of its own")]
pub struct Plan {
    /// The cluster's id.
    pub cluster: String,
    /// Who asks.
    pub holder: Holder,
    /// Where the points of this start will lie.
    pub directories: Directories,
    /// The restore path that the user gave to Flink.
    pub explicit: Option<String>,
    /// Whose job ids are used.
    pub job_ids: JobIds,
    /// The configuration's word.
    pub policy: Policy,
    /// The clock of the decision.
    pub now: Timestamp,
    /// The id of a record that has to be made.
    pub new_record_id: Id,
    /// Whether only the decision is wanted: nothing is written, nothing claimed.
    pub only_plan: bool,
    /// Whether this process runs a JobManager already and only its agent has to find its place again.
    pub running: bool,
    /// Whether a holder in an older pod is asked to stop and hand over.
    pub ask_to_hand_over: bool,
    /// Whether a session cluster starts.
    pub session: bool,
    /// What runs already, where no gate was there that could have kept it back.
    pub ungated: Option<Ungated>,
}

/// A job that Flink runs and nobody has decided on: no `run` stands before that JobManager.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Ungated {
    /// The job.
    pub job_id: JobId,
    /// What Flink says that it restored; none if it began with nothing.
    pub restored: Option<PointRef>,
}

/// Whose job ids a start uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JobIds {
    /// Ours, from cluster and epoch.
    Derived,
    /// Flink's: random, or its own under high availability.
    Flink,
    /// Given by the user, the same at each start.
    Fixed(JobId),
}

/// What a start asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Read record and markers. Answer: [`Event::Loaded`].
    Load,
    /// Tell whether that process, or its pod, still lives. Answer: [`Event::Liveness`].
    Look(Holder),
    /// Tell whether that pod, which was promised the next epoch, still lives. Answer: [`Event::Liveness`].
    LookAt(PodRef),
    /// Let that pod's agent know that the record has something for it. Answer: [`Event::Nudged`].
    Nudge(PodRef),
    /// Add these facts to the record, if nobody has added any since it was read. Answer: [`Event::Appended`].
    Append {
        /// In whose name.
        epoch: u64,
        /// The facts.
        facts: Vec<Fact>,
    },
    /// Copy the markers' entries into the record, which is gone. Answer: [`Event::Appended`].
    Rebuild,
    /// Add these entries of the markers, as they are, to the record. Answer: [`Event::Appended`].
    Copy(Vec<Entry>),
    /// List what may hold points. Answer: [`Event::Listed`].
    List {
        /// The directories of this and of earlier epochs.
        directories: Vec<Directories>,
        /// Points that the record knows, wherever they lie.
        recorded: Vec<PointRef>,
        /// Whether other jobs' points count: there is no history yet.
        adopt: bool,
    },
    /// Look what Flink's own high availability has left. Answer: [`Event::Leftovers`].
    LookAtLeftovers(Places),
    /// Write down for Flink that this job has ended, so that it cleans up what is left of it. Answer: [`Event::Declared`].
    DeclareEnded(Places, JobId),
    /// Look closely at a point. Answer: [`Event::Verified`].
    Verify(String),
    /// Write what must not be lost with the record. Answer: [`Event::Marked`].
    Mark {
        /// The epoch.
        epoch: u64,
    },
}

/// What came of an [`Effect`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Record and markers.
    Loaded(Result<Loaded, Trouble>),
    /// Whether the holder lives.
    Liveness(Liveness),
    /// The other agent was told, or could not be: it looks by itself, less often.
    Nudged,
    /// Whether the facts were added.
    Appended(Appended),
    /// What the directories hold.
    Listed(Result<Listing, Trouble>),
    /// What Flink's own high availability has left.
    Leftovers(Result<Leftovers, Trouble>),
    /// Whether that is durable.
    Declared(Result<(), Trouble>),
    /// What a close look showed.
    Verified(Search),
    /// Whether the marker is durable.
    Marked(Result<(), Trouble>),
}

/// What is known of a holder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Liveness {
    /// It is gone for certain.
    Gone,
    /// It lives, or may; the text says what is known.
    Alive(String),
    /// Nobody can tell now.
    Unknown(Trouble),
}

/// Record and markers, as read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Loaded {
    /// The record's entries, oldest first; none if it is proven absent.
    pub record: Option<Vec<Entry>>,
    /// The markers' entries; none if there is no marker.
    pub marker: Option<Vec<Entry>>,
}

/// What came of adding facts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Appended {
    /// Durable.
    Done,
    /// Somebody else added something first.
    Conflict,
    /// Not added, or not known to be.
    Failed(Trouble),
}

/// Why something could not be read or written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// In words, naming the thing.
    pub reason: String,
    /// Whether it may go better by itself.
    pub passes: bool,
}

/// How a start ends.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Start Flink.
    Go(Go),
    /// Don't, until a person did something.
    No {
        /// [`Decision::Hold`] or [`Decision::Refuse`].
        decision: Decision,
        /// Why, and the way out.
        reason: String,
        /// What was looked at.
        candidates: Vec<Candidate>,
    },
    /// Not now; it may go better by itself.
    Later {
        /// Why.
        reason: String,
        /// The pod whose end is waited for, where that is the reason.
        holder: Option<PodRef>,
    },
    /// The process that asks runs a JobManager whose epoch is over: a newer one has begun.
    Superseded {
        /// By whom.
        reason: String,
    },
}

/// Permission to start Flink.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact for itself")]
pub struct Go {
    /// The epoch that was claimed.
    pub epoch: u64,
    /// The job id to inject, if any.
    pub job_id: Option<JobId>,
    /// What to restore from; none for a fresh start.
    pub base: Option<PointRef>,
    /// What Flink's own high availability may restore in place of it.
    pub or: Vec<String>,
    /// Whether Flink has to clean up first what is left of a job that has ended.
    pub cleans_up: bool,
    /// Why, in words.
    pub reason: String,
    /// What was looked at.
    pub candidates: Vec<Candidate>,
    /// Whether it begins from something older than the newest point; not told again to a process that has its answer already.
    pub goes_back: bool,
    /// The jobs that a session cluster leaves to be submitted again.
    pub jobs: Vec<Waiting>,
    /// Whether the same process had got this answer before.
    pub resumed: bool,
    /// Whether no gate was there: the job runs already.
    pub ungated: bool,
    /// What should have been started instead of that which runs, where no gate was there.
    pub instead: Option<String>,
}

impl Go {
    /// What this permits.
    #[must_use]
    pub fn decision(&self) -> Decision {
        match &self.base {
            Some(base) => Decision::Restore(base.clone()),
            None if self.jobs.is_empty() => Decision::Fresh,
            None => Decision::Resubmit,
        }
    }
}
