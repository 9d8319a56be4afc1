//! Every fact is read back as it was written, with everything that it can carry and with as little.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::*;
use crate::documents;

const PAGE: &str = "src/protocol/README.md";

fn point() -> PointRef {
    PointRef { path: "s3://flink/a".into(), checkpoint_id: Some(7), epoch: Some(2) }
}

/// Every variant, with everything that it can carry, and with as little as it can.
#[expect(clippy::too_many_lines, reason = "a list of all facts")]
fn facts() -> Vec<Fact> {
    let id = Id::from_bytes([1; 16]);
    let pod = PodRef {
        namespace: "flink".into(),
        name: "jm-0".into(),
        uid: "u".into(),
        created: Some(Timestamp::UNIX_EPOCH),
        address: Some("10.0.0.1:9250".into()),
    };
    let bare = PodRef { created: None, address: None, ..pod.clone() };
    let holder = Holder {
        incarnation: id,
        host: "pod".into(),
        boot_id: "boot".into(),
        pid: 7,
        started: u64::MAX,
        pod: Some(pod.clone()),
    };
    let places = Places { folder: "s3://ha/c".into(), results: "s3://ha/results".into(), pointers: "a path".into() };
    let directories = Directories {
        savepoint: "s3://s".into(),
        flink_savepoint: Some("s3://d".into()),
        checkpoint: "s3://c".into(),
        high_availability: Some(places),
    };
    let based = Based {
        base: Some(point()),
        explicit: Some("s3://e".into()),
        consumed: Some(id),
        seen: vec!["s3://seen".into()],
        or: vec!["s3://or".into()],
        cleans_up: true,
        reason: "newest".into(),
    };
    let saved = |kind| Saved {
        job_id: id,
        job_name: Some("orders".into()),
        point: point(),
        kind,
        format: Some(Format::Canonical),
        completed_at: Timestamp::UNIX_EPOCH,
        bytes: Some(u64::MAX),
        duration_ms: Some(1),
        predicted_ms: Some(2),
        doubt: Some("not verified in time".into()),
        salvaged: true,
        drained: true,
    };
    let failed = |class| RestoreFailed {
        job_id: id,
        path: "s3://flink/a".into(),
        class,
        reason: "Cannot map".into(),
        allow_non_restored_state: true,
    };
    let end = |how| End { job_id: id, how, savepoint: Some(point()), reason: "because".into() };
    let mut facts = vec![
        Fact::Created { cluster: "orders".into(), record_id: id },
        Fact::Claimed(Claim {
            job_id: Some(id),
            holder: holder.clone(),
            directories,
            session: true,
            without_gate: true,
        }),
        Fact::Claimed(Claim {
            job_id: None,
            holder: Holder { pod: None, ..holder },
            directories: Directories::default(),
            session: false,
            without_gate: false,
        }),
        Fact::HandoverAsked { by: pod },
        Fact::HandoverAsked { by: bare },
        Fact::Left,
        Fact::TakenOver,
        Fact::Based(based.clone()),
        Fact::Based(Based { reason: based.reason, ..Based::default() }),
        Fact::Progressed { job_id: id, checkpoint_id: 1 },
        Fact::Confirmed { job_id: JobId::from_bytes([1; 16]), restored: Some(point()) },
        Fact::Confirmed { job_id: JobId::from_bytes([1; 16]), restored: None },
        Fact::Voided { reason: "ran from nothing".into() },
        Fact::RestoreFailed(failed(FailureClass::Incompatible)),
        Fact::RestoreFailed(failed(FailureClass::Unreadable)),
        Fact::RestoreFailed(failed(FailureClass::Unknown)),
        Fact::Attempted(Attempt {
            job_id: id,
            trigger_id: id,
            target: "s3://t".into(),
            format: Format::Native,
            drain: true,
        }),
        Fact::Saved(Saved {
            job_name: None,
            format: None,
            bytes: None,
            duration_ms: None,
            predicted_ms: None,
            doubt: None,
            salvaged: false,
            drained: false,
            ..saved(Kind::Final)
        }),
        Fact::Ended(End { savepoint: None, reason: String::new(), ..end(EndKind::Finished) }),
        Fact::Pinned { path: "s3://p".into() },
        Fact::Unpinned,
        Fact::FreshAllowed,
        Fact::Pruned { path: "s3://g".into() },
        Fact::Unknown,
    ];
    facts.extend([Kind::Final, Kind::Periodic, Kind::Manual, Kind::Checkpoint].map(|kind| Fact::Saved(saved(kind))));
    let ends = [EndKind::Finished, EndKind::Cancelled, EndKind::Stopped, EndKind::Failed];
    facts.extend(ends.map(|how| Fact::Ended(end(how))));
    facts.extend(of_jobs(ends.map(end)));
    let took = [None, Some(Took { decide: 1, checkpoint: 2, savepoint: 3, verify: 4 })];
    facts.extend(took.map(|took| Fact::Stopped { outcome: StopOutcome::Savepoint, reason: "so".into(), took }));
    facts.extend(StopOutcome::ALL.map(|outcome| Fact::Stopped { outcome, reason: "so".into(), took: None }));
    facts
}

