//! How it stands: what `GET /api/v1/status` gives as JSON, and of what the page at `/` is made. This is where its fields are
//! documented; what is there keeps its name and meaning, and more may come.
//!
//! Times are in UTC. What is not known is null, and said in words where somebody has to know that it is not.

mod commands;
mod headline;
mod past;
mod point;

use jiff::Timestamp;
use serde::Serialize;

use crate::config::Setting;
use crate::people::Row;
use crate::protocol::choose::Candidate;
use crate::protocol::estimate::Prediction;
use crate::protocol::estimate::advice::{Advice, Fit};
use crate::protocol::id::JobId;
use crate::protocol::jobs::Submission;
use crate::protocol::outcome::StopOutcome;
use crate::protocol::point::Kind;
use crate::protocol::stop::{Job, JobState, JobsReply};
pub use commands::{Command, Place, commands};
pub use headline::headline;
pub use past::{Start, starts};
pub use point::{Known, newest, next_point, usable};

/// The most rows of the history, and the most starts.
pub const MOST: usize = 100;

/// How it stands.
#[derive(Debug, Clone, Serialize)]
pub struct Status {
    /// The version of the savepointd that answers.
    pub version: &'static str,
    /// When it was so.
    pub at: Timestamp,
    /// The answer to the first question of whoever is on call.
    pub headline: Headline,
    /// The cluster's id, once it is known.
    pub cluster: Option<String>,
    /// The record's URL.
    pub record: String,
    /// How far this life of the JobManager is.
    pub phase: Phase,
    /// What the gate last answered: a word for it and a reason.
    pub gate: String,
    /// The epoch that is served here; none before the first start.
    pub epoch: Option<u64>,
    /// The job, where there is one and it is known.
    pub job_id: Option<JobId>,
    /// What this epoch was to restore; none for a fresh start.
    pub base: Option<String>,
    /// Whether the entrypoint was started.
    pub started: bool,
    /// The jobs of former epochs that wait to be submitted again, and how that is done.
    pub jobs_waiting: Vec<Submission>,
    /// What Flink restored, as it said itself; none while it has not confirmed that.
    pub confirmed: Option<String>,
    /// What a stop would take now; none while nothing is known of that.
    pub prediction: Option<Expectation>,
    /// Whether a stop is under way.
    pub stopping: bool,
    /// In how many seconds the container is killed, while a stop is under way.
    pub stop_seconds_left: Option<f64>,
    /// How many guards listen.
    pub guards: usize,
    /// How the stop ended, if one has.
    pub outcome: Option<StopOutcome>,
    /// Why the JobManager was or is being ended, in words.
    pub ended_because: Option<String>,
    /// What Flink says of its jobs; none where none was started.
    pub flink: Option<FlinkNow>,
    /// The newest restore point that is known.
    pub newest: Option<Point>,
    /// What the next start would do.
    pub next: Next,
    /// The starts of the JobManager, newest first, at most [`MOST`].
    pub starts: Vec<Start>,
    /// The rows of `savepointd history`, newest first, at most [`MOST`].
    pub history: Vec<Row>,
    /// How many rows are left out.
    pub history_left_out: usize,
    /// Whether the history could not be read anew within reach of this answer: then it is that of the last time.
    pub history_is_old: bool,
    /// How to go on from here.
    pub commands: Vec<Command>,
    /// All values that are in force, and what set them.
    pub configuration: Vec<Setting>,
}

/// The answer to the first question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Headline {
    /// How urgent it is.
    pub level: Level,
    /// One sentence.
    pub text: String,
    /// More, where there is more to say.
    pub detail: Option<String>,
}

/// How urgent it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// State is safe, and goes on.
    Safe,
    /// Somebody should look in the morning, or it passes.
    Attention,
    /// It can't be told how it stands.
    Unknown,
    /// Somebody has to act.
    Danger,
}

/// How far a life of the JobManager is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// The gate is closed.
    Waiting,
    /// It was started; Flink has not confirmed yet what was restored.
    Starting,
    /// It runs from what it should.
    Running,
    /// A final savepoint is being taken.
    Stopping,
    /// It has ended, or is being ended.
    Ended,
}

impl Phase {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Stopping => "stopping",
            Self::Ended => "ended",
        }
    }
}

/// What Flink says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FlinkNow {
    /// Whether its REST API answers.
    pub answers: bool,
    /// Why not, in words.
    pub reason: Option<String>,
    /// Its jobs.
    pub jobs: Vec<JobNow>,
}

