//! What the agent shows and what the command line answers.

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use serde_json::json;

use crate::support::process::{Process, binary};
use crate::support::readme::{self, Documented};
use crate::support::{eventually, http};
use crate::world::{LONG, World, how};

/// The port of the newest agent's admin server.
fn admin(process: &Process) -> u16 {
    let address = process.logged("agent is up", LONG)["admin"].as_str().unwrap().to_owned();
    address.rsplit(':').next().unwrap().parse().unwrap()
}

fn get(port: u16, path: &str) -> (u16, String) {
    eventually(path, LONG, || http::get(port, path))
}

/// The series of a scrape: each name with its labels as they are written, and its value.
fn scraped(text: &str) -> BTreeMap<String, String> {
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    lines
        .filter_map(|line| line.rsplit_once(' '))
        .map(|(series, value)| (series.to_owned(), value.to_owned()))
        .collect()
}

/// The series that the README promises of one metric.
fn promised(metric: &Documented) -> Vec<String> {
    let mut all = vec![String::new()];
    for (name, values) in &metric.labels {
        let longer = |before: &String| {
            let comma = if before.is_empty() { "" } else { "," };
            values.iter().map(|value| format!("{before}{comma}{name}=\"{value}\"")).collect::<Vec<_>>()
        };
        all = all.iter().flat_map(longer).collect();
    }
    let part = if metric.kind == "histogram" { "_count" } else { "" };
    let name = &metric.name;
    let written =
        |labels: String| if labels.is_empty() { format!("{name}{part}") } else { format!("{name}{part}{{{labels}}}") };
    all.into_iter().map(written).collect()
}

#[test]
fn every_metric_of_the_readme_exists_from_the_start_with_all_its_series_and_there_is_no_other() {
    let world = World::new();
    let agent = Process::start(world.command(&[]).arg("agent"));
    agent.logged("this is the cluster", LONG);
    let text = get(admin(&agent), "/metrics").1;
    let series = scraped(&text);
    let documented = readme::metrics();
    for metric in &documented {
        let Documented { name, kind, .. } = metric;
        assert!(text.contains(&format!("# TYPE {name} {kind}\n")), "{name} is no {kind} in\n{text}");
        assert!(text.contains(&format!("# HELP {name} ")), "{name} says nothing of itself in\n{text}");
        for one in promised(metric) {
            assert!(series.contains_key(&one), "{one} is not in\n{text}");
        }
    }
    let families = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
    for family in families {
        assert!(documented.iter().any(|metric| metric.name == family), "{family} is not in the README's table");
    }
    let number = |series: &BTreeMap<String, String>| series.keys().filter(|one| !one.contains("_bucket")).count();
    let all: usize = documented.iter().map(promised).map(|all| all.len()).sum();
    // A histogram has a sum beside its count; two metrics have one label that is told at run time.
    assert_eq!(number(&series), all + 2 + 2, "a label takes a value that the README does not name:\n{text}");
    for (name, value) in &series {
        let told = ["_info", "savepointd_grace_seconds", "savepointd_reserve_seconds", "state=\"closed\""];
        assert!(
            value == "0" || told.iter().any(|told| name.contains(told)),
            "{name} is {value} before anything happened"
        );
    }
}

#[test]
fn the_metrics_tell_the_last_stop_and_what_this_start_restored() {
    let world = World::new();
    world.one_epoch();
    let process = world.up(&how());
    let told = eventually("the last stop's figures", LONG, || {
        let told = scraped(&get(admin(&process), "/metrics").1);
        (told["savepointd_last_stop_timestamp_seconds"] != "0").then_some(told)
    });
    for (series, value) in [
        ("savepointd_epoch", "2"),
        ("savepointd_flink_up", "1"),
        ("savepointd_restore_confirmed", "1"),
        ("savepointd_restored_older", "0"),
        ("savepointd_gate{state=\"open\"}", "1"),
        ("savepointd_gate{state=\"closed\"}", "0"),
        ("savepointd_start_decisions_total{decision=\"restore\"}", "1"),
        ("savepointd_verifications_total{outcome=\"whole\"}", "1"),
        ("savepointd_last_verification_outcome{outcome=\"whole\"}", "1"),
        ("savepointd_last_stop_outcome{outcome=\"savepoint\"}", "1"),
        ("savepointd_newest_point_kind{kind=\"final\"}", "1"),
        ("savepointd_record_failing{operation=\"write\"}", "0"),
    ] {
        assert_eq!(told[series], value, "{series} in {told:#?}");
    }
    let number = |series: &str| told[series].parse::<f64>().unwrap();
    let phases: f64 = ["decide", "checkpoint", "savepoint", "verify"]
        .map(|phase| number(&format!("savepointd_last_stop_phase_seconds{{phase=\"{phase}\"}}")))
        .iter()
        .sum();
    let took = number("savepointd_last_stop_duration_seconds");
    assert!(took > 0.0 && (took - phases).abs() < 0.001, "{took} {phases}");
    assert!(number("savepointd_newest_point_bytes") > 0.0 && number("savepointd_newest_point_timestamp_seconds") > 1e9);
    assert!(number("savepointd_start_phase_seconds{phase=\"confirm\"}") > 0.0, "{told:#?}");
}

