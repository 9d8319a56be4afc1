//! The status page and `/api/v1/status`: what they say, that saying it costs little, and that nothing in it does more than be read.

use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::kubernetes::Pod;
use crate::support::fake_flink::{Call as FlinkCall, Fault as FlinkFault, Stopping};
use crate::support::fake_kubernetes::{Call, Fault};
use crate::support::process::Process;
use crate::support::{eventually, http};
use crate::world::{LONG, World, how, terminate};

/// What somebody may call a job, or have an exception say.
pub const HOSTILE: &str = "</code></title></style><script>alert(1)</script><img src=x onerror=alert(2)>\u{202e}";
const HOSTILE_FAILURE: &str =
    "java.io.IOException: </code></title></style><script>alert(1)</script><img src=x onerror=alert(2)>\n\tat x";

/// The port of the newest agent's admin server.
pub fn admin(process: &Process) -> u16 {
    let address = process.logged("agent is up", LONG)["admin"].as_str().unwrap().to_owned();
    address.rsplit(':').next().unwrap().parse().unwrap()
}

fn page(port: u16) -> String {
    let (status, text) = eventually("the page", LONG, || http::get(port, "/"));
    assert_eq!(status, 200, "{text}");
    text
}

/// The status, once it is as wanted.
fn status(port: u16, what: &str, is_wanted: impl Fn(&Value) -> bool) -> Value {
    eventually(what, LONG, || http::json(port, "/api/v1/status").filter(&is_wanted))
}

/// An application with a past: a stop with a savepoint, one that failed and fell back to a checkpoint, and a job that runs.
pub fn with_a_past() -> (World, Process) {
    let world = World::new();
    world.flink.named(HOSTILE);
    world.one_epoch();
    let mut process = world.up(&how());
    world.flink.checkpoint();
    world.flink.stops(&[Stopping::Fails(HOSTILE_FAILURE)]);
    assert_eq!(terminate(&mut process, LONG).0, 143);
    let process = world.up(&how().set("stop.reserve=2s"));
    world.flink.measured(600_000_000, Duration::from_secs(2));
    world.flink.measured(600_000_000, Duration::from_secs(2));
    world.flink.checkpoint();
    (world, process)
}

#[test]
fn the_status_and_its_page_say_what_plan_and_history_say() {
    let (world, process) = with_a_past();
    let port = admin(&process);
    let plan = world.plan();
    let is_there = |status: &Value| status["next"]["path"] == plan["path"] && status["newest"]["bytes"].is_u64();
    let status = status(port, "the plan", is_there);
    assert_eq!(status["next"]["decision"], "restore");
    assert_eq!(status["next"]["reason"], plan["reason"]);
    assert_eq!(status["next"]["candidates"], plan["candidates"]);
    assert_eq!(status["history"], Value::from(world.history()));
    assert_eq!((&status["phase"], &status["epoch"]), (&"running".into(), &3.into()));
    assert_eq!((&status["newest"]["path"], &status["newest"]["kind"]), (&plan["path"], &"checkpoint".into()));
    assert_eq!(status["newest"]["bytes"], 600_000_000_u64, "as Flink tells it");
    assert!(status["newest"]["age_seconds"].as_i64().unwrap() < 600, "{:#}", status["newest"]);
    let starts = status["starts"].as_array().unwrap();
    let hows: Vec<_> = starts.iter().map(|start| (start["epoch"].as_u64().unwrap(), start["how"].as_str())).collect();
    assert_eq!(hows, [(3, None), (2, Some("checkpoint")), (1, Some("savepoint"))]);
    assert_eq!(status["flink"]["jobs"][0]["state"], "active", "{:#}", status["flink"]);
    assert!(status["headline"]["text"].as_str().unwrap().starts_with("State is safe"), "{}", status["headline"]);

    let page = page(port);
    for part in
        ["State is safe: the newest checkpoint is", plan["path"].as_str().unwrap(), "Epoch 1</b> began", "timeline"]
    {
        assert!(page.to_lowercase().contains(&part.to_lowercase()), "{part} is not in {page}");
    }
    assert!(!page.contains("<script") && !page.contains("<img") && !page.contains('\u{202e}'), "{page}");
    assert!(page.matches("&lt;script&gt;").count() >= 2, "job and reason are there, as text: {page}");
    assert!(page.len() < 40_000, "{}", page.len());
}