/// What can be said of one job among several.
fn of_jobs(ends: [End; 4]) -> Vec<Fact> {
    let job_id = Id::from_bytes([1; 16]);
    let of_job = |event| Fact::Job(OfJob { job_id, job_name: "orders".into(), event });
    let stopped = JobEvent::Stopped { outcome: StopOutcome::Savepoint, reason: "so".into() };
    let running = [None, Some(point())].map(|restored| JobEvent::Running { restored });
    let nameless = Fact::Job(OfJob { job_id, job_name: String::new(), event: stopped });
    let events = ends.map(JobEvent::Ended).into_iter().chain(running).chain([JobEvent::Unknown]);
    events.map(of_job).chain([nameless]).collect()
}

/// The tag of each variant; one that is added has to be named here, and then told in [`facts`].
fn tag(fact: &Fact) -> &'static str {
    match fact {
        Fact::Created { .. } => "created",
        Fact::Claimed(_) => "claimed",
        Fact::Based(_) => "based",
        Fact::Progressed { .. } => "progressed",
        Fact::Confirmed { .. } => "confirmed",
        Fact::Voided { .. } => "voided",
        Fact::RestoreFailed(_) => "restore_failed",
        Fact::Attempted(_) => "attempted",
        Fact::Saved(_) => "saved",
        Fact::Stopped { .. } => "stopped",
        Fact::Ended(_) => "ended",
        Fact::Job(_) => "job",
        Fact::Pinned { .. } => "pinned",
        Fact::Unpinned => "unpinned",
        Fact::FreshAllowed => "fresh_allowed",
        Fact::HandoverAsked { .. } => "handover_asked",
        Fact::Left => "left",
        Fact::TakenOver => "taken_over",
        Fact::Pruned { .. } => "pruned",
        Fact::Unknown => "unknown",
    }
}

#[test]
fn every_fact_survives_a_round_trip_under_its_own_tag() {
    let facts = facts();
    for fact in &facts {
        let entry = Entry {
            version: VERSION,
            write_id: Id::from_bytes([2; 16]),
            at: Timestamp::UNIX_EPOCH,
            epoch: 3,
            fact: fact.clone(),
        };
        let text = serde_json::to_string(&entry).unwrap();
        assert_eq!(serde_json::from_str::<Entry>(&text).unwrap(), entry, "{text}");
        // A tag that a field collides with stands there twice, and which one counts is a matter of luck.
        assert_eq!(text.matches("\"what\":").count(), 1, "{text}");
        assert!(text.contains(&format!("\"what\":\"{}\"", tag(fact))), "{text}");
    }
    let tags: BTreeSet<_> = facts.iter().map(tag).collect();
    assert_eq!(tags.len(), 20);
}

