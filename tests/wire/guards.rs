//! `savepointd guard` before a TaskManager, with an agent that says what the test wants.

use std::net::TcpListener;

use nix::sys::signal::Signal;

use crate::support::fake_agent::{FakeAgent, tidings};
use crate::support::fake_flink::is_alive;
use crate::support::process::Process;
use crate::support::{eventually, free_port};
use crate::world::{LONG, World, each, entrypoint};

const RETRY: &str = "-Dcluster.registration.error-delay=500";
const KILLING: &str = "killing the TaskManager";
const ENDING: &str = "ending the TaskManager";

/// A guard, its TaskManager, and whoever it hears.
struct Guarded {
    world: World,
    process: Process,
}

impl Guarded {
    fn with(agent: &str, settings: &[&str], env: &[(&str, &str)]) -> Self {
        let world = World::new();
        let mut command = world.command(&[]);
        command.arg("guard").args(["--set", &format!("guard.agent={agent}")]);
        for setting in settings {
            command.args(["--set", setting]);
        }
        command.arg("--").arg(entrypoint()).arg("taskmanager").envs(env.iter().copied());
        let process = Process::start(&mut command);
        Self { world, process }
    }

    /// Starts it, and waits until it works for epoch 1.
    fn working(agent: &FakeAgent, settings: &[&str], env: &[(&str, &str)]) -> Self {
        agent.epoch(1, "running");
        let guarded = Self::with(&address(agent), settings, env);
        guarded.started(1);
        guarded.hears(1, "Running");
        guarded
    }

    /// The TaskManager's process, at its nth start.
    fn started(&self, times: usize) -> i32 {
        self.world.started_times(times).pid
    }

    fn starts(&self) -> usize {
        self.world.flink.starts().len()
    }

    /// Waits until the guard has taken in that it stands so with this epoch.
    fn hears(&self, epoch: u64, phase: &str) {
        let word = format!("epoch: Some({epoch}), phase: {phase},");
        eventually(&word, LONG, || {
            let log = self.process.log();
            let said = |line: &serde_json::Value| line["tidings"].as_str().is_some_and(|text| text.contains(&word));
            log.iter().any(|line| line["message"] == "heard" && said(line)).then_some(())
        });
    }

    fn ends(mut self, code: i32) -> Self {
        assert_eq!(self.process.exit_code(LONG), code, "{}", self.process.text());
        self
    }

    fn said(&self, message: &str) -> String {
        self.process.logged(message, LONG)["reason"].as_str().unwrap().to_owned()
    }
}

fn address(agent: &FakeAgent) -> String {
    format!("127.0.0.1:{}", agent.port)
}

const DEBUG: &str = "log.level=debug";

#[test]
fn without_an_agent_it_is_an_init_and_no_more() {
    let nobody = format!("127.0.0.1:{}", free_port());
    each(&[("FAKE_EXIT", "0", 0), ("FAKE_EXIT", "239", 239), ("FAKE_DIE", "KILL", 137)], |(name, value, code)| {
        let guarded = Guarded::with(&nobody, &[], &[(name, value)]).ends(*code);
        assert_eq!(guarded.starts(), 1);
    });
    let guarded = Guarded::with(&nobody, &[], &[("FAKE_ORPHANS", "5"), ("FAKE_LEAVE", "1")]);
    guarded.started(1);
    let left = guarded.world.numbers("left")[0];
    guarded.process.signal(Signal::SIGUSR1);
    eventually("another signal", LONG, || guarded.world.heard().contains(&"USR1".to_owned()).then_some(()));
    guarded.process.signal(Signal::SIGTERM);
    let guarded = guarded.ends(143);
    assert_eq!(guarded.world.heard(), ["USR1", "TERM"]);
    eventually("the end of its process group", LONG, || (!is_alive(left)).then_some(()));
}

#[test]
fn a_missing_command_is_127_and_no_known_agent_is_said() {
    let world = World::new();
    let mut process = Process::start(world.command(&[]).args(["guard", "--", "/nowhere/taskmanager.sh"]));
    assert_eq!(process.exit_code(LONG), 127, "{}", process.text());
    let lines = process.text();
    assert!(lines.contains("SAVEPOINTD_GUARD__AGENT"), "{lines}");
}

