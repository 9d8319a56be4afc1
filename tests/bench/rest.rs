//! What the agent costs while the job runs, beside the JobManager that it watches.

use std::time::{Duration, Instant};

use nix::unistd::Pid;

use super::support::eventually;
use super::support::flink::Cluster;
use super::{bar, figure};

/// Long enough for several rounds of watching.
const WATCHED: Duration = Duration::from_secs(60);

pub(super) fn measure(version: &str) {
    let mut cluster = Cluster::new(version);
    // As it is run in earnest.
    cluster.variables.clear();
    cluster.start_task_manager();
    let (process, _) = cluster.run_confirmed();
    // What comes once, such as the note of the first checkpoint, is not rest.
    cluster.checkpoints(5);
    let pids = [process.agent(), process.pid(), cluster.job_manager(&process)];
    let before = pids.map(ticks);
    let begin = Instant::now();
    eventually("the time is over", WATCHED * 2, || (begin.elapsed() >= WATCHED).then_some(()));
    let used = [0, 1, 2].map(|i| ticks(pids[i]) - before[i]);
    let [agent, run, job_manager] = pids.map(resident_kib);
    let mib = |kib: u64| format!("{:.1} MiB", kib as f64 / 1024.0);
    bar("agent, resident", mib(agent), "at most 12 MiB", agent <= 12 * 1024);
    figure("run, resident", mib(run));
    figure("JobManager, resident", mib(job_manager));
    // A tick is 10 ms.
    let percent = |ticks: u64| format!("{:.2} %", ticks as f64 / WATCHED.as_secs_f64());
    bar("agent, of one core", percent(used[0]), "not measurable (below 0.5 %)", used[0] * 2 < WATCHED.as_secs());
    figure("run, of one core", percent(used[1]));
    figure("JobManager, of one core", percent(used[2]));
    cluster.stop(process);
}

fn ticks(pid: Pid) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

fn resident_kib(pid: Pid) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
