//! Predictions beside what then happened, on state that grows from stop to stop and while the stop begins.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::Value;

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
            let Stopped { bytes, predicted, at_most, took } = stop;
            let first = if number == 0 { "first, counted apart" } else { "" };
            let megabytes = *bytes as f64 / 1e6;
            println!(
                "           {megabytes:>9.1} {predicted:>9.2} s {at_most:>7.2} s {took:>7.2} s {:>7.2} {first}",
                stop.factor()
            );
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
        process.signal(Signal::SIGTERM);
        assert_eq!(process.exit_code(STOP * 5), 143, "{}", process.text());
        let newest = &cluster.ask("history")[0];
        assert_eq!(newest["kind"], "final", "{newest}");
        let seconds = |value: &Value| value.as_f64().unwrap_or(0.001);
        grown = newest["bytes"].as_u64().unwrap();
        stops.push(Stopped {
            bytes: grown,
            predicted: seconds(&prediction["likely_seconds"]),
            at_most: seconds(&prediction["at_most_seconds"]),
            took: newest["duration_ms"].as_u64().unwrap() as f64 / 1_000.0,
        });
    }
    stops
}
