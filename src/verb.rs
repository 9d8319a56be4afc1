//! The verbs that people type: thin, and the only place that prints.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "people read it")]

mod completions;
mod doctor;
mod drain;
mod history;
mod inject;
mod inspect;
mod install;
mod kubectl;
mod layout;
pub mod paint;
mod plan;
mod prune;
mod savepoint;
mod terminal;
mod verify;

use std::borrow::Cow;
use std::path::Path;

use tokio::time::Instant;

use self::layout::Cell;
use self::paint::{Tone, painted};
use crate::cli::{By, Color, Output, Verb};
use crate::config::{Client, Config, DEFAULT_SOCKET};
use crate::exit::Exit;
use crate::flink::setup::Setup;
use crate::http;
use crate::kubernetes::Kubernetes;
use crate::people::{self, Answer, Here, Request};
use crate::protocol::outcome::StopOutcome;
use crate::record::Record;
use crate::run;
use crate::storage::Storage;
pub use inject::inject;
pub use inspect::inspect;
pub use kubectl::kubectl;
pub use verify::verify;

/// Says what went wrong.
pub fn complain(message: &str) {
    let lines: Vec<String> = message.lines().map(layout::visible).collect();
    let message = lines.join("\n");
    eprintln!("{} {message}", painted("savepointd:", Tone::Bad, paint::err()));
}

/// Says what is wrong with a command line, or how to use it.
#[must_use]
pub fn explain(error: &clap::Error) -> Exit {
    let text = error.to_string();
    // The command line that would say otherwise is the one that can't be read.
    paint::begin(Color::Auto);
    if error.use_stderr() {
        eprint!("{}", paint::help(&text, paint::err()));
        return Exit::Usage;
    }
    print!("{}", paint::help(&text, paint::out()));
    Exit::Done
}

/// Runs one verb.
///
/// # Errors
/// If the configuration is wrong, or the system refuses something.
pub async fn run(
    verb: Verb,
    config: impl FnOnce() -> anyhow::Result<Config>,
    client: impl FnOnce() -> anyhow::Result<Client>,
) -> anyhow::Result<Exit> {
    match verb {
        Verb::Install { dir } => install::install(&dir),
        Verb::History { output } => match ask(Request::History, &config()?).await? {
            Answer::History(rows) => history::print(&rows, output),
            other => Ok(said(other, output)),
        },
        Verb::Plan { output, replay: Some(file), .. } => plan::replay(&file, output),
        Verb::Plan { output, command, .. } => {
            let setup = learn(&command)?;
            match ask(Request::Plan { setup }, &config()?).await? {
                Answer::Plan(plan) => plan::print(&plan, output),
                other => Ok(said(other, output)),
            }
        }
        Verb::Doctor { output, planned, .. } if planned.state_bytes.is_some() => Ok(doctor::plan(&planned, output)),
        Verb::Doctor { output, command, .. } => {
            let setup = learn(&command)?;
            match ask(Request::Doctor { setup }, &config()?).await? {
                Answer::Findings(findings) => doctor::print(&findings, output),
                other => Ok(said(other, output)),
            }
        }
        Verb::Pin { path, output } => Ok(said(ask(Request::Pin { path }, &config()?).await?, output)),
        Verb::Unpin { output } => Ok(said(ask(Request::Unpin, &config()?).await?, output)),
        Verb::Fresh { output } => Ok(said(ask(Request::Fresh, &config()?).await?, output)),
        Verb::Takeover { output } => Ok(said(ask(Request::Takeover, &config()?).await?, output)),
        Verb::Prune(cli) => {
            let request = Request::Prune {
                dry_run: cli.dry_run,
                checkpoints: cli.checkpoints,
                min_age_ms: u64::try_from(cli.min_age.as_millis()).unwrap_or(u64::MAX),
                keep: cli.keep.and_then(|keep| usize::try_from(keep).ok()),
                by_flink: cli.by == By::Flink,
            };
            match ask(request, &config()?).await? {
                Answer::Pruned(pruned) => prune::print(&pruned, cli.output),
                other => Ok(said(other, cli.output)),
            }
        }
        Verb::Savepoint(cli) => savepoint::savepoint(&cli, &config()?).await,
        Verb::LogLevel { level, output } => Ok(said(ask(Request::LogLevel { level }, &config()?).await?, output)),
        Verb::Drain { output } => drain::drain(&client()?, output).await,
        Verb::Completions { shell } => Ok(completions::print(shell)),
        Verb::Complete { words } => Ok(completions::complete(&words)),
        Verb::Agent | Verb::Run { .. } | Verb::Guard { .. } | Verb::Inject(_) => Ok(Exit::Usage),
        Verb::Inspect { .. } | Verb::Verify { .. } => Ok(Exit::Usage),
    }
}

