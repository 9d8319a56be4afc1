//! The command line's grammar.

pub mod complete;
pub mod help;
mod inject;
pub mod kubectl;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::config::{self, Flags};
use crate::protocol::estimate::advice;
use crate::protocol::native::{self, Created};
use crate::run::OnRefusal;
pub use inject::Inject;

/// Keeps Flink state through whatever Kubernetes does to a pod.
#[derive(Debug, Parser)]
#[command(name = "savepointd", version = crate::version::text(), max_term_width = help::WIDTH)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
    /// When to colour: auto, always or never
    #[arg(long, global = true, value_enum, default_value = "auto", value_name = "WHEN", hide_default_value = true)]
    pub color: Color,
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
        None => return argv,
        Some(_) if is_verb(rest) => return argv,
        Some(Created::JobManager) => "run",
        Some(Created::TaskManager) => "guard",
    };
    let entrypoint = entrypoint.filter(|path| !path.is_empty()).unwrap_or_else(|| "/docker-entrypoint.sh".to_owned());
    let before = [program.clone(), verb.to_owned(), "--".to_owned(), entrypoint];
    before.into_iter().chain(rest.iter().cloned()).collect()
}

fn is_verb(rest: &[String]) -> bool {
    let command = help::command();
    let known = |word: &String| word.starts_with('-') || command.find_subcommand(word).is_some();
    rest.first().is_none_or(known)
}

/// Where configuration comes from.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Configuration")]
pub struct Settings {
    /// The configuration file (TOML)
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The record.
    #[arg(long, global = true, value_name = "URL", help = "Such as configmap://flink/orders or s3://state/orders")]
    pub record: Option<String>,
    /// One value, such as stop.grace=60s; may be repeated
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

/// When to colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless `NO_COLOR` is set.
    Auto,
    /// Also into files and pipes.
    Always,
    /// Not at all.
    Never,
}

/// A shell that completes what is typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    /// GNU bash.
    Bash,
    /// The Z shell.
    Zsh,
    /// fish.
    Fish,
}

/// How a verb answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    Table,
    /// For programs.
    Json,
}

/// What to do. Examples and exit codes of each stand in [`help`].
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Run the agent: the sidecar that decides what a JobManager starts from, and takes its final savepoint
    Agent,
    /// Run Flink's entrypoint: start it from the right point, and keep SIGTERM from it until its state is safe
    Run {
        /// Start an agent as well, where there is no sidecar (a laptop, a VM)
        #[arg(long)]
        agent: bool,
        /// What to do when Flink may not start; in a pod the default is wait, elsewhere exit
        #[arg(long, value_enum, value_name = "WHAT")]
        on_refusal: Option<OnRefusal>,
        /// The entrypoint, such as /docker-entrypoint.sh standalone-job
        #[arg(last = true, required = true, value_name = "CMD")]
        command: Vec<String>,
    },
    /// Run a TaskManager: hold SIGTERM while a final savepoint is being taken, and end tasks that outlive their JobManager
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
    /// Write sidecar, wrappers and what they need into Kubernetes manifests; other objects pass through unchanged. What was
    /// changed, and what could not be, is said on standard error
    Inject(Inject),
    /// List the recorded restore points, newest first
    History {
        /// How to answer
        #[arg(long, value_enum, default_value = "table")]
        output: Output,
    },
    /// Say what the next start would do and why, and why no other point; nothing is changed
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
    /// Try out what savepointd relies on, and say what is wrong with it and the way out. What is written for that is deleted
    /// again
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
    /// Take a savepoint of the running job, which goes on; canonical, to upgrade from, unless told otherwise. It stays until a
    /// person deletes it
    Savepoint(Savepoint),
    /// Delete savepoints beyond those that are kept, and what was left half-written; nothing that anything needs
    Prune(Prune),
    /// Have the next start restore this point; it is looked at first
    Pin {
        /// The savepoint's or checkpoint's directory
        path: String,
        /// How to answer
        #[arg(long, value_enum, default_value = "table")]
        output: Output,
    },
    /// Take `pin` or `fresh` back: the next start restores the newest point
    Unpin {
        /// How to answer
        #[arg(long, value_enum, default_value = "table")]
        output: Output,
    },
    /// Have the next start, and only that, begin with nothing
    Fresh {
        /// How to answer
        #[arg(long, value_enum, default_value = "table")]
        output: Output,
    },
    /// Say that the holder of the newest epoch is gone for good (a lost node), so that another pod may start. What it still
    /// writes is not used
    Takeover {
        /// How to answer
        #[arg(long, value_enum, default_value = "table")]
        output: Output,
    },
    /// Stop the job with a savepoint and wait until that is durable: for a preStop hook
    Drain {
        /// How to answer
        #[arg(long, value_enum, default_value = "table")]
        output: Output,
    },
    /// Say at which level the agent logs, or have it and `run` log at another one until they end
    LogLevel {
        /// The new level
        #[arg(value_enum)]
        level: Option<config::LogLevel>,
        /// How to answer
        #[arg(long, value_enum, default_value = "table")]
        output: Output,
    },
    /// Print what makes a shell complete verbs, flags and keys
    Completions {
        /// The shell
        shell: Shell,
    },
    /// What the word that is being typed may become: asked by what `completions` prints.
    #[command(hide = true)]
    Complete {
        /// What was typed; the last word is the one to complete.
        #[arg(last = true)]
        words: Vec<String>,
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

#[cfg(test)]
mod tests {
    use super::*;

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
