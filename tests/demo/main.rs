//! The demo: a real Flink job under `savepointd`, stopped by SIGTERM, started again, and the proof that no record was
//! lost or repeated. Started by `tests/demo.sh`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a test fails by panicking, and real processes need the real clock"
)]
#![expect(clippy::print_stdout, reason = "people watch it")]

#[path = "../support/mod.rs"]
mod support;

use std::io::Write as _;
use std::time::{Duration, Instant, SystemTime};

use support::eventually;
use support::flink::{Cluster, START};

fn main() {
    let version = std::env::args().nth(1).unwrap_or_else(|| "1.20.5".to_owned());
    let mut cluster = Cluster::new(&version);

    step("starting Flink: a TaskManager, and the JobManager under `savepointd run --agent`");
    cluster.start_task_manager();
    let (process, _) = cluster.run_confirmed();
    done();

    step("letting the job write records");
    cluster.progress(2_000);
    done();

    step("sending SIGTERM to savepointd");
    let before = cluster.job_id();
    let stop = Instant::now();
    let outcome = cluster.stop(process);
    let stop = stop.elapsed();
    done();
    let last_written = newest_change(&cluster);
    let point = outcome["point"].as_str().unwrap_or("none").to_owned();

    step("starting again");
    let process = cluster.run();
    let first_written =
        eventually("a record of the new run", START, || (cluster.lives().len() == 2).then(SystemTime::now));
    let restored = cluster.confirmed(&process);
    done();

    step("letting the job go on, then stopping it once more");
    cluster.progress(2_000);
    let after = cluster.job_id();
    cluster.stop(process);
    done();

    let lives = cluster.lives();
    let (lost, repeated) = lives.windows(2).fold((0, 0), |(lost, repeated), pair| {
        let next = pair[0].last + 1;
        (lost + pair[1].first.saturating_sub(next), repeated + next.saturating_sub(pair[1].first))
    });
    let wrong: u64 = lives.iter().map(|life| life.jumps + life.mismatches).sum();
    let history = cluster.ask("history");
    let row = history.as_array().and_then(|rows| rows.iter().find(|row| row["path"] == point.as_str())).cloned();
    let row = row.unwrap_or_default();
    let downtime = first_written.duration_since(last_written).unwrap_or(Duration::ZERO);

    println!();
    println!("Flink {version}, one job that checks itself record by record:");
    println!();
    println!(
        "  stopped    job {before}, by SIGTERM, in {:.2} s: {}",
        stop.as_secs_f64(),
        outcome["outcome"].as_str().unwrap_or("?")
    );
    println!("  savepoint  {point}");
    println!(
        "             number {}, {} bytes, taken in {} ms",
        row["checkpoint_id"], row["bytes"], row["duration_ms"]
    );
    println!(
        "  restored   {}, confirmed by Flink",
        if restored.as_deref() == Some(&point) { "exactly that" } else { "SOMETHING ELSE" }
    );
    println!("             as job {after}");
    println!("  records    {} before, the first after is {}", lives[0].last + 1, lives[1].first + 1);
    println!("  downtime   {:.1} s, from the last record before to the first after", downtime.as_secs_f64());
    println!("  lost {lost}, repeated {repeated}, wrong {wrong}");
    let proven = lost + repeated + wrong == 0 && restored.as_deref() == Some(&point);
    assert!(proven, "the state did not survive");
}

fn step(what: &str) {
    print!("{what} ... ");
    let _ = std::io::stdout().flush();
}

fn done() {
    println!("done");
}

/// When the job wrote its last record.
fn newest_change(cluster: &Cluster) -> SystemTime {
    let files = std::fs::read_dir(cluster.dir.path().join("out")).unwrap();
    files.map(|file| file.unwrap().metadata().unwrap().modified().unwrap()).max().unwrap()
}
