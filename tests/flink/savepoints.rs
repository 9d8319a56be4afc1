//! Savepoints of a job that goes on, by the verb and by the clock; and the last one, of a job that is drained.

use std::path::Path;

use nix::sys::signal::{Signal, kill};
use serde_json::Value;

use super::on_each_flink;
use super::support::eventually;
use super::support::flink::{Cluster, START, STOP};
use super::support::process::{Process, binary};

on_each_flink!(on 1.20: savepoints_are_taken_while_the_job_goes_on_and_the_last_one_drains_it; on 2.3:);

fn of_kind(cluster: &Cluster, kind: &str) -> Vec<Value> {
    cluster.ask("history").as_array().unwrap().iter().filter(|row| row["kind"] == kind).cloned().collect()
}

fn asking(cluster: &Cluster) -> Process {
    let mut command = std::process::Command::new(binary());
    Process::start(command.args(["savepoint", "--record", &cluster.record()]))
}

/// A savepoint that Flink has begun and not completed, if there is one.
fn in_flight(folder: &Path) -> Option<String> {
    let mut there = std::fs::read_dir(folder).ok()?.map(|entry| entry.unwrap());
    let unfinished = there.find(|entry| !entry.path().join("_metadata").exists())?;
    unfinished.file_name().into_string().ok()
}

/// One that the stop waited for is recorded as what it was asked for, beside the final one.
fn assert_recorded(cluster: &Cluster, kind: &str, name: &str) {
    let rows = of_kind(cluster, kind);
    let row = rows.iter().find(|row| row["path"].as_str().is_some_and(|path| path.ends_with(name)));
    assert!(row.is_some_and(|row| row["bytes"].as_u64() > Some(0)), "{name} is not among {rows:#?}");
}

fn savepoints_are_taken_while_the_job_goes_on_and_the_last_one_drains_it(version: &str) {
    let mut cluster = Cluster::new(version);
    cluster.start_task_manager();

    // By the clock, and pruned; after a crash the newest point counts, whichever that is.
    cluster.settings = vec!["savepoint.interval=2s".to_owned(), "retention.keep=2".to_owned()];
    let (mut process, _) = cluster.run_confirmed();
    process.logged("pruned", START);
    assert!(of_kind(&cluster, "periodic").iter().all(|row| row["bytes"].as_u64() > Some(0)));
    kill(cluster.job_manager(&process), Signal::SIGKILL).unwrap();
    assert_eq!(process.exit_code(STOP), 137);
    let newest = cluster.ask("plan")["path"].as_str().unwrap().to_owned();
    cluster.settings.clear();
    let (process, restored) = cluster.run_confirmed();
    assert_eq!(restored, Some(newest));

    // At a person's word, canonical.
    let before = cluster.lives().last().unwrap().last;
    let taken = cluster.ask("savepoint");
    assert_eq!((&taken["kind"], &taken["format"]), (&"manual".into(), &"canonical".into()), "{taken}");
    let path = taken["path"].as_str().unwrap();
    let mut verify = std::process::Command::new(binary());
    assert!(verify.args(["verify", path]).status().unwrap().success());
    eventually("the job goes on", START, || (cluster.lives().last()?.last > before + 200).then_some(()));

    // A stop while one is in flight: both are there, and Flink's JobManager ends in order.
    cluster.control("slowsnap", "2000");
    let mut asked = asking(&cluster);
    let folder = Path::new(&path["file://".len()..]).parent().unwrap().to_owned();
    let joined = eventually("it is in flight", STOP, || in_flight(&folder));
    let stopped = cluster.stop(process);
    assert_eq!(stopped["outcome"], "savepoint", "{stopped}");
    assert_recorded(&cluster, "manual", &joined);
    let code = asked.exit_code(STOP);
    assert!(code == 0 || code == 75 && asked.text().contains("stop"), "{code} {}", asked.text());
    cluster.uncontrol("slowsnap");
    assert_eq!(cluster.ask("plan")["path"], stopped["point"]);

    // The last one, while one by the clock is in flight: its windows have fired, and only a person goes on from there.
    cluster.settings = vec!["savepoint.drain=true".to_owned(), "savepoint.interval=2s".to_owned()];
    let (process, restored) = cluster.run_confirmed();
    assert_eq!(restored.as_deref(), stopped["point"].as_str());
    cluster.progress(100);
    let number: u64 = folder.file_name().unwrap().to_str().unwrap().parse().unwrap();
    let folder = folder.with_file_name((number + 1).to_string());
    eventually("one by the clock", START, || folder.exists().then_some(()));
    cluster.control("slowsnap", "3000");
    let joined = eventually("the next one is in flight", START, || in_flight(&folder));
    let stopped = cluster.stop(process);
    assert_eq!(stopped["outcome"], "savepoint", "{stopped}");
    assert_recorded(&cluster, "periodic", &joined);
    cluster.uncontrol("slowsnap");
    let drained = stopped["point"].as_str().unwrap().to_owned();
    let plan = cluster.ask("plan");
    assert_eq!(plan["decision"], "hold", "{plan}");
    assert!(plan["reason"].as_str().unwrap().contains(&format!("savepointd pin {drained}")), "{plan}");
    cluster.tell(&["pin", &drained]);
    cluster.settings.clear();
    let (process, restored) = cluster.run_confirmed();
    assert_eq!(restored, Some(drained));
    cluster.progress(100);
    cluster.stop(process);
    cluster.assert_nothing_lost(&cluster.lives());
}
