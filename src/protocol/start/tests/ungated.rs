//! What runs where no gate was there is taken up as it is, and told from what should run.

use super::*;
use crate::protocol::history::History;

const RUNS: JobId = JobId::from_bytes([9; 16]);

fn runs(who: u8, restored: Option<&str>) -> Plan {
    let restored = restored.map(|path| PointRef { path: path.into(), checkpoint_id: Some(5), epoch: None });
    Plan { ungated: Some(Ungated { job_id: RUNS, restored }), job_ids: JobIds::Flink, ..plan(who) }
}

#[test]
fn what_agrees_with_the_choice_is_the_base_of_an_epoch_without_a_gate() {
    let mut world = lived();
    let newest = path(2, 5);
    let go = world.starts_as(runs(7, Some(&newest)));
    assert_eq!((base(&go), go.epoch, &go.instead), (Some(newest.as_str()), 3, &None));
    let history = History::read(&world.record);
    let claim = |epoch| history.epochs[&epoch].claim.as_ref().unwrap();
    assert!(claim(3).without_gate && !claim(2).without_gate);
}

#[test]
fn what_does_not_agree_is_the_base_all_the_same_and_is_told() {
    for restored in [None, Some(path(2, 4)), Some("s3://elsewhere/savepoint-1".to_owned())] {
        let mut world = lived();
        let go = world.starts_as(runs(7, restored.as_deref()));
        assert_eq!(base(&go), restored.as_deref());
        let instead = go.instead.unwrap();
        assert!(instead.contains(&path(2, 5)), "{instead}");
    }
}

#[test]
fn a_restore_path_of_the_manifest_is_no_word_of_a_person_where_there_is_a_history() {
    let mut world = lived();
    let old = path(2, 4);
    let go = world.starts_as(Plan { explicit: Some(old.clone()), ..runs(7, Some(&old)) });
    assert!(go.instead.is_some(), "{go:?}");
    let mut world = World::default();
    let from = world.savepoint(0, 5);
    let go = world.starts_as(Plan { explicit: Some(from.clone()), ..runs(7, Some(&from)) });
    assert_eq!((base(&go), &go.instead), (Some(from.as_str()), &None));
}

#[test]
fn what_the_job_itself_has_completed_already_is_no_other_jobs() {
    let mut world = World::default();
    world.storage.push(Found {
        path: format!("s3://flink/checkpoints/{RUNS}/chk-1"),
        checkpoint: true,
        job_id: Some(RUNS),
        job_prefix: None,
        epoch: None,
        metadata: Metadata::Whole { checkpoint_id: 1, bytes: 1 },
        modified: None,
    });
    assert_eq!(world.starts_as(runs(7, None)).instead, None);
}

#[test]
fn until_it_is_confirmed_that_it_may_go_on_an_agent_that_comes_back_compares_again() {
    let mut world = lived();
    assert!(world.starts_as(runs(7, None)).instead.is_some());
    let again = world.starts_as(runs(7, None));
    assert!(again.epoch == 3 && again.instead.is_some(), "{again:?}");
    world.say(3, Fact::Confirmed { job_id: RUNS, restored: None });
    let known = world.starts_as(runs(7, None));
    assert!(known.epoch == 3 && known.resumed && known.instead.is_none(), "{known:?}");
}

#[test]
fn while_another_holds_the_newest_epoch_nothing_is_taken_up() {
    let mut world = lived();
    let holder = incarnation(2).incarnation;
    world.alive.insert(holder);
    let verdict = Process::new(runs(7, None)).finish(&mut world);
    assert!(matches!(verdict, Verdict::Later { .. }), "{verdict:?}");
}
