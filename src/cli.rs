//! The command line's grammar.

use std::path::PathBuf;

use clap::{Args, CommandFactory as _, Parser, Subcommand, ValueEnum};

use crate::config::{self, Flags};
use crate::inject::{DEFAULT_PORT, Handover, Target};
use crate::protocol::estimate::advice;
use crate::protocol::native::{self, Created};
use crate::run::OnRefusal;

const AFTER_HELP: &str = "\
Configuration, later ones win: defaults, one TOML file (--config or SAVEPOINTD_CONFIG),
environment (SAVEPOINTD_SECTION__KEY), flags (--set section.key=value).

Exit codes: 0 done; 1 the job failed for good; 64 wrong usage; 65 the job ran from something else
than the chosen point, or Flink could not restore that; 71 the system refused; 75 try again later;
77 refused on purpose; 78 wrong configuration; 143 ended by SIGTERM. Otherwise run and guard give the
entrypoint's own code.";

/// Keeps Flink state through whatever Kubernetes does to a pod.
#[derive(Debug, Parser)]
#[command(name = "savepointd", version, after_help = AFTER_HELP, max_term_width = 110)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
    /// Where configuration comes from.
    #[command(flatten)]
    pub settings: Settings,
}

/// The words to parse. Where Flink creates the pods (`kubernetes.entry.path`), this binary stands in the place of the image's
/// entrypoint and is given what that would be: the verb and `entrypoint` are put in front of it.
#[must_use]
pub fn words(argv: Vec<String>, entrypoint: Option<String>) -> Vec<String> {
    let Some((program, rest)) = argv.split_first() else { return argv };
    let verb = match native::created(rest) {
        _ if is_verb(rest) => return argv,
        Some(Created::JobManager) => "run",
        Some(Created::TaskManager) => "guard",
        None => return argv,
    };
    let entrypoint = entrypoint.filter(|path| !path.is_empty()).unwrap_or_else(|| "/docker-entrypoint.sh".to_owned());
    let before = [program.clone(), verb.to_owned(), "--".to_owned(), entrypoint];
    before.into_iter().chain(rest.iter().cloned()).collect()
}

fn is_verb(rest: &[String]) -> bool {
    let known = |word: &String| word.starts_with('-') || Cli::command().find_subcommand(word).is_some();
    rest.first().is_none_or(known)
}

/// Where configuration comes from.
#[derive(Debug, Clone, Args)]
pub struct Settings {
    /// The configuration file (TOML)
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The record's URL, such as `configmap://flink/orders`, `s3://state/orders` or `file:///var/lib/savepointd/orders`
    #[arg(long, global = true, value_name = "URL")]
    pub record: Option<String>,
    /// A configuration value; may be given several times
    #[arg(long = "set", global = true, value_name = "KEY=VALUE")]
    pub sets: Vec<String>,
}

impl Settings {
    /// The flags as the configuration wants them.
    ///
    /// # Errors
    /// If a `--set` is not `key=value`.
    pub fn flags(&self) -> Result<Flags, config::Error> {
        let mut flags = Flags::default();
        for set in &self.sets {
            flags.set(set)?;
        }
        if let Some(record) = &self.record {
            flags.push("--record", "record", record);
        }
        Ok(flags)
    }

    /// The same flags as a command line.
    #[must_use]
    pub fn to_args(&self) -> Vec<String> {
        let mut args = Vec::new();
        if let Some(config) = &self.config {
            args.extend(["--config".to_owned(), config.display().to_string()]);
        }
        for set in &self.sets {
            args.extend(["--set".to_owned(), set.clone()]);
        }
        if let Some(record) = &self.record {
            args.extend(["--record".to_owned(), record.clone()]);
        }
        args
    }
}

