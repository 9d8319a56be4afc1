//! A pod of agent and `run`, another of a guard, and a kubelet for both.

use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::life::{GRACE, LATE, PATIENCE, RESERVE, Scene, options};
use crate::support::fake_kubernetes::NAMESPACE;
use crate::support::free_port;
use crate::support::trace::{Trace, Traced};
use crate::world::{How, World, entrypoint, how};

const POD: &str = "orders-2";

/// The second pod of the cluster, whose agent and guard are traced.
pub struct Pods {
    admin: u16,
    uid: String,
    agent: Option<Traced>,
    guard: Option<Traced>,
}

fn in_pod(how: How, name: &str, uid: &str, admin: u16) -> How {
    how.set(&format!("admin.address=127.0.0.1:{admin}"))
        .env("SAVEPOINTD_POD__NAME", name)
        .env("SAVEPOINTD_POD__NAMESPACE", NAMESPACE)
        .env("SAVEPOINTD_POD__UID", uid)
        .env("SAVEPOINTD_POD__IP", "127.0.0.1")
        .waits()
}

impl Pods {
    pub fn new(world: &World) -> Self {
        std::fs::create_dir(world.path("fake-task-manager")).unwrap();
        Self { admin: free_port(), uid: String::new(), agent: None, guard: None }
    }

    pub fn ports(&self, world: &World) -> [(u16, &'static str); 2] {
        [(self.admin, "the agent"), (world.api().port(), "Kubernetes")]
    }

    /// The epoch of the pod before.
    pub fn one_epoch(world: &World) -> String {
        let uid = world.api().add_pod("orders-1", "127.0.0.1");
        let process = world.up(&in_pod(how(), "orders-1", &uid, free_port()));
        let base = world.stopped_with_savepoint(process);
        world.api().remove_pod("orders-1");
        base
    }

    pub fn run() -> How {
        How { without_agent: true, ..how() }.waits()
    }

    pub fn start(&mut self, world: &World, trace: &Arc<Trace>) {
        self.uid = world.api().add_pod(POD, "127.0.0.1");
        self.agent = Some(Traced::start(trace, &self.agent(world), world.path("log")));
        self.guard = Some(Traced::start(trace, &self.guard(world), world.path("log")));
    }

    fn agent(&self, world: &World) -> Command {
        let how = in_pod(options(), POD, &self.uid, self.admin);
        let mut command = world.command(&[]);
        command.arg("agent").envs(how.env.iter().map(|(name, value)| (name, value)));
        command.args(how.sets.iter().flat_map(|set| ["--set", set]));
        command
    }

    fn guard(&self, world: &World) -> Command {
        let mut command = world.command(&[]);
        command.arg("guard").args(["--set", &format!("guard.agent=127.0.0.1:{}", self.admin)]);
        command.args([
            "--set",
            &format!("stop.grace={}s", GRACE.as_secs()),
            "--set",
            &format!("stop.reserve={}s", RESERVE.as_secs()),
        ]);
        command.arg("--").arg(entrypoint()).arg("taskmanager").env("FAKE_DIR", world.path("fake-task-manager"));
        command
    }

    /// As the kubelet does, while the pod is not being ended.
    pub fn restart_what_ended(&mut self, world: &World, trace: &Arc<Trace>) {
        if self.agent.as_ref().is_some_and(|agent| agent.ended().is_some()) {
            self.agent = Some(Traced::start(trace, &self.agent(world), world.path("log")));
        }
        if self.guard.as_ref().is_some_and(|guard| guard.ended().is_some()) {
            self.guard = Some(Traced::start(trace, &self.guard(world), world.path("log")));
        }
    }

    /// All pods of the application at once.
    pub fn delete(&self, world: &World) {
        world.api().delete_pod(POD, u32::try_from(GRACE.as_secs()).unwrap());
        self.guard.as_ref().unwrap().signal(Signal::SIGTERM);
    }

    /// `run` has ended: the sidecar does now, and what is left at the deadline is killed, but for an agent that stands still.
    pub fn end(&self, scene: &Scene, limit: Instant, run_was_struck: bool) -> Vec<String> {
        let mut problems = Vec::new();
        for (name, process) in [("the agent", &self.agent), ("the guard", &self.guard)] {
            let process = process.as_ref().unwrap();
            if name == "the agent" {
                process.signal(Signal::SIGTERM);
            }
            let stands_still = scene.trace.frozen() == Some(process.pid());
            let ended = process.ends_until(limit);
            // The agent hears of its own end only when `run` has ended.
            let late = name == "the agent" && run_was_struck;
            if ended.is_none() && !stands_still && !late {
                problems.push(format!("{name} does not end, {LATE}"));
            }
            if !(stands_still && name == "the agent") {
                process.signal(Signal::SIGKILL);
                process.ends_until(Instant::now() + PATIENCE);
            }
        }
        scene.world.api().remove_pod(POD);
        problems
    }

    pub fn next(world: &World) -> How {
        let uid = world.api().add_pod("orders-3", "127.0.0.1");
        in_pod(how(), "orders-3", &uid, free_port())
    }

    /// What went on beside the next epoch has had its time.
    pub fn last_end(&self) {
        for process in self.agent.iter().chain(&self.guard) {
            process.ends_until(Instant::now() + Duration::from_secs(5));
            process.signal(Signal::SIGKILL);
        }
    }
}
