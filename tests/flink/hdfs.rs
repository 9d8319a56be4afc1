//! Flink's state, the record and the marker in HDFS.

use super::support::flink::Cluster;
use super::support::stores::{Store, hadoop_classpath};

#[test]
#[ignore = "full size"]
fn every_record_exactly_once_over_stops_and_starts_with_all_state_on_hdfs() {
    let (store, rpc) = Store::hdfs_for_flink();
    let url = |name: &str| format!("hdfs://127.0.0.1:{rpc}/flink/{name}");
    let (checkpoints, savepoints) = (url("chk"), url("sp"));
    let mut cluster =
        Cluster::with("1.20.5", &[("state.checkpoints.dir", &checkpoints), ("state.savepoints.dir", &savepoints)]);
    cluster.variables = vec![
        ("HADOOP_CLASSPATH".to_owned(), hadoop_classpath()),
        ("HADOOP_USER_NAME".to_owned(), "flink".to_owned()),
        ("SAVEPOINTD_STORAGE__NAMENODE".to_owned(), format!("http://127.0.0.1:{}", store.proxy.port)),
    ];
    cluster.record_url = Some(url("records/orders"));
    // On a busy machine the first block of a young DataNode takes longer than a store may usually say nothing.
    cluster.settings.push("storage.timeout=30s".to_owned());
    cluster.start_task_manager();
    let mut expected: Option<String> = None;
    for cycle in 0..3 {
        let (process, restored) = cluster.run_confirmed();
        assert_eq!(restored, expected, "start {cycle}");
        cluster.progress(200);
        let outcome = cluster.stop(process);
        let ended = (outcome["outcome"].as_str(), outcome["recorded"].as_bool());
        assert_eq!(ended, (Some("savepoint"), Some(true)), "{outcome}");
        expected = outcome["point"].as_str().map(str::to_owned);
        assert!(expected.as_deref().is_some_and(|path| path.starts_with(&savepoints)), "{outcome}");
        assert_eq!(cluster.ask("plan")["path"].as_str(), expected.as_deref());
    }
    cluster.assert_exactly_once(&cluster.lives());
    let history = cluster.ask("history");
    assert!(
        history.as_array().unwrap().iter().all(|row| row["bytes"].as_u64() > Some(0) && row["doubt"].is_null()),
        "{history}"
    );
}
