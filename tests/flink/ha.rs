//! Flink's own high availability with a real ZooKeeper.

use std::time::Duration;

use nix::sys::signal::{Signal, kill};

use super::on_each_flink;
use super::support::eventually_in_steps_of;
use super::support::flink::{Cluster, START, STOP};
use super::support::ha::ZooKeeper;

on_each_flink!(on 1.20: nothing_is_lost_or_repeated_under_high_availability; on 2.3: );

fn nothing_is_lost_or_repeated_under_high_availability(version: &str) {
    let zookeeper = ZooKeeper::start(&Cluster::home(version));
    let mut cluster = under_high_availability(version, &zookeeper);
    cluster.start_task_manager();

    // Stop and start: each time what Flink keeps of the job is gone before its JobManager is.
    let mut last = None;
    for _ in 0..2 {
        let (process, restored) = cluster.run_confirmed();
        assert_eq!(restored, last);
        cluster.checkpoints(1);
        assert!(!left(&cluster).is_empty(), "Flink keeps something while the job runs");
        let outcome = cluster.stop(process);
        assert_eq!((&outcome["outcome"], &outcome["recorded"]), (&"savepoint".into(), &true.into()), "{outcome}");
        assert_eq!(left(&cluster), Vec::<String>::new());
        last = outcome["point"].as_str().map(str::to_owned);
    }

    // The JobManager dies between the final savepoint and the end of the clean-up: Flink would go back behind the savepoint.
    let savepoint = cut_off(&cluster);
    if version.starts_with('2') {
        // After its clean-up Flink 2 would run the job under another id.
        let mut process = cluster.run();
        assert_eq!(process.exit_code(START), 77, "{}", process.text());
        let refusal = process.find("Flink is not started").unwrap();
        let reason = refusal["reason"].as_str().unwrap();
        assert!(reason.contains(&savepoint) && reason.contains("ZooKeeper: /flink/orders"), "{reason}");
        return;
    }
    let plan = plan(&cluster);
    assert_eq!((plan["decision"].as_str(), plan["path"].as_str()), (Some("restore"), Some(&*savepoint)), "{plan}");
    cluster.waits = true;
    let (process, restored) = cluster.run_confirmed();
    assert_eq!(restored, Some(savepoint));
    cluster.checkpoints(1);
    cluster.stop(process);
    cluster.waits = false;
    cluster.assert_exactly_once(&cluster.lives());

    // A job that Flink takes for ended.
    let job_id = serde_json::from_value::<String>(cluster.ask("history")[0]["job_id"].clone()).unwrap();
    let results = cluster.dir.path().join("ha/job-result-store/orders");
    std::fs::create_dir_all(&results).unwrap();
    let result = format!(
        r#"{{"result":{{"id":"{job_id}","application-status":"SUCCEEDED","accumulator-results":{{}},"net-runtime":0}},"version":1}}"#
    );
    std::fs::write(results.join(format!("{job_id}.json")), result).unwrap();
    let mut process = cluster.run();
    assert_eq!(process.exit_code(START), 77, "{}", process.text());
    let refusal = process.find("Flink is not started").unwrap();
    assert!(refusal["reason"].as_str().unwrap().contains(&format!("/{job_id}.json")), "{refusal}");
    std::fs::remove_dir_all(results).unwrap();

    // kill -9: Flink recovers its newest checkpoint by itself, and that is the base.
    let (mut process, _) = cluster.run_confirmed();
    cluster.checkpoints(2);
    kill(cluster.job_manager(&process), Signal::SIGKILL).unwrap();
    assert_eq!(process.exit_code(STOP), 137);
    let (process, restored) = cluster.run_confirmed();
    assert!(restored.unwrap().contains(&format!("/{job_id}/chk-")));
    let start = process.find("start").unwrap();
    assert!(start["reason"].as_str().unwrap().contains("high availability recovers it"), "{start}");
    cluster.progress(100);
    assert_eq!(cluster.stop(process)["outcome"], "savepoint");
    assert_eq!(left(&cluster), Vec::<String>::new());
    cluster.assert_nothing_lost(&cluster.lives());
}

fn under_high_availability(version: &str, zookeeper: &ZooKeeper) -> Cluster {
    let cluster = Cluster::new(version);
    let lines = [
        "high-availability.type: zookeeper".to_owned(),
        format!("high-availability.zookeeper.quorum: 127.0.0.1:{}", zookeeper.port),
        format!("high-availability.storageDir: file://{}/ha", cluster.dir.path().display()),
        "high-availability.cluster-id: /orders".to_owned(),
    ];
    cluster.configure(&lines);
    cluster
}

/// What Flink keeps of the job.
fn left(cluster: &Cluster) -> Vec<String> {
    let folders = ["orders", "job-result-store/orders"].map(|folder| cluster.dir.path().join("ha").join(folder));
    let entries = folders.iter().filter_map(|folder| std::fs::read_dir(folder).ok()).flatten().flatten();
    let files = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()));
    files.map(|entry| entry.file_name().into_string().unwrap()).collect()
}

/// Kills the JobManager as soon as its final savepoint is complete; gives the savepoint. Flink may be quicker: then once more.
fn cut_off(cluster: &Cluster) -> String {
    for _ in 0..5 {
        let (mut process, _) = cluster.run_confirmed();
        cluster.checkpoints(1);
        let job_manager = cluster.job_manager(&process);
        let before = savepoints(cluster);
        process.signal(Signal::SIGTERM);
        eventually_in_steps_of(Duration::from_millis(1), "the savepoint", STOP, || {
            (savepoints(cluster) > before).then_some(())
        });
        // Whatever it is about to do, it does not get far.
        kill(job_manager, Signal::SIGSTOP).unwrap();
        let left = left(cluster);
        kill(job_manager, Signal::SIGKILL).unwrap();
        assert_eq!(process.exit_code(STOP), 143, "{}", process.text());
        let outcome = process.find("stopped").unwrap();
        assert_eq!(outcome["outcome"], "savepoint", "{outcome}");
        if !left.is_empty() {
            assert!(outcome["reason"].as_str().unwrap().contains("high availability"), "{outcome}");
            return outcome["point"].as_str().unwrap().to_owned();
        }
    }
    panic!("Flink is always quicker");
}

/// So many savepoints are complete.
fn savepoints(cluster: &Cluster) -> usize {
    let below =
        |folder: std::path::PathBuf| std::fs::read_dir(folder).into_iter().flatten().flatten().map(|one| one.path());
    let epochs = below(cluster.dir.path().join("sp")).flat_map(below);
    epochs.flat_map(below).filter(|point| point.join("_metadata").exists()).count()
}

/// What the next start would do, as the last one told where to look.
fn plan(cluster: &Cluster) -> serde_json::Value {
    cluster.ask("plan")
}
