//! Structured logs to standard error. The level can be changed while the process runs.

use std::sync::OnceLock;

use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::{Layer as _, Registry, filter::Targets, fmt, reload};

use crate::config::{Log, LogFormat, LogLevel};

static LEVEL: OnceLock<reload::Handle<Targets, Registry>> = OnceLock::new();

/// Begins to log. A second call changes nothing.
pub fn begin(config: &Log) {
    let (filter, handle) = reload::Layer::new(filter(config.level));
    let base = fmt::layer().with_writer(std::io::stderr).with_span_events(FmtSpan::NONE);
    let layer = match config.format {
        LogFormat::Json => base.json().flatten_event(true).with_current_span(false).with_span_list(false).boxed(),
        LogFormat::Text => base.with_target(false).with_ansi(false).boxed(),
    };
    let subscriber = tracing_subscriber::registry().with(layer.with_filter(filter));
    if tracing::subscriber::set_global_default(subscriber).is_ok() {
        let _ = LEVEL.set(handle);
    }
}

/// Logs at this level from now on; says whether it does.
pub fn change(level: LogLevel) -> bool {
    LEVEL.get().is_some_and(|handle| handle.reload(filter(level)).is_ok())
}

fn filter(level: LogLevel) -> Targets {
    let asked_for = match level {
        LogLevel::Trace => LevelFilter::TRACE,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Error => LevelFilter::ERROR,
    };
    // Libraries' own chatter is of use only to whoever asks for it.
    let others = if level == LogLevel::Trace { asked_for } else { asked_for.min(LevelFilter::WARN) };
    // Every request that goes wrong is an error to this one, without saying which it was; whoever made it says more.
    let kube = if level == LogLevel::Trace { asked_for } else { LevelFilter::OFF };
    Targets::new()
        .with_default(others)
        .with_target(env!("CARGO_CRATE_NAME"), asked_for)
        .with_target("kube_client", kube)
}
