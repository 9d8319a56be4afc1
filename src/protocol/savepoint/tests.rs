//! Every answer that a savepoint of a running job may get, and any sequence of them.

use proptest::prelude::*;

use super::*;
use crate::protocol::id::{Id, JobId};
use crate::protocol::point::{Format, PointRef, normalize};
use crate::protocol::stop::Job;

const START: Moment = Moment(1_000);
const LOCATION: &str = "file:/savepoints/orders/3/savepoint-1";

fn attempt() -> Attempt {
    Attempt {
        job_id: JobId::derived("orders", 3),
        trigger_id: Id::from_bytes([7; 16]),
        target: "file:///savepoints/orders/3".to_owned(),
        format: Format::Canonical,
        drain: false,
    }
}

fn job(state: JobState, all_tasks_up: bool) -> Event {
    let job = Job { id: attempt().job_id, state, all_tasks_up, any_task_up: true, name: "orders".into() };
    Event::Jobs(JobsReply::Listed(vec![job]))
}

fn secured(doubt: Option<&str>) -> Secured {
    let point = PointRef { path: normalize(LOCATION), checkpoint_id: Some(7), epoch: None };
    Secured { point, job_id: None, bytes: Some(100), completed_at: None, doubt: doubt.map(str::to_owned) }
}

fn completed() -> Event {
    Event::Polled(PollReply::Completed(LOCATION.to_owned()))
}

fn failed() -> Event {
    Event::Polled(PollReply::Failed { reason: "Checkpoint expired".to_owned(), transient: false })
}

fn found() -> Event {
    Event::Searched(Search::Found(secured(None)))
}

fn unreadable() -> Event {
    Event::Searched(Search::Unreadable("403".to_owned()))
}

/// Gives each answer in its turn; gives the effects, and how it ended if it did.
fn drive(answers: &[Event]) -> (Vec<Effect>, Option<Verdict>) {
    let mut taking = Taking::begin(attempt(), START);
    let (mut now, mut effects) = (START, Vec::new());
    for answer in answers {
        loop {
            match taking.next(now) {
                Step::Wait(until) => now = until,
                Step::Do { effect, .. } => break effects.push(effect),
                Step::Done(verdict) => return (effects, Some(verdict)),
            }
        }
        now = now.plus(Duration::from_millis(10));
        taking.on(answer.clone(), now);
    }
    let verdict = match taking.next(now) {
        Step::Done(verdict) => Some(verdict),
        _ => None,
    };
    (effects, verdict)
}

fn begun() -> Vec<Event> {
    vec![job(JobState::Active, true), Event::Listed(Ok(())), Event::Posted(PostReply::Accepted)]
}

fn after(more: &[Event]) -> (Vec<Effect>, Option<Verdict>) {
    drive(&[begun(), more.to_vec()].concat())
}

