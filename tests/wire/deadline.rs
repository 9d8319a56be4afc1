//! Every stop ends before its deadline, whatever is slow, hung or deaf.

use std::time::Duration;

use nix::sys::signal::Signal;

use crate::support::eventually;
use crate::support::fake_flink::{Call, Fault, Stopping, is_alive};
use crate::support::process::Process;
use crate::world::{How, LONG, World, each, how, kill_hard, signal, terminate};

const NEVER: Stopping = Stopping::After(Duration::from_secs(120));

#[test]
fn a_savepoint_slower_than_the_deadline_gives_way_to_the_newest_checkpoint() {
    let world = World::new();
    let mut process = world.up(&how().grace("4s", "2s"));
    world.flink.checkpoint();
    let checkpoint = world.flink.checkpoint();
    world.flink.stops(&[NEVER]);
    let (code, took) = terminate(&mut process, LONG);
    assert_eq!(code, 143);
    assert!(took < Duration::from_secs(4), "{took:?}: {}", process.text());
    assert!(took >= Duration::from_secs(2), "all of the time but the reserve is the savepoint's: {took:?}");
    let newest = world.newest();
    assert_eq!((&newest["outcome"], &newest["path"]), (&"checkpoint".into(), &checkpoint.clone().into()), "{newest:#}");
    assert_eq!(world.flink.trigger_ids().len(), 1);
    world.next_restores(&checkpoint);
}

#[test]
fn a_savepoint_slower_than_the_deadline_and_no_checkpoint_leave_the_base() {
    let world = World::new();
    let base = world.one_epoch();
    let mut process = world.up(&how().grace("4s", "2s"));
    world.flink.stops(&[NEVER]);
    let (code, took) = terminate(&mut process, LONG);
    assert_eq!(code, 143);
    assert!(took < Duration::from_secs(4), "{took:?}: {}", process.text());
    let newest = world.newest();
    assert_eq!((&newest["outcome"], &newest["path"]), (&"nothing".into(), &serde_json::Value::Null), "{newest:#}");
    world.next_restores(&base);
}

#[test]
fn a_savepoint_that_was_late_but_whole_is_found_by_the_next_start() {
    let world = World::new();
    let mut process = world.up(&how().grace("4s", "2s").env("FAKE_IGNORE_TERM", "1"));
    world.flink.checkpoint();
    // After the stop has given it up, before the JobManager is killed.
    world.flink.stops(&[Stopping::After(Duration::from_millis(3_200))]);
    let (code, _) = terminate(&mut process, LONG);
    assert_eq!(code, 143);
    let plan = world.plan();
    let path = plan["path"].as_str().unwrap();
    // On a busy machine it may have been later still than the kill; then the checkpoint stands.
    let late = std::fs::read_dir(world.folder().join("1")).is_ok_and(|mut entries| entries.next().is_some());
    assert_eq!(path.contains("/savepoint-"), late, "{plan:#}");
}

#[test]
fn an_entrypoint_that_ignores_sigterm_is_killed_before_the_deadline() {
    let world = World::new();
    let mut process = world.up(&how().grace("5s", "2s").env("FAKE_IGNORE_TERM", "1"));
    let pid = world.started().pid;
    let (code, took) = terminate(&mut process, LONG);
    assert_eq!(code, 143);
    assert!(took < Duration::from_secs(5), "{took:?}: {}", process.text());
    assert!(!is_alive(pid));
    assert_eq!(world.newest()["outcome"], "savepoint", "the savepoint was safe long before");
}

#[test]
fn nobody_who_is_hung_at_once_keeps_the_container_past_its_deadline() {
    // The agent is hung, Flink is hung, and the entrypoint is deaf.
    let world = World::new();
    let mut process = world.up(&how().grace("6s", "3s").env("FAKE_IGNORE_TERM", "1"));
    let checkpoint = world.flink.checkpoint();
    let agent = process.agent().as_raw();
    signal(agent, Signal::SIGSTOP);
    world.flink.fault(Call::Jobs, &Fault::Hang, usize::MAX);
    let (code, took) = terminate(&mut process, LONG);
    assert_eq!(code, 143);
    assert!(took < Duration::from_secs(6), "{took:?}: {}", process.text());
    assert!(!is_alive(agent));
    world.next_restores(&checkpoint);
}

