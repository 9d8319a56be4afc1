//! The rungs of a stop, and what is in flight when it begins.

use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::support::eventually;
use crate::support::fake_flink::{Call, Fault, Others, Stopping};
use crate::support::process::Process;
use crate::world::{LONG, World, how, terminate};

const NEVER: Stopping = Stopping::After(Duration::from_secs(120));

/// As Flink 1.15 and 1.16 answer what they don't know.
const NO_SUCH_REQUEST: Fault =
    Fault::Answer(404, "application/json", r#"{"errors":["Not found: /jobs/x/checkpoints"]}"#);

/// SIGTERM, and what the stop came to.
fn stop(process: &Process) -> Value {
    process.signal(Signal::SIGTERM);
    process.logged("stopped", LONG)
}

#[track_caller]
fn assert_says(stopped: &Value, outcome: &str, words: &str) {
    assert_eq!(stopped["outcome"], outcome, "{stopped}");
    assert!(stopped["reason"].as_str().unwrap().contains(words), "{words:?} is not in {stopped}");
}

/// A running job whose newest checkpoint is a minute old, with 6 s for a stop of which nothing is known.
fn with_an_old_checkpoint(world: &World) -> Process {
    let process = world.up(&how().grace("8s", "2s"));
    world.flink.checkpoint();
    world.flink.checkpoint_is_old(Duration::from_secs(60));
    process
}

#[test]
fn with_little_time_a_checkpoint_on_demand_comes_before_the_savepoint() {
    let world = World::new();
    let process = with_an_old_checkpoint(&world);
    let stopped = stop(&process);
    assert_says(&stopped, "savepoint", "left, checkpoint 2 was taken on demand");
    let order: Vec<Call> = world.flink.requests().iter().map(|request| request.call).collect();
    let first = |call| order.iter().position(|one| *one == call);
    assert!(first(Call::TakeCheckpoint).is_some() && first(Call::TakeCheckpoint) < first(Call::Stop), "{order:?}");
    assert_eq!(world.flink.count(Call::TakeCheckpoint), 1);
    world.next_restores(stopped["point"].as_str().unwrap());
}

#[test]
fn a_savepoint_that_was_late_after_all_leaves_the_checkpoint_that_was_taken_before() {
    let world = World::new();
    let mut process = with_an_old_checkpoint(&world);
    world.flink.stops(&[NEVER]);
    let (code, took) = terminate(&mut process, LONG);
    assert_eq!(code, 143);
    assert!(took < Duration::from_secs(8), "{took:?}: {}", process.text());
    let newest = world.newest();
    assert_eq!((&newest["outcome"], &newest["checkpoint_id"]), (&"checkpoint".into(), &2.into()), "{newest:#}");
    world.next_restores(newest["path"].as_str().unwrap());
}

#[test]
fn a_savepoint_that_will_not_fit_is_left_out_where_a_checkpoint_can_be_had() {
    let world = World::new();
    let mut process = with_an_old_checkpoint(&world);
    // 40 ms for a megabyte: hours for a terabyte.
    world.flink.state_is_large(1 << 20, 1 << 40);
    process.logged("the grace period is too short", LONG);
    let stopped = stop(&process);
    assert_says(
        &stopped,
        "checkpoint",
        "left, checkpoint 2 was taken on demand; the newest completed checkpoint is kept",
    );
    assert!(stopped["reason"].as_str().unwrap().contains("no final savepoint: predicted "), "{stopped}");
    assert_eq!(process.exit_code(LONG), 143);
    assert_eq!(world.flink.count(Call::Stop), 0, "{}", process.text());
    world.next_restores(stopped["point"].as_str().unwrap());
}

#[test]
fn flink_before_1_17_takes_no_checkpoint_on_demand_and_the_stop_goes_on() {
    let world = World::new();
    let process = with_an_old_checkpoint(&world);
    world.flink.fault(Call::TakeCheckpoint, &NO_SUCH_REQUEST, usize::MAX);
    let stopped = stop(&process);
    assert_says(&stopped, "savepoint", "no checkpoint could be taken on demand");
    assert_eq!(world.flink.count(Call::TakeCheckpoint), 1, "a refusal is not asked for again");
    world.next_restores(stopped["point"].as_str().unwrap());
}

#[test]
fn a_stop_that_somebody_else_has_begun_is_not_destroyed_by_ours() {
    let world = World::new();
    let process = world.up(&how());
    world.flink.somebody_begins(Others::Stop, &world.path("savepoints"), Duration::from_secs(2));
    assert_says(&stop(&process), "ended", "stopped while the stop waited for that");
    assert_eq!(world.flink.count(Call::Stop), 0, "{}", process.text());
    let newest = world.newest();
    let path = newest["path"].as_str().unwrap_or_else(|| panic!("{newest:#}"));
    assert_eq!((&newest["kind"], &newest["outcome"]), (&"manual".into(), &"ended".into()), "{newest:#}");
    // A person stopped it: the next start goes on from there.
    world.next_restores(path);
}

#[test]
fn a_stop_that_somebody_else_has_begun_and_that_fails_is_followed_by_ours() {
    let world = World::new();
    let process = world.up(&how());
    world.flink.somebody_begins(Others::Stop, &world.path("savepoints"), Duration::from_secs(120));
    process.signal(Signal::SIGTERM);
    let looks = || (world.flink.count(Call::Checkpoints) > 4).then_some(());
    eventually("a look at what Flink is doing", LONG, looks);
    assert_eq!(world.flink.count(Call::Stop), 0);
    world.flink.somebody_gives_up();
    let stopped = process.logged("stopped", LONG);
    assert_says(&stopped, "savepoint", "");
    world.next_restores(stopped["point"].as_str().unwrap());
}

#[test]
fn a_stop_of_somebody_else_that_takes_too_long_leaves_the_checkpoint_by_sigkill() {
    let world = World::new();
    let mut process = world.up(&how().grace("4s", "2s"));
    let checkpoint = world.flink.checkpoint();
    world.flink.somebody_begins(Others::Stop, &world.path("elsewhere"), Duration::from_secs(120));
    let (code, took) = terminate(&mut process, LONG);
    assert_eq!(code, 143);
    assert!(took < Duration::from_secs(4), "{took:?}: {}", process.text());
    assert_eq!(world.flink.count(Call::Stop), 0);
    assert_eq!(world.heard(), Vec::<String>::new(), "were that stop to end now, it would delete the checkpoint");
    world.next_restores(&checkpoint);
}

#[test]
fn a_savepoint_that_somebody_else_has_begun_is_waited_for_a_while() {
    let world = World::new();
    let process = world.up(&how());
    world.flink.somebody_begins(Others::Savepoint, &world.path("elsewhere"), Duration::from_secs(1));
    let path = world.stopped_with_savepoint(process);
    assert!(world.path("elsewhere/savepoint-000000-1/_metadata").exists(), "ours aborted it");
    world.next_restores(&path);
}