/// How a verb answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    Table,
    /// For programs.
    Json,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Run the agent: the sidecar that decides what a JobManager starts from and takes its final savepoint
    Agent,
    /// Run Flink's entrypoint: start it from the right point, and keep SIGTERM from it until its state is safe
    Run {
        /// Start an agent as well, where there is no sidecar (a laptop, a VM)
        #[arg(long)]
        agent: bool,
        /// What to do when Flink may not start; in a pod the default is wait, elsewhere exit
        #[arg(long, value_enum, value_name = "WHAT")]
        on_refusal: Option<OnRefusal>,
        /// The entrypoint, such as /docker-entrypoint.sh standalone-job --job-classname com.example.Job
        #[arg(last = true, required = true, value_name = "CMD")]
        command: Vec<String>,
    },
    /// Run a TaskManager: hold SIGTERM while a final savepoint is being taken, end tasks that outlive their JobManager
    Guard {
        /// The entrypoint, such as /docker-entrypoint.sh taskmanager
        #[arg(last = true, required = true, value_name = "CMD")]
        command: Vec<String>,
    },
    /// Copy this binary into a directory, from where another container runs it
    Install {
        /// The directory
        dir: PathBuf,
    },
    /// Write sidecar, wrappers and what they need into Kubernetes manifests; other objects pass through unchanged
    Inject(Inject),
    /// List the recorded restore points, newest first
    History {
        /// How to answer
        #[arg(long, value_enum, default_value = "table")]
        output: Output,
    },
    /// Say what the next start would do, and why; nothing is changed
    Plan {
        /// How to answer
        #[arg(long, value_enum, default_value = "table")]
        output: Output,
        /// Make a plan again that `plan --output json` printed: offline, from what it rested on
        #[arg(long, value_name = "FILE", conflicts_with = "command")]
        replay: Option<PathBuf>,
        /// The entrypoint, if Flink's own configuration is to be read before the first start
        #[arg(last = true, value_name = "CMD")]
        command: Vec<String>,
    },
    /// Show what a savepoint or checkpoint holds: its operators, their parallelism and size, its files
    Inspect {
        /// The savepoint's or checkpoint's directory
        #[arg(required_unless_present = "uid")]
        path: Option<String>,
        /// Say which operator id this uid means, and whether the state has it
        #[arg(long, value_name = "NAME")]
        uid: Option<String>,
        /// How to answer
        #[arg(long, value_enum, default_value = "table")]
        output: Output,
    },
    /// Prove a savepoint or checkpoint whole: every file that it refers to is there, with its length
    Verify {
        /// The savepoint's or checkpoint's directory
        path: String,
        /// How to answer
        #[arg(long, value_enum, default_value = "table")]
        output: Output,
    },
    /// Try out what savepointd relies on, and say what is wrong with it; what is written for that is deleted again
    Doctor {
        /// How to answer
        #[arg(long, value_enum, default_value = "table")]
        output: Output,
        /// A cluster that is being planned, with nothing else looked at
        #[command(flatten)]
        planned: Planned,
        /// The entrypoint, if Flink's own configuration is to be read before the first start
        #[arg(last = true, value_name = "CMD", conflicts_with = "state_bytes")]
        command: Vec<String>,
    },
    /// Take a savepoint of the running job, which goes on; canonical, to upgrade from, unless told otherwise
    Savepoint(Savepoint),
    /// Delete savepoints beyond those that are kept, and what was left half-written; nothing that anything needs
    Prune(Prune),
    /// Have the next start restore this point
    Pin {
        /// The savepoint's or checkpoint's directory
        path: String,
    },
    /// Take `pin` or `fresh` back
    Unpin,
    /// Have the next start, and only that, begin with nothing
    Fresh,
    /// Say that the holder of the newest epoch is gone for good (a lost node), so that another pod may start
    Takeover,
    /// Stop the job with a savepoint and wait until that is durable: for a preStop hook
    Drain,
    /// Say at which level the agent logs, or have it and `run` log at another one until they end
    LogLevel {
        /// The new level
        #[arg(value_enum)]
        level: Option<config::LogLevel>,
    },
}

/// What is to be taken.
#[derive(Debug, Args)]
#[group(skip)]
pub struct Savepoint {
    /// In the state backend's own format: faster, and bound to that backend
    #[arg(long)]
    pub native: bool,
    /// How long to wait until it is complete, in place of for ever; it goes on all the same
    #[arg(long, value_name = "DURATION", value_parser = config::parse_duration)]
    pub wait: Option<std::time::Duration>,
    /// How to answer
    #[arg(long, value_enum, default_value = "table")]
    pub output: Output,
}

