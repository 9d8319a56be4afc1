//! Random faults in an order that its seed gives again: what strikes a world, and what the world must be like afterwards.

mod journal;
mod oracle;
mod random;

use std::fmt::Debug;
use std::time::Duration;

pub use journal::Journal;
pub use oracle::{Durable, Oracle};
pub use random::Random;

use super::life::Life;

/// In which part of a JobManager's life a fault strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    Running,
    Stopping,
    Starting,
}

/// One fault of a schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step<F> {
    pub fault: F,
    pub moment: Moment,
    /// How long after that moment has come.
    pub after: Duration,
    /// How long, if it is none of an instant.
    pub lasts: Duration,
}

/// What faults strike: processes or pods with a self-checking job.
pub trait World {
    /// What may happen here.
    type Fault: Copy + Debug;

    /// All faults with the moments at which they can strike.
    fn faults(&self) -> Vec<(Self::Fault, &'static [Moment])>;

    /// Waits until everything runs again, whatever it takes of what a supervisor does.
    fn settle(&mut self);

    /// Waits until a checkpoint is complete that was not yet begun when this was asked.
    fn checkpoint(&mut self);

    /// Brings the moment about, has the fault strike, and ends it. What stops and starts owe is asserted here.
    fn strike(&mut self, step: &Step<Self::Fault>);

    /// What is known to be durable since this was asked last, as a stop said that it has taken its savepoint.
    fn saved(&mut self) -> Vec<Durable>;

    /// What the job has written.
    fn lives(&self) -> Vec<Life>;

    /// The epoch that runs, and what Flink restored in it.
    fn serves(&self) -> (u64, Option<String>);
}

/// Lets as many faults strike as are asked for by `SPTEST_FAULTS`, or `count`, by the schedule of `SPTEST_SEED`, or `seed`.
pub fn torment<W: World>(world: &mut W, name: &str, seed: u64, count: usize) {
    let seed = number("SPTEST_SEED").unwrap_or(seed);
    let count = number("SPTEST_FAULTS").map_or(count, |count| usize::try_from(count).unwrap());
    let mut journal = Journal::open(name, seed, schedule(seed, count, &world.faults()));
    let mut oracle = Oracle::default();
    world.settle();
    while let Some(step) = journal.next() {
        oracle.durable(secure(world));
        oracle.see(&world.lives());
        let before = (world.serves(), oracle.seen());
        world.strike(&step);
        world.settle();
        world.saved().into_iter().for_each(|saved| oracle.durable(saved));
        let repeated = oracle.see(&world.lives());
        let (epoch, restored) = world.serves();
        let outcome = match restored.as_deref() {
            _ if before == ((epoch, restored.clone()), oracle.seen()) => "went on",
            _ if before.0.0 == epoch => "tasks restarted",
            Some(path) if path.contains("/savepoint-") => "savepoint",
            Some(path) if path.contains("/chk-") => "checkpoint",
            _ => panic!("epoch {epoch} began from {restored:?}"),
        };
        journal.came_to(outcome, repeated);
    }
    journal.close();
}

/// What was written so far, and is in a durable point now.
fn secure<W: World>(world: &mut W) -> Durable {
    loop {
        let written = Durable::all(&world.lives());
        world.checkpoint();
        // Tasks that began in the meantime, as the last fault had still to be noticed, have not gone on from all of that.
        if Durable::all(&world.lives()).is_of_as_many_lives_as(written) {
            return written;
        }
    }
}

/// The faults in a random order, each as often as the others at each of its moments.
pub fn schedule<F: Copy>(seed: u64, count: usize, faults: &[(F, &'static [Moment])]) -> Vec<Step<F>> {
    let mut random = Random::of(seed);
    let all: Vec<(F, Moment)> =
        faults.iter().flat_map(|(fault, moments)| moments.iter().map(|moment| (*fault, *moment))).collect();
    let mut left = Vec::new();
    let mut steps = Vec::new();
    while steps.len() < count {
        if left.is_empty() {
            left.clone_from(&all);
        }
        let (fault, moment) = left.swap_remove(random.below(left.len()));
        let longest = if moment == Moment::Starting { 6_000 } else { 1_500 };
        let (after, lasts) = (random.millis(0, longest), random.millis(500, 8_000));
        steps.push(Step { fault, moment, after, lasts });
    }
    steps
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is no number: {text}")))
}
