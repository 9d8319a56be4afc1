use super::*;
use crate::protocol::point::PointRef;

/// When all this is.
pub(crate) const NOW: i64 = 1_800_000_000;

pub(crate) fn at(ago: i64) -> Timestamp {
    Timestamp::from_second(NOW - ago).unwrap()
}

pub(crate) fn row(epoch: u64, path: &str) -> Row {
    Row {
        epoch,
        path: Some(path.to_owned()),
        kind: Some(Kind::Final),
        job_id: Some(JobId::derived("orders", epoch)),
        job_name: None,
        checkpoint_id: Some(epoch * 10),
        completed_at: Some(at(1_000)),
        bytes: Some(851_443_712),
        duration_ms: Some(2_100),
        predicted_ms: Some(2_400),
        doubt: None,
        salvaged: false,
        base: None,
        confirmed: true,
        restore_failed: None,
        outcome: Some(StopOutcome::Savepoint),
        ended: None,
    }
}

pub(crate) fn start(epoch: u64) -> Start {
    Start { epoch, began: at(2_000), ended: None, how: None, reason: None, base: None, trouble: None }
}

pub(crate) fn point(path: &str, kind: Kind, age: i64) -> Point {
    Point {
        path: path.to_owned(),
        kind: Some(kind),
        epoch: Some(3),
        checkpoint_id: Some(31),
        completed_at: Some(at(age)),
        age_seconds: Some(age),
        bytes: Some(851_443_712),
    }
}

/// A job that runs well.
pub(crate) fn status() -> Status {
    let path = "s3://flink/checkpoints/0c3f/chk-31";
    let newest = point(path, Kind::Checkpoint, 180);
    let reference = PointRef { path: path.to_owned(), checkpoint_id: Some(31), epoch: Some(3) };
    let reason = "newest point of the line that ends in epoch 3".to_owned();
    Status {
        version: "0.0.0",
        at: at(0),
        headline: Headline { level: Level::Unknown, text: String::new(), detail: None },
        cluster: Some("orders".to_owned()),
        record: "configmap://flink/orders".to_owned(),
        phase: Phase::Running,
        gate: "restore: s3://flink/savepoints/2".to_owned(),
        epoch: Some(3),
        job_id: Some(JobId::derived("orders", 3)),
        base: Some("s3://flink/savepoints/2".to_owned()),
        started: true,
        jobs_waiting: Vec::new(),
        confirmed: Some("s3://flink/savepoints/2".to_owned()),
        prediction: Some(Expectation {
            likely_seconds: 2.0,
            at_most_seconds: 5.0,
            checkpoint_seconds: None,
            bytes: Some(851_443_712),
            basis: "from 2 stops, 10 checkpoints".to_owned(),
            grace_seconds: 30.0,
            reserve_seconds: 3.0,
            fit: "fits",
            advice: "needs about 2 s, at most 5 s, you have 30 s".to_owned(),
        }),
        stopping: false,
        stop_seconds_left: None,
        guards: 2,
        outcome: None,
        ended_because: None,
        flink: Some(FlinkNow { answers: true, reason: None, jobs: Vec::new() }),
        newest: Some(newest.clone()),
        next: Next {
            decision: Some("restore".to_owned()),
            path: Some(path.to_owned()),
            point: Some(newest),
            reason: reason.clone(),
            requested: false,
            candidates: vec![Candidate { point: reference, chosen: true, reason }],
            usable: Some(path.to_owned()),
            jobs: Vec::new(),
            asked_at: Some(at(10)),
            unknown: None,
        },
        starts: vec![start(3), Start { ended: Some(at(1_000)), how: Some("savepoint"), began: at(9_000), ..start(2) }],
        history: vec![row(2, "s3://flink/savepoints/2")],
        history_left_out: 0,
        history_is_old: false,
        commands: Vec::new(),
        configuration: Vec::new(),
    }
}

fn said(change: impl FnOnce(&mut Status)) -> (Level, String) {
    let mut status = status();
    change(&mut status);
    let Headline { level, text, detail } = headline(&status);
    (level, detail.map(|detail| format!("{text} {detail}")).unwrap_or(text))
}

