use serde_json::json;

use super::*;
use crate::protocol::entry::Fact;
use crate::protocol::point::PointRef;
use crate::record::entry;

const NOW: &str = "2026-11-23T07:00:00Z";

fn saved(path: &str, kind: Kind, completed_at: &str) -> Fact {
    Fact::Saved(Saved {
        job_id: JobId::derived("orders", 1),
        job_name: None,
        point: PointRef { path: path.to_owned(), checkpoint_id: Some(7), epoch: Some(1) },
        kind,
        format: None,
        completed_at: completed_at.parse().unwrap(),
        bytes: Some(8838),
        duration_ms: None,
        predicted_ms: None,
        doubt: None,
        salvaged: false,
        drained: false,
    })
}

fn stopped(outcome: StopOutcome) -> Fact {
    Fact::Stopped { outcome, reason: "SIGTERM".to_owned(), took: None }
}

fn config_map(namespace: &str, name: &str, facts: &[(u64, Fact)]) -> Value {
    let lines = facts.iter().map(|(epoch, fact)| serde_json::to_string(&entry(*epoch, fact.clone())).unwrap() + "\n");
    json!({ "metadata": { "namespace": namespace, "name": name }, "data": { "record": lines.collect::<String>() } })
}

fn list(items: &[Value]) -> Vec<Listed> {
    clusters(&json!({ "items": items }))
}

#[test]
fn the_newest_point_counts_that_no_void_epoch_wrote() {
    let found = list(&[
        config_map(
            "shop",
            "orders",
            &[
                (1, saved("s3://a/1", Kind::Final, "2026-11-23T04:55:00Z")),
                (1, stopped(StopOutcome::Savepoint)),
                (2, saved("s3://a/2", Kind::Checkpoint, "2026-11-23T06:00:00Z")),
                (2, Fact::Voided { reason: "ran from something else".to_owned() }),
                (0, Fact::Pinned { path: "s3://a/0".to_owned() }),
            ],
        ),
        config_map("shop", "new", &[]),
        json!({ "metadata": { "namespace": "shop", "name": "no-record" }, "data": { "key": "value" } }),
    ]);
    let text = table(&found, NOW.parse().unwrap(), false, false);
    assert_eq!(
        text,
        "\
CLUSTER  EPOCH  NEWEST   AGE     SIZE  LAST STOP
new          0  -          -        -  -
orders       2  final   2h5m  8.6 KiB  savepoint
  s3://a/1
    the next start restores what is pinned:
    s3://a/0
"
    );
}

#[test]
fn it_fits_a_terminal_and_a_damaged_record_hides_no_other() {
    let long = "n".repeat(63);
    let mut damaged = config_map("shop", "damaged", &[(1, stopped(StopOutcome::Nothing))]);
    damaged["data"]["record"] = format!("{}half a line", damaged["data"]["record"].as_str().unwrap()).into();
    let found = list(&[
        config_map(&long, &long, &[(1, saved("s3://a/1", Kind::Checkpoint, "2020-01-01T00:00:00Z"))]),
        damaged,
        config_map("shop", "lost", &[(1, stopped(StopOutcome::Nothing)), (0, Fact::FreshAllowed)]),
    ]);
    let text = table(&found, NOW.parse().unwrap(), true, false);
    for line in text.lines().filter(|line| !line.contains(&long)) {
        assert!(line.chars().count() <= 80, "{line}");
    }
    for shown in [
        &format!("\n{long}/{long}\n") as &str,
        "2518d7h  8.6 KiB  -",
        "shop/damaged",
        "the record is damaged: line 2 is not an entry",
        "begins with nothing",
    ] {
        assert!(text.contains(shown), "{shown} is not in\n{text}");
    }
}

#[test]
fn programs_find_the_same_under_stable_names() {
    let found = list(&[config_map("shop", "orders", &[(1, saved("s3://a/1", Kind::Final, "2026-11-23T04:55:00Z"))])]);
    let json = serde_json::to_value(&found).unwrap();
    assert_eq!(
        json,
        json!([{
            "namespace": "shop", "name": "orders", "cluster": null, "epoch": 1, "path": "s3://a/1", "kind": "final",
            "job_id": JobId::derived("orders", 1), "checkpoint_id": 7, "completed_at": "2026-11-23T04:55:00Z", "bytes": 8838,
            "outcome": null, "ended": null, "jobs": 0, "request": null, "holder": null, "damaged": null,
        }])
    );
}
