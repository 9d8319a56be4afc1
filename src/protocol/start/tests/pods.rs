//! One epoch at a time where processes live in pods: waiting, handing over, taking over.

use super::*;
use crate::protocol::outcome::StopOutcome;

fn pod(n: u8) -> PodRef {
    PodRef {
        namespace: "flink".into(),
        name: format!("jobmanager-{n}"),
        uid: format!("uid-{n}"),
        created: Some(Timestamp::from_second(n.into()).unwrap()),
        address: Some(format!("10.0.0.{n}:9250")),
    }
}

/// A start in pod `n`, which was created as the `n`th, by the `life`th process there.
fn in_pod(n: u8, life: u8) -> Plan {
    let holder = Holder { pod: Some(pod(n)), ..incarnation(n * 10 + life) };
    Plan { holder, ..plan(n * 10 + life) }
}

fn asking(n: u8, life: u8) -> Plan {
    Plan { ask_to_hand_over: true, ..in_pod(n, life) }
}

/// Pod 1 runs epoch 1 and has come to checkpoint 3; the pods 1 to `pods` are there.
fn running(pods: u8) -> World {
    let mut world = World { pods: (1..=pods).map(|n| pod(n).uid).collect(), ..World::default() };
    world.starts_as(in_pod(1, 0));
    world.checkpoint(1, 3);
    world
}

#[track_caller]
fn waits(world: &mut World, plan: Plan) -> (String, Option<String>) {
    // What it looks for in its own pod is gone: only others may be in the way.
    let own = plan.holder.pod.clone().map(|own| own.uid);
    let verdict = Process::new(plan).finish_in(world, own.as_deref());
    let Verdict::Later { reason, holder } = verdict else { panic!("does not wait: {verdict:?}") };
    (reason, holder.map(|pod| pod.uid))
}

#[track_caller]
fn goes(world: &mut World, plan: Plan) -> Go {
    let own = plan.holder.pod.clone().map(|own| own.uid);
    match Process::new(plan).finish_in(world, own.as_deref()) {
        Verdict::Go(go) => go,
        verdict => panic!("does not start: {verdict:?}"),
    }
}

impl Process {
    /// As the executor does it: the own pod is never in its own way.
    #[track_caller]
    fn finish_in(&mut self, world: &mut World, own: Option<&str>) -> Verdict {
        let was_there = own.is_some_and(|own| world.pods.remove(own));
        let verdict = self.finish(world);
        if let Some(own) = own.filter(|_| was_there) {
            world.pods.insert(own.to_owned());
        }
        verdict
    }
}

fn stopped(world: &mut World, epoch: u64, outcome: StopOutcome) {
    world.say(epoch, Fact::Stopped { outcome, reason: "told to".into(), took: None });
}

#[test]
fn a_pod_waits_while_the_holders_pod_is_there_and_starts_when_it_is_gone() {
    let mut world = running(2);
    let before = world.clone();
    let (reason, holder) = waits(&mut world, in_pod(2, 0));
    assert!(reason.contains("jobmanager-1") && reason.contains("takeover"), "{reason}");
    assert_eq!(holder.as_deref(), Some("uid-1"));
    assert_eq!(world, before, "waiting writes nothing");
    world.pods.remove("uid-1");
    assert_eq!(base(&goes(&mut world, in_pod(2, 0))), Some(path(1, 3).as_str()));
}

#[test]
fn a_container_that_starts_again_in_its_own_pod_waits_for_nobody() {
    let mut world = running(1);
    assert_eq!(goes(&mut world, in_pod(1, 1)).epoch, 2);
}

#[test]
fn a_final_savepoint_or_the_jobmanagers_end_releases_while_the_pod_still_drains() {
    for (outcome, left, released) in [
        (StopOutcome::Savepoint, false, true),
        (StopOutcome::Ended, false, true),
        // Without one the job works until its JobManager has ended.
        (StopOutcome::Checkpoint, false, false),
        (StopOutcome::Unchanged, false, false),
        (StopOutcome::Nothing, false, false),
        (StopOutcome::Checkpoint, true, true),
    ] {
        let mut world = running(2);
        stopped(&mut world, 1, outcome);
        if left {
            world.say(1, Fact::Left);
        }
        if released {
            goes(&mut world, in_pod(2, 0));
        } else {
            waits(&mut world, in_pod(2, 0));
        }
    }
}