#[test]
fn the_first_sentence_says_how_safe_the_state_is() {
    let safe = "State is safe: the newest checkpoint is 3 min old, and the next start restores it.";
    assert_eq!(said(|_| {}), (Level::Safe, safe.to_owned()));

    let away = FlinkNow { answers: false, reason: Some("connection refused".to_owned()), jobs: Vec::new() };
    let (level, text) = said(|status| status.flink = Some(away));
    assert_eq!((level, text), (Level::Attention, format!("Flink does not answer. {safe} connection refused")));

    let (level, text) = said(|status| {
        let prediction = status.prediction.as_mut().unwrap();
        (prediction.fit, prediction.advice) = ("too_short", "needs about 74 s, you have 30 s: raise it".to_owned());
    });
    assert_eq!(level, Level::Attention);
    assert!(text.ends_with("But a final savepoint needs about 74 s, you have 30 s: raise it."), "{text}");

    let (level, text) = said(|status| {
        status.next.requested = true;
        status.next.point = Some(point("s3://old", Kind::Final, 7_200));
    });
    assert_eq!(level, Level::Attention);
    assert!(text.contains("pinned an older point") && text.contains("2 h old; the newest is 3 min old"), "{text}");
}

#[test]
fn what_is_not_known_is_said_to_be_unknown() {
    let away = || Some("the record can't be read: 503".to_owned());
    let (level, text) = said(|status| status.next.unknown = away());
    assert_eq!(level, Level::Unknown);
    assert!(text.contains("can't be told now") && text.contains("503. What is shown below was true before"), "{text}");
    let (level, text) = said(|status| status.next = Next { unknown: away(), ..Next::default() });
    assert!(level == Level::Unknown && text.ends_with("503"), "{text}");
    assert_eq!(said(|status| status.next = Next::default()).0, Level::Unknown);
}

#[test]
fn what_the_next_start_would_not_do_by_itself_is_said_first() {
    for (decision, requested, level, part) in [
        ("refuse", false, Level::Danger, "would be refused. newest point"),
        ("hold", false, Level::Attention, "would wait for a person's word"),
        ("fresh", false, Level::Attention, "Nothing is saved yet"),
        ("fresh", true, Level::Attention, "as a person has asked"),
    ] {
        let (found, text) = said(|status| {
            status.next.decision = Some(decision.to_owned());
            status.next.requested = requested;
        });
        assert!(found == level && text.contains(part), "{decision}: {text}");
    }
}

#[test]
fn a_gate_that_is_closed_says_why() {
    for (gate, level, part) in [
        ("refuse: two candidates", Level::Danger, "a person has to say how it goes on. two candidates"),
        ("hold: the job finished", Level::Attention, "its job had come to its own end. the job finished"),
        ("waiting: pod a runs it", Level::Attention, "the start waits. pod a runs it"),
        ("restore: s3://b/a", Level::Attention, "about to be started"),
        ("no run has asked yet", Level::Attention, "No JobManager has asked"),
    ] {
        let (found, text) = said(|status| (status.phase, status.gate) = (Phase::Waiting, gate.to_owned()));
        assert!(found == level && text.contains(part), "{gate}: {text}");
    }
}

#[test]
fn stops_and_ends_are_told_with_their_outcome() {
    let (level, text) = said(|status| (status.phase, status.stop_seconds_left) = (Phase::Stopping, Some(21.4)));
    assert!(level == Level::Attention && text.contains("killed in 21 s") && text.contains("3 min old"), "{text}");
    for outcome in StopOutcome::ALL {
        let (level, text) = said(|status| (status.phase, status.outcome) = (Phase::Ended, Some(outcome)));
        assert_eq!(level == Level::Danger, outcome == StopOutcome::Nothing, "{text}");
        assert!(text.starts_with("Stopped"), "{text}");
    }
}

