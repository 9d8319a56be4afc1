//! Every sequence of replies, up to a bound, driven through the real machine.
//!
//! Each effect is answered with each reply that it can have, at once, after a while, and at the last moment; the
//! JobManager may vanish at any time. What can't differ in behaviour is explored once: words and bytes are left out of the
//! key. Detours are bounded: answers that come after a while, and early ones that only ask for patience.

use std::collections::HashSet;

use super::*;

const WHILE: Duration = Duration::from_millis(700);
const IN_FLIGHT: TriggerId = TriggerId::from_bytes([0xf1; 16]);
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
    /// What was in flight became complete, as far as anybody can tell.
    joined: bool,
    /// A checkpoint was asked for, and its answer has not been read.
    insuring: bool,
    /// Flink showed somebody else's stop-with-savepoint.
    others_stop: bool,
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
    ladder: Option<(u8, bool, Insurance, Survey)>,
    waiting: (Option<Moment>, Option<Moment>),
    seen: Seen,
}

/// From here on it is only about the record.
const WRITING: u8 = 20;

fn key(node: &Node) -> Key {
    let Node { stop, now, seen } = node;
    let state = match &stop.state {
        State::Look => (0, None, false, None),
        State::Note(attempt) => (1, Some(attempt.trigger_id), false, None),
        State::Post(attempt) => (2, Some(attempt.trigger_id), false, None),
        State::Poll(attempt) => (3, Some(attempt.trigger_id), false, None),
        State::Search { attempt, transient, .. } => (4, Some(attempt.trigger_id), *transient, None),
        State::Verify { attempt, .. } => (5, Some(attempt.trigger_id), false, None),
        State::FindCheckpoint { otherwise, .. } => (6, None, otherwise.is_some(), None),
        State::ReadEnd { .. } => (7, None, false, None),
        State::Survey(_) => (8, None, false, None),
        State::Join(_) => (9, None, false, None),
        State::VerifyJoined { .. } => (10, None, false, None),
        State::SearchJoined(_) => (11, None, false, None),
        State::PostCheckpoint(_) => (12, None, false, None),
        State::PollCheckpoint(_) => (13, None, false, None),
        State::Record(writing) => (WRITING, None, saves(&writing.ending), Some(writing.ending.outcome)),
        State::Mark(writing) => (WRITING + 1, None, saves(&writing.ending), Some(writing.ending.outcome)),
        State::Reread(release, _) => (WRITING + 2, None, release.recorded, Some(release.outcome)),
        State::Settle(release) => (WRITING + 3, None, release.recorded, Some(release.outcome)),
        State::Clear { release, .. } => (WRITING + 4, None, release.recorded, Some(release.outcome)),
        State::Done(release) => (WRITING + 5, None, release.recorded, Some(release.outcome)),
    };
    let writes = state.0 >= WRITING;
    // Only while it waits for Flink does it matter when the request was made.
    let posted = stop.posted.filter(|_| state.0 < 5);
    let deadline = stop.plan.deadline;
    let until = if let State::Join(joining) = &stop.state { Some(joining.until) } else { None };
    let ladder = (stop.surveys, stop.unread.is_some(), stop.insurance, stop.survey.clone());
    let mut key = Key {
        state,
        times: [
            *now,
            stop.not_before.max(*now),
            stop.look_until.unwrap_or(START),
            stop.settle_until,
            deadline.at,
            deadline.cutoff(),
        ],
        posted,
        attempts: stop.attempts,
        flags: (stop.ran, stop.gone),
        ladder: (!writes).then_some(ladder),
        waiting: (stop.courtesy_until.filter(|_| !writes), until),
        seen: seen.clone(),
    };
    if let State::Record(writing) | State::Mark(writing) = &stop.state {
        key.times[3] = writing.limit(deadline);
    }
    // What led there makes no difference.
    if writes {
        (key.times[2], key.attempts, key.flags.0) = (START, 0, false);
        (key.seen.outstanding, key.seen.noted, key.seen.spent) = (None, None, Vec::new());
        (key.seen.accepted, key.seen.searched, key.seen.insuring) = (false, true, false);
    }
    key
}

