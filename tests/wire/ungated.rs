//! A JobManager that no `run` stands before: what it started from is told, and `drain` saves it.

use std::process::Command;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::support::fake_flink::url;
use crate::support::fake_kubernetes::NAMESPACE;
use crate::support::process::Process;
use crate::support::{eventually, free_port, http};
use crate::world::{LONG, Said, World, entrypoint, how, kill_hard};

const TAKEN_UP: &str = "a job that no run stands before is taken up";
const FROM_ELSEWHERE: &str = "started from something else than the newest point";

/// An agent by itself, beside a JobManager whose configuration names the world's directories.
fn agent(world: &World, without_run: &str, settings: &[(&str, &str)]) -> Process {
    world.flink.is_configured("state.checkpoints.dir", &url(&world.path("checkpoints")));
    world.flink.is_configured("execution.checkpointing.savepoint-dir", &url(&world.path("savepoints")));
    let mut command = world.command(&[]);
    command.arg("agent").env("SAVEPOINTD_FLINK__URL", format!("http://127.0.0.1:{}", world.flink.port));
    command.env("SAVEPOINTD_FLINK__WITHOUT_RUN", without_run).envs(settings.iter().copied());
    let agent = Process::start(&mut command);
    agent.logged("agent is up", LONG);
    agent
}

/// The entrypoint as it is, told to restore this.
fn job_manager(world: &World, path: Option<&str>) -> Process {
    let mut command = Command::new(entrypoint());
    command.arg("standalone-job").env("FAKE_DIR", world.path("fake"));
    if let Some(path) = path {
        command.args(["--fromSavepoint", path]);
    }
    let before = world.flink.starts().len();
    let process = Process::start(&mut command);
    eventually("the entrypoint's start", LONG, || (world.flink.starts().len() > before).then_some(()));
    process
}

fn ends(mut process: Process) {
    process.signal(Signal::SIGTERM);
    process.exit_code(LONG);
}

fn drained(world: &World) -> String {
    let Said { code, out, err } = world.verb(&["drain"]);
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.starts_with("savepoint: "), "{out}");
    world.newest()["path"].as_str().unwrap().to_owned()
}

fn reason(process: &Process, message: &str) -> String {
    process.logged(message, LONG)["reason"].as_str().unwrap().to_owned()
}

fn claims(world: &World) -> Vec<Value> {
    world.entries().into_iter().filter(|entry| entry["fact"]["what"] == "claimed").collect()
}

#[test]
fn drain_saves_a_job_that_no_run_stands_before_and_the_next_start_goes_on_from_it_with_or_without() {
    let world = World::new();
    let first = agent(&world, "warn", &[]);
    let running = job_manager(&world, None);
    first.logged(TAKEN_UP, LONG);
    world.flink.checkpoint();
    let savepoint = drained(&world);
    assert_eq!(world.flink.job_state(), Some("FINISHED"));
    let [claim] = claims(&world).try_into().unwrap();
    assert_eq!(claim["fact"]["without_gate"], true, "{claim}");
    assert_eq!(world.newest()["outcome"], "savepoint");
    world.next_restores(&savepoint);
    ends(running);
    ends(first);

    // Told by its manifest to go on from there.
    let second = agent(&world, "cancel", &[]);
    let running = job_manager(&world, Some(&savepoint));
    second.logged(TAKEN_UP, LONG);
    eventually("the confirmation", LONG, || world.recorded(2, "confirmed"));
    assert!(second.find(FROM_ELSEWHERE).is_none(), "{}", second.text());
    let savepoint = drained(&world);
    ends(running);
    ends(second);

    let third = world.up(&how());
    assert_eq!(world.told(), Some(savepoint));
    world.stopped_with_savepoint(third);
}

#[test]
fn a_job_that_runs_from_something_else_goes_on_and_is_told_of() {
    let world = World::new();
    let savepoint = world.one_epoch();
    let port = free_port().to_string();
    let agent = agent(&world, "warn", &[("SAVEPOINTD_ADMIN__ADDRESS", &format!("127.0.0.1:{port}"))]);
    let running = job_manager(&world, None);
    let why = reason(&agent, FROM_ELSEWHERE);
    assert!(why.contains(&savepoint) && why.contains("runs from nothing"), "{why}");
    let (_, metrics) = http::get(port.parse().unwrap(), "/metrics").unwrap();
    let counted = r#"savepointd_starts_without_gate_total{from="elsewhere"} 1"#;
    assert!(metrics.contains(counted), "{metrics}");
    eventually("the base", LONG, || world.recorded(2, "based"));
    // What it comes to is saved all the same.
    let newer = drained(&world);
    assert_ne!(newer, savepoint);
    world.next_restores(&newer);
    ends(running);
}

