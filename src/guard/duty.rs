//! What a guard owes its child and the cluster: a state machine without I/O; events and time in, effects out.
//!
//! The child is a TaskManager. Once the agent was heard saying that an epoch runs, the child's tasks are taken to work for
//! that epoch, until it is known that they are gone. From then on three rules hold: while a final savepoint of the epoch is
//! being taken the child is kept alive; when the epoch's JobManager is gone, or a newer epoch begins, what is left of the
//! child's tasks is killed; and after the release, when there is nothing left to kill, the child is exchanged for a fresh
//! one, because Flink's own TaskManager would wait for the old JobManager until its heartbeat times out.

use std::time::Duration;

use crate::api::{Phase, Tidings};
use crate::protocol::time::{Deadline, Moment};

/// How long an agent and a JobManager may both be out of reach before nothing is expected of a stop any more.
const UNREACHABLE: Duration = Duration::from_secs(3);
/// How long a new child waits at most for the old JobManager's end. One that found it still alive would keep to it, and
/// wait for it until Flink's heartbeat times out.
const LAST_BREATH: Duration = Duration::from_secs(10);
/// How long an idle child may take to end in order before it is killed. A Flink JVM lives at most 5 s after SIGTERM.
const IDLE_END: Duration = Duration::from_secs(6);
/// SIGKILL is sent once more after this, should the child be in an uninterruptible sleep.
const KILL_AGAIN: Duration = Duration::from_secs(1);

