//! kill -9 of agent and run, at every point that makes a difference.

use std::time::Duration;

use nix::sys::signal::Signal;

use crate::support::eventually;
use crate::support::fake_flink::{Call, Fault, Stopping, is_alive};
use crate::support::process::Process;
use crate::world::{How, LONG, World, each, how, kill_hard, signal};

const ALONE: &str = "finishing the stop without the agent";

/// Waits for the end of a stop that `run` finishes alone; the next start must find its savepoint.
fn finished_alone(world: &World, mut process: Process) {
    assert_eq!(process.exit_code(LONG), 143, "{}", process.text());
    assert!(process.find(ALONE).is_some(), "{}", process.text());
    let stopped = process.logged("stopped", LONG);
    assert_eq!(stopped["outcome"], "savepoint", "{}", process.text());
    let path = stopped["point"].as_str().unwrap();
    world.next_restores(path);
    let next = world.up(&how());
    assert_eq!(world.told().as_deref(), Some(path));
    world.stopped_with_savepoint(next);
}

#[test]
fn an_agent_that_dies_before_the_request_leaves_the_stop_to_run() {
    let world = World::new();
    let process = world.up(&how());
    world.flink.fault(Call::Jobs, &Fault::Hang, usize::MAX);
    let before = world.flink.count(Call::Jobs);
    process.signal(Signal::SIGTERM);
    process.logged("stopping", LONG);
    eventually("a look at the jobs", LONG, || (world.flink.count(Call::Jobs) > before).then_some(()));
    signal(process.agent().as_raw(), Signal::SIGKILL);
    world.flink.heal();
    finished_alone(&world, process);
    assert_eq!(world.flink.trigger_ids().len(), 2, "one for each epoch");
}

#[test]
fn an_agent_that_dies_while_the_savepoint_is_taken_leaves_its_trigger_id_to_run() {
    let world = World::new();
    let process = world.up(&how());
    world.flink.stops(&[Stopping::After(Duration::from_secs(3))]);
    process.signal(Signal::SIGTERM);
    eventually("a request for a stop", LONG, || (world.flink.count(Call::Stop) > 0).then_some(()));
    signal(process.agent().as_raw(), Signal::SIGKILL);
    finished_alone(&world, process);
    assert_eq!(world.flink.trigger_ids().len(), 2, "one for each epoch: a second would have destroyed the first");
}

#[test]
fn an_agent_that_dies_with_the_savepoint_complete_but_unread_leaves_it_to_run() {
    let world = World::new();
    let process = world.up(&how());
    world.flink.fault(Call::Poll, &Fault::Hang, 1);
    process.signal(Signal::SIGTERM);
    eventually("a poll", LONG, || (world.flink.count(Call::Poll) > 0).then_some(()));
    eventually("a savepoint", LONG, || (world.flink.job_state() == Some("FINISHED")).then_some(()));
    signal(process.agent().as_raw(), Signal::SIGKILL);
    finished_alone(&world, process);
    assert_eq!(world.flink.trigger_ids().len(), 2, "one for each epoch");
}

#[test]
fn an_agent_that_dies_when_all_is_recorded_changes_nothing() {
    let world = World::new();
    // The JobManager is slow to end, so that there is time between the release and the end of `run`.
    let mut process = world.up(&how().grace("4s", "1s").env("FAKE_IGNORE_TERM", "1"));
    let agent = process.agent();
    process.signal(Signal::SIGTERM);
    process.logged("ending the entrypoint", LONG);
    signal(agent.as_raw(), Signal::SIGKILL);
    assert_eq!(process.exit_code(LONG), 143);
    let newest = world.newest();
    assert_eq!((&newest["outcome"], &newest["kind"]), (&"savepoint".into(), &"final".into()), "{newest:#}");
    assert_eq!(world.flink.trigger_ids().len(), 1);
}

