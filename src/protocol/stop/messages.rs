//! What a stop is told, asks for, and ends with.

use std::time::Duration;

use jiff::Timestamp;

use super::super::entry::{Attempt, End};
use super::super::estimate::Prediction;
use super::super::id::{Id, JobId, TriggerId};
use super::super::outcome::StopOutcome;
use super::super::point::{Format, Kind, PointRef, normalize};
use super::super::time::{Deadline, Moment};

/// What a stop knows when it begins.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact for itself")]
pub struct Plan {
    /// The job; none if its id is not known yet.
    pub job_id: Option<JobId>,
    /// The directory URL that savepoints of this epoch go to.
    pub target: String,
    /// The savepoint's format.
    pub format: Format,
    /// Whether the maximum watermark is emitted first.
    pub drain: bool,
    /// The first sign of the stop.
    pub began: Moment,
    /// When it has to be over.
    pub deadline: Deadline,
    /// A request that somebody who died may have made already.
    pub resume: Option<Attempt>,
    /// What this stop's trigger ids are made from: the same for everybody who may carry it out, and for no other stop.
    pub seed: Id,
    /// Whether the job was seen running in this epoch.
    pub ran: bool,
    /// Whether a checkpoint survives an ordinary end of the JobManager (`RETAIN_ON_CANCELLATION`).
    pub checkpoints_survive: bool,
    /// What is expected of this stop; none where nobody could tell.
    pub prediction: Option<Prediction>,
    /// A savepoint of ours whose result nobody has read yet.
    pub in_flight: Option<InFlight>,
    /// Whether Flink's own high availability has something of the job to clean up once it has ended.
    pub cleans_up: bool,
    /// Whether other jobs are stopped beside this one: then no other is taken for it.
    pub several: bool,
}

/// A savepoint that was asked for by us, not to stop the job.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct InFlight {
    /// The request.
    pub attempt: Attempt,
    /// What the point is recorded as.
    pub kind: Kind,
}

/// What a stop asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// List the jobs. Answer: [`Event::Jobs`].
    ReadJobs,
    /// Read from Flink's statistics what is being taken, and the newest completed checkpoint. Answer: [`Event::Surveyed`].
    Survey(JobId),
    /// Ask Flink for a checkpoint. Answer: [`Event::CheckpointPosted`].
    PostCheckpoint(JobId, TriggerId),
    /// Read what came of it. Answer: [`Event::CheckpointPolled`].
    PollCheckpoint(JobId, TriggerId),
    /// Write the request down before it is made. Answer: [`Event::Noted`].
    Note(Attempt),
    /// Ask Flink for stop-with-savepoint. Answer: [`Event::Posted`].
    Post(Attempt),
    /// Read the request's result. Answer: [`Event::Polled`].
    Poll(Attempt),
    /// Look for the newest complete savepoint of this epoch that the record does not know and whose number is above this one.
    /// Answer: [`Event::Searched`].
    Search(Option<u64>),
    /// Look at the savepoint that Flink named. Answer: [`Event::Searched`].
    Verify(String),
    /// Look for the newest complete checkpoint of this epoch. Answer: [`Event::Searched`].
    FindCheckpoint,
    /// Read how the job ended. Answer: [`Event::End`].
    ReadEnd(JobId),
    /// Write the end of this stop. Answer: [`Event::Recorded`].
    Record(Ending),
    /// Look what Flink's own high availability still keeps. Answer: [`Event::Left`].
    LookAtLeftovers,
    /// Note it in the marker, as the record can't be written now. Answer: [`Event::Marked`].
    Mark(Ending),
}

impl Effect {
    /// Whether the JobManager has to live for it.
    #[must_use]
    pub fn asks_flink(&self) -> bool {
        match self {
            Self::ReadJobs
            | Self::Survey(_)
            | Self::PostCheckpoint(..)
            | Self::PollCheckpoint(..)
            | Self::Post(_)
            | Self::Poll(_)
            | Self::ReadEnd(_) => true,
            Self::Note(_)
            | Self::Search(_)
            | Self::Verify(_)
            | Self::FindCheckpoint
            | Self::Record(_)
            | Self::LookAtLeftovers
            | Self::Mark(_) => false,
        }
    }
}

/// What came of an [`Effect`], or what happened besides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The jobs of the cluster.
    Jobs(JobsReply),
    /// What Flink's statistics show; none if they could not be read.
    Surveyed(Option<Survey>),
    /// Flink's answer to the request for a checkpoint.
    CheckpointPosted(PostReply),
    /// What came of it.
    CheckpointPolled(CheckpointReply),
    /// The attempt is in the record, or could not be written (the stop goes on: whoever asked knows it too).
    Noted,
    /// Flink's answer to the request.
    Posted(PostReply),
    /// The request's result.
    Polled(PollReply),
    /// What storage holds.
    Searched(Search),
    /// How the job ended; none if Flink could not say.
    End(Option<End>),
    /// What the record said.
    Recorded(RecordReply),
    /// Whether the marker has it, durably.
    Marked(bool),
    /// What Flink's own high availability still keeps, in words; nothing, if all is gone.
    Left(Option<String>),
    /// The JobManager's process has ended.
    JobManagerGone,
}

