//! Whether a start leaves the newest point behind is told beside its reason: metrics and alerts read no words.

use super::*;

#[test]
fn a_start_from_the_newest_point_does_not_go_back_whatever_is_half_written_beside_it() {
    let case = after(vec![epoch(1).fresh().checkpoint(5).checkpoint(6).half_written_checkpoint(7)]);
    assert!(!case.restores(&checkpoint_path(1, 6), &["newest point"]).goes_back);
    assert!(!case.pinned(&checkpoint_path(1, 6)).restores(&checkpoint_path(1, 6), &["pinned"]).goes_back);
}

#[test]
fn a_person_and_a_policy_can_have_a_start_go_back() {
    let newest = checkpoint_path(1, 6);
    let case = after(vec![epoch(1).fresh().checkpoint(5).checkpoint(6)]);
    assert!(case.clone().pinned(&checkpoint_path(1, 5)).restores(&checkpoint_path(1, 5), &["pinned"]).goes_back);
    assert!(case.clone().allowed_fresh().begins_fresh(&["allowed by a person"]).goes_back);
    let broken = case.proven_broken(&newest).previous_if_broken();
    assert!(broken.restores(&checkpoint_path(1, 5), &["older"]).goes_back);
    let damaged = after(vec![epoch(1).fresh().checkpoint(4).damaged_checkpoint(5)]).previous_if_broken();
    assert!(damaged.restores(&checkpoint_path(1, 4), &["older"]).goes_back);
}

#[test]
fn the_next_start_after_going_back_goes_on() {
    let past = vec![epoch(1).fresh().checkpoint(3).checkpoint(5), epoch(2).restored_from(1, 3).checkpoint(4)];
    assert!(!after(past).restores(&checkpoint_path(2, 4), &["newest point"]).goes_back);
}
