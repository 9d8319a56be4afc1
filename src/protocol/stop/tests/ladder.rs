//! The rung, and the checkpoint on demand before the savepoint.

use proptest::prelude::*;

use super::super::rung::{Rung, Situation, choose};
use super::*;

const S: fn(u64) -> Duration = Duration::from_secs;

/// Of a savepoint that takes so many seconds, likely and at most, and a checkpoint that takes 0.2 s.
fn predicted(likely: u64, at_most: u64) -> Plan {
    Plan { prediction: Some(expected(likely * 10, at_most * 10)), ..plan() }
}

fn checkpoint_of(age: u64) -> Survey {
    let newest = Newest { id: 5, age: S(age), took: Duration::from_millis(200) };
    Survey { newest: Some(newest), highest: Some(5), ..Survey::default() }
}

fn on_demand() -> TriggerId {
    id(u32::MAX)
}

impl Play {
    #[track_caller]
    fn surveys(&mut self, survey: Survey) -> &mut Self {
        self.sees(&Effect::ReadJobs, running()).sees(&Effect::Survey(job_id()), Event::Surveyed(Some(survey)))
    }

    #[track_caller]
    fn insures(&mut self, reply: CheckpointReply) -> &mut Self {
        self.sees(&Effect::PostCheckpoint(job_id(), on_demand()), Event::CheckpointPosted(PostReply::Accepted));
        self.sees(&Effect::PollCheckpoint(job_id(), on_demand()), Event::CheckpointPolled(reply))
    }

    /// From the request on.
    #[track_caller]
    fn saves(&mut self, words: &[&str]) {
        self.sees(&Effect::Note(attempt(id(1))), Event::Noted).posts(id(1), PostReply::Accepted);
        self.polls(id(1), Event::Polled(PollReply::Completed(savepoint())));
        self.sees(&Effect::Verify(savepoint()), found(&savepoint())).records(StopOutcome::Savepoint, words);
    }
}

#[test]
fn a_savepoint_that_fits_is_asked_for_at_once_and_the_reason_says_by_what() {
    let mut play = Play::of(predicted(12, 20));
    play.surveys(checkpoint_of(60)).saves(&["taken by Flink", "predicted 12 s, 27 s left"]);
}

#[test]
fn a_savepoint_whose_fit_is_doubtful_comes_after_a_checkpoint_on_demand() {
    let mut play = Play::of(predicted(20, 40));
    play.surveys(checkpoint_of(60)).insures(CheckpointReply::InProgress);
    play.pass(S(2));
    let completed = Event::CheckpointPolled(CheckpointReply::Completed(6));
    play.sees(&Effect::PollCheckpoint(job_id(), on_demand()), completed);
    play.saves(&["predicted 20 s to 40 s, 25 s left", "checkpoint 6 was taken on demand"]);
}

#[test]
fn a_doubtful_savepoint_that_was_late_after_all_leaves_the_checkpoint() {
    let mut play = Play::of(predicted(20, 40));
    play.surveys(checkpoint_of(60)).insures(CheckpointReply::Completed(6));
    play.sees(&Effect::Note(attempt(id(1))), Event::Noted).posts(id(1), PostReply::Accepted);
    play.polls(id(1), Event::Polled(PollReply::InProgress));
    play.now = plan().deadline.cutoff();
    // What was complete before the request is not what came of it.
    play.sees(&Effect::Search(Some(6)), nothing());
    play.sees(&Effect::FindCheckpoint, found("file:///checkpoints/chk-6"));
    play.records(StopOutcome::Checkpoint, &["reserve has begun", "predicted 20 s to 40 s", "checkpoint 6"]);
}

#[test]
fn a_savepoint_that_does_not_fit_is_left_out_where_a_checkpoint_was_just_taken() {
    let mut play = Play::of(predicted(74, 90));
    play.surveys(checkpoint_of(60)).insures(CheckpointReply::Completed(6));
    play.sees(&Effect::FindCheckpoint, found("file:///checkpoints/chk-6"));
    play.records(
        StopOutcome::Checkpoint,
        &["no final savepoint: predicted 74 s to 90 s, 27 s left", "checkpoint 6 was"],
    );
    assert_eq!(play.ends().point.map(|point| point.path).as_deref(), Some("file:///checkpoints/chk-6"));

    // One that Flink took a second ago will do.
    let mut play = Play::of(predicted(74, 90));
    play.surveys(checkpoint_of(1)).sees(&Effect::FindCheckpoint, found("file:///checkpoints/chk-5"));
    play.records(StopOutcome::Checkpoint, &["predicted 74 s to 90 s, 27 s left"]);
}

#[test]
fn a_checkpoint_that_is_not_where_it_should_be_is_no_reason_to_leave_the_savepoint_out() {
    for search in [Search::Nothing, Search::Broken("truncated".into()), Search::Unreadable("away".into())] {
        let mut play = Play::of(predicted(74, 90));
        play.surveys(checkpoint_of(1)).sees(&Effect::FindCheckpoint, Event::Searched(search));
        play.saves(&["predicted 74 s to 90 s"]);
    }
}

#[test]
fn where_flink_takes_no_checkpoint_on_demand_the_savepoint_is_tried_against_the_odds() {
    for plan in [predicted(20, 40), predicted(74, 90)] {
        let mut play = Play::of(plan);
        // Flink 1.15 and 1.16 answer with 404.
        let refused = Event::CheckpointPosted(PostReply::Refused("404".into()));
        play.surveys(checkpoint_of(60)).sees(&Effect::PostCheckpoint(job_id(), on_demand()), refused);
        play.saves(&["no checkpoint could be taken on demand"]);
    }
}

