//! The figures that savepointd is held to, each beside a peer that is measured in the same run, in medians of pairs.
//! Started by `tests/run.sh bench`.
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

mod figures;
mod rest;
mod start;
mod stop;
mod verify;

use figures::{bar, figure, median, millis};

fn main() {
    // `cargo test --benches` would run this too; it is no test.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let version = std::env::var("SPTEST_FLINK").unwrap_or_else(|_| "1.20.5".to_owned());
    println!("\n== binary");
    let size = std::fs::metadata(support::process::binary()).unwrap().len();
    bar("size", format!("{:.1} MiB", size as f64 / f64::from(1 << 20)), "at most 10 MiB", size <= 10 << 20);
    println!("\n== start");
    start::measure();
    println!("\n== verify");
    verify::measure();
    println!("\n== stop, Flink {version}");
    stop::measure(&version);
    println!("\n== agent at rest, Flink {version}");
    rest::measure(&version);
}
