//! A stop that nobody could record, and whose savepoint is complete: the next start finds it and records it.

use std::fs;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::support::eventually;
use crate::support::fake_flink::{Call, Fault, is_alive};
use crate::world::{LONG, World, how, kill_hard, signal};

/// The row of the salvaged savepoint, after the start that found it.
fn salvaged(world: &World, path: &str) -> Value {
    world.next_restores(path);
    assert!(world.recorded(1, "saved").is_none(), "nobody has recorded it before: {:?}", world.entries());
    let next = world.up(&how());
    assert_eq!(world.told().as_deref(), Some(path));
    let row = world.history().into_iter().find(|row| row["path"] == path).unwrap();
    assert_eq!((&row["epoch"], &row["kind"], &row["salvaged"]), (&1.into(), &"final".into(), &true.into()), "{row:#}");
    assert!(row["bytes"].as_u64() > Some(1_000) && row["completed_at"].is_string(), "{row:#}");
    assert!(world.verb(&["history"]).out.contains("salvaged"));
    // Once is enough.
    let newest = world.stopped_with_savepoint(next);
    world.stopped_with_savepoint(world.up(&how()));
    let entries = world.entries();
    let saved =
        entries.iter().filter(|entry| entry["fact"]["point"]["path"] == path && entry["fact"]["what"] == "saved");
    assert_eq!(saved.count(), 1);
    assert_ne!(newest, path);
    row
}

fn savepoint_in_folder(world: &World) -> String {
    let folder = world.folder().join("1");
    let name = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).next().unwrap();
    crate::support::fake_flink::url(&name)
}

#[test]
fn the_savepoint_of_a_stop_whose_agent_and_run_were_killed_before_they_read_of_it() {
    let world = World::new();
    let mut process = world.up(&how());
    world.flink.fault(Call::Poll, &Fault::Hang, usize::MAX);
    process.signal(Signal::SIGTERM);
    eventually("a savepoint", LONG, || (world.flink.job_state() == Some("FINISHED")).then_some(()));
    let (agent, entrypoint) = (process.agent().as_raw(), world.started().pid);
    kill_hard(&mut process);
    eventually("the end of the agent", LONG, || (!is_alive(agent) && !is_alive(entrypoint)).then_some(()));
    world.flink.heal();
    let row = salvaged(&world, &savepoint_in_folder(&world));
    assert!(row["outcome"].is_null(), "nobody knows how the stop ended: {row:#}");
}

#[test]
fn the_savepoint_of_a_stop_that_run_finished_alone() {
    let world = World::new();
    let mut process = world.up(&how());
    world.flink.fault(Call::Poll, &Fault::Hang, 1);
    process.signal(Signal::SIGTERM);
    eventually("a poll", LONG, || (world.flink.count(Call::Poll) > 0).then_some(()));
    eventually("a savepoint", LONG, || (world.flink.job_state() == Some("FINISHED")).then_some(()));
    signal(process.agent().as_raw(), Signal::SIGKILL);
    assert_eq!(process.exit_code(LONG), 143, "{}", process.text());
    salvaged(&world, &savepoint_in_folder(&world));
}

#[test]
fn the_outcome_of_a_stop_during_which_the_record_was_away() {
    let world = World::new();
    let mut process = world.up(&how().grace("8s", "2s"));
    let away = world.path("record-away");
    fs::rename(world.record(), &away).unwrap();
    fs::write(world.record(), "").unwrap();
    process.signal(Signal::SIGTERM);
    assert_eq!(process.exit_code(LONG), 143, "{}", process.text());
    let stopped = process.logged("stopped", LONG);
    assert_eq!((&stopped["outcome"], &stopped["recorded"]), (&"savepoint".into(), &false.into()), "{stopped}");
    fs::remove_file(world.record()).unwrap();
    fs::rename(&away, world.record()).unwrap();
    let path = stopped["point"].as_str().unwrap();
    world.next_restores(path);
    assert!(world.recorded(1, "saved").is_none(), "only the marker knows: {:?}", world.entries());
    let next = world.up(&how());
    assert_eq!(world.told().as_deref(), Some(path));
    let row = world.history().into_iter().find(|row| row["path"] == path).unwrap();
    assert_eq!((&row["kind"], &row["outcome"]), (&"final".into(), &"savepoint".into()), "{row:#}");
    assert_ne!(row["salvaged"], true, "it is known as if it had been recorded: {row:#}");
    world.stopped_with_savepoint(next);
    world.stopped_with_savepoint(world.up(&how()));
    let entries = world.entries();
    let of_the_first =
        |what: &str| entries.iter().filter(|one| one["epoch"] == 1 && one["fact"]["what"] == what).count();
    assert_eq!((of_the_first("saved"), of_the_first("stopped")), (1, 1), "once is enough");
}
