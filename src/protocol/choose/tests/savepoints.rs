//! Savepoints of a job that went on, and the last one of a job that was drained.

use super::*;

#[test]
fn of_a_savepoint_by_the_clock_and_a_checkpoint_the_one_with_the_higher_number_counts() {
    let newest_savepoint = vec![epoch(1).fresh().saved(4).checkpoint(6).saved(7)];
    after(newest_savepoint.clone()).restores(&savepoint_path(1, 7), &["newest point"]);
    let newer_checkpoint = vec![epoch(1).fresh().saved(4).saved(7).checkpoint(8)];
    after(newer_checkpoint).restores(&checkpoint_path(1, 8), &["newest point"]);
    // Nobody had recorded it.
    after(vec![epoch(1).fresh().saved(4).checkpoint(6).unrecorded_savepoint(7)])
        .restores(&savepoint_path(1, 7), &["newest point"]);
    // The checkpoint before it does not do in its place.
    after(vec![epoch(1).fresh().checkpoint(6).lost(7)]).refuses(&["it is not there any more"]);
    // An epoch that completed nothing goes on from its base.
    let crashed = [newest_savepoint, vec![epoch(2).restored_from(1, 6)]].concat();
    after(crashed).restores(&checkpoint_path(1, 6), &["newest point"]);
}

#[test]
fn a_drained_job_is_held_though_its_end_could_not_be_recorded() {
    after(vec![epoch(1).fresh().asked_to_drain().checkpoint(6).unrecorded_savepoint(7)]).holds(&["drained"]);
    // Nothing came of it; and what was taken while the job went on is none of it.
    after(vec![epoch(1).fresh().asked_to_drain().checkpoint(6)]).restores(&checkpoint_path(1, 6), &[]);
    after(vec![epoch(1).fresh().saved(5).asked_to_drain()]).restores(&savepoint_path(1, 5), &[]);
}

#[test]
fn a_job_that_was_drained_is_held_until_a_person_says_from_where() {
    let path = savepoint_path(1, 7);
    let case = after(vec![epoch(1).fresh().checkpoint(6).drained(7)]);
    case.holds(&["drained", "savepoint.drain", &format!("savepointd pin {path}"), "savepointd fresh"]);
    case.clone().pinned(&path).restores(&path, &["pinned"]);
    case.clone().given("s3://elsewhere/savepoint-a").restores("s3://elsewhere/savepoint-a", &["given to Flink"]);
    case.allowed_fresh().begins_fresh(&["allowed by a person"]);
    // What a person went on from stays the base when the epoch completes nothing.
    let base = PointRef { path: path.clone(), checkpoint_id: Some(7), epoch: Some(1) };
    let drained = epoch(1).fresh().drained(7);
    after(vec![drained.clone(), epoch(2).based(Some(base.clone())).by_pin()]).restores(&path, &["newest point"]);
    after(vec![drained, epoch(2).based(Some(base)).by_pin().checkpoint(8)])
        .restores(&checkpoint_path(2, 8), &["newest point"]);
}
