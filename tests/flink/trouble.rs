//! Signals at bad moments, and a TaskManager that dies at the worst one.

use nix::sys::signal::Signal;

use super::on_each_flink;
use super::support::flink::{Cluster, START, STOP};
use super::support::{eventually, http};

on_each_flink!(on 1.20: a_task_manager_dies_during_the_stop; on 2.3: a_signal_at_any_moment_ends_in_order);

fn a_signal_at_any_moment_ends_in_order(version: &str) {
    let mut cluster = Cluster::with(
        version,
        &[
            ("restart-strategy.type", "fixed-delay"),
            ("restart-strategy.fixed-delay.attempts", "100"),
            ("restart-strategy.fixed-delay.delay", "4 s"),
        ],
    );
    // Before Flink's REST API is up.
    let mut process = cluster.run();
    process.logged("the entrypoint is started", START);
    process.signal(Signal::SIGTERM);
    assert_eq!(process.exit_code(STOP), 143);
    assert_eq!(process.find("stopped").unwrap()["outcome"], "unchanged", "{}", process.text());

    // While the job waits for a TaskManager.
    let mut process = cluster.run();
    eventually("a job", START, || http::json(cluster.rest, "/jobs")?["jobs"].as_array()?.first().map(drop));
    process.signal(Signal::SIGTERM);
    assert_eq!(process.exit_code(STOP), 143);
    assert_eq!(process.find("stopped").unwrap()["outcome"], "unchanged", "{}", process.text());

    // Twice.
    cluster.start_task_manager();
    let (mut process, restored) = cluster.run_confirmed();
    assert_eq!(restored, None, "nothing was done so far");
    cluster.progress(100);
    cluster.control("slowsnap", "2000");
    process.signal(Signal::SIGTERM);
    process.logged("holding the signal until the final state is durable", STOP);
    process.signal(Signal::SIGTERM);
    process.logged("a stop is under way already", STOP);
    assert_eq!(process.exit_code(STOP), 143);
    assert_eq!(process.find("stopped").unwrap()["outcome"], "savepoint", "{}", process.text());
    cluster.uncontrol("slowsnap");
    cluster.assert_exactly_once(&cluster.lives());

    // While the job restarts.
    let (process, _) = cluster.run_confirmed();
    cluster.checkpoints(1);
    let job_id = cluster.job_id();
    cluster.control("throw", "");
    eventually("the job restarts", START, || {
        (http::json(cluster.rest, &format!("/jobs/{job_id}"))?["state"] == "RESTARTING").then_some(())
    });
    let outcome = cluster.stop(process);
    assert_eq!(outcome["outcome"], "savepoint", "the stop waits for the tasks: {outcome}");
    cluster.assert_nothing_lost(&cluster.lives());
}

fn a_task_manager_dies_during_the_stop(version: &str) {
    let mut cluster = Cluster::new(version);
    cluster.start_task_manager();
    let (mut process, _) = cluster.run_confirmed();
    cluster.checkpoints(1);
    cluster.control("slowsnap", "20000");
    process.signal(Signal::SIGTERM);
    process.logged("stopping", STOP);
    eventually("the savepoint has begun", STOP, || {
        let own = std::fs::read_dir(cluster.dir.path().join("sp"))
            .ok()?
            .flatten()
            .find(|entry| entry.file_name() != "marker")?;
        std::fs::metadata(own.path().join("1")).ok()
    });
    cluster.kill_task_manager();
    assert_eq!(process.exit_code(STOP), 143, "{}", process.text());
    let outcome = process.find("stopped").unwrap();
    assert_eq!(
        (outcome["outcome"].as_str(), outcome["recorded"].as_bool()),
        (Some("checkpoint"), Some(true)),
        "{outcome}"
    );
    cluster.uncontrol("slowsnap");

    cluster.start_task_manager();
    let (process, restored) = cluster.run_confirmed();
    assert_eq!(restored.as_deref(), outcome["point"].as_str());
    cluster.progress(100);
    assert_eq!(cluster.stop(process)["outcome"], "savepoint");
    cluster.assert_nothing_lost(&cluster.lives());
}
