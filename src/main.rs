//! Signals first, then the command line, then one verb; the only place that turns results into an exit code.

use std::process::ExitCode;

use clap::Parser as _;
use savepointd::cli::{self, Cli, Verb};
use savepointd::config::{self, Client, Config};
use savepointd::exit::Exit;
use savepointd::run::{self, OnRefusal};
use savepointd::signals::Signals;
use savepointd::{agent, guard, report, telemetry, verb};

fn main() -> ExitCode {
    let signals = Signals::install();
    let cli = match parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage.into() } else { Exit::Done.into() };
        }
    };
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
        Err(error) if error.is::<config::Error>() => {
            verb::complain(&format!("{error}"));
            Exit::Configuration.into()
        }
        Err(error) => system(error.as_ref()),
    }
}

fn parse() -> Result<Cli, clap::Error> {
    let argv: Result<Vec<String>, _> = std::env::args_os().map(std::ffi::OsString::into_string).collect();
    match argv {
        Ok(argv) => Cli::try_parse_from(cli::words(argv, std::env::var(config::ENTRYPOINT_VARIABLE).ok())),
        // The parser says what is wrong with it.
        Err(_) => Cli::try_parse(),
    }
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
            let config = Config::load(file, std::env::vars(), flags.clone())?;
            let configured = Config::explain(file, std::env::vars(), flags)?;
            telemetry::log::begin(&config.log);
            agent::run(config, configured, signals).await
        }
        Verb::Run { agent, on_refusal, command } => {
            let elsewhere = std::env::var_os("KUBERNETES_SERVICE_HOST").is_none();
            let on_refusal = on_refusal.unwrap_or(if elsewhere { OnRefusal::Exit } else { OnRefusal::Wait });
            let options = if agent {
                let config = Config::load(file, std::env::vars(), flags)?;
                telemetry::log::begin(&config.log);
                run::Options::with_agent(command, &config, on_refusal, settings.to_args())?
            } else {
                let client = Client::load(file, std::env::vars(), flags)?;
                telemetry::log::begin(&client.log);
                let (socket, termination_log) = (client.socket, client.termination_log);
                run::Options { argv: command, socket, on_refusal, agent: None, termination_log }
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
            let client = Client::load(file, std::env::vars(), flags)?;
            telemetry::log::begin(&client.log);
            Ok(guard::guard(guard::Options { argv: command, guard: client.guard, stop: client.stop }, signals).await)
        }
        other => {
            if signals.default_from_now_on() {
                return Ok(Exit::Terminated);
            }
            if let Verb::Inspect { path, uid, output } = &other {
                let storage = config::load_storage(file, std::env::vars(), flags)?;
                return verb::inspect(storage, path.as_deref(), uid.as_deref(), *output).await;
            }
            if let Verb::Verify { path, output } = &other {
                let storage = config::load_storage(file, std::env::vars(), flags)?;
                return verb::verify(storage, path, *output).await;
            }
            let config = || Ok(Config::load(file, std::env::vars(), flags.clone())?);
            verb::run(other, config, || Ok(Client::load(file, std::env::vars(), flags.clone())?)).await
        }
    }
}
