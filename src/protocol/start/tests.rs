//! A world in memory that carries out a start's effects for real: a record that is compared before it is added to, a
//! marker that keeps what it has, storage that holds what Flink wrote.

mod kills;
mod leftovers;
mod pods;
mod proof;
mod scenarios;
mod twice;
mod ungated;

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::*;
use crate::protocol::choose::{IfFailed, Policy};
use crate::protocol::entry::{Directories, RestoreFailed, VERSION};
use crate::protocol::failure::FailureClass;
use crate::protocol::ha::{JobResult, OnLeftover, Stage};
use crate::protocol::id::Id;
use crate::protocol::point::Metadata;
use crate::protocol::stop::Secured;

const CLUSTER: &str = "orders";
/// More steps than any start takes.
const STEPS: usize = 100;

fn incarnation(n: u8) -> Holder {
    Holder {
        incarnation: Id::from_bytes([n; 16]),
        host: format!("pod-{n}"),
        boot_id: "boot".into(),
        pid: n.into(),
        started: 1,
        pod: None,
    }
}

fn plan(who: u8) -> Plan {
    let directories = Directories {
        savepoint: "s3://flink/savepoints".into(),
        flink_savepoint: None,
        checkpoint: "s3://flink/checkpoints".into(),
        high_availability: None,
    };
    Plan {
        cluster: CLUSTER.into(),
        holder: incarnation(who),
        directories,
        explicit: None,
        job_ids: JobIds::Derived,
        policy: Policy {
            fresh_without_history: true,
            previous_if_broken: false,
            trust_unverifiable: false,
            max_state_age: None,
            on_leftover: OnLeftover::Finish,
            if_failed: IfFailed { attempts: 3, previous: true, allow_non_restored_state: false },
        },
        now: Timestamp::UNIX_EPOCH,
        new_record_id: Id::from_bytes([0xe0 | who; 16]),
        session: false,
        only_plan: false,
        running: false,
        ask_to_hand_over: false,
        ungated: None,
    }
}

fn path(epoch: u64, id: u64) -> String {
    format!("s3://flink/checkpoints/{}/chk-{id}", JobId::derived(CLUSTER, epoch))
}

/// What outlives every process.
#[derive(Debug, Clone, Default, PartialEq)]
struct World {
    record: Vec<Entry>,
    marker: Vec<Entry>,
    storage: Vec<Found>,
    alive: BTreeSet<Id>,
    /// The pods that are there, by UID.
    pods: BTreeSet<String>,
    /// The pods whose agents were told to look at the record.
    nudged: Vec<String>,
    /// Points that can't be verified, and why.
    doubtful: BTreeMap<String, String>,
    writes: u64,
    /// What Flink's own high availability has left.
    leftovers: Leftovers,
}

/// What goes wrong while an effect is carried out.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Mishap {
    Nothing,
    /// It was done, but nobody says so.
    LostReply,
    /// Of several facts only the first became durable.
    Torn,
    /// Somebody else wrote first.
    Overtaken,
}

/// A process that is starting: the machine, and what the agent keeps of the last load.
#[derive(Debug, Clone)]
struct Process {
    start: Start,
    /// How long the record was, and how it ended, when it was loaded.
    snapshot: Vec<Entry>,
    marker: Vec<Entry>,
    /// Which points were verified.
    verified: Vec<String>,
}

impl Process {
    fn new(plan: Plan) -> Self {
        Self { start: Start::begin(plan), snapshot: Vec::new(), marker: Vec::new(), verified: Vec::new() }
    }

    #[expect(clippy::result_large_err, reason = "a test does not mind")]
    fn wants(&self) -> Result<Effect, Verdict> {
        match self.start.next(Moment(0)) {
            Step::Do { effect, .. } => Ok(effect),
            Step::Done(verdict) => Err(verdict),
            Step::Wait(_) => panic!("a start does not wait"),
        }
    }

    /// Carries out the next effect. Whether it is over is in [`Self::wants`].
    fn step(&mut self, world: &mut World, mishap: Mishap) {
        if let Ok(effect) = self.wants() {
            let event = self.carry_out(world, &effect, mishap);
            self.start.on(event);
        }
    }

    #[track_caller]
    fn finish(&mut self, world: &mut World) -> Verdict {
        for _ in 0..STEPS {
            match self.wants() {
                Ok(_) => self.step(world, Mishap::Nothing),
                Err(verdict) => return verdict,
            }
        }
        panic!("never ends: {:?}", self.start);
    }

