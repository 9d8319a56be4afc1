//! What verifying a point comes to, and what nobody had recorded.

use super::*;
use crate::protocol::outcome::StopOutcome;

#[test]
fn a_point_that_cant_be_verified_is_neither_used_nor_passed_over_by_itself() {
    let mut world = lived();
    world.doubtful.insert(path(2, 5), "format version 9".into());
    let before = Policy { previous_if_broken: true, ..plan(4).policy };
    for plan in [plan(3), Plan { policy: before, ..plan(4) }] {
        let verdict = Process::new(plan).finish(&mut world);
        let Verdict::No { decision: Decision::Refuse, reason, candidates } = verdict else { panic!("{verdict:?}") };
        for word in [path(2, 5).as_str(), "format version 9", "restore.on_unverifiable", "savepointd pin PATH"] {
            assert!(reason.contains(word), "{word:?} is not in {reason:?}");
        }
        let candidate = candidates.iter().find(|candidate| candidate.point.path == path(2, 5)).unwrap();
        assert!(!candidate.chosen && candidate.reason.contains("format version 9"), "{candidate:?}");
    }
    let trusting = Policy { trust_unverifiable: true, ..plan(5).policy };
    let go = world.starts_as(Plan { policy: trusting, ..plan(5) });
    assert_eq!(base(&go), Some(path(2, 5).as_str()));
    for word in ["format version 9", "restore.on_unverifiable"] {
        assert!(go.reason.contains(word), "{}", go.reason);
    }
}

#[test]
fn what_was_verified_once_is_not_verified_again_in_the_same_start() {
    let (mut world, mut process) = (lived(), Process::new(plan(3)));
    let mut storms = 0;
    let verdict = (0..STEPS).find_map(|_| {
        let is_base =
            matches!(process.wants(), Ok(Effect::Append { facts, .. }) if matches!(facts[..], [Fact::Based(_)]));
        let overtaken = is_base && storms < 3;
        storms += u32::from(overtaken);
        process.step(&mut world, if overtaken { Mishap::Overtaken } else { Mishap::Nothing });
        process.wants().err()
    });
    assert!(matches!(&verdict, Some(Verdict::Go(go)) if base(go) == Some(path(2, 5).as_str())), "{verdict:?}");
    assert_eq!((storms, process.verified), (3, vec![path(2, 5)]));
}

fn salvaged(world: &World) -> Vec<(u64, String, bool)> {
    let saved = world.record.iter().filter_map(|entry| match &entry.fact {
        Fact::Saved(saved) => Some((entry.epoch, saved.point.path.clone(), saved.salvaged)),
        _ => None,
    });
    saved.collect()
}

#[test]
fn a_savepoint_that_nobody_recorded_is_recorded_by_the_start_that_goes_on_from_it() {
    let mut world = lived();
    let savepoint = world.savepoint(2, 6);
    let mut planned = world.clone();
    planned.starts_as(Plan { only_plan: true, ..plan(3) });
    assert_eq!(salvaged(&planned), [], "a plan writes nothing");
    assert_eq!(base(&world.starts(3)), Some(savepoint.as_str()));
    assert_eq!(salvaged(&world), [(2, savepoint, true)]);
    let history = History::read(&world.record);
    let (epoch, saved) = history.saved().next().unwrap();
    assert_eq!((epoch, saved.point.checkpoint_id, saved.job_id), (2, Some(6), JobId::derived(CLUSTER, 2)));
    // A checkpoint is Flink's, and found by listing every time.
    world.checkpoint(3, 7);
    world.starts(4);
    assert_eq!(salvaged(&world).len(), 1);
}

#[test]
fn a_savepoint_is_salvaged_once_whatever_goes_wrong() {
    for mishap in [Mishap::LostReply, Mishap::Overtaken, Mishap::Torn] {
        for steps in 0.. {
            let mut world = lived();
            let savepoint = world.savepoint(2, 6);
            let mut killed = Process::new(plan(3));
            (0..steps).for_each(|_| killed.step(&mut world, Mishap::Nothing));
            if killed.wants().is_err() {
                break;
            }
            killed.step(&mut world, mishap);
            let go = world.starts(4);
            let base_of_new = base(&go).map(str::to_owned);
            assert_eq!(base_of_new, Some(savepoint.clone()), "{mishap:?} at step {steps}");
            assert_eq!(salvaged(&world), [(2, savepoint, true)], "{mishap:?} at step {steps}");
        }
    }
}

#[test]
fn a_point_that_is_trusted_unverified_is_not_recorded_as_found_whole() {
    let mut world = lived();
    let savepoint = world.savepoint(2, 6);
    world.doubtful.insert(savepoint.clone(), "format version 9".into());
    let trusting = Policy { trust_unverifiable: true, ..plan(3).policy };
    let go = world.starts_as(Plan { policy: trusting, ..plan(3) });
    assert_eq!((base(&go), salvaged(&world)), (Some(savepoint.as_str()), Vec::new()));
}

#[test]
fn an_end_that_only_the_marker_tells_of_is_told_to_the_record_once_whatever_goes_wrong() {
    for mishap in [Mishap::LostReply, Mishap::Overtaken, Mishap::Torn] {
        for steps in 0.. {
            let mut world = lived();
            let ends = ["saved in time", "released"].map(|reason| {
                let outcome = StopOutcome::Savepoint;
                world.entry(2, Fact::Stopped { outcome, reason: reason.into(), took: None })
            });
            let of_another = world
                .entry(1, Fact::Stopped { outcome: StopOutcome::Savepoint, reason: "long ago".into(), took: None });
            world.marker.extend(ends.iter().cloned().chain([of_another.clone()]));
            let mut killed = Process::new(plan(3));
            (0..steps).for_each(|_| killed.step(&mut world, Mishap::Nothing));
            if killed.wants().is_err() {
                break;
            }
            killed.step(&mut world, mishap);
            world.starts(4);
            for end in &ends {
                let told = world.record.iter().filter(|entry| *entry == end).count();
                assert_eq!(told, 1, "{mishap:?} at step {steps}");
            }
            assert!(!world.record.contains(&of_another), "compaction may have dropped it: it must not come back");
        }
    }
}
