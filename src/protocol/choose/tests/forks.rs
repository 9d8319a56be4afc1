//! A person goes back to an older point, of any epoch or of another cluster: from there a new line begins.

use super::*;

fn three_epochs() -> Vec<Past> {
    vec![
        epoch(1).fresh().checkpoint(1).saved(2),
        epoch(2).based(Some(point(1, 2))).checkpoint(3).saved(4),
        epoch(3).based(Some(point(2, 4))).checkpoint(5).saved(6),
    ]
}

/// The savepoint of that number.
fn point(epoch: u64, id: u64) -> PointRef {
    PointRef { path: savepoint_path(epoch, id), checkpoint_id: Some(id), epoch: Some(epoch) }
}

#[test]
fn any_point_of_any_epoch_can_be_pinned() {
    for path in [
        checkpoint_path(1, 1),
        savepoint_path(1, 2),
        checkpoint_path(2, 3),
        savepoint_path(2, 4),
        checkpoint_path(3, 5),
        savepoint_path(3, 6),
    ] {
        after(three_epochs()).pinned(&path).restores(&path, &["pinned"]);
    }
}

#[test]
fn the_starts_after_a_fork_follow_the_new_line_and_explain_the_old_one() {
    let mut past = three_epochs();
    past.push(epoch(4).restored_from(2, 3).by_pin());
    after(past.clone()).restores(&checkpoint_path(2, 3), &["newest point of the line that ends in epoch 4"]);
    // The numbers go on from the fork: lower than those of the abandoned line, and newer.
    past[3] = past[3].clone().checkpoint(4).saved(5);
    let choice = after(past.clone()).restores(&savepoint_path(4, 5), &["epoch 4"]);
    for (path, reason) in [
        (savepoint_path(3, 6), "number 6 of epoch 3, but epoch 4 went on from an earlier point, number 3 of epoch 2"),
        (savepoint_path(2, 4), "number 4 of epoch 2, but epoch 4 went on from an earlier point, number 3 of epoch 2"),
        (checkpoint_path(2, 3), "number 3 of epoch 2, older than the newest point of the line, number 5 of epoch 4"),
        (savepoint_path(1, 2), "number 2 of epoch 1, older than the newest point of the line, number 5 of epoch 4"),
    ] {
        assert_eq!(about(&choice, &path), reason);
    }
    past.push(epoch(5).based(Some(point(4, 5))).checkpoint(6));
    after(past.clone()).restores(&checkpoint_path(5, 6), &["epoch 5"]);
    // Back again, to the line that was abandoned.
    past.push(epoch(6).based(Some(point(3, 6))).by_pin().checkpoint(7));
    let choice = after(past).restores(&checkpoint_path(6, 7), &["epoch 6"]);
    assert_eq!(
        about(&choice, &checkpoint_path(5, 6)),
        "number 6 of epoch 5, but epoch 6 went on from another point, number 6 of epoch 3"
    );
}

#[test]
fn a_point_of_a_foreign_directory_begins_a_line_of_its_own() {
    let foreign = "s3://other/savepoint-aaaaaa-1";
    let mut past = three_epochs();
    after(past.clone()).pinned(foreign).restores(foreign, &["pinned"]);
    past.push(epoch(4).restored_from_elsewhere(foreign, 3).by_pin());
    let choice = after(past.clone()).restores(foreign, &["newest point"]);
    assert_eq!(
        about(&choice, &savepoint_path(3, 6)),
        format!("number 6 of epoch 3, but epoch 4 went on from an earlier point, number 3 of no epoch ({foreign})")
    );
    // It is gone, and nothing of this cluster lies below it.
    let lost = after(past.clone()).proven_broken(foreign).previous_if_broken();
    lost.refuses(&["no whole point is left", foreign, "savepointd pin"]);
    past[3] = past[3].clone().checkpoint(4);
    after(past).restores(&checkpoint_path(4, 4), &["epoch 4"]);
}

#[test]
fn under_a_fixed_job_id_a_line_may_go_on_from_a_higher_number_only() {
    let fixed = Id::from_bytes([0xcd; 16]);
    let path = |id| format!("s3://flink/checkpoints/{fixed}/chk-{id}");
    let foreign = "s3://other/savepoint-aaaaaa-1";
    let with = |past: Vec<Past>, number| {
        let listed = epoch(9).found(foreign.into(), false, whole(number));
        let mut case = after(past).change(|situation| situation.fixed_job_id = Some(fixed));
        case.situation.found.extend(listed.found.into_iter().map(|found| Found { epoch: None, ..found }));
        case
    };
    let first = || epoch(1).under(fixed).fresh().checkpoint(4).checkpoint(5);
    with(vec![first()], 9).pinned(foreign).restores(foreign, &["pinned"]);
    with(vec![first()], 3).pinned(foreign).refuses(&["going back to checkpoint id 3", &path(5)]);
    let second = epoch(2).under(fixed).restored_from_elsewhere(foreign, 9).by_pin();
    with(vec![first(), second.clone()], 9).restores(foreign, &["newest point"]);
    let choice = with(vec![first(), second.checkpoint(10)], 9).restores(&path(10), &["epoch 2"]);
    assert!(about(&choice, &path(5)).contains("was not restored from it"), "{choice:#?}");
}
