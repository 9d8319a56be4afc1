//! Points that Flink can't restore, and a plan that is made again from what it rested on.

use std::fs;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::support::fake_flink::{Failing, url};
use crate::support::process::Process;
use crate::world::{How, LONG, World, each, entrypoint, how};

const CHANGED: &str = "org.apache.flink.runtime.client.JobInitializationException: Could not start the JobMaster.
\tat org.apache.flink.runtime.jobmaster.DefaultJobMasterServiceProcess.lambda$new$0(DefaultJobMasterServiceProcess.java:97)
Caused by: java.lang.IllegalStateException: Failed to rollback to checkpoint/savepoint file:/x. Cannot map checkpoint/savepoint state for operator 0da08f51eaa85fc298e176a139b3649a to the new program, because the operator is not available in the new program.
\tat org.apache.flink.runtime.checkpoint.Checkpoints.throwNonRestoredStateException(Checkpoints.java:240)
";
const AWAY: &str = "java.lang.Exception: Exception while creating StreamOperatorStateContext.
Caused by: org.apache.flink.util.FlinkException: Could not restore keyed state backend for X_(1/1) from any of the 1 provided restore options.
Caused by: java.net.ConnectException: Connection refused
";

#[track_caller]
fn ends(mut process: Process, code: i32) -> Process {
    assert_eq!(process.exit_code(LONG), code, "{}", process.text());
    process
}

/// A start that fails to restore its point.
#[track_caller]
fn fails(world: &World, how: &How, epoch: u64) {
    let process = ends(world.run(how), 65);
    let said = process.find("Flink can't restore the point").unwrap_or_else(|| panic!("{}", process.text()));
    assert_eq!((&said["epoch"], &said["class"]), (&epoch.into(), &"incompatible".into()), "{said}");
    let failed = world.recorded(epoch, "restore_failed").unwrap();
    assert!(failed["fact"]["reason"].as_str().unwrap().contains("Cannot map"), "{failed}");
    assert!(world.recorded(epoch, "ended").is_none(), "a job that never ran has not ended");
    let newest = world.newest();
    assert_eq!((&newest["epoch"], &newest["path"]), (&epoch.into(), &Value::Null), "{newest}");
    assert!(newest["restore_failed"].as_str().unwrap().contains("Cannot map"), "{newest}");
    assert!(world.verb(&["history"]).out.contains("unrestored"));
}

#[test]
fn after_three_starts_that_failed_to_restore_a_point_the_gate_says_why() {
    each(&[Failing::ForGood, Failing::AgainAndAgain], |failing| {
        let world = World::new();
        let older = world.one_epoch();
        let point = world.one_epoch();
        world.flink.fails_to_restore(&point, *failing, CHANGED);
        for epoch in 3..=5 {
            world.next_restores(&point);
            fails(&world, &how(), epoch);
        }
        let reason = world.next("refuse");
        for words in [
            "Cannot map",
            "3 starts in a row",
            "restore.allow_non_restored_state",
            "savepointd pin",
            "restore.on_failed",
        ] {
            assert!(reason.contains(words), "{words:?} is not in {reason}");
        }
        // It waits at the gate, and starts nothing.
        let process = world.run(&how().waits());
        let waiting = process.logged("waiting at the gate; Flink is not started", LONG);
        assert!(waiting["reason"].as_str().unwrap().contains("Cannot map"), "{waiting}");
        process.signal(Signal::SIGTERM);
        ends(process, 143);
        assert_eq!(world.flink.starts().len(), 5);

        // The program is mended, and a person says so.
        world.flink.restores_again();
        assert_eq!(world.verb(&["pin", &point]).code, 0);
        let process = world.up(&how());
        assert_eq!(world.told().as_deref(), Some(&*point));
        let newest = world.stopped_with_savepoint(process);
        world.next_restores(&newest);
        assert_ne!(newest, older);
    });
}

