use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

const TERMS: Terms = Terms {
    settle: Duration::from_secs(2),
    checkpoint: None,
    grace: Duration::from_secs(30),
    reserve: Duration::from_secs(3),
    renews: true,
};
/// When every guard here begins.
const BEGIN: Moment = Moment(100_000);

/// A guard with a clock.
struct Guard {
    duty: Duty,
    now: Moment,
}

fn guard() -> Guard {
    Guard { duty: Duty::begin(TERMS, BEGIN), now: BEGIN }
}

fn tidings(epoch: u64, phase: Phase) -> Tidings {
    Tidings { epoch: Some(epoch), phase, ..Tidings::default() }
}

/// What the effects are, without their reasons.
fn kinds(effects: &[Effect]) -> Vec<&'static str> {
    let kind = |effect: &Effect| match effect {
        Effect::Start => "start",
        Effect::Terminate(_) => "terminate",
        Effect::Kill(_) => "kill",
        Effect::HangUp => "hang up",
        Effect::Look => "look",
        Effect::Checkpoint => "checkpoint",
        Effect::Exit => "exit",
    };
    effects.iter().map(kind).collect()
}

impl Guard {
    fn on(&mut self, event: Event) -> Vec<&'static str> {
        kinds(&self.duty.on(event, self.now))
    }

    fn hears(&mut self, epoch: u64, phase: Phase) -> Vec<&'static str> {
        self.on(Event::Heard(tidings(epoch, phase)))
    }

    fn hears_end(&mut self, epoch: u64, phase: Phase) -> Vec<&'static str> {
        self.on(Event::Heard(Tidings { ended: true, ..tidings(epoch, phase) }))
    }

    /// An agent that has claimed nothing.
    fn hears_new_agent(&mut self) -> Vec<&'static str> {
        self.on(Event::Heard(Tidings::default()))
    }

    fn after(&mut self, millis: u64) -> &mut Self {
        self.now = self.now.plus(Duration::from_millis(millis));
        self
    }

    /// Lets time pass to the next moment at which the guard wants to be woken.
    fn wakes(&mut self) -> (u64, Vec<&'static str>) {
        let before = self.now;
        self.now = self.duty.wake().expect("it waits for nothing");
        let passed = u64::try_from(self.now.since(before).as_millis()).unwrap();
        (passed, self.on(Event::Tick))
    }

    fn working(epoch: u64) -> Self {
        let mut guard = guard();
        assert!(guard.hears(epoch, Phase::Waiting).is_empty());
        assert!(guard.hears(epoch, Phase::Running).is_empty());
        guard
    }
}

const NOTHING: [&str; 0] = [];

#[test]
fn a_stop_and_the_next_start_exchange_the_idle_child_when_the_job_manager_has_ended() {
    let mut guard = Guard::working(1);
    assert_eq!(guard.hears(1, Phase::Stopping), NOTHING);
    assert_eq!(guard.hears(1, Phase::Released), NOTHING, "a new one would find the old JobManager");
    assert_eq!(guard.hears_end(1, Phase::Released), ["terminate"]);
    assert_eq!(guard.on(Event::ChildEnded), ["start"]);
    assert_eq!(guard.hears_end(1, Phase::Released), NOTHING, "once is enough");
    assert_eq!(guard.on(Event::Lost), NOTHING);
    assert_eq!(guard.hears_new_agent(), NOTHING);
    assert_eq!(guard.hears(2, Phase::Waiting), NOTHING);
    assert_eq!(guard.hears(2, Phase::Running), NOTHING);
    assert_eq!(guard.duty.works_for(), Some(2));
}

#[test]
fn an_agent_that_ends_after_the_release_takes_its_job_manager_with_it() {
    let mut guard = Guard::working(1);
    guard.hears(1, Phase::Released);
    assert_eq!(guard.on(Event::Lost), ["terminate"]);
    // It does not end in order.
    assert_eq!(guard.wakes(), (6_000, vec!["kill"]));
    assert_eq!(guard.wakes(), (1_000, vec!["kill"]));
    assert_eq!(guard.on(Event::ChildEnded), ["start"]);
}