#[test]
fn a_checkpoint_on_demand_is_asked_for_once_and_waited_for_to_the_end() {
    let mut play = Play::of(predicted(20, 40));
    play.surveys(checkpoint_of(60));
    let post = Effect::PostCheckpoint(job_id(), on_demand());
    play.sees(&post, Event::CheckpointPosted(PostReply::Lost("reset".into())));
    play.sees(&post, Event::CheckpointPosted(PostReply::Accepted));
    let poll = Effect::PollCheckpoint(job_id(), on_demand());
    play.sees(&poll, Event::CheckpointPolled(CheckpointReply::Lost("reset".into())));
    while play.now < plan().deadline.cutoff().minus(S(1)) {
        play.sees(&poll, Event::CheckpointPolled(CheckpointReply::InProgress));
    }
    play.now = plan().deadline.cutoff();
    play.sees(&Effect::FindCheckpoint, found("file:///checkpoints/chk-5"));
    play.records(StopOutcome::Checkpoint, &["reserve has begun"]);

    let mut play = Play::of(predicted(20, 40));
    play.surveys(checkpoint_of(60)).insures(CheckpointReply::Failed("declined".into()));
    play.saves(&["no checkpoint could be taken"]);
}

#[test]
fn a_transient_failure_that_took_the_time_makes_the_next_rung_another_one() {
    let mut play = Play::of(predicted(12, 20));
    play.surveys(checkpoint_of(60)).sees(&Effect::Note(attempt(id(1))), Event::Noted);
    play.posts(id(1), PostReply::Accepted);
    play.pass(S(20));
    play.polls(id(1), failed(true)).sees(&Effect::Search(Some(5)), nothing());
    play.sees(&Effect::ReadJobs, running()).insures(CheckpointReply::Completed(6));
    play.sees(&Effect::FindCheckpoint, found("file:///checkpoints/chk-6"));
    play.records(StopOutcome::Checkpoint, &["predicted 12 s to 20 s", "checkpoint 6"]);
}

#[test]
fn a_canonical_savepoint_that_does_not_fit_is_taken_natively_and_the_reason_says_so() {
    let canonical = |plan: Plan| Plan { format: Format::Canonical, ..plan };
    let asked = |play: &mut Play| match play.effect() {
        Effect::Note(attempt) => attempt.format,
        other => panic!("{other:?}"),
    };
    let mut play = Play::of(canonical(predicted(74, 90)));
    play.surveys(checkpoint_of(60)).insures(CheckpointReply::Completed(6));
    assert_eq!(asked(&mut play), Format::Native);
    play.saves(&["in native format as a canonical one would not fit"]);
    for plan in [predicted(12, 20), predicted(26, 40)] {
        let mut play = Play::of(canonical(plan));
        play.surveys(checkpoint_of(1));
        assert_eq!(asked(&mut play), Format::Canonical, "one that may fit stays what it was asked to be");
    }
}

fn durations(most: u64) -> impl Strategy<Value = Duration> {
    (0..most).prop_map(Duration::from_millis)
}

fn takes() -> impl Strategy<Value = Expected> {
    (durations(60_000), durations(60_000)).prop_map(|(likely, more)| Expected { likely, at_most: likely + more })
}

fn predictions() -> impl Strategy<Value = Prediction> {
    (takes(), proptest::option::of(takes())).prop_map(|(savepoint, checkpoint)| Prediction {
        savepoint,
        checkpoint,
        bytes: Some(0),
        basis: String::new(),
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_rung_keeps_its_rules(
        left in durations(60_000),
        prediction in proptest::option::of(predictions()),
        newest in proptest::option::of((durations(90_000), durations(20_000))),
        insurance in proptest::sample::select(vec![Insurance::None, Insurance::Taken(7), Insurance::Joined, Insurance::Refused]),
        canonical: bool,
    ) {
        let newest = newest.map(|(age, took)| Newest { id: 5, age, took });
        let format = if canonical { Format::Canonical } else { Format::Native };
        let situation = Situation { left, format, prediction: prediction.as_ref(), newest, insurance };
        let rung = choose(&situation);
        let savepoint = prediction.as_ref().map(|prediction| prediction.savepoint);
        if savepoint.is_some_and(|savepoint| savepoint.at_most <= left) {
            prop_assert_eq!(&rung, &Rung::Stop(format));
        }
        match rung {
            Rung::Insure => prop_assert_eq!(insurance, Insurance::None, "asked for twice"),
            Rung::Keep => {
                let fresh = newest.is_some_and(|newest| newest.age <= S(2).max(S(60)));
                prop_assert!(matches!(insurance, Insurance::Taken(_) | Insurance::Joined) || fresh, "no savepoint, and no checkpoint");
                prop_assert!(savepoint.is_some_and(|savepoint| savepoint.likely > left), "left out, and might have fitted");
            }
            Rung::Stop(chosen) => prop_assert!(
                chosen == format || (canonical && savepoint.is_some_and(|savepoint| savepoint.likely > left))
            ),
        }
        // More time never makes it a worse one.
        if choose(&situation) == Rung::Stop(format) && insurance != Insurance::None {
            let later = Situation { left: left + S(120), ..situation };
            prop_assert_eq!(choose(&later), Rung::Stop(format));
        }
    }
}
