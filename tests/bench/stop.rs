//! From the signal to the durable record, beside what people use today, on the same job and state.
//!
//! savepointd and a poller that sees Flink's answer within 5 ms, the limit, are measured in pairs whose order alternates; scripts
//! and Flink's own command in the same run. Each stop is that of a JobManager of its own, which has taken one checkpoint.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::figures::{Figure, middle, rounds};
use super::support::flink::{Cluster, STOP};
use super::support::process::Process;
use super::support::{eventually, http};

/// Bytes of state, how they are called, how many pairs, and in how many of them the slow ways are measured as well.
const SIZES: [(u64, &str, usize, usize); 3] =
    [(1_000_000, "1 MB", 5, 3), (250_000_000, "250 MB", 5, 2), (1_000_000_000, "1 GB", 3, 1)];

/// What a careful person's preStop hook does.
const SCRIPT: &str = r#"
id=$(curl -s "$url/jobs" | sed 's/.*"id":"\([0-9a-f]*\)".*/\1/')
trigger=$(curl -s -X POST -H 'Content-Type: application/json' \
    -d "{\"targetDirectory\":\"$target\",\"drain\":false,\"formatType\":\"NATIVE\"}" \
    "$url/jobs/$id/stop" | sed 's/.*"request-id":"\([0-9a-f]*\)".*/\1/')
until curl -s "$url/jobs/$id/savepoints/$trigger" | grep -q '"location"'; do sleep 1; done
"#;

/// Ways to stop without savepointd. None of them writes down anything.
type Way = fn(&Cluster, &str);
const SLOW: [(&str, Way); 2] =
    [("a preStop script with curl, polling every second", script), ("flink stop", flink_stop)];

pub(super) fn measure(version: &str) {
    let (mut ours, mut others): (Vec<f64>, [Vec<f64>; 2]) = Default::default();
    for (bytes, size, pairs, some) in SIZES {
        let (beyond, slow) = of_size(version, bytes, size, rounds(pairs), some.min(rounds(some)));
        ours.extend(beyond);
        for (all, some) in others.iter_mut().zip(slow) {
            all.extend(some);
        }
    }
    // What a way costs beyond Flink's own work is not a matter of size. Below a millisecond there is nothing to be compared.
    let (ours, best) = (middle(&ours).max(1.0), others.iter().map(|all| middle(all)).fold(f64::MAX, f64::min));
    Figure::new("stop: beyond the poller, all sizes, median of pairs", ours, "ms")
        .beside("the best other way", best)
        .bar("at least 5 times less", best >= ours * 5.0)
        .tell();
}

/// Milliseconds beyond the poller: savepointd's, and those of the slow ways.
fn of_size(version: &str, bytes: u64, size: &str, pairs: usize, some: usize) -> (Vec<f64>, [Vec<f64>; 2]) {
    let mut bench = Bench::new(version, bytes);
    let (mut ours, mut poller, mut slow): (Vec<f64>, Vec<f64>, [Vec<f64>; 2]) = Default::default();
    for pair in 0..pairs {
        // The first one makes the state.
        if pair.is_multiple_of(2) {
            ours.push(bench.ours());
            poller.push(bench.plain(poll));
        } else {
            poller.push(bench.plain(poll));
            ours.push(bench.ours());
        }
        for (beyond, (_, way)) in slow.iter_mut().zip(SLOW).filter(|_| pair < some) {
            beyond.push(bench.plain(way) - poller[pair]);
        }
    }
    let ratios: Vec<f64> = ours.iter().zip(&poller).map(|(ours, poller)| ours / poller).collect();
    let beyond: Vec<f64> = ours.iter().zip(&poller).map(|(ours, poller)| ours - poller).collect();
    let (ratio, median) = (middle(&ratios), middle(&beyond));
    Figure::new(format!("stop, {size}: SIGTERM to durable record"), middle(&ours), "ms")
        .spread(&ours)
        .beside("POST to COMPLETED, polled every 5 ms", middle(&poller))
        .ratio(ratio)
        .bar("at most 1.02, or 50 ms more, in the median of pairs", ratio <= 1.02 || median <= 50.0)
        .tell();
    Figure::new(format!("stop, {size}: beyond that poller, median of pairs"), median, "ms").spread(&beyond).tell();
    for (beyond, (name, _)) in slow.iter().zip(SLOW) {
        Figure::new(format!("stop, {size}: beyond it by {name}"), middle(beyond), "ms").spread(beyond).tell();
    }
    (beyond, slow)
}

