//! The record in a ConfigMap, the deadline from the own pod, and one pod at a time, against a scripted API server.

mod deadline;
mod faults;
mod handover;
mod holder;
mod lingering;
mod record;
mod refused;

use nix::sys::signal::Signal;

use crate::support::fake_kubernetes::NAMESPACE;
use crate::support::free_port;
use crate::support::process::Process;
use crate::world::{How, LONG, World, how};

/// The name of the ConfigMap.
const CONFIG_MAP: &str = "orders";

/// A pod, and what `savepointd run` in it is told.
#[derive(Debug, Clone)]
pub struct Pod {
    pub name: String,
    uid: String,
    pub admin: u16,
}

impl Pod {
    /// Creates it at the API server.
    pub fn new(world: &World, name: &str) -> Self {
        let uid = world.api().add_pod(name, "127.0.0.1");
        Self { name: name.to_owned(), uid, admin: free_port() }
    }

    pub fn how(&self) -> How {
        how()
            .set(&format!("admin.address=127.0.0.1:{}", self.admin))
            .env("SAVEPOINTD_POD__NAME", &self.name)
            .env("SAVEPOINTD_POD__NAMESPACE", NAMESPACE)
            .env("SAVEPOINTD_POD__UID", &self.uid)
            .env("SAVEPOINTD_POD__IP", "127.0.0.1")
            .waits()
    }

    /// Its containers have ended, and it is gone.
    fn ends(&self, world: &World) {
        world.api().remove_pod(&self.name);
    }
}

/// An epoch in a pod of this name, which is gone afterwards; gives its final savepoint.
fn one_epoch(world: &World, name: &str) -> String {
    let pod = Pod::new(world, name);
    let process = world.up(&pod.how());
    let savepoint = world.stopped_with_savepoint(process);
    pod.ends(world);
    savepoint
}

/// How often the record says this of an epoch.
fn said(world: &World, epoch: u64, what: &str) -> usize {
    world.entries().iter().filter(|entry| entry["epoch"] == epoch && entry["fact"]["what"] == what).count()
}

/// Ends a pod that waits at the gate.
fn told_to_end(mut process: Process) {
    process.signal(Signal::SIGTERM);
    assert_eq!(process.exit_code(LONG), 143, "{}", process.text());
}

/// Why Flink was not started, as `run` says it.
fn waits_because(process: &Process) -> String {
    let waiting = process.logged("waiting at the gate; Flink is not started", LONG);
    waiting["reason"].as_str().unwrap().to_owned()
}