#[test]
fn where_flink_recovers_by_itself_a_released_child_goes_on_and_works_for_the_next_epoch() {
    let mut guard = Guard::working(1);
    guard.duty.terms.renews = false;
    for phase in [Phase::Stopping, Phase::Released] {
        assert_eq!(guard.hears(1, phase), NOTHING);
    }
    assert_eq!(guard.hears_end(1, Phase::Released), NOTHING);
    assert_eq!(guard.on(Event::Lost), NOTHING);
    assert_eq!(guard.hears(2, Phase::Waiting), NOTHING);
    assert_eq!(guard.hears(2, Phase::Running), NOTHING);
    assert_eq!(guard.hears_end(2, Phase::Gone), ["kill"], "zombies are killed all the same");
}

#[test]
fn tasks_whose_job_manager_is_gone_are_killed_and_the_agent_learns_of_their_end() {
    let mut guard = Guard::working(1);
    assert_eq!(guard.hears_end(1, Phase::Gone), ["kill"]);
    assert_eq!(guard.hears_end(1, Phase::Gone), NOTHING);
    assert_eq!(guard.on(Event::ChildEnded), ["hang up", "start"]);
    assert_eq!(guard.hears_end(1, Phase::Gone), NOTHING, "the fresh child has never worked for it");
    assert_eq!(guard.hears(2, Phase::Waiting), NOTHING);
    assert_eq!(guard.hears(2, Phase::Running), NOTHING);
    assert_eq!(guard.hears(2, Phase::Gone), ["kill"]);
}

#[test]
fn a_new_child_is_not_started_before_the_old_job_manager_has_ended() {
    let condemned = || {
        let mut guard = Guard::working(1);
        assert_eq!(guard.hears(1, Phase::Gone), ["kill"]);
        assert_eq!(guard.on(Event::ChildEnded), ["hang up"]);
        assert_eq!(guard.hears(1, Phase::Gone), NOTHING);
        guard
    };
    assert_eq!(condemned().hears_end(1, Phase::Gone), ["start"]);
    assert_eq!(condemned().hears(2, Phase::Waiting), ["start"]);
    assert_eq!(condemned().hears_new_agent(), ["start"]);
    assert_eq!(condemned().on(Event::Lost), ["start"]);
    assert_eq!(condemned().wakes(), (10_000, vec!["start"]));
    assert_eq!(condemned().on(Event::ToldToEnd), ["exit"]);
    // It ended while the child was dying.
    let mut guard = Guard::working(1);
    guard.hears(1, Phase::Gone);
    guard.hears_end(1, Phase::Gone);
    assert_eq!(guard.on(Event::ChildEnded), ["hang up", "start"]);
}

#[test]
fn a_newer_epoch_ends_what_works_for_an_older_one() {
    for phase in [Phase::Waiting, Phase::Running, Phase::Stopping, Phase::Released, Phase::Gone] {
        let mut guard = Guard::working(1);
        assert_eq!(guard.on(Event::Lost), NOTHING, "an agent that is away is no reason");
        assert_eq!(guard.hears_new_agent(), NOTHING);
        assert_eq!(guard.hears(2, phase), ["kill"], "{phase:?}");
        assert_eq!(guard.on(Event::ChildEnded), ["hang up", "start"]);
        guard.hears(2, Phase::Running);
        assert_eq!(guard.duty.works_for(), Some(2), "the fresh child may work for it");
    }
}

#[test]
fn an_older_epoch_and_an_agent_that_knows_none_are_not_believed() {
    let mut guard = Guard::working(2);
    for phase in [Phase::Waiting, Phase::Running, Phase::Stopping, Phase::Released, Phase::Gone] {
        assert_eq!(guard.hears_end(1, phase), NOTHING, "{phase:?}");
        assert_eq!(guard.hears(2, Phase::Waiting), NOTHING, "a new agent that has not heard of run yet");
    }
    assert_eq!(guard.duty.works_for(), Some(2));
    guard.on(Event::ToldToEnd);
    assert_eq!(guard.hears_new_agent(), NOTHING, "nor does it let a guard go that may be needed");
    assert_eq!(guard.hears(1, Phase::Released), NOTHING);
}

