//! One stop after the other: every rung, every lost reply, every way a stop may have to end early.

mod again;
mod explorer;
mod joining;
mod ladder;
mod simulation;
mod writing;

use super::*;
use crate::protocol::entry::{End, EndKind};
use crate::protocol::estimate::{Expected, Prediction};
use crate::protocol::id::{Id, TriggerId};
use crate::protocol::outcome::StopOutcome;
use crate::protocol::point::{Format, Kind, PointRef};

const START: Moment = Moment(1_000);
const GRACE: Duration = Duration::from_secs(30);
const RESERVE: Duration = Duration::from_secs(3);
const TARGET: &str = "file:///savepoints/orders/3";

fn job_id() -> JobId {
    JobId::derived("orders", 3)
}

fn seed() -> Id {
    Id::from_bytes([0x5e; 16])
}

fn plan() -> Plan {
    Plan {
        several: false,
        job_id: Some(job_id()),
        target: TARGET.to_owned(),
        format: Format::Native,
        drain: false,
        began: START,
        deadline: Deadline::after(START, GRACE, RESERVE),
        resume: None,
        seed: seed(),
        ran: true,
        checkpoints_survive: true,
        prediction: None,
        in_flight: None,
        cleans_up: false,
    }
}

/// Of a savepoint that takes so many tenths of a second, likely and at most, and a checkpoint that takes 0.2 s.
fn expected(likely: u64, at_most: u64) -> Prediction {
    let takes = |likely, at_most| Expected {
        likely: Duration::from_millis(likely * 100),
        at_most: Duration::from_millis(at_most * 100),
    };
    let (savepoint, checkpoint) = (takes(likely, at_most), Some(takes(2, 3)));
    Prediction { savepoint, checkpoint, bytes: Some(0), basis: "a test".to_owned() }
}

/// In four seconds.
fn fits() -> Prediction {
    expected(10, 20)
}

fn doubtful() -> Prediction {
    expected(30, 60)
}

fn hopeless() -> Prediction {
    expected(740, 900)
}

fn attempt(trigger_id: TriggerId) -> Attempt {
    Attempt { job_id: job_id(), trigger_id, target: TARGET.to_owned(), format: Format::Native, drain: false }
}

fn job(state: JobState, all_tasks_up: bool, any_task_up: bool) -> Event {
    Event::Jobs(JobsReply::Listed(vec![Job {
        id: job_id(),
        name: "orders".to_owned(),
        state,
        all_tasks_up,
        any_task_up,
    }]))
}

fn running() -> Event {
    job(JobState::Active, true, true)
}

fn no_job() -> Event {
    Event::Jobs(JobsReply::Listed(Vec::new()))
}

fn unreachable() -> Event {
    Event::Jobs(JobsReply::Unreachable("connection refused".into()))
}

fn secured(path: &str) -> Secured {
    let point = PointRef { path: path.to_owned(), checkpoint_id: Some(7), epoch: None };
    Secured { point, job_id: None, bytes: Some(100), completed_at: None, doubt: None }
}

fn found(path: &str) -> Event {
    Event::Searched(Search::Found(secured(path)))
}

fn savepoint() -> String {
    format!("{TARGET}/savepoint-1")
}

fn end(how: EndKind, savepoint: Option<&str>) -> Event {
    let savepoint = savepoint.map(|path| secured(path).point);
    Event::End(Some(End { job_id: job_id(), how, savepoint, reason: String::new() }))
}

fn failed(transient: bool) -> Event {
    Event::Polled(PollReply::Failed { reason: "not all required tasks are running".into(), transient })
}

fn nothing() -> Event {
    Event::Searched(Search::Nothing)
}

fn recorded() -> Event {
    Event::Recorded(RecordReply::Done)
}

/// A stop with a clock.
#[derive(Debug)]
struct Play {
    stop: Stop,
    now: Moment,
}

impl Play {
    fn of(plan: Plan) -> Self {
        let now = plan.began;
        Self { stop: Stop::begin(plan), now }
    }

    fn pass(&mut self, time: Duration) {
        self.now = self.now.plus(time);
    }

    /// What it wants to do, after whatever it waits for.
    #[track_caller]
    fn effect(&mut self) -> Effect {
        loop {
            match self.stop.next(self.now) {
                Step::Do { effect, .. } => return effect,
                Step::Wait(until) => {
                    assert!(until > self.now, "waits for the past");
                    self.now = until;
                }
                Step::Done(release) => panic!("over already: {release:?}"),
            }
        }
    }

