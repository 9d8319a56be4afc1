//! The figures that savepointd is held to, each beside a peer that is measured in the same run, in medians of pairs.
//! Started by `tests/run.sh bench`; `cargo test --bench bars -- --bench estimate` measures one part.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a test fails by panicking, and real processes need the real clock"
)]
#![expect(clippy::print_stdout, reason = "people read it")]
#![expect(clippy::cast_precision_loss, reason = "figures for people")]

#[path = "../support/mod.rs"]
mod support;

mod baseline;
mod counters;
mod counts;
mod downtime;
mod estimate;
mod figures;
mod fleet;
mod rest;
mod scripted;
mod session;
mod start;
mod stop;
mod verify;

use figures::{bar, figure, median, millis};

/// What is measured, of which version of Flink.
type Part = (&'static str, fn(&str));

fn main() {
    // `cargo test --benches` would run this too; it is no test.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let asked: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let version = std::env::var("SPTEST_FLINK").unwrap_or_else(|_| "1.20.5".to_owned());
    // Not by themselves: they help to choose what is to be set.
    let on_demand: [Part; 1] = [("options", downtime::options)];
    figures::head(&version);
    let parts: [Part; 11] = [
        ("binary", |_| {
            let size = std::fs::metadata(support::process::binary()).unwrap().len();
            bar("size", format!("{:.1} MiB", size as f64 / f64::from(1 << 20)), "at most 10 MiB", size <= 10 << 20);
        }),
        ("start", |_| start::measure()),
        ("verify", |_| verify::measure()),
        ("stop", stop::measure),
        ("downtime", downtime::measure),
        ("session", session::measure),
        ("rest", rest::measure),
        ("counts", |_| counts::measure()),
        ("estimate", estimate::measure),
        ("fleet", |_| fleet::measure()),
        // Of all that was measured before it.
        ("baseline", |_| baseline::compare()),
    ];
    let is_asked_for = |name: &str| asked.iter().any(|one| one == name);
    let usual = parts.iter().filter(|(name, _)| asked.is_empty() || is_asked_for(name));
    for (name, measure) in usual.chain(on_demand.iter().filter(|(name, _)| is_asked_for(name))) {
        println!("\n== {name}, Flink {version}");
        measure(&version);
    }
}
