//! Carries out what a start asks for, as `src/start.rs` does.

use super::super::Step;
use super::super::entry::{Entry, Fact, PodRef};
use super::super::point::Listing;
use super::super::start::{Appended, Effect, Event, Liveness, Loaded, Trouble, Verdict};
use super::super::stop::Search;
use super::super::time::Moment;
use super::flink::JobManager;
use super::life::{Doing, Gate};
use super::mutation::{self, Mutation};
use super::shared::Shared;
use super::{Fate, NoDifference, Outcome, World};

fn trouble() -> Trouble {
    Trouble { reason: "no answer".into(), passes: true }
}

fn no_answer(effect: &Effect) -> Event {
    match effect {
        Effect::Load => Event::Loaded(Err(trouble())),
        Effect::Look(_) | Effect::LookAt(_) => Event::Liveness(Liveness::Unknown(trouble())),
        Effect::Nudge(_) => Event::Nudged,
        Effect::Append { .. } | Effect::Rebuild | Effect::Copy(_) => Event::Appended(Appended::Failed(trouble())),
        Effect::List { .. } => Event::Listed(Err(trouble())),
        Effect::LookAtLeftovers(_) => Event::Leftovers(Err(trouble())),
        Effect::DeclareEnded(..) => Event::Declared(Err(trouble())),
        Effect::Verify(_) => Event::Verified(Search::Unreadable("no answer".into())),
        Effect::Mark { .. } => Event::Marked(Err(trouble())),
    }
}

impl World {
    /// One effect of the machine that this pod's agent drives; none if this fate makes no difference to it.
    pub(super) fn step(&mut self, pod: usize, fate: Fate, mutation: Option<Mutation>) -> Option<()> {
        match std::mem::replace(&mut self.lives[pod].doing, Doing::Over) {
            Doing::Starts(gate) => self.start(pod, gate, fate, mutation),
            Doing::Stops(stopping) => self.stop(pod, stopping, fate, mutation),
            Doing::Leaves => self.leave(pod, fate, mutation),
            _ => None,
        }
    }

    fn start(&mut self, pod: usize, mut gate: Gate, fate: Fate, mutation: Option<Mutation>) -> Option<()> {
        let Step::Do { effect, .. } = gate.start.next(Moment(0)) else { return None };
        if matches!(effect, Effect::List { .. }) {
            self.lives[pod].floor = Some(self.truth.floor(&self.memory));
        }
        let done = match fate {
            Fate::Undone => None,
            _ => self.carry_out(pod, &mut gate, &effect, fate, mutation).ok()?,
        };
        let event = mutation::of_start(mutation, &effect, done.unwrap_or_else(|| no_answer(&effect)));
        gate.start.on(event);
        self.lives[pod].doing = match gate.start.next(Moment(0)) {
            Step::Done(Verdict::Go(go)) => {
                self.judge(pod, &go);
                let base = go.base.as_ref().and_then(|base| base.checkpoint_id);
                self.lives[pod].epoch = Some(go.epoch);
                self.lives[pod].flink = Some(JobManager::start(go.epoch, base));
                Doing::Runs(Box::new(go))
            }
            // Nobody else has a part in it.
            Step::Do { effect: Effect::Nudge(_) | Effect::Verify(_), .. } => {
                return self.start(pod, gate, Fate::Answered, mutation);
            }
            Step::Done(Verdict::No { .. }) => {
                self.truth.refused = true;
                Doing::Waits(self.outside())
            }
            Step::Done(_) => Doing::Waits(self.outside()),
            Step::Do { .. } | Step::Wait(_) => Doing::Starts(gate),
        };
        Some(())
    }