    /// It wants to do this; that comes of it at once.
    #[track_caller]
    fn sees(&mut self, wanted: &Effect, event: Event) -> &mut Self {
        assert_eq!(&self.effect(), wanted);
        self.stop.on(event, self.now);
        self
    }

    #[track_caller]
    fn posts(&mut self, trigger_id: TriggerId, reply: PostReply) -> &mut Self {
        self.sees(&Effect::Post(attempt(trigger_id)), Event::Posted(reply))
    }

    #[track_caller]
    fn polls(&mut self, trigger_id: TriggerId, event: Event) -> &mut Self {
        self.sees(&Effect::Poll(attempt(trigger_id)), event)
    }

    /// From the look at the jobs to the request, without anything in Flink's statistics.
    #[track_caller]
    fn notes(&mut self, trigger_id: TriggerId) -> &mut Self {
        self.sees(&Effect::ReadJobs, running());
        if matches!(self.effect(), Effect::Survey(_)) {
            self.stop.on(Event::Surveyed(Some(Survey::default())), self.now);
        }
        self.sees(&Effect::Note(attempt(trigger_id)), Event::Noted)
    }

    /// From the look at the jobs to the accepted request.
    #[track_caller]
    fn asks(&mut self, trigger_id: TriggerId) -> &mut Self {
        self.notes(trigger_id).posts(trigger_id, PostReply::Accepted)
    }

    /// From the first look to a savepoint that is whole.
    #[track_caller]
    fn secures(&mut self) {
        self.asks(id(1)).polls(id(1), Event::Polled(PollReply::Completed(savepoint())));
        self.sees(&Effect::Verify(savepoint()), found(&savepoint()));
    }

    #[track_caller]
    fn fails_to_record(&mut self) -> &mut Self {
        assert!(matches!(self.effect(), Effect::Record(_)));
        self.stop.on(Event::Recorded(RecordReply::Failed("away".into())), self.now);
        self
    }

    #[track_caller]
    fn sees_mark(&mut self, marked: bool) -> &mut Self {
        assert!(matches!(self.effect(), Effect::Mark(_)));
        self.stop.on(Event::Marked(marked), self.now);
        self
    }

    /// It writes this outcome down.
    #[track_caller]
    fn records(&mut self, outcome: StopOutcome, words: &[&str]) -> &mut Self {
        let Effect::Record(ending) = self.effect() else { panic!("{:?}", self.effect()) };
        assert_eq!(ending.outcome, outcome, "{ending:?}");
        for word in words {
            assert!(ending.reason.contains(word), "{word:?} is not in {:?}", ending.reason);
        }
        self.stop.on(recorded(), self.now);
        self
    }

    #[track_caller]
    fn ends(&mut self) -> Release {
        match self.stop.next(self.now) {
            Step::Done(release) => release,
            step => panic!("not over: {step:?}"),
        }
    }

    #[track_caller]
    fn waits(&mut self) -> Moment {
        match self.stop.next(self.now) {
            Step::Wait(until) => until,
            step => panic!("does not wait: {step:?}"),
        }
    }
}

fn id(n: u32) -> TriggerId {
    TriggerId::nth(seed(), n)
}

#[test]
fn a_running_job_is_stopped_with_a_savepoint() {
    let mut play = Play::of(plan());
    play.asks(id(1)).polls(id(1), Event::Polled(PollReply::InProgress));
    play.pass(Duration::from_secs(2));
    play.polls(id(1), Event::Polled(PollReply::Completed(savepoint())));
    play.sees(&Effect::Verify(savepoint()), found(&savepoint()));
    play.records(StopOutcome::Savepoint, &["whole"]);
    // The job may settle before the JobManager is ended.
    play.sees(&Effect::ReadJobs, running()).sees(&Effect::ReadJobs, job(JobState::Finished, false, true));
    let release = play.ends();
    assert_eq!(release.point.map(|point| point.path), Some(savepoint()));
    assert!(release.recorded && !release.kill);
}

#[test]
fn a_job_that_does_not_settle_is_ended_all_the_same() {
    let mut play = Play::of(plan());
    play.asks(id(1)).polls(id(1), Event::Polled(PollReply::Completed(savepoint())));
    play.sees(&Effect::Verify(savepoint()), found(&savepoint())).records(StopOutcome::Savepoint, &[]);
    let saved = play.now;
    while let Step::Do { .. } | Step::Wait(_) = play.stop.next(play.now) {
        play.sees(&Effect::ReadJobs, running());
    }
    assert_eq!(play.now.since(saved), SETTLE);
    assert_eq!(play.ends().outcome, StopOutcome::Savepoint);
}