/// One of Flink's jobs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct JobNow {
    /// Its id.
    pub job_id: JobId,
    /// Its name.
    pub name: String,
    /// `initializing`, `active`, `finished`, `cancelled` or `failed`.
    pub state: &'static str,
    /// Whether all of its tasks run, or have finished.
    pub all_tasks_up: bool,
}

impl From<JobsReply> for FlinkNow {
    fn from(reply: JobsReply) -> Self {
        match reply {
            JobsReply::Listed(jobs) => {
                Self { answers: true, reason: None, jobs: jobs.into_iter().map(JobNow::from).collect() }
            }
            JobsReply::Unreachable(reason) => Self { answers: false, reason: Some(reason), jobs: Vec::new() },
        }
    }
}

impl From<Job> for JobNow {
    fn from(job: Job) -> Self {
        let state = match job.state {
            JobState::Initializing => "initializing",
            JobState::Active => "active",
            JobState::Finished => "finished",
            JobState::Cancelled => "cancelled",
            JobState::Failed => "failed",
        };
        Self { job_id: job.id, name: job.name, state, all_tasks_up: job.all_tasks_up }
    }
}

/// A restore point.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Point {
    /// Where it lies.
    pub path: String,
    /// What made it; none where nobody has recorded it and its name does not tell.
    pub kind: Option<Kind>,
    /// The epoch that wrote it.
    pub epoch: Option<u64>,
    /// Its number.
    pub checkpoint_id: Option<u64>,
    /// When it was complete.
    pub completed_at: Option<Timestamp>,
    /// How old it is.
    pub age_seconds: Option<i64>,
    /// Bytes in its directory; of a checkpoint that nobody has recorded, the state's size as Flink tells it.
    pub bytes: Option<u64>,
}

/// What the next start would do: the same choice as `savepointd plan`, made anew when somebody asks, but not each time.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Next {
    /// `restore`, `fresh`, `resubmit`, `hold` or `refuse`; none where it was never told.
    pub decision: Option<String>,
    /// What it would restore.
    pub path: Option<String>,
    /// The same, as far as it is known.
    pub point: Option<Point>,
    /// Why.
    pub reason: String,
    /// Whether a person has asked for this (`pin`, `fresh`).
    pub requested: bool,
    /// Everything that was looked at, and why it is the one or not.
    pub candidates: Vec<Candidate>,
    /// The newest of them of which nothing bad is known.
    pub usable: Option<String>,
    /// The jobs that it would leave to be submitted again, and how.
    pub jobs: Vec<Submission>,
    /// When record and storage were asked.
    pub asked_at: Option<Timestamp>,
    /// Why it can't be told now. What stands above is what was told last.
    pub unknown: Option<String>,
}

/// What a stop would take now.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Expectation {
    /// As likely to take longer as to take less.
    pub likely_seconds: f64,
    /// Hardly ever longer.
    pub at_most_seconds: f64,
    /// A checkpoint on demand.
    pub checkpoint_seconds: Option<f64>,
    /// The state's size by now.
    pub bytes: Option<u64>,
    /// What it rests on.
    pub basis: String,
    /// What a stop is given.
    pub grace_seconds: f64,
    /// What of that is kept back for the record.
    pub reserve_seconds: f64,
    /// `fits`, `tight` or `too_short`.
    pub fit: &'static str,
    /// All this in one sentence, with the way out.
    pub advice: String,
}

impl Expectation {
    /// A prediction beside the grace.
    #[must_use]
    pub fn of(prediction: &Prediction, advice: &Advice, reserve: std::time::Duration) -> Self {
        Self {
            likely_seconds: prediction.savepoint.likely.as_secs_f64(),
            at_most_seconds: prediction.savepoint.at_most.as_secs_f64(),
            checkpoint_seconds: prediction.checkpoint.map(|checkpoint| checkpoint.likely.as_secs_f64()),
            bytes: prediction.bytes,
            basis: prediction.basis.clone(),
            grace_seconds: advice.has.as_secs_f64(),
            reserve_seconds: reserve.as_secs_f64(),
            fit: match advice.fit {
                Fit::Fits => "fits",
                Fit::Tight => "tight",
                Fit::TooShort => "too_short",
            },
            advice: advice.to_string(),
        }
    }
}

/// An age as people say it.
#[must_use]
pub fn age(seconds: i64) -> String {
    match seconds.max(0) {
        seconds @ 0..90 => format!("{seconds} s"),
        seconds @ 90..5_400 => format!("{} min", (seconds + 30) / 60),
        seconds @ 5_400..129_600 => format!("{} h", (seconds + 1_800) / 3_600),
        seconds => format!("{} days", (seconds + 43_200) / 86_400),
    }
}

#[cfg(test)]
pub(crate) mod tests;