#[test]
fn a_start_from_an_older_point_and_a_refusal_are_seen_in_the_metrics() {
    let world = World::new();
    let older = world.one_epoch();
    let newest = world.one_epoch();
    assert_eq!(world.verb(&["pin", &older]).code, 0);
    let process = world.up(&how());
    let told = scraped(&get(admin(&process), "/metrics").1);
    assert_eq!(told["savepointd_restored_older"], "1", "{told:#?}");
    drop(process);

    let world = World::new();
    let newest_of_all = world.one_epoch();
    assert_ne!(newest, newest_of_all);
    let path = newest_of_all.trim_start_matches("file://");
    for file in fs::read_dir(path).unwrap().map(|file| file.unwrap().path()).filter(|path| !path.ends_with("_metadata"))
    {
        fs::remove_file(file).unwrap();
    }
    fs::write(format!("{path}/_metadata"), "nothing of Flink's").unwrap();
    let process = world.run(&how().waits());
    process.logged("waiting at the gate; Flink is not started", LONG);
    let told = scraped(&get(admin(&process), "/metrics").1);
    assert_eq!(told["savepointd_gate{state=\"refused\"}"], "1", "{told:#?}");
    assert_ne!(told["savepointd_start_decisions_total{decision=\"refuse\"}"], "0");
}

#[test]
fn ready_means_that_the_gate_is_open_and_the_rpc_port_is_up() {
    let world = World::new();
    let rpc = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = rpc.local_addr().unwrap().port();
    drop(rpc);
    // The image's entrypoint writes the address, but leaves the port.
    world.configure(&[&format!("jobmanager.rpc.port: {port}")]);
    let agent = Process::start(world.command(&[]).arg("agent"));
    let (status, why) = get(admin(&agent), "/readyz");
    assert_eq!((status, why.contains("the gate is closed")), (503, true), "{why}");
    assert_eq!(get(admin(&agent), "/livez").0, 200, "alive long before");
    drop(agent);

    let process = world.up(&how());
    let (status, why) = get(admin(&process), "/readyz");
    assert_eq!((status, why.contains(&format!("port {port} is not up"))), (503, true), "{why}");
    let _rpc = TcpListener::bind(("127.0.0.1", port)).unwrap();
    assert_eq!(get(admin(&process), "/readyz"), (200, "ready\n".to_owned()));
}

#[test]
fn a_refusal_is_alive_and_not_ready_and_says_why() {
    let world = World::new();
    world.configure_only(&[]);
    let process = world.run(&how().waits());
    process.logged("waiting at the gate; Flink is not started", LONG);
    let port = admin(&process);
    assert_eq!(get(port, "/livez").0, 200);
    let (status, why) = get(port, "/readyz");
    assert_eq!((status, why.contains("no savepoint directory is known")), (503, true), "{why}");
}

#[test]
fn the_status_tells_what_runs_from_what() {
    let world = World::new();
    let base = world.one_epoch();
    let process = world.up(&how());
    let port = admin(&process);
    let status = http::json(port, "/api/v1/status").unwrap();
    assert_eq!(status["cluster"], "orders");
    assert_eq!((&status["epoch"], &status["started"], &status["stopping"]), (&2.into(), &true.into(), &false.into()));
    assert_eq!((&status["base"], &status["confirmed"]), (&base.clone().into(), &base.clone().into()), "{status:#}");
    assert_eq!(status["job_id"], world.flink.job_id().as_str());
    assert!(get(port, "/").1.contains(&base));
    assert_eq!(get(port, "/nothing").0, 404);
    for path in ["/api/v1/status", "/api/v1/stop", "/api/v1/look", "/", "/metrics"] {
        assert_eq!(http::request("POST", port, path, "{}").unwrap().0, 404, "{path} is not read only");
    }
}

#[test]
fn flinks_user_may_use_the_run_socket_and_nobody_else_the_control_socket() {
    let world = World::new();
    let process = world.up(&how());
    let mode = |path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(world.socket(1)), 0o666);
    assert_eq!(mode(world.control_socket(1)), 0o600);
    world.stopped_with_savepoint(process);
    assert!(
        !world.socket(1).exists() && !world.control_socket(1).exists(),
        "an agent that ends takes its sockets along"
    );
}