/// A savepoint under Flink's own high availability: recorded, and the job at its end.
fn saved_and_settled() -> Play {
    let mut play = Play::of(Plan { cleans_up: true, ..plan() });
    play.asks(id(1)).polls(id(1), Event::Polled(PollReply::Completed(savepoint())));
    play.sees(&Effect::Verify(savepoint()), found(&savepoint())).records(StopOutcome::Savepoint, &[]);
    play.sees(&Effect::ReadJobs, job(JobState::Finished, false, true));
    play
}

#[test]
fn the_job_manager_is_not_ended_before_flink_has_cleaned_up_its_high_availability() {
    let mut play = saved_and_settled();
    for _ in 0..3 {
        play.sees(&Effect::LookAtLeftovers, Event::Left(Some("a job to run again".into())));
    }
    play.sees(&Effect::LookAtLeftovers, Event::Left(None));
    assert!(!play.ends().reason.contains("high availability"));
}

#[test]
fn what_is_not_cleaned_up_in_time_is_said() {
    let mut play = saved_and_settled();
    let until = play.stop.plan.deadline.record_until();
    loop {
        match play.stop.next(play.now) {
            Step::Do { effect, .. } => {
                assert_eq!(effect, Effect::LookAtLeftovers);
                play.stop.on(Event::Left(Some("a job to run again".into())), play.now);
            }
            Step::Wait(until) => play.now = until,
            Step::Done(_) => break,
        }
    }
    assert_eq!(play.now, until);
    let release = play.ends();
    assert_eq!((release.outcome, release.recorded), (StopOutcome::Savepoint, true));
    assert!(release.reason.contains("the deadline came before"), "{}", release.reason);

    let mut play = saved_and_settled();
    play.stop.on(Event::JobManagerGone, play.now);
    play.sees(&Effect::LookAtLeftovers, Event::Left(Some("a job to run again".into())));
    let reason = play.ends().reason;
    assert!(reason.contains("the JobManager ended before"), "{reason}");
    let mut play = saved_and_settled();
    play.stop.on(Event::JobManagerGone, play.now);
    play.sees(&Effect::LookAtLeftovers, Event::Left(None));
    assert!(!play.ends().reason.contains("high availability"));
}

#[test]
fn a_failure_for_good_leads_to_the_newest_checkpoint() {
    let mut play = Play::of(plan());
    play.asks(id(1)).polls(id(1), failed(false)).sees(&Effect::Search(None), nothing());
    play.sees(&Effect::FindCheckpoint, found("file:///checkpoints/chk-7"));
    play.records(StopOutcome::Checkpoint, &["no final savepoint", "not all required tasks"]);
    assert!(!play.ends().kill, "it survives an ordinary end");
}

#[test]
fn where_an_ordinary_end_would_delete_the_checkpoint_the_job_manager_is_killed() {
    for (search, outcome) in
        [(found("file:///checkpoints/chk-7"), StopOutcome::Checkpoint), (nothing(), StopOutcome::Nothing)]
    {
        let mut play = Play::of(Plan { checkpoints_survive: false, ..plan() });
        play.asks(id(1)).polls(id(1), failed(false)).sees(&Effect::Search(None), nothing());
        play.sees(&Effect::FindCheckpoint, search).records(outcome, &[]);
        assert!(play.ends().kill);
    }
    let mut play = Play::of(Plan { checkpoints_survive: false, ..plan() });
    play.asks(id(1)).polls(id(1), Event::Polled(PollReply::Completed(savepoint())));
    play.sees(&Effect::Verify(savepoint()), found(&savepoint())).records(StopOutcome::Savepoint, &[]);
    play.sees(&Effect::ReadJobs, no_job());
    assert!(!play.ends().kill, "a savepoint is no checkpoint of Flink's");
}

#[test]
fn what_flink_named_is_looked_at() {
    let named = || {
        let mut play = Play::of(plan());
        play.asks(id(1)).polls(id(1), Event::Polled(PollReply::Completed(savepoint())));
        play
    };
    for search in [Search::Nothing, Search::Broken("truncated".into())] {
        let mut play = named();
        play.sees(&Effect::Verify(savepoint()), Event::Searched(search));
        play.sees(&Effect::FindCheckpoint, found("file:///checkpoints/chk-7"));
        play.records(StopOutcome::Checkpoint, &[&savepoint()]);
    }
    // That our own look failed makes the savepoint no worse.
    let mut play = named();
    play.sees(&Effect::Verify(savepoint()), Event::Searched(Search::Unreadable("timeout".into())));
    play.records(StopOutcome::Savepoint, &["not looked at", "timeout"]);
}