#[test]
fn where_the_policy_says_so_the_next_older_point_is_restored() {
    let world = World::new();
    let older = world.one_epoch();
    let point = world.one_epoch();
    world.flink.fails_to_restore(&point, Failing::ForGood, CHANGED);
    let how = how().set("restore.attempts=2").set("restore.on_failed=previous");
    fails(&world, &how, 3);
    fails(&world, &how, 4);
    let process = world.up(&how);
    assert_eq!(world.told().as_deref(), Some(&*older));
    let start = process.find("start").unwrap();
    assert!(start["reason"].as_str().unwrap().contains("Cannot map"), "{start}");
    let newest = world.stopped_with_savepoint(process);
    world.next_restores(&newest);
}

#[test]
fn an_outage_is_no_fault_of_the_point() {
    let world = World::new();
    let point = world.one_epoch();
    world.flink.fails_to_restore(&point, Failing::ForGood, AWAY);
    for epoch in 2..=5 {
        ends(world.run(&how()), 1);
        assert!(world.recorded(epoch, "restore_failed").is_none());
        assert!(world.recorded(epoch, "ended").is_some());
    }
    world.next_restores(&point);
}

#[test]
fn a_job_that_fails_after_it_was_restored_counts_as_it_did() {
    let world = World::new();
    let point = world.one_epoch();
    for _ in 2..=5 {
        let process = world.up(&how());
        assert_eq!(world.told().as_deref(), Some(&*point));
        world.flink.end("FAILED");
        ends(process, 1);
    }
    world.next_restores(&point);
}

#[test]
fn a_plan_that_was_saved_is_made_again_without_record_and_storage() {
    let world = World::new();
    let first = world.one_epoch();
    let second = world.one_epoch();
    world.flink.fails_to_restore(&second, Failing::ForGood, CHANGED);
    fails(&world, &how(), 3);
    let script = entrypoint().display().to_string();
    let command = ["--", &*script, "standalone-job", "--job-classname", "Job"];
    let attempts = ["--set", "restore.attempts=1", "--set", "restore.on_failed=previous"];
    let json = world.verb(&[&["plan", "--output", "json"][..], &attempts, &command].concat());
    let table = world.verb(&[&["plan"][..], &attempts, &command].concat());
    assert_eq!((json.code, table.code), (0, 0), "{json:?} {table:?}");
    let mut plan: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!((&plan["path"], &plan["version"]), (&first.as_str().into(), &1.into()), "{plan:#}");
    for line in table.out.lines().filter(|line| !line.contains(&url(world.dir.path()))) {
        assert!(line.chars().count() <= 80, "{line}");
    }

    let file = world.path("plan.json");
    fs::write(&file, &json.out).unwrap();
    for name in ["record", "savepoints", "checkpoints", "conf"] {
        fs::remove_dir_all(world.path(name)).unwrap();
    }
    let file = file.display().to_string();
    let again = world.verb(&["plan", "--replay", &file, "--output", "json"]);
    assert_eq!((again.code, &again.out), (0, &json.out), "{again:?}");
    assert_eq!(world.verb(&["plan", "--replay", &file]).out, table.out);

    // What a newer savepointd adds is passed over; what it means by a newer form nobody here can tell.
    plan["situation"]["weather"] = "fine".into();
    plan["situation"]["policy"]["if_failed"]["attempts"] = 2.into();
    fs::write(&file, plan.to_string()).unwrap();
    let other: Value = serde_json::from_str(&world.verb(&["plan", "--replay", &file, "--output", "json"]).out).unwrap();
    assert_eq!(other["path"], second.as_str(), "{other:#}");
    plan["version"] = 2.into();
    fs::write(&file, plan.to_string()).unwrap();
    let newer = world.verb(&["plan", "--replay", &file]);
    assert!(newer.code != 0 && newer.err.contains("form 2"), "{newer:?}");
    fs::write(&file, "[]").unwrap();
    assert!(world.verb(&["plan", "--replay", &file]).err.contains("plan --output json"));
}