fn saves(ending: &Ending) -> bool {
    ending.saved.is_some() || (ending.joined.is_some() && ending.outcome == StopOutcome::Checkpoint)
}

fn periodic() -> String {
    format!("{TARGET}/savepoint-0")
}

/// What Flink's statistics may show.
fn surveys() -> Vec<Survey> {
    let newest = |age| Newest { id: 5, age, took: Duration::from_millis(300) };
    let found = |age| Survey { newest: Some(newest(age)), highest: Some(5), ..Survey::default() };
    vec![
        Survey::default(),
        found(WHILE),
        found(Duration::from_secs(60)),
        Survey { savepoint: Some(WHILE), ..Survey::default() },
        Survey { stop: Some(WHILE), ..Survey::default() },
    ]
}

/// Each reply that it can have.
fn replies(effect: &Effect, ladder: bool, noted: bool) -> Vec<Event> {
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
        Effect::Survey(_) if ladder => {
            let surveys = surveys().into_iter().map(Some);
            surveys.chain([None]).map(Event::Surveyed).collect()
        }
        Effect::Survey(_) => vec![Event::Surveyed(Some(Survey::default()))],
        Effect::PostCheckpoint(..) => vec![
            Event::CheckpointPosted(PostReply::Accepted),
            Event::CheckpointPosted(PostReply::Lost(String::new())),
            Event::CheckpointPosted(PostReply::Refused(String::new())),
        ],
        Effect::PollCheckpoint(..) => vec![
            Event::CheckpointPolled(CheckpointReply::InProgress),
            Event::CheckpointPolled(CheckpointReply::Lost(String::new())),
            Event::CheckpointPolled(CheckpointReply::Completed(6)),
            Event::CheckpointPolled(CheckpointReply::Failed(String::new())),
        ],
        Effect::Note(_) => vec![Event::Noted],
        Effect::Post(_) => vec![
            Event::Posted(PostReply::Accepted),
            Event::Posted(PostReply::Lost(String::new())),
            Event::Posted(PostReply::Refused(String::new())),
        ],
        Effect::Poll(asked) => vec![
            Event::Polled(PollReply::InProgress),
            Event::Polled(PollReply::Lost(String::new())),
            Event::Polled(PollReply::Completed(if asked.trigger_id == IN_FLIGHT { periodic() } else { savepoint() })),
            Event::Polled(PollReply::Unknown),
            failed(true),
            failed(false),
        ],
        Effect::Search(_) if !noted => searches(&periodic()),
        Effect::Search(_) => searches(&savepoint()),
        Effect::Verify(location) => searches(location),
        Effect::FindCheckpoint => searches("file:///checkpoints/chk-7"),
        Effect::ReadEnd(_) => vec![
            Event::End(None),
            end(EndKind::Stopped, Some(&savepoint())),
            end(EndKind::Stopped, Some(OTHER)),
            end(EndKind::Finished, None),
            end(EndKind::Failed, None),
        ],
        Effect::LookAtLeftovers => vec![Event::Left(None), Event::Left(Some("a job".into()))],
        Effect::Mark(_) => vec![Event::Marked(true), Event::Marked(false)],
        Effect::Record(_) => vec![
            Event::Recorded(RecordReply::Done),
            Event::Recorded(RecordReply::Failed(String::new())),
            Event::Recorded(RecordReply::Superseded(String::new())),
        ],
    }
}

