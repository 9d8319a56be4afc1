//! Savepoints that are in flight when the stop begins.

use super::*;

const S: fn(u64) -> Duration = Duration::from_secs;

fn ours() -> TriggerId {
    TriggerId::from_bytes([0xf1; 16])
}

fn joining(prediction: Option<Prediction>) -> Play {
    let in_flight = Some(InFlight { attempt: attempt(ours()), kind: Kind::Periodic });
    Play::of(Plan { prediction, in_flight, ..plan() })
}

fn periodic() -> String {
    format!("{TARGET}/savepoint-0")
}

fn seconds(likely: u64, at_most: u64) -> Prediction {
    expected(likely * 10, at_most * 10)
}

fn numbered(path: &str, number: u64) -> Event {
    let point = PointRef { path: path.to_owned(), checkpoint_id: Some(number), epoch: None };
    Event::Searched(Search::Found(Secured { point, ..secured(path) }))
}

impl Play {
    #[track_caller]
    fn surveyed(&mut self, survey: Survey) -> &mut Self {
        self.sees(&Effect::ReadJobs, running()).sees(&Effect::Survey(job_id()), Event::Surveyed(Some(survey)))
    }

    /// Our own savepoint is complete, with number 6.
    #[track_caller]
    fn joins(&mut self) -> &mut Self {
        self.surveyed(Survey { savepoint: Some(S(1)), ..Survey::default() });
        self.polls(ours(), Event::Polled(PollReply::InProgress));
        self.pass(S(2));
        self.polls(ours(), Event::Polled(PollReply::Completed(periodic())));
        self.sees(&Effect::Verify(periodic()), numbered(&periodic(), 6))
    }

