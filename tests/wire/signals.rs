//! Signals: none is lost, each means one thing, and at the gate nothing has to be saved.

use std::time::Duration;

use nix::sys::signal::Signal;

use crate::support::eventually;
use crate::support::fake_flink::{Stopping, is_alive};
use crate::world::{How, LONG, World, each, how, kill_hard, terminate};

#[test]
fn a_second_run_waits_at_the_gate_and_ends_on_sigterm() {
    let world = World::new();
    let first = world.up(&how());
    let mut second = world.run(&how().waits());
    let waiting = second.logged("waiting at the gate; Flink is not started", LONG);
    assert!(waiting["reason"].as_str().unwrap().contains("is alive"), "{waiting}");
    assert_eq!(terminate(&mut second, LONG).0, 143);
    assert_eq!(world.flink.starts().len(), 1);
    world.stopped_with_savepoint(first);
}

#[test]
fn a_second_run_takes_over_from_the_final_savepoint_when_the_first_ends() {
    let world = World::new();
    let first = world.up(&how());
    let second = world.run(&how().waits());
    second.logged("waiting at the gate; Flink is not started", LONG);
    let savepoint = world.stopped_with_savepoint(first);
    second.logged("the restore is confirmed", LONG);
    assert_eq!(world.told(), Some(savepoint));
    world.stopped_with_savepoint(second);
    assert_eq!(world.newest()["epoch"], 2);
}

#[test]
fn a_second_run_that_may_not_wait_ends_with_75() {
    let world = World::new();
    let first = world.up(&how());
    let mut second = world.run(&how());
    assert_eq!(second.exit_code(LONG), 75, "{}", second.text());
    assert_eq!(world.flink.starts().len(), 1);
    world.stopped_with_savepoint(first);
}

#[test]
fn a_second_run_takes_over_from_the_newest_checkpoint_when_the_first_is_killed() {
    let world = World::new();
    let mut first = world.up(&how());
    let checkpoint = world.flink.checkpoint();
    let second = world.run(&how().waits());
    second.logged("waiting at the gate; Flink is not started", LONG);
    kill_hard(&mut first);
    second.logged("the restore is confirmed", LONG);
    assert_eq!(world.told(), Some(checkpoint));
    world.stopped_with_savepoint(second);
}

#[test]
fn sigterm_at_any_moment_of_the_start_ends_it_with_143_and_leaves_nothing() {
    let moments: Vec<u64> = (0..10).map(|step| step * 12).collect();
    each(&moments, |after| {
        let world = World::new();
        let mut process = world.run(&how().grace("20s", "3s"));
        std::thread::sleep(Duration::from_millis(*after));
        let (code, _) = terminate(&mut process, LONG);
        assert_eq!(code, 143, "{}", process.text());
        if let Some(started) = world.flink.starts().last() {
            eventually("the entrypoint's end", LONG, || (!is_alive(started.pid)).then_some(()));
        }
        // Neither is the next start refused, nor does it wait for anybody.
        let next = world.up(&how());
        world.stopped_with_savepoint(next);
    });
}

#[test]
fn a_second_sigterm_joins_the_stop_that_is_under_way() {
    let world = World::new();
    let mut process = world.up(&how());
    world.flink.stops(&[Stopping::After(Duration::from_secs(1))]);
    process.signal(Signal::SIGTERM);
    process.logged("stopping", LONG);
    process.signal(Signal::SIGTERM);
    process.logged("a stop is under way already", LONG);
    process.signal(Signal::SIGINT);
    assert_eq!(process.exit_code(LONG), 143);
    assert_eq!(world.newest()["outcome"], "savepoint");
    assert_eq!(world.flink.trigger_ids().len(), 1);
    assert_eq!(world.heard(), ["TERM"], "one, and only when all was safe");
}

#[test]
fn sigint_and_sighup_stop_as_sigterm_does() {
    each(&[Signal::SIGINT, Signal::SIGHUP], |signal| {
        let world = World::new();
        let mut process = world.up(&how());
        process.signal(*signal);
        assert_eq!(process.exit_code(LONG), 143);
        assert_eq!(world.newest()["outcome"], "savepoint");
        assert_eq!(world.heard(), ["TERM"], "the entrypoint knows SIGTERM");
    });
}

#[test]
fn the_jobmanager_does_not_see_sigterm_before_the_outcome_is_durable() {
    let world = World::new();
    let mut process = world.up(&how());
    world.flink.stops(&[Stopping::After(Duration::from_millis(1_500))]);
    process.signal(Signal::SIGTERM);
    while world.recorded(1, "stopped").is_none() {
        let heard = world.heard();
        assert!(heard.is_empty() || world.recorded(1, "stopped").is_some(), "{heard:?}");
        std::thread::sleep(Duration::from_millis(2));
    }
    assert_eq!(process.exit_code(LONG), 143);
    assert_eq!(world.heard(), ["TERM"]);
}

#[test]
fn other_signals_are_for_the_entrypoint() {
    let world = World::new();
    let process = world.up(&how());
    for (signal, name) in [(Signal::SIGUSR1, "USR1"), (Signal::SIGUSR2, "USR2"), (Signal::SIGQUIT, "QUIT")] {
        process.signal(signal);
        eventually(name, LONG, || world.heard().iter().any(|heard| heard == name).then_some(()));
    }
    assert!(is_alive(world.started().pid));
    world.stopped_with_savepoint(process);
    assert_eq!(world.heard(), ["USR1", "USR2", "QUIT", "TERM"]);
}

#[test]
fn an_agent_that_gets_sigterm_first_stops_the_job_and_outlives_the_stop() {
    // Where no native sidecars are, both containers get SIGTERM at once.
    let world = World::new();
    let mut agent = crate::support::process::Process::start(
        world.command(&[]).arg("agent").env("SAVEPOINTD_SOCKET", world.socket(1)),
    );
    agent.logged("agent is up", LONG);
    let mut process = world.run(&How { without_agent: true, ..how() });
    agent.logged("the restore is confirmed", LONG);
    world.flink.stops(&[Stopping::After(Duration::from_secs(1))]);
    agent.signal(Signal::SIGTERM);
    agent.logged("stopping", LONG);
    process.signal(Signal::SIGTERM);
    assert_eq!(process.exit_code(LONG), 143, "{}", process.text());
    assert_eq!(agent.exit_code(LONG), 143, "{}", agent.text());
    assert_eq!(world.newest()["outcome"], "savepoint");
    assert_eq!(world.flink.trigger_ids().len(), 1);
}
