//! What `--help` says beyond the grammar: verbs grouped as a person on call looks for them, and for each one examples and exit codes.

use std::fmt::Write as _;

use clap::{Arg, ArgAction, Command, CommandFactory as _};

use super::Cli;

/// No line is longer.
pub const WIDTH: usize = 80;

const SETTINGS: &str = "\
Configuration, later ones win: defaults, one TOML file (--config, or
SAVEPOINTD_CONFIG), environment (SAVEPOINTD_SECTION__KEY), flags.";

const EXIT_CODES: &str = "0 done; 1 the job failed for good; 64 wrong usage; 65 the state is broken, or is not what Flink restored; \
                          71 the system refused; 75 try again later; 77 refused on purpose; 78 wrong configuration; 143 ended by SIGTERM.";

const EXAMPLES: &str = "
  savepointd plan --record file:///var/lib/savepointd/orders
  kubectl exec deploy/orders -c savepointd -- /bin/savepointd plan
  savepointd doctor --set stop.grace=60s";

/// What a verb's help says beyond its grammar.
struct Verb {
    name: &'static str,
    /// In the list of verbs.
    short: &'static str,
    /// One in each line; every one of them parses.
    examples: &'static str,
    /// Where they say more than done or not.
    exit_codes: &'static str,
}

const ANSWERS: &str = "0 answered; 75 try again later; 77 it can't be told; 78 wrong configuration.";
const SAID: &str = "0 durable in the record; 75 try again later; 77 refused on purpose.";

const GROUPS: &[(&str, &[Verb])] = &[
    (
        "What is safe, and what happens next",
        &[
            Verb {
                name: "plan",
                short: "What the next start would do, and why",
                examples: "
  savepointd plan
  savepointd plan --output json > plan.json
  savepointd plan --replay plan.json
  savepointd plan -- /docker-entrypoint.sh standalone-job",
                exit_codes: ANSWERS,
            },
            Verb {
                name: "history",
                short: "The recorded restore points, newest first",
                examples: "
  savepointd history
  savepointd history --output json | jq '.[0].path'",
                exit_codes: ANSWERS,
            },
            Verb {
                name: "verify",
                short: "Whether a savepoint or checkpoint is whole",
                examples: "
  savepointd verify s3://flink/sp/orders/3/savepoint-627a11-0f83cfae04ed",
                exit_codes: "0 whole; 65 broken; 75 unreadable just now; 77 it can't be verified.",
            },
            Verb {
                name: "inspect",
                short: "What a savepoint or checkpoint holds",
                examples: "
  savepointd inspect s3://flink/sp/orders/3/savepoint-627a11-0f83cfae04ed
  savepointd inspect --uid order-window
  savepointd inspect --uid order-window ./savepoint-627a11-0f83cfae04ed",
                exit_codes: "0 read, and it has the uid; 65 broken, absent, or it has not; 75 unreadable just now; 77 it can't be read by this build.",
            },
            Verb {
                name: "doctor",
                short: "What would lose state, and the way out",
                examples: "
  savepointd doctor
  savepointd doctor -- /docker-entrypoint.sh standalone-job
  savepointd doctor --state-bytes 200Gi --throughput 400Mi --task-managers 4",
                exit_codes: "0 nothing is bad; 75 try again later; 77 something will not work.",
            },
        ],
    ),
    (
        "Say what the next start does",
        &[
            Verb {
                name: "pin",
                short: "It restores this point",
                examples: "
  savepointd pin s3://flink/sp/orders/3/savepoint-627a11-0f83cfae04ed",
                exit_codes: SAID,
            },
            Verb {
                name: "unpin",
                short: "It restores the newest point: takes pin or fresh back",
                examples: "
  savepointd unpin",
                exit_codes: SAID,
            },
            Verb {
                name: "fresh",
                short: "It begins with nothing, once",
                examples: "
  savepointd fresh",
                exit_codes: SAID,
            },
            Verb {
                name: "takeover",
                short: "It no longer waits for a pod that is gone for good",
                examples: "
  savepointd takeover",
                exit_codes: SAID,
            },
        ],
    ),
    (
        "Take, delete, stop",
        &[
            Verb {
                name: "savepoint",
                short: "Take a savepoint of the running job, which goes on",
                examples: "
  savepointd savepoint
  savepointd savepoint --native --wait 5m --output json",
                exit_codes: "0 taken and verified; 75 not now, or not yet complete; 77 it can't be verified, or is refused.",
            },
            Verb {
                name: "prune",
                short: "Delete savepoints beyond those that are kept",
                examples: "
  savepointd prune --dry-run
  savepointd prune --keep 3 --checkpoints --min-age 7d",
                exit_codes: "0 done; 75 not everything could be deleted, the next one goes on; 77 refused.",
            },
            Verb {
                name: "drain",
                short: "Stop the job with a savepoint: for a preStop hook",
                examples: "
  savepointd drain",
                exit_codes: "0 the outcome is durable; 75 there is none.",
            },
            Verb {
                name: "log-level",
                short: "At which level agent and run log, or another one",
                examples: "
  savepointd log-level
  savepointd log-level debug",
                exit_codes: "0 that is the level; 75 no agent answers.",
            },
        ],
    ),
    (
        "Set up",
        &[
            Verb {
                name: "inject",
                short: "Write all that is needed into Kubernetes manifests",
                examples: "
  kubectl apply -f <(savepointd inject flink.yaml)
  helm template orders ./chart | savepointd inject | kubectl apply -f -
  savepointd inject --image registry.example.com/savepointd:1 flink.yaml",
                exit_codes: "0 written; 64 wrong usage; 65 something can't be protected, nothing is written.",
            },
            Verb {
                name: "completions",
                short: "Have a shell complete verbs, flags and keys",
                examples: "
  source <(savepointd completions bash)
  savepointd completions zsh > ~/.zfunc/_savepointd
  savepointd completions fish > ~/.config/fish/completions/savepointd.fish",
                exit_codes: "",
            },
        ],
    ),
    (
        "What pods run",
        &[
            Verb {
                name: "run",
                short: "Before the JobManager's entrypoint",
                examples: "
  savepointd run -- /docker-entrypoint.sh standalone-job
  savepointd run --agent --record file:///var/lib/savepointd/orders -- \\
    /opt/flink/bin/standalone-job.sh start-foreground",
                exit_codes: "that of the entrypoint; 0 or 1 when the job itself finished or failed; 77 Flink may not start; 65 it did not restore the chosen point; 143 ended by SIGTERM.",
            },
            Verb {
                name: "guard",
                short: "Before a TaskManager's entrypoint",
                examples: "
  savepointd guard -- /docker-entrypoint.sh taskmanager",
                exit_codes: "that of the entrypoint; 128 + n where signal n ended it.",
            },
            Verb {
                name: "agent",
                short: "The sidecar",
                examples: "
  savepointd agent --record configmap://flink/orders",
                exit_codes: "",
            },
            Verb {
                name: "install",
                short: "Copy this binary to where another container runs it",
                examples: "
  savepointd install /savepointd/bin",
                exit_codes: "",
            },
        ],
    ),
];

