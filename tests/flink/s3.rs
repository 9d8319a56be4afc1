//! Flink's state, the record and the marker in an object store.

use std::time::Duration;

use nix::sys::signal::Signal;

use super::support::flink::{Cluster, STOP, script};
use super::support::store_proxy::Fault;
use super::support::stores::Store;

/// A cluster that has nothing but this store; Flink reaches it at `endpoint`.
fn cluster(store: &Store, endpoint: &str) -> Cluster {
    cluster_with(store, endpoint, &[])
}

/// The same, with more of Flink's configuration.
pub fn cluster_with(store: &Store, endpoint: &str, configuration: &[(&str, &str)]) -> Cluster {
    let secret = |name: &str| {
        let variable = store.variables.iter().find(|(known, _)| known == name);
        variable.map(|(_, value)| value.clone()).unwrap()
    };
    let (key, secret) = (secret("AWS_ACCESS_KEY_ID"), secret("AWS_SECRET_ACCESS_KEY"));
    let own = [
        ("state.checkpoints.dir", "s3://state/flink/chk"),
        ("state.savepoints.dir", "s3://state/flink/sp"),
        ("s3.endpoint", endpoint),
        ("s3.path.style.access", "true"),
        ("s3.access-key", &key),
        ("s3.secret-key", &secret),
    ];
    let mut cluster = Cluster::with("1.20.5", &[&own[..], configuration].concat());
    cluster.variables.extend(store.variables.iter().cloned());
    cluster.variables.push(("FLINK_PLUGINS_DIR".to_owned(), script("tests/flink/s3.sh", "1.20.0")));
    cluster.record_url = Some("s3://state/records/orders".to_owned());
    cluster
}

pub fn endpoint(store: &Store) -> String {
    store.variables.iter().find(|(name, _)| name == "AWS_ENDPOINT_URL").map(|(_, value)| value.clone()).unwrap()
}

#[test]
fn every_record_exactly_once_over_stops_and_starts_with_all_state_on_s3() {
    let store = Store::minio();
    let mut cluster = cluster(&store, &endpoint(&store));
    cluster.start_task_manager();
    let mut expected: Option<String> = None;
    for cycle in 0..2 {
        let (process, restored) = cluster.run_confirmed();
        assert_eq!(restored, expected, "start {cycle}");
        cluster.progress(200);
        let outcome = cluster.stop(process);
        let ended = (outcome["outcome"].as_str(), outcome["recorded"].as_bool());
        assert_eq!(ended, (Some("savepoint"), Some(true)), "{outcome}");
        expected = outcome["point"].as_str().map(str::to_owned);
        assert!(expected.as_deref().is_some_and(|path| path.starts_with("s3://state/flink/sp/orders-")), "{outcome}");
        let plan = cluster.ask("plan");
        assert_eq!(plan["path"].as_str(), expected.as_deref(), "{outcome}\n{plan:#}\n{:#}", cluster.ask("history"));
    }
    cluster.assert_exactly_once(&cluster.lives());
    let history = cluster.ask("history");
    let rows = history.as_array().unwrap();
    assert_eq!(rows.len(), 2);
    assert!(rows.iter().all(|row| row["confirmed"] == true && row["bytes"].as_u64() > Some(0)), "{history}");

    // The record can be lost: the marker beside the savepoints knows enough.
    let (process, restored) = {
        cluster.record_url = Some("s3://state/records/elsewhere".to_owned());
        cluster.settings.push(format!("cluster.id={}", cluster_of(expected.as_deref().unwrap())));
        cluster.run_confirmed()
    };
    assert_eq!(restored, expected);
    cluster.progress(50);
    cluster.stop(process);
    cluster.assert_exactly_once(&cluster.lives());
}

/// The cluster's id, from the path of its savepoint.
fn cluster_of(savepoint: &str) -> String {
    savepoint.strip_prefix("s3://state/flink/sp/").unwrap().split('/').next().unwrap().to_owned()
}

#[test]
fn a_store_that_is_away_at_the_stop_and_at_the_start_loses_nothing() {
    let store = Store::minio();
    // Flink's own requests pass by the faults.
    let mut cluster = cluster(&store, &format!("http://127.0.0.1:{}", store.direct));
    cluster.settings.push(format!("storage.endpoint={}", endpoint(&store)));
    cluster.settings.push("stop.grace=20s".to_owned());
    cluster.start_task_manager();
    let (mut process, _) = cluster.run_confirmed();
    cluster.progress(100);
    store.proxy.fault_all(Fault::Status(503));
    process.signal(Signal::SIGTERM);
    assert_eq!(process.exit_code(STOP), 143, "{}", process.text());
    let outcome = process.find("stopped").unwrap_or_else(|| panic!("no outcome in\n{}", process.text()));
    assert_eq!(outcome["recorded"].as_bool(), Some(false), "{outcome}");

    // Nobody knows what is there: that is no reason to begin with nothing.
    cluster.waits = true;
    let process = cluster.run();
    let waiting = process.logged("start", Duration::from_secs(60));
    assert_eq!(waiting["decision"], "later", "{waiting}");
    store.proxy.heal();
    let restored = cluster.confirmed(&process).expect("the savepoint of the stop, found in storage");
    assert!(restored.starts_with("s3://state/flink/sp/"), "{restored}");
    cluster.progress(50);
    cluster.stop(process);
    cluster.assert_exactly_once(&cluster.lives());
}