    fn carry_out(
        &mut self,
        pod: usize,
        gate: &mut Gate,
        effect: &Effect,
        fate: Fate,
        mutation: Option<Mutation>,
    ) -> Outcome<Event> {
        let reads = !matches!(effect, Effect::Append { .. } | Effect::Rebuild | Effect::Copy(_) | Effect::Mark { .. });
        if reads && fate != Fate::Answered {
            return Err(NoDifference);
        }
        Ok(match effect {
            Effect::Load => {
                gate.snapshot = self.memory.record.clone();
                gate.version = self.memory.version;
                gate.marker = Shared::new(self.memory.marked());
                let read = |entries: &Vec<Entry>| (!entries.is_empty()).then(|| entries.clone());
                Some(Event::Loaded(Ok(Loaded { record: read(&gate.snapshot), marker: read(&gate.marker) })))
            }
            Effect::Look(holder) => holder.pod.as_ref().map(|other| Event::Liveness(self.look_at(pod, other))),
            Effect::LookAt(other) => Some(Event::Liveness(self.look_at(pod, other))),
            Effect::Nudge(_) => Some(Event::Nudged),
            Effect::Append { epoch, facts } => {
                let life = &mut self.lives[pod];
                let entries: Vec<Entry> = facts.iter().map(|fact| life.entry(*epoch, fact.clone())).collect();
                let (count, before) = (entries.len(), gate.snapshot.len());
                let answer = self.append(gate, entries, fate)?;
                if fate != Fate::Late && gate.snapshot.len() == before {
                    self.lives[pod].unsay(count);
                }
                answer
            }
            Effect::Rebuild => {
                self.truth.rebuilt = true;
                self.append(gate, gate.marker.to_vec(), fate)?
            }
            Effect::Copy(late) => {
                self.truth.copied = true;
                self.append(gate, late.clone(), fate)?
            }
            Effect::List { .. } => Some(Event::Listed(Ok(Listing { found: self.memory.list(), unseen: None }))),
            Effect::Verify(path) => Some(Event::Verified(self.memory.look(path))),
            Effect::Mark { epoch } => self.mark(gate, *epoch, fate, mutation)?,
            Effect::LookAtLeftovers(_) | Effect::DeclareEnded(..) => None,
        })
    }

    fn look_at(&self, own: usize, other: &PodRef) -> Liveness {
        let there = self.lives.iter().find(|life| life.there && life.pod().uid == other.uid);
        match there.filter(|life| usize::from(life.number) != own) {
            Some(life) => Liveness::Alive(format!("pod {}", life.number)),
            None => Liveness::Gone,
        }
    }

    fn append(&mut self, gate: &mut Gate, mut entries: Vec<Entry>, fate: Fate) -> Outcome<Event> {
        match fate {
            Fate::Half if entries.len() < 2 => return Err(NoDifference),
            Fate::Half => entries.truncate(1),
            Fate::Late => {
                self.memory.delay_since(gate.version, entries);
                return Ok(None);
            }
            Fate::Answered | Fate::Undone | Fate::Unanswered => {}
        }
        let done = self.memory.append(gate.version, &entries);
        if done {
            gate.version = self.memory.version;
            gate.snapshot = self.memory.record.clone();
        }
        if done && fate == Fate::Unanswered {
            self.truth.lost_what_was_written = true;
        }
        let answer = Event::Appended(if done { Appended::Done } else { Appended::Conflict });
        Ok((fate == Fate::Answered).then_some(answer))
    }

    fn mark(&mut self, gate: &Gate, epoch: u64, fate: Fate, mutation: Option<Mutation>) -> Outcome<Event> {
        let is_kept = |entry: &&Entry| entry.epoch == epoch || matches!(entry.fact, Fact::Created { .. });
        let count = match fate {
            Fate::Half => 1,
            Fate::Late => return Err(NoDifference),
            Fate::Answered | Fate::Undone | Fate::Unanswered => usize::MAX,
        };
        let is_claim = |entry: &Entry| matches!(entry.fact, Fact::Claimed(_));
        let mut entries = gate.snapshot.iter().filter(is_kept).take(count);
        let taken = match mutation {
            Some(Mutation::NoMark) => None,
            Some(Mutation::GivenTwice) => entries.find(|entry| !self.memory.keep(entry) && !is_claim(entry)),
            _ => entries.find(|entry| !self.memory.keep(entry)),
        };
        let answer = Event::Marked(match taken {
            Some(entry) => Err(Trouble { reason: "another's".into(), passes: is_claim(entry) }),
            None => Ok(()),
        });
        Ok((fate == Fate::Answered).then_some(answer))
    }

    /// The record hears that the JobManager has ended.
    fn leave(&mut self, pod: usize, fate: Fate, mutation: Option<Mutation>) -> Option<()> {
        if matches!(fate, Fate::Unanswered | Fate::Half | Fate::Late) {
            return None;
        }
        let life = &mut self.lives[pod];
        let epoch = life.epoch?;
        let entry = life.entry(epoch, Fact::Left);
        if fate == Fate::Answered {
            self.memory.add(&[entry], mutation != Some(Mutation::NoFence));
        }
        Some(())
    }
}
