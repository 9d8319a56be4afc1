//! A Flink older than any that can take a final savepoint safely: what works, works; what does not is said.

use super::support::flink::{Cluster, START};

#[test]
#[ignore = "full size"]
fn flink_1_14_stops_on_its_newest_checkpoint_goes_on_from_there_and_is_told_why() {
    let mut cluster = Cluster::new("1.14.6");
    cluster.start_task_manager();
    let (process, restored) = cluster.run_confirmed();
    assert_eq!(restored, None);
    cluster.checkpoints(2);
    assert!(process.text().contains("Flink 1.14.6 takes no trigger id"), "{}", process.text());
    let outcome = cluster.stop(process);
    assert_eq!(
        (outcome["outcome"].as_str(), outcome["recorded"].as_bool()),
        (Some("checkpoint"), Some(true)),
        "{outcome}"
    );
    assert!(outcome["reason"].as_str().unwrap().contains("older than 1.15"), "{outcome}");
    let (process, restored) = cluster.run_confirmed();
    assert_eq!(restored.as_deref(), outcome["point"].as_str());
    cluster.progress(100);
    process.logged("the restore is confirmed", START);
    cluster.stop(process);
    cluster.assert_nothing_lost(&cluster.lives());
}