    #[track_caller]
    fn ending(&mut self) -> Ending {
        match self.effect() {
            Effect::Record(ending) => ending,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn our_own_savepoint_is_waited_for_and_recorded_beside_the_final_one() {
    for prediction in [None, Some(seconds(5, 10))] {
        let mut play = joining(prediction);
        play.joins().sees(&Effect::Note(attempt(id(1))), Event::Noted).posts(id(1), PostReply::Accepted);
        play.polls(id(1), failed(false));
        // It is not what came of the stop.
        play.sees(&Effect::Search(Some(6)), numbered(&savepoint(), 7));
        let ending = play.ending();
        let (joined, in_flight) = ending.joined.unwrap();
        assert_eq!((joined.point.path, in_flight.kind), (periodic(), Kind::Periodic));
        assert_eq!(ending.saved.unwrap().0.point.path, savepoint());
        play.records(StopOutcome::Savepoint, &[]).sees(&Effect::ReadJobs, no_job());
        assert_eq!(play.ends().point.map(|point| point.path), Some(savepoint()));
    }
}

#[test]
fn our_own_savepoint_is_what_the_stop_comes_to_where_nothing_newer_is_there() {
    for (checkpoint, kept) in [
        (nothing(), periodic()),
        (numbered("file:///checkpoints/chk-5", 5), periodic()),
        (numbered("file:///checkpoints/chk-9", 9), "file:///checkpoints/chk-9".to_owned()),
    ] {
        let mut play = joining(Some(seconds(20, 40)));
        play.joins().sees(&Effect::Note(attempt(id(1))), Event::Noted).posts(id(1), PostReply::Accepted);
        play.now = plan().deadline.cutoff();
        play.sees(&Effect::Search(Some(6)), nothing()).sees(&Effect::FindCheckpoint, checkpoint);
        assert!(play.ending().joined.is_some());
        play.records(StopOutcome::Checkpoint, &["no final savepoint"]);
        assert_eq!(play.ends().point.map(|point| point.path), Some(kept));
    }
}

#[test]
fn a_savepoint_of_ours_that_would_take_the_final_ones_time_gives_way_and_its_answer_is_read() {
    let mut play = joining(Some(seconds(20, 25)));
    play.surveyed(Survey { savepoint: Some(S(1)), ..Survey::default() });
    play.sees(&Effect::Note(attempt(id(1))), Event::Noted).posts(id(1), PostReply::Accepted);
    play.polls(id(1), Event::Polled(PollReply::Completed(savepoint())));
    play.sees(&Effect::Verify(savepoint()), found(&savepoint())).records(StopOutcome::Savepoint, &[]);
    // An answer that nobody has read keeps the JobManager from ending.
    play.polls(ours(), failed(true)).sees(&Effect::ReadJobs, no_job());
    play.ends();
}

#[test]
fn a_savepoint_that_may_be_the_one_that_was_given_up_is_not_taken_for_the_final_one() {
    let mut play = joining(Some(seconds(20, 25)));
    play.surveyed(Survey { savepoint: Some(S(1)), ..Survey::default() });
    play.sees(&Effect::Note(attempt(id(1))), Event::Noted).posts(id(1), PostReply::Accepted);
    play.now = plan().deadline.cutoff();
    play.sees(&Effect::Search(None), numbered(&periodic(), 6)).sees(&Effect::FindCheckpoint, nothing());
    play.records(StopOutcome::Checkpoint, &["the savepoint that was in flight is kept"]);
    assert_eq!(play.ends().point.map(|point| point.path), Some(periodic()));
}

#[test]
fn a_savepoint_of_ours_that_could_not_be_looked_at_is_not_found_again_as_the_final_one() {
    let mut play = joining(None);
    play.surveyed(Survey::default()).polls(ours(), Event::Polled(PollReply::Completed(periodic())));
    play.sees(&Effect::Verify(periodic()), Event::Searched(Search::Unreadable("late".into())));
    play.sees(&Effect::Note(attempt(id(1))), Event::Noted).posts(id(1), PostReply::Accepted);
    play.now = plan().deadline.cutoff();
    play.sees(&Effect::Search(None), numbered(&periodic(), 6)).sees(&Effect::FindCheckpoint, nothing());
    assert_eq!(play.ending().joined.map(|(secured, _)| secured.point.checkpoint_id), Some(Some(6)));
    play.records(StopOutcome::Checkpoint, &["the savepoint that was in flight is kept"]);
}

#[test]
fn one_that_is_nearly_done_is_waited_for_but_not_beyond_the_time_of_the_final_one() {
    let mut play = joining(Some(seconds(20, 22)));
    play.surveyed(Survey { savepoint: Some(S(18)), ..Survey::default() });
    while let Effect::Poll(_) = play.effect() {
        assert!(play.now < START.plus(S(5)), "27 s less 22 s");
        play.polls(ours(), Event::Polled(PollReply::InProgress));
    }
    play.sees(&Effect::Note(attempt(id(1))), Event::Noted);
}

#[test]
fn where_the_final_one_does_not_fit_for_certain_our_own_is_waited_for_to_the_end() {
    let mut play = joining(Some(seconds(25, 50)));
    play.surveyed(Survey { savepoint: Some(S(1)), ..Survey::default() });
    while play.now < plan().deadline.cutoff().minus(S(1)) {
        play.polls(ours(), Event::Polled(PollReply::InProgress));
    }
    play.now = plan().deadline.cutoff();
    // It may be there although nobody said so in time.
    play.sees(&Effect::Search(None), numbered(&periodic(), 6)).sees(&Effect::FindCheckpoint, nothing());
    play.records(StopOutcome::Checkpoint, &["the savepoint that was in flight is kept"]);
    assert_eq!(play.ends().point.map(|point| point.path), Some(periodic()));
}

#[test]
fn a_savepoint_of_ours_that_failed_is_looked_for_and_then_forgotten() {
    for reply in [failed(false), Event::Polled(PollReply::Unknown)] {
        let mut play = joining(None);
        play.surveyed(Survey::default());
        play.polls(ours(), reply).sees(&Effect::Search(None), nothing());
        play.sees(&Effect::Note(attempt(id(1))), Event::Noted).posts(id(1), PostReply::Accepted);
        play.polls(id(1), Event::Polled(PollReply::Completed(savepoint())));
        play.sees(&Effect::Verify(savepoint()), found(&savepoint()));
        assert_eq!(play.ending().joined, None);
    }
}

#[test]
fn a_stop_that_somebody_else_began_is_left_to_its_end() {
    let under_way = Survey { stop: Some(S(3)), ..Survey::default() };
    let mut play = Play::of(plan());
    for _ in 0..20 {
        play.surveyed(under_way.clone());
    }
    play.sees(&Effect::ReadJobs, job(JobState::Finished, false, true));
    play.sees(&Effect::ReadEnd(job_id()), end(EndKind::Stopped, Some("file:///mine/savepoint-x")));
    play.records(StopOutcome::Ended, &["stopped", "while the stop waited"]);

    // It fails: ours follows.
    let mut play = Play::of(plan());
    play.surveyed(under_way.clone()).surveyed(Survey::default());
    play.sees(&Effect::Note(attempt(id(1))), Event::Noted);

    // It takes too long. Were it to end after all, it would delete the checkpoints.
    let mut play = Play::of(plan());
    while play.now < plan().deadline.cutoff().minus(S(1)) {
        play.surveyed(under_way.clone());
    }
    play.now = plan().deadline.cutoff();
    play.sees(&Effect::FindCheckpoint, found("file:///checkpoints/chk-7"));
    play.records(StopOutcome::Checkpoint, &["somebody else's stop-with-savepoint"]);
    assert!(play.ends().kill);
}

#[test]
fn somebody_elses_savepoint_is_waited_for_if_it_is_expected_to_end_soon() {
    let under_way = |so_far| Survey { savepoint: Some(S(so_far)), ..Survey::default() };
    for (prediction, so_far, patience) in [
        (Some(seconds(10, 15)), 8, S(12)),
        (Some(seconds(10, 20)), 2, S(0)),
        (Some(seconds(30, 60)), 1, S(0)),
        (None, 1, S(27) / 4),
    ] {
        let mut play = Play::of(Plan { prediction, ..plan() });
        while play.effect() == Effect::ReadJobs {
            play.surveyed(under_way(so_far));
            if !matches!(play.stop.next(play.now), Step::Wait(_)) {
                break;
            }
        }
        let waited = play.now.since(START);
        assert!(waited >= patience && waited <= patience + S(1), "{waited:?} for {patience:?}");
    }
    // It was complete before.
    let mut play = Play::of(plan());
    play.surveyed(under_way(1)).surveyed(Survey::default()).sees(&Effect::Note(attempt(id(1))), Event::Noted);
}

#[test]
fn a_final_savepoint_that_does_not_fit_is_left_out_where_our_own_is_just_complete() {
    let mut play = joining(Some(seconds(74, 90)));
    play.joins().sees(&Effect::FindCheckpoint, nothing());
    play.records(StopOutcome::Checkpoint, &["predicted 74 s to 90 s", "the savepoint that was in flight is kept"]);
    assert_eq!(play.ends().point.map(|point| point.path), Some(periodic()));
}

#[test]
fn statistics_that_dont_come_are_asked_for_once_more_and_then_done_without() {
    let mut play = Play::of(plan());
    play.sees(&Effect::ReadJobs, running());
    for _ in 0..2 {
        play.sees(&Effect::Survey(job_id()), Event::Surveyed(None));
    }
    play.sees(&Effect::Note(attempt(id(1))), Event::Noted);
}
