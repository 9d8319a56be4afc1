//! Carries out a stop: asks [`protocol::stop`](crate::protocol::stop) what comes next, does it, and reports back.
//!
//! The agent drives it with the record; `run`, when its agent died, without.

mod end;
mod several;

use std::cell::Cell;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::clock::Clock;
use crate::flink::Flink;
use crate::protocol::Step;
use crate::protocol::entry::{Attempt, Entry, Fact};
use crate::protocol::ha::Places;
use crate::protocol::id::JobId;
use crate::protocol::outcome::StopOutcome;
use crate::protocol::phase::{StopPhase, Stopwatch, Took};
use crate::protocol::stop::{
    Around, CheckpointReply, Effect, Ending, Event, JobsReply, PollReply, PostReply, RecordReply, Release, Search, Stop,
};
use crate::protocol::time::Deadline;
use crate::record::marker::Marker;
use crate::record::{self, Record};
use crate::report;
use crate::storage::{self, Storage};
use crate::telemetry::metrics;
use crate::telemetry::words::Verification;
pub use end::read_end;
pub use several::{Several, drive_all};

/// What a stop works with.
#[derive(Debug)]
pub struct Hands {
    /// The JobManager.
    pub flink: Flink,
    /// The record and the marker; none where `run` goes on alone.
    pub memory: Option<(Record, Marker)>,
    /// The stores that the directories lie in.
    pub storage: Storage,
    /// The epoch that stops.
    pub epoch: u64,
    /// The job, where it is known before Flink is asked.
    pub job_id: Cell<Option<JobId>>,
    /// The job's name, where it is one of several: the record tells what became of each.
    pub job_name: Option<String>,
    /// The folder that this epoch's savepoints go to.
    pub target: String,
    /// The checkpoint directory.
    pub checkpoints: String,
    /// Where Flink's own high availability keeps its files, if it is on.
    pub high_availability: Option<Places>,
    /// The number of the epoch's base: what is not above it is not this epoch's.
    pub above: Option<u64>,
    /// The number of the newest point that the job has gone on from: a final savepoint has a higher one.
    pub after: Option<u64>,
    /// Points that the record knows already.
    pub known: Vec<String>,
    /// What the savepoint is expected to take, to be kept beside what it took.
    pub predicted: Option<Duration>,
    /// What the stop has taken so far; none where that is not recorded.
    pub took: Option<Cell<Took>>,
    /// Turns true when the JobManager's process has ended.
    pub gone: watch::Receiver<bool>,
    /// When it has to be over; what is told later counts from then on.
    pub deadline: watch::Receiver<Deadline>,
}

/// Drives a stop to its end. `attempted` hears of every request before it is made. Gives what the record is still to be told, too.
pub async fn drive(
    mut stop: Stop,
    mut hands: Hands,
    clock: Clock,
    attempted: impl Fn(&Attempt),
) -> (Release, Vec<Entry>) {
    let mut prepared: Vec<Entry> = Vec::new();
    let mut watch = Stopwatch::begin(StopPhase::Decide, stop.began());
    'steps: loop {
        if *hands.gone.borrow_and_update() {
            stop.on(Event::JobManagerGone, clock.now());
        }
        stop.set_deadline(*hands.deadline.borrow_and_update());
        let mut deadline = hands.deadline.clone();
        match stop.next(clock.now()) {
            Step::Done(release) => {
                if release.recorded || release.outcome == StopOutcome::Superseded {
                    prepared.clear();
                }
                return (release, prepared);
            }
            Step::Wait(until) => {
                tokio::select! {
                    () = tokio::time::sleep_until(clock.instant(until)) => {}
                    () = gone(&mut hands.gone) => {}
                    () = moved(&mut deadline) => {}
                }
            }
            Step::Do { effect, mut until } => {
                tracing::debug!(?effect, "stop");
                watch.enter(StopPhase::of(&effect), clock.now());
                if let Some(took) = &hands.took {
                    took.set(Took::from(&watch));
                }
                if let Effect::Note(attempt) | Effect::Post(attempt) = &effect {
                    attempted(attempt);
                }
                let asks_flink = effect.asks_flink();
                let mut gone_now = hands.gone.clone();
                let work = hands.carry_out(&effect, soon(clock.instant(until)), &mut prepared);
                tokio::pin!(work);
                let event = loop {
                    tokio::select! {
                        event = &mut work => break event,
                        () = tokio::time::sleep_until(clock.instant(until)) => break no_answer(&effect),
                        () = gone(&mut gone_now), if asks_flink => break Event::JobManagerGone,
                        () = moved(&mut deadline) => {
                            stop.set_deadline(*deadline.borrow_and_update());
                            match stop.next(clock.now()) {
                                // What is under way goes on: begun again, a write that has landed would be in its own way.
                                Step::Do { effect: same, until: new } if same == effect => until = new,
                                _ => continue 'steps,
                            }
                        }
                    }
                };
                if !matches!(
                    event,
                    Event::Polled(PollReply::InProgress) | Event::CheckpointPolled(CheckpointReply::InProgress)
                ) {
                    tracing::debug!(?event, "stop");
                }
                stop.on(event, clock.now());
            }
        }
    }
}

