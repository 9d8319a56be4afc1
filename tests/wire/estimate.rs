//! What a stop will take: shown, warned of, found by `doctor`, and compared with what it took.

use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::kubernetes::Pod;
use crate::support::process::{Process, binary};
use crate::support::{eventually, http};
use crate::world::{LONG, World, how};

/// A state that takes a minute to write.
fn slow(world: &World) {
    for _ in 0..3 {
        world.flink.measured(6_000_000_000, Duration::from_secs(60));
    }
}

fn admin(process: &Process) -> u16 {
    let address = process.logged("agent is up", LONG)["admin"].as_str().unwrap().to_owned();
    address.rsplit(':').next().unwrap().parse().unwrap()
}

fn prediction(port: u16) -> Value {
    eventually("a prediction from checkpoints", LONG, || {
        let prediction = http::json(port, "/api/v1/status")?["prediction"].clone();
        (prediction["bytes"].as_u64()? >= 6_000_000_000).then_some(prediction)
    })
}

/// The value of a metric.
fn metric(port: u16, name: &str) -> f64 {
    let text = eventually("the metrics", LONG, || http::get(port, "/metrics")).1;
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
    line.unwrap_or_else(|| panic!("{name} is not in\n{text}")).parse().unwrap()
}

fn finding(findings: &Value, about: &str) -> Value {
    let of_it = |one: &&Value| one["about"].as_str().is_some_and(|text| text.starts_with(about));
    findings.as_array().unwrap().iter().find(of_it).cloned().unwrap_or_else(|| panic!("{about} in {findings:#}"))
}

fn doctor(world: &World, code: i32) -> Value {
    let said = world.verb(&["doctor", "--output", "json"]);
    assert_eq!(said.code, code, "{said:?}");
    serde_json::from_str(&said.out).unwrap()
}

#[test]
fn a_grace_that_is_too_short_is_shown_everywhere_before_it_matters_and_the_prediction_is_kept_beside_what_it_took() {
    let world = World::new();
    let process = world.up(&how());
    let port = admin(&process);
    assert!(metric(port, "savepointd_predicted_savepoint_seconds") < 0.001, "not known yet");
    slow(&world);
    world.flink.task_managers(2);

    let prediction = prediction(port);
    let advice = prediction["advice"].as_str().unwrap();
    assert!(advice.starts_with("needs about ") && advice.contains("you have 30 s: raise stop.grace"), "{advice}");
    assert!(prediction["basis"].as_str().unwrap().starts_with("from 3 checkpoints"), "{prediction:#}");
    let predicted = metric(port, "savepointd_predicted_savepoint_seconds");
    assert!((55.0..95.0).contains(&predicted), "{predicted}");
    assert!(metric(port, "savepointd_predicted_savepoint_at_most_seconds") > predicted);
    assert!((metric(port, "savepointd_grace_seconds") - 30.0).abs() < 0.001);
    process.logged("the grace period is too short", LONG);

    let findings = doctor(&world, 77);
    let grace = finding(&findings, "grace period");
    assert_eq!(grace["verdict"], "bad", "{grace:#}");
    assert!(grace["fix"].as_str().unwrap().contains("SAVEPOINTD_STOP__GRACE"), "{grace:#}");
    let guards = finding(&findings, "guards");
    assert!(guards["found"].as_str().unwrap().starts_with("0 guards, 2 TaskManagers"), "{guards:#}");
    assert_eq!(finding(&findings, "checkpoints")["verdict"], "good");
    assert_eq!(finding(&findings, "cluster orders")["verdict"], "good", "record and marker name each other");

    world.stopped_with_savepoint(process);
    let newest = world.newest();
    assert!(newest["predicted_ms"].as_u64().unwrap() > 50_000, "{newest:#}");
    // Nobody scrapes a process that ends: the next one tells.
    let process = world.up(&how());
    let told = eventually("what the last stop took", LONG, || {
        let told = metric(admin(&process), "savepointd_last_savepoint_predicted_seconds");
        (told > 0.0).then_some(told)
    });
    assert!((told - newest["predicted_ms"].as_f64().unwrap() / 1_000.0).abs() < 0.01, "{told} {newest:#}");
}

#[test]
fn the_grace_is_the_pods_own_and_one_event_says_what_to_raise_it_to() {
    let world = World::in_kubernetes();
    let pod = Pod::new(&world, "orders-1");
    world.api().change_pod("orders-1", |pod| {
        pod["spec"]["terminationGracePeriodSeconds"] = 20.into();
        pod["spec"]["containers"] = json!([
            { "name": "jobmanager", "command": ["savepointd", "run", "--"], "livenessProbe": { "tcpSocket": { "port": 6123 } } },
            { "name": "istio-proxy" },
        ]);
    });
    let process = world.up(&pod.how().grace("300s", "3s"));
    slow(&world);
    prediction(pod.admin);
    let warnings = || -> Vec<Value> {
        let events = world.api().events();
        events.into_iter().filter(|event| event["reason"] == "GraceTooShort").collect()
    };
    let warned = eventually("the warning", LONG, || warnings().pop());
    let note = warned.to_string();
    assert!(
        note.contains("you have 20 s: raise terminationGracePeriodSeconds to ") && note.contains("Warning"),
        "{note}"
    );

    let findings = doctor(&world, 77);
    for (about, words) in [
        ("savepoint directory", "container's own file system"),
        ("livenessProbe of container jobmanager", "gives up after 30 s"),
        ("service mesh proxy istio-proxy", "cuts the network"),
    ] {
        let found: Vec<&Value> = findings.as_array().unwrap().iter().filter(|one| one["verdict"] == "bad").collect();
        let is_it = |one: &&&Value| one["about"].as_str().unwrap().starts_with(about);
        let found = found.iter().find(is_it).unwrap_or_else(|| panic!("{about} in {findings:#}"));
        assert!(found["found"].as_str().unwrap().contains(words) && found["fix"].is_string(), "{found:#}");
    }

    // The same is not said again, however often Flink is asked.
    let asked = || world.flink.count(crate::support::fake_flink::Call::Checkpoints);
    let before = asked();
    eventually("Flink is asked again", LONG, || (asked() > before + 1).then_some(()));
    assert_eq!(warnings().len(), 1);
    world.stopped_with_savepoint(process);
}

#[test]
fn a_cluster_that_is_being_planned_needs_no_agent_and_no_record() {
    let doctor = |words: &[&str]| {
        let output = Command::new(binary()).arg("doctor").args(words).env_clear().output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
    };
    let (code, text) = doctor(&["--state-bytes", "200Gi", "--throughput", "400Mi"]);
    assert_eq!(code, 77);
    assert_eq!(
        text,
        "a final savepoint of 200 GiB needs about 512 s, you have 30 s: raise\nterminationGracePeriodSeconds to 900\n"
    );
    let planned = ["--state-bytes", "200Gi", "--throughput", "400Mi", "--task-managers", "40", "--grace", "2m"];
    assert_eq!(
        doctor(&planned),
        (0, "a final savepoint of 200 GiB needs about 13 s, at most 20 s, you have 120 s\n".to_owned())
    );
    let (code, text) = doctor(&["--state-bytes", "1Gi", "--throughput", "100M", "--output", "json"]);
    let answer: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((code, &answer["grace_seconds"], &answer["enough_seconds"]), (0, &json!(30), &json!(25)), "{answer:#}");
    assert_eq!(doctor(&["--state-bytes", "much", "--throughput", "400Mi"]).0, 64);
    assert_eq!(doctor(&["--state-bytes", "1Gi"]).0, 64, "without a pace nothing can be said");
}