#[test]
fn the_agent_is_sought_where_the_task_manager_will_seek_its_job_manager() {
    let world = World::new();
    world.configure(&["jobmanager.rpc.address: jm.example"]);
    let mut command = world.command(&[]);
    let process = Process::start(command.args(["guard", "--"]).arg(entrypoint()).arg("taskmanager"));
    assert_eq!(process.logged("guarding", LONG)["agent"], "jm.example:9250");
    assert_eq!(world.started().argv[1..], ["taskmanager", RETRY]);
}

#[test]
fn what_the_user_says_of_retries_counts_and_flinks_own_recovery_is_left_alone() {
    let agent = FakeAgent::start();
    let guarded = Guarded::with(&address(&agent), &["flink.recovery=flink"], &[]);
    assert_eq!(guarded.world.started().argv[1..], ["taskmanager"]);
    let world = World::new();
    world.configure(&["cluster.registration.error-delay: 1000"]);
    let mut command = world.command(&[]);
    let _process = Process::start(command.args(["guard", "--"]).arg(entrypoint()).arg("taskmanager"));
    assert_eq!(world.started().argv[1..], ["taskmanager"]);
}

#[test]
fn tasks_whose_job_manager_is_gone_are_killed_with_all_their_processes_and_the_stream_is_closed() {
    let agent = FakeAgent::start();
    let guarded = Guarded::working(&agent, &[DEBUG], &[("FAKE_LEAVE", "1"), ("FAKE_IGNORE_TERM", "1")]);
    let (first, left) = (guarded.started(1), guarded.world.numbers("left")[0]);
    agent.ended(1, "gone");
    guarded.started(2);
    assert!(!is_alive(first) && !is_alive(left), "the old one is gone before the new one starts");
    eventually("the guard listens again", LONG, || (agent.requests().len() == 2).then_some(()));
    eventually("with one stream", LONG, || (agent.streams() == 1).then_some(()));
    assert_eq!(guarded.said(KILLING), "its JobManager is gone");
    assert_eq!(guarded.world.heard(), [] as [&str; 0]);

    // The fresh one is left alone, and works for the next epoch.
    agent.epoch(2, "waiting");
    agent.epoch(2, "running");
    guarded.hears(2, "Running");
    assert_eq!(guarded.starts(), 2);
}

#[test]
fn the_agent_is_told_for_which_epoch_tasks_work_and_a_newer_one_ends_them() {
    let agent = FakeAgent::start();
    let guarded = Guarded::working(&agent, &[DEBUG], &[]);
    let port = agent.port;
    drop(agent);
    guarded.process.logged("the agent is not heard", LONG);
    let agent = eventually("the port is free again", LONG, || FakeAgent::on(port));
    eventually("the guard comes back", LONG, || agent.requests().first().cloned());
    assert_eq!(agent.requests()[0], "/api/v1/stop?works_for=1");
    assert_eq!(guarded.starts(), 1, "an agent that was away is no reason");
    agent.epoch(2, "waiting");
    guarded.started(2);
    assert_eq!(guarded.said(KILLING), "it works for an epoch that is over");
}

#[test]
fn after_the_release_the_idle_task_manager_is_exchanged_when_its_job_manager_has_ended() {
    let agent = FakeAgent::start();
    let guarded = Guarded::working(&agent, &[DEBUG], &[]);
    agent.epoch(1, "stopping");
    agent.epoch(1, "released");
    guarded.hears(1, "Released");
    assert_eq!(guarded.starts(), 1);
    agent.ended(1, "released");
    guarded.started(2);
    assert_eq!(guarded.world.heard(), ["TERM"], "in order: it has files to remove");
    assert!(guarded.process.find(KILLING).is_none(), "{}", guarded.process.text());
}