/// What must be true of an effect when it is asked for.
fn check_effect(seen: &mut Seen, stop: &Stop, effect: &Effect, now: Moment) {
    if matches!(effect, Effect::Post(_) | Effect::PostCheckpoint(..)) {
        assert!(now < stop.plan.deadline.cutoff(), "asks for something when the time for it is over");
        assert!(!seen.gone, "asks a JobManager that is gone");
        assert!(!seen.others_stop, "aborts what somebody else began");
    }
    match effect {
        Effect::PostCheckpoint(..) => {
            assert_eq!(seen.outstanding, None, "a checkpoint while a savepoint is being taken");
        }
        Effect::PollCheckpoint(..) => assert!(seen.insuring, "polls what was not accepted"),
        Effect::Poll(asked) if asked.trigger_id == IN_FLIGHT => {}
        Effect::Survey(_) => assert_eq!(seen.noted, None, "asks for statistics with a request under way"),
        Effect::Note(attempt) => {
            assert_eq!(seen.outstanding, None, "a request before the former one's answer was read");
            seen.noted = Some(attempt.trigger_id);
        }
        Effect::Post(attempt) => {
            let id = attempt.trigger_id;
            assert!(seen.outstanding.is_none_or(|former| former == id), "two requests under way");
            assert!(!seen.spent.contains(&id), "the id of a request that failed gives the same failure again");
            assert_eq!(seen.noted, Some(id), "a request that nobody knows of");
            assert!(!seen.insuring, "aborts a checkpoint that is being taken");
            (seen.outstanding, seen.searched) = (Some(id), false);
        }
        Effect::Poll(attempt) => {
            assert!(seen.outstanding == Some(attempt.trigger_id) && seen.accepted, "polls what was not accepted");
        }
        Effect::Verify(location) => {
            assert_eq!(location, &if seen.noted.is_some() { savepoint() } else { periodic() });
        }
        Effect::FindCheckpoint => assert!(seen.searched, "a failure was believed without a look at storage"),
        Effect::Record(ending) => {
            assert_eq!(ending.outcome == StopOutcome::Savepoint, seen.evidence, "{ending:?}");
            assert_eq!(matches!(ending.outcome, StopOutcome::Savepoint | StopOutcome::Checkpoint), saves(ending));
            assert_eq!(ending.joined.is_some(), seen.joined, "what was in flight is recorded");
            assert!(ending.outcome != StopOutcome::Unchanged || (!stop.ran && seen.noted.is_none()));
        }
        Effect::Mark(ending) => {
            // What may be followed by another outcome of the same epoch must not stand there for ever.
            assert!(matches!(ending.outcome, StopOutcome::Savepoint | StopOutcome::Ended), "{ending:?}");
            assert!(!seen.marked, "noted twice");
        }
        Effect::Search(_) | Effect::ReadJobs | Effect::ReadEnd(_) | Effect::LookAtLeftovers => {}
    }
}