/// A job with so much state, on one TaskManager that stays.
struct Bench {
    cluster: Cluster,
    from: Option<String>,
}

impl Bench {
    fn new(version: &str, bytes: u64) -> Self {
        let configuration = [
            // No checkpoint is under way when a stop begins, whatever stops.
            ("execution.checkpointing.interval", "10 min"),
            // It waits for the next JobManager no longer than that takes to start.
            ("heartbeat.interval", "1000"),
            ("heartbeat.timeout", "4000"),
            ("taskmanager.memory.process.size", "4000m"),
            ("taskmanager.memory.managed.size", "32m"),
            ("taskmanager.memory.network.max", "64m"),
        ];
        let mut cluster = Cluster::with(version, &configuration);
        // As it is run in earnest.
        cluster.variables.clear();
        cluster.job_options.extend(["--state-bytes".to_owned(), bytes.to_string()]);
        cluster.settings.extend(["retention.keep=1", "stop.grace=120s"].map(str::to_owned));
        cluster.start_task_manager();
        Self { cluster, from: None }
    }

    /// The state is there, and has been through a checkpoint.
    fn settle(&self) {
        self.cluster.progress(500);
        let rest = self.cluster.rest;
        let checkpoints = format!("/jobs/{}/checkpoints", self.cluster.job_id());
        let (_, answer) = http::request("POST", rest, &checkpoints, "{}").unwrap();
        let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
        let result = format!("{checkpoints}/{}", answer["request-id"].as_str().unwrap());
        eventually("a checkpoint", STOP, || (http::json(rest, &result)?["status"]["id"] == "COMPLETED").then_some(()));
        self.cluster.progress(100);
    }

    fn ours(&mut self) -> f64 {
        let (mut process, _) = self.cluster.run_confirmed();
        self.settle();
        let begin = Instant::now();
        process.signal(Signal::SIGTERM);
        let stopped = process.logged("stopped", STOP * 2);
        let took = begin.elapsed();
        assert_eq!(stopped["outcome"], "savepoint", "{stopped}");
        process.exit_code(STOP);
        self.from = stopped["point"].as_str().map(str::to_owned);
        took.as_secs_f64() * 1_000.0
    }

    /// Starts Flink without savepointd, times one way to stop it, and ends it.
    fn plain(&mut self, stop: Way) -> f64 {
        let mut process: Process = self.cluster.run_plain(self.from.as_deref());
        let job = self.cluster.all_running();
        self.settle();
        let begin = Instant::now();
        stop(&self.cluster, &job);
        let took = begin.elapsed();
        process.signal(Signal::SIGTERM);
        process.exit_code(STOP);
        // What it came to is of no use: the next one goes on from savepointd's.
        let _ = std::fs::remove_dir_all(self.cluster.dir.path().join("peers"));
        took.as_secs_f64() * 1_000.0
    }
}

fn target(cluster: &Cluster) -> String {
    format!("file://{}/peers", cluster.dir.path().display())
}

fn poll(cluster: &Cluster, job: &str) {
    stop_by_rest(cluster, job);
}

/// Stops as soon as Flink can, and knows it within 5 ms. Gives the savepoint's place.
pub(super) fn stop_by_rest(cluster: &Cluster, job: &str) -> String {
    let body = format!(r#"{{"drain":false,"targetDirectory":"{}","formatType":"NATIVE"}}"#, target(cluster));
    let (_, answer) = http::request("POST", cluster.rest, &format!("/jobs/{job}/stop"), &body).unwrap();
    let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
    let result = format!("/jobs/{job}/savepoints/{}", answer["request-id"].as_str().unwrap());
    let begin = Instant::now();
    loop {
        let asked = Instant::now();
        let operation = http::json(cluster.rest, &result).unwrap()["operation"].clone();
        if let Some(location) = operation["location"].as_str() {
            return location.to_owned();
        }
        assert!(begin.elapsed() < STOP * 2, "no savepoint: {operation}");
        std::thread::sleep((asked + Duration::from_millis(5)).saturating_duration_since(Instant::now()));
    }
}

fn script(cluster: &Cluster, _: &str) {
    let mut command = std::process::Command::new("bash");
    command
        .args(["-c", SCRIPT])
        .env("url", format!("http://127.0.0.1:{}", cluster.rest))
        .env("target", target(cluster));
    assert!(command.status().unwrap().success());
}

fn flink_stop(cluster: &Cluster, job: &str) {
    let address = format!("127.0.0.1:{}", cluster.rest);
    let output = cluster.flink(&["stop", "--type", "native", "-p", &target(cluster), "-m", &address, job]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
