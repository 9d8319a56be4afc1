//! The alerts: each fires when it should and only then, and says what to do.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::{Value, json};

use super::cases::{CASES, Case};
use super::manifests::{alerts, names, rules};
use super::prometheus::promtool;
use super::support::process::binary;
use super::support::readme;

const TARGET: &str = "job=\"shop/orders\", instance=\"10.0.0.1:9250\", namespace=\"shop\", pod=\"orders-0\"";

fn name(alert: &Value) -> &str {
    alert["alert"].as_str().unwrap()
}

/// A series with the labels of its target.
fn scraped(series: &str) -> String {
    match series.strip_suffix('}') {
        Some(series) => format!("{series}, {TARGET}}}"),
        None => format!("{series}{{{TARGET}}}"),
    }
}

fn test(case: &Case) -> Value {
    let series: Vec<Value> =
        case.series.iter().map(|(series, values)| json!({ "series": scraped(series), "values": values })).collect();
    let firing = format!("count(ALERTS{{alertname=\"{}\", alertstate=\"firing\", pod=\"orders-0\"}})", case.alert);
    let samples = if case.fires { json!([{ "labels": "{}", "value": 1 }]) } else { json!([]) };
    json!({
        "name": format!("{} at {} m: {}", case.alert, case.at, if case.fires { "fires" } else { "is silent" }),
        "interval": "1m",
        "input_series": series,
        "promql_expr_test": [{ "expr": firing, "eval_time": format!("{}m", case.at), "exp_samples": samples }],
    })
}

#[test]
fn each_alert_fires_when_it_should_and_only_then() {
    for alert in &alerts() {
        let of_it = |fires: bool| CASES.iter().any(|case| case.alert == name(alert) && case.fires == fires);
        assert!(
            of_it(true) && of_it(false),
            "{} has no case in which it fires, or none in which it does not",
            name(alert)
        );
    }
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("rules.json"), rules().to_string()).unwrap();
    let tests: Vec<Value> = CASES.iter().map(test).collect();
    let file = dir.path().join("tests.json");
    let all = json!({ "rule_files": ["rules.json"], "evaluation_interval": "1m", "tests": tests });
    std::fs::write(&file, all.to_string()).unwrap();
    let (content, said) = promtool(&["test", "rules", file.to_str().unwrap()], "");
    assert!(content, "{said}");
}

#[test]
fn the_alerts_are_well_formed_and_name_only_metrics_and_values_that_there_are() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("rules.json");
    std::fs::write(&file, rules().to_string()).unwrap();
    let (content, said) = promtool(&["check", "rules", "--lint=all", "--lint-fatal", file.to_str().unwrap()], "");
    assert!(content, "{said}");
    let known = readme::series_names();
    let values: BTreeSet<String> =
        readme::metrics().into_iter().flat_map(|metric| metric.labels).flat_map(|(_, values)| values).collect();
    for alert in &alerts() {
        let expression = alert["expr"].as_str().unwrap();
        for series in names(expression) {
            assert!(known.contains(&series), "{}: {series} is no metric of the README", name(alert));
        }
        for value in expression.split('"').skip(1).step_by(2).flat_map(|pattern| pattern.split('|')) {
            assert!(values.contains(value), "{}: {value} is no label's value", name(alert));
        }
    }
}

#[test]
fn each_alert_says_what_to_do_with_commands_that_there_are() {
    let mut verbs: BTreeSet<Vec<String>> = BTreeSet::new();
    for alert in &alerts() {
        let annotation =
            |key: &str| alert["annotations"][key].as_str().unwrap_or_else(|| panic!("{}: no {key}", name(alert)));
        assert!(annotation("summary").len() < 120 && !annotation("description").is_empty(), "{}", name(alert));
        let runbook = annotation("runbook");
        assert!(runbook.starts_with("1. ") && runbook.contains("kubectl "), "{}: {runbook}", name(alert));
        let commands = runbook.lines().filter_map(|line| line.split_once("-- /bin/savepointd "));
        verbs.extend(commands.map(|(_, words)| words.split_whitespace().map(str::to_owned).collect()));
        assert!(["warning", "critical"].contains(&alert["labels"]["severity"].as_str().unwrap()), "{}", name(alert));
    }
    assert!(verbs.len() > 8, "{verbs:?}");
    for words in verbs {
        let help = Command::new(binary()).args([&words[0], "--help"]).output().unwrap();
        let text = String::from_utf8(help.stdout).unwrap();
        assert!(help.status.success() && text.contains("Usage:"), "there is no verb {}", words[0]);
        for flag in words.iter().filter(|word| word.starts_with("--")) {
            assert!(text.contains(flag.as_str()), "{words:?}: {} has no {flag}", words[0]);
        }
    }
}