/// The whole grammar, with its help.
#[must_use]
pub fn command() -> Command {
    let mut command = plain_values(Cli::command());
    for verb in GROUPS.iter().flat_map(|(_, verbs)| *verbs) {
        let notes = notes(verb.examples, verb.exit_codes);
        command = command.mut_subcommand(verb.name, |verb| plain_values(verb).after_help(notes));
    }
    let after = format!("{SETTINGS}\n\n{}", notes(EXAMPLES, EXIT_CODES));
    command
        .help_template("{about-with-newline}\n{usage-heading} {usage}\n\n{before-help}Options:\n{options}{after-help}")
        .before_help(groups())
        .after_help(after)
}

/// The values that can be given stand where the value stands: that is shorter than a list of them, and all that is needed.
pub(super) fn plain_values(command: Command) -> Command {
    command.mut_args(|arg: Arg| {
        let values = arg.get_possible_values();
        let takes_one = matches!(arg.get_action(), ArgAction::Set | ArgAction::Append);
        if values.is_empty() || !takes_one {
            return arg;
        }
        // Every verb has it: its line is short, and its values stand in it.
        if arg.get_id() == "color" {
            return arg.hide_possible_values(true);
        }
        let names: Vec<&str> = values.iter().map(clap::builder::PossibleValue::get_name).collect();
        // The grammar lives as long as the process.
        let name: &'static str = names.join("|").leak();
        arg.value_name(name).hide_possible_values(true)
    })
}

fn groups() -> String {
    let mut text = String::new();
    for (index, (title, verbs)) in GROUPS.iter().enumerate() {
        let between = if index == 0 { "" } else { "\n\n" };
        let _ = write!(text, "{between}{title}:");
        for Verb { name, short, .. } in *verbs {
            let _ = write!(text, "\n  {name:<11}  {short}");
        }
    }
    text
}

pub(super) fn notes(examples: &str, exit_codes: &str) -> String {
    let codes = if exit_codes.is_empty() { "" } else { "\n\nExit codes: " };
    format!("Examples:{examples}{codes}{exit_codes}")
}

#[cfg(test)]
mod tests;
