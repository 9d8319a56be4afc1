//! Structured logs to standard error.

use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::{Layer as _, filter::Targets, fmt};

use crate::config::{Log, LogFormat, LogLevel};

/// Begins to log. A second call changes nothing.
pub fn begin(config: &Log) {
    let level = match config.level {
        LogLevel::Trace => LevelFilter::TRACE,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Error => LevelFilter::ERROR,
    };
    // Libraries' own chatter is of use only to whoever asks for it.
    let others = if config.level == LogLevel::Trace { level } else { level.min(LevelFilter::WARN) };
    // Every request that goes wrong is an error to this one, without saying which it was; whoever made it says more.
    let kube = if config.level == LogLevel::Trace { level } else { LevelFilter::OFF };
    let filter = Targets::new()
        .with_default(others)
        .with_target(env!("CARGO_CRATE_NAME"), level)
        .with_target("kube_client", kube);
    let base = fmt::layer().with_writer(std::io::stderr).with_target(false).with_span_events(FmtSpan::NONE);
    let layer = match config.format {
        LogFormat::Json => base.json().flatten_event(true).with_current_span(false).with_span_list(false).boxed(),
        LogFormat::Text => base.with_ansi(false).boxed(),
    };
    let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layer.with_filter(filter)));
}
