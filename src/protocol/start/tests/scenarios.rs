//! One situation after the other, through the whole machine.

use super::*;

#[test]
fn starts_follow_one_another() {
    let mut world = World::default();
    let first = world.starts(1);
    assert_eq!((first.epoch, base(&first), first.job_id), (1, None, Some(JobId::derived(CLUSTER, 1))));
    let point = world.checkpoint(1, 1);
    let second = world.starts(2);
    assert_eq!((second.epoch, base(&second), second.resumed), (2, Some(point.as_str()), false));
    assert_eq!(second.base.and_then(|base| base.epoch), Some(1));
    assert!(world.record.iter().any(|entry| matches!(&entry.fact, Fact::Based(based) if based.base.is_some())));
    assert_eq!(world.marker.iter().filter(|entry| matches!(entry.fact, Fact::Based(_))).count(), 2);
}

#[test]
fn the_same_process_gets_the_same_answer_again() {
    let mut world = lived();
    let go = world.starts(3);
    world.checkpoint(3, 6);
    let before = world.clone();
    let again = world.starts(3);
    assert_eq!((again.epoch, &again.base, again.job_id, again.resumed), (go.epoch, &go.base, go.job_id, true));
    assert_eq!(world, before, "an answer that was given before changes nothing");
}

#[test]
fn a_plan_changes_nothing_and_says_what_a_start_would_do() {
    for world in [World::default(), lived()] {
        let mut planned = world.clone();
        let only_plan = planned.starts_as(Plan { only_plan: true, ..plan(3) });
        assert_eq!(planned, world);
        assert_eq!(base(&only_plan), base(&world.clone().starts(3)));
    }
    // Without the record, the marker will do.
    let mut planned = lived();
    planned.record.clear();
    assert_eq!(base(&planned.starts_as(Plan { only_plan: true, ..plan(3) })), Some(path(2, 5).as_str()));
    assert!(planned.record.is_empty());
}

#[test]
fn a_living_holder_is_waited_for() {
    let mut world = lived();
    world.alive.insert(incarnation(2).incarnation);
    let before = world.clone();
    let verdict = Process::new(plan(3)).finish(&mut world);
    assert!(matches!(&verdict, Verdict::Later { reason, .. } if reason.contains("pod-2")), "{verdict:?}");
    assert_eq!(world, before);
    world.alive.clear();
    assert_eq!(world.starts(3).epoch, 3);
}

#[test]
fn a_holder_that_appears_after_the_look_is_seen_by_the_conflict() {
    let mut world = lived();
    let mut slow = Process::new(plan(3));
    while !matches!(slow.wants(), Ok(Effect::Append { .. })) {
        slow.step(&mut world, Mishap::Nothing);
    }
    let other = world.starts(4);
    world.alive.insert(incarnation(4).incarnation);
    let verdict = slow.finish(&mut world);
    assert!(matches!(&verdict, Verdict::Later { reason, .. } if reason.contains("pod-4")), "{verdict:?}");
    assert_eq!(other.epoch, 3);
}

#[test]
fn a_process_that_runs_flink_already_is_told_when_its_epoch_is_over() {
    let mut world = lived();
    world.alive.insert(incarnation(2).incarnation);
    let go = world.starts_as(Plan { running: true, ..plan(2) });
    assert!(go.resumed && go.epoch == 2);
    world.alive.clear();
    world.starts(3);
    let verdict = Process::new(Plan { running: true, ..plan(2) }).finish(&mut world);
    assert!(matches!(&verdict, Verdict::Superseded { reason } if reason.contains("epoch 3")), "{verdict:?}");
}