/// A cluster that is being planned: how long its final savepoint will take.
#[derive(Debug, Args)]
#[group(skip)]
pub struct Planned {
    /// How much state it will have, such as 200Gi; asks for nothing but the grace period that this needs
    #[arg(long, value_name = "QUANTITY", value_parser = advice::quantity, requires = "throughput")]
    pub state_bytes: Option<u64>,
    /// How many bytes one TaskManager writes to the store in a second, such as 400Mi
    #[arg(long, value_name = "QUANTITY", value_parser = advice::quantity, requires = "state_bytes")]
    pub throughput: Option<u64>,
    /// How many TaskManagers write at the same time
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), requires = "state_bytes")]
    pub task_managers: u32,
    /// The grace period that it will have; Kubernetes gives 30 s
    #[arg(long, default_value = "30s", value_name = "DURATION", value_parser = config::parse_duration, requires = "state_bytes")]
    pub grace: std::time::Duration,
}

/// What is to be deleted.
#[derive(Debug, Args)]
#[group(skip)]
pub struct Prune {
    /// Only say what would go, and why
    #[arg(long)]
    pub dry_run: bool,
    /// Delete checkpoint folders that Flink left over from earlier epochs as well
    #[arg(long)]
    pub checkpoints: bool,
    /// What is half-written or left over goes only when nothing of it was written for so long
    #[arg(long, default_value = "24h", value_name = "DURATION", value_parser = config::parse_duration)]
    pub min_age: std::time::Duration,
    /// How many savepoints are kept, in place of retention.keep
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub keep: Option<u32>,
    /// Who deletes: savepointd in the store; or Flink, where only that may, and which disposes of whole savepoints only
    #[arg(long, value_enum, default_value = "store")]
    pub by: By,
    /// How to answer
    #[arg(long, value_enum, default_value = "table")]
    pub output: Output,
}

/// Who deletes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum By {
    /// savepointd, in the store.
    Store,
    /// Flink, which has to be running.
    Flink,
}

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
    /// The agent is an init container that goes on running (Kubernetes 1.29 and newer); the default
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
    /// What a new pod does while an old one runs; request is the default for a Deployment with rolling updates
    #[arg(long, value_enum, value_name = "WHAT")]
    pub handover: Option<Handover>,
    /// The agent's port for probes, metrics and guards
    #[arg(long, default_value_t = DEFAULT_PORT)]
    pub port: u16,
    /// Where the guards of TaskManagers find their agent, if its JobManager is not in the same manifests
    #[arg(long, value_name = "HOST:PORT")]
    pub agent: Option<String>,
    /// A container that is a JobManager, whatever it looks like; may be given several times
    #[arg(long = "jobmanager", value_name = "KIND/NAME/CONTAINER")]
    pub job_managers: Vec<Target>,
    /// A container that is a TaskManager, whatever it looks like; may be given several times
    #[arg(long = "taskmanager", value_name = "KIND/NAME/CONTAINER")]
    pub task_managers: Vec<Target>,
    /// Add no service account, role and role binding; say which rules are needed
    #[arg(long)]
    pub no_rbac: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grammar_holds_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn in_the_place_of_an_entrypoint_the_verb_follows_from_what_is_started() {
        let parsed = |line: &[&str], entrypoint: Option<&str>| {
            let argv = line.iter().map(|word| (*word).to_owned()).collect();
            words(argv, entrypoint.map(str::to_owned)).join("|")
        };
        let job_manager = "kubernetes-jobmanager.sh kubernetes-application";
        for (line, entrypoint, expected) in [
            (
                &["sp", "bash", "-c", job_manager] as &[&str],
                None,
                "sp|run|--|/docker-entrypoint.sh|bash|-c|kubernetes-jobmanager.sh kubernetes-application",
            ),
            (
                &["sp", "bash", "-c", "kubernetes-taskmanager.sh -Dk=v"],
                Some("/own.sh"),
                "sp|guard|--|/own.sh|bash|-c|kubernetes-taskmanager.sh -Dk=v",
            ),
            (
                &["sp", "run", "--", "bash", "-c", job_manager],
                None,
                "sp|run|--|bash|-c|kubernetes-jobmanager.sh kubernetes-application",
            ),
            (
                &["sp", "--set", "a=b", "run", "--", job_manager],
                Some(""),
                "sp|--set|a=b|run|--|kubernetes-jobmanager.sh kubernetes-application",
            ),
            (&["sp", "bash", "-c", "sleep 1"], None, "sp|bash|-c|sleep 1"),
            (&["sp"], None, "sp"),
            (&[], None, ""),
        ] {
            assert_eq!(parsed(line, entrypoint), expected);
        }
    }
}
