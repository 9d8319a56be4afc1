//! The log as programs read it: flat JSON with names that stay, at a level that can be changed.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::Value;

use crate::support::eventually;
use crate::support::process::Process;
use crate::world::{LONG, World, how};

/// On every line.
const ALWAYS: [&str; 4] = ["timestamp", "level", "target", "message"];

/// The fields of the lines that dashboards and alerts are made of. What is taken away here breaks somebody's.
const STABLE: [(&str, &[&str]); 6] = [
    ("agent is up", &["record", "socket", "admin", "version"]),
    ("this is the cluster", &["cluster"]),
    ("start", &["decision", "path", "reason"]),
    ("the restore is confirmed", &["epoch", "job_id", "restored"]),
    ("stopped", &["outcome", "point", "recorded", "reason"]),
    ("waiting at the gate; Flink is not started", &["reason"]),
];

fn own(process: &Process) -> Vec<Value> {
    process.log().into_iter().filter(|line| line.get("foreign").is_none()).collect()
}

#[test]
fn every_line_is_flat_json_and_the_names_of_its_fields_stay() {
    let world = World::new();
    world.one_epoch();
    let mut process = world.up(&how());
    process.signal(nix::sys::signal::Signal::SIGTERM);
    process.exit_code(LONG);
    let refused = World::new();
    refused.configure_only(&[]);
    let waiting = refused.run(&how().waits());
    waiting.logged("waiting at the gate; Flink is not started", LONG);

    let lines = [own(&process), own(&waiting)].concat();
    for line in &lines {
        let fields = line.as_object().unwrap();
        for name in ALWAYS {
            assert!(fields[name].is_string(), "{name} in {line}");
        }
        line["timestamp"].as_str().unwrap().parse::<Timestamp>().unwrap();
        assert!(["TRACE", "DEBUG", "INFO", "WARN", "ERROR"].contains(&line["level"].as_str().unwrap()), "{line}");
        assert!(line["target"].as_str().unwrap().starts_with("savepointd"), "{line}");
        for (name, value) in fields {
            assert!(!value.is_object() && !value.is_array(), "{name} is not flat in {line}");
            let plain = |letter: char| letter.is_ascii_lowercase() || letter == '_';
            assert!(name.chars().all(plain), "{name} in {line}");
        }
    }
    for (message, names) in STABLE {
        let of_it = lines.iter().filter(|line| line["message"] == message);
        let found: BTreeSet<&str> = of_it
            .flat_map(|line| line.as_object().unwrap().keys())
            .map(String::as_str)
            .filter(|name| !ALWAYS.contains(name))
            .collect();
        assert_eq!(found, names.iter().copied().collect(), "{message:?}");
    }
}

#[test]
fn the_level_of_the_log_is_changed_while_agent_and_run_go_on() {
    let world = World::new();
    let mut process = world.up(&how());
    let at = |level: &str| own(&process).iter().filter(|line| line["level"] == level).count();
    assert_eq!(at("DEBUG"), 0);
    assert_eq!(world.verb(&["log-level"]).out, "the agent logs at level info\n");
    let said = world.verb(&["log-level", "debug"]);
    assert_eq!((said.code, said.out.contains("at level debug")), (0, true), "{said:?}");
    // The connection that asked ends; another agent that is asked is a line of this level.
    eventually("a line of level debug", LONG, || {
        world.verb(&["plan"]);
        (at("DEBUG") > 0).then_some(())
    });
    let said = world.verb(&["log-level", "error"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(world.verb(&["log-level"]).out, "the agent logs at level error\n");
    process.signal(nix::sys::signal::Signal::SIGTERM);
    assert_eq!(process.exit_code(LONG), 143);
    assert!(process.find("holding the signal until the final state is durable").is_none(), "run: {}", process.text());
    assert!(process.find("stopped").is_none(), "the agent: {}", process.text());
    world.next_restores(world.newest()["path"].as_str().unwrap());

    let said = world.verb(&["log-level", "loud"]);
    assert_eq!((said.code, said.err.contains("debug")), (64, true), "{said:?}");
    let said = world.verb(&["log-level", "debug"]);
    assert_eq!((said.code, said.err.contains("no agent answers")), (75, true), "{said:?}");
}
