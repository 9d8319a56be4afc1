//! A real Prometheus scrapes agents.

use super::manifests::{queries, rules};
use super::prometheus::{Prometheus, promtool};
use super::support::process::Process;
use super::support::{eventually, http};
use super::world::{LONG, World, how};

fn admin(process: &Process) -> u16 {
    let address = process.logged("agent is up", LONG)["admin"].as_str().unwrap().to_owned();
    address.rsplit(':').next().unwrap().parse().unwrap()
}

#[test]
fn prometheus_takes_the_metrics_reads_their_values_and_raises_the_alert_of_a_start_that_is_refused() {
    let world = World::new();
    let savepoint = world.one_epoch();
    let process = world.up(&how());
    let refused = World::new();
    refused.configure_only(&[]);
    let waiting = refused.run(&how().waits());
    waiting.logged("waiting at the gate; Flink is not started", LONG);

    let text = eventually("the metrics", LONG, || http::get(admin(&process), "/metrics")).1;
    let (content, said) = promtool(&["check", "metrics"], &text);
    assert!(content && said.is_empty(), "{said}");

    let mut at_once = rules();
    for rule in at_once["groups"][0]["rules"].as_array_mut().unwrap() {
        rule.as_object_mut().unwrap().remove("for");
    }
    let dir = tempfile::tempdir().unwrap();
    let targets = [(admin(&process), "orders-0"), (admin(&waiting), "orders-1")];
    let prometheus = Prometheus::start(dir.path(), &targets, &at_once);
    eventually("both targets are up", LONG, || {
        let targets = prometheus.targets();
        (targets.len() == 2 && targets.iter().all(|target| target["health"] == "up")).then_some(())
    });
    let value = |query: &str| prometheus.value(query);
    let is = |query: &str, expected: f64| assert!((value(query) - expected).abs() < 0.001, "{query} is not {expected}");
    is("savepointd_epoch{pod=\"orders-0\"}", 2.0);
    is("savepointd_restore_confirmed{pod=\"orders-0\"}", 1.0);
    is("savepointd_gate{pod=\"orders-0\", state=\"open\"}", 1.0);
    is("savepointd_last_stop_outcome{pod=\"orders-0\", outcome=\"savepoint\"}", 1.0);
    // What the process measured that stopped, the next one tells.
    let took = value("savepointd_last_stop_duration_seconds{pod=\"orders-0\"}");
    let phases = value("sum(savepointd_last_stop_phase_seconds{pod=\"orders-0\"})");
    assert!(took > 0.0 && (took - phases).abs() < 0.001, "{took} {phases}: {savepoint}");
    assert!(value("time() - savepointd_newest_point_timestamp_seconds{pod=\"orders-0\"}") < 3_600.0);

    for query in queries() {
        prometheus.query(&query);
    }
    let alert = eventually("the alert", LONG, || {
        prometheus.alerts().into_iter().find(|alert| alert["labels"]["alertname"] == "SavepointdStartRefused")
    });
    assert_eq!(
        (alert["labels"]["pod"].as_str(), alert["state"].as_str()),
        (Some("orders-1"), Some("firing")),
        "{alert:#}"
    );
    let runbook = alert["annotations"]["runbook"].as_str().unwrap();
    let command = "kubectl exec --namespace shop orders-1 --container savepointd -- /bin/savepointd plan";
    assert!(runbook.contains(command), "{runbook}");
}