#[test]
fn an_agent_that_dies_while_the_job_runs_is_started_again_and_takes_the_epoch_up() {
    let world = World::new();
    let base = world.one_epoch();
    let process = world.up(&how());
    let entrypoint = world.started().pid;
    for death in 1..=2 {
        signal(process.agent().as_raw(), Signal::SIGKILL);
        eventually("the agent knows the job again", LONG, || {
            let confirmed = process.log().iter().filter(|line| line["message"] == "the restore is confirmed").count();
            (confirmed > death).then_some(())
        });
    }
    assert!(is_alive(entrypoint));
    assert_eq!(world.flink.starts().len(), 2, "Flink does not notice");
    let savepoint = world.stopped_with_savepoint(process);
    let history = world.history();
    let epochs: Vec<_> = history.iter().map(|row| row["epoch"].as_u64().unwrap()).collect();
    assert_eq!(epochs, [2, 1], "no new epoch: {history:#?}");
    let newest = &history[0];
    assert_eq!((&newest["path"], &newest["outcome"]), (&savepoint.clone().into(), &"savepoint".into()));
    assert_eq!((&newest["base"], &newest["confirmed"]), (&base.into(), &true.into()));
    world.next_restores(&savepoint);
}

#[test]
fn a_run_that_dies_takes_entrypoint_and_agent_with_it_and_the_next_start_restores_the_newest_checkpoint() {
    let world = World::new();
    let mut process = world.up(&how());
    world.flink.checkpoint();
    let checkpoint = world.flink.checkpoint();
    let (agent, entrypoint) = (process.agent().as_raw(), world.started().pid);
    kill_hard(&mut process);
    eventually("the end of agent and entrypoint", LONG, || (!is_alive(agent) && !is_alive(entrypoint)).then_some(()));
    world.next_restores(&checkpoint);
    // On the same sockets: the files that the dead agent left are no hindrance.
    let next = world.run_again(&how());
    next.logged("the restore is confirmed", LONG);
    assert_eq!(world.told(), Some(checkpoint));
    world.stopped_with_savepoint(next);
}

#[test]
fn a_run_that_dies_during_a_stop_loses_nothing_that_was_complete() {
    each(&[Duration::ZERO, Duration::from_secs(60)], |delay| {
        let world = World::new();
        let mut process = world.up(&how());
        let checkpoint = world.flink.checkpoint();
        world.flink.stops(&[Stopping::After(*delay)]);
        world.flink.fault(Call::Poll, &Fault::Hang, usize::MAX);
        process.signal(Signal::SIGTERM);
        eventually("a poll", LONG, || (world.flink.count(Call::Poll) > 0).then_some(()));
        if delay.is_zero() {
            eventually("a savepoint", LONG, || (world.flink.job_state() == Some("FINISHED")).then_some(()));
        }
        kill_hard(&mut process);
        world.flink.heal();
        let plan = world.plan();
        let path = plan["path"].as_str().unwrap_or_else(|| panic!("{plan:#}"));
        assert_eq!(path == checkpoint, !delay.is_zero(), "{plan:#}");
        let next = world.up(&how());
        assert_eq!(world.told().as_deref(), Some(path));
        world.stopped_with_savepoint(next);
    });
}

#[test]
fn an_entrypoint_that_dies_gives_its_code_and_the_next_start_restores_the_newest_checkpoint() {
    let world = World::new();
    let mut process = world.up(&how());
    let checkpoint = world.flink.checkpoint();
    signal(world.started().pid, Signal::SIGKILL);
    assert_eq!(process.exit_code(LONG), 137, "{}", process.text());
    world.next_restores(&checkpoint);
}

#[test]
fn an_agent_whose_record_is_away_while_it_restarts_takes_the_epoch_up_later() {
    let world = World::new();
    let process = world.up(&how());
    let away = world.path("record-away");
    std::fs::rename(world.record(), &away).unwrap();
    std::fs::write(world.record(), "in the way").unwrap();
    signal(process.agent().as_raw(), Signal::SIGKILL);
    process.logged("the new agent can't take up this epoch yet", LONG);
    assert!(is_alive(world.started().pid), "what runs goes on");
    std::fs::remove_file(world.record()).unwrap();
    std::fs::rename(&away, world.record()).unwrap();
    eventually("the agent knows the job again", LONG, || {
        let confirmed = process.log().iter().filter(|line| line["message"] == "the restore is confirmed").count();
        (confirmed > 1).then_some(())
    });
    world.stopped_with_savepoint(process);
    assert_eq!(world.newest()["epoch"], 1);
}

