//! Requests for a savepoint after the first: the same one repeated, another one, one that somebody else had made.

use super::*;

#[test]
fn a_lost_reply_repeats_the_same_trigger_id() {
    let mut play = Play::of(plan());
    play.notes(id(1));
    for _ in 0..3 {
        play.posts(id(1), PostReply::Lost("reset".into()));
    }
    play.posts(id(1), PostReply::Accepted);
    for _ in 0..3 {
        play.polls(id(1), Event::Polled(PollReply::Lost("reset".into())));
    }
    play.polls(id(1), Event::Polled(PollReply::Completed(savepoint())));
}

#[test]
fn a_failure_is_not_believed_before_the_directory_was_searched() {
    for answer in [failed(false), failed(true), Event::Polled(PollReply::Unknown)] {
        let mut play = Play::of(plan());
        play.asks(id(1)).polls(id(1), answer).sees(&Effect::Search(None), found(&savepoint()));
        play.records(StopOutcome::Savepoint, &["found complete"]);
    }
    let mut play = Play::of(plan());
    play.notes(id(1));
    play.posts(id(1), PostReply::Refused("no such job".into())).sees(&Effect::Search(None), found(&savepoint()));
    play.records(StopOutcome::Savepoint, &[]);
}

#[test]
fn after_a_transient_failure_was_read_another_attempt_has_another_id() {
    let mut play = Play::of(plan());
    play.asks(id(1)).polls(id(1), failed(true)).sees(&Effect::Search(None), nothing());
    play.sees(&Effect::ReadJobs, job(JobState::Active, false, true));
    play.asks(id(2)).polls(id(2), failed(true)).sees(&Effect::Search(None), nothing());
    play.asks(id(3)).polls(id(3), Event::Polled(PollReply::Completed(savepoint())));
    play.sees(&Effect::Verify(savepoint()), found(&savepoint())).records(StopOutcome::Savepoint, &[]);
}

#[test]
fn attempts_come_to_an_end() {
    let mut play = Play::of(plan());
    for n in 1..=ATTEMPTS {
        play.asks(id(n)).polls(id(n), failed(true)).sees(&Effect::Search(None), nothing());
    }
    play.sees(&Effect::FindCheckpoint, nothing())
        .records(StopOutcome::Nothing, &["not all required tasks", "no checkpoint"]);
}

#[test]
fn a_store_that_cant_be_read_is_no_reason_to_give_up_what_flink_says_may_be_tried_again() {
    for search in [Search::Unreadable("timeout".into()), Search::Broken("a file is missing".into())] {
        let mut play = Play::of(plan());
        play.asks(id(1)).polls(id(1), failed(true)).sees(&Effect::Search(None), Event::Searched(search.clone()));
        play.asks(id(2)).polls(id(2), Event::Polled(PollReply::Completed(savepoint())));
        play.sees(&Effect::Verify(savepoint()), found(&savepoint())).records(StopOutcome::Savepoint, &[]);
        // Not so where Flink says that it will not do.
        let mut play = Play::of(plan());
        play.asks(id(1)).polls(id(1), failed(false)).sees(&Effect::Search(None), Event::Searched(search));
        play.sees(&Effect::FindCheckpoint, found("file:///checkpoints/chk-7"));
        play.records(StopOutcome::Checkpoint, &["not all required tasks"]);
    }
}

#[test]
fn after_a_request_that_is_gone_on_with_the_next_one_has_an_id_that_nobody_used() {
    for (resumed, next) in [(id(1), id(2)), (id(3), id(4)), (Id::from_bytes([7; 16]), id(2))] {
        let mut play = Play::of(Plan { resume: Some(attempt(resumed)), ..plan() });
        play.posts(resumed, PostReply::Accepted).polls(resumed, failed(true)).sees(&Effect::Search(None), nothing());
        play.asks(next);
    }
}

#[test]
fn tasks_are_waited_for_from_the_first_look_on_however_long_the_stop_had_lingered() {
    let mut play = Play::of(plan());
    play.pass(GRACE / 2);
    play.sees(&Effect::ReadJobs, job(JobState::Active, false, true));
    play.asks(id(1));
}