#[test]
fn a_savepoint_that_cant_be_verified_is_recorded_with_its_doubt() {
    let mut play = Play::of(plan());
    play.asks(id(1)).polls(id(1), Event::Polled(PollReply::Completed(savepoint())));
    let doubt = Some("not verified in time: 3 of 9 files were looked at".to_owned());
    let doubtful = Search::Found(Secured { doubt: doubt.clone(), ..secured(&savepoint()) });
    play.sees(&Effect::Verify(savepoint()), Event::Searched(doubtful));
    let Effect::Record(ending) = play.effect() else { panic!("{:?}", play.effect()) };
    let (kept, attempt) = ending.saved.unwrap();
    assert_eq!((kept.doubt, kept.point.checkpoint_id, attempt.is_some()), (doubt, Some(7), true));
    play.records(StopOutcome::Savepoint, &["taken by Flink", "3 of 9 files"]);
}

#[test]
fn a_look_into_storage_may_take_longer_than_a_request_but_leaves_the_reserve() {
    let mut play = Play::of(plan());
    play.asks(id(1)).polls(id(1), Event::Polled(PollReply::Completed(savepoint())));
    let until = |play: &mut Play| match play.stop.next(play.now) {
        Step::Do { until, .. } => until,
        other => panic!("{other:?}"),
    };
    let now = play.now;
    assert_eq!(until(&mut play), now.plus(LOOK));
    play.now = plan().deadline.cutoff().minus(Duration::from_secs(1));
    assert_eq!(until(&mut play), plan().deadline.cutoff());
    play.now = plan().deadline.cutoff();
    let (last, now) = (until(&mut play), play.now);
    assert!(last > now && last < plan().deadline.record_until());
}

#[test]
fn the_reserve_ends_the_wait_for_flink_but_not_the_search() {
    let mut play = Play::of(plan());
    play.asks(id(1)).polls(id(1), Event::Polled(PollReply::InProgress));
    let Step::Wait(_) = play.stop.next(play.now) else { panic!("polls without a pause") };
    play.now = plan().deadline.cutoff();
    play.sees(&Effect::Search(None), nothing());
    play.sees(&Effect::FindCheckpoint, found("file:///checkpoints/chk-7"));
    play.records(StopOutcome::Checkpoint, &["the deadline's reserve has begun"]);
    assert!(play.ends().recorded);
}

#[test]
fn a_request_never_outlasts_the_time_for_flink() {
    let mut play = Play::of(plan());
    play.asks(id(1));
    play.now = plan().deadline.cutoff().minus(Duration::from_millis(300));
    let Step::Do { until, .. } = play.stop.next(play.now) else { panic!("does nothing") };
    assert_eq!(until, plan().deadline.cutoff());
}

#[test]
fn a_job_manager_that_is_gone_leaves_only_storage_to_be_asked() {
    let mut play = Play::of(plan());
    play.asks(id(1)).polls(id(1), Event::Polled(PollReply::InProgress));
    play.stop.on(Event::JobManagerGone, play.now);
    play.sees(&Effect::Search(None), nothing()).sees(&Effect::FindCheckpoint, found("file:///checkpoints/chk-7"));
    play.records(StopOutcome::Checkpoint, &["process has ended"]);
    play.ends();

    let mut play = Play::of(plan());
    play.stop.on(Event::JobManagerGone, play.now);
    play.sees(&Effect::FindCheckpoint, nothing()).records(StopOutcome::Nothing, &["process has ended"]);

    // Nothing is left to settle.
    let mut play = Play::of(plan());
    play.asks(id(1)).polls(id(1), Event::Polled(PollReply::Completed(savepoint())));
    play.stop.on(Event::JobManagerGone, play.now);
    play.sees(&Effect::Verify(savepoint()), found(&savepoint())).records(StopOutcome::Savepoint, &[]);
    assert!(play.ends().recorded);
}

#[test]
fn a_newer_epoch_ends_the_stop() {
    let mut play = Play::of(plan());
    play.asks(id(1)).polls(id(1), Event::Polled(PollReply::Completed(savepoint())));
    play.sees(&Effect::Verify(savepoint()), found(&savepoint()));
    play.effect();
    play.stop.on(Event::Recorded(RecordReply::Superseded("epoch 4 has begun".into())), play.now);
    let release = play.ends();
    assert_eq!((release.outcome, release.recorded), (StopOutcome::Superseded, false));
    assert_eq!(release.reason, "epoch 4 has begun");
}