#[test]
fn an_agent_that_dies_at_the_moment_of_the_signal_costs_nothing() {
    each(&[0, 20, 60, 120, 250, 500], |after| {
        let world = World::new();
        let process = world.up(&how());
        signal(process.agent().as_raw(), Signal::SIGKILL);
        std::thread::sleep(Duration::from_millis(*after));
        let savepoint = world.stopped_with_savepoint(process);
        assert_eq!(world.flink.trigger_ids().len(), 1);
        world.next_restores(&savepoint);
    });
}

#[test]
fn an_agent_that_was_only_hung_does_not_destroy_what_run_has_begun() {
    let world = World::new();
    let mut process = world.up(&how());
    world.flink.stops(&[Stopping::After(Duration::from_secs(3))]);
    let agent = process.agent().as_raw();
    signal(agent, Signal::SIGSTOP);
    process.signal(Signal::SIGTERM);
    eventually("a request for a stop by run", LONG, || (world.flink.count(Call::Stop) > 0).then_some(()));
    signal(agent, Signal::SIGCONT);
    assert_eq!(process.exit_code(LONG), 143);
    assert_eq!(world.flink.trigger_ids().len(), 1, "a second request destroys the first: {}", process.text());
    assert_eq!(process.logged("stopped", LONG)["outcome"], "savepoint");
}

#[test]
fn an_agent_that_can_no_longer_start_is_not_started_without_pause() {
    let world = World::new();
    let file = world.path("savepointd.toml");
    std::fs::write(&file, "").unwrap();
    let process = world.up(&how().env("SAVEPOINTD_CONFIG", file.to_str().unwrap()));
    std::fs::write(&file, "[stop]\ngrace = \"soon\"\n").unwrap();
    signal(process.agent().as_raw(), Signal::SIGKILL);
    let again =
        || process.log().iter().filter(|line| line["message"] == "the agent has ended; starting it again").count();
    eventually("a second try", LONG, || (again() > 1).then_some(()));
    let before = again();
    std::thread::sleep(Duration::from_secs(2));
    assert!(again() - before < 10, "{} tries in 2 s", again() - before);
    // Mended, it comes back; and the stop needs it or not.
    std::fs::write(&file, "").unwrap();
    world.stopped_with_savepoint(process);
}

#[test]
fn a_stop_whose_run_was_killed_is_no_order_to_the_next_run() {
    let world = World::new();
    let agent = Process::start(world.command(&[]).arg("agent").env("SAVEPOINTD_SOCKET", world.socket(1)));
    agent.logged("agent is up", LONG);
    let apart = How { without_agent: true, ..how() };
    let mut first = world.run(&apart);
    let base = agent.logged("the restore is confirmed", LONG)["epoch"].as_u64();
    assert_eq!(base, Some(1));
    world.flink.stops(&[Stopping::After(LONG)]);
    first.signal(Signal::SIGTERM);
    agent.logged("stopping", LONG);
    kill_hard(&mut first);

    let mut second = world.run_again(&apart);
    eventually("the second epoch is confirmed", LONG, || world.recorded(2, "confirmed"));
    // The first epoch's stop has come to its end, and nobody obeyed it.
    agent.logged("stopped", LONG);
    world.flink.stops(&[]);
    second.signal(Signal::SIGTERM);
    assert_eq!(second.exit_code(LONG), 143, "{}", second.text());
    let newest = world.newest();
    assert_eq!((newest["epoch"].as_u64(), newest["outcome"].as_str()), (Some(2), Some("savepoint")), "{newest:#}");
}

#[test]
fn the_first_checkpoint_is_noted_by_whichever_agent_sees_it() {
    let world = World::new();
    let process = world.up(&how());
    signal(process.agent().as_raw(), Signal::SIGKILL);
    let confirmed = || process.log().iter().filter(|line| line["message"] == "the restore is confirmed").count();
    eventually("a new agent knows the job", LONG, || (confirmed() == 2).then_some(()));
    world.flink.checkpoint();
    eventually("the note", LONG, || world.recorded(1, "progressed"));
    world.stopped_with_savepoint(process);
}