#[test]
fn where_flink_recovers_by_itself_the_idle_task_manager_stays() {
    let agent = FakeAgent::start();
    let guarded = Guarded::working(&agent, &[DEBUG, "flink.recovery=flink"], &[]);
    agent.epoch(1, "released");
    guarded.hears(1, "Released");
    agent.ended(1, "released");
    agent.epoch(2, "running");
    guarded.hears(2, "Running");
    assert_eq!(guarded.starts(), 1);
}

#[test]
fn sigterm_is_held_while_a_savepoint_is_being_taken() {
    let agent = FakeAgent::start();
    let guarded = Guarded::working(&agent, &[DEBUG], &[]);
    agent.epoch(1, "stopping");
    guarded.hears(1, "Stopping");
    guarded.process.signal(Signal::SIGTERM);
    eventually("a look", LONG, || agent.requests().contains(&"/api/v1/look".to_owned()).then_some(()));
    assert_eq!(guarded.world.heard(), [] as [&str; 0]);
    agent.epoch(1, "released");
    let guarded = guarded.ends(143);
    assert_eq!((guarded.world.heard(), guarded.starts()), (vec!["TERM".to_owned()], 1));
    assert_eq!(guarded.said(ENDING), "the final state is durable");
}

#[test]
fn the_answer_to_the_look_counts() {
    let agent = FakeAgent::start();
    // Without that answer it would stay for an hour.
    let guarded = Guarded::working(&agent, &[DEBUG, "guard.settle=1h", "stop.grace=2h"], &[]);
    agent.will_see(tidings(Some(1), "released", false));
    guarded.process.signal(Signal::SIGTERM);
    let guarded = guarded.ends(143);
    assert_eq!(guarded.said(ENDING), "the final state is durable");
}

#[test]
fn without_a_stop_it_leaves_and_says_why() {
    let agent = FakeAgent::start();
    let guarded = Guarded::working(&agent, &[DEBUG, "guard.settle=100ms"], &[]);
    guarded.process.signal(Signal::SIGTERM);
    let guarded = guarded.ends(143);
    assert_eq!(guarded.said(ENDING), "no stop is under way");
}

#[test]
fn without_a_stop_it_stays_until_the_checkpoint_that_it_asked_for_is_taken() {
    let agent = FakeAgent::start();
    let guarded = Guarded::working(&agent, &[DEBUG, "guard.settle=100ms", "guard.checkpoint=1h", "stop.grace=2h"], &[]);
    guarded.process.signal(Signal::SIGTERM);
    let asked = || agent.requests().contains(&"/api/v1/checkpoint".to_owned()).then_some(());
    eventually("the request for a checkpoint", LONG, asked);
    assert_eq!(guarded.world.heard(), [] as [&str; 0]);
    agent.will_checkpoint(serde_json::json!({ "checkpoint_id": 7 }));
    let guarded = guarded.ends(143);
    assert_eq!(guarded.process.logged("a checkpoint was taken", LONG)["checkpoint_id"], 7);
    assert_eq!(
        (guarded.world.heard(), guarded.said(ENDING).as_str()),
        (vec!["TERM".to_owned()], "no stop is under way")
    );
}

#[test]
fn a_checkpoint_that_fails_or_does_not_come_does_not_hold_it() {
    let settings = [DEBUG, "guard.settle=100ms", "guard.checkpoint=300ms"];
    let agent = FakeAgent::start();
    let guarded = Guarded::working(&agent, &settings, &[]);
    guarded.process.signal(Signal::SIGTERM);
    let guarded = guarded.ends(143);
    assert_eq!(guarded.said(ENDING), "no stop is under way, and the checkpoint has not come in time");

    let agent = FakeAgent::start();
    agent.will_checkpoint(serde_json::json!({ "checkpoint_id": null, "reason": "it is off here" }));
    let guarded = Guarded::working(&agent, &[DEBUG, "guard.settle=100ms", "guard.checkpoint=1h"], &[]);
    guarded.process.signal(Signal::SIGTERM);
    let guarded = guarded.ends(143);
    assert_eq!(guarded.said("no checkpoint was taken"), "it is off here");
}

