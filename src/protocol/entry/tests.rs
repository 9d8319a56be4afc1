//! Every fact is read back as it was written, with everything that it can carry and with as little.

use super::*;

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
        predicted_ms: None,
        doubt: Some("not verified in time".into()),
        salvaged: true,
        drained: false,
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
        Fact::Based(Based {
            base: None,
            explicit: None,
            consumed: None,
            seen: Vec::new(),
            or: Vec::new(),
            cleans_up: false,
            ..based
        }),
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
    facts.extend(StopOutcome::ALL.map(|outcome| Fact::Stopped { outcome, reason: "so".into() }));
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
    let tags: std::collections::BTreeSet<_> = facts.iter().map(tag).collect();
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
