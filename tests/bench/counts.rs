//! What does not depend on how busy the machine is: instructions, system calls, bytes and requests. Of the program as it is shipped.

use std::fs;

use nix::sys::signal::{Signal, kill};
use serde_json::{Value, json};

use super::counters::{Calls, Counters, calls, instructions};
use super::figures::{Figure, middle};
use super::scripted::{LONG, POD, Scripted};
use super::support::fake_flink::write_point;
use super::support::fake_kubernetes::Call;
use super::support::metadata::{File, metadata};
use super::support::process::{Process, binary};
use super::support::{eventually, http};

const LIVES: usize = 3;
/// So often a page is asked for again.
const AGAIN: u32 = 20;

pub(super) fn measure() {
    let size = fs::metadata(binary()).unwrap().len();
    Figure::new("binary", size as f64, "bytes").bar("at most 10 MB with the image around it", size <= 9_700_000).tell();
    let Some(counters) = Counters::installed() else {
        return println!("left out: tests/counters.sh gets valgrind and strace");
    };
    let world = Scripted::new();
    lives(&counters);
    functions(&counters, &world);
    pages(&counters, &world);
}

/// A start, a checkpoint and a stop, again and again from the beginning.
fn lives(counters: &Counters) {
    let lives: Vec<[f64; 7]> = (0..LIVES).map(|_| life(counters)).collect();
    let of = |which: usize| middle(&lives.iter().map(|life| life[which]).collect::<Vec<_>>());
    let figure = |name: &str, which: usize, unit| Figure::new(name, of(which), unit);
    figure("a life of run and agent: system calls", 0, "calls").tell();
    figure("a life of run and agent: read", 1, "bytes").tell();
    figure("a life of run and agent: written", 2, "bytes").tell();
    figure("a life: requests to Flink", 3, "requests").tell();
    figure("a start: requests to the API server", 4, "requests").tell();
    let stop = figure("a stop: requests to the API server", 5, "requests");
    stop.bar("at most 5", of(5) <= 5.0).tell();
    figure("a stop: bytes sent to the API server", 6, "bytes").tell();
}

fn life(counters: &Counters) -> [f64; 7] {
    let world = Scripted::new();
    let traces = world.path("traces");
    fs::create_dir(&traces).unwrap();
    let mut command = world.prepare(counters.calls_of(&traces, &["run", "--agent"]));
    command.args(world.entrypoint());
    let mut strace = Process::start(&mut command);
    strace.logged("the restore is confirmed", LONG);
    world.flink.checkpoint();
    eventually("the checkpoint is noted", LONG, || {
        let record = world.api.config_map("orders")?;
        record["data"]["record"].as_str()?.contains("progressed").then_some(())
    });
    let before = world.api.requests().len();
    world.api.delete_pod(POD, 30);
    let run = strace.child_with(" run --agent ").unwrap();
    kill(run, Signal::SIGTERM).unwrap();
    assert_eq!(strace.exit_code(LONG), 143, "{}", strace.text());
    assert_eq!(strace.find("stopped").unwrap()["outcome"], "savepoint", "{}", strace.text());
    let Calls { made, read, written } = calls(&traces);
    let api = world.api.requests();
    assert_eq!(world.api.count(&Call::to("create", "configmaps")), 1);
    let sent: usize = api[before..].iter().map(|request| request.body.len()).sum();
    let flink = world.flink.requests().len();
    [made, read, written]
        .map(|count| count as f64)
        .into_iter()
        .chain([flink, before, api.len() - before, sent].map(|count| count as f64))
        .collect::<Vec<_>>()
        .try_into()
        .unwrap()
}