#[test]
fn fields_of_a_newer_writer_are_passed_over_in_facts_that_are_known() {
    for fact in facts() {
        let mut value = serde_json::to_value(&fact).unwrap();
        value["invented_later"] = serde_json::json!({ "deep": [1, 2] });
        assert_eq!(serde_json::from_value::<Fact>(value).unwrap(), fact);
    }
}

#[test]
fn a_class_of_failure_that_a_newer_writer_knows_is_read() {
    let id = "000102030405060708090a0b0c0d0e0f";
    let text = format!(
        r#"{{"what":"restore_failed","job_id":"{id}","path":"s3://a","class":"moonstruck","reason":"full moon"}}"#
    );
    let fact: Fact = serde_json::from_str(&text).unwrap();
    assert!(matches!(fact, Fact::RestoreFailed(RestoreFailed { class: FailureClass::Unknown, .. })), "{fact:?}");
}

#[test]
fn what_a_newer_writer_says_of_a_job_is_passed_over() {
    let id = "000102030405060708090a0b0c0d0e0f";
    let text = format!(r#"{{"what":"job","job_id":"{id}","event":{{"was":"rescaled","to":7}}}}"#);
    let fact: Fact = serde_json::from_str(&text).unwrap();
    assert!(matches!(fact, Fact::Job(OfJob { event: JobEvent::Unknown, .. })), "{fact:?}");
}

#[test]
fn a_newer_writers_entry_is_read_without_being_understood() {
    let text = r#"{"version":9,"write_id":"000102030405060708090a0b0c0d0e0f","at":"2026-11-22T10:00:00Z",
        "epoch":3,"fact":{"what":"teleported","to":"mars"},"colour":"red"}"#;
    let entry: Entry = serde_json::from_str(text).unwrap();
    assert_eq!((entry.epoch, entry.fact), (3, Fact::Unknown));
}

#[test]
fn a_word_of_a_closed_set_that_is_not_known_is_an_error_and_no_guess() {
    let text = r#"{"what":"stopped","outcome":"moonstruck","reason":"full moon"}"#;
    assert!(serde_json::from_str::<Fact>(text).is_err());
}

/// The names of an object's fields: all that were seen, and those that were always there.
#[derive(Default)]
struct Fields {
    all: BTreeSet<String>,
    always: Option<BTreeSet<String>>,
}

impl Fields {
    fn see(&mut self, object: &serde_json::Map<String, Value>) {
        let names: BTreeSet<String> = object.keys().cloned().collect();
        let always = self.always.take().unwrap_or_else(|| names.clone());
        self.always = Some(always.intersection(&names).cloned().collect());
        self.all.extend(names);
    }

    /// As the page writes them.
    fn written(&self, without: &str) -> BTreeSet<String> {
        let always = |name: &String| self.always.as_ref().is_some_and(|always| always.contains(name));
        let names = self.all.iter().filter(|name| *name != without);
        names.map(|name| format!("{name}{}", if always(name) { "" } else { "?" })).collect()
    }
}

/// The words in backticks of a cell.
fn words(cell: &str) -> BTreeSet<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Every object below this value, by the name of its field.
fn nested(value: &Value, found: &mut BTreeMap<String, Fields>) {
    for (name, inner) in value.as_object().into_iter().flatten() {
        if let Some(object) = inner.as_object() {
            found.entry(name.clone()).or_default().see(object);
            nested(inner, found);
        }
    }
}

