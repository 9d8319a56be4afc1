//! The protocol that runs, model-checked: pods whose agents drive the production's [`Start`] and [`Stop`](super::stop::Stop), a record,
//! a marker and storage that may lose or delay what is said to them, Flink, Kubernetes, and people.
//!
//! Nothing in here decides for the protocol. What is explored is bounded by [`Limits`]: so many faults, so many wishes of people, so many
//! checkpoints, in every order and at every effect. Left out: guards, sessions, high availability, and the rungs
//! of a stop, which `stop/tests/explorer.rs` goes through alone.

mod actions;
mod flink;
mod life;
mod memory;
mod mutation;
mod promises;
mod pruning;
mod shared;
mod starting;
mod stopping;
mod tests;
mod truth;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use stateright::{Model, Property};

use super::choose::{IfFailed, Policy};
use super::entry::EndKind;
use super::ha::OnLeftover;
use super::id::Id;
use super::start::{JobIds, Plan, Start};
use life::{Doing, Gate, Life, directories};
use memory::Memory;
use mutation::Mutation;
use shared::Shared;
use truth::Truth;

const CLUSTER: &str = "orders";
const SAVEPOINTS: &str = "s3://flink/savepoints";
const CHECKPOINTS: &str = "s3://flink/checkpoints";

/// Where an epoch's savepoints go.
fn target(epoch: u64) -> String {
    format!("{SAVEPOINTS}/{CLUSTER}/{epoch}")
}

/// What becomes of an effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Fate {
    Answered,
    /// Nothing was done, and no answer comes.
    Undone,
    /// It was done, and no answer comes.
    Unanswered,
    /// The first part of it was done, and no answer comes.
    Half,
    /// No answer comes, and it may be done later.
    Late,
}

/// A fate that changes nothing for an effect.
struct NoDifference;

/// The answer to an effect; none if none comes.
type Outcome<Event> = Result<Option<Event>, NoDifference>;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Action {
    /// A pod is created; its manifest may name a restore path.
    Create(usize, Option<String>),
    /// Its `run` asks again.
    AskAgain(usize),
    /// The agent carries out what is next.
    Step(usize, Fate),
    /// The agent looks at the job, and says what it sees.
    Watch(usize, Fate),
    /// SIGTERM, or another pod has asked.
    Stop(usize),
    /// Retention.
    Prune(usize),
    /// The pod's containers are killed.
    Kill(usize),
    /// The agent is killed and comes back while `run` stands at the gate.
    KillAgent(usize),
    /// The JobManager's process dies.
    KillFlink(usize),
    /// The agent and `run` are heard no more, and Flink goes on.
    Orphan(usize),
    /// The pod's object is gone, and so are its containers.
    PodGone(usize),
    /// The pod's object is gone, and its containers live on.
    Force(usize),
    Checkpoint(usize),
    Complete(usize, bool),
    Fail(usize),
    End(usize, EndKind),
    Lands(usize),
    LoseRecord,
    LoseMarker,
    Pin(String),
    AllowFresh,
}

/// How much may happen in one world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Limits {
    faults: u8,
    wishes: u8,
    checkpoints: u8,
    prunes: u8,
}

#[derive(Debug, Clone, PartialEq, Hash)]
struct World {
    memory: Shared<Memory>,
    lives: Vec<Shared<Life>>,
    truth: Shared<Truth>,
    left: Limits,
}

#[derive(Debug, Clone)]
struct Cluster {
    begins: Vec<World>,
    mutation: Option<Mutation>,
    /// What was seen already: the checker keeps the last world that shows it, and the first one is nearest.
    seen: Arc<Mutex<BTreeSet<&'static str>>>,
}

impl Cluster {
    fn new(begins: Vec<World>, mutation: Option<Mutation>) -> Self {
        Self { begins, mutation, seen: Arc::default() }
    }

    fn for_the_first_time(&self, what: &'static str, shows: bool) -> bool {
        shows && self.seen.lock().unwrap().insert(what)
    }
}

impl World {
    fn new(pods: u8, left: Limits) -> Self {
        let lives = (0..pods).map(|number| Shared::new(Life::new(number))).collect();
        Self { memory: Shared::new(Memory::default()), lives, truth: Shared::new(Truth::default()), left }
    }

    /// A cluster some of whose epochs ended with a savepoint, while the next one works on: it has a checkpoint that the record has not heard
    /// of.
    fn lived(ended: u8, works: bool, pods: u8, left: Limits) -> Self {
        let mut world = Self::new(pods, Limits { faults: 0, wishes: 0, checkpoints: ended + 1, prunes: 0 });
        for pod in 0..usize::from(ended) {
            world.starts(pod);
            world.plays(&[Action::Checkpoint(pod), Action::Watch(pod, Fate::Answered), Action::Stop(pod)]);
            world.steps(pod, |life| life.flink.as_ref().is_some_and(|flink| flink.taking.is_none()));
            world.plays(&[Action::Complete(pod, true)]);
            world.steps(pod, |life| life.doing != Doing::Over);
            world.plays(&[Action::PodGone(pod)]);
        }
        if works {
            world.starts(ended.into());
            world.plays(&[Action::Checkpoint(ended.into())]);
        }
        Self { left, ..world }
    }

    /// The last of these has come to its end without a word, and its pod is gone.
    fn crashed(mut self) -> Self {
        let pod = self.lives.iter().rposition(|life| life.there).unwrap();
        self.left.faults += 1;
        self.plays(&[Action::Kill(pod), Action::PodGone(pod)]);
        self
    }

    fn starts(&mut self, pod: usize) {
        self.plays(&[Action::Create(pod, None)]);
        self.steps(pod, |life| matches!(life.doing, Doing::Starts(_)));
    }

    fn plays(&mut self, actions: &[Action]) {
        for action in actions {
            *self = self.after(action, None).unwrap();
        }
    }

    fn steps(&mut self, pod: usize, so_long_as: impl Fn(&Life) -> bool) {
        while so_long_as(&self.lives[pod]) {
            self.plays(&[Action::Step(pod, Fate::Answered)]);
        }
    }

    fn gate(&self, pod: usize) -> Option<Doing> {
        let life = self.lives.get(pod)?;
        let plan = Plan {
            cluster: CLUSTER.into(),
            holder: life.holder(),
            directories: directories(),
            explicit: life.explicit.clone(),
            job_ids: JobIds::Derived,
            policy: Policy {
                fresh_without_history: true,
                previous_if_broken: false,
                trust_unverifiable: false,
                max_state_age: None,
                on_leftover: OnLeftover::Finish,
                if_failed: IfFailed { attempts: 3, previous: true, allow_non_restored_state: false },
            },
            now: life.clock(),
            new_record_id: Id::from_bytes([0xe0 | life.number; 16]),
            only_plan: false,
            running: false,
            ask_to_hand_over: true,
            session: false,
            ungated: None,
        };
        let start = Box::new(Start::begin(plan));
        Some(Doing::Starts(Gate { start, version: 0, snapshot: Shared::default(), marker: Shared::default() }))
    }
}

impl Model for Cluster {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        self.begins.clone()
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        world.possible(actions);
    }

    fn next_state(&self, world: &World, action: Action) -> Option<World> {
        world.after(&action, self.mutation)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        promises::all()
    }
}
