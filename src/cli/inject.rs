//! The grammar of `inject`.

use std::path::PathBuf;

use clap::Args;

use crate::inject::{DEFAULT_PORT, Handover, Target};

/// What is to be written into manifests. `--record` names the record, if it is not to be a `ConfigMap` beside the pods; every `--set`
/// goes to the agent.
#[derive(Debug, Args)]
#[group(skip)]
pub struct Inject {
    /// The manifests, YAML or JSON; `-` is standard input
    #[arg(default_value = "-", value_name = "FILE")]
    pub file: PathBuf,
    /// savepointd's own image
    #[arg(long, default_value = concat!("savepointd:", env!("CARGO_PKG_VERSION")))]
    pub image: String,
    /// The agent is a native sidecar (Kubernetes 1.29): the default
    #[arg(long, conflicts_with = "classic_sidecar")]
    pub native_sidecar: bool,
    /// The agent is one container among others
    #[arg(long)]
    pub classic_sidecar: bool,
    /// How long a pod must at least be given to end
    #[arg(long, default_value = "120s", value_name = "DURATION")]
    pub grace: String,
    /// The ENTRYPOINT of images whose containers have no command
    #[arg(long, default_value = "/docker-entrypoint.sh", value_name = "CMD")]
    pub entrypoint: String,
    /// While an old pod runs; for rolling updates the default is request
    #[arg(long, value_enum, value_name = "WHAT")]
    pub handover: Option<Handover>,
    /// The agent's port for probes, metrics and guards
    #[arg(long, default_value_t = DEFAULT_PORT)]
    pub port: u16,
    /// Where guards find their agent, if not in the same manifests
    #[arg(long, value_name = "HOST:PORT")]
    pub agent: Option<String>,
    /// A container that is a JobManager; may be repeated
    #[arg(long = "jobmanager", value_name = "KIND/NAME/CONTAINER")]
    pub job_managers: Vec<Target>,
    /// A container that is a TaskManager; may be repeated
    #[arg(long = "taskmanager", value_name = "KIND/NAME/CONTAINER")]
    pub task_managers: Vec<Target>,
    /// Add no Role and the like, but say which rules are needed
    #[arg(long)]
    pub no_rbac: bool,
}
