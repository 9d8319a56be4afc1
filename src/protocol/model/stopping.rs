//! Carries out what a stop asks for, as `src/stop.rs` does. An answer takes no time; one that does not come takes all the time that the
//! machine gives it, and a savepoint that is not there yet when it is asked for is not there before the deadline's reserve.

use std::time::Duration;

use super::super::Step;
use super::super::entry::{End, EndKind, Entry, Fact};
use super::super::id::{Id, JobId};
use super::super::outcome::StopOutcome;
use super::super::point::Format;
use super::super::stop::{
    Around, CheckpointReply, Effect, Ending, Event, Job as Listed, JobState, JobsReply, Plan, PollReply, PostReply,
    RecordReply, Release, Search, Stop, Survey,
};
use super::super::time::{Deadline, Moment};
use super::flink::Job;
use super::life::{Doing, Stopping};
use super::mutation::{self, Mutation};
use super::{CLUSTER, Fate, NoDifference, Outcome, World, target};

const GRACE: Duration = Duration::from_secs(30);
const RESERVE: Duration = Duration::from_secs(3);

pub(super) fn end(job_id: JobId, how: EndKind) -> End {
    End { job_id, how, savepoint: None, reason: String::new() }
}

fn no_answer(effect: &Effect) -> Event {
    let late = || "no answer".to_owned();
    match effect {
        Effect::ReadJobs => Event::Jobs(JobsReply::Unreachable(late())),
        Effect::Survey(_) => Event::Surveyed(None),
        Effect::PostCheckpoint(..) => Event::CheckpointPosted(PostReply::Lost(late())),
        Effect::PollCheckpoint(..) => Event::CheckpointPolled(CheckpointReply::Lost(late())),
        Effect::Note(_) => Event::Noted,
        Effect::Post(_) => Event::Posted(PostReply::Lost(late())),
        Effect::Poll(_) => Event::Polled(PollReply::Lost(late())),
        Effect::Search(_) | Effect::Verify(_) | Effect::FindCheckpoint => Event::Searched(Search::Unreadable(late())),
        Effect::ReadEnd(_) => Event::End(None),
        Effect::Record(_) => Event::Recorded(RecordReply::Failed(late())),
        Effect::Mark(_) => Event::Marked(false),
        Effect::LookAtLeftovers => Event::Left(Some(late())),
    }
}

impl World {
    pub(super) fn begin_stop(&mut self, pod: usize) {
        let life = &mut self.lives[pod];
        let Doing::Runs(go) = &life.doing else { return };
        let deadline = Deadline::after(Moment(0), GRACE, RESERVE);
        let stop = Stop::begin(Plan {
            job_id: go.job_id,
            target: target(go.epoch),
            format: Format::Native,
            drain: false,
            began: Moment(0),
            deadline,
            resume: None,
            seed: Id::seed(&target(go.epoch)),
            ran: true,
            checkpoints_survive: true,
            prediction: None,
            in_flight: None,
            cleans_up: false,
            several: false,
        });
        let above = go.base.as_ref().and_then(|base| base.checkpoint_id);
        let history = self.memory.history();
        let known = history.saved().map(|(_, saved)| saved.point.path.clone()).collect();
        let (now, cutoff, prepared) = (Moment(0), deadline.cutoff(), Vec::new());
        life.doing = Doing::Stops(Box::new(Stopping { stop, now, cutoff, above, known, prepared }));
    }

