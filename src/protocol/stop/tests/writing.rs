//! The outcome becomes durable in the record, or, while that can't be written, in the marker.

use super::*;

#[test]
fn a_record_that_fails_and_a_marker_that_fails_are_tried_until_their_time_is_over() {
    let mut play = Play::of(plan());
    play.secures();
    let (mut records, mut marks) = (0, 0);
    while let Step::Do { .. } | Step::Wait(_) = play.stop.next(play.now) {
        match play.effect() {
            Effect::Record(_) => {
                records += 1;
                play.stop.on(Event::Recorded(RecordReply::Failed("away".into())), play.now);
            }
            Effect::Mark(_) => {
                marks += 1;
                play.stop.on(Event::Marked(false), play.now);
            }
            other => panic!("{other:?}"),
        }
        if let Step::Wait(until) = play.stop.next(play.now) {
            play.now = until;
        }
    }
    assert!(records > 100 && marks > 100, "{records} {marks}");
    assert_eq!(play.now, plan().deadline.record_until());
    let release = play.ends();
    assert_eq!((release.outcome, release.recorded, release.late), (StopOutcome::Savepoint, false, None));
}

#[test]
fn an_outcome_that_the_marker_has_waits_for_the_record_but_not_for_long() {
    let mut play = Play::of(plan());
    play.secures();
    let began = play.now;
    play.fails_to_record().sees_mark(true);
    let mut tries = 0;
    while let Step::Do { effect: Effect::Record(_), .. } | Step::Wait(_) = play.stop.next(play.now) {
        if let Step::Wait(until) = play.stop.next(play.now) {
            play.now = until;
        } else {
            tries += 1;
            play.stop.on(Event::Recorded(RecordReply::Failed("away".into())), play.now);
        }
    }
    assert!(tries > 10, "{tries}");
    assert_eq!(play.now.since(began), Duration::from_secs(7));
    // As after any savepoint, the JobManager is not ended before its job is at its end.
    play.sees(&Effect::ReadJobs, job(JobState::Finished, false, true));
    let release = play.ends();
    assert_eq!(
        (release.outcome, release.recorded, release.late.as_deref()),
        (StopOutcome::Savepoint, false, Some("away"))
    );
}

#[test]
fn a_record_that_comes_back_in_time_is_not_late() {
    let mut play = Play::of(plan());
    play.secures();
    play.fails_to_record().sees_mark(true);
    play.records(StopOutcome::Savepoint, &[]).sees(&Effect::ReadJobs, no_job());
    let release = play.ends();
    assert_eq!((release.recorded, release.late), (true, None));
}

#[test]
fn a_record_that_hangs_leaves_the_marker_its_turn_however_little_time_is_left() {
    for left in [Duration::from_secs(20), Duration::from_millis(300)] {
        let mut play = Play::of(plan());
        play.secures();
        play.now = plan().deadline.record_until().minus(left);
        let Step::Do { effect: Effect::Record(_), until } = play.stop.next(play.now) else { panic!("{play:?}") };
        assert!(until.since(play.now) <= left / 2 && until.since(play.now) <= Duration::from_secs(2), "{until:?}");
        play.now = until;
        play.fails_to_record().sees_mark(true);
    }
}

#[test]
fn an_outcome_that_another_may_follow_is_written_to_the_record_alone() {
    let mut play = Play::of(plan());
    play.asks(id(1)).polls(id(1), failed(false));
    play.sees(&Effect::Search(None), nothing()).sees(&Effect::FindCheckpoint, found("file:///checkpoints/chk-7"));
    play.fails_to_record();
    assert!(matches!(play.effect(), Effect::Record(_)));
}

#[test]
fn a_pause_before_the_next_try_to_record_does_not_outlast_the_time_for_it() {
    let mut play = Play::of(plan());
    play.secures();
    let limit = plan().deadline.record_until();
    play.now = limit.minus(Duration::from_millis(1));
    play.fails_to_record().sees_mark(false);
    assert_eq!(play.waits(), limit);
}