#[test]
fn a_record_that_is_gone_is_rebuilt_from_the_marker() {
    let mut world = lived();
    world.record.clear();
    let go = world.starts(3);
    assert_eq!((go.epoch, base(&go)), (3, Some(path(2, 5).as_str())));
    let history = History::read(&world.record);
    assert_eq!(history.epochs.keys().copied().collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(history.record_id, Some(Id::from_bytes([0xe1; 16])));
}

#[test]
fn a_record_and_a_marker_that_are_gone_are_not_no_history() {
    let mut world = lived();
    world.record.clear();
    world.marker.clear();
    world.refuses(plan(3), &["record is older than the storage", "savepointd pin"]);
    assert!(!world.record.iter().any(|entry| matches!(entry.fact, Fact::Based(_))));
    world.say(0, Fact::Pinned { path: path(2, 5) });
    let go = world.starts(4);
    assert!(go.epoch > 2 && base(&go) == Some(path(2, 5).as_str()), "{go:?}");
    let created = world.record.iter().filter(|entry| matches!(entry.fact, Fact::Created { .. })).count();
    assert_eq!(created, 1, "a record is made once, even if the first epoch's number turns out to be taken");
}

#[test]
fn the_record_of_another_cluster_is_refused() {
    let mut world = lived();
    let other = Plan { cluster: "payments".into(), ..plan(3) };
    let before = world.clone();
    world.refuses(other.clone(), &["belongs to cluster \"orders\"", "\"payments\""]);
    world.record.clear();
    world.refuses(other, &["marker of another cluster", "\"orders\""]);
    assert_eq!(world.marker, before.marker);
    assert!(world.record.is_empty());
}

#[test]
fn the_marker_of_another_record_is_refused() {
    let mut other = World::default();
    other.starts_as(Plan { new_record_id: Id::from_bytes([0xdd; 16]), ..plan(1) });
    let mut world = lived();
    world.marker = other.marker;
    world.refuses(plan(3), &["marker of another record of the same name", "cluster.id"]);
}

#[test]
fn an_epoch_number_that_stray_folders_use_is_passed_over() {
    let mut world = lived();
    world.store(7, 1, Metadata::Missing);
    let go = world.starts(3);
    assert_eq!((go.epoch, go.job_id, base(&go)), (8, Some(JobId::derived(CLUSTER, 8)), Some(path(2, 5).as_str())));
    world.checkpoint(8, 6);
    assert_eq!(base(&world.starts(4)), Some(path(8, 6).as_str()));

    let mut world = lived();
    world.checkpoint(7, 1);
    world.refuses(plan(3), &["epoch 7", "record is older than the storage"]);
}

#[test]
fn what_a_closer_look_shows_counts() {
    let mut world = lived();
    world.starts(3);
    world.storage.retain(|found| found.path != path(2, 5));
    // The base of an epoch that completed nothing.
    world.refuses(plan(4), &[&path(2, 5), "nothing is there", "restore.on_broken"]);
    let policy = Policy { previous_if_broken: true, ..plan(5).policy };
    let go = world.starts_as(Plan { policy, ..plan(5) });
    assert_eq!(base(&go), Some(path(2, 4).as_str()));
    assert!(go.reason.contains(&path(2, 5)) && go.reason.contains("nothing is there"), "{}", go.reason);
}

#[test]
fn a_void_epoch_is_not_taken_up_again() {
    let mut world = lived();
    world.say(2, Fact::Voided { reason: "it ran from nothing".into() });
    world.refuses(plan(2), &["epoch 2 is void", "it ran from nothing"]);
    assert_eq!(base(&world.starts(3)), Some(path(1, 9).as_str()), "the first epoch is the newest that counts");
}

#[test]
fn a_storm_of_conflicts_ends_in_patience_and_not_in_a_start() {
    let mut world = lived();
    let mut process = Process::new(plan(3));
    let verdict = (0..STEPS).find_map(|_| {
        let writes = matches!(process.wants(), Ok(Effect::Append { .. }));
        process.step(&mut world, if writes { Mishap::Overtaken } else { Mishap::Nothing });
        process.wants().err()
    });
    assert!(matches!(&verdict, Some(Verdict::Later { reason, .. }) if reason.contains("keep writing")), "{verdict:?}");
    // A few are no storm.
    for storms in 0..usize::try_from(TRIES).unwrap() {
        let (mut world, mut process, mut left) = (lived(), Process::new(plan(3)), storms);
        while left > 0 {
            let writes = matches!(process.wants(), Ok(Effect::Append { .. }));
            left -= usize::from(writes);
            process.step(&mut world, if writes { Mishap::Overtaken } else { Mishap::Nothing });
        }
        let verdict = process.finish(&mut world);
        assert!(matches!(&verdict, Verdict::Go(go) if base(go) == Some(path(2, 5).as_str())), "{storms}: {verdict:?}");
    }
}

#[test]
fn trouble_that_passes_is_waited_for_and_other_trouble_is_refused() {
    for passes in [true, false] {
        let trouble = || Trouble { reason: "denied".into(), passes };
        let troubled = |effect: &Effect| match effect {
            Effect::Load => Event::Loaded(Err(trouble())),
            Effect::Look(_) | Effect::LookAt(_) => Event::Liveness(Liveness::Unknown(trouble())),
            Effect::Nudge(_) => Event::Nudged,
            Effect::Append { .. } | Effect::Rebuild | Effect::Copy(_) => Event::Appended(Appended::Failed(trouble())),
            Effect::List { .. } => Event::Listed(Err(trouble())),
            Effect::Verify(_) => Event::Verified(Search::Unreadable("denied".into())),
            Effect::LookAtLeftovers(_) => Event::Leftovers(Err(trouble())),
            Effect::DeclareEnded(..) => Event::Declared(Err(trouble())),
            Effect::Mark { .. } => Event::Marked(Err(trouble())),
        };
        for steps in 0.. {
            let (mut world, mut process) = (lived(), Process::new(plan(3)));
            (0..steps).for_each(|_| process.step(&mut world, Mishap::Nothing));
            let Ok(effect) = process.wants() else { break };
            process.start.on(troubled(&effect));
            let later = passes || matches!(effect, Effect::Verify(_));
            match process.wants() {
                Err(Verdict::Later { .. }) => assert!(later, "{effect:?}"),
                Err(Verdict::No { decision: Decision::Refuse, reason, .. }) => assert!(!later && reason == "denied"),
                other => panic!("{effect:?}: {other:?}"),
            }
        }
    }
}

#[test]
fn a_point_that_flink_fails_to_restore_is_given_up_across_starts() {
    let mut world = lived();
    let halting = |who| {
        let plan = plan(who);
        Plan {
            policy: Policy { if_failed: IfFailed { previous: false, ..plan.policy.if_failed }, ..plan.policy },
            ..plan
        }
    };
    let newest = path(2, 5);
    for who in 3..=5 {
        let go = world.starts_as(halting(who));
        assert_eq!(base(&go), Some(newest.as_str()));
        world.restore_fails(&go);
    }
    world.refuses(halting(6), &[&newest, "3 starts in a row", "Cannot map", "restore.on_failed"]);
    // A person says that it is mended. It is not.
    world.say(0, Fact::Pinned { path: newest.clone() });
    for who in 7..=9 {
        let go = world.starts_as(halting(who));
        assert_eq!(base(&go), Some(newest.as_str()), "{who}");
        world.restore_fails(&go);
    }
    world.refuses(halting(10), &["3 starts in a row"]);
    let go = world.starts(11);
    assert_eq!(base(&go), Some(path(2, 4).as_str()), "{}", go.reason);
    let checkpoint = world.checkpoint(go.epoch, 5);
    assert_eq!(base(&world.starts_as(halting(12))), Some(checkpoint.as_str()));
}

#[test]
fn what_only_is_planned_can_be_chosen_again_from_what_it_rested_on() {
    let mut world = lived();
    let mut planned = Process::new(Plan { only_plan: true, ..plan(3) });
    assert_eq!(planned.start.chosen_from(), None);
    let Verdict::Go(go) = planned.finish(&mut world) else { panic!("{:?}", planned.start) };
    let situation = planned.start.chosen_from().unwrap();
    let text = serde_json::to_string(&situation).unwrap();
    let read: Situation = serde_json::from_str(&text).unwrap();
    assert_eq!(read, situation);
    let again = choose(&read);
    assert_eq!((again.reason, again.candidates), (go.reason, go.candidates));
    assert_eq!(situation.epoch, 3, "the number that the next start would take");
}
