//! Flink's own high availability: what of it is left in storage decides how a stop ends and what a start may do.

use std::fs;
use std::path::PathBuf;

use nix::sys::signal::Signal;

use crate::support::eventually;
use crate::support::fake_flink::url;
use crate::support::ha::completed_checkpoint;
use crate::world::{How, LONG, World, how, kill_hard};

const JOB: &str = "00000000c0ffee000000000000000000";

/// A cluster whose Flink runs with high availability: that of the scripted Flink are the files that a test puts there.
fn world() -> World {
    let world = World::new();
    let storage = format!("high-availability.storageDir: {}", url(&world.path("ha")));
    world.configure(&["high-availability.type: zookeeper", &storage, "high-availability.cluster-id: /orders"]);
    fs::create_dir_all(world.path("ha/orders")).unwrap();
    world
}

/// Flink's one id for the job, which the scripted Flink has to be told.
fn under_one_id() -> How {
    How { arguments: vec!["--job-id".to_owned(), JOB.to_owned()], ..how() }
}

/// Flink has a job to run again.
fn a_job_is_left(world: &World) -> PathBuf {
    let file = world.path("ha/orders/submittedJobGraph23076cc158c0");
    fs::write(&file, "a job").unwrap();
    file
}

/// From this point.
fn it_is_recovered_from(world: &World, number: u64, path: &str) -> PathBuf {
    let file = world.path(&format!("ha/orders/completedCheckpoint{number:012x}"));
    fs::write(&file, completed_checkpoint(number, path, JOB)).unwrap();
    file
}

fn entry_of_the_result_store(world: &World) -> PathBuf {
    world.path(&format!("ha/job-result-store/orders/{JOB}_DIRTY.json"))
}

fn plan(world: &World) -> serde_json::Value {
    let script = crate::world::entrypoint().display().to_string();
    let words =
        ["plan", "--output", "json", "--", &script, "standalone-job", "--job-id", JOB, "--job-classname", "Job"];
    world.json(&words)
}

#[test]
fn the_job_manager_hears_of_the_end_only_when_nothing_is_left() {
    let world = world();
    let mut process = world.up(&under_one_id());
    let left = a_job_is_left(&world);
    process.signal(Signal::SIGTERM);
    eventually("the outcome is durable", LONG, || world.recorded(1, "stopped"));
    assert!(world.heard().is_empty() && process.find("stopped").is_none(), "{}", process.text());
    fs::remove_file(left).unwrap();
    assert_eq!(process.exit_code(LONG), 143, "{}", process.text());
    let stopped = process.find("stopped").unwrap();
    assert_eq!(stopped["outcome"], "savepoint", "{stopped}");
    assert!(!stopped["reason"].as_str().unwrap().contains("high availability"), "{stopped}");
}

#[test]
fn a_clean_up_that_was_cut_off_is_finished_by_the_next_start() {
    let world = world();
    let mut process = world.up(&under_one_id().grace("3s", "2s"));
    let checkpoint = world.flink.checkpoint();
    let left = [a_job_is_left(&world), it_is_recovered_from(&world, 1, &checkpoint)];
    process.signal(Signal::SIGTERM);
    assert_eq!(process.exit_code(LONG), 143, "{}", process.text());
    let stopped = process.find("stopped").unwrap();
    let (reason, savepoint) = (stopped["reason"].as_str().unwrap(), stopped["point"].as_str().unwrap());
    assert!(reason.contains("the deadline came before") && reason.contains(&checkpoint), "{stopped}");

    // The scripted Flink had deleted the checkpoint with the job, as Flink does.
    let refusing = under_one_id().set("ha.on_leftover=refuse");
    let mut refused = world.run(&refusing);
    assert_eq!(refused.exit_code(LONG), 77, "{}", refused.text());
    let why = refused.logged("Flink is not started", LONG)["reason"].as_str().unwrap().to_owned();
    for word in [savepoint, "ha.on_leftover", "ZooKeeper: /flink/orders"] {
        assert!(why.contains(word), "{word:?} is not in {why}");
    }
    assert!(!entry_of_the_result_store(&world).exists());

    let planned = plan(&world);
    assert_eq!(
        (planned["decision"].as_str(), planned["path"].as_str()),
        (Some("restore"), Some(savepoint)),
        "{planned:#}"
    );
    let process = world.up(&under_one_id());
    assert_eq!(world.told().as_deref(), Some(savepoint));
    let entry = fs::read_to_string(entry_of_the_result_store(&world)).unwrap();
    let entry: serde_json::Value = serde_json::from_str(&entry).unwrap();
    assert_eq!((&entry["result"]["id"], &entry["result"]["application-status"]), (&JOB.into(), &"CANCELED".into()));
    for file in left.iter().chain([&entry_of_the_result_store(&world)]) {
        fs::remove_file(file).unwrap();
    }
    world.stopped_with_savepoint(process);
}