fn reason(verdict: Option<Verdict>) -> (String, bool) {
    match verdict {
        Some(Verdict::Not { reason, passes }) => (reason, passes),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_savepoint_is_asked_for_read_verified_and_recorded() {
    let done = [Event::Polled(PollReply::InProgress), completed(), found(), Event::Recorded(RecordReply::Done)];
    let (effects, verdict) = after(&done);
    let Some(Verdict::Saved(taken)) = verdict else { panic!("{verdict:?}") };
    assert_eq!(taken.secured, secured(None));
    assert!(taken.took > Duration::ZERO);
    let record = Effect::Record(taken);
    let verify = Effect::Verify(LOCATION.to_owned());
    assert_eq!(effects, [Effect::ReadJobs, Effect::List, Effect::Post, Effect::Poll, Effect::Poll, verify, record]);
}

#[test]
fn a_job_that_can_not_be_saved_now_is_not_asked() {
    let none = Event::Jobs(JobsReply::Listed(Vec::new()));
    for (answer, words, passes) in [
        (job(JobState::Active, false), "not all tasks", true),
        (job(JobState::Initializing, false), "not all tasks", true),
        (job(JobState::Finished, false), "at its end", false),
        (none, "does not list", true),
    ] {
        let (effects, verdict) = drive(&[answer]);
        let (reason, may_pass) = reason(verdict);
        assert!(reason.contains(words) && may_pass == passes, "{reason}");
        assert_eq!(effects, [Effect::ReadJobs]);
    }
    let (_, verdict) = drive(&[job(JobState::Active, true), Event::Listed(Err("403".to_owned()))]);
    assert!(reason(verdict).0.contains("can't be listed: 403"));
}

#[test]
fn a_lost_reply_is_repeated_and_a_failure_is_believed_only_after_a_search() {
    let lost = [job(JobState::Active, true), Event::Listed(Ok(())), Event::Posted(PostReply::Lost("reset".to_owned()))];
    let (effects, _) = drive(&[&lost[..], &[Event::Posted(PostReply::Accepted), completed()]].concat());
    assert_eq!(effects[2..], [Effect::Post, Effect::Post, Effect::Poll]);

    let (effects, verdict) = after(&[failed(), Event::Searched(Search::Nothing)]);
    assert_eq!(effects.last(), Some(&Effect::Search));
    assert_eq!(reason(verdict), ("Checkpoint expired".to_owned(), true));
    let (_, verdict) = after(&[failed(), found(), Event::Recorded(RecordReply::Done)]);
    assert!(matches!(verdict, Some(Verdict::Saved(_))), "{verdict:?}");
    let (_, verdict) = after(&[Event::Polled(PollReply::Unknown), Event::Searched(Search::Broken("cut off".into()))]);
    assert!(reason(verdict).0.contains("cut off"));
}

#[test]
fn what_flink_has_written_is_recorded_with_its_doubt_when_storage_stays_unreadable() {
    let unread = vec![unreadable(); 40];
    let (effects, verdict) = after(&[vec![completed()], unread].concat());
    assert_eq!(verdict, None, "the record has the last word");
    let Some(Effect::Record(taken)) = effects.last() else { panic!("{effects:?}") };
    assert_eq!(taken.secured.doubt.as_deref(), Some("not looked at: 403"));
    assert_eq!(taken.secured.point.path, normalize(LOCATION));
}

#[test]
fn a_record_that_is_away_is_waited_for_and_a_newer_epoch_ends_it() {
    let away = Event::Recorded(RecordReply::Failed("away".to_owned()));
    let (effects, verdict) = after(&[vec![completed(), found()], vec![away; 100]].concat());
    assert_eq!(verdict, None);
    assert_eq!(effects.iter().filter(|effect| matches!(effect, Effect::Record(_))).count(), 100);
    let newer = Event::Recorded(RecordReply::Superseded("epoch 4 has begun".to_owned()));
    let (_, verdict) = after(&[completed(), found(), newer]);
    assert_eq!(reason(verdict), ("epoch 4 has begun".to_owned(), false));
}

#[test]
fn nothing_is_asked_for_once_a_stop_has_begun_and_what_is_in_flight_is_followed() {
    for before in 0..2 {
        let mut answers = begun()[..before].to_vec();
        answers.push(Event::StopBegan);
        let (effects, verdict) = drive(&answers);
        assert!(!effects.contains(&Effect::Post), "{effects:?}");
        assert_eq!(reason(verdict), ("a stop has begun".to_owned(), true));
    }
    // The reply was lost, and the stop begins: what was sent may have arrived, and is not sent again.
    let lost = [job(JobState::Active, true), Event::Listed(Ok(())), Event::Posted(PostReply::Lost("reset".to_owned()))];
    let mut taking = Taking::begin(attempt(), START);
    let mut now = START;
    for answer in lost {
        assert!(matches!(taking.next(now), Step::Do { .. }));
        taking.on(answer, now);
    }
    assert_eq!(taking.in_flight(), Some(&attempt()));
    taking.on(Event::StopBegan, now);
    now = now.plus(RETRY);
    assert!(matches!(taking.next(now), Step::Do { effect: Effect::Poll, .. }));
    taking.on(failed(), now);
    assert_eq!(taking.in_flight(), None, "its result was read");
    // The stop's own savepoint lies in the same folder, and must not be found.
    let Step::Done(verdict) = taking.next(now) else { panic!("{taking:?}") };
    assert!(reason(Some(verdict)).0.contains("for the stop that has begun"));
}

fn events() -> impl Strategy<Value = Event> {
    prop_oneof![
        Just(job(JobState::Active, true)),
        Just(job(JobState::Active, false)),
        Just(Event::Jobs(JobsReply::Unreachable("reset".into()))),
        Just(Event::Listed(Ok(()))),
        Just(Event::Posted(PostReply::Accepted)),
        Just(Event::Posted(PostReply::Lost("reset".into()))),
        Just(Event::Posted(PostReply::Refused("400".into()))),
        Just(Event::Polled(PollReply::InProgress)),
        Just(Event::Polled(PollReply::Lost("reset".into()))),
        Just(Event::Polled(PollReply::Unknown)),
        Just(completed()),
        Just(failed()),
        Just(found()),
        Just(unreadable()),
        Just(Event::Searched(Search::Nothing)),
        Just(Event::Recorded(RecordReply::Failed("away".into()))),
        Just(Event::Recorded(RecordReply::Done)),
        Just(Event::StopBegan),
    ]
}

proptest! {
    #[test]
    fn whatever_happens_its_result_is_read_and_only_what_is_recorded_is_called_saved(
        happens in prop::collection::vec((events(), 0_u64..3_000), 0..60),
    ) {
        let mut taking = Taking::begin(attempt(), START);
        let (mut now, mut stopping, mut unread, mut recorded) = (START, false, false, false);
        for (event, passes) in happens {
            let step = taking.next(now);
            let is_answer = match (&step, &event) {
                (_, Event::StopBegan) => {
                    stopping = true;
                    true
                }
                (Step::Do { effect, .. }, event) => answers(effect, event),
                _ => false,
            };
            match step {
                Step::Do { effect, until } => {
                    prop_assert!(until > now);
                    match (&effect, &event) {
                        (Effect::Post, _) => {
                            prop_assert!(!stopping || event == Event::StopBegan, "asked for beside a stop");
                            // A request that was taken is never refused.
                            unread = !matches!(event, Event::Posted(PostReply::Refused(_)));
                        }
                        (Effect::Poll, Event::Polled(PollReply::InProgress | PollReply::Lost(_))) => {}
                        (Effect::Poll, Event::Polled(_)) => unread = false,
                        (Effect::Record(_), Event::Recorded(RecordReply::Done)) => recorded = true,
                        _ => {}
                    }
                }
                Step::Wait(until) => {
                    prop_assert!(until > now);
                    now = until;
                }
                Step::Done(verdict) => {
                    prop_assert!(!unread, "ended without reading Flink's answer");
                    prop_assert_eq!(matches!(verdict, Verdict::Saved(_)), recorded);
                    return Ok(());
                }
            }
            now = now.plus(Duration::from_millis(passes));
            if is_answer {
                taking.on(event, now);
            }
            prop_assert_eq!(taking.in_flight().is_some(), unread);
        }
        taking.on(Event::JobManagerGone, now);
        for _ in 0..8 {
            match taking.next(now) {
                Step::Done(_) => return Ok(()),
                Step::Wait(until) => now = until,
                Step::Do { effect: Effect::Search | Effect::Verify(_), .. } => taking.on(found(), now),
                Step::Do { effect: Effect::Record(_), .. } => taking.on(Event::Recorded(RecordReply::Done), now),
                Step::Do { effect, .. } => prop_assert!(false, "Flink is asked for {effect:?} though it is gone"),
            }
        }
        prop_assert!(false, "it does not end: {taking:?}");
    }
}

fn answers(effect: &Effect, event: &Event) -> bool {
    matches!(
        (effect, event),
        (Effect::ReadJobs, Event::Jobs(_))
            | (Effect::List, Event::Listed(_))
            | (Effect::Post, Event::Posted(_))
            | (Effect::Poll, Event::Polled(_))
            | (Effect::Search | Effect::Verify(_), Event::Searched(_))
            | (Effect::Record(_), Event::Recorded(_))
    )
}
