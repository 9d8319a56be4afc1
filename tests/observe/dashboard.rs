//! The dashboard: what Grafana wants of it, as far as that can be told without Grafana, and what Prometheus says of its queries.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::manifests::{dashboard, names, queries};
use super::prometheus::promtool;
use super::support::readme;

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("no number: {value}"))
}

#[test]
fn every_query_of_the_dashboard_parses_and_names_only_metrics_that_there_are() {
    let known = readme::series_names();
    let queries = queries();
    assert!(queries.len() > 20);
    for name in queries.iter().flat_map(|query| names(query)) {
        assert!(known.contains(&name), "{name} is no metric of the README");
    }
    let records: Vec<Value> = queries
        .iter()
        .enumerate()
        .map(|(number, query)| json!({ "record": format!("dashboard:query:{number}"), "expr": query }))
        .collect();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("queries.json");
    std::fs::write(&file, json!({ "groups": [{ "name": "dashboard", "rules": records }] }).to_string()).unwrap();
    let (content, said) = promtool(&["check", "rules", "--lint=all", "--lint-fatal", file.to_str().unwrap()], "");
    assert!(content, "{said}");
}

#[test]
fn panels_are_complete_and_lie_side_by_side() {
    let dashboard = dashboard();
    for (key, value) in [("uid", json!("savepointd")), ("title", json!("savepointd")), ("id", Value::Null)] {
        assert_eq!(dashboard[key], value, "{key}");
    }
    assert!(number(&dashboard["schemaVersion"]) >= 36, "older ones name data sources differently");
    let panels = dashboard["panels"].as_array().unwrap();
    let mut cells = BTreeSet::new();
    let mut ids = BTreeSet::new();
    for panel in panels {
        let title = panel["title"].as_str().unwrap();
        assert!(ids.insert(number(&panel["id"])), "{title}: its id is another panel's");
        assert!(panel["description"].as_str().is_some_and(|text| !text.is_empty()), "{title} says nothing of itself");
        assert!(["stat", "timeseries", "state-timeline"].contains(&panel["type"].as_str().unwrap()), "{title}");
        let place = &panel["gridPos"];
        let [x, y, w, h] = ["x", "y", "w", "h"].map(|key| number(&place[key]));
        assert!(x + w <= 24, "{title}: Grafana's grid has 24 columns");
        for cell in (x..x + w).flat_map(|column| (y..y + h).map(move |row| (column, row))) {
            assert!(cells.insert(cell), "{title} lies on another panel");
        }
        let mut letters = BTreeSet::new();
        for target in panel["targets"].as_array().unwrap() {
            assert!(letters.insert(target["refId"].as_str().unwrap().to_owned()), "{title}: two queries of one letter");
            assert_eq!(target["datasource"]["uid"], "${datasource}", "{title}");
        }
    }
    let variables: Vec<&str> = dashboard["templating"]["list"]
        .as_array()
        .unwrap()
        .iter()
        .map(|variable| variable["name"].as_str().unwrap())
        .collect();
    assert_eq!(variables, ["datasource", "cluster"]);
    // The timeline: the gate's states, with savepoints and stops at the times that the record tells.
    assert!(panels.iter().any(|panel| panel["type"] == "state-timeline"));
    let marks = dashboard["annotations"]["list"].as_array().unwrap();
    let timed: Vec<&Value> = marks.iter().filter(|mark| mark["useValueForTime"] == true).collect();
    assert_eq!(timed.len(), 2, "{marks:#?}");
}
