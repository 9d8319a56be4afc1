//! What is measured now beside what was measured when `baseline.json` was written: worse by more than noise is marked, and fails nothing.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

/// By how much a figure may differ that nothing has changed, unless the baseline says otherwise for it: parts of one.
fn usual_noise(unit: &str) -> f64 {
    match unit {
        "million instructions" => 0.03,
        "bytes" => 0.01,
        "requests" => 0.15,
        "calls" => 0.1,
        "MiB" | "KiB" => 0.1,
        _ => 0.3,
    }
}

/// More of these is better; of all others it is worse.
fn is_a_rate(unit: &str) -> bool {
    unit.ends_with("/s") && !unit.starts_with("ms")
}

fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bench/baseline.json")
}

/// Compares everything that this run has measured so far; with `SPTEST_BASELINE=write` makes it the baseline.
pub(super) fn compare() {
    let Some(figures) = std::env::var_os("SPTEST_FIGURES") else {
        return println!("nothing to compare: SPTEST_FIGURES names the file that figures are kept in");
    };
    let text = std::fs::read_to_string(figures).unwrap_or_default();
    let measured: Vec<Value> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let known = std::fs::read_to_string(file()).unwrap_or_else(|_| "{}".to_owned());
    let mut known: BTreeMap<String, Value> = serde_json::from_str(&known).unwrap();
    let mut worse = 0;
    for figure in measured {
        let (Some(name), Some(value)) = (figure["name"].as_str(), figure["value"].as_f64()) else { continue };
        let unit = figure["unit"].as_str().unwrap_or_default();
        let before = known.get(name);
        let noise = before.and_then(|before| before["noise"].as_f64()).unwrap_or_else(|| usual_noise(unit));
        if std::env::var("SPTEST_BASELINE").is_ok_and(|what| what == "write") {
            known.insert(name.to_owned(), json!({ "value": value, "unit": unit, "noise": noise }));
        } else if let Some(before) = before.and_then(|before| before["value"].as_f64()) {
            let verdict = Verdict::of(before, value, noise, is_a_rate(unit));
            worse += usize::from(verdict == Verdict::Worse);
            let change = if before == 0.0 { 0.0 } else { (value / before - 1.0) * 100.0 };
            println!("{name:<66} {value:>14.2} {unit:<20} was {before:>14.2} {change:>+7.1} % {}", verdict.word());
        }
    }
    if std::env::var_os("SPTEST_BASELINE").is_some() {
        let text = serde_json::to_string_pretty(&known).unwrap();
        return std::fs::write(file(), text + "\n").unwrap();
    }
    println!("{worse} worse than the baseline by more than noise");
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Worse,
    Better,
    Same,
}

impl Verdict {
    fn of(before: f64, now: f64, noise: f64, more_is_better: bool) -> Self {
        let (low, high) = (before * (1.0 - noise), before * (1.0 + noise));
        match (now > high, now < low, more_is_better) {
            (true, _, false) | (_, true, true) => Self::Worse,
            (true, _, true) | (_, true, false) => Self::Better,
            _ => Self::Same,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Worse => "WORSE",
            Self::Better => "better: write the baseline anew",
            Self::Same => "",
        }
    }
}
