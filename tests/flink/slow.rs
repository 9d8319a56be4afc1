//! Savepoints that take longer than Flink lives after SIGTERM, and longer than the deadline.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::on_each_flink;
use super::support::flink::{Cluster, STOP};

on_each_flink!(on 1.20: a_slow_savepoint_is_taken_within_its_deadline_and_given_up_at_it; on 2.3:);

fn a_slow_savepoint_is_taken_within_its_deadline_and_given_up_at_it(version: &str) {
    let mut cluster = Cluster::new(version);
    cluster.start_task_manager();

    // A Flink JVM lives at most 5 s after SIGTERM.
    let (process, _) = cluster.run_confirmed();
    cluster.progress(100);
    cluster.control("slowsnap", "6000");
    let outcome = cluster.stop(process);
    assert_eq!(outcome["outcome"], "savepoint", "{outcome}");
    cluster.uncontrol("slowsnap");
    cluster.assert_exactly_once(&cluster.lives());

    // Longer than the deadline, in a job whose own code has Flink delete checkpoints at its end. (The matrix has those that keep them.)
    cluster.settings = vec!["stop.grace=8s".to_owned(), "stop.reserve=2s".to_owned()];
    cluster.job_options = vec!["--retention".to_owned(), "delete".to_owned()];
    let (mut process, _) = cluster.run_confirmed();
    cluster.checkpoints(1);
    cluster.control("slowsnap", "30000");
    let begin = Instant::now();
    process.signal(Signal::SIGTERM);
    let code = process.exit_code(STOP);
    let took = begin.elapsed();
    assert_eq!(code, 143, "{}", process.text());
    assert!(took < Duration::from_secs(8), "ended after {took:?}\n{}", process.text());
    let outcome = process.find("stopped").unwrap();
    let ended = (outcome["outcome"].as_str(), outcome["recorded"].as_bool());
    assert_eq!(ended, (Some("checkpoint"), Some(true)), "{outcome}");
    assert_eq!(process.find("ending the entrypoint").unwrap()["kill"], true, "{}", process.text());
    cluster.uncontrol("slowsnap");
    assert_eq!(cluster.ask("plan")["path"], outcome["point"]);

    let (process, restored) = cluster.run_confirmed();
    assert!(restored.unwrap().contains("/chk-"));
    cluster.progress(100);
    assert_eq!(cluster.stop(process)["outcome"], "savepoint");
    cluster.assert_nothing_lost(&cluster.lives());
}
