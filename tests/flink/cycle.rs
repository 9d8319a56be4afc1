//! Stop by SIGTERM, start again, over and over.

use super::on_each_flink;
use super::support::evidence;
use super::support::flink::Cluster;

on_each_flink!(at_full_size_oldest_too: every_record_exactly_once_over_stops_and_starts);

fn every_record_exactly_once_over_stops_and_starts(version: &str) {
    // The full size: SPTEST_CYCLES=20
    let cycles = std::env::var("SPTEST_CYCLES").ok().and_then(|text| text.parse().ok()).unwrap_or(3);
    let mut cluster = Cluster::new(version);
    cluster.start_task_manager();
    let mut expected: Option<String> = None;
    for cycle in 0..cycles {
        let (process, restored) = cluster.run_confirmed();
        assert_eq!(restored, expected, "start {cycle}");
        cluster.progress(200);
        let outcome = cluster.stop(process);
        assert_eq!(
            (outcome["outcome"].as_str(), outcome["recorded"].as_bool()),
            (Some("savepoint"), Some(true)),
            "{outcome}"
        );
        expected = outcome["point"].as_str().map(str::to_owned);
        assert_eq!(cluster.ask("plan")["path"].as_str(), expected.as_deref());
    }
    let lives = cluster.lives();
    assert_eq!(lives.len(), cycles);
    cluster.assert_exactly_once(&lives);

    let history = cluster.ask("history");
    let ids: Vec<u64> = history.as_array().unwrap().iter().map(|row| row["checkpoint_id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), cycles);
    assert!(ids.windows(2).all(|pair| pair[0] > pair[1]), "newest first, and numbers only grow: {ids:?}");
    for row in history.as_array().unwrap() {
        assert!(
            row["confirmed"].as_bool().unwrap() && row["kind"] == "final" && row["bytes"].as_u64().unwrap() > 0,
            "{row}"
        );
    }
    let records = lives.last().map_or(0, |life| life.last + 1);
    let counts = [("stops", u64::try_from(cycles).unwrap()), ("records, each once", records)];
    evidence::keep("stop by SIGTERM and start again", version, &counts);
}
