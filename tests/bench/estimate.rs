//! Predictions beside what then happened, on state that grows from stop to stop and while the stop begins.
//!
//! After the table comes what each prediction rested on, a line of JSON for each stop: `src/protocol/estimate/tests/replay.rs` makes the
//! same predictions of such lines again, without Flink.

use std::time::{Duration, Instant, SystemTime};

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::support::flink::{Cluster, START, STOP};
use super::support::{eventually_in_steps_of, http};
use super::{bar, figure};

/// What the job's state has grown to, in MB, when each stop begins.
const SIZES: [u64; 12] = [10, 15, 25, 40, 60, 100, 150, 240, 360, 540, 760, 1_000];
/// How many of ten predictions are within [`FACTOR`] of what happened.
const FACTOR: f64 = 1.5;

struct Stopped {
    bytes: u64,
    predicted: f64,
    at_most: f64,
    took: f64,
    /// What Flink said of its checkpoints just before.
    replay: Value,
}

impl Stopped {
    fn factor(&self) -> f64 {
        (self.predicted / self.took).max(self.took / self.predicted)
    }
}

pub(super) fn measure(version: &str) {
    let mut fit = Vec::new();
    for backend in ["hashmap", "rocksdb"] {
        let stops = stops(version, backend);
        println!("{backend:<10} {:>9} {:>11} {:>9} {:>9} {:>7}", "MB", "predicted", "at most", "took", "factor");
        for (number, stop) in stops.iter().enumerate() {
            let Stopped { bytes, predicted, at_most, took, .. } = stop;
            let first = if number == 0 { "first, counted apart" } else { "" };
            let megabytes = *bytes as f64 / 1e6;
            println!(
                "           {megabytes:>9.1} {predicted:>9.2} s {at_most:>7.2} s {took:>7.2} s {:>7.2} {first}",
                stop.factor()
            );
        }
        for stop in &stops {
            println!("{}", stop.replay);
        }
        let beyond = stops.iter().skip(1).filter(|stop| stop.took > stop.at_most).count();
        figure(&format!("{backend}: stops that took longer than at_most"), format!("{beyond} of {}", stops.len() - 1));
        fit.extend(stops.iter().skip(1).map(|stop| stop.factor() <= FACTOR));
    }
    let within = fit.iter().filter(|fits| **fits).count();
    let share = within as f64 / fit.len() as f64;
    let text = format!("{within} of {}", fit.len());
    bar("predictions within a factor of 1.5", text, "nine of ten", share >= 0.9);
}

fn stops(version: &str, backend: &str) -> Vec<Stopped> {
    let mut cluster = Cluster::with(
        version,
        &[
            ("state.backend.type", backend),
            ("state.backend.incremental", "true"),
            ("execution.checkpointing.interval", "2 s"),
            ("taskmanager.memory.process.size", "4000m"),
            ("taskmanager.memory.managed.size", "300m"),
            ("taskmanager.memory.network.max", "64m"),
        ],
    );
    // As it is run in earnest: a collector for small heaps copies all of the state, again and again.
    cluster.variables.clear();
    cluster.job_options.extend(["--rate", "250"].map(str::to_owned));
    cluster.settings.push("retention.keep=1".to_owned());
    cluster.start_task_manager();
    let (mut stops, mut grown) = (Vec::new(), 1_000_000);
    for size in SIZES {
        cluster.control("grow", &grown.to_string());
        let (mut process, _) = cluster.run_confirmed();
        let job = cluster.job_id();
        let (target, begin) = (size * 1_000_000, Instant::now());
        eventually_in_steps_of(Duration::from_millis(200), "the state has grown", START * 2, || {
            // In about ten seconds, and beyond: it grows while the stop begins.
            let tenths = (begin.elapsed().as_secs() + 1).min(11);
            cluster.control("grow", &(grown + target.saturating_sub(grown) * tenths / 10).to_string());
            let checkpoints = http::json(cluster.rest, &format!("/jobs/{job}/checkpoints"))?;
            let latest = checkpoints["latest"]["completed"]["state_size"].as_u64()?;
            (checkpoints["counts"]["completed"].as_u64()? >= 4 && latest >= target).then_some(())
        });
        let prediction = http::json(cluster.admin, "/api/v1/status").unwrap()["prediction"].clone();
        let checkpoints = http::json(cluster.rest, &format!("/jobs/{job}/checkpoints")).unwrap();
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis();
        process.signal(Signal::SIGTERM);
        assert_eq!(process.exit_code(STOP * 5), 143, "{}", process.text());
        let newest = &cluster.ask("history")[0];
        assert_eq!(newest["kind"], "final", "{newest}");
        let seconds = |value: &Value| value.as_f64().unwrap_or(0.001);
        grown = newest["bytes"].as_u64().unwrap();
        let took = newest["duration_ms"].as_u64().unwrap();
        let now = u64::try_from(now).unwrap();
        stops.push(Stopped {
            bytes: grown,
            predicted: seconds(&prediction["likely_seconds"]),
            at_most: seconds(&prediction["at_most_seconds"]),
            took: took as f64 / 1_000.0,
            replay: json!({
                "backend": backend, "now": now, "checkpoints": measured(&checkpoints), "bytes": grown, "took": took,
            }),
        });
    }
    stops
}

/// Of each completed checkpoint, oldest first: what it wrote, how large the state was, how many milliseconds it took, when it was complete.
fn measured(checkpoints: &Value) -> Vec<[u64; 4]> {
    let history = checkpoints["history"].as_array().unwrap().iter().rev();
    let completed = history.filter(|one| one["status"] == "COMPLETED");
    let keys = ["checkpointed_size", "state_size", "end_to_end_duration", "latest_ack_timestamp"];
    completed.map(|one| keys.map(|key| one[key].as_u64().unwrap())).collect()
}