#[test]
fn a_job_that_runs_from_something_else_is_cancelled_where_that_is_wanted_and_nothing_of_it_is_used() {
    let world = World::new();
    let savepoint = world.one_epoch();
    let agent = agent(&world, "cancel", &[]);
    let running = job_manager(&world, None);
    agent.logged(FROM_ELSEWHERE, LONG);
    eventually("the job is cancelled", LONG, || (world.flink.job_state() == Some("CANCELED")).then_some(()));
    eventually("that is recorded", LONG, || world.recorded(2, "voided"));
    world.next_restores(&savepoint);
    ends(running);
}

#[test]
fn a_job_manager_that_restarts_from_its_old_point_is_told_from_its_former_life() {
    let world = World::new();
    let savepoint = world.one_epoch();
    let agent = agent(&world, "cancel", &[]);
    let mut running = job_manager(&world, Some(&savepoint));
    agent.logged(TAKEN_UP, LONG);
    world.flink.checkpoint();
    let checkpoint = world.flink.checkpoint();
    eventually("the first checkpoint is noted", LONG, || world.recorded(2, "progressed"));
    kill_hard(&mut running);
    let running = job_manager(&world, Some(&savepoint));
    let why = reason(&agent, FROM_ELSEWHERE);
    assert!(why.contains(&checkpoint), "{why}");
    eventually("that is recorded", LONG, || world.recorded(3, "voided"));
    world.next_restores(&checkpoint);
    ends(running);
}

#[test]
fn an_agent_that_is_killed_takes_up_the_same_epoch_again() {
    let world = World::new();
    let mut first = agent(&world, "cancel", &[]);
    let running = job_manager(&world, None);
    eventually("the confirmation", LONG, || world.recorded(1, "confirmed"));
    kill_hard(&mut first);
    let second = agent(&world, "cancel", &[]);
    assert_eq!(second.logged(TAKEN_UP, LONG)["epoch"], 1);
    drained(&world);
    assert_eq!(claims(&world).len(), 1);
    ends(running);
}

#[test]
fn a_job_is_cancelled_where_another_pod_holds_the_newest_epoch() {
    let world = World::in_kubernetes();
    let first = super::kubernetes::Pod::new(&world, "orders-1");
    let running = world.up(&first.how());
    let elsewhere = world.elsewhere();
    let uid = world.api().add_pod("orders-2", "127.0.0.1");
    let own = [
        ("SAVEPOINTD_POD__NAME", "orders-2"),
        ("SAVEPOINTD_POD__NAMESPACE", NAMESPACE),
        ("SAVEPOINTD_POD__UID", &uid),
        ("SAVEPOINTD_POD__IP", "127.0.0.1"),
        ("SAVEPOINTD_SAVEPOINT__DIRECTORY", &url(&world.path("savepoints"))),
        ("SAVEPOINTD_CHECKPOINT__DIRECTORY", &url(&world.path("checkpoints"))),
    ];
    let second = agent(&elsewhere, "cancel", &own);
    let beside = job_manager(&elsewhere, None);
    let why = reason(&second, "the job that no run stands before is not protected");
    assert!(why.contains("orders-1"), "{why}");
    eventually("it is cancelled", LONG, || (elsewhere.flink.job_state() == Some("CANCELED")).then_some(()));
    assert_eq!(world.flink.job_state(), Some("RUNNING"));
    ends(beside);
    world.stopped_with_savepoint(running);
}

#[test]
fn without_leave_such_a_job_is_left_alone_and_drain_names_the_way_out() {
    let world = World::new();
    let agent = agent(&world, "refuse", &[]);
    let running = job_manager(&world, None);
    let Said { code, err, .. } = world.verb(&["drain"]);
    assert_eq!(code, 75, "{err}");
    assert!(err.contains("SAVEPOINTD_FLINK__WITHOUT_RUN"), "{err}");
    assert_eq!((world.flink.requests().len(), world.flink.starts().len()), (0, 1));
    ends(running);
    ends(agent);
}
