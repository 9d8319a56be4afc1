//! The page of the protocol has each message as it is sent.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::*;
use crate::documents;
use crate::protocol::id::Id;

fn finish() -> Finish {
    Finish {
        epoch: 1,
        job_id: None,
        flink: Access::to(""),
        target: String::new(),
        checkpoints: String::new(),
        high_availability: None,
        storage: Options::default(),
        above: None,
        format: Format::Native,
        drain: false,
        grace_ms: 1,
        reserve_ms: 1,
        parallel: 1,
    }
}

fn value(message: &impl Serialize) -> Value {
    serde_json::to_value(message).unwrap()
}

/// One of each.
fn messages() -> Vec<(&'static str, Value)> {
    let id = Id::from_bytes([1; 16]);
    let holder = Holder { incarnation: id, host: String::new(), boot_id: String::new(), pid: 1, started: 1, pod: None };
    let claim = ClaimRequest { holder, argv: Vec::new(), setup: Setup::default(), running: false };
    let go = ClaimReply::Go {
        argv: Vec::new(),
        decision: "restore".into(),
        path: None,
        reason: String::new(),
        finish: Box::new(finish()),
    };
    let release = ReleaseOrder { kill: false, exit: None, outcome: None, hand_over: false, reason: String::new() };
    vec![
        ("ClaimRequest", value(&claim)),
        ("ClaimReply `go`", value(&go)),
        ("ClaimReply `no`", value(&ClaimReply::No { decision: "hold".into(), reason: String::new() })),
        ("ClaimReply `later`", value(&ClaimReply::Later { reason: String::new(), soon: true })),
        ("ClaimReply `superseded`", value(&ClaimReply::Superseded { reason: String::new() })),
        ("Finish", value(&finish())),
        ("Started", value(&Started { epoch: 1 })),
        ("StopRequest", value(&StopRequest { epoch: 1, since_ms: 1 })),
        ("Drained", value(&Drained { outcome: None, reason: String::new() })),
        ("Orders", value(&Orders::default())),
        ("ReleaseOrder", value(&release)),
        ("Exited", value(&Exited { epoch: 1, code: None, signal: None })),
        ("Tidings", value(&Tidings::default())),
        ("Checkpointed", value(&Checkpointed { checkpoint_id: None, reason: String::new() })),
    ]
}

#[test]
fn the_protocols_page_has_every_field_of_every_message() {
    let page = documents::text("src/protocol/README.md");
    let words = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<BTreeSet<String>>();
    let rows = documents::table(&page, "### Messages");
    let said: BTreeMap<String, BTreeSet<String>> = rows.iter().map(|row| (row[0].clone(), words(&row[1]))).collect();
    let names = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<BTreeSet<String>>();
    let is: BTreeMap<String, BTreeSet<String>> =
        messages().iter().map(|(name, value)| ((*name).to_owned(), names(value))).collect();
    assert_eq!(said, is);
    for (name, value) in messages() {
        if let Some((_, tag)) = name.split_once(' ') {
            assert_eq!(value["answer"], tag.trim_matches('`'), "{name}");
        }
    }
}

#[test]
fn the_protocols_page_has_every_request_of_the_run_socket() {
    let page = documents::text("src/protocol/README.md");
    let served = documents::text("src/agent/run_socket.rs");
    let requests: BTreeSet<String> = documents::table(&page, "| request | body | answer |")
        .iter()
        .map(|row| row[0].trim_matches('`').to_owned())
        .collect();
    let is: BTreeSet<String> = served
        .lines()
        .filter_map(|line| line.trim().strip_prefix("(\"")?.split_once("\") => ").map(|(request, _)| request))
        .map(|request| request.replace("\", \"", " "))
        .collect();
    assert_eq!(requests, is);
}