    fn carry_out(&mut self, world: &mut World, effect: &Effect, mishap: Mishap) -> Event {
        let lost = || Trouble { reason: "no answer".into(), passes: true };
        match effect {
            Effect::Load => {
                (self.snapshot, self.marker) = (world.record.clone(), world.marker.clone());
                let some = |entries: &Vec<Entry>| (!entries.is_empty()).then(|| entries.clone());
                Event::Loaded(Ok(Loaded { record: some(&world.record), marker: some(&world.marker) }))
            }
            Effect::Look(Holder { pod: Some(pod), .. }) | Effect::LookAt(pod) => Event::Liveness(world.pod(pod)),
            Effect::Look(holder) if world.alive.contains(&holder.incarnation) => {
                Event::Liveness(Liveness::Alive(format!("process {}", holder.pid)))
            }
            Effect::Look(_) => Event::Liveness(Liveness::Gone),
            Effect::Nudge(pod) => {
                world.nudged.push(pod.uid.clone());
                Event::Nudged
            }
            Effect::Append { epoch, facts } => {
                let entries = facts.iter().map(|fact| world.entry(*epoch, fact.clone())).collect();
                Event::Appended(self.append(world, entries, mishap))
            }
            Effect::Rebuild => Event::Appended(self.append(world, self.marker.clone(), mishap)),
            Effect::Copy(late) => Event::Appended(self.append(world, late.clone(), mishap)),
            Effect::List { adopt, .. } => {
                let known = |job_id: JobId| {
                    job_id.epoch_of(CLUSTER).is_some() || self.start.plan.job_ids == JobIds::Fixed(job_id)
                };
                let ours = |found: &&Found| *adopt || found.epoch.is_some() || found.job_id.is_some_and(known);
                Event::Listed(Ok(Listing { found: world.storage.iter().filter(ours).cloned().collect(), unseen: None }))
            }
            Effect::LookAtLeftovers(_) => Event::Leftovers(Ok(world.leftovers.clone())),
            Effect::DeclareEnded(_, job_id) => {
                let (job_id, file) = (*job_id, format!("s3://flink/ha/{job_id}_DIRTY.json"));
                if mishap != Mishap::Torn {
                    world.leftovers.results = vec![JobResult { job_id, file, stage: Stage::Dirty }];
                }
                Event::Declared(if mishap == Mishap::Nothing { Ok(()) } else { Err(lost()) })
            }
            Effect::Verify(path) => {
                self.verified.push(path.clone());
                Event::Verified(world.look(path))
            }
            Effect::Mark { epoch } => {
                for entry in &self.snapshot {
                    if entry.epoch == *epoch && world.marker.iter().any(|there| begun(entry, there)) {
                        return Event::Marked(Err(lost()));
                    }
                    let kept = matches!(entry.fact, Fact::Created { .. })
                        || entry.epoch == *epoch && matches!(entry.fact, Fact::Claimed(_) | Fact::Based(_));
                    let there = |known: &Entry| {
                        known.epoch == entry.epoch
                            && std::mem::discriminant(&known.fact) == std::mem::discriminant(&entry.fact)
                    };
                    if kept && !world.marker.iter().any(there) {
                        world.marker.push(entry.clone());
                        if mishap == Mishap::Torn {
                            break;
                        }
                    }
                }
                Event::Marked(if mishap == Mishap::Nothing { Ok(()) } else { Err(lost()) })
            }
        }
    }

    fn append(&mut self, world: &mut World, entries: Vec<Entry>, mishap: Mishap) -> Appended {
        let lost = || Appended::Failed(Trouble { reason: "no answer".into(), passes: true });
        if mishap == Mishap::Overtaken {
            let other = world.entry(0, Fact::Unknown);
            world.record.push(other);
        }
        for entry in entries {
            if world.record != self.snapshot {
                return Appended::Conflict;
            }
            world.record.push(entry.clone());
            self.snapshot.push(entry);
            if mishap == Mishap::Torn {
                return lost();
            }
        }
        if mishap == Mishap::LostReply { lost() } else { Appended::Done }
    }
}

impl World {
    fn entry(&mut self, epoch: u64, fact: Fact) -> Entry {
        self.writes += 1;
        let mut id = [0xaa; 16];
        id[8..].copy_from_slice(&self.writes.to_be_bytes());
        Entry { version: VERSION, write_id: Id::from_bytes(id), at: Timestamp::UNIX_EPOCH, epoch, fact }
    }

