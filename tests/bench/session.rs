//! A session cluster with many jobs: how long all of them take to stop, beside the slowest of them.

use std::time::Instant;

use nix::sys::signal::Signal;

use super::support::eventually;
use super::support::flink::{Cluster, START, STOP};
use super::{bar, figure};

const JOBS: usize = 20;

pub(super) fn measure(version: &str) {
    let mut cluster = Cluster::session(version, JOBS);
    cluster.settings.push("stop.grace=60s".to_owned());
    cluster.start_task_manager();
    let mut process = cluster.run_session(JOBS);
    for n in 0..JOBS {
        cluster.submit(&format!("job-{n}"), None, &["--rate", "50", "--state-bytes", "1000000"]);
    }
    let with_state = || process.log().iter().filter(|line| line["message"] == "a job with state runs").count();
    eventually("all jobs with state", START, || (with_state() == JOBS).then_some(()));
    let begin = Instant::now();
    process.signal(Signal::SIGTERM);
    let stopped = process.logged("stopped", STOP);
    let all = begin.elapsed().as_secs_f64();
    assert_eq!(stopped["outcome"], "savepoint", "{stopped}");
    process.exit_code(STOP);
    let rows = cluster.ask("history");
    let slowest = rows.as_array().unwrap().iter().filter_map(|row| row["duration_ms"].as_u64()).max().unwrap();
    let slowest = slowest as f64 / 1_000.0;
    figure("the slowest job: request to completion", format!("{slowest:.2} s"));
    figure("all 20: SIGTERM to durable record and outcome", format!("{all:.2} s"));
    let ratio = all / slowest;
    bar("all jobs / the slowest", format!("{ratio:.2}"), "at most 2", ratio <= 2.0);
}
