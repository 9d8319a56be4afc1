//! From the signal to the durable record, beside what people use today, on the same job.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::support::flink::{Cluster, STOP};
use super::support::process::Process;
use super::support::{eventually, http};
use super::{bar, figure, median, millis};

const ROUNDS: usize = 5;

/// What a careful person's preStop hook does.
const SCRIPT: &str = r#"
id=$(curl -s "$url/jobs" | sed 's/.*"id":"\([0-9a-f]*\)".*/\1/')
trigger=$(curl -s -X POST -H 'Content-Type: application/json' -d "{\"targetDirectory\":\"$target\",\"drain\":false}" \
    "$url/jobs/$id/stop" | sed 's/.*"request-id":"\([0-9a-f]*\)".*/\1/')
until curl -s "$url/jobs/$id/savepoints/$trigger" | grep -q '"location"'; do sleep 1; done
"#;

pub(super) fn measure(version: &str) {
    let mut cluster = Cluster::new(version);
    // As it is run in earnest.
    cluster.variables.clear();
    cluster.start_task_manager();
    let mut times: [Vec<Duration>; 4] = Default::default();
    let mut extra = Vec::new();
    for _ in 0..ROUNDS {
        // savepointd, and right after it the poller on the same job and state: one pair.
        let (mut process, _) = cluster.run_confirmed();
        cluster.progress(500);
        let begin = Instant::now();
        process.signal(Signal::SIGTERM);
        let stopped = process.logged("stopped", STOP);
        let ours = begin.elapsed();
        assert_eq!(stopped["outcome"], "savepoint", "{stopped}");
        process.exit_code(STOP);
        let from = stopped["point"].as_str().map(str::to_owned);

        let poller = plain(&mut cluster, from.as_deref(), poll);
        times[0].push(ours);
        times[1].push(poller);
        extra.push((ours.as_secs_f64() - poller.as_secs_f64()) * 1_000.0);
        times[2].push(plain(&mut cluster, from.as_deref(), script));
        times[3].push(plain(&mut cluster, from.as_deref(), flink_stop));
    }
    let [ours, poller, script, cli] = times.map(|times| median(&times));
    figure("savepointd: SIGTERM to durable record and outcome", millis(ours));
    figure("POST to COMPLETED, polled every 5 ms (nothing recorded)", millis(poller));
    figure("curl script, polling every second (nothing recorded)", millis(script));
    figure("flink stop (nothing recorded)", millis(cli));
    let ratio = |peer: Duration| format!("{:.2}", ours.as_secs_f64() / peer.as_secs_f64());
    figure("savepointd / curl script", ratio(script));
    figure("savepointd / flink stop", ratio(cli));
    extra.sort_by(f64::total_cmp);
    let extra = extra[ROUNDS / 2];
    bar("savepointd beyond the poller, median of pairs", format!("{extra:.1} ms"), "at most 100 ms", extra <= 100.0);
}

/// Starts Flink without savepointd, times one way to stop it, and ends it.
fn plain(cluster: &mut Cluster, from: Option<&str>, stop: impl Fn(&Cluster, &str)) -> Duration {
    let mut process: Process = cluster.run_plain(from);
    let job = cluster.all_running();
    cluster.progress(500);
    let begin = Instant::now();
    stop(cluster, &job);
    let took = begin.elapsed();
    process.signal(Signal::SIGTERM);
    process.exit_code(STOP);
    took
}

fn target(cluster: &Cluster) -> String {
    format!("file://{}/peers", cluster.dir.path().display())
}

fn poll(cluster: &Cluster, job: &str) {
    let body = format!(r#"{{"drain":false,"targetDirectory":"{}","formatType":"NATIVE"}}"#, target(cluster));
    let (_, answer) = http::request("POST", cluster.rest, &format!("/jobs/{job}/stop"), &body).unwrap();
    let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
    let result = format!("/jobs/{job}/savepoints/{}", answer["request-id"].as_str().unwrap());
    let mut next = Instant::now();
    eventually("the savepoint", STOP, || {
        // The peer polls every 5 ms, not as fast as it can.
        while Instant::now() < next {
            std::hint::spin_loop();
        }
        next += Duration::from_millis(5);
        http::json(cluster.rest, &result)?["operation"]["location"].as_str().map(drop)
    });
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
    let output = cluster.flink(&["stop", "-p", &target(cluster), "-m", &address, job]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
