//! Starts where Flink would take up its job by itself.

use super::*;
use crate::protocol::entry::Saved;
use crate::protocol::ha::{self, Kept, Places};
use crate::protocol::point::Kind;

fn job() -> JobId {
    ha::job_id("/orders")
}

fn under_high_availability(who: u8) -> Plan {
    let places = Places {
        folder: "s3://flink/ha/orders".into(),
        results: "s3://flink/ha/job-result-store/orders".into(),
        pointers: "ZooKeeper: /flink/orders".into(),
    };
    let plan = plan(who);
    let directories = Directories { high_availability: Some(places), ..plan.directories.clone() };
    Plan { directories, job_ids: JobIds::Fixed(job()), ..plan }
}

fn kept(id: u64) -> Leftovers {
    let path = format!("s3://flink/checkpoints/{}/chk-{id}", job());
    let kept = vec![Kept { checkpoint_id: id, path, job_id: job() }];
    Leftovers { jobs: vec!["s3://flink/ha/orders/submittedJobGraph1".into()], kept, ..Leftovers::default() }
}

/// A cluster that has completed a checkpoint, and then died.
fn crashed() -> (World, String) {
    let mut world = World::default();
    let go = world.starts_as(under_high_availability(1));
    assert_eq!((go.job_id, base(&go)), (Some(job()), None));
    world.leftovers = kept(21);
    let Kept { path, .. } = world.leftovers.kept[0].clone();
    world.storage.push(Found {
        path: path.clone(),
        checkpoint: true,
        job_id: Some(job()),
        job_prefix: None,
        epoch: None,
        metadata: Metadata::Whole { checkpoint_id: 21, bytes: 1 },
        modified: None,
    });
    (world, path)
}

/// The same, but its final savepoint is durable: it was killed while Flink cleaned up.
fn cut_off() -> (World, String) {
    let (mut world, _) = crashed();
    let path = world.savepoint(1, 24);
    let point = PointRef { path: path.clone(), checkpoint_id: Some(24), epoch: Some(1) };
    world.say(
        1,
        Fact::Saved(Saved {
            job_id: job(),
            job_name: None,
            point,
            kind: Kind::Final,
            format: None,
            completed_at: Timestamp::UNIX_EPOCH,
            bytes: None,
            duration_ms: None,
            predicted_ms: None,
            doubt: None,
            salvaged: false,
            drained: false,
        }),
    );
    (world, path)
}

#[test]
fn after_a_crash_the_base_is_what_flink_recovers() {
    let (mut world, path) = crashed();
    let go = world.starts_as(under_high_availability(2));
    assert_eq!((base(&go), go.cleans_up), (Some(path.as_str()), false));
    assert!(world.leftovers.results.is_empty(), "nothing was written for Flink");
    // A crash before the next checkpoint changes nothing.
    let go = world.starts_as(under_high_availability(3));
    assert_eq!(base(&go), Some(path.as_str()));
}

#[test]
fn a_clean_up_that_was_cut_off_is_finished_wherever_the_start_is_killed() {
    let (mut whole, path) = cut_off();
    let go = whole.starts_as(under_high_availability(2));
    assert_eq!((base(&go), go.cleans_up), (Some(path.as_str()), true));
    assert_eq!(whole.leftovers.results[0].stage, Stage::Dirty);
    let mut tried = 0;
    for mishap in [Mishap::Nothing, Mishap::LostReply, Mishap::Torn] {
        for kill in 0.. {
            let (mut world, _) = cut_off();
            let mut process = Process::new(under_high_availability(2));
            (0..kill).for_each(|_| process.step(&mut world, Mishap::Nothing));
            let Ok(effect) = process.wants() else { break };
            process.carry_out(&mut world, &effect, mishap);
            for who in [2, 3] {
                let go = world.clone().starts_as(under_high_availability(who));
                assert_eq!((base(&go), go.cleans_up), (Some(path.as_str()), true), "{kill} {mishap:?} {who}");
            }
            tried += 1;
        }
    }
    assert!(tried > 20, "only {tried} deaths");
}

#[test]
fn a_plan_only_looks() {
    let (mut world, path) = cut_off();
    let go = world.starts_as(Plan { only_plan: true, ..under_high_availability(2) });
    assert_eq!(base(&go), Some(path.as_str()));
    assert!(world.leftovers.results.is_empty());
}