/// Flink's list of jobs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobsReply {
    /// All jobs.
    Listed(Vec<Job>),
    /// No answer that could be understood.
    Unreachable(String),
}

/// One job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Its id.
    pub id: JobId,
    /// Its name, which the program gave it; another job may have the same.
    pub name: String,
    /// Its state.
    pub state: JobState,
    /// Whether all of its tasks are running or finished. Job state `RUNNING` alone does not say so.
    pub all_tasks_up: bool,
    /// Whether any task is running or has finished.
    pub any_task_up: bool,
}

/// Flink's `JobStatus`, as far as it makes a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JobState {
    /// The JobMaster is not there yet.
    Initializing,
    /// Created, running, restarting, failing, cancelling: not at its end.
    Active,
    /// `FINISHED`.
    Finished,
    /// `CANCELED`.
    Cancelled,
    /// `FAILED`.
    Failed,
}

impl JobState {
    /// Whether the job will never run again.
    #[must_use]
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Finished | Self::Cancelled | Self::Failed)
    }
}

/// What Flink's statistics of checkpoints show. They may be up to 3 s old.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Survey {
    /// The newest completed checkpoint.
    pub newest: Option<Newest>,
    /// The highest number of any checkpoint or savepoint that is complete.
    pub highest: Option<u64>,
    /// Since when a savepoint that is not to stop the job is being taken.
    pub savepoint: Option<Duration>,
    /// Since when a stop-with-savepoint is under way.
    pub stop: Option<Duration>,
}

/// A completed checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Newest {
    /// Its number.
    pub id: u64,
    /// How long ago it became complete.
    pub age: Duration,
    /// How long it took.
    pub took: Duration,
}

/// The result of a request for a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CheckpointReply {
    /// Not there yet.
    InProgress,
    /// It has this number.
    Completed(u64),
    /// There is none, says Flink, or it does not know of the request.
    Failed(String),
    /// No answer that could be understood.
    Lost(String),
}

/// Flink's answer to the request for a savepoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PostReply {
    /// 202.
    Accepted,
    /// No answer, or one that leaves open whether the request was taken. Repeating it is safe: same trigger id.
    Lost(String),
    /// The request was not taken and will not be.
    Refused(String),
}

/// The result of a request for a savepoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PollReply {
    /// Not there yet.
    InProgress,
    /// The savepoint lies there.
    Completed(String),
    /// It failed, says Flink.
    Failed {
        /// Flink's words.
        reason: String,
        /// Whether another attempt may go better.
        transient: bool,
    },
    /// Flink does not know the trigger id (404).
    Unknown,
    /// No answer that could be understood.
    Lost(String),
}

/// What a search in storage showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Search {
    /// A complete point: whole, or with the reason why that could not be told.
    Found(Secured),
    /// None, and the place could be read.
    Nothing,
    /// What is there is damaged.
    Broken(String),
    /// The place could not be read.
    Unreadable(String),
}

/// A complete point in storage.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Secured {
    /// The point.
    pub point: PointRef,
    /// The job whose folder it is, where the folder tells.
    pub job_id: Option<JobId>,
    /// Bytes in its directory, where they were counted.
    pub bytes: Option<u64>,
    /// When it became complete, where that is known.
    pub completed_at: Option<Timestamp>,
    /// Why it could not be proven whole; none if it was.
    pub doubt: Option<String>,
}

impl Secured {
    /// What Flink says it wrote to `location`, where our own look at it failed.
    pub(in crate::protocol) fn unread(location: &str, job_id: Option<JobId>, why: &str) -> Self {
        let point = PointRef { path: normalize(location), checkpoint_id: None, epoch: None };
        Self { point, job_id, bytes: None, completed_at: None, doubt: Some(format!("not looked at: {why}")) }
    }
}

/// The record's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordReply {
    /// Durable.
    Done,
    /// Not written, or not known to be; to be tried again.
    Failed(String),
    /// A newer epoch holds the record.
    Superseded(String),
}

/// What a stop writes at its end.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Ending {
    /// How it ended.
    pub outcome: StopOutcome,
    /// Why, in words.
    pub reason: String,
    /// The point that was saved, with the request that made it; without one it is a checkpoint.
    pub saved: Option<(Secured, Option<Attempt>)>,
    /// The savepoint that was in flight when the stop began, if it became complete. Where nothing
    /// is saved besides, it is what the stop came to.
    pub joined: Option<(Secured, InFlight)>,
    /// From the request to its completion.
    pub took: Option<Duration>,
    /// The job's own end, if it had come to one.
    pub end: Option<End>,
}

/// Permission to end the JobManager.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Release {
    /// How the stop ended.
    pub outcome: StopOutcome,
    /// Why, in words.
    pub reason: String,
    /// The point that was saved.
    pub point: Option<PointRef>,
    /// Whether the record says so too.
    pub recorded: bool,
    /// Why it does not, where the marker says it in its place.
    pub late: Option<String>,
    /// Whether the JobManager must get SIGKILL: an ordinary end would delete the checkpoint that counts.
    pub kill: bool,
}
