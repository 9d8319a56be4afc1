//! What may happen next, and what the world is like after it.

use super::super::entry::{EndKind, Fact};
use super::super::id::JobId;
use super::super::stop::{Event, RecordReply};
use super::flink::Job;
use super::life::{Doing, Life};
use super::memory::Point;
use super::mutation::{self, Mutation};
use super::shared::Shared;
use super::{Action, CLUSTER, Fate, World};

/// Words that the record has of a job: that it runs, that it has a checkpoint.
const RUNS: u8 = 1;
const PROGRESSED: u8 = 2;

impl World {
    pub(super) fn possible(&self, actions: &mut Vec<Action>) {
        let faulty = self.left.faults > 0;
        for pod in 0..self.lives.len() {
            self.of_agent(pod, actions);
            self.of_flink(pod, actions);
            if faulty {
                self.of_fate(pod, actions);
            }
        }
        actions.extend((0..self.memory.late.len()).map(Action::Lands));
        if faulty && !self.memory.record.is_empty() {
            actions.push(Action::LoseRecord);
        }
        if faulty && !self.memory.marker.is_empty() {
            actions.push(Action::LoseMarker);
        }
        if self.left.wishes > 0 {
            actions.push(Action::AllowFresh);
            actions.extend(self.oldest().map(Action::Pin));
        }
    }

    /// What a person who goes back would name.
    fn oldest(&self) -> Option<String> {
        let whole = self.memory.points.iter().filter(|(_, point)| point.whole);
        whole.min_by_key(|(_, point)| point.order()).map(|(path, _)| path.clone())
    }

    fn of_agent(&self, pod: usize, actions: &mut Vec<Action>) {
        let Some(life) = self.lives.get(pod) else { return };
        match &life.doing {
            Doing::Nothing => {
                let first = pod.checked_sub(1).and_then(|before| self.lives.get(before));
                if first.is_none_or(|before| before.doing != Doing::Nothing) {
                    actions.push(Action::Create(pod, None));
                    if self.left.wishes > 0 {
                        actions.extend(self.oldest().map(|path| Action::Create(pod, Some(path))));
                    }
                }
            }
            Doing::Starts(_) | Doing::Stops(_) | Doing::Leaves => {
                actions.push(Action::Step(pod, Fate::Answered));
                if self.left.faults > 0 {
                    let fates = [Fate::Undone, Fate::Unanswered, Fate::Half, Fate::Late];
                    actions.extend(fates.map(|fate| Action::Step(pod, fate)));
                }
            }
            Doing::Waits(since) if *since != self.outside() => actions.push(Action::AskAgain(pod)),
            Doing::Waits(_) => {}
            Doing::Runs(_) => {
                actions.push(Action::Stop(pod));
                if self.sees(life) {
                    actions.push(Action::Watch(pod, Fate::Answered));
                    if self.left.faults > 0 {
                        actions.push(Action::Watch(pod, Fate::Half));
                    }
                }
                if self.left.prunes > 0 {
                    actions.push(Action::Prune(pod));
                }
            }
            Doing::Over => {}
        }
    }

    /// What a start that was told to wait waits for to change.
    pub(super) fn outside(&self) -> (u32, Vec<bool>) {
        (self.memory.version, self.lives.iter().map(|life| life.there).collect())
    }

    /// Whether the job shows what the record does not know.
    fn sees(&self, life: &Life) -> bool {
        life.flink.as_ref().is_some_and(|flink| match flink.job {
            Job::Runs => life.told < RUNS || (life.told < PROGRESSED && self.checkpoint(flink.epoch).is_some()),
            Job::Ended(_) => true,
            Job::Stopped(_) => false,
        })
    }

    fn checkpoint(&self, epoch: u64) -> Option<u64> {
        let mut points = self.memory.points.values();
        points.find(|point| point.checkpoint && point.epoch == epoch).map(|point| point.id)
    }

    fn of_flink(&self, pod: usize, actions: &mut Vec<Action>) {
        let Some(flink) = self.lives.get(pod).and_then(|life| life.flink.as_ref()) else { return };
        if flink.job != Job::Runs {
            return;
        }
        if flink.taking.is_some() {
            actions.push(Action::Complete(pod, true));
            if self.left.faults > 0 {
                actions.extend([Action::Complete(pod, false), Action::Fail(pod)]);
            }
        } else {
            if self.left.checkpoints > 0 {
                actions.push(Action::Checkpoint(pod));
            }
            if self.left.wishes > 0 {
                actions.extend([EndKind::Finished, EndKind::Cancelled].map(|how| Action::End(pod, how)));
            }
        }
    }

    fn of_fate(&self, pod: usize, actions: &mut Vec<Action>) {
        let Some(life) = self.lives.get(pod) else { return };
        if matches!(life.doing, Doing::Starts(_)) {
            actions.push(Action::KillAgent(pod));
        }
        if !life.is_over() && life.doing != Doing::Nothing {
            actions.push(Action::Kill(pod));
            if life.there {
                actions.push(Action::Force(pod));
            }
        }
        if life.flink.is_some() && life.doing != Doing::Over {
            actions.extend([Action::KillFlink(pod), Action::Orphan(pod)]);
        }
    }

