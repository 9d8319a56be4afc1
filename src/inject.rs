//! Writes the sidecar, the wrappers and what they need into Kubernetes manifests.
//!
//! A function on JSON values: [`documents`] reads and writes the text. What it does once it does not do again, so its own output may
//! be given to it, for example with another image.

pub mod documents;

mod cluster;
mod companions;
mod json;
mod pieces;
mod pod;
mod role;
mod target;
mod workload;

use serde_json::Value;

pub use target::Target;

/// The agent's admin port, unless told otherwise.
pub const DEFAULT_PORT: u16 = 9250;

/// What is to be written.
#[derive(Debug, Clone)]
pub struct Options {
    /// savepointd's own image.
    pub image: String,
    /// The record's URL; `None` is a `ConfigMap` beside the pods, named after the `JobManager`'s workload.
    pub record: Option<String>,
    /// How the agent becomes a sidecar.
    pub sidecar: Sidecar,
    /// How many seconds a pod must at least be given to end.
    pub grace: u64,
    /// The ENTRYPOINT of images whose containers have no command.
    pub entrypoint: Vec<String>,
    /// What a new pod does while an old one runs; `None` goes by the workload's strategy.
    pub handover: Option<Handover>,
    /// The agent's admin port.
    pub port: u16,
    /// Where guards find an agent that is not among the documents, as `host:port`.
    pub agent: Option<String>,
    /// Containers that are `JobManager`s whatever they look like.
    pub job_managers: Vec<Target>,
    /// Containers that are `TaskManager`s whatever they look like.
    pub task_managers: Vec<Target>,
    /// Whether `ServiceAccount`, `Role` and `RoleBinding` are added.
    pub rbac: bool,
    /// Further variables of the agent.
    pub settings: Vec<(String, String)>,
}

/// How the agent becomes a sidecar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sidecar {
    /// An init container that goes on running, since Kubernetes 1.29.
    Native,
    /// One container among others.
    Classic,
}

/// What a new pod does while an old one runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Handover {
    /// It waits.
    Wait,
    /// It asks the old one to stop, which a rolling update needs.
    Request,
}

/// What was made of the documents.
#[derive(Debug, Clone, PartialEq)]
pub struct Injected {
    /// The documents in their order, then those that were added.
    pub documents: Vec<Value>,
    /// What a person should know.
    pub notes: Vec<String>,
}

/// Why nothing was made of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The flags don't fit the documents.
    Usage(Vec<String>),
    /// Something in the documents can't be protected.
    Documents(Vec<String>),
}

/// Adds everything that the clusters in these documents need.
///
/// # Errors
/// [`Refusal`], with all reasons. Half a protection looks like a whole one, so then nothing is written at all.
pub fn inject(documents: Vec<Value>, options: &Options) -> Result<Injected, Refusal> {
    let found = target::find(&documents, options)?;
    let clusters = cluster::of(&found.members, &documents, options)?;
    let mut notes = found.notes;
    let mut problems = Vec::new();
    let mut result = documents;
    for member in &found.members {
        match pod::edit(&mut result, member, &clusters, options) {
            Ok(said) => notes.extend(said.into_iter().map(|said| format!("{}: {said}", member.title()))),
            Err(problem) => problems.push(format!("{}: {problem}", member.title())),
        }
    }
    for cluster in &clusters {
        notes.extend(cluster.add_companions(&mut result, options));
    }
    if problems.is_empty() { Ok(Injected { documents: result, notes }) } else { Err(Refusal::Documents(problems)) }
}

#[cfg(test)]
mod tests;
