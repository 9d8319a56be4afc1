//! Which point a start uses: first, explicit, pinned, fresh; and whether Flink used it.

use nix::sys::signal::Signal;

use crate::support::fake_flink::{Call, Fault, url, write_point};
use crate::world::{LONG, World, each, how, kill_hard};

#[test]
fn a_first_start_begins_with_nothing_and_says_so() {
    let world = World::new();
    world.next("fresh");
    let process = world.run(&how());
    let start = process.logged("start", LONG);
    assert_eq!(start["decision"], "fresh", "{start}");
    process.logged("the restore is confirmed", LONG);
    assert_eq!(world.told(), None);
    let argv = world.started().argv;
    assert_eq!(argv[1], "standalone-job");
    assert_eq!(argv[2], "--job-id", "options stand right behind the mode word: {argv:?}");
    assert_eq!(argv[argv.len() - 2..], ["--job-classname", "Job"]);
    for option in [
        "-Dexecution.checkpointing.externalized-checkpoint-retention=RETAIN_ON_CANCELLATION",
        "-Dexecution.shutdown-on-application-finish=false",
    ] {
        assert!(argv.iter().any(|word| word == option), "{argv:?}");
    }
    world.stopped_with_savepoint(process);
}

#[test]
fn restart_after_restart_goes_on_from_the_last_savepoint() {
    let world = World::new();
    let mut last = None;
    for epoch in 1..=4 {
        let process = world.up(&how());
        assert_eq!(world.told(), last);
        let savepoint = world.stopped_with_savepoint(process);
        let newest = world.newest();
        assert_eq!(newest["path"], savepoint.as_str());
        assert_eq!((&newest["epoch"], &newest["checkpoint_id"]), (&epoch.into(), &epoch.into()), "{newest:#}");
        assert_eq!((&newest["kind"], &newest["outcome"]), (&"final".into(), &"savepoint".into()));
        assert!(newest["bytes"].as_u64().unwrap() > 1_000 && newest["completed_at"].is_string(), "{newest:#}");
        last = Some(savepoint);
    }
    assert_eq!(world.flink.trigger_ids().len(), 4);
}

#[test]
fn a_crash_without_a_checkpoint_restores_the_base_again() {
    let world = World::new();
    let base = world.one_epoch();
    for _ in 0..2 {
        let mut process = world.up(&how());
        assert_eq!(world.told().as_deref(), Some(&*base));
        kill_hard(&mut process);
    }
    world.next_restores(&base);
}

#[test]
fn an_explicit_path_counts_when_it_is_new_and_only_then() {
    let world = World::new();
    let points: Vec<String> = ["savepoint-aaaaaa-1", "savepoint-bbbbbb-2"]
        .iter()
        .zip([30, 20])
        .map(|(name, number)| {
            let directory = world.path("elsewhere").join(name);
            write_point(&directory, number);
            url(&directory)
        })
        .collect();
    let first = world.up(&how().restoring(&points[0]));
    assert_eq!(world.told().as_deref(), Some(&*points[0]), "given at the first start");
    let savepoint = world.stopped_with_savepoint(first);

    let same = world.up(&how().restoring(&points[0]));
    assert_eq!(world.told(), Some(savepoint), "the same again is what the manifest has said all along");
    let argv = world.started().argv;
    assert_eq!(argv.iter().filter(|word| *word == "--fromSavepoint").count(), 1, "{argv:?}");
    world.stopped_with_savepoint(same);

    let mut other = world.up(&how().restoring(&points[1]));
    assert_eq!(world.told().as_deref(), Some(&*points[1]), "another one is somebody's wish, older or not");
    kill_hard(&mut other);
    let again = world.up(&how().restoring(&points[1]));
    assert_eq!(world.told().as_deref(), Some(&*points[1]), "and stays the base until there is something after it");
    let after = world.stopped_with_savepoint(again);
    let gone = world.up(&how());
    assert_eq!(world.told(), Some(after), "taken out of the manifest, nothing changes");
    world.stopped_with_savepoint(gone);
}

#[test]
fn an_explicit_path_in_a_dynamic_property_counts_the_same() {
    let world = World::new();
    world.one_epoch();
    let point = world.path("elsewhere/savepoint-aaaaaa-1");
    write_point(&point, 30);
    let mut how = how();
    how.arguments.push(format!("-Dexecution.savepoint.path={}", url(&point)));
    let process = world.up(&how);
    assert_eq!(world.told(), Some(url(&point)));
    assert!(!world.started().argv.iter().any(|word| word.contains("execution.savepoint.path")));
    world.stopped_with_savepoint(process);
}

#[test]
fn an_explicit_path_that_holds_nothing_is_refused() {
    let world = World::new();
    world.one_epoch();
    let mut process = world.run(&how().restoring("file:///nowhere/savepoint-aaaaaa-1"));
    assert_eq!(process.exit_code(LONG), 77, "{}", process.text());
    assert_eq!(world.flink.starts().len(), 1);
}

#[test]
fn a_pin_is_used_until_something_after_it_is_complete() {
    let world = World::new();
    let older = world.one_epoch();
    let newer = world.one_epoch();
    assert_eq!(world.verb(&["pin", &older]).code, 0);
    world.next_restores(&older);
    let mut crashing = world.up(&how());
    assert_eq!(world.told().as_deref(), Some(&*older));
    kill_hard(&mut crashing);
    world.next_restores(&older);
    let mut process = world.up(&how());
    assert_eq!(world.told().as_deref(), Some(&*older), "not the newer one that the pin has passed over");
    let checkpoint = world.flink.checkpoint();
    kill_hard(&mut process);
    world.next_restores(&checkpoint);
    let plan = world.plan();
    let passed = plan["candidates"].as_array().unwrap().iter().find(|one| one["point"]["path"] == newer.as_str());
    assert!(passed.unwrap()["reason"].as_str().unwrap().contains("went on from an earlier point"), "{plan:#}");
}