#[test]
fn a_stop_that_never_ends_does_not_hold_it_past_its_deadline() {
    let agent = FakeAgent::start();
    let settings = [DEBUG, "stop.grace=3s", "stop.reserve=1s"];
    let guarded = Guarded::working(&agent, &settings, &[("FAKE_IGNORE_TERM", "1")]);
    agent.epoch(1, "stopping");
    guarded.hears(1, "Stopping");
    guarded.process.signal(Signal::SIGTERM);
    let guarded = guarded.ends(143);
    assert_eq!(guarded.said(ENDING), "the guard's own deadline is near");
    assert_eq!(guarded.said(KILLING), "it has not ended in time");
}

#[test]
fn a_stop_whose_agent_died_is_waited_for_while_the_job_manager_lives() {
    let agent = FakeAgent::start();
    let world = World::new();
    let job_manager = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = job_manager.local_addr().unwrap().port();
    let address_of_jm = ["jobmanager.rpc.address: 127.0.0.1".to_owned(), format!("jobmanager.rpc.port: {port}")];
    world.configure(&address_of_jm.each_ref().map(String::as_str));
    let mut command = world.command(&[]);
    command.args(["guard", "--set", DEBUG, "--set", &format!("guard.agent={}", address(&agent)), "--"]);
    let process = Process::start(command.arg(entrypoint()).arg("taskmanager"));
    let mut guarded = Guarded { world, process };
    guarded.started(1);
    agent.epoch(1, "stopping");
    guarded.hears(1, "Stopping");
    guarded.process.signal(Signal::SIGTERM);
    eventually("a look", LONG, || agent.requests().contains(&"/api/v1/look".to_owned()).then_some(()));
    drop(agent);
    // Tried again and again, for longer than an agent alone would be waited for.
    job_manager.set_nonblocking(true).unwrap();
    let mut tries = 0;
    eventually("four tries", LONG, || {
        tries += usize::from(job_manager.accept().is_ok());
        (tries == 4).then_some(())
    });
    assert_eq!(guarded.world.heard(), [] as [&str; 0]);
    drop(job_manager);
    guarded = guarded.ends(143);
    assert_eq!(guarded.said(ENDING), "neither the agent nor the JobManager is to be found any more");
}

#[test]
fn an_agent_of_another_cluster_is_not_believed() {
    let agent = FakeAgent::start();
    let guarded = Guarded::working(&agent, &[DEBUG], &[]);
    let mut stranger = tidings(Some(7), "gone", true);
    stranger["cluster"] = "invoices".into();
    agent.says(stranger);
    let reason = guarded.said("the agent is not heard");
    assert!(reason.contains("invoices") && reason.contains("orders"), "{reason}");
    agent.epoch(1, "stopping");
    guarded.hears(1, "Stopping");
    assert_eq!(guarded.starts(), 1);
}

#[test]
fn an_agent_that_does_not_know_its_cluster_yet_is_believed_as_soon_as_it_does() {
    let agent = FakeAgent::start();
    let mut nameless = tidings(None, "waiting", false);
    nameless["cluster"] = "".into();
    agent.says(nameless);
    let guarded = Guarded::with(&address(&agent), &[DEBUG], &[]);
    guarded.started(1);
    eventually("the guard listens", LONG, || (agent.streams() == 1).then_some(()));
    agent.epoch(1, "running");
    guarded.hears(1, "Running");
}

#[test]
fn an_agent_that_names_another_is_left_for_that() {
    let (old, new) = (FakeAgent::start(), FakeAgent::start());
    let guarded = Guarded::working(&old, &[DEBUG], &[]);
    let mut elsewhere = tidings(Some(1), "released", false);
    elsewhere["elsewhere"] = address(&new).into();
    new.epoch(2, "running");
    old.says(elsewhere);
    guarded.hears(2, "Running");
    eventually("the old agent is left", LONG, || (old.streams() == 0).then_some(()));
    // The new one goes: the guard asks where it is configured to.
    let before = old.requests().len();
    drop(new);
    eventually("the old agent is asked again", LONG, || (old.requests().len() > before).then_some(()));
}
