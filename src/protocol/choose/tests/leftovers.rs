//! What Flink's own high availability has left, and the choice.

use super::*;
use crate::protocol::entry::Attempt;
use crate::protocol::ha::{JobResult, Kept, Stage};
use crate::protocol::id::TriggerId;
use crate::protocol::point::Format;

const JOB: JobId = JobId::from_bytes([4; 16]);

fn path(id: u64) -> String {
    format!("s3://flink/checkpoints/{JOB}/chk-{id}")
}

/// The start after these epochs, all under Flink's one job id, with that left.
fn start_with(past: Vec<Past>, left: Leftovers) -> Case {
    let past = past.into_iter().map(|past| past.under(JOB)).collect();
    after(past).change(|situation| {
        situation.fixed_job_id = Some(JOB);
        situation.leftovers = Some(left);
    })
}

/// One epoch that began with nothing, ran under the id and completed these checkpoints.
fn ran(checkpoints: &[u64]) -> Past {
    let begun = epoch(1).under(JOB).fresh();
    checkpoints.iter().fold(begun, |past, id| past.checkpoint(*id))
}

fn a_job(kept: &[u64]) -> Leftovers {
    let kept = kept.iter().map(|id| Kept { checkpoint_id: *id, path: path(*id), job_id: JOB }).collect();
    Leftovers { jobs: vec!["s3://ha/submittedJobGraph1".into()], kept, ..Leftovers::default() }
}

fn an_entry(stage: Stage) -> JobResult {
    JobResult { job_id: JOB, file: format!("s3://ha/results/{JOB}_DIRTY.json"), stage }
}

fn attempted() -> Fact {
    let (trigger_id, target) = (TriggerId::from_bytes([6; 16]), "s3://flink/savepoints/orders/1".into());
    Fact::Attempted(Attempt { job_id: JOB, trigger_id, target, format: Format::Native, drain: false })
}

#[test]
fn after_a_clean_stop_nothing_is_in_the_way() {
    let choice = start_with(vec![ran(&[]).saved(9)], Leftovers::default()).restores(&savepoint_path(1, 9), &[]);
    assert_eq!(choice.dealing, Dealing::None);
}

#[test]
fn after_a_crash_flink_recovers_what_is_chosen() {
    let choice = start_with(vec![ran(&[20, 21])], a_job(&[21])).restores(&path(21), &["recovers it"]);
    assert_eq!(choice.dealing, Dealing::Recovered(Vec::new()));
    // A file whose pointer may be missing: the one before may be restored as well.
    let choice = start_with(vec![ran(&[20, 21])], a_job(&[20, 21])).restores(&path(21), &[]);
    assert_eq!(choice.dealing, Dealing::Recovered(vec![path(20)]));
}

#[test]
fn a_checkpoint_that_was_being_completed_is_not_what_flink_recovers() {
    let choice = start_with(vec![ran(&[20, 21])], a_job(&[20])).restores(&path(20), &["came after it"]);
    assert!(matches!(choice.dealing, Dealing::Recovered(_)));
    // Two newer ones: it ran on without this high availability.
    start_with(vec![ran(&[20, 21, 22])], a_job(&[20])).refuses(&[&path(20), &path(22)]);
    // The one that it would restore is gone: the same.
    start_with(vec![ran(&[500])], a_job(&[20])).refuses(&[&path(20), &path(500)]);
}

#[test]
fn a_job_without_a_checkpoint_is_recovered_from_what_it_was_started_from() {
    start_with(vec![ran(&[])], a_job(&[])).begins_fresh(&["recovers it"]);
    let second = epoch(2).based(Some(PointRef { path: savepoint_path(1, 9), checkpoint_id: Some(9), epoch: Some(1) }));
    start_with(vec![ran(&[]).saved(9), second], a_job(&[])).restores(&savepoint_path(1, 9), &["recovers it"]);
    start_with(vec![], a_job(&[])).refuses(&["knows nothing of"]);
}