#[test]
fn what_people_ask_is_answered_by_the_agent_that_runs() {
    let world = World::new();
    let savepoint = world.one_epoch();
    let process = world.up(&how());
    // The verb has no record of its own here, so only the agent can have answered.
    let ask = |words: &[&str]| {
        let output = world.command(&[]).args(words).env("SAVEPOINTD_RECORD", "file:///nowhere").output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
    };
    let (code, text) = ask(&["history", "--output", "json"]);
    assert_eq!((code, text.contains(&savepoint)), (0, true), "{text}");
    let (code, text) = ask(&["history"]);
    assert_eq!((code, text.contains(&savepoint), text.contains("final")), (0, true, true), "{text}");
    let plan: serde_json::Value = serde_json::from_str(&ask(&["plan", "--output", "json"]).1).unwrap();
    assert_eq!((&plan["decision"], &plan["path"]), (&json!("restore"), &json!(savepoint)), "{plan:#}");
    assert!(plan["reason"].is_string() && plan["candidates"][0]["chosen"].is_boolean(), "{plan:#}");
    assert!(ask(&["plan"]).1.starts_with(&format!("restore {savepoint}")));
    assert_eq!(ask(&["pin", &savepoint]).0, 0);
    assert!(ask(&["plan"]).1.contains("pinned"));
    assert_eq!(ask(&["unpin"]).0, 0);
    assert_eq!(ask(&["fresh"]).0, 0);
    assert!(ask(&["plan"]).1.starts_with("fresh"));
    assert_eq!(ask(&["unpin"]).0, 0);
    world.stopped_with_savepoint(process);
}

#[test]
fn a_plan_changes_nothing() {
    let world = World::new();
    world.next("fresh");
    assert!(!world.record().exists() && !world.folder().exists());
    world.one_epoch();
    let entries =
        || fs::read_dir(world.record()).unwrap().count() + fs::read_dir(world.folder().join("marker")).unwrap().count();
    let before = entries();
    world.plan();
    // Without the entrypoint's command line the directories are the last start's.
    assert_eq!(world.json(&["plan", "--output", "json"])["decision"], "restore");
    assert_eq!(entries(), before);
}

#[test]
fn a_second_agent_on_the_same_socket_refuses_and_leaves_the_first_alone() {
    let world = World::new();
    let process = world.up(&how());
    let output = world.command(&[]).arg("agent").output().unwrap();
    assert_eq!(output.status.code(), Some(71));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("another agent listens there"), "{said}");
    assert!(world.socket(1).exists());
    world.stopped_with_savepoint(process);
}

#[test]
fn install_gives_an_executable_and_can_be_repeated() {
    let world = World::new();
    let dir = world.path("shared/bin");
    for _ in 0..2 {
        let said = world.verb(&["install", dir.to_str().unwrap()]);
        assert_eq!(said.code, 0, "{said:?}");
        let installed = dir.join("savepointd");
        assert_eq!(said.out.trim(), installed.to_str().unwrap());
        assert_eq!(fs::metadata(&installed).unwrap().permissions().mode() & 0o777, 0o755);
        let output = Command::new(&installed).arg("--version").output().unwrap();
        assert!(output.status.success() && String::from_utf8(output.stdout).unwrap().starts_with("savepointd "));
    }
    assert_eq!(fs::read_dir(&dir).unwrap().count(), 1, "no draft is left");
    let said = world.verb(&["install", "/proc/nowhere"]);
    assert_eq!((said.code, said.err.contains("/proc/nowhere")), (71, true), "{said:?}");
}

#[test]
fn a_wrong_configuration_is_78_and_names_each_place() {
    let world = World::new();
    for verb in [vec!["agent"], vec!["run", "--agent", "--", "true"], vec!["history"]] {
        let output = world
            .command(&[])
            .args(&verb)
            .args(if verb.len() == 1 { ["--set", "stop.grase=30s"].as_slice() } else { &[] })
            .env("SAVEPOINTD_STOP__GRACE", "soon")
            .env("SAVEPOINTD_SAVEPOINT__DRAIN", "perhaps")
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(78), "{verb:?}: {said}");
        let expected: &[&str] = match verb.len() {
            1 => &["stop.grase", "did you mean stop.grace"],
            _ => &["SAVEPOINTD_STOP__GRACE", "SAVEPOINTD_SAVEPOINT__DRAIN"],
        };
        for word in expected {
            assert!(said.contains(word), "{word} is not in {said:?}");
        }
    }
    let output = world.command(&[]).arg("history").env_remove("SAVEPOINTD_RECORD").output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), said.contains("record")), (Some(78), true), "{said}");
}

#[test]
fn every_verb_has_help_and_an_unknown_one_is_64() {
    let run = |words: &[&str]| Command::new(binary()).args(words).output().unwrap();
    for verb in ["agent", "run", "guard", "install", "history", "plan", "pin", "unpin", "fresh"] {
        let output = run(&[verb, "--help"]);
        assert_eq!(output.status.code(), Some(0), "{verb}");
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains("Usage:") && text.contains("--set"), "{verb}: {text}");
    }
    let text = String::from_utf8(run(&["--help"]).stdout).unwrap();
    assert!(text.contains("Exit codes:"), "{text}");
    for wrong in [["teleport"].as_slice(), &[], &["pin"], &["run"], &["guard"], &["history", "--output", "xml"]] {
        let output = run(wrong);
        assert_eq!(output.status.code(), Some(64), "{wrong:?}");
        assert!(!output.stderr.is_empty());
    }
}