#[test]
fn of_several_jobs_one_that_could_not_go_on_is_named() {
    let job = |name: &str, path: Option<&str>| Submission {
        job_name: name.to_owned(),
        job_id: JobId::derived(name, 1),
        epoch: 1,
        path: path.map(str::to_owned),
        kind: None,
        reason: String::new(),
        line: None,
        body: None,
    };
    let resubmit =
        |status: &mut Status, jobs| (status.next.decision, status.next.jobs) = (Some("resubmit".into()), jobs);
    let (level, text) = said(|status| resubmit(status, vec![job("a", Some("s3://a")), job("b", Some("s3://b"))]));
    assert!(level == Level::Safe && text.contains("2 jobs can be submitted again"), "{text}");
    let (level, text) = said(|status| resubmit(status, vec![job("a", Some("s3://a")), job("b", None)]));
    assert!(level == Level::Danger && text.starts_with("1 of 2 jobs") && text.ends_with(" b"), "{text}");
    let (level, text) = said(|status| status.jobs_waiting = vec![job("a", Some("s3://a"))]);
    assert!(level == Level::Attention && text.starts_with("1 job waits"), "{text}");
}

#[test]
fn commands_carry_the_names_that_they_have_here() {
    let lines = |status: &Status, place: &Place| {
        commands(status, place).into_iter().map(|command| command.line).collect::<Vec<_>>()
    };
    let pod = Place::in_pod("flink", "orders-0", "/bin/savepointd");
    let exec = "kubectl -n flink exec orders-0 -c savepointd -- /bin/savepointd";
    let all = lines(&status(), &pod);
    assert_eq!(all.first(), Some(&format!("{exec} plan")));
    assert!(all.contains(&format!("{exec} verify s3://flink/checkpoints/0c3f/chk-31")), "{all:#?}");
    assert!(all.contains(&format!("{exec} savepoint")) && !all.iter().any(|line| line.contains("fresh")), "{all:#?}");

    let mut refused = status();
    (refused.phase, refused.gate) = (Phase::Waiting, "refuse: which one?".to_owned());
    refused.next.usable = Some("s3://b/a'; rm -rf ~".to_owned());
    let all = lines(&refused, &Place::here("savepointd", "file:///r", &[("cluster.id", "orders".to_owned())]));
    let pin = r"savepointd pin 's3://b/a'\''; rm -rf ~' --record file:///r --set cluster.id=orders";
    assert!(all.contains(&pin.to_owned()), "{all:#?}");
    assert!(
        all.iter().any(|line| line.starts_with("savepointd fresh ")) && !all.iter().any(|line| line.contains("unpin"))
    );
}

#[test]
fn starts_are_read_from_the_entries_that_tell_of_them() {
    use crate::protocol::entry::{Based, Entry, Fact};
    use crate::protocol::history::History;
    let entry = |epoch, ago, fact| Entry { at: at(ago), ..crate::record::entry(epoch, fact) };
    let based = |base: Option<&str>| {
        let base = base.map(|path| PointRef { path: path.to_owned(), checkpoint_id: Some(1), epoch: None });
        let (seen, or) = (Vec::new(), Vec::new());
        Fact::Based(Based { base, explicit: None, consumed: None, seen, or, cleans_up: false, reason: "test".into() })
    };
    let stopped = Fact::Stopped { outcome: StopOutcome::Savepoint, reason: "told to".to_owned(), took: None };
    let entries = [
        entry(1, 90, based(None)),
        entry(1, 50, stopped),
        entry(1, 49, Fact::Left),
        entry(2, 40, based(Some("s3://a"))),
    ];
    let starts = starts(&entries, &History::read(&entries));
    let told: Vec<_> =
        starts.iter().map(|one| (one.epoch, one.began, one.ended, one.how, one.base.as_deref())).collect();
    assert_eq!(told, [(2, at(40), None, None, Some("s3://a")), (1, at(90), Some(at(50)), Some("savepoint"), None)]);
}

#[test]
fn an_age_is_said_as_people_say_it() {
    let said = [-5, 0, 89, 91, 3_600, 5_400, 90_000, 200_000].map(age);
    assert_eq!(said, ["0 s", "0 s", "89 s", "2 min", "60 min", "2 h", "25 h", "2 days"]);
}