#[test]
fn behind_a_final_savepoint_the_clean_up_is_finished_first() {
    let stopped = || vec![ran(&[21]).saved(24)];
    let choice = start_with(stopped(), a_job(&[21])).restores(&savepoint_path(1, 24), &["is finished first"]);
    assert_eq!(choice.dealing, Dealing::Finish(JOB));
    let policy = |on_leftover| {
        start_with(stopped(), a_job(&[21])).change(|situation| situation.policy.on_leftover = on_leftover)
    };
    policy(OnLeftover::Refuse).refuses(&["ha.on_leftover", &savepoint_path(1, 24), "while no JobManager runs"]);
    let choice = policy(OnLeftover::Recover).restores(&path(21), &["older than the newest known", "ha.on_leftover"]);
    assert!(matches!(choice.dealing, Dealing::Recovered(_)));
    // Nobody had recorded it, but it was asked for.
    let unrecorded = vec![ran(&[21]).fact(attempted()).unrecorded_savepoint(24)];
    let choice = start_with(unrecorded, a_job(&[21])).restores(&savepoint_path(1, 24), &[]);
    assert_eq!(choice.dealing, Dealing::Finish(JOB));
}

#[test]
fn a_clean_up_by_flink_2_is_left_to_a_person() {
    for results in [Vec::new(), vec![an_entry(Stage::Dirty)], vec![an_entry(Stage::Torn)]] {
        let left = Leftovers { of_flink_2: true, results, ..a_job(&[21]) };
        let choice = start_with(vec![ran(&[21]).saved(24)], left).refuses(&["while no JobManager runs"]);
        assert!(!choice.reason.contains("ha.on_leftover"), "{}", choice.reason);
    }
}

#[test]
fn a_savepoint_that_was_taken_on_the_way_is_not_what_flink_recovers() {
    let case = start_with(vec![ran(&[21]).unrecorded_savepoint(22)], a_job(&[21]));
    let choice = case.restores(&path(21), &["came after it", &savepoint_path(1, 22)]);
    assert!(matches!(choice.dealing, Dealing::Recovered(_)));
    // Unless that is what a person wants.
    case.clone().pinned(&savepoint_path(1, 22)).refuses(&[&path(21), &savepoint_path(1, 22)]);
    case.given(&savepoint_path(1, 22)).refuses(&[&path(21), &savepoint_path(1, 22)]);
}

#[test]
fn what_a_person_asks_for_is_not_overruled_in_silence() {
    let case = start_with(vec![ran(&[21])], a_job(&[21]));
    case.clone().pinned(&path(21)).restores(&path(21), &["pinned"]);
    case.pinned("s3://elsewhere/savepoint-1").refuses(&[]);
}

#[test]
fn a_job_of_another_id_would_run_beside_this_one() {
    let mut left = a_job(&[21]);
    left.kept[0].job_id = JobId::from_bytes([5; 16]);
    start_with(vec![ran(&[21])], left).refuses(&["both would run"]);
    let unclear = Leftovers { unclear: vec!["s3://ha/completedCheckpoint1".into()], ..Leftovers::default() };
    start_with(vec![ran(&[21])], unclear).refuses(&["completedCheckpoint1", "can't be understood"]);
}

#[test]
fn an_entry_of_the_job_result_store_is_explained_or_dealt_with() {
    let with = |past, stage, kept: &[u64]| {
        let results = vec![an_entry(stage)];
        start_with(
            vec![past],
            Leftovers { results, ..if kept.is_empty() { Leftovers::default() } else { a_job(kept) } },
        )
    };
    for stage in [Stage::Dirty, Stage::Torn] {
        let choice = with(ran(&[21]).saved(24), stage, &[21]).restores(&savepoint_path(1, 24), &["is finished first"]);
        assert_eq!(choice.dealing, Dealing::Finish(JOB));
        // Nobody knows of a savepoint: the job may have come to its own end.
        with(ran(&[21]), stage, &[21]).refuses(&["_DIRTY.json", "has ended"]);
    }
    let refuses = |situation: &mut Situation| situation.policy.on_leftover = OnLeftover::Refuse;
    with(ran(&[]).saved(24), Stage::Torn, &[]).change(refuses).refuses(&["ha.on_leftover"]);
    with(ran(&[]).saved(24), Stage::Dirty, &[]).change(refuses).restores(&savepoint_path(1, 24), &[]);
    with(ran(&[]).saved(24), Stage::Committed, &[]).refuses(&["delete-on-commit", "_DIRTY.json", "delete that file"]);
}

#[test]
fn another_jobs_entry_is_nothing_to_this_one() {
    let results = vec![JobResult { job_id: JobId::from_bytes([9; 16]), ..an_entry(Stage::Committed) }];
    start_with(vec![ran(&[]).saved(24)], Leftovers { results, ..Leftovers::default() })
        .restores(&savepoint_path(1, 24), &[]);
}