    /// The world after this; none if it changes nothing.
    pub(super) fn after(&self, action: &Action, mutation: Option<Mutation>) -> Option<Self> {
        let mut world = self.clone();
        if let Action::Step(_, fate) | Action::Watch(_, fate) = action
            && *fate != Fate::Answered
        {
            world.left.faults -= 1;
        }
        match action {
            Action::Step(pod, fate) => world.step(*pod, *fate, mutation)?,
            Action::Watch(pod, fate) => world.watch(*pod, *fate, mutation),
            Action::Prune(pod) => world.prune(*pod, mutation)?,
            Action::AskAgain(pod) => world.lives[*pod].doing = world.gate(*pod)?,
            Action::Stop(pod) => world.begin_stop(*pod),
            Action::Create(..) | Action::PodGone(_) => world.schedule(action)?,
            Action::Checkpoint(..) | Action::Complete(..) | Action::Fail(_) | Action::End(..) => world.works(action),
            Action::Pin(path) => world.wish(Fact::Pinned { path: path.clone() }),
            Action::AllowFresh => world.wish(Fact::FreshAllowed),
            Action::Lands(index) => world.memory.lands(*index),
            _ => world.fails(action)?,
        }
        if world.memory.is_open() {
            world.truth.observe(&world.memory);
        }
        world.memory.seal();
        world.truth.seal();
        world.lives.iter_mut().for_each(Shared::seal);
        Some(world)
    }

    fn schedule(&mut self, action: &Action) -> Option<()> {
        match action {
            Action::Create(pod, explicit) => {
                let life = &mut self.lives[*pod];
                (life.there, life.explicit) = (true, explicit.clone());
                if explicit.is_some() {
                    self.left.wishes -= 1;
                }
                self.lives[*pod].doing = self.gate(*pod)?;
            }
            Action::PodGone(pod) => self.lives[*pod].there = false,
            _ => return None,
        }
        Some(())
    }

    fn works(&mut self, action: &Action) {
        let newest = self.truth.newest_based();
        let stale = |life: &Life| newest > life.flink.as_ref().map(|flink| flink.epoch);
        let (memory, left) = (&mut self.memory, &mut self.left);
        let truth = &mut self.truth;
        let lives = &mut self.lives;
        match action {
            Action::Checkpoint(pod) => {
                let stale = stale(&lives[*pod]);
                if stale {
                    truth.zombie_worked = true;
                }
                left.checkpoints -= 1;
                lives[*pod].flink.iter_mut().for_each(|flink| flink.checkpoint(memory, stale));
            }
            Action::Complete(pod, whole) => {
                let stale = stale(&lives[*pod]);
                if !whole {
                    left.faults -= 1;
                }
                lives[*pod].flink.iter_mut().for_each(|flink| flink.complete(memory, *whole, stale));
            }
            Action::Fail(pod) => {
                left.faults -= 1;
                lives[*pod].flink.iter_mut().for_each(super::flink::JobManager::fail);
            }
            Action::End(pod, how) => {
                left.wishes -= 1;
                lives[*pod].flink.iter_mut().for_each(|flink| flink.end(*how, memory));
            }
            _ => {}
        }
    }

    /// A person says something in the agent's container.
    fn wish(&mut self, fact: Fact) {
        self.left.wishes -= 1;
        let mut person = Life::new(0xf0 + self.left.wishes);
        let entry = person.entry(0, fact);
        self.memory.add(&[entry], true);
    }

    fn fails(&mut self, action: &Action) -> Option<()> {
        self.left.faults -= 1;
        match action {
            Action::Kill(pod) => self.lives[*pod].die(),
            Action::KillAgent(pod) => self.lives[*pod].doing = self.gate(*pod)?,
            Action::KillFlink(pod) => {
                let life = &mut self.lives[*pod];
                life.flink = None;
                if let Doing::Stops(stopping) = &mut life.doing {
                    stopping.stop.on(Event::JobManagerGone, stopping.now);
                } else {
                    life.doing = Doing::Leaves;
                }
            }
            Action::Orphan(pod) => self.lives[*pod].doing = Doing::Over,
            Action::Force(pod) => {
                (self.lives[*pod].there, self.lives[*pod].forced) = (false, true);
            }
            Action::LoseRecord => {
                self.memory.record = Shared::default();
                self.memory.version += 1;
                self.memory.record_was_lost = true;
            }
            Action::LoseMarker => {
                self.memory.marker = Shared::default();
                self.memory.marker_was_lost = true;
            }
            _ => return None,
        }
        Some(())
    }

    /// The agent says what it sees of the job.
    fn watch(&mut self, pod: usize, fate: Fate, mutation: Option<Mutation>) {
        let checkpoint = self.lives[pod].flink.as_ref().and_then(|flink| self.checkpoint(flink.epoch));
        let life = &mut self.lives[pod];
        let Some(flink) = life.flink.clone() else { return };
        let (epoch, job_id) = (flink.epoch, JobId::derived(CLUSTER, flink.epoch));
        let mut facts = Vec::new();
        if let Job::Ended(how) = flink.job {
            facts.extend(super::stopping::end(job_id, how).facts(epoch, None, life.clock()));
        } else {
            if life.told < RUNS {
                facts.push(Fact::Confirmed { job_id, restored: None });
                life.told = RUNS;
            }
            if let Some(checkpoint_id) = checkpoint {
                facts.push(Fact::Progressed { job_id, checkpoint_id });
                life.told = PROGRESSED;
            }
        }
        let entries: Vec<_> = facts.into_iter().map(|fact| life.entry(epoch, fact)).collect();
        let entries = mutation::heard(mutation, entries);
        let reply = self.memory.add(&entries, mutation != Some(Mutation::NoFence));
        if fate == Fate::Half {
            // It is killed before the marker has it.
            return self.lives[pod].die();
        }
        let life = &mut self.lives[pod];
        if let RecordReply::Superseded(_) = reply {
            return life.die();
        }
        for entry in &entries {
            self.memory.keep(entry);
        }
        if let Job::Ended(_) = flink.job {
            self.truth.ended = self.truth.ended.max(Some(epoch));
            (life.flink, life.doing) = (None, Doing::Leaves);
        }
    }

    pub(super) fn point(&self, path: &str) -> Option<&Point> {
        self.memory.points.get(path)
    }
}