    pub(super) fn stop(
        &mut self,
        pod: usize,
        mut stopping: Box<Stopping>,
        fate: Fate,
        mutation: Option<Mutation>,
    ) -> Option<()> {
        let (effect, until) = wants(&mut stopping).ok()?;
        if let Effect::Record(ending) = &effect {
            self.prepare(pod, &mut stopping, ending, mutation)?;
        }
        let done = match fate {
            Fate::Undone => None,
            _ => self.carry_out_for_stop(pod, &mut stopping, &effect, fate, mutation).ok()?,
        };
        let event = if let Some(event) = done {
            event
        } else {
            stopping.now = until;
            no_answer(&effect)
        };
        let slow = event == Event::Polled(PollReply::InProgress);
        stopping.stop.on(mutation::of_stop(mutation, &effect, event), stopping.now);
        if slow {
            stopping.now = stopping.now.max(stopping.cutoff);
        }
        match wants(&mut stopping) {
            // Nobody else has a part in it.
            Ok((Effect::ReadJobs | Effect::Survey(_) | Effect::ReadEnd(_) | Effect::Verify(_), _)) => {
                return self.stop(pod, stopping, Fate::Answered, mutation);
            }
            Ok(_) => self.lives[pod].doing = Doing::Stops(stopping),
            Err(release) => self.release(pod, &stopping, &release),
        }
        Some(())
    }

    /// What is to be written is known before anything is asked of the record.
    fn prepare(
        &mut self,
        pod: usize,
        stopping: &mut Stopping,
        ending: &Ending,
        mutation: Option<Mutation>,
    ) -> Option<()> {
        if stopping.prepared.is_empty() {
            let life = &mut self.lives[pod];
            let epoch = life.epoch?;
            let around = Around {
                epoch,
                job_id: Some(JobId::derived(CLUSTER, epoch)),
                job_name: None,
                predicted: None,
                took: None,
                now: life.clock(),
            };
            let facts = ending.facts(&around);
            let entries = facts.into_iter().map(|fact| life.entry(epoch, fact)).collect();
            stopping.prepared = mutation::heard(mutation, entries);
        }
        Some(())
    }

    /// The JobManager gets its signal.
    fn release(&mut self, pod: usize, stopping: &Stopping, release: &Release) {
        let epoch = self.lives[pod].epoch;
        let says = |entry: &Entry| Some(entry.epoch) == epoch && matches!(entry.fact, Fact::Stopped { .. });
        let durable = self.memory.record.iter().chain(self.memory.marker.values()).any(says);
        let superseded = self.memory.history().newest_claim().map(|(newest, _)| newest) > epoch;
        let lost = self.memory.record_was_lost || self.memory.marker_was_lost;
        if !durable && !superseded && !lost && stopping.now < stopping.cutoff {
            self.truth.broken.insert(3);
        }
        let life = &mut self.lives[pod];
        life.flink = None;
        life.doing = if release.outcome == StopOutcome::Superseded { Doing::Over } else { Doing::Leaves };
    }

    fn carry_out_for_stop(
        &mut self,
        pod: usize,
        stopping: &mut Stopping,
        effect: &Effect,
        fate: Fate,
        mutation: Option<Mutation>,
    ) -> Outcome<Event> {
        let writes = matches!(effect, Effect::Note(_) | Effect::Record(_) | Effect::Mark(_));
        let acts = writes || matches!(effect, Effect::Post(_));
        if fate != Fate::Answered && (!acts || (!writes && fate != Fate::Unanswered)) {
            return Err(NoDifference);
        }
        let fenced = mutation != Some(Mutation::NoFence);
        let epoch = self.lives[pod].epoch.ok_or(NoDifference)?;
        let event = match effect {
            Effect::Note(attempt) => {
                let entries = vec![self.lives[pod].entry(epoch, Fact::Attempted(attempt.clone()))];
                match fate {
                    Fate::Half => return Err(NoDifference),
                    Fate::Late => self.memory.delay(entries),
                    _ => drop(self.memory.add(&entries, fenced)),
                }
                Event::Noted
            }
            Effect::Record(ending) => {
                let entries = stopping.prepared.clone();
                if fate == Fate::Late {
                    self.memory.delay(entries);
                    return Ok(None);
                }
                let reply = self.memory.add(&entries, fenced);
                if fate != Fate::Half && reply == RecordReply::Done {
                    entries.iter().all(|entry| self.memory.keep(entry));
                    if fate == Fate::Answered && ending.end.is_some() {
                        self.truth.ended = self.truth.ended.max(Some(epoch));
                    }
                }
                if fate == Fate::Unanswered {
                    self.truth.lost_what_was_written = true;
                }
                Event::Recorded(reply)
            }
            Effect::Mark(_) => {
                if matches!(fate, Fate::Half | Fate::Late) {
                    return Err(NoDifference);
                }
                stopping.prepared.iter().all(|entry| self.memory.note(entry));
                self.truth.noted = true;
                Event::Marked(true)
            }
            Effect::Post(attempt) => {
                let reply = self.lives[pod].flink.as_mut().map(|flink| flink.post(attempt.trigger_id));
                Event::Posted(reply.map_or_else(|| PostReply::Lost("refused".into()), |()| PostReply::Accepted))
            }
            _ => self.look_for_stop(pod, stopping, effect, epoch),
        };
        Ok((fate == Fate::Answered).then_some(event))
    }

