//! The job's own end is respected: known, recorded, and never undone by a restart.

use std::fs;
use std::time::Duration;

use crate::support::eventually;
use crate::support::fake_flink::{Call, Fault, url};
use crate::world::{LONG, World, each, how, terminate};

/// Ends the job of a second epoch in this way; gives the exit code of `run`.
fn ended(world: &World, how_it_ends: &'static str) -> i32 {
    world.one_epoch();
    let mut process = world.up(&how());
    world.flink.checkpoint();
    world.flink.end(how_it_ends);
    let code = process.exit_code(LONG);
    assert_eq!(world.heard().last().map(String::as_str), Some("TERM"), "the JobManager is ended in order");
    assert_eq!(world.flink.count(Call::Stop), 1, "nothing is saved of a job that is over");
    code
}

#[test]
fn a_job_that_finished_or_was_cancelled_ends_run_with_0_and_is_held() {
    each(&[("FINISHED", "finished"), ("CANCELED", "cancelled")], |(state, word)| {
        let world = World::new();
        assert_eq!(ended(&world, state), 0);
        let newest = world.newest();
        assert_eq!((&newest["epoch"], newest["ended"].as_str()), (&2.into(), Some(*word)), "{newest:#}");
        let reason = world.next("hold");
        assert!(reason.contains("savepointd fresh") && reason.contains("savepointd pin PATH"), "{reason}");
        let mut next = world.run(&how());
        assert_eq!(next.exit_code(LONG), 77, "{}", next.text());
        assert_eq!(world.flink.starts().len(), 2);
        // Only a person begins it again.
        assert_eq!(world.verb(&["fresh"]).code, 0);
        let next = world.up(&how());
        assert_eq!(world.told(), None);
        world.stopped_with_savepoint(next);
    });
}

#[test]
fn a_job_that_failed_for_good_ends_run_with_1_and_goes_on_from_its_newest_point() {
    let world = World::new();
    world.one_epoch();
    let mut process = world.up(&how());
    let checkpoint = world.flink.checkpoint();
    world.flink.end("FAILED");
    assert_eq!(process.exit_code(LONG), 1, "{}", process.text());
    let end = world.recorded(2, "ended").unwrap();
    assert_eq!(end["fact"]["how"], "failed");
    assert!(end["fact"]["reason"].as_str().unwrap().contains("the test wanted it"), "{end}");
    world.next_restores(&checkpoint);
}

#[test]
fn a_job_that_a_person_stopped_goes_on_from_that_persons_savepoint() {
    let elsewhere = |world: &World| world.path("somebody-elses");
    let default = |world: &World| world.path("savepoints");
    each(&[true, false], |in_default_directory| {
        let world = World::new();
        world.one_epoch();
        let mut process = world.up(&how());
        let target = if *in_default_directory { default(&world) } else { elsewhere(&world) };
        let savepoint = world.flink.stopped_by_a_person(&target);
        assert_eq!(process.exit_code(LONG), 0, "{}", process.text());
        let newest = world.newest();
        assert_eq!(
            (newest["ended"].as_str(), newest["kind"].as_str()),
            (Some("stopped"), Some("manual")),
            "{newest:#}"
        );
        assert_eq!(newest["path"], savepoint.as_str());
        world.next_restores(&savepoint);
        // Also where only the marker is left to tell of it.
        fs::rename(world.record(), world.path("away")).unwrap();
        if *in_default_directory {
            world.next_restores(&savepoint);
        }
        fs::rename(world.path("away"), world.record()).unwrap();
        let next = world.up(&how());
        assert_eq!(world.told(), Some(savepoint));
        world.stopped_with_savepoint(next);
    });
}

#[test]
fn an_end_just_before_the_signal_is_recorded_by_the_stop() {
    each(&[("FINISHED", "hold"), ("CANCELED", "hold"), ("FAILED", "restore")], |(state, decision)| {
        let world = World::new();
        let mut process = world.up(&how());
        world.flink.checkpoint();
        world.flink.end(state);
        let (code, _) = terminate(&mut process, LONG);
        assert!([143, 0, 1].contains(&code), "{code}: {}", process.text());
        assert!(world.recorded(1, "ended").is_some(), "{}", process.text());
        world.next(decision);
    });
}

#[test]
fn a_savepoint_that_a_person_took_in_passing_is_used_like_any_point() {
    let world = World::new();
    let mut process = world.up(&how());
    let job = world.flink.job_id();
    let taken = world.path("savepoints").join(format!("savepoint-{}-0123456789ab", &job[..6]));
    crate::support::fake_flink::write_point(&taken, 40);
    crate::world::kill_hard(&mut process);
    world.next_restores(&url(&taken));
}

#[test]
fn a_request_that_hangs_does_not_blind_the_watch() {
    each(&[Call::Jobs, Call::Checkpoints, Call::CheckpointConfig], |call| {
        let world = World::new();
        world.flink.fault(*call, &Fault::Hang, 1);
        let mut process = world.run(&how());
        eventually("the request that hangs", LONG, || (world.flink.count(*call) > 0).then_some(()));
        process.logged("the restore is confirmed", LONG);
        world.flink.end("CANCELED");
        assert_eq!(process.exit_code(LONG), 0, "{}", process.text());
    });
}

#[test]
fn an_end_is_recorded_before_the_jobmanager_is_ended_however_long_the_record_takes() {
    let world = World::new();
    let mut process = world.up(&how());
    let away = world.path("away");
    fs::rename(world.record(), &away).unwrap();
    fs::write(world.record(), "in the way").unwrap();
    world.flink.end("CANCELED");
    process.logged("can't be recorded yet", LONG);
    assert!(world.heard().is_empty());
    fs::remove_file(world.record()).unwrap();
    fs::rename(&away, world.record()).unwrap();
    assert_eq!(process.exit_code(LONG), 0, "{}", process.text());
    world.next("hold");
}

#[test]
fn a_record_that_is_away_does_not_keep_a_stop_from_saving() {
    let world = World::new();
    let mut process = world.up(&how().grace("4s", "2s"));
    let away = world.path("away");
    fs::rename(world.record(), &away).unwrap();
    fs::write(world.record(), "in the way").unwrap();
    let (code, took) = terminate(&mut process, LONG);
    assert_eq!(code, 143);
    assert!(took < Duration::from_secs(4), "{took:?}");
    let stopped = process.logged("stopped", LONG);
    assert_eq!((&stopped["outcome"], &stopped["recorded"]), (&"savepoint".into(), &false.into()), "{stopped}");
    fs::remove_file(world.record()).unwrap();
    fs::rename(&away, world.record()).unwrap();
    world.next_restores(stopped["point"].as_str().unwrap());
}