/// The same with points and pods of which only the least is known.
fn with_the_least(fact: &Fact) -> Fact {
    let mut fact = fact.clone();
    let strip = |point: &mut PointRef| (point.checkpoint_id, point.epoch) = (None, None);
    match &mut fact {
        Fact::Based(Based { base: point, .. })
        | Fact::Confirmed { restored: point, .. }
        | Fact::Ended(End { savepoint: point, .. })
        | Fact::Job(OfJob {
            event: JobEvent::Running { restored: point } | JobEvent::Ended(End { savepoint: point, .. }),
            ..
        }) => point.iter_mut().for_each(strip),
        Fact::Saved(saved) => strip(&mut saved.point),
        Fact::Claimed(claim) => {
            claim.holder.pod.iter_mut().for_each(|pod| (pod.created, pod.address) = (None, None));
        }
        _ => {}
    }
    fact
}

#[test]
fn the_protocols_page_has_every_field_of_every_fact() {
    let (mut by_tag, mut inside): (BTreeMap<&str, Fields>, BTreeMap<String, Fields>) = Default::default();
    let facts: Vec<Fact> = facts().iter().flat_map(|fact| [fact.clone(), with_the_least(fact)]).collect();
    for fact in facts.iter().filter(|fact| **fact != Fact::Unknown) {
        let value = serde_json::to_value(fact).unwrap();
        by_tag.entry(tag(fact)).or_default().see(value.as_object().unwrap());
        if !matches!(fact, Fact::Job(OfJob { event: JobEvent::Unknown, .. })) {
            nested(&value, &mut inside);
        }
    }
    let page = documents::text(PAGE);
    let rows = documents::table(&page, "### Facts");
    let said: BTreeMap<String, BTreeSet<String>> =
        rows.iter().map(|row| (row[0].trim_matches('`').to_owned(), words(&row[1]))).collect();
    let is: BTreeMap<String, BTreeSet<String>> =
        by_tag.iter().map(|(tag, fields)| ((*tag).to_owned(), fields.written("what"))).collect();
    assert_eq!(said, is);

    let rows = documents::table(&page, "| in | fields | |");
    let said: BTreeMap<String, BTreeSet<String>> =
        rows.iter().flat_map(|row| words(&row[0]).into_iter().map(|name| (name, words(&row[1])))).collect();
    let is: BTreeMap<String, BTreeSet<String>> =
        inside.iter().map(|(name, fields)| (name.clone(), fields.written(""))).collect();
    assert_eq!(said, is);
}

#[test]
fn the_protocols_page_has_the_entry_and_its_closed_sets() {
    let page = documents::text(PAGE);
    assert!(page.contains(&format!("\nVersion {VERSION}. ")));
    let entry = Entry {
        version: VERSION,
        write_id: Id::from_bytes([2; 16]),
        at: Timestamp::UNIX_EPOCH,
        epoch: 3,
        fact: Fact::Left,
    };
    let entry = serde_json::to_value(&entry).unwrap();
    let names: BTreeSet<String> = entry.as_object().unwrap().keys().cloned().collect();
    assert_eq!(
        documents::table(&page, "### Entry").iter().flat_map(|row| words(&row[0])).collect::<BTreeSet<_>>(),
        names
    );

    let text = |value: Result<Value, serde_json::Error>| value.unwrap().as_str().unwrap().to_owned();
    let kinds = [Kind::Final, Kind::Periodic, Kind::Manual, Kind::Checkpoint];
    let ends = [EndKind::Finished, EndKind::Cancelled, EndKind::Stopped, EndKind::Failed];
    let is: BTreeMap<String, BTreeSet<String>> = [
        ("outcome", StopOutcome::ALL.iter().map(|one| text(serde_json::to_value(one))).collect()),
        ("kind", kinds.iter().map(|one| text(serde_json::to_value(one))).collect()),
        ("format", [Format::Native, Format::Canonical].iter().map(|one| text(serde_json::to_value(one))).collect()),
        ("how", ends.iter().map(|one| text(serde_json::to_value(one))).collect()),
    ]
    .map(|(name, words)| (name.to_owned(), words))
    .into();
    let rows = documents::table(&page, "| closed set | words |");
    let said = rows.iter().map(|row| (row[0].trim_matches('`').to_owned(), words(&row[1]))).collect();
    assert_eq!(is, said);
}