#[test]
fn a_first_word_that_the_job_manager_is_gone_ends_what_may_have_worked_for_it_once() {
    let mut guard = guard();
    assert_eq!(guard.hears_end(3, Phase::Gone), ["kill"]);
    assert_eq!(guard.on(Event::ChildEnded), ["hang up", "start"]);
    assert_eq!(guard.hears_end(3, Phase::Gone), NOTHING);
}

#[test]
fn a_false_alarm_is_forgotten() {
    let mut guard = Guard::working(1);
    guard.hears_end(1, Phase::Gone);
    guard.on(Event::ChildEnded);
    assert_eq!(guard.hears(1, Phase::Running), NOTHING);
    assert_eq!(guard.duty.works_for(), Some(1));
    assert_eq!(guard.hears_end(1, Phase::Gone), ["kill"]);
}

#[test]
fn a_child_that_ends_by_itself_ends_its_guard() {
    assert_eq!(guard().on(Event::ChildEnded), ["exit"]);
    let mut guard = Guard::working(1);
    guard.on(Event::ToldToEnd);
    assert_eq!(guard.on(Event::ChildEnded), ["exit"]);
    assert!(guard.duty.is_told_to_end());
}

#[test]
fn told_to_end_it_stays_until_the_savepoint_is_durable() {
    let mut guard = Guard::working(1);
    assert_eq!(guard.on(Event::ToldToEnd), ["look"]);
    assert_eq!(guard.after(1_000).hears(1, Phase::Stopping), NOTHING);
    assert_eq!(guard.on(Event::ToldToEnd), NOTHING, "the second signal joins the first");
    assert_eq!(guard.after(20_000).on(Event::Tick), NOTHING);
    assert_eq!(guard.hears(1, Phase::Released), ["terminate"]);
    assert_eq!(guard.on(Event::ChildEnded), ["exit"]);
}

#[test]
fn told_to_end_with_a_stop_under_way_it_stays_as_well() {
    let mut guard = Guard::working(1);
    guard.hears(1, Phase::Stopping);
    guard.on(Event::ToldToEnd);
    assert_eq!(guard.after(5_000).on(Event::Tick), NOTHING);
    assert_eq!(guard.hears_end(1, Phase::Gone), ["kill"], "nothing comes of the stop any more");
    assert_eq!(guard.on(Event::ChildEnded), ["exit"]);
}

#[test]
fn told_to_end_without_a_stop_it_leaves_after_the_settle_time() {
    let mut guard = Guard::working(1);
    guard.on(Event::ToldToEnd);
    assert_eq!(guard.hears(1, Phase::Running), NOTHING);
    assert_eq!(guard.wakes(), (2_000, vec!["terminate"]));
    assert_eq!(guard.on(Event::ChildEnded), ["exit"]);
}

/// Works for epoch 1, and asks for a checkpoint before it leaves.
fn insured() -> Guard {
    let mut guard = Guard::working(1);
    guard.duty.terms.checkpoint = Some(Duration::from_secs(10));
    guard
}

#[test]
fn told_to_end_without_a_stop_it_asks_for_a_checkpoint_and_leaves_when_that_is_answered() {
    let mut guard = insured();
    guard.on(Event::ToldToEnd);
    assert_eq!(guard.hears(1, Phase::Running), NOTHING);
    assert_eq!(guard.wakes(), (2_000, vec!["checkpoint"]), "first it is seen whether a stop begins");
    assert_eq!(guard.after(500).hears(1, Phase::Running), NOTHING, "once is enough");
    assert_eq!(guard.on(Event::Checkpointed), ["terminate"]);
    assert_eq!(guard.on(Event::ChildEnded), ["exit"]);
}

