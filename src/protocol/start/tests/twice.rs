//! A record that is deleted between a start's base and its mark in the marker: the next start to rebuild it gets the same number.

use super::*;

/// Up to its mark in the marker.
fn based(world: &mut World, who: u8) -> Process {
    let mut process = Process::new(plan(who));
    while !matches!(process.wants(), Ok(Effect::Mark { .. })) {
        process.step(world, Mishap::Nothing);
    }
    process
}

/// Two starts that were both given epoch 2.
fn given_twice() -> (World, Process, Process) {
    let mut world = World::default();
    world.starts(1);
    world.checkpoint(1, 3);
    let first = based(&mut world, 2);
    world.record.clear();
    let second = based(&mut world, 3);
    assert_eq!((first.start.epoch, second.start.epoch), (2, 2));
    world.alive = [2, 3].map(|who| incarnation(who).incarnation).into();
    (world, first, second)
}

#[track_caller]
fn waits(world: &mut World, who: u8) {
    let verdict = Process::new(plan(who)).finish(world);
    assert!(matches!(verdict, Verdict::Later { .. }), "{verdict:?}");
}

#[track_caller]
fn goes(process: &mut Process, world: &mut World) -> Go {
    match process.finish(world) {
        Verdict::Go(go) => go,
        verdict => panic!("does not start: {verdict:?}"),
    }
}

#[test]
fn an_epoch_that_is_given_twice_is_begun_once() {
    for other_way_round in [false, true] {
        let (mut world, first, second) = given_twice();
        let (mut one, mut two, who, other) =
            if other_way_round { (second, first, 3, 2) } else { (first, second, 2, 3) };
        assert_eq!(goes(&mut one, &mut world).epoch, 2);
        let verdict = two.finish(&mut world);
        assert!(matches!(verdict, Verdict::Later { .. }), "{verdict:?}");
        waits(&mut world, other);

        // Its agent, which finds itself again, goes on; and when it has ended, the other one begins an epoch of its own.
        let again = Plan { running: true, ..plan(who) };
        let go = world.starts_as(again);
        assert!(go.epoch == 2 && go.resumed, "{go:?}");
        let newest = world.checkpoint(2, 4);
        world.alive.clear();
        let go = world.starts(other);
        assert_eq!((go.epoch, base(&go)), (3, Some(newest.as_str())));
    }
}

#[test]
fn an_epoch_that_is_given_twice_is_given_up_by_whom_the_record_does_not_know() {
    let (mut world, mut first, mut second) = given_twice();
    first.step(&mut world, Mishap::Torn);
    let verdict = second.finish(&mut world);
    assert!(matches!(verdict, Verdict::Later { .. }), "{verdict:?}");
    waits(&mut world, 3);
    // What it restores from is not in the marker: it has not begun, and takes another number.
    world.alive.clear();
    let go = world.starts(2);
    assert_eq!((go.epoch, base(&go)), (3, Some(path(1, 3).as_str())));
}
