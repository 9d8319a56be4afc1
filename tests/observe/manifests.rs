//! The shipped alerts and the shipped dashboard, as their readers get them.

use savepointd::inject::documents;
use serde_json::{Value, json};

fn read(path: &str) -> String {
    std::fs::read_to_string(format!("{}/k8s/components/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// The rules as Prometheus takes them from the operator.
pub fn rules() -> Value {
    let documents = documents::read(&read("prometheus-rule/prometheus-rule.yaml")).unwrap();
    let rule = documents[0].value();
    assert_eq!(rule["kind"], "PrometheusRule");
    json!({ "groups": rule["spec"]["groups"] })
}

pub fn alerts() -> Vec<Value> {
    rules()["groups"][0]["rules"].as_array().unwrap().clone()
}

pub fn dashboard() -> Value {
    serde_json::from_str(&read("grafana-dashboard/savepointd.json")).unwrap()
}

/// Every query of the dashboard, as Grafana would send it.
pub fn queries() -> Vec<String> {
    let dashboard = dashboard();
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let targets = list(&dashboard["panels"]).into_iter().flat_map(|panel| list(&panel["targets"]));
    let queries = targets
        .chain(list(&dashboard["annotations"]["list"]))
        .filter_map(|one| one["expr"].as_str().map(str::to_owned));
    queries.map(|query| query.replace("$__rate_interval", "5m").replace("$cluster", "orders")).collect()
}

/// The names of our series in a query.
pub fn names(query: &str) -> Vec<String> {
    let is_of_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    query
        .split(|letter| !is_of_name(letter))
        .filter(|word| word.starts_with("savepointd_"))
        .map(str::to_owned)
        .collect()
}
