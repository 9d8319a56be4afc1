//! `inject`: manifests in, manifests out, and what a person should know on standard error.

use std::io::{Read as _, Write as _};
use std::time::Duration;

use anyhow::Context as _;

use crate::cli::{self, Settings};
use crate::config::{Config, Flags};
use crate::exit::Exit;
use crate::inject::{self, Options, Refusal, Sidecar, documents};

/// Reads manifests, writes them with everything that their Flink clusters need. Nothing is written unless all of it can be: behind a pipe
/// nobody sees an exit code.
///
/// # Errors
/// If the input can't be read or the output not be written.
pub fn inject(flags: &cli::Inject, settings: &Settings) -> anyhow::Result<Exit> {
    // Wrong keys are better found here than by an agent that does not start.
    Config::explain(None, std::iter::empty(), settings.flags()?)?;
    let options = match options(flags, settings) {
        Ok(options) => options,
        Err(problem) => return Ok(refuse(&[problem], Exit::Usage)),
    };
    let mut text = Vec::new();
    if flags.file.as_os_str() == "-" {
        std::io::stdin().read_to_end(&mut text).context("the manifests can't be read from standard input")?;
    } else {
        text = std::fs::read(&flags.file)
            .with_context(|| format!("the manifests in {} can't be read", flags.file.display()))?;
    }
    let Ok(text) = String::from_utf8(text) else {
        return Ok(refuse(&["the manifests are not UTF-8".to_owned()], Exit::State));
    };
    let before = match documents::read(&text) {
        Ok(documents) => documents,
        Err(error) => return Ok(refuse(&[error.to_string()], Exit::State)),
    };
    let values = before.iter().map(documents::Document::value).collect();
    let injected = match inject::inject(values, &options) {
        Ok(injected) => injected,
        Err(Refusal::Usage(problems)) => return Ok(refuse(&problems, Exit::Usage)),
        Err(Refusal::Documents(problems)) => return Ok(refuse(&problems, Exit::State)),
    };
    let written = match documents::write(&before, &injected.documents) {
        Ok(written) => written,
        Err(problem) => return Ok(refuse(&[problem], Exit::State)),
    };
    for note in injected.notes {
        super::complain(&note);
    }
    std::io::stdout().write_all(written.as_bytes()).context("the manifests can't be written to standard output")?;
    Ok(Exit::Done)
}

fn refuse(problems: &[String], exit: Exit) -> Exit {
    for problem in problems {
        super::complain(problem);
    }
    super::complain("nothing is written");
    exit
}

fn options(flags: &cli::Inject, settings: &Settings) -> Result<Options, String> {
    if settings.config.is_some() {
        return Err(
            "inject has no configuration file: give the agent's settings by --set, or mount the file".to_owned()
        );
    }
    let grace: jiff::SignedDuration =
        flags.grace.parse().map_err(|_| format!("--grace {}: expected a duration such as 120s or 5m", flags.grace))?;
    let grace = Duration::try_from(grace).ok().filter(|grace| *grace >= Duration::from_secs(1));
    let entrypoint: Vec<String> = flags.entrypoint.split_whitespace().map(str::to_owned).collect();
    if entrypoint.is_empty() {
        return Err("--entrypoint is empty".to_owned());
    }
    let mut set = Flags::default();
    for assignment in &settings.sets {
        set.set(assignment).map_err(|error| error.to_string())?;
    }
    Ok(Options {
        image: flags.image.clone(),
        record: settings.record.clone(),
        sidecar: if flags.classic_sidecar { Sidecar::Classic } else { Sidecar::Native },
        grace: grace.ok_or("--grace: expected at least a second")?.as_secs(),
        entrypoint,
        handover: flags.handover,
        port: flags.port,
        agent: flags.agent.clone(),
        job_managers: flags.job_managers.clone(),
        task_managers: flags.task_managers.clone(),
        rbac: !flags.no_rbac,
        settings: set.variables(),
    })
}