#[test]
fn each_command_that_is_shown_works_as_it_stands() {
    let (world, process) = with_a_past();
    let status = status(admin(&process), "the plan", |status| status["next"]["path"].is_string());
    let commands = status["commands"].as_array().unwrap();
    let lines: Vec<&str> = commands.iter().map(|command| command["line"].as_str().unwrap()).collect();
    for verb in [" plan ", " history ", " verify ", " doctor ", " savepoint "] {
        let line = lines.iter().find(|line| line.contains(verb)).unwrap_or_else(|| panic!("{verb} in {lines:#?}"));
        let output = world.command(&["sh".to_owned(), "-c".to_owned(), (*line).to_owned()]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        // Doctor finds what it finds.
        assert!(output.status.success() || verb == " doctor ", "{line}: {said}");
    }
    world.stopped_with_savepoint(process);
}

#[test]
fn the_configuration_is_shown_with_what_set_each_value_and_without_secrets() {
    let world = World::new();
    let file = world.path("savepointd.toml");
    std::fs::write(&file, "[savepoint]\ndirectory = \"s3://KEY:SECRET@bucket/savepoints\"\n").unwrap();
    let mut command = world.command(&[]);
    command
        .args(["agent", "--config"])
        .arg(&file)
        .args(["--set", "stop.reserve=2s"])
        .env("SAVEPOINTD_STOP__GRACE", "9s");
    let agent = Process::start(&mut command);
    let port = admin(&agent);
    let status = status(port, "an answer", |_| true);
    let settings = status["configuration"].as_array().unwrap();
    let of = |key: &str| settings.iter().find(|setting| setting["key"] == key).unwrap_or_else(|| panic!("{key}"));
    for (key, value, from, name) in [
        ("savepoint.directory", "s3://KEY:***@bucket/savepoints", "file", file.to_str()),
        ("stop.grace", "9s", "variable", Some("SAVEPOINTD_STOP__GRACE")),
        ("stop.reserve", "2s", "flag", Some("--set stop.reserve")),
        ("handover", "wait", "default", None),
    ] {
        let setting = of(key);
        let found = (setting["value"].as_str(), setting["from"].as_str(), setting["name"].as_str());
        assert_eq!(found, (Some(value), Some(from), name), "{key}");
    }
    let page = page(port);
    assert!(page.contains("SAVEPOINTD_STOP__GRACE") && page.contains("KEY:***@bucket"), "{page}");
    assert!(!page.contains("SECRET") && !status.to_string().contains("SECRET"));
}

#[test]
fn the_page_may_only_be_drawn() {
    let world = World::new();
    let agent = Process::start(world.command(&[]).arg("agent"));
    let port = admin(&agent);
    let first = eventually("the page", LONG, || http::head_of(port, "/"));
    let header = |head: &str, name: &str| {
        let line = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix(name).map(str::to_owned));
        line.unwrap_or_else(|| panic!("{name} is not in {head}")).trim_start_matches(": ").trim().to_owned()
    };
    for (name, value) in [
        ("content-type", "text/html; charset=utf-8"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cache-control", "no-store"),
    ] {
        assert_eq!(header(&first, name), value);
    }
    let policy = header(&first, "content-security-policy");
    for part in
        ["default-src 'none'", "style-src 'nonce-", "frame-ancestors 'none'", "form-action 'none'", "base-uri 'none'"]
    {
        assert!(policy.contains(part), "{part} is not in {policy}");
    }
    assert!(!policy.contains("script-src") && !policy.contains("unsafe"), "{policy}");
    let second = http::head_of(port, "/").unwrap();
    assert_ne!(header(&second, "content-security-policy"), policy, "the nonce is of one answer only");
}

#[test]
fn a_record_or_a_flink_that_is_away_is_said_to_be_and_keeps_nobody_waiting() {
    let world = World::in_kubernetes();
    let pod = Pod::new(&world, "orders-1");
    let process = world.up(&pod.how());
    world.flink.checkpoint();
    eventually("the first checkpoint is noted", LONG, || world.recorded(1, "progressed"));
    let known = status(pod.admin, "the plan", |status| status["next"]["decision"] == "restore");
    assert!(known["commands"][0]["line"].as_str().unwrap().starts_with("kubectl -n "), "{:#}", known["commands"]);

    world.api().fault(&Call::to("get", "configmaps"), &Fault::Code(503), usize::MAX);
    // Something happens, so that what was told before is not good any more.
    assert_eq!(world.verb(&["savepoint"]).code, 0);
    world.flink.fault(FlinkCall::Jobs, &FlinkFault::Answer(500, "application/json", "{}"), usize::MAX);
    let gone = status(pod.admin, "the record is away", |status| status["next"]["unknown"].is_string());
    assert_eq!(gone["headline"]["level"], "unknown", "{:#}", gone["headline"]);
    assert_eq!(gone["next"]["path"], known["next"]["path"], "what was known is still there");
    assert_eq!(gone["flink"]["answers"], false, "{:#}", gone["flink"]);
    let page = page(pod.admin);
    for part in ["Not known now.", "does not answer", "503"] {
        assert!(page.contains(part), "{part} is not in {page}");
    }
    world.api().heal();
    world.flink.heal();
    status(pod.admin, "the record is back", |status| {
        status["next"]["unknown"].is_null() && status["flink"]["answers"] == true
    });
    world.stopped_with_savepoint(process);
}

#[test]
fn looking_often_costs_the_api_server_no_more_than_looking_once() {
    let world = World::in_kubernetes();
    let pod = Pod::new(&world, "orders-1");
    let process = world.up(&pod.how());
    world.flink.checkpoint();
    eventually("the first checkpoint is noted", LONG, || world.recorded(1, "progressed"));
    status(pod.admin, "the plan", |status| {
        status["next"]["decision"] == "restore" && status["next"]["unknown"].is_null()
    });
    let asked = world.api().requests().len();
    for _ in 0..20 {
        page(pod.admin);
        http::json(pod.admin, "/api/v1/status").unwrap();
    }
    let more = world.api().requests().len() - asked;
    assert!(more <= 2, "{more} requests for 40 views: {:#?}", world.api().requests());
    process.signal(Signal::SIGTERM);
}

#[test]
fn a_start_that_waits_at_the_gate_says_why_and_what_to_do() {
    let world = World::new();
    let savepoint = world.one_epoch();
    std::fs::write(
        world.path("savepoints").join(savepoint.rsplit_once("/savepoints/").unwrap().1).join("_metadata"),
        "x",
    )
    .unwrap();
    let process = world.run(&how().waits());
    process.logged("waiting at the gate; Flink is not started", LONG);
    let status = status(admin(&process), "the plan", |status| status["next"]["decision"] == "refuse");
    assert_eq!((&status["phase"], &status["headline"]["level"]), (&"waiting".into(), &"danger".into()));
    let lines: Vec<&str> =
        status["commands"].as_array().unwrap().iter().filter_map(|one| one["line"].as_str()).collect();
    assert!(
        lines.iter().any(|line| line.contains(" fresh ")) && lines.iter().any(|line| line.contains(" pin ")),
        "{lines:#?}"
    );
    let page = page(admin(&process));
    assert!(page.contains("Flink is not started: a person has to say how it goes on."), "{page}");
    assert!(page.contains("can’t be used") || page.contains("can&#39;t be used"), "{page}");
}
