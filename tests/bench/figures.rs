//! Figures, as people read them; and a line of JSON for each, for the table in README, into the file that `SPTEST_FIGURES` names.
#![expect(clippy::needless_pass_by_value, reason = "figures for people")]

use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

/// One figure, beside what people would use in place of savepointd, and its bar.
#[derive(Debug, Serialize)]
pub(super) struct Figure {
    name: String,
    value: f64,
    unit: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    spread: Option<[f64; 2]>,
    peer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    peer_value: Option<f64>,
    ratio: Option<f64>,
    bar: Option<String>,
    held: Option<bool>,
}

impl Figure {
    pub(super) fn new(name: impl Into<String>, value: f64, unit: &str) -> Self {
        Self {
            name: name.into(),
            value,
            unit: unit.to_owned(),
            spread: None,
            peer: None,
            peer_value: None,
            ratio: None,
            bar: None,
            held: None,
        }
    }

    /// The least and the most of what `value` is the median of.
    pub(super) fn spread(mut self, values: &[f64]) -> Self {
        let (least, most) =
            values.iter().fold((f64::MAX, f64::MIN), |(least, most), one| (least.min(*one), most.max(*one)));
        self.spread = Some([least, most]);
        self
    }

    /// What it is compared with, measured in the same run and in the same unit.
    pub(super) fn beside(mut self, peer: impl Into<String>, value: f64) -> Self {
        (self.peer, self.peer_value) = (Some(peer.into()), Some(value));
        self.ratio = Some(self.value / value);
        self
    }

    /// The ratio, where it is not that of the two medians.
    pub(super) fn ratio(mut self, ratio: f64) -> Self {
        self.ratio = Some(ratio);
        self
    }

    pub(super) fn bar(mut self, bar: impl Into<String>, held: bool) -> Self {
        (self.bar, self.held) = (Some(bar.into()), Some(held));
        self
    }

    pub(super) fn tell(self) {
        let Self { name, value, unit, .. } = &self;
        let amount = |value: f64| format!("{} {unit}", rounded(value)).trim_end().to_owned();
        let spread = self.spread.map(|[least, most]| format!("  ({} to {})", rounded(least), rounded(most)));
        let peer = self.peer.as_ref().zip(self.peer_value);
        let peer = peer.map(|(peer, value)| format!("  beside {} {peer}", amount(value)));
        let ratio = self.ratio.map(|ratio| format!(", ratio {ratio:.2}"));
        let bar = self.bar.as_ref().zip(self.held);
        let bar = bar.map(|(bar, held)| format!("   bar: {bar}: {}", if held { "met" } else { "MISSED" }));
        let more: String = [spread, peer, ratio, bar].into_iter().flatten().collect();
        println!("{name:<66} {:>12}{more}", amount(*value));
        keep(&json!(self));
    }
}

/// As many digits as mean something.
fn rounded(value: f64) -> String {
    let digits = if value.abs() < 10.0 { 2 } else { usize::from(value.abs() < 100.0) };
    format!("{value:.digits$}")
}

/// One figure beside its bar.
pub(super) fn bar(what: &str, figure: String, bar: &str, met: bool) {
    println!("{what:<66} {figure:>12}   bar: {bar}: {}", if met { "met" } else { "MISSED" });
    keep_text(what, &figure, Some((bar, met)));
}

/// One figure without a bar.
pub(super) fn figure(what: &str, figure: String) {
    println!("{what:<66} {figure:>12}");
    keep_text(what, &figure, None);
}

/// A figure that was given as text: a number and its unit. What is none is no figure.
fn keep_text(what: &str, figure: &str, bar: Option<(&str, bool)>) {
    let (number, unit) = figure.split_once(' ').unwrap_or((figure, ""));
    if let Ok(value) = number.parse() {
        let figure = Figure::new(what, value, unit);
        keep(&json!(match bar {
            Some((bar, held)) => figure.bar(bar, held),
            None => figure,
        }));
    }
}

/// When, of what and on what all figures that follow are measured.
pub(super) fn head(version: &str) {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(["-C", env!("CARGO_MANIFEST_DIR")]).args(arguments).output();
        output.ok().map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
    };
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    keep(&json!({
        "date": Timestamp::now().strftime("%Y-%m-%d").to_string(),
        "commit": git(&["rev-parse", "--short", "HEAD"]),
        "flink": version,
        "cores": std::thread::available_parallelism().map_or(0, usize::from),
        "load": load.split(' ').next().and_then(|load| load.parse::<f64>().ok()),
    }));
}

/// Writes a line where figures are kept, if anywhere.
fn keep(line: &Value) {
    let Some(path) = std::env::var_os("SPTEST_FIGURES") else { return };
    // The harness runs in the package's directory wherever it was started.
    let path = Path::new(&path);
    let mut file = std::fs::File::options().create(true).append(true).open(path).unwrap();
    writeln!(file, "{line}").unwrap();
}

/// How often something is measured, unless `SPTEST_ROUNDS` says it.
pub(super) fn rounds(usually: usize) -> usize {
    std::env::var("SPTEST_ROUNDS").ok().map_or(usually, |rounds| rounds.parse().unwrap())
}

pub(super) fn median(durations: &[Duration]) -> Duration {
    let mut sorted = durations.to_vec();
    sorted.sort();
    sorted[sorted.len() / 2]
}

/// The median of numbers.
pub(super) fn middle(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let half = sorted.len() / 2;
    if sorted.len().is_multiple_of(2) { f64::midpoint(sorted[half - 1], sorted[half]) } else { sorted[half] }
}

pub(super) fn millis(duration: Duration) -> String {
    format!("{:.1} ms", duration.as_secs_f64() * 1_000.0)
}