/// Waits for the JobManager's end, seen or to come.
async fn gone(gone: &mut watch::Receiver<bool>) {
    if gone.wait_for(|gone| *gone).await.is_err() {
        // Nobody is left who could tell.
        std::future::pending::<()>().await;
    }
}

/// Waits until somebody moves the deadline.
async fn moved(deadline: &mut watch::Receiver<Deadline>) {
    if deadline.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// What it means that an effect took longer than it may.
fn no_answer(effect: &Effect) -> Event {
    let late = || "no answer in time".to_owned();
    match effect {
        Effect::ReadJobs => Event::Jobs(JobsReply::Unreachable(late())),
        Effect::Survey(_) => Event::Surveyed(None),
        Effect::PostCheckpoint(..) => Event::CheckpointPosted(PostReply::Lost(late())),
        Effect::PollCheckpoint(..) => Event::CheckpointPolled(CheckpointReply::Lost(late())),
        Effect::Note(_) => Event::Noted,
        Effect::Post(_) => Event::Posted(PostReply::Lost(late())),
        Effect::Poll(_) => Event::Polled(PollReply::Lost(late())),
        Effect::Search(_) | Effect::Verify(_) | Effect::FindCheckpoint => {
            Event::Searched(Search::Unreadable(format!("storage: {}", late())))
        }
        Effect::ReadEnd(_) => Event::End(None),
        Effect::Record(_) => Event::Recorded(RecordReply::Failed(late())),
        Effect::Mark(_) => Event::Marked(false),
        Effect::LookAtLeftovers => Event::Left(Some(late())),
    }
}

/// When to say what is known, so that it is heard in time.
fn soon(until: Instant) -> Instant {
    let now = Instant::now();
    now + until.saturating_duration_since(now) * 7 / 8
}

impl Hands {
    async fn carry_out(&self, effect: &Effect, until: Instant, prepared: &mut Vec<Entry>) -> Event {
        match effect {
            Effect::ReadJobs => {
                let reply = self.flink.jobs().await;
                if let (None, JobsReply::Listed(jobs)) = (self.job_id.get(), &reply)
                    && let [job] = jobs.as_slice()
                {
                    self.job_id.set(Some(job.id));
                }
                Event::Jobs(reply)
            }
            Effect::Survey(job_id) => Event::Surveyed(match self.flink.survey(*job_id).await {
                Ok(survey) => Some(survey),
                Err(error) => {
                    tracing::warn!(error = report::chain(&error), "what Flink is doing could not be read; going on");
                    None
                }
            }),
            Effect::PostCheckpoint(job_id, trigger_id) => {
                Event::CheckpointPosted(self.flink.ask_for_checkpoint(*job_id, *trigger_id).await)
            }
            Effect::PollCheckpoint(job_id, trigger_id) => {
                Event::CheckpointPolled(self.flink.checkpoint_result(*job_id, *trigger_id).await)
            }
            Effect::Note(attempt) => {
                if let Some((record, _)) = &self.memory {
                    let reply = record.say(self.epoch, Fact::Attempted(attempt.clone())).await;
                    if let RecordReply::Failed(reason) = reply {
                        tracing::warn!(reason, "the request for the final savepoint could not be noted; going on");
                    }
                }
                Event::Noted
            }
            Effect::Post(attempt) => Event::Posted(self.flink.post_stop(attempt).await),
            Effect::Poll(attempt) => Event::Polled(self.flink.poll_stop(attempt.job_id, attempt.trigger_id).await),
            Effect::Search(above) => {
                let above = self.above.max(self.after).max(*above);
                let found = storage::newest_savepoint(&self.storage, &self.target, above, &self.known, until);
                Event::Searched(found.await)
            }
            Effect::Verify(location) => {
                let found = storage::look(&self.storage, location, Some(until)).await;
                metrics::verified(Verification::of(&found));
                Event::Searched(found)
            }
            Effect::FindCheckpoint => Event::Searched(match self.job_id.get() {
                Some(job_id) => {
                    storage::newest_checkpoint(&self.storage, &self.checkpoints, job_id, self.above, until).await
                }
                // No job was ever seen.
                None => Search::Nothing,
            }),
            Effect::ReadEnd(job_id) => Event::End(read_end(&self.flink, *job_id).await),
            Effect::Record(ending) => {
                if prepared.is_empty() {
                    if let (Some(took), Some(predicted)) = (ending.took, self.predicted) {
                        tracing::info!(?took, ?predicted, "the savepoint took its time");
                    }
                    *prepared = self.facts(ending).into_iter().map(|fact| record::entry(self.epoch, fact)).collect();
                }
                Event::Recorded(self.record(prepared).await)
            }
            Effect::Mark(_) => Event::Marked(self.note(prepared).await),
            Effect::LookAtLeftovers => Event::Left(self.left().await),
        }
    }

    async fn left(&self) -> Option<String> {
        match storage::ha::leftovers(&self.storage, self.high_availability.as_ref()?).await {
            Ok(left) => left.is_being_cleaned_up().then(|| left.describe()),
            Err(error) => Some(report::chain(&error)),
        }
    }

    fn facts(&self, ending: &Ending) -> Vec<Fact> {
        ending.facts(&Around {
            epoch: self.epoch,
            job_id: self.job_id.get(),
            job_name: self.job_name.as_deref(),
            predicted: self.predicted,
            took: self.took.as_ref().map(Cell::get),
            now: Timestamp::now(),
        })
    }

    async fn record(&self, entries: &[Entry]) -> RecordReply {
        let Some((record, marker)) = &self.memory else {
            // The savepoint lies in the epoch's own folder, where the next start finds it.
            return RecordReply::Done;
        };
        record.add_and_keep(marker, entries).await
    }

    async fn note(&self, entries: &[Entry]) -> bool {
        let Some((_, marker)) = &self.memory else { return false };
        for entry in entries {
            if let Err(error) = marker.note(entry).await {
                tracing::warn!(error = report::chain(&error), "the marker does not take the outcome either");
                return false;
            }
        }
        true
    }
}

/// Writes the end of a stop to the log: one line that says everything.
pub fn log(release: &Release) {
    let point = release.point.as_ref().map(|point| point.path.as_str());
    let (outcome, reason, recorded) = (release.outcome.as_str(), release.reason.as_str(), release.recorded);
    if let Some(why) = &release.late {
        tracing::warn!(why, "the record is late: the marker says the outcome, and the next start reads it there");
    }
    match release.outcome {
        StopOutcome::Savepoint | StopOutcome::Unchanged | StopOutcome::Ended if recorded => {
            tracing::info!(outcome, point, recorded, reason, "stopped");
        }
        StopOutcome::Nothing => tracing::error!(outcome, point, recorded, reason, "stopped"),
        _ => tracing::warn!(outcome, point, recorded, reason, "stopped"),
    }
}