    /// What Flink and storage show.
    fn look_for_stop(&self, pod: usize, stopping: &Stopping, effect: &Effect, epoch: u64) -> Event {
        let job_id = JobId::derived(CLUSTER, epoch);
        let Some(flink) = &self.lives[pod].flink else {
            return match effect {
                Effect::Search(_) | Effect::Verify(_) | Effect::FindCheckpoint => {
                    self.look_into_storage(stopping, effect, epoch)
                }
                _ => no_answer(effect),
            };
        };
        match effect {
            Effect::ReadJobs => {
                let state = match flink.job {
                    Job::Runs => JobState::Active,
                    Job::Stopped(_) | Job::Ended(EndKind::Finished) => JobState::Finished,
                    Job::Ended(_) => JobState::Cancelled,
                };
                let runs = flink.job == Job::Runs;
                let job = Listed { id: job_id, name: CLUSTER.into(), state, all_tasks_up: runs, any_task_up: runs };
                Event::Jobs(JobsReply::Listed(vec![job]))
            }
            Effect::Survey(_) => Event::Surveyed(Some(Survey::default())),
            Effect::Poll(attempt) => Event::Polled(match flink.results.get(&attempt.trigger_id) {
                Some(Some(path)) => PollReply::Completed(path.clone()),
                Some(None) => PollReply::Failed { reason: "aborted".into(), transient: true },
                None if flink.taking == Some(attempt.trigger_id) => PollReply::InProgress,
                None => PollReply::Unknown,
            }),
            Effect::ReadEnd(_) => Event::End(match &flink.job {
                Job::Ended(how) => Some(end(job_id, *how)),
                Job::Stopped(path) => self.point(path).map(|point| {
                    let savepoint = super::super::point::PointRef {
                        path: path.clone(),
                        checkpoint_id: Some(point.id),
                        epoch: None,
                    };
                    End { savepoint: Some(savepoint), ..end(job_id, EndKind::Stopped) }
                }),
                Job::Runs => None,
            }),
            _ => self.look_into_storage(stopping, effect, epoch),
        }
    }

    fn look_into_storage(&self, stopping: &Stopping, effect: &Effect, epoch: u64) -> Event {
        Event::Searched(match effect {
            Effect::Search(above) => {
                let above = stopping.above.max(*above);
                self.memory.newest(|path, point| {
                    let own = !point.checkpoint && point.epoch == epoch && Some(point.id) > above;
                    own && !stopping.known.iter().any(|known| known == path)
                })
            }
            Effect::Verify(path) => self.memory.look(path),
            _ => self
                .memory
                .newest(|_, point| point.checkpoint && point.epoch == epoch && Some(point.id) > stopping.above),
        })
    }
}

/// What the stop asks for, after whatever it waits for.
fn wants(stopping: &mut Stopping) -> Result<(Effect, Moment), Release> {
    loop {
        match stopping.stop.next(stopping.now) {
            Step::Do { effect, until } => return Ok((effect, until)),
            Step::Wait(until) => stopping.now = until,
            Step::Done(release) => return Err(release),
        }
    }
}
