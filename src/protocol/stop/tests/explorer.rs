//! Every sequence of replies, up to a bound, driven through the real machine.
//!
//! Each effect is answered with each reply that it can have, at once, after a while, and at the last moment; the
//! JobManager may vanish at any time. What can't differ in behaviour is explored once: words and bytes are left out of the
//! key. Detours are bounded: answers that come after a while, and early ones that only ask for patience.

use std::collections::HashSet;

use super::*;

const WHILE: Duration = Duration::from_millis(700);
const OTHER: &str = "file:///elsewhere/savepoint-x";

/// What the observer keeps of a path.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[expect(clippy::struct_excessive_bools, reason = "each is one thing that was or was not seen")]
struct Seen {
    /// The request whose answer has not been read.
    outstanding: Option<TriggerId>,
    accepted: bool,
    noted: Option<TriggerId>,
    /// Requests that came to nothing.
    spent: Vec<TriggerId>,
    /// Storage was looked at since the last request.
    searched: bool,
    /// What makes it true that there is a savepoint.
    evidence: bool,
    asked: bool,
    recorded: bool,
    marked: bool,
    superseded: bool,
    gone: bool,
    shortened: Option<Moment>,
    detours: u8,
}

#[derive(Debug, Clone)]
struct Node {
    stop: Stop,
    now: Moment,
    seen: Seen,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Key {
    state: (u8, Option<TriggerId>, bool, Option<StopOutcome>),
    times: [Moment; 6],
    posted: Option<Moment>,
    attempts: u32,
    flags: (bool, bool),
    seen: Seen,
}

fn key(node: &Node) -> Key {
    let Node { stop, now, seen } = node;
    let state = match &stop.state {
        State::Look => (0, None, false, None),
        State::Note(attempt) => (1, Some(attempt.trigger_id), false, None),
        State::Post(attempt) => (2, Some(attempt.trigger_id), false, None),
        State::Poll(attempt) => (3, Some(attempt.trigger_id), false, None),
        State::Search { attempt, transient, .. } => (4, Some(attempt.trigger_id), *transient, None),
        State::Verify { attempt, .. } => (5, Some(attempt.trigger_id), false, None),
        State::FindCheckpoint { .. } => (6, None, false, None),
        State::ReadEnd { .. } => (7, None, false, None),
        State::Record(writing) => (8, None, writing.ending.saved.is_some(), Some(writing.ending.outcome)),
        State::Mark(writing) => (9, None, writing.ending.saved.is_some(), Some(writing.ending.outcome)),
        State::Settle(release) => (10, None, release.recorded, Some(release.outcome)),
        State::Done(release) => (11, None, release.recorded, Some(release.outcome)),
    };
    // Only while it waits for Flink does it matter when the request was made.
    let posted = stop.posted.filter(|_| state.0 < 5);
    let deadline = stop.plan.deadline;
    let mut key = Key {
        state,
        times: [*now, stop.not_before.max(*now), stop.look_until, stop.settle_until, deadline.at, deadline.cutoff()],
        posted,
        attempts: stop.attempts,
        flags: (stop.ran, stop.gone),
        seen: seen.clone(),
    };
    if let State::Record(writing) | State::Mark(writing) = &stop.state {
        key.times[3] = writing.limit(deadline);
    }
    // Once it is only about the record, what led there makes no difference.
    if state.0 >= 8 {
        (key.times[2], key.attempts, key.flags.0) = (START, 0, false);
        (key.seen.outstanding, key.seen.noted, key.seen.spent) = (None, None, Vec::new());
        (key.seen.accepted, key.seen.searched) = (false, true);
    }
    key
}

/// Each reply that it can have.
fn replies(effect: &Effect) -> Vec<Event> {
    let stranger = |n| Job {
        id: JobId::from_bytes([n; 16]),
        name: n.to_string(),
        state: JobState::Active,
        all_tasks_up: true,
        any_task_up: true,
    };
    let searches = |path: &str| {
        [
            Search::Found(secured(path)),
            Search::Nothing,
            Search::Broken(String::new()),
            Search::Unreadable(String::new()),
        ]
        .map(Event::Searched)
        .to_vec()
    };
    match effect {
        Effect::ReadJobs => vec![
            super::running(),
            job(JobState::Finished, false, true),
            job(JobState::Active, false, false),
            job(JobState::Active, false, true),
            no_job(),
            unreachable(),
            Event::Jobs(JobsReply::Listed(vec![stranger(1), stranger(2)])),
        ],
        Effect::Note(_) => vec![Event::Noted],
        Effect::Post(_) => vec![
            Event::Posted(PostReply::Accepted),
            Event::Posted(PostReply::Lost(String::new())),
            Event::Posted(PostReply::Refused(String::new())),
        ],
        Effect::Poll(_) => vec![
            Event::Polled(PollReply::InProgress),
            Event::Polled(PollReply::Lost(String::new())),
            Event::Polled(PollReply::Completed(savepoint())),
            Event::Polled(PollReply::Unknown),
            failed(true),
            failed(false),
        ],
        Effect::Search | Effect::Verify(_) => searches(&savepoint()),
        Effect::FindCheckpoint => searches("file:///checkpoints/chk-7"),
        Effect::ReadEnd(_) => vec![
            Event::End(None),
            end(EndKind::Stopped, Some(&savepoint())),
            end(EndKind::Stopped, Some(OTHER)),
            end(EndKind::Finished, None),
            end(EndKind::Failed, None),
        ],
        Effect::Mark(_) => vec![Event::Marked(true), Event::Marked(false)],
        Effect::Record(_) => vec![
            Event::Recorded(RecordReply::Done),
            Event::Recorded(RecordReply::Failed(String::new())),
            Event::Recorded(RecordReply::Superseded(String::new())),
        ],
    }
}

/// What must be true of an effect when it is asked for.
fn check_effect(seen: &mut Seen, stop: &Stop, effect: &Effect) {
    match effect {
        Effect::Note(attempt) => {
            assert_eq!(seen.outstanding, None, "a request before the former one's answer was read");
            seen.noted = Some(attempt.trigger_id);
        }
        Effect::Post(attempt) => {
            let id = attempt.trigger_id;
            assert!(seen.outstanding.is_none_or(|former| former == id), "two requests under way");
            assert!(!seen.spent.contains(&id), "the id of a request that failed gives the same failure again");
            assert_eq!(seen.noted, Some(id), "a request that nobody knows of");
            assert!(!seen.gone, "asks a JobManager that is gone");
            (seen.outstanding, seen.searched) = (Some(id), false);
        }
        Effect::Poll(attempt) => {
            assert!(seen.outstanding == Some(attempt.trigger_id) && seen.accepted, "polls what was not accepted");
        }
        Effect::Verify(location) => assert_eq!(location, &savepoint()),
        Effect::FindCheckpoint => assert!(seen.searched, "a failure was believed without a look at storage"),
        Effect::Record(ending) => {
            assert_eq!(ending.outcome == StopOutcome::Savepoint, seen.evidence, "{ending:?}");
            let saves = matches!(ending.outcome, StopOutcome::Savepoint | StopOutcome::Checkpoint);
            assert_eq!(saves, ending.saved.is_some());
            assert!(ending.outcome != StopOutcome::Unchanged || (!stop.ran && seen.noted.is_none()));
        }
        Effect::Mark(ending) => {
            // What may be followed by another outcome of the same epoch must not stand there for ever.
            assert!(matches!(ending.outcome, StopOutcome::Savepoint | StopOutcome::Ended), "{ending:?}");
            assert!(!seen.marked, "noted twice");
        }
        Effect::Search | Effect::ReadJobs | Effect::ReadEnd(_) => {}
    }
}

fn observe(seen: &mut Seen, effect: &Effect, event: &Event) {
    let spend = |seen: &mut Seen| {
        seen.spent.extend(seen.outstanding.take());
        seen.accepted = false;
    };
    match (effect, event) {
        (_, Event::Posted(PostReply::Accepted)) => seen.accepted = true,
        (_, Event::Posted(PostReply::Refused(_)) | Event::Polled(PollReply::Failed { .. } | PollReply::Unknown)) => {
            spend(seen);
        }
        (Effect::Verify(_), Event::Searched(search)) => {
            seen.searched = true;
            seen.evidence = matches!(search, Search::Found(_) | Search::Unreadable(_));
        }
        (Effect::Search, Event::Searched(search)) => {
            seen.searched = true;
            seen.evidence = matches!(search, Search::Found(_));
        }
        (_, Event::End(Some(End { how: EndKind::Stopped, savepoint: Some(point), .. }))) => {
            seen.evidence = point.path == savepoint() && seen.noted.is_some();
        }
        (_, Event::Recorded(RecordReply::Done)) => seen.recorded = true,
        (_, Event::Marked(true)) => seen.marked = true,
        (_, Event::Recorded(RecordReply::Superseded(_))) => seen.superseded = true,
        _ => {}
    }
}

fn check_release(node: &Node, release: &Release) {
    let Node { stop, now, seen } = node;
    let deadline = stop.plan.deadline;
    // Exact: whoever keeps each effect's `until` is released when the time for the record is over, or before.
    let latest = deadline.record_until().max(seen.shortened.unwrap_or(START));
    assert!(*now <= latest, "released at {now:?}, after {latest:?}");
    let durable = seen.recorded || seen.superseded || seen.marked;
    assert!(durable || *now >= deadline.record_until(), "released before it was durable");
    assert_eq!(release.recorded, seen.recorded);
    let late = seen.marked && !seen.recorded && !seen.superseded;
    assert!(release.outcome == StopOutcome::Superseded || release.late.is_some() == late, "{release:?}");
    assert_eq!(release.outcome == StopOutcome::Superseded, seen.superseded);
    assert!(!release.kill || !stop.plan.checkpoints_survive);
    if release.outcome == StopOutcome::Savepoint {
        assert!(seen.evidence && release.point.is_some() && !release.kill);
    }
}

struct Explored {
    states: usize,
    ends: HashSet<(StopOutcome, bool)>,
}

fn explore(plan: Plan, shorten: Option<Deadline>, detours: u8) -> Explored {
    let seen = Seen {
        outstanding: None,
        accepted: false,
        noted: plan.resume.as_ref().map(|attempt| attempt.trigger_id),
        spent: Vec::new(),
        // A request that somebody else made is a request.
        searched: plan.resume.is_none(),
        evidence: false,
        asked: false,
        recorded: false,
        marked: false,
        superseded: false,
        gone: false,
        shortened: None,
        detours: 0,
    };
    let mut todo = vec![Node { now: plan.began, stop: Stop::begin(plan), seen }];
    let mut known = HashSet::new();
    let mut ends = HashSet::new();
    while let Some(mut node) = todo.pop() {
        if !known.insert(key(&node)) {
            continue;
        }
        let before = node.clone();
        let (effect, until) = match node.stop.next(node.now) {
            Step::Done(release) => {
                check_release(&node, &release);
                ends.insert((release.outcome, release.recorded));
                continue;
            }
            Step::Wait(until) => {
                assert!(until > node.now && until <= node.stop.plan.deadline.at, "waits until {until:?}");
                if !node.seen.gone {
                    todo.push(gone(&node, node.now));
                }
                node.now = until;
                todo.push(node);
                continue;
            }
            Step::Do { effect, until } => (effect, until),
        };
        let deadline = node.stop.plan.deadline;
        assert!(until <= deadline.at);
        assert!(until >= node.now || node.now > deadline.record_until(), "an effect that may take no time");
        if let (Some(shorter), None) = (shorten, before.seen.shortened) {
            let mut shortened = before;
            shortened.stop.set_deadline(shorter);
            shortened.seen.shortened = Some(shortened.now);
            todo.push(shortened);
        }
        check_effect(&mut node.seen, &node.stop, &effect);
        if matches!(effect, Effect::Record(_)) && !node.seen.asked && node.seen.shortened.is_none() {
            // However slow storage is, the other half of the time for the record is left to the record.
            let latest = deadline.cutoff().plus(deadline.reserve / 4);
            assert!(node.now <= latest, "comes to the record at {:?}, after {latest:?}", node.now);
            node.seen.asked = true;
        }
        let times = [node.now, node.now.plus(WHILE).min(until), until.max(node.now)];
        let asks_flink = matches!(effect, Effect::ReadJobs | Effect::Post(_) | Effect::Poll(_) | Effect::ReadEnd(_));
        if !node.seen.gone && asks_flink {
            // In place of an answer. What storage and record have been asked is awaited all the same.
            todo.extend([node.now, times[2]].map(|now| gone(&node, now)));
        }
        for event in replies(&effect) {
            for now in times {
                let mut next = Node { now, ..node.clone() };
                observe(&mut next.seen, &effect, &event);
                next.stop.on(event.clone(), now);
                let further = std::mem::discriminant(&next.stop.state) != std::mem::discriminant(&node.stop.state);
                next.seen.detours += u8::from(now < until && (!further || now > node.now));
                if next.seen.detours > detours {
                    continue;
                }
                if !next.seen.gone && !asks_flink {
                    todo.push(gone(&next, now));
                }
                todo.push(next);
            }
        }
    }
    Explored { states: known.len(), ends }
}

fn gone(node: &Node, now: Moment) -> Node {
    let mut node = Node { now, ..node.clone() };
    node.stop.on(Event::JobManagerGone, now);
    node.seen.gone = true;
    node
}

fn short(grace: u64, reserve: u64) -> Plan {
    Plan { deadline: Deadline::after(START, Duration::from_secs(grace), Duration::from_secs(reserve)), ..plan() }
}

fn running(detours: u8) -> Explored {
    explore(short(10, 3), None, detours)
}

fn not_begun(detours: u8) -> Explored {
    explore(Plan { ran: false, job_id: None, checkpoints_survive: false, ..short(6, 2) }, None, detours)
}

fn resumed(detours: u8) -> Explored {
    explore(Plan { resume: Some(attempt(TriggerId::from_bytes([0x77; 16]))), ..short(6, 2) }, None, detours)
}

/// At any moment somebody may say that there is less time.
fn moved(detours: u8) -> Explored {
    let shorter = Deadline { at: START.plus(Duration::from_secs(4)), reserve: Duration::from_secs(1) };
    explore(short(6, 2), Some(shorter), detours)
}

/// Every end that a stop of a running job can come to: no more, but no fewer either, or it was not explored.
fn ends() -> HashSet<(StopOutcome, bool)> {
    use StopOutcome::{Checkpoint, Ended, Nothing, Savepoint, Superseded};
    let tried =
        [Savepoint, Checkpoint, Nothing, Ended].into_iter().flat_map(|outcome| [(outcome, true), (outcome, false)]);
    tried.chain([(Superseded, false)]).collect()
}

#[track_caller]
fn check(explored: &Explored, ends: &HashSet<(StopOutcome, bool)>, floor: usize) {
    assert_eq!(&explored.ends, ends);
    assert!(explored.states >= floor, "explored only {} states", explored.states);
}

#[test]
fn every_stop_of_a_running_job_keeps_its_promises() {
    check(&running(1), &ends(), 50_000);
}

#[test]
fn every_stop_of_a_job_that_may_not_have_begun_keeps_its_promises() {
    let mut ends = ends();
    ends.extend([(StopOutcome::Unchanged, true), (StopOutcome::Unchanged, false)]);
    check(&not_begun(1), &ends, 15_000);
}

#[test]
fn every_stop_that_goes_on_for_somebody_else_keeps_its_promises() {
    check(&resumed(1), &ends(), 10_000);
}

#[test]
fn every_stop_whose_deadline_moves_keeps_its_promises() {
    check(&moved(0), &ends(), 8_000);
}

#[test]
#[ignore = "minutes: belongs to the full size"]
fn every_stop_keeps_its_promises_on_longer_detours() {
    for explored in [running(2), not_begun(2), resumed(2), moved(1)] {
        assert!(explored.states > 100_000, "explored only {} states", explored.states);
    }
}

#[test]
fn every_stop_with_hardly_any_time_keeps_its_promises() {
    let hardly = |millis| Deadline::after(START, Duration::from_millis(millis), Duration::from_secs(3));
    for millis in [0, 1, 20, 300] {
        let explored = explore(Plan { deadline: hardly(millis), ..plan() }, None, 2);
        assert!(explored.ends.iter().any(|(outcome, _)| *outcome == StopOutcome::Nothing));
    }
}
