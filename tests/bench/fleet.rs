//! A whole fleet is told to stop at the same moment: real agents and runs, one real API server with its etcd, scripted Flinks.

mod agents;
mod control_plane;

use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::figures::{Figure, middle};
use agents::Fleet;
use control_plane::ControlPlane;

/// In how long, from the first to the last, the scripted savepoints are complete.
const SAVEPOINTS: std::ops::Range<u64> = 1_000..3_000;

/// How large the fleets are, unless `SPTEST_FLEET` says it.
const SIZES: &str = "10,100,1000";

pub(super) fn measure() {
    let Some(control_plane) = ControlPlane::start() else {
        return println!("left out: tests/node/programs.sh builds the API server and etcd");
    };
    let sizes = std::env::var("SPTEST_FLEET").unwrap_or_else(|_| SIZES.to_owned());
    let mut curve = Vec::new();
    for size in sizes.split(',').map(|size| size.parse::<usize>().unwrap()) {
        curve.push((size, stop(&control_plane, size)));
    }
    if let [(small, few), .., (large, many)] = curve.as_slice() {
        let ratio = many / few;
        let figure = Figure::new(format!("processor time of the API server for one of {large} stops"), *many, "ms");
        figure.beside(format!("for one of {small}"), *few).bar("no more than 1.3 times as much", ratio <= 1.3).tell();
        println!("10,000 at once take an API server and etcd like these {:.0} s of one core", many * 10.0);
    }
}

/// Gives what one stop cost API server and etcd, in milliseconds of processor time.
fn stop(control_plane: &ControlPlane, size: usize) -> f64 {
    let mut fleet = Fleet::start(control_plane, size, SAVEPOINTS);
    let (private, resident) = fleet.memory_mib();
    let of = |what: &str| format!("fleet of {size}: {what}");
    Figure::new(of("private memory of an agent and its run"), private, "MiB")
        .bar("at most 5 MiB", private <= 5.0)
        .tell();
    Figure::new(of("resident memory of an agent and its run"), resident, "MiB").tell();
    fleet.delete_pods();
    let (before, told, by_clock) = (control_plane.processor_time(), Instant::now(), Timestamp::now());
    fleet.terminate();
    let took = fleet.stopped(by_clock);
    let all = told.elapsed();
    let used = control_plane.processor_time().saturating_sub(before).as_secs_f64() * 1e3 / size as f64;
    let landed = fleet.landed();
    Figure::new(of("records that have the final savepoint"), landed as f64, "records")
        .bar("all", landed == size)
        .tell();
    Figure::new(of("SIGTERM to outcome, median"), middle(&took), "s").tell();
    Figure::new(of("SIGTERM to outcome, 99 of 100"), took[(took.len() - 1) * 99 / 100], "s").tell();
    Figure::new(of("all have ended after"), all.as_secs_f64(), "s").tell();
    let calls = control_plane.calls_since(by_clock, &fleet.namespace);
    let each = calls.all as f64 / size as f64;
    Figure::new(of("requests to the API server for each stop"), each, "requests").bar("at most 5", each <= 5.0).tell();
    let refused = calls.refused as f64;
    Figure::new(of("conflicts and refusals"), refused, "requests").bar("none", calls.refused == 0).tell();
    Figure::new(of("most requests in one second"), calls.most_in_a_second as f64, "requests").tell();
    Figure::new(of("processor time of API server and etcd for each stop"), used, "ms").tell();
    for (what, count) in calls.kinds {
        println!("    {what}: {:.2} for each stop", count as f64 / size as f64);
    }
    used
}

const LONG: Duration = Duration::from_secs(300);
