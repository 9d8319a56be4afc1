//! A session cluster with many jobs: how long all of them take to stop, beside the slowest of them.

use std::time::Instant;

use nix::sys::signal::Signal;

use super::figures::Figure;
use super::support::eventually;
use super::support::flink::{Cluster, START, STOP};

/// How many jobs, and how often each takes a checkpoint: all of them together not too often.
const SIZES: [(usize, &str); 3] = [(1, "2 s"), (10, "5 s"), (100, "20 s")];

pub(super) fn measure(version: &str) {
    for (jobs, interval) in SIZES {
        of_size(version, jobs, interval);
    }
}

fn of_size(version: &str, jobs: usize, interval: &str) {
    let more = [
        ("execution.checkpointing.interval", interval),
        ("taskmanager.memory.process.size", "2400m"),
        ("taskmanager.memory.network.min", "256m"),
    ];
    let mut cluster = Cluster::session_with(version, jobs, &more);
    // As it is run in earnest.
    cluster.variables.clear();
    cluster.settings.push("stop.grace=120s".to_owned());
    cluster.start_task_manager();
    let mut process = cluster.run_session(jobs);
    for n in 0..jobs {
        cluster.submit(&format!("job-{n}"), None, &["--rate", "50", "--state-bytes", "1000000"]);
    }
    let with_state = || process.log().iter().filter(|line| line["message"] == "a job with state runs").count();
    eventually("all jobs with state", START, || (with_state() == jobs).then_some(()));
    let begin = Instant::now();
    process.signal(Signal::SIGTERM);
    let stopped = process.logged("stopped", STOP * 2);
    let all = begin.elapsed().as_secs_f64();
    assert_eq!(stopped["outcome"], "savepoint", "{stopped}");
    process.exit_code(STOP);
    let rows = cluster.ask("history");
    let slowest = rows.as_array().unwrap().iter().filter_map(|row| row["duration_ms"].as_u64()).max().unwrap();
    let slowest = slowest as f64 / 1_000.0;
    let name = if jobs == 1 { "session, 1 job".to_owned() } else { format!("session, {jobs} jobs") };
    let figure = Figure::new(format!("{name}: SIGTERM to durable record of all"), all, "s")
        .beside("the slowest job, request to completion", slowest);
    // A hundred jobs have two cores' worth of work to do in any case.
    let figure = if jobs <= 10 { figure.bar("at most 2", all / slowest <= 2.0) } else { figure };
    figure.tell();
}
