//! A session cluster with many jobs: all of them stopped and recorded, and each submitted again by the body that is served for it.

use std::collections::BTreeSet;

use nix::sys::signal::Signal;
use serde_json::Value;

use super::support::eventually;
use super::support::flink::{Cluster, START, STOP};
use super::support::life;
use super::support::process::Process;

mod flink_1_20 {
    #[test]
    fn twenty_jobs_are_stopped_and_each_goes_on_exactly_from_its_own_savepoint() {
        super::stopped_and_submitted_again("1.20.5", 20);
    }
}

mod flink_2_3 {
    #[test]
    #[ignore = "full size"]
    fn five_jobs_are_stopped_and_each_goes_on_exactly_from_its_own_savepoint() {
        super::stopped_and_submitted_again("2.3.0", 5);
    }
}

const OPTIONS: [&str; 4] = ["--rate", "50", "--state-bytes", "100000"];

/// So many at the same time, as a submission is mostly waiting.
fn at_once(cluster: &Cluster, jobs: &[(String, Option<Value>)]) {
    for some in jobs.chunks(4) {
        std::thread::scope(|scope| {
            for (name, body) in some {
                scope.spawn(move || cluster.submit(name, body.as_ref(), &OPTIONS));
            }
        });
    }
}

fn messages(process: &Process, message: &str) -> usize {
    process.log().iter().filter(|line| line["message"] == message).count()
}

/// SIGTERM, and what came of it.
fn stop(cluster: &Cluster, mut process: Process) -> Vec<Value> {
    process.signal(Signal::SIGTERM);
    let stopped = process.logged("stopped", STOP);
    assert_eq!(process.exit_code(STOP), 143, "{}", process.text());
    assert_eq!((&stopped["outcome"], &stopped["recorded"]), (&"savepoint".into(), &true.into()), "{}", process.text());
    let rows = cluster.ask("history");
    rows.as_array().unwrap().clone()
}

fn stopped_and_submitted_again(version: &str, jobs: usize) {
    let mut cluster = Cluster::session(version, jobs);
    cluster.settings.push("stop.grace=60s".to_owned());
    cluster.start_task_manager();
    let process = cluster.run_session(jobs);
    let names: Vec<String> = (0..jobs).map(|n| format!("job-{n}")).collect();
    at_once(&cluster, &names.iter().map(|name| (name.clone(), None)).collect::<Vec<_>>());
    eventually("all jobs with state", START, || (messages(&process, "a job with state runs") == jobs).then_some(()));
    let rows = stop(&cluster, process);
    let saved: BTreeSet<&str> = rows.iter().filter_map(|row| row["job_name"].as_str()).collect();
    assert_eq!((rows.len(), saved.len()), (jobs, jobs), "{rows:#?}");
    assert!(rows.iter().all(|row| row["kind"] == "final" && row["outcome"] == "savepoint"), "{rows:#?}");

    let before: Vec<usize> = names.iter().map(|name| cluster.lives_of(name).len()).collect();
    // Without a guard it would wait for the old JobManager.
    cluster.start_task_manager();
    let process = cluster.run_session(jobs);
    let waiting = eventually("all jobs, with bodies", START, || {
        let waiting = cluster.jobs_waiting();
        (waiting.len() == jobs && waiting[0]["body"]["claimMode"] == "NO_CLAIM").then_some(waiting)
    });
    let again = waiting.iter().map(|job| {
        let name = job["job_name"].as_str().unwrap();
        let row = rows.iter().find(|row| row["job_name"] == name).unwrap();
        assert_eq!(job["body"]["savepointPath"], row["path"]);
        (name.to_owned(), Some(job["body"].clone()))
    });
    at_once(&cluster, &again.collect::<Vec<_>>());
    eventually("no job that waits", START, || cluster.jobs_waiting().is_empty().then_some(()));
    assert_eq!(messages(&process, "the job goes on from its own point"), jobs);
    assert_eq!(messages(&process, "a job runs without its state"), 0);
    let writes = |(name, before): (&String, &usize)| cluster.lives_of(name).len() > *before;
    eventually("records of each", START, || names.iter().zip(&before).all(writes).then_some(()));
    stop(&cluster, process);
    for name in &names {
        let lives = cluster.lives_of(name);
        assert_eq!(lives[0].first, 0, "{name}");
        life::assert_exactly_once(&lives);
    }
}
