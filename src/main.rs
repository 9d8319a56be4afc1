//! Signals first, then the command line, then one verb; the only place that turns results into an exit code.

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use clap::FromArgMatches;
use savepointd::cli::kubectl::{self, Kubectl};
use savepointd::cli::{self, Cli, Verb, help};
use savepointd::config::{self, Client, Config};
use savepointd::exit::Exit;
use savepointd::run::{self, OnRefusal};
use savepointd::signals::Signals;
use savepointd::verb::{self, paint};
use savepointd::{agent, guard, report, telemetry};

fn main() -> ExitCode {
    let signals = Signals::install();
    let argv: Vec<OsString> = std::env::args_os().collect();
    if program(&argv) == Some(kubectl::PROGRAM) {
        return plugin(&argv, signals);
    }
    let argv = in_the_place_of_an_entrypoint(argv);
    let cli: Cli = match parse(&argv, help::command()) {
        Ok(cli) => cli,
        Err(exit) => return exit.into(),
    };
    paint::begin(cli.color);
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return system(&error),
    };
    let signals = match signals {
        Ok(signals) => signals,
        Err(error) => return system(&error),
    };
    let result = tokio::task::LocalSet::new().block_on(&runtime, dispatch(cli, signals));
    // A store that hangs must not keep the process from ending.
    runtime.shutdown_background();
    match result {
        Ok(exit) => exit.into(),
        Err(error) => match error.downcast_ref::<config::Error>() {
            Some(error) => wrong_configuration(error),
            None => system(error.as_ref()),
        },
    }
}

fn wrong_configuration(error: &config::Error) -> ExitCode {
    match error {
        config::Error::Invalid { problems } => problems.iter().for_each(|problem| verb::complain(&problem.to_string())),
        error => verb::complain(&report::chain(error)),
    }
    Exit::Configuration.into()
}

fn program(argv: &[OsString]) -> Option<&str> {
    Path::new(argv.first()?).file_name()?.to_str()
}

/// As kubectl calls it.
fn plugin(argv: &[OsString], signals: std::io::Result<Signals>) -> ExitCode {
    let asked: Kubectl = match parse(argv, kubectl::command()) {
        Ok(asked) => asked,
        Err(exit) => return exit.into(),
    };
    if signals.is_ok_and(Signals::default_from_now_on) {
        return Exit::Terminated.into();
    }
    paint::begin(asked.color);
    verb::kubectl(&asked).map_or_else(|error| system(error.as_ref()), Into::into)
}

fn in_the_place_of_an_entrypoint(argv: Vec<OsString>) -> Vec<OsString> {
    let words: Option<Vec<String>> = argv.iter().map(|word| word.to_str().map(str::to_owned)).collect();
    // The parser says what is wrong with what is no text.
    let Some(words) = words else { return argv };
    cli::words(words, std::env::var(config::ENTRYPOINT_VARIABLE).ok()).into_iter().map(Into::into).collect()
}

/// The exit code, where what was typed is no command, or asks for help.
fn parse<T: FromArgMatches>(argv: &[OsString], mut command: clap::Command) -> Result<T, Exit> {
    let parsed = command.try_get_matches_from_mut(argv).and_then(|mut found| T::from_arg_matches_mut(&mut found));
    parsed.map_err(|error| verb::explain(&error.format(&mut command)))
}

fn system(error: &dyn std::error::Error) -> ExitCode {
    verb::complain(&report::chain(error));
    Exit::System.into()
}

async fn dispatch(cli: Cli, signals: Signals) -> anyhow::Result<Exit> {
    let settings = &cli.settings;
    let (file, flags) = (settings.config.as_deref(), settings.flags()?);
    match cli.verb {
        Verb::Agent => {
            let config = Config::load(file, config::environment(), flags.clone())?;
            let configured = Config::explain(file, config::environment(), flags)?;
            telemetry::log::begin(&config.log);
            agent::run(config, configured, signals).await
        }
        Verb::Run { agent, on_refusal, command } => {
            let elsewhere = std::env::var_os("KUBERNETES_SERVICE_HOST").is_none();
            let on_refusal = on_refusal.unwrap_or(if elsewhere { OnRefusal::Exit } else { OnRefusal::Wait });
            let options = if agent {
                let config = Config::load(file, config::environment(), flags)?;
                telemetry::log::begin(&config.log);
                run::Options::with_agent(command, &config, on_refusal, settings.to_args())?
            } else {
                let client = Client::load(file, config::environment(), flags)?;
                telemetry::log::begin(&client.log);
                let (socket, termination_log) = (client.socket, client.termination_log);
                run::Options { argv: command, socket, on_refusal, agent: None, directory: None, termination_log }
            };
            run::run(options, signals).await
        }
        Verb::Inject(inject) => {
            if signals.default_from_now_on() {
                return Ok(Exit::Terminated);
            }
            verb::inject(&inject, settings)
        }
        Verb::Guard { command } => {
            let client = Client::load(file, config::environment(), flags)?;
            telemetry::log::begin(&client.log);
            Ok(guard::guard(guard::Options { argv: command, guard: client.guard, stop: client.stop }, signals).await)
        }
        other => {
            if signals.default_from_now_on() {
                return Ok(Exit::Terminated);
            }
            if let Verb::Inspect { path, uid, output } = &other {
                let storage = config::load_storage(file, config::environment(), flags)?;
                return verb::inspect(storage, path.as_deref(), uid.as_deref(), *output).await;
            }
            if let Verb::Verify { path, output } = &other {
                let storage = config::load_storage(file, config::environment(), flags)?;
                return verb::verify(storage, path, *output).await;
            }
            let config = || Ok(Config::load(file, config::environment(), flags.clone())?);
            verb::run(other, config, || Ok(Client::load(file, config::environment(), flags.clone())?)).await
        }
    }
}