    fn say(&mut self, epoch: u64, fact: Fact) {
        let entry = self.entry(epoch, fact);
        self.record.push(entry);
    }

    fn look(&self, path: &str) -> Search {
        match self.storage.iter().find(|found| found.path == path).map(|found| (&found.metadata, found.job_id)) {
            None | Some((Metadata::Missing, _)) => Search::Nothing,
            Some((Metadata::Broken(why), _)) => Search::Broken(why.clone()),
            Some((Metadata::Whole { checkpoint_id, .. }, job_id)) => {
                let point = PointRef { path: path.into(), checkpoint_id: Some(*checkpoint_id), epoch: None };
                Search::Found(Secured {
                    point,
                    job_id,
                    bytes: None,
                    completed_at: None,
                    doubt: self.doubtful.get(path).cloned(),
                })
            }
        }
    }

    fn pod(&self, pod: &PodRef) -> Liveness {
        if self.pods.contains(&pod.uid) { Liveness::Alive(format!("pod {}", pod.name)) } else { Liveness::Gone }
    }

    fn store(&mut self, epoch: u64, id: u64, metadata: Metadata) {
        let (path, job_id) = (path(epoch, id), Some(JobId::derived(CLUSTER, epoch)));
        self.storage.push(Found {
            path,
            checkpoint: true,
            job_id,
            job_prefix: None,
            epoch: None,
            metadata,
            modified: None,
        });
    }

    /// A savepoint in an epoch's own folder.
    fn savepoint(&mut self, epoch: u64, id: u64) -> String {
        let path = format!("s3://flink/savepoints/{CLUSTER}/{epoch}/savepoint-{id}");
        self.storage.push(Found {
            path: path.clone(),
            checkpoint: false,
            job_id: None,
            job_prefix: None,
            epoch: Some(epoch),
            metadata: Metadata::Whole { checkpoint_id: id, bytes: 1 },
            modified: None,
        });
        path
    }

    /// Flink completes a checkpoint in this epoch.
    fn checkpoint(&mut self, epoch: u64, id: u64) -> String {
        self.store(epoch, id, Metadata::Whole { checkpoint_id: id, bytes: 1 });
        path(epoch, id)
    }

    /// Flink can't restore what this start was given.
    fn restore_fails(&mut self, go: &Go) {
        let job_id = go.job_id.unwrap();
        let (path, class, reason) = (base(go).unwrap().into(), FailureClass::Incompatible, "Cannot map".into());
        let allow_non_restored_state = false;
        self.say(
            go.epoch,
            Fact::RestoreFailed(RestoreFailed { job_id, path, class, reason, allow_non_restored_state }),
        );
    }

    #[track_caller]
    fn starts(&mut self, who: u8) -> Go {
        self.starts_as(plan(who))
    }

    #[track_caller]
    fn starts_as(&mut self, plan: Plan) -> Go {
        match Process::new(plan).finish(self) {
            Verdict::Go(go) => go,
            verdict => panic!("does not start: {verdict:?}"),
        }
    }

    /// Refuses or holds, for this reason.
    #[track_caller]
    fn refuses(&mut self, plan: Plan, words: &[&str]) {
        let verdict = Process::new(plan).finish(self);
        let Verdict::No { reason, .. } = &verdict else { panic!("{verdict:?}") };
        for word in words {
            assert!(reason.contains(word), "{word:?} is not in {reason:?}");
        }
    }
}

fn begun(entry: &Entry, there: &Entry) -> bool {
    let both_claim = matches!((&entry.fact, &there.fact), (Fact::Claimed(_), Fact::Claimed(_)));
    both_claim && there.epoch == entry.epoch && crate::record::marker::is_taken(entry, there)
}

fn base(go: &Go) -> Option<&str> {
    go.base.as_ref().map(|base| base.path.as_str())
}

/// So many starts, whose point Flink could not restore; the policy allows the one before.
fn failed(world: &mut World, times: u8) {
    for who in 0..times {
        let go = world.starts(20 + who);
        world.restore_fails(&go);
    }
}

/// A cluster that ran two epochs and came to checkpoint 5; a zombie of the first went on to 9.
fn lived() -> World {
    let mut world = World::default();
    assert_eq!(base(&world.starts(1)), None);
    let three = world.checkpoint(1, 3);
    assert_eq!(base(&world.starts(2)), Some(three.as_str()));
    world.checkpoint(2, 4);
    world.checkpoint(2, 5);
    world.checkpoint(1, 9);
    world
}