#[test]
fn a_job_manager_that_has_only_cleaned_up_is_started_once_more() {
    let world = world();
    let process = world.up(&under_one_id());
    let savepoint = world.stopped_with_savepoint(process);
    let dirty = entry_of_the_result_store(&world);
    fs::create_dir_all(dirty.parent().unwrap()).unwrap();
    fs::write(&dirty, "").unwrap();

    // Flink shows the ended job, and runs no other.
    world.flink.tasks(Some(0));
    let process = world.run(&under_one_id().waits());
    world.started_times(2);
    world.flink.end("CANCELED");
    process.logged("Flink has cleaned up what was left of the ended job; starting once more", LONG);
    fs::remove_file(&dirty).unwrap();
    world.started_times(3);
    world.flink.tasks(None);
    assert_eq!(process.logged("the restore is confirmed", LONG)["restored"], savepoint.as_str());
    assert!(world.entries().iter().all(|entry| entry["fact"]["what"] != "ended"), "{:#?}", world.entries());
    world.stopped_with_savepoint(process);
}

#[test]
fn after_a_crash_flink_recovers_the_newest_checkpoint_and_that_is_the_base() {
    let world = world();
    let mut process = world.up(&under_one_id());
    let (first, second) = (world.flink.checkpoint(), world.flink.checkpoint());
    let left = [a_job_is_left(&world), it_is_recovered_from(&world, 2, &second)];
    eventually("progress", LONG, || world.recorded(1, "progressed"));
    kill_hard(&mut process);
    let planned = plan(&world);
    assert_eq!(
        (planned["decision"].as_str(), planned["path"].as_str()),
        (Some("restore"), Some(&*second)),
        "{planned:#}"
    );
    assert!(planned["reason"].as_str().unwrap().contains("recovers it"), "{planned:#}");

    // It would go back: never in silence.
    let older = it_is_recovered_from(&world, 1, &first);
    fs::remove_file(&left[1]).unwrap();
    let mut refused = world.run(&under_one_id());
    assert_eq!(refused.exit_code(LONG), 77, "{}", refused.text());
    let why = refused.logged("Flink is not started", LONG)["reason"].as_str().unwrap().to_owned();
    assert!(why.contains(&first) && why.contains(&second), "{why}");
    fs::remove_file(older).unwrap();

    it_is_recovered_from(&world, 2, &second);
    let mut process = world.up(&under_one_id());
    assert_eq!(world.told().as_deref(), Some(&*second));
    kill_hard(&mut process);
}

#[test]
fn a_job_that_flink_takes_for_ended_is_explained_before_the_start() {
    let world = world();
    let process = world.up(&under_one_id());
    world.stopped_with_savepoint(process);
    let entry = world.path(&format!("ha/job-result-store/orders/{JOB}.json"));
    fs::create_dir_all(entry.parent().unwrap()).unwrap();
    fs::write(&entry, "{}").unwrap();
    let starts = world.flink.starts().len();
    let mut refused = world.run(&under_one_id());
    assert_eq!(refused.exit_code(LONG), 77, "{}", refused.text());
    let why = refused.logged("Flink is not started", LONG)["reason"].as_str().unwrap().to_owned();
    assert!(why.contains(&url(&entry)) && why.contains("delete that file"), "{why}");
    assert_eq!(world.flink.starts().len(), starts);
}

#[test]
fn a_session_cluster_under_high_availability_is_refused() {
    let world = world();
    let mut process = world.run(&How {
        command: Some(vec![crate::world::entrypoint().display().to_string(), "jobmanager".to_owned()]),
        ..how()
    });
    assert_eq!(process.exit_code(LONG), 77, "{}", process.text());
}