/// Each is the difference between much and little, so that the start of the program is in none of them.
fn functions(counters: &Counters, world: &Scripted) {
    let count = |words: &[&str]| {
        let log = world.path("instructions");
        let output = world.prepare(counters.instructions_of(&log, words)).output().unwrap();
        assert!(output.status.success(), "{words:?}: {output:?}");
        instructions(&log)
    };
    let tell = |name: &str, value: f64| Figure::new(name, value / 1e6, "million instructions").tell();
    tell("start of the program and --version", count(&["--version"]));

    let inspected = |files: usize| {
        let names: Vec<String> =
            (0..files).map(|n| format!("s3://flink/checkpoints/job/shared/{n:08x}-35a4-4e2b-9d0f")).collect();
        let files: Vec<File> = names.iter().map(|name| File::At(name, 1_000)).collect();
        let point = world.path("point");
        fs::create_dir_all(&point).unwrap();
        let bytes = metadata(7, &files);
        fs::write(point.join("_metadata"), &bytes).unwrap();
        (bytes.len() as f64, count(&["inspect", "--output", "json", &format!("file://{}", point.display())]))
    };
    let ((little, few), (much, many)) = (inspected(1), inspected(10_000));
    tell("inspect, for each MB of _metadata", (many - few) / (much - little) * 1e6);

    let recorded = |epochs: u64, words: &[&str]| {
        let record = lines(world, epochs);
        let config_map = json!({ "record": record });
        if world.api.config_map("orders").is_some() {
            world.api.delete_config_map("orders");
        }
        world.api.create_config_map("orders", &config_map);
        (record.len() as f64, record.lines().count() as f64, count(words))
    };
    let history = ["history", "--output", "json"];
    let ((little, _, few), (much, _, many)) = (recorded(1, &history), recorded(450, &history));
    tell("history, for each MiB of the record", (many - few) / (much - little) * f64::from(1 << 20));
    let entrypoint = world.entrypoint();
    let plan: Vec<&str> = ["plan"].into_iter().chain(entrypoint.iter().map(String::as_str)).collect();
    let ((_, little, few), (_, much, many)) = (recorded(1, &plan), recorded(150, &plan));
    tell("plan, for each 1,000 entries of the record", (many - few) / (much - little) * 1e3);
}

/// What Prometheus and people ask an agent for.
fn pages(counters: &Counters, world: &Scripted) {
    for (name, path) in [("metrics, each scrape", "/metrics"), ("status page, each look", "/")] {
        let asked = |times: u32| {
            let log = world.path("instructions");
            let mut agent = Process::start(&mut world.prepare(counters.instructions_of(&log, &["agent"])));
            agent.logged("agent is up", LONG);
            for _ in 0..times {
                let (status, _) = http::request_within(LONG, "GET", world.admin, path, "").unwrap();
                assert_eq!(status, 200);
            }
            agent.signal(Signal::SIGTERM);
            agent.exit_code(LONG);
            instructions(&log)
        };
        let each = (asked(1 + AGAIN) - asked(1)) / f64::from(AGAIN);
        Figure::new(name, each / 1e6, "million instructions").tell();
    }
}

/// A record as so many epochs leave it behind, seven entries each; the newest point is there.
fn lines(world: &Scripted, epochs: u64) -> String {
    let at = "2026-11-23T10:00:00Z";
    let mut text = String::new();
    let mut number = 0_u64;
    let mut add = |epoch: u64, fact: Value| {
        number += 1;
        let entry =
            json!({ "version": 1, "write_id": format!("{number:032x}"), "at": at, "epoch": epoch, "fact": fact });
        text.extend([entry.to_string().as_str(), "\n"]);
    };
    let point = |epoch: u64| world.path(&format!("savepoints/orders/{epoch}/savepoint-627a11-0f83cfae04ed"));
    add(0, json!({ "what": "created", "cluster": "orders", "record_id": "1".repeat(32) }));
    let mut base = Value::Null;
    for epoch in 1..=epochs {
        let job_id = format!("627a11184eb11bd4{epoch:016x}");
        let directories = json!({
            "savepoint": format!("file://{}", world.path("savepoints/orders").display()),
            "checkpoint": format!("file://{}", world.path("checkpoints").display()),
        });
        let holder = json!({ "incarnation": format!("{epoch:032x}"), "host": "gone", "boot_id": "gone", "pid": 1, "started": 1 });
        add(epoch, json!({ "what": "claimed", "job_id": job_id, "holder": holder, "directories": directories }));
        add(epoch, json!({ "what": "based", "base": base, "reason": "the newest point" }));
        add(epoch, json!({ "what": "confirmed", "job_id": job_id, "restored": base }));
        add(epoch, json!({ "what": "progressed", "job_id": job_id, "checkpoint_id": epoch * 10 }));
        let path = format!("file://{}", point(epoch).display());
        base = json!({ "path": path, "checkpoint_id": epoch * 10 + 5, "epoch": epoch });
        add(
            epoch,
            json!({
                "what": "saved", "kind": "final", "format": "native", "job_id": job_id, "point": base, "completed_at": at,
                "bytes": 1_000, "duration_ms": 200,
            }),
        );
        add(epoch, json!({ "what": "stopped", "outcome": "savepoint", "reason": "SIGTERM" }));
        add(epoch, json!({ "what": "left" }));
    }
    write_point(&point(epochs), epochs * 10 + 5);
    text
}
