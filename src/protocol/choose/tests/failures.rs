//! Points that Flink could not restore.

use super::*;

/// Epoch 1 came to checkpoint 5, and these epochs tried to restore that.
fn tried(epochs: impl IntoIterator<Item = Past>) -> Vec<Past> {
    let first = epoch(1).fresh().checkpoint(3).checkpoint(4).checkpoint(5);
    std::iter::once(first).chain(epochs).collect()
}

fn failed(numbers: std::ops::RangeInclusive<u64>) -> impl Iterator<Item = Past> {
    numbers.map(|number| epoch(number).restored_from(1, 5).failed())
}

#[test]
fn a_point_that_could_not_be_restored_is_tried_again_until_the_attempts_are_used_up() {
    let newest = checkpoint_path(1, 5);
    after(tried(failed(2..=3))).restores(&newest, &["newest point"]);
    let choice = after(tried(failed(2..=4))).refuses(&[
        &newest,
        "3 starts in a row",
        "the last time in epoch 4",
        "Cannot map state of operator 0da0",
        &format!("savepointd pin {newest}"),
        "restore.allow_non_restored_state = true",
        "restore.on_failed = \"previous\"",
    ]);
    assert!(about(&choice, &newest).contains("could not restore it in 3 starts in a row"));
    let once = after(tried(failed(2..=2))).change(|situation| situation.policy.if_failed.attempts = 1);
    once.refuses(&["in one start"]);
}

#[test]
fn the_policy_allows_the_next_older_point_and_says_so() {
    let past = || tried(failed(2..=4));
    let older = checkpoint_path(1, 4);
    let choice = after(past()).previous_if_failed().restores(
        &older,
        &["older than the newest known", "restore.on_failed allows", &checkpoint_path(1, 5), "Cannot map"],
    );
    assert!(about(&choice, &checkpoint_path(1, 3)).contains("older than the newest point of the line"));
    // That one runs: its line goes on, and the point that failed is history.
    let mut on = past();
    on.push(epoch(5).restored_from(1, 4).confirmed().checkpoint(5));
    let choice = after(on).previous_if_failed().restores(&checkpoint_path(5, 5), &["newest point"]);
    let gone = about(&choice, &checkpoint_path(1, 5));
    assert_eq!(gone, "number 5 of epoch 1, but epoch 5 went on from an earlier point, number 4 of epoch 1");
}

#[test]
fn when_no_point_can_be_restored_the_job_does_not_begin_with_nothing() {
    let mut past = tried(failed(2..=4));
    past.extend((5..=7).map(|number| epoch(number).restored_from(1, 4).failed()));
    after(past.clone()).previous_if_failed().restores(&checkpoint_path(1, 3), &["older"]);
    past.extend((8..=10).map(|number| epoch(number).restored_from(1, 3).failed()));
    after(past).previous_if_failed().refuses(&["no whole point is left", "Cannot map", "savepointd fresh"]);
}

#[test]
fn a_restore_that_flink_made_begins_the_count_anew() {
    let mut past = tried(failed(2..=3));
    past.push(epoch(4).restored_from(1, 5).confirmed());
    past.extend(failed(5..=6));
    after(past.clone()).restores(&checkpoint_path(1, 5), &[]);
    past.extend(failed(7..=7));
    after(past).refuses(&["3 starts in a row"]);
}

#[test]
fn a_start_that_tells_nothing_neither_counts_nor_begins_the_count_anew() {
    let mut past = tried(failed(2..=3));
    past.push(epoch(4).restored_from(1, 5));
    past.push(epoch(5).restored_from(1, 5).void());
    past.push(epoch(6).fact(Fact::Unknown));
    after(past.clone()).restores(&checkpoint_path(1, 5), &[]);
    past.extend(failed(7..=7));
    after(past).refuses(&["3 starts in a row", "epoch 7"]);
}

#[test]
fn a_pin_or_a_new_restore_path_begins_the_count_anew() {
    let newest = checkpoint_path(1, 5);
    let past = || tried(failed(2..=4));
    after(past()).pinned(&newest).restores(&newest, &["pinned"]);
    after(past()).given(&newest).restores(&newest, &["new since the last start"]);
    for explicit in [None, Some(newest.clone())] {
        let again = |until: u64| {
            let mut past = past();
            past.extend((5..=until).map(|number| {
                let past = epoch(number).restored_from(1, 5);
                let past = match &explicit {
                    Some(path) => past.given(path),
                    None if number == 5 => past.by_pin(),
                    None => past,
                };
                past.failed()
            }));
            after(past).change(|situation| situation.explicit.clone_from(&explicit))
        };
        again(6).restores(&newest, &["newest point"]);
        again(7).refuses(&["3 starts in a row"]);
    }
}

#[test]
fn what_failed_while_no_state_might_be_left_out_says_nothing_of_a_start_where_it_may() {
    let allowed = |past| after(past).change(|situation| situation.policy.if_failed.allow_non_restored_state = true);
    allowed(tried(failed(2..=4))).restores(&checkpoint_path(1, 5), &["newest point"]);
    let mut past = tried(failed(2..=4));
    past.extend((5..=7).map(|number| epoch(number).restored_from(1, 5).failed_where(true)));
    let choice = allowed(past).refuses(&["3 starts in a row"]);
    assert!(!choice.reason.contains("allow_non_restored_state"), "{}", choice.reason);
}

#[test]
fn a_point_that_failed_does_not_hide_one_that_is_lost() {
    let mut past = tried([]);
    past[0] = past[0].clone().lost(6);
    past.extend(failed(2..=4));
    // What the base's own epoch had lost was settled when the base was chosen; what is lost since is not.
    after(past.clone()).previous_if_failed().restores(&checkpoint_path(1, 4), &[]);
    past.push(epoch(5).restored_from(1, 4).confirmed().lost(7));
    after(past).previous_if_failed().refuses(&["not there any more", "restore.on_broken"]);
}

#[test]
fn each_policy_answers_for_its_own_reason() {
    let case = after(tried(failed(2..=4))).proven_broken(&checkpoint_path(1, 4));
    case.clone().previous_if_failed().refuses(&["a file is missing", "restore.on_broken"]);
    case.clone().previous_if_broken().refuses(&["restore.on_failed"]);
    case.previous_if_failed().previous_if_broken().restores(&checkpoint_path(1, 3), &["restore.on_failed allows"]);
}