#[test]
fn an_existing_job_is_adopted_by_a_pin_before_the_first_start() {
    let world = World::new();
    let place = world.path("savepoints").join("savepoint-aaaaaa-000000000001");
    write_point(&place, 7);
    let point = url(&place);
    assert_eq!(world.verb(&["pin", &point]).code, 0);
    let process = world.up(&how());
    assert_eq!(world.told().as_deref(), Some(&*point));
    let savepoint = world.stopped_with_savepoint(process);
    world.next_restores(&savepoint);
}

#[test]
fn a_pin_can_be_taken_back_and_one_that_names_nothing_is_refused() {
    let world = World::new();
    let older = world.one_epoch();
    let newer = world.one_epoch();
    assert_eq!(world.verb(&["pin", &older]).code, 0);
    assert_eq!(world.verb(&["unpin"]).code, 0);
    world.next_restores(&newer);
    let said = world.verb(&["pin", "/nowhere/savepoint-1"]);
    assert_eq!(said.code, 77, "{said:?}");
    assert!(said.err.contains("nothing is there"), "{said:?}");
    world.next_restores(&newer);
}

#[test]
fn fresh_is_for_one_start() {
    let world = World::new();
    world.one_epoch();
    assert_eq!(world.verb(&["fresh"]).code, 0);
    world.next("fresh");
    let mut process = world.up(&how());
    assert_eq!(world.told(), None);
    let checkpoint = world.flink.checkpoint();
    kill_hard(&mut process);
    world.next_restores(&checkpoint);
    let mut process = world.up(&how());
    assert_eq!(world.told(), Some(checkpoint));
    kill_hard(&mut process);
}

#[test]
fn a_restore_that_flink_did_not_make_is_cancelled_and_void() {
    each(&[None, Some("file:///somewhere/else/savepoint-1")], |restored| {
        let world = World::new();
        let base = world.one_epoch();
        world.flink.restores(*restored);
        let mut process = world.run(&how());
        assert_eq!(process.exit_code(LONG), 65, "{}", process.text());
        assert_eq!(world.flink.count(Call::Cancel), 1);
        assert_eq!(world.flink.count(Call::Stop), 1, "no savepoint of a state that is wrong");
        let cancelled = world.flink.requests().iter().find(|request| request.call == Call::Cancel).cloned().unwrap();
        assert!(cancelled.path.ends_with("?mode=cancel"), "{cancelled:?}");
        let voided = world.recorded(2, "voided").unwrap();
        assert!(voided["fact"]["reason"].as_str().unwrap().contains("the job r"), "{voided}");
        world.next_restores(&base);
    });
}

#[test]
fn what_a_void_epoch_has_written_is_never_used() {
    let world = World::new();
    let base = world.one_epoch();
    world.flink.restores(None);
    // Flink does not take the cancellation, and the entrypoint no SIGTERM: it is killed.
    world.flink.fault(Call::Cancel, &Fault::Answer(500, "application/json", "{}"), usize::MAX);
    let mut process = world.run(&how().env("FAKE_IGNORE_TERM", "1"));
    world.started_times(2);
    let checkpoint = world.flink.checkpoint();
    process.logged("the job is cancelled", LONG);
    assert_eq!(process.exit_code(LONG), 65, "{}", process.text());
    assert!(world.recorded(2, "voided").is_some(), "recorded before anything was killed");
    let plan = world.plan();
    assert_eq!(plan["path"], base.as_str(), "{plan:#}");
    let why = plan["candidates"].as_array().unwrap().iter().find(|one| one["point"]["path"] == checkpoint.as_str());
    assert!(why.unwrap()["reason"].as_str().unwrap().contains("void"), "{plan:#}");
}

#[test]
fn a_fresh_start_that_restored_something_is_void_too() {
    let world = World::new();
    world.flink.restores(Some("file:///somewhere/else/savepoint-1"));
    let mut process = world.run(&how());
    assert_eq!(process.exit_code(LONG), 65, "{}", process.text());
    world.next("fresh");
}

#[test]
fn a_stop_before_the_restore_was_confirmed_still_saves() {
    let world = World::new();
    let base = world.one_epoch();
    world.flink.fault(Call::Checkpoints, &Fault::Hang, usize::MAX);
    let before = world.flink.count(Call::Checkpoints);
    let process = world.run(&how());
    crate::support::eventually("the watch", LONG, || (world.flink.count(Call::Checkpoints) > before).then_some(()));
    let savepoint = world.stopped_with_savepoint(process);
    assert_ne!(savepoint, base);
    let newest = world.newest();
    assert_eq!((&newest["confirmed"], &newest["path"]), (&false.into(), &savepoint.clone().into()), "{newest:#}");
    world.next_restores(&savepoint);
}

#[test]
fn a_stop_right_after_the_start_is_unchanged_or_saved_but_never_lost() {
    let world = World::new();
    let mut last = world.one_epoch();
    for _ in 0..3 {
        let mut process = world.run(&how());
        process.logged("the entrypoint is started", LONG);
        process.signal(Signal::SIGTERM);
        assert_eq!(process.exit_code(LONG), 143);
        let stopped = process.logged("stopped", LONG);
        match stopped["outcome"].as_str().unwrap() {
            "savepoint" => last = stopped["point"].as_str().unwrap().to_owned(),
            "unchanged" => {}
            other => panic!("{other}: {}", process.text()),
        }
        world.next_restores(&last);
    }
}