fn observe(seen: &mut Seen, effect: &Effect, event: &Event) {
    let spend = |seen: &mut Seen| {
        seen.spent.extend(seen.outstanding.take());
        seen.accepted = false;
    };
    match (effect, event) {
        (Effect::Poll(asked), _) if asked.trigger_id == IN_FLIGHT => {}
        (Effect::Verify(_), Event::Searched(search)) if seen.noted.is_none() => {
            seen.joined = matches!(search, Search::Found(_) | Search::Unreadable(_));
        }
        (Effect::Search(_), Event::Searched(search)) if seen.noted.is_none() => {
            seen.joined = matches!(search, Search::Found(_));
        }
        (_, Event::Surveyed(Some(survey))) => seen.others_stop = survey.stop.is_some(),
        (_, Event::CheckpointPosted(PostReply::Accepted)) => seen.insuring = true,
        (_, Event::CheckpointPolled(CheckpointReply::Completed(_) | CheckpointReply::Failed(_))) => {
            seen.insuring = false;
        }
        (_, Event::Posted(PostReply::Accepted)) => seen.accepted = true,
        (_, Event::Posted(PostReply::Refused(_)) | Event::Polled(PollReply::Failed { .. } | PollReply::Unknown)) => {
            spend(seen);
        }
        (Effect::Verify(_), Event::Searched(search)) => {
            seen.searched = true;
            seen.evidence = matches!(search, Search::Found(_) | Search::Unreadable(_));
        }
        (Effect::Search(_), Event::Searched(search)) => {
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
    assert!(!release.kill || !stop.plan.checkpoints_survive || seen.others_stop);
    if release.outcome == StopOutcome::Savepoint {
        assert!(seen.evidence && release.point.is_some() && !release.kill);
    }
}

struct Explored {
    states: usize,
    ends: HashSet<(StopOutcome, bool)>,
}

fn explore(plan: Plan, shorten: Option<Deadline>, detours: u8) -> Explored {
    let ladder = plan.prediction.is_some() || plan.in_flight.is_some();
    let seen = Seen {
        outstanding: None,
        accepted: false,
        noted: plan.resume.as_ref().map(|attempt| attempt.trigger_id),
        spent: Vec::new(),
        // A request that somebody else made is a request.
        searched: plan.resume.is_none(),
        evidence: false,
        joined: false,
        insuring: false,
        others_stop: false,
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
        check_effect(&mut node.seen, &node.stop, &effect, node.now);
        if matches!(effect, Effect::Record(_)) && !node.seen.asked && node.seen.shortened.is_none() {
            // However slow storage is, the other half of the time for the record is left to the record.
            let latest = deadline.cutoff().plus(deadline.reserve / 4);
            assert!(node.now <= latest, "comes to the record at {:?}, after {latest:?}", node.now);
            node.seen.asked = true;
        }
        let times = [node.now, node.now.plus(WHILE).min(until), until.max(node.now)];
        let asks_flink = effect.asks_flink();
        if !node.seen.gone && asks_flink {
            // In place of an answer. What storage and record have been asked is awaited all the same.
            todo.extend([node.now, times[2]].map(|now| gone(&node, now)));
        }
        for event in replies(&effect, ladder, node.seen.noted.is_some()) {
            // That time passes with the statistics is a matter of the ladder.
            let moments = if matches!(effect, Effect::Survey(_)) && !ladder { 1 } else { times.len() };
            for now in times.into_iter().take(moments) {
                let mut next = Node { now, ..node.clone() };
                observe(&mut next.seen, &effect, &event);
                next.stop.on(event.clone(), now);
                let further = std::mem::discriminant(&next.stop.state) != std::mem::discriminant(&node.stop.state);
                let waits = match &event {
                    Event::Surveyed(Some(survey)) => survey.stop.is_some() || survey.savepoint.is_some(),
                    Event::Surveyed(None) => true,
                    _ => false,
                };
                next.seen.detours += u8::from(waits || now < until && (!further || now > node.now));
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

fn cleaning_up(detours: u8) -> Explored {
    explore(Plan { cleans_up: true, ..short(6, 2) }, None, detours)
}

/// At any moment somebody may say that there is less time.
fn moved(detours: u8) -> Explored {
    let shorter = Deadline { at: START.plus(Duration::from_secs(4)), reserve: Duration::from_secs(1) };
    explore(short(6, 2), Some(shorter), detours)
}

/// With every rung of the ladder, and with a savepoint of ours in flight.
fn laddered(prediction: Option<Prediction>, in_flight: bool, detours: u8) -> Explored {
    let in_flight = in_flight.then(|| InFlight { attempt: attempt(IN_FLIGHT), kind: Kind::Periodic });
    explore(Plan { prediction, in_flight, ..short(6, 2) }, None, detours)
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
fn every_stop_under_high_availability_keeps_its_promises() {
    check(&cleaning_up(0), &ends(), 3_000);
}

#[test]
fn every_stop_whose_deadline_moves_keeps_its_promises() {
    check(&moved(0), &ends(), 8_000);
}

#[test]
fn every_stop_on_the_ladder_keeps_its_promises() {
    for expected in [fits(), doubtful(), hopeless()] {
        check(&laddered(Some(expected), false, 0), &ends(), 3_000);
    }
}

#[test]
fn every_stop_with_a_savepoint_in_flight_keeps_its_promises() {
    for prediction in [None, Some(doubtful())] {
        check(&laddered(prediction, true, 0), &ends(), 3_000);
    }
}

#[test]
#[ignore = "minutes: belongs to the full size"]
fn every_stop_keeps_its_promises_on_longer_detours() {
    let laddered = [laddered(Some(doubtful()), true, 1), laddered(Some(hopeless()), false, 1)];
    for explored in [running(2), not_begun(2), resumed(2), moved(1)].into_iter().chain(laddered) {
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