#[test]
fn a_checkpoint_that_does_not_come_is_waited_for_no_longer_than_it_may_take() {
    let mut guard = insured();
    guard.on(Event::ToldToEnd);
    assert_eq!(guard.wakes(), (2_000, vec!["checkpoint"]));
    assert_eq!(guard.on(Event::Lost), NOTHING);
    assert_eq!(guard.wakes(), (10_000, vec!["terminate"]));
    // Nor longer than the guard itself may take.
    let mut guard = insured();
    guard.duty.terms.checkpoint = Some(Duration::from_secs(3_600));
    guard.on(Event::ToldToEnd);
    guard.wakes();
    assert_eq!(guard.wakes(), (25_000, vec!["terminate"]));
}

#[test]
fn a_stop_that_begins_while_a_checkpoint_is_awaited_is_what_counts() {
    let mut guard = insured();
    guard.on(Event::ToldToEnd);
    guard.wakes();
    assert_eq!(guard.hears(1, Phase::Stopping), NOTHING);
    assert_eq!(guard.on(Event::Checkpointed), NOTHING);
    assert_eq!(guard.after(20_000).on(Event::Tick), NOTHING);
    assert_eq!(guard.hears(1, Phase::Released), ["terminate"]);
}

#[test]
fn where_no_task_runs_or_nobody_could_be_asked_there_is_no_checkpoint() {
    let mut deaf = insured();
    deaf.on(Event::Lost);
    deaf.on(Event::ToldToEnd);
    assert_eq!(deaf.wakes(), (2_000, vec!["terminate"]));
    let mut released = insured();
    released.hears(1, Phase::Released);
    assert_eq!(released.on(Event::ToldToEnd), ["look", "terminate"]);
}

#[test]
fn told_to_end_without_tasks_it_leaves_at_once() {
    let mut waiting = guard();
    waiting.hears_new_agent();
    assert_eq!(waiting.on(Event::ToldToEnd), ["look", "terminate"]);
    let mut renewed = Guard::working(1);
    renewed.hears(1, Phase::Released);
    assert_eq!(renewed.on(Event::ToldToEnd), ["look", "terminate"]);
    // Where nothing was ever heard, tasks may be at work all the same.
    let mut deaf = guard();
    assert_eq!(deaf.on(Event::ToldToEnd), ["look"]);
    assert_eq!(deaf.wakes(), (2_000, vec!["terminate"]));
}

#[test]
fn a_stop_whose_agent_died_is_waited_for_as_long_as_the_job_manager_lives() {
    let mut guard = Guard::working(1);
    guard.hears(1, Phase::Stopping);
    guard.on(Event::ToldToEnd);
    assert!(guard.duty.keeps_for_a_stop());
    guard.on(Event::Lost);
    for _ in 0..5 {
        guard.after(2_000).on(Event::Lost);
        assert_eq!(guard.on(Event::JobManagerSeen), NOTHING, "run finishes the stop alone");
    }
    assert_eq!(guard.wakes(), (3_000, vec!["terminate"]));
}

#[test]
fn it_always_leaves_before_its_own_deadline() {
    let mut guard = Guard::working(1);
    guard.hears(1, Phase::Stopping);
    guard.on(Event::ToldToEnd);
    assert_eq!(guard.wakes(), (27_000, vec!["terminate"]));
    assert_eq!(guard.wakes(), (2_700, vec!["kill"]));
    assert_eq!(guard.wakes(), (1_000, vec!["kill"]), "it may be in an uninterruptible sleep");
}

#[test]
fn a_guard_that_is_leaving_lets_its_child_work_for_no_newer_epoch() {
    let mut held = Guard::working(1);
    held.hears(1, Phase::Stopping);
    held.on(Event::ToldToEnd);
    assert_eq!(held.hears(2, Phase::Waiting), ["kill"]);
    assert_eq!(held.on(Event::ChildEnded), ["exit"]);

    let mut leaving = Guard::working(1);
    leaving.on(Event::ToldToEnd);
    leaving.wakes();
    assert_eq!(leaving.hears(1, Phase::Running), NOTHING);
    assert_eq!(leaving.hears(2, Phase::Waiting), ["kill"]);
    assert_eq!(leaving.hears(2, Phase::Running), NOTHING);
    assert_eq!(leaving.on(Event::ChildEnded), ["exit"]);

    let mut ending = Guard::working(1);
    ending.hears(1, Phase::Gone);
    ending.on(Event::ToldToEnd);
    assert_eq!(ending.on(Event::ChildEnded), ["exit"], "no other child is started");
}