/// What Flink's configuration says for this command line, if there is one.
fn learn(command: &[String]) -> anyhow::Result<Option<Box<Setup>>> {
    if command.is_empty() {
        return Ok(None);
    }
    Ok(Some(Box::new(run::learn(command).map_err(anyhow::Error::msg)?)))
}

/// Asks, and shows that it takes its time where it does.
async fn ask(request: Request, config: &Config) -> anyhow::Result<Answer> {
    let begun = Instant::now();
    let what = match &request {
        Request::Prune { dry_run: false, .. } => "deleting what is not kept",
        Request::Prune { .. } => "looking for what is not kept",
        Request::Doctor { .. } => "trying everything out",
        Request::Plan { .. } => "listing restore points",
        _ => "reading the record",
    };
    let answer = tokio::select! {
        answer = ask_quietly(request, config) => answer,
        () = terminal::redraw(|| format!("{what}: {} s", begun.elapsed().as_secs())) => anyhow::bail!("the terminal is gone"),
    };
    terminal::erase();
    answer
}

/// Asks the agent, or, where none listens or the one that does is just ending, looks for itself. Asking twice for the same
/// does no harm.
async fn ask_quietly(request: Request, config: &Config) -> anyhow::Result<Answer> {
    match http::call(&control_socket(config), "POST", "/v1/ask", &request).await {
        Err(http::Error::Connect { .. } | http::Error::Connection(_)) => {
            let kubernetes = Kubernetes::of(config);
            let storage = Storage::here(config.storage.clone());
            let record = Record::open(&config.record, &storage, kubernetes.as_ref())?;
            let (record, storage, kubernetes) = (&record, &storage, kubernetes.as_ref());
            Ok(people::answer(request, Here { record, storage, config, kubernetes, running: None }).await)
        }
        answered => Ok(answered?),
    }
}

/// Where the agent listens. On a laptop nobody configures that: the one of `run --agent` is found by its record.
fn control_socket(config: &Config) -> Cow<'_, Path> {
    let embedded = (config.socket == Path::new(DEFAULT_SOCKET)).then(|| run::control_socket(config));
    embedded.flatten().map_or(Cow::Borrowed(&config.control_socket), Cow::Owned)
}

fn said(answer: Answer, output: Output) -> Exit {
    match answer {
        Answer::Done(text) => {
            match output {
                Output::Json => println!("{:#}", serde_json::json!({ "done": text })),
                Output::Table => println!("{}", layout::visible(&text)),
            }
            Exit::Done
        }
        Answer::Refused { reason, passes } => {
            complain(&reason);
            if passes { Exit::Later } else { Exit::Refused }
        }
        Answer::History(_) | Answer::Plan(_) | Answer::Findings(_) | Answer::Pruned(_) | Answer::Saved(_) => {
            complain("the agent gave another answer than was asked for; is it of the same version?");
            Exit::System
        }
    }
}

/// How a stop ended, as the tables show it.
fn stopped(outcome: StopOutcome) -> Cell {
    let tone = match outcome {
        StopOutcome::Savepoint | StopOutcome::Unchanged | StopOutcome::Ended => Tone::Good,
        StopOutcome::Checkpoint | StopOutcome::Superseded => Tone::Doubtful,
        StopOutcome::Nothing => Tone::Bad,
    };
    Cell::toned(outcome.as_str(), tone)
}