/// What a guard is told about its duties.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Terms {
    /// How long a guard that is told to end waits for word that a stop has begun.
    pub(super) settle: Duration,
    /// How long it then waits at most for a checkpoint that it asks for, where no stop is under way.
    pub(super) checkpoint: Option<Duration>,
    /// From the signal to the kill of the container.
    pub(super) grace: Duration,
    /// Kept back of it for the child's own end.
    pub(super) reserve: Duration,
    /// Whether an idle child is exchanged when its JobManager has ended.
    pub(super) renews: bool,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Event {
    /// The agent said this.
    Heard(Tidings),
    /// The agent can't be heard: the connection broke, or could not be made.
    Lost,
    /// The agent can't be heard, but the JobManager takes connections.
    JobManagerSeen,
    /// SIGTERM.
    ToldToEnd,
    /// The agent has answered the request for a checkpoint, one way or the other.
    Checkpointed,
    /// The child and its process group have ended.
    ChildEnded,
    /// Time has passed.
    Tick,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    /// Start the child again.
    Start,
    /// Send the child SIGTERM. Why, in words.
    Terminate(&'static str),
    /// Send the child SIGKILL. Why, in words.
    Kill(&'static str),
    /// Close the connection to the agent: no task of the old epoch works any more. Then connect again.
    HangUp,
    /// Have the agent look at its pod.
    Look,
    /// Have the agent take a checkpoint.
    Checkpoint,
    /// The guard is done.
    Exit,
}

/// The epoch that the child's tasks work for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Work {
    epoch: u64,
    stands: Stands,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stands {
    Running,
    Stopping,
    Released,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Child {
    Lives,
    /// It has its signal.
    Ends {
        next: Next,
        kill_at: Moment,
    },
    /// It has ended and waits for the old JobManager to do the same.
    Away {
        start_at: Moment,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// Another one is started.
    Start {
        /// The agent waits for word of the child's end.
        awaited: bool,
        /// The old JobManager has ended.
        at_once: bool,
    },
    /// The guard ends.
    Leave,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Held {
    since: Moment,
    deadline: Deadline,
    insurance: Insurance,
}

/// The checkpoint before a TaskManager leaves a job that goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Insurance {
    /// It is to be asked for when the settle time is over.
    Due,
    /// It was asked for, and is waited for until then.
    Awaited(Moment),
    /// There is none, or no more.
    Over,
}

/// The state of a guard.
#[derive(Debug, Clone)]
pub(super) struct Duty {
    terms: Terms,
    child: Child,
    work: Option<Work>,
    /// No task of this or an older epoch can be in the child.
    clean_of: Option<u64>,
    /// Since when the agent has not been heard.
    lost: Option<Moment>,
    /// The signal to end.
    held: Option<Held>,
}

impl Duty {
    /// Begins with a child that was just started.
    pub(super) fn begin(terms: Terms, now: Moment) -> Self {
        Self { terms, child: Child::Lives, work: None, clean_of: None, lost: Some(now), held: None }
    }

    /// Whether a signal asked the guard to end.
    pub(super) fn is_told_to_end(&self) -> bool {
        self.held.is_some()
    }

    /// The epoch for which tasks may work in the child.
    pub(super) fn works_for(&self) -> Option<u64> {
        self.work.filter(|work| work.stands != Stands::Released).map(|work| work.epoch)
    }

    /// Whether it matters that the JobManager lives where its agent can't be heard.
    pub(super) fn keeps_for_a_stop(&self) -> bool {
        let stopping = self.work.is_some_and(|work| work.stands == Stands::Stopping);
        stopping && self.held.is_some() && self.child == Child::Lives
    }

    /// Takes in what happened.
    pub(super) fn on(&mut self, event: Event, now: Moment) -> Vec<Effect> {
        let mut effects = match event {
            Event::Heard(tidings) => {
                self.lost = None;
                self.heard(&tidings, now)
            }
            Event::Lost => self.lost(now),
            Event::JobManagerSeen => {
                self.lost = self.lost.map(|_| now);
                Vec::new()
            }
            Event::ToldToEnd => self.told_to_end(now),
            Event::Checkpointed => {
                if let Some(held) = &mut self.held {
                    held.insurance = Insurance::Over;
                }
                Vec::new()
            }
            Event::ChildEnded => self.child_ended(now),
            Event::Tick => Vec::new(),
        };
        if !effects.contains(&Effect::Exit) {
            effects.extend(self.due(now));
        }
        effects
    }

    /// When to look at the time again.
    pub(super) fn wake(&self) -> Option<Moment> {
        match (self.child, self.held) {
            (Child::Ends { kill_at, .. }, _) => Some(kill_at),
            (Child::Away { start_at }, _) => Some(start_at),
            (Child::Lives, None) => None,
            (Child::Lives, Some(held)) => {
                let cutoff = held.deadline.cutoff();
                Some(match self.work.map(|work| work.stands) {
                    Some(Stands::Stopping) => self.lost.map_or(cutoff, |lost| cutoff.min(lost.plus(UNREACHABLE))),
                    _ => cutoff.min(match held.insurance {
                        Insurance::Awaited(until) => until,
                        Insurance::Due | Insurance::Over => held.since.plus(self.terms.settle),
                    }),
                })
            }
        }
    }

    fn heard(&mut self, tidings: &Tidings, now: Moment) -> Vec<Effect> {
        // An agent that has claimed nothing yet is another one than that of the old JobManager.
        let is_over = tidings
            .epoch
            .is_none_or(|epoch| Some(epoch) > self.clean_of || (tidings.ended && Some(epoch) == self.clean_of));
        match &mut self.child {
            Child::Lives => match tidings.epoch {
                Some(epoch) => self.heard_of(epoch, tidings.phase, tidings.ended, now),
                None => Vec::new(),
            },
            Child::Ends { next: Next::Start { at_once, .. }, .. } => {
                *at_once |= is_over;
                Vec::new()
            }
            Child::Ends { next: Next::Leave, .. } => {
                let is_newer = |work: Work| tidings.epoch.is_some_and(|epoch| epoch > work.epoch);
                let is_gone = |work: Work| tidings.epoch == Some(work.epoch) && tidings.phase == Phase::Gone;
                match self.work.take_if(|work| is_newer(*work) || is_gone(*work)) {
                    Some(_) => self.kill("its JobManager is gone while it is ending", Next::Leave, now),
                    None => Vec::new(),
                }
            }
            Child::Away { .. } if is_over => self.start(),
            Child::Away { .. } => Vec::new(),
        }
    }

    fn heard_of(&mut self, epoch: u64, phase: Phase, ended: bool, now: Moment) -> Vec<Effect> {
        match &mut self.work {
            None => match phase {
                Phase::Running | Phase::Stopping if Some(epoch) >= self.clean_of => self.work_for(epoch, phase),
                // It may have worked for that one before the agent was first heard.
                Phase::Gone if Some(epoch) > self.clean_of => {
                    self.end_zombies("its JobManager is gone", epoch, ended, now)
                }
                _ => Vec::new(),
            },
            // An agent that has not heard of the newer epoch yet.
            Some(work) if epoch < work.epoch => Vec::new(),
            Some(work) if epoch > work.epoch => match (work.stands, phase) {
                (Stands::Released, Phase::Gone) => self.end_zombies("its JobManager is gone", epoch, ended, now),
                (Stands::Released, _) if self.terms.renews => self.renew(now),
                (Stands::Released, Phase::Running | Phase::Stopping) => self.work_for(epoch, phase),
                (Stands::Released, _) => Vec::new(),
                (Stands::Running | Stands::Stopping, _) => {
                    self.end_zombies("it works for an epoch that is over", epoch.saturating_sub(1), true, now)
                }
            },
            Some(work) => match (work.stands, phase) {
                (Stands::Released, _) if ended && self.terms.renews => self.renew(now),
                (Stands::Released, _) | (_, Phase::Waiting) => Vec::new(),
                (_, Phase::Running | Phase::Stopping) => self.work_for(epoch, phase),
                (_, Phase::Released) => {
                    work.stands = Stands::Released;
                    if ended && self.terms.renews { self.renew(now) } else { Vec::new() }
                }
                (_, Phase::Gone) => self.end_zombies("its JobManager is gone", epoch, ended, now),
            },
        }
    }

    fn work_for(&mut self, epoch: u64, phase: Phase) -> Vec<Effect> {
        let stands = if phase == Phase::Stopping { Stands::Stopping } else { Stands::Running };
        self.work = Some(Work { epoch, stands });
        Vec::new()
    }

    /// Kills a child whose tasks must not work any more.
    fn end_zombies(&mut self, why: &'static str, over: u64, at_once: bool, now: Moment) -> Vec<Effect> {
        self.work = None;
        self.clean_of = self.clean_of.max(Some(over));
        let next = if self.held.is_some() { Next::Leave } else { Next::Start { awaited: true, at_once } };
        self.kill(why, next, now)
    }

    /// Exchanges a child that has no task any more.
    fn renew(&mut self, now: Moment) -> Vec<Effect> {
        let Some(work) = self.work.filter(|_| self.held.is_none()) else { return Vec::new() };
        self.work = None;
        self.clean_of = self.clean_of.max(Some(work.epoch));
        let next = Next::Start { awaited: false, at_once: true };
        self.child = Child::Ends { next, kill_at: now.plus(IDLE_END) };
        vec![Effect::Terminate(
            "its JobManager has ended and its tasks before that; a fresh one finds the next at once",
        )]
    }

    fn kill(&mut self, why: &'static str, next: Next, now: Moment) -> Vec<Effect> {
        self.child = Child::Ends { next, kill_at: now.plus(KILL_AGAIN) };
        vec![Effect::Kill(why)]
    }

    fn start(&mut self) -> Vec<Effect> {
        self.child = Child::Lives;
        vec![Effect::Start]
    }

    fn lost(&mut self, now: Moment) -> Vec<Effect> {
        self.lost.get_or_insert(now);
        match self.child {
            // The agent ends when its JobManager has.
            Child::Away { .. } => self.start(),
            Child::Lives if self.terms.renews && self.work.is_some_and(|work| work.stands == Stands::Released) => {
                self.renew(now)
            }
            Child::Lives | Child::Ends { .. } => Vec::new(),
        }
    }

    fn told_to_end(&mut self, now: Moment) -> Vec<Effect> {
        if self.held.is_some() {
            return Vec::new();
        }
        let deadline = Deadline::after(now, self.terms.grace, self.terms.reserve);
        let insurance = if self.terms.checkpoint.is_some() { Insurance::Due } else { Insurance::Over };
        self.held = Some(Held { since: now, deadline, insurance });
        match &mut self.child {
            Child::Lives => vec![Effect::Look],
            Child::Ends { next, .. } => {
                *next = Next::Leave;
                Vec::new()
            }
            Child::Away { .. } => vec![Effect::Exit],
        }
    }

    fn child_ended(&mut self, now: Moment) -> Vec<Effect> {
        match self.child {
            Child::Ends { next: Next::Start { awaited, at_once }, .. } => {
                let mut effects = Vec::new();
                if awaited {
                    effects.push(Effect::HangUp);
                }
                if at_once || self.lost.is_some() {
                    effects.extend(self.start());
                } else {
                    self.child = Child::Away { start_at: now.plus(LAST_BREATH) };
                }
                effects
            }
            Child::Lives | Child::Away { .. } | Child::Ends { next: Next::Leave, .. } => vec![Effect::Exit],
        }
    }

    fn due(&mut self, now: Moment) -> Vec<Effect> {
        match (self.child, self.held) {
            (Child::Ends { next, kill_at }, _) if now >= kill_at => self.kill("it has not ended in time", next, now),
            (Child::Away { start_at }, None) if now >= start_at => self.start(),
            (Child::Lives, Some(held)) if self.wants_a_checkpoint(held, now) => {
                let until = now.plus(self.terms.checkpoint.unwrap_or_default());
                self.held = Some(Held { insurance: Insurance::Awaited(until), ..held });
                vec![Effect::Checkpoint]
            }
            (Child::Lives, Some(held)) => match self.reason_to_leave(held, now) {
                Some(why) => {
                    self.child = Child::Ends { next: Next::Leave, kill_at: held.deadline.kill_at() };
                    vec![Effect::Terminate(why)]
                }
                None => Vec::new(),
            },
            _ => Vec::new(),
        }
    }

    /// Whether the job goes on without this TaskManager's tasks, and nobody has been asked yet to save what they have.
    fn wants_a_checkpoint(&self, held: Held, now: Moment) -> bool {
        let settled = now >= held.since.plus(self.terms.settle) && now < held.deadline.cutoff();
        let runs = self.work.is_some_and(|work| work.stands == Stands::Running);
        settled && runs && held.insurance == Insurance::Due && self.lost.is_none()
    }

    fn reason_to_leave(&self, held: Held, now: Moment) -> Option<&'static str> {
        if now >= held.deadline.cutoff() {
            return Some("the guard's own deadline is near");
        }
        let settled = now >= held.since.plus(self.terms.settle);
        match self.work.map(|work| work.stands) {
            Some(Stands::Released) => Some("the final state is durable"),
            Some(Stands::Stopping) => {
                let lost = self.lost.is_some_and(|lost| now >= lost.plus(UNREACHABLE));
                lost.then_some("neither the agent nor the JobManager is to be found any more")
            }
            Some(Stands::Running) => match held.insurance {
                Insurance::Awaited(until) if now < until => None,
                Insurance::Awaited(_) => Some("no stop is under way, and the checkpoint has not come in time"),
                Insurance::Due | Insurance::Over => settled.then_some("no stop is under way"),
            },
            None if self.lost.is_none() => Some("it has no tasks"),
            None => settled.then_some("the agent can't be found"),
        }
    }
}

#[cfg(test)]
mod tests;