fn any_event() -> impl Strategy<Value = Event> {
    let phases = prop_oneof![
        Just(Phase::Waiting),
        Just(Phase::Running),
        Just(Phase::Stopping),
        Just(Phase::Released),
        Just(Phase::Gone)
    ];
    let heard = (proptest::option::of(1..4_u64), phases, any::<bool>())
        .prop_map(|(epoch, phase, ended)| Event::Heard(Tidings { epoch, phase, ended, ..Tidings::default() }));
    prop_oneof![
        6 => heard,
        2 => Just(Event::Lost),
        1 => Just(Event::JobManagerSeen),
        1 => Just(Event::ToldToEnd),
        1 => Just(Event::Checkpointed),
        3 => Just(Event::ChildEnded),
        2 => Just(Event::Tick),
    ]
}

proptest! {
    /// Whatever is heard in whatever order: there is one child at a time, a signal goes to one that lives, and a guard that
    /// is told to end starts none.
    #[test]
    fn a_guard_never_starts_two_children_nor_one_after_the_signal(
        events in vec((any_event(), 0..4_000_u64), 1..60),
        insured in any::<bool>(),
    ) {
        let mut guard = guard();
        guard.duty.terms.checkpoint = insured.then_some(Duration::from_secs(10));
        let mut alive = true;
        let mut told = false;
        for (event, pause) in events {
            if event == Event::ChildEnded {
                if !alive {
                    continue;
                }
                alive = false;
            }
            told |= event == Event::ToldToEnd;
            guard.after(pause);
            for effect in guard.on(event.clone()) {
                match effect {
                    "start" => {
                        prop_assert!(!alive && !told, "{event:?}");
                        alive = true;
                    }
                    "terminate" | "kill" => prop_assert!(alive, "{event:?}"),
                    "exit" => {
                        prop_assert!(!alive);
                        return Ok(());
                    }
                    _ => {}
                }
            }
        }
    }

    /// Whatever was heard before, and whether or not anything is heard any more: the child of a guard that is told to end
    /// has its signal when the deadline is there.
    #[test]
    fn a_guard_that_is_told_to_end_does_so(events in vec(any_event(), 0..40), insured in any::<bool>()) {
        let mut guard = guard();
        guard.duty.terms.checkpoint = insured.then_some(Duration::from_secs(10));
        for event in events {
            if event != Event::ChildEnded {
                guard.on(event);
            }
        }
        guard.on(Event::ToldToEnd);
        while let Some(wake) = guard.duty.wake().filter(|wake| *wake <= BEGIN.plus(TERMS.grace)) {
            guard.now = wake;
            guard.on(Event::Tick);
        }
        prop_assert!(matches!(guard.duty.child, Child::Ends { next: Next::Leave, .. }), "{:?}", guard.duty);
    }

    /// Whatever comes in between: what works for an epoch is killed as soon as a newer one is heard of, unless the epoch was
    /// released.
    #[test]
    fn no_child_works_for_an_epoch_when_a_newer_one_was_heard_of(events in vec(any_event(), 0..40)) {
        let mut guard = guard();
        for event in events {
            if event == Event::ChildEnded {
                continue;
            }
            guard.on(event);
            if let Some(epoch) = guard.duty.works_for() {
                let mut later = Guard { duty: guard.duty.clone(), now: guard.now };
                let alive = later.duty.child == Child::Lives;
                let effects = later.hears(epoch + 1, Phase::Waiting);
                prop_assert!(!alive || effects == ["kill"], "{:?}", guard.duty);
            }
        }
    }
}