#[test]
fn only_a_pod_that_was_created_later_asks_and_it_asks_once() {
    let mut world = running(2);
    let (reason, holder) = waits(&mut world, asking(2, 0));
    assert!(reason.contains("asked to stop"), "{reason}");
    assert_eq!(holder.as_deref(), Some("uid-1"));
    let asked = Fact::HandoverAsked { by: pod(2) };
    assert_eq!(world.record.last().map(|entry| (entry.epoch, &entry.fact)), Some((1, &asked)));
    let entries = world.record.len();
    waits(&mut world, asking(2, 0));
    assert_eq!(
        (world.record.len(), world.nudged.as_slice()),
        (entries, ["uid-1".to_owned(), "uid-1".to_owned()].as_slice())
    );

    // The new one runs; the old one, should it be at its gate again, asks for nothing.
    stopped(&mut world, 1, StopOutcome::Savepoint);
    assert_eq!(goes(&mut world, asking(2, 0)).epoch, 2);
    let entries = world.record.len();
    let (reason, _) = waits(&mut world, asking(1, 1));
    assert!(!reason.contains("asked to stop"), "{reason}");
    assert_eq!(world.record.len(), entries);
}

#[test]
fn whoever_handed_over_leaves_the_next_epoch_to_the_one_that_asked_as_long_as_that_is_there() {
    let mut world = running(3);
    waits(&mut world, asking(2, 0));
    stopped(&mut world, 1, StopOutcome::Savepoint);
    world.say(1, Fact::Left);
    for other in [in_pod(1, 1), asking(3, 0)] {
        let (reason, holder) = waits(&mut world, other);
        assert!(reason.contains("handed over"), "{reason}");
        assert_eq!(holder.as_deref(), Some("uid-2"));
    }
    let mut undone = world.clone();
    assert_eq!(goes(&mut world, asking(2, 0)).epoch, 2);
    // It never started, and is gone: the old one takes its job up again.
    undone.pods.remove("uid-2");
    assert_eq!(goes(&mut undone, in_pod(1, 1)).epoch, 2);
}

#[test]
fn a_holder_that_died_before_it_handed_over_takes_its_job_up_again_and_is_asked_again() {
    let mut world = running(2);
    waits(&mut world, asking(2, 0));
    // Its container was killed without a word, and has started again: both must not wait for each other.
    assert_eq!(goes(&mut world, in_pod(1, 1)).epoch, 2);
    waits(&mut world, asking(2, 0));
    let asked = Fact::HandoverAsked { by: pod(2) };
    assert_eq!(world.record.last().map(|entry| (entry.epoch, &entry.fact)), Some((2, &asked)));
}

#[test]
fn a_holder_on_a_lost_node_is_taken_over_by_a_persons_word() {
    let mut world = running(2);
    waits(&mut world, in_pod(2, 0));
    world.say(1, Fact::TakenOver);
    assert_eq!(goes(&mut world, in_pod(2, 0)).epoch, 2);
    // The word was for that epoch only.
    world.pods.insert(pod(3).uid);
    waits(&mut world, in_pod(3, 0));
}

#[test]
fn what_nobody_can_tell_is_waited_for() {
    let mut world = running(1);
    let mut process = Process::new(in_pod(2, 0));
    while !matches!(process.wants(), Ok(Effect::Look(_))) {
        process.step(&mut world, Mishap::Nothing);
    }
    let trouble = Trouble { reason: "the API server does not answer".into(), passes: true };
    process.start.on(Event::Liveness(Liveness::Unknown(trouble)));
    assert!(matches!(process.wants(), Err(Verdict::Later { .. })));
}
