//! The grammar of `kubectl savepoints`: the same binary under the name `kubectl-savepoints`.

use std::path::PathBuf;

use clap::{Args, Command, CommandFactory as _, Parser, Subcommand};

use super::help::{self, notes, plain_values};
use super::{Color, Output};

/// Under this name the binary is a plugin of kubectl.
pub const PROGRAM: &str = "kubectl-savepoints";

const EXAMPLES: &str = "
  kubectl savepoints
  kubectl savepoints --all-namespaces --output json
  kubectl savepoints plan orders -n flink";

/// List Flink clusters by their records: the newest restore point of each, its age, size and kind, and how its last stop ended.
/// Each record is a ConfigMap
/// with the label app.kubernetes.io/managed-by=savepointd; those in object stores are not seen from here
#[derive(Debug, Parser)]
#[command(name = "savepoints", bin_name = "kubectl savepoints", version = crate::version::text(), max_term_width = help::WIDTH)]
pub struct Kubectl {
    /// What to do with one cluster.
    #[command(subcommand)]
    pub verb: Option<Verb>,
    /// Look into all namespaces
    #[arg(short = 'A', long)]
    pub all_namespaces: bool,
    /// Where to look, and as whom.
    #[command(flatten)]
    pub place: Place,
    /// How to answer
    #[arg(short, long, global = true, value_enum, default_value = "table")]
    pub output: Output,
    /// When to colour: auto, always or never
    #[arg(long, global = true, value_enum, default_value = "auto", value_name = "WHEN", hide_default_value = true)]
    pub color: Color,
}

/// Where to look, and as whom: handed on to kubectl.
#[derive(Debug, Clone, Args)]
pub struct Place {
    /// The namespace, if not the context's
    #[arg(short, long, global = true, value_name = "NAMESPACE")]
    pub namespace: Option<String>,
    /// The context of the kubeconfig
    #[arg(long, global = true, value_name = "CONTEXT")]
    pub context: Option<String>,
    /// The kubeconfig file
    #[arg(long, global = true, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
}

/// What to do with one cluster. Its agent does it, in its pod, as only that has the credentials of its store.
#[derive(Debug, Clone, Subcommand)]
pub enum Verb {
    /// What its next start would do, and why
    Plan(Cluster),
    /// Its recorded restore points, newest first
    History(Cluster),
    /// What would lose its state, and the way out
    Doctor(Cluster),
    /// Take a savepoint of its running job, which goes on
    Savepoint(Cluster),
    /// Have its next start restore this point
    Pin {
        /// The cluster.
        #[command(flatten)]
        cluster: Cluster,
        /// The savepoint's or checkpoint's directory
        path: String,
    },
    /// Take pin or fresh back
    Unpin(Cluster),
    /// Have its next start, and only that, begin with nothing
    Fresh(Cluster),
    /// Say that its holder is gone for good (a lost node)
    Takeover(Cluster),
}

/// Which cluster.
#[derive(Debug, Clone, Args)]
pub struct Cluster {
    /// The name of its record, as the list has it
    pub name: String,
    /// The pod whose agent is asked, if not the one that runs the cluster
    #[arg(long, value_name = "POD")]
    pub pod: Option<String>,
}

impl Verb {
    /// Which cluster, and what its agent's command line is told.
    #[must_use]
    pub fn words(&self) -> (&Cluster, Vec<&str>) {
        match self {
            Self::Plan(cluster) => (cluster, vec!["plan"]),
            Self::History(cluster) => (cluster, vec!["history"]),
            Self::Doctor(cluster) => (cluster, vec!["doctor"]),
            Self::Savepoint(cluster) => (cluster, vec!["savepoint"]),
            Self::Pin { cluster, path } => (cluster, vec!["pin", path]),
            Self::Unpin(cluster) => (cluster, vec!["unpin"]),
            Self::Fresh(cluster) => (cluster, vec!["fresh"]),
            Self::Takeover(cluster) => (cluster, vec!["takeover"]),
        }
    }
}

/// The grammar, with its help.
#[must_use]
pub fn command() -> Command {
    let example = |verb: &str| match verb {
        "pin" => "
  kubectl savepoints pin orders s3://flink/savepoints/orders/3/savepoint-627a11"
            .to_owned(),
        verb => format!("\n  kubectl savepoints {verb} orders -n flink"),
    };
    let command = plain_values(Kubectl::command()).mut_subcommands(|verb| {
        let example = example(verb.get_name());
        plain_values(verb).after_help(notes(&example, ""))
    });
    command.after_help(notes(EXAMPLES, ""))
}