#[test]
fn a_request_that_was_noted_is_gone_on_with_under_its_own_id() {
    let other = TriggerId::from_bytes([0x77; 16]);
    let mut play = Play::of(Plan { resume: Some(attempt(other)), ..plan() });
    play.posts(other, PostReply::Accepted).polls(other, failed(true)).sees(&Effect::Search(None), nothing());
    play.asks(id(2)).polls(id(2), Event::Polled(PollReply::Completed(savepoint())));
}

#[test]
fn a_job_that_ended_before_is_recorded_as_it_ended() {
    for how in [EndKind::Finished, EndKind::Cancelled, EndKind::Failed, EndKind::Stopped] {
        let mut play = Play::of(plan());
        play.sees(&Effect::ReadJobs, job(JobState::Finished, false, true));
        play.sees(&Effect::ReadEnd(job_id()), end(how, Some("file:///mine/savepoint-x")));
        play.records(StopOutcome::Ended, &[how.as_str(), "before the stop began"]);
        play.ends();
    }
    // What is known of an end is not lost because Flink does not say more in time: the job must not run again.
    for (state, how) in
        [(JobState::Finished, "finished"), (JobState::Cancelled, "cancelled"), (JobState::Failed, "failed")]
    {
        let mut play = Play::of(plan());
        play.sees(&Effect::ReadJobs, job(state, false, true)).sees(&Effect::ReadEnd(job_id()), Event::End(None));
        play.records(StopOutcome::Ended, &[how, "before the stop began"]);
    }
}

#[test]
fn a_job_that_ended_by_our_own_lost_request_was_saved() {
    let mut play = Play::of(plan());
    play.asks(id(1)).polls(id(1), Event::Polled(PollReply::Unknown)).sees(&Effect::Search(None), nothing());
    play.sees(&Effect::ReadJobs, job(JobState::Finished, false, true));
    play.sees(&Effect::ReadEnd(job_id()), end(EndKind::Stopped, Some(&savepoint())));
    play.records(StopOutcome::Savepoint, &["last savepoint"]);
}

#[test]
fn a_job_that_had_not_begun_leaves_everything_unchanged_at_once() {
    for seen in
        [no_job(), unreachable(), job(JobState::Initializing, false, false), job(JobState::Active, false, false)]
    {
        let mut play = Play::of(Plan { ran: false, ..plan() });
        play.sees(&Effect::ReadJobs, seen).sees(&Effect::FindCheckpoint, nothing());
        play.records(StopOutcome::Unchanged, &[]);
        play.ends();
        assert_eq!(play.now, START, "waited for nothing");
    }
}

#[test]
fn a_job_that_ran_is_waited_for_but_not_for_ever() {
    for seen in [no_job(), unreachable(), job(JobState::Active, false, true), job(JobState::Initializing, false, false)]
    {
        let mut play = Play::of(plan());
        while play.effect() == Effect::ReadJobs {
            play.stop.on(seen.clone(), play.now);
        }
        let waited = play.now.since(START);
        assert!(waited > GRACE / 4 && waited <= PATIENCE, "{waited:?}");
        play.sees(&Effect::FindCheckpoint, nothing()).records(StopOutcome::Nothing, &[]);
    }
}

#[test]
fn jobs_of_which_none_is_known_to_be_ours_are_left_alone() {
    let other = |n| Job {
        id: JobId::from_bytes([n; 16]),
        name: n.to_string(),
        state: JobState::Active,
        all_tasks_up: true,
        any_task_up: true,
    };
    let mut play = Play::of(Plan { job_id: None, ..plan() });
    play.sees(&Effect::ReadJobs, Event::Jobs(JobsReply::Listed(vec![other(1), other(2)])));
    play.sees(&Effect::FindCheckpoint, nothing()).records(StopOutcome::Nothing, &["2 jobs"]);
}

#[test]
fn an_answer_that_is_no_longer_awaited_is_ignored() {
    let mut play = Play::of(plan());
    play.effect();
    let before = play.stop.clone();
    for stale in
        [failed(true), nothing(), recorded(), Event::Noted, Event::Posted(PostReply::Accepted), Event::End(None)]
    {
        play.stop.on(stale, play.now);
    }
    assert_eq!(play.stop, before);
}
