//! Figures, as people read them.
#![expect(clippy::needless_pass_by_value, reason = "figures for people")]

use std::time::Duration;

/// One figure beside its bar.
pub(super) fn bar(what: &str, figure: String, bar: &str, met: bool) {
    println!("{what:<58} {figure:>12}   bar: {bar}: {}", if met { "met" } else { "MISSED" });
}

/// One figure without a bar.
pub(super) fn figure(what: &str, figure: String) {
    println!("{what:<58} {figure:>12}");
}

pub(super) fn median(durations: &[Duration]) -> Duration {
    let mut sorted = durations.to_vec();
    sorted.sort();
    sorted[sorted.len() / 2]
}

pub(super) fn millis(duration: Duration) -> String {
    format!("{:.1} ms", duration.as_secs_f64() * 1_000.0)
}