#[test]
fn a_hung_agent_does_not_keep_run_from_taking_the_savepoint() {
    let world = World::new();
    let mut process = world.up(&how().grace("20s", "3s"));
    let agent = process.agent().as_raw();
    signal(agent, Signal::SIGSTOP);
    let (code, took) = terminate(&mut process, LONG);
    assert_eq!(code, 143);
    assert!(took < Duration::from_secs(20), "{took:?}");
    assert!(process.find("finishing the stop without the agent").is_some(), "{}", process.text());
    assert_eq!(world.flink.trigger_ids().len(), 1);
    let path = process.logged("stopped", LONG)["point"].as_str().unwrap().to_owned();
    world.next_restores(&path);
}

#[test]
fn a_jobmanager_that_dies_during_the_stop_ends_it_at_once_and_the_record_says_so() {
    each(&[true, false], |has_checkpoint| {
        let world = World::new();
        let mut process = world.up(&how().grace("30s", "3s"));
        let checkpoint = has_checkpoint.then(|| world.flink.checkpoint());
        world.flink.stops(&[NEVER]);
        process.signal(Signal::SIGTERM);
        eventually("a poll", LONG, || (world.flink.count(Call::Poll) > 1).then_some(()));
        signal(world.started().pid, Signal::SIGKILL);
        let begin = std::time::Instant::now();
        assert_eq!(process.exit_code(LONG), 143);
        assert!(begin.elapsed() < Duration::from_secs(15), "{}", process.text());
        let outcome = if *has_checkpoint { "checkpoint" } else { "nothing" };
        assert_eq!(world.newest()["outcome"], outcome, "{:#}\n{}", world.newest(), process.text());
        match checkpoint {
            Some(path) => world.next_restores(&path),
            None => drop(world.next("fresh")),
        }
    });
}

#[test]
fn a_run_that_is_killed_during_the_stop_does_not_keep_its_agent_until_the_deadline() {
    let world = World::new();
    let mut command = world.command(&[]);
    command.arg("agent").env("SAVEPOINTD_SOCKET", world.socket(1)).env("SAVEPOINTD_STOP__GRACE", "600s");
    let mut agent = Process::start(&mut command);
    let mut process = world.run(&How { without_agent: true, ..how() });
    agent.logged("the restore is confirmed", LONG);
    let checkpoint = world.flink.checkpoint();
    world.flink.stops(&[NEVER]);
    process.signal(Signal::SIGTERM);
    eventually("a poll", LONG, || (world.flink.count(Call::Poll) > 1).then_some(()));
    kill_hard(&mut process);
    agent.signal(Signal::SIGTERM);
    agent.exit_code(LONG);
    assert_eq!(world.newest()["outcome"], "checkpoint", "{:#}\n{}", world.newest(), agent.text());
    world.next_restores(&checkpoint);
}

#[test]
fn the_deadline_holds_on_the_first_start_too_before_flink_answers_anything() {
    let world = World::new();
    world.flink.fault(Call::Jobs, &Fault::Hang, usize::MAX);
    let mut process = world.run(&how().grace("4s", "1s"));
    world.started();
    process.logged("the entrypoint is started", LONG);
    let (code, took) = terminate(&mut process, LONG);
    assert_eq!(code, 143);
    assert!(took < Duration::from_secs(4), "{took:?}: {}", process.text());
    world.next("fresh");
}

#[test]
fn where_checkpoints_would_be_deleted_the_jobmanager_gets_sigkill() {
    let world = World::new();
    world.flink.deletes_on_cancellation();
    let mut process = world.up(&how().grace("4s", "2s"));
    let checkpoint = world.flink.checkpoint();
    world.flink.stops(&[NEVER]);
    let (code, _) = terminate(&mut process, LONG);
    assert_eq!(code, 143);
    assert_eq!(world.newest()["outcome"], "checkpoint");
    assert_eq!(world.heard(), Vec::<String>::new(), "an ordinary end deletes the checkpoint that counts");
    world.next_restores(&checkpoint);
}
