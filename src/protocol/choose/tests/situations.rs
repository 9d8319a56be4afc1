//! One named situation after the other.

use super::*;

#[test]
fn a_first_start_begins_with_nothing() {
    after(vec![]).begins_fresh(&["first start", "no record", "every directory"]);
}

#[test]
fn a_first_start_is_refused_where_the_policy_says_so_and_a_token_answers_that() {
    let case = after(vec![]).change(|situation| situation.policy.fresh_without_history = false);
    case.refuses(&["restore.on_no_state", "savepointd fresh"]);
    let choice = case.allowed_fresh().begins_fresh(&["allowed by a person"]);
    assert_eq!(choice.consumed, Some(Id::from_bytes([7; 16])));
}

#[test]
fn a_job_that_has_points_is_not_adopted_without_being_asked_which() {
    let foreign = epoch(1).under(Id::from_bytes([0xab; 16]));
    let case = start(1, vec![foreign.checkpoint(7).checkpoint(8)]);
    let path = format!("s3://flink/checkpoints/{}/chk-", Id::from_bytes([0xab; 16]));
    case.refuses(&[&format!("{path}7"), &format!("{path}8"), "savepointd pin", "savepointd fresh"]);
    case.clone().pinned(&format!("{path}8")).restores(&format!("{path}8"), &["pinned"]);
    case.allowed_fresh().begins_fresh(&["allowed by a person"]);
}

#[test]
fn a_damaged_point_is_no_proof_that_there_is_no_history() {
    let foreign = start(1, vec![epoch(1).under(Id::from_bytes([0xab; 16])).damaged_checkpoint(7)]);
    foreign.refuses(&["not whole", "wrong magic number", "savepointd pin", "savepointd fresh"]);
}

#[test]
fn a_new_restore_path_counts_once_and_then_its_line_goes_on() {
    let (old, other) = ("s3://elsewhere/savepoint-a", "s3://elsewhere/savepoint-b");
    let case = after(vec![epoch(1).fresh().checkpoint(5)]).given(old);
    case.restores(old, &["given to Flink", "new since the last start"]);
    // The same path at the next start: the points after it count.
    let based = epoch(2).restored_from_elsewhere(old, 30).given(old);
    let past = vec![epoch(1).fresh().checkpoint(5), based.clone().checkpoint(31)];
    after(past.clone()).given(old).restores(&checkpoint_path(2, 31), &["newest point"]);
    after(past.clone()).given("s3://elsewhere/savepoint-a/_metadata").restores(&checkpoint_path(2, 31), &[]);
    after(past).given(other).restores(other, &["new since the last start"]);
    // Before anything was completed it stays the base, given again or not.
    let past = vec![epoch(1).fresh().checkpoint(5), based];
    after(past.clone()).given(old).restores(old, &["newest point"]);
    after(past).restores(old, &["newest point"]);
}

#[test]
fn a_pin_outranks_a_restore_path() {
    let case = after(vec![epoch(1).fresh().checkpoint(5).checkpoint(6)]).given("s3://elsewhere/savepoint-a");
    case.pinned(&checkpoint_path(1, 5)).restores(&checkpoint_path(1, 5), &["pinned"]);
}

#[test]
fn a_pinned_base_stays_the_base_when_nothing_was_completed_after_it() {
    let past = vec![epoch(1).fresh().checkpoint(3).checkpoint(4).checkpoint(5), epoch(2).restored_from(1, 3)];
    let choice = after(past).restores(&checkpoint_path(1, 3), &["newest point of the line"]);
    assert!(about(&choice, &checkpoint_path(1, 5)).contains("went on from an earlier point"));
}

#[test]
fn what_was_completed_after_a_pin_wins_over_the_higher_numbers_of_the_abandoned_history() {
    let past = vec![
        epoch(1).fresh().checkpoint(3).checkpoint(4).checkpoint(5).saved(6),
        epoch(2).restored_from(1, 3).checkpoint(4),
    ];
    let choice = after(past).restores(&checkpoint_path(2, 4), &["epoch 2"]);
    for abandoned in [checkpoint_path(1, 4), checkpoint_path(1, 5), savepoint_path(1, 6)] {
        assert!(about(&choice, &abandoned).contains("went on from an earlier point"));
    }
    let base = about(&choice, &checkpoint_path(1, 3));
    assert_eq!(base, "number 3 of epoch 1, older than the newest point of the line, number 4 of epoch 2");
}

#[test]
fn a_pin_of_what_is_known_to_be_broken_is_refused() {
    let case = after(vec![epoch(1).fresh().checkpoint(3).damaged_checkpoint(2)]);
    case.clone().pinned(&checkpoint_path(1, 2)).refuses(&["pinned", "wrong magic number"]);
    let lost = checkpoint_path(1, 9);
    case.previous_if_broken().pinned(&lost).proven_broken(&lost).refuses(&["pinned", "a file is missing"]);
}

#[test]
fn a_fresh_token_counts_once_and_its_beginning_stays_until_a_point_is_complete() {
    let old = epoch(1).fresh().checkpoint(5);
    after(vec![old.clone()]).allowed_fresh().begins_fresh(&["savepointd fresh"]);
    let crashed = vec![old.clone(), epoch(2).fresh()];
    let choice = after(crashed).begins_fresh(&["epoch 2 began with nothing"]);
    assert_eq!(about(&choice, &checkpoint_path(1, 5)), "number 5 of epoch 1, but epoch 2 began with nothing");
    after(vec![old, epoch(2).fresh().checkpoint(1)]).restores(&checkpoint_path(2, 1), &["newest"]);
}

#[test]
fn what_a_zombie_of_an_older_epoch_completes_is_not_chosen() {
    let zombie = epoch(1).fresh().checkpoint(5).checkpoint(6).checkpoint(40);
    let past = vec![zombie.clone(), epoch(2).restored_from(1, 5)];
    let choice = after(past).restores(&checkpoint_path(1, 5), &["epoch 2"]);
    assert!(about(&choice, &checkpoint_path(1, 40)).contains("went on from an earlier point"));
    let past = vec![zombie, epoch(2).restored_from(1, 5).checkpoint(6)];
    after(past).restores(&checkpoint_path(2, 6), &["epoch 2"]);
}

#[test]
fn numbers_not_above_the_base_were_not_restored_from_it() {
    let past = vec![epoch(1).fresh().checkpoint(5), epoch(2).restored_from(1, 5).checkpoint(1).checkpoint(5)];
    let choice = after(past).restores(&checkpoint_path(1, 5), &[]);
    for rejected in [1, 5] {
        assert!(about(&choice, &checkpoint_path(2, rejected)).contains("not restored from it"));
    }
}

#[test]
fn a_void_epoch_is_passed_over_with_its_points_and_its_restore_path() {
    let past = vec![epoch(1).fresh().checkpoint(5), epoch(2).restored_from(1, 5).given("/x").checkpoint(6).void()];
    let choice = after(past.clone()).restores(&checkpoint_path(1, 5), &["epoch 1"]);
    assert!(about(&choice, &checkpoint_path(2, 6)).contains("void: it ran from nothing"));
    after(past).given("/x").restores("file:///x", &["new since the last start"]);
    // A first epoch that is void proves nothing about the directories.
    after(vec![epoch(1).fresh().checkpoint(6).void()]).refuses(&["no history yet", "savepointd pin"]);
}

#[test]
fn a_recorded_point_that_is_gone_is_a_gap() {
    let past = vec![epoch(1).fresh().checkpoint(4).lost(5)];
    let gone = savepoint_path(1, 5);
    after(past.clone()).refuses(&[&gone, "not there any more", "restore.on_broken", "savepointd pin"]);
    let older = after(past.clone()).previous_if_broken();
    older.restores(&checkpoint_path(1, 4), &["older than the newest known", &gone]);
    let foreign = "s3://elsewhere/savepoint";
    after(past).given(foreign).restores(foreign, &["given to Flink"]);
}

#[test]
fn a_recorded_point_of_unknown_number_that_is_gone_is_a_gap_too() {
    // Flink named it, but the agent could not look: no number is known.
    let path = savepoint_path(1, 5);
    let unlooked = || {
        epoch(1).fresh().checkpoint(4).recorded(PointRef { path: path.clone(), checkpoint_id: None, epoch: Some(1) })
    };
    after(vec![unlooked()]).refuses(&[&path, "not there any more"]);
    after(vec![unlooked()]).previous_if_broken().restores(&checkpoint_path(1, 4), &["older", &path]);
    after(vec![unlooked().unrecorded_savepoint(5)]).restores(&path, &["newest point"]);
    after(vec![unlooked().saved(6)]).restores(&savepoint_path(1, 6), &["newest point"]);
}

#[test]
fn an_older_recorded_point_that_is_gone_is_no_gap() {
    after(vec![epoch(1).fresh().lost(3).checkpoint(4)]).restores(&checkpoint_path(1, 4), &["newest point"]);
}

#[test]
fn an_epoch_that_had_progressed_and_has_nothing_left_does_not_begin_with_nothing() {
    let case = after(vec![epoch(1).fresh().progressed(1)]);
    case.refuses(&["epoch 1", "completed checkpoint 1", "neither that nor a later point"]);
    case.previous_if_broken().refuses(&["no whole point is left", "savepointd fresh"]);
    let case = after(vec![epoch(1).fresh().checkpoint(5), epoch(2).restored_from(1, 5).progressed(6)]);
    case.refuses(&["epoch 2", "completed checkpoint 6"]);
    case.previous_if_broken().restores(&checkpoint_path(1, 5), &["older than the newest known", "checkpoint 6"]);
}

#[test]
fn a_checkpoint_that_the_job_has_restored_by_itself_was_complete() {
    let restored = |path: String, id| {
        let fact = Fact::Confirmed {
            job_id: JobId::derived(CLUSTER, 2),
            restored: Some(PointRef { path, checkpoint_id: Some(id), epoch: None }),
        };
        vec![epoch(1).fresh().checkpoint(5), epoch(2).restored_from(1, 5).fact(fact)]
    };
    after(restored(checkpoint_path(2, 7), 7)).refuses(&["epoch 2", "completed checkpoint 7"]);
    after(restored(checkpoint_path(1, 5), 5)).restores(&checkpoint_path(1, 5), &["newest point"]);
}

#[test]
fn a_damaged_newest_point_is_refused_or_passed_over_as_the_policy_says() {
    let past = vec![epoch(1).fresh().checkpoint(4).damaged_checkpoint(5)];
    after(past.clone()).refuses(&[&checkpoint_path(1, 5), "wrong magic number"]);
    let choice = after(past).previous_if_broken().restores(&checkpoint_path(1, 4), &["older"]);
    assert_eq!(about(&choice, &checkpoint_path(1, 5)), "wrong magic number");
    after(vec![epoch(1).fresh().damaged_checkpoint(4).checkpoint(5)])
        .restores(&checkpoint_path(1, 5), &["newest point"]);
}

#[test]
fn a_point_that_a_closer_look_proved_broken_is_refused_or_passed_over() {
    let newest = savepoint_path(1, 5);
    let case = after(vec![epoch(1).fresh().checkpoint(3).checkpoint(4).saved(5)]).proven_broken(&newest);
    case.refuses(&[&newest, "a file is missing", "restore.on_broken"]);
    let choice = case.clone().previous_if_broken().restores(&checkpoint_path(1, 4), &["older"]);
    assert_eq!(about(&choice, &newest), "a file is missing");
    let all = case.proven_broken(&checkpoint_path(1, 4)).proven_broken(&checkpoint_path(1, 3));
    all.previous_if_broken().refuses(&["no whole point is left"]);
}

#[test]
fn a_base_that_is_gone_leads_back_through_the_line_below_it() {
    let past = || vec![epoch(1).fresh().checkpoint(3).checkpoint(5), epoch(2).restored_from(1, 4)];
    let case = after(past()).proven_broken(&checkpoint_path(1, 4));
    case.refuses(&[&checkpoint_path(1, 4)]);
    let choice = case.previous_if_broken().restores(&checkpoint_path(1, 3), &["older"]);
    assert_eq!(about(&choice, &checkpoint_path(1, 4)), "a file is missing");
}

#[test]
fn what_is_half_written_is_ignored() {
    let choice = after(vec![epoch(1).fresh().checkpoint(4).half_written_checkpoint(5)])
        .restores(&checkpoint_path(1, 4), &["newest point"]);
    assert!(about(&choice, &checkpoint_path(1, 5)).contains("half-written"));
    start(1, vec![epoch(1).half_written_checkpoint(1)]).begins_fresh(&["first start"]);
}

#[test]
fn a_job_that_came_to_its_own_end_is_not_run_again() {
    for (how, word) in [(EndKind::Finished, "finished"), (EndKind::Cancelled, "cancelled")] {
        let case = after(vec![epoch(1).fresh().checkpoint(4).ended(how, None)]);
        case.holds(&[word, "savepointd fresh", "savepointd pin"]);
        case.clone().allowed_fresh().begins_fresh(&[]);
        case.pinned(&checkpoint_path(1, 4)).restores(&checkpoint_path(1, 4), &[]);
    }
    // After a person had it run again, it goes on as ever.
    let past = vec![epoch(1).fresh().ended(EndKind::Finished, None), epoch(2).fresh().checkpoint(1)];
    after(past).restores(&checkpoint_path(2, 1), &[]);
}

#[test]
fn a_job_that_a_person_stopped_goes_on_from_that_savepoint() {
    let path = "s3://mine/savepoint-x";
    let named = PointRef { path: path.into(), checkpoint_id: Some(9), epoch: None };
    let past = epoch(1).fresh().checkpoint(4).ended(EndKind::Stopped, Some(named));
    // Even where only the end itself is left of the record.
    after(vec![past.clone()]).refuses(&[path, "not there any more"]);
    let mut there = past.found(path.into(), false, whole(9));
    there.found.last_mut().unwrap().epoch = None;
    after(vec![there]).restores(path, &["newest point"]);
}

#[test]
fn a_job_that_failed_goes_on_from_its_newest_point() {
    after(vec![epoch(1).fresh().checkpoint(4).ended(EndKind::Failed, None)])
        .restores(&checkpoint_path(1, 4), &["newest"]);
}

#[test]
fn points_of_an_epoch_that_the_record_does_not_know_mean_that_the_record_is_old() {
    let past = || vec![epoch(1).fresh().checkpoint(4), epoch(2).checkpoint(5)];
    let case = start(4, past());
    case.refuses(&[&checkpoint_path(2, 5), "epoch 2", "record is older than the storage", "savepointd pin"]);
    case.previous_if_broken().pinned(&checkpoint_path(2, 5)).restores(&checkpoint_path(2, 5), &["pinned"]);
    let damaged = vec![epoch(1).fresh().checkpoint(4), epoch(2).damaged_checkpoint(5)];
    start(4, damaged).previous_if_broken().refuses(&["epoch 2", "record is older than the storage"]);
    // Without a record at all, too.
    start(3, vec![epoch(2).checkpoint(5)]).refuses(&["epoch 2", "savepointd pin"]);
}

#[test]
fn an_epoch_that_was_claimed_and_never_based_is_passed_over() {
    let mut claimed = epoch(2).fact(Fact::Unknown);
    claimed.facts.push(Fact::Unknown);
    after(vec![epoch(1).fresh().checkpoint(4), claimed]).restores(&checkpoint_path(1, 4), &["epoch 1"]);
}

#[test]
fn state_that_is_too_old_is_refused_and_a_pin_answers_that() {
    let old = |hours| {
        after(vec![epoch(1).fresh().saved(4)])
            .change(|situation| situation.policy.max_state_age = Some(SignedDuration::from_hours(hours)))
    };
    old(9).refuses(&["restore.max_state_age", "savepointd pin"]);
    old(10).restores(&savepoint_path(1, 4), &[]);
    old(9).pinned(&savepoint_path(1, 4)).restores(&savepoint_path(1, 4), &[]);
    // A person has asked for it: it stays the base, old or not, until something newer is complete.
    let asked = |past: Past| {
        after(vec![epoch(1).fresh().saved(4).saved(5), past])
            .change(|situation| situation.policy.max_state_age = Some(SignedDuration::from_hours(9)))
    };
    let path = savepoint_path(1, 4);
    let base = || epoch(2).based(Some(PointRef { path: path.clone(), checkpoint_id: Some(4), epoch: Some(1) }));
    asked(base()).refuses(&["restore.max_state_age"]);
    asked(base().by_pin()).restores(&path, &["newest point"]);
    asked(base().given(&path)).restores(&path, &["newest point"]);
    asked(base().by_pin().saved(6)).refuses(&[&savepoint_path(2, 6), "restore.max_state_age"]);
    let unknown = old(10).change(|situation| {
        situation.found.iter_mut().for_each(|found| found.modified = None);
        situation.history.epochs.get_mut(&1).unwrap().saved.clear();
    });
    unknown.refuses(&["unknown age"]);
}

#[test]
fn a_savepoint_in_flinks_default_directory_is_the_epochs_that_had_not_seen_it() {
    let past = |seen: &[String], id| {
        vec![epoch(1).fresh().checkpoint(4), epoch(2).restored_from(1, 4).had_seen(seen).manual_savepoint(id)]
    };
    after(past(&[], 9)).restores(&manual_path(9), &["newest point", "epoch 2"]);
    let choice = after(past(&[manual_path(9)], 9)).restores(&checkpoint_path(1, 4), &[]);
    assert!(about(&choice, &manual_path(9)).contains("not known to be of this cluster"));
    after(past(&[], 3)).restores(&checkpoint_path(1, 4), &[]);
}

#[test]
fn savepoints_whose_epoch_nothing_tells_are_remembered_under_the_job_id_that_is_used() {
    let fixed = Id::from_bytes([0xcd; 16]);
    let case = after(vec![epoch(1).fresh().manual_savepoint(9)]);
    assert_eq!(unattributed(&case.situation, None), [manual_path(9)]);
    let case = after(vec![epoch(1).under(fixed).fresh().manual_savepoint(9)])
        .change(|situation| situation.fixed_job_id = Some(fixed));
    assert_eq!(unattributed(&case.situation, None), [manual_path(9)]);
}

#[test]
fn going_back_under_a_fixed_job_id_is_refused() {
    let fixed = Id::from_bytes([0xcd; 16]);
    let path = |id| format!("s3://flink/checkpoints/{fixed}/chk-{id}");
    let case = after(vec![epoch(1).under(fixed).fresh().checkpoint(4).checkpoint(5)])
        .change(|situation| situation.fixed_job_id = Some(fixed));
    case.restores(&path(5), &["newest"]);
    case.clone().pinned(&path(5)).restores(&path(5), &["pinned"]);
    case.clone().pinned(&path(4)).refuses(&["going back", "--job-id", &path(5)]);
    case.clone().allowed_fresh().refuses(&["going back to checkpoint id 0"]);
    case.given("s3://elsewhere/unknown").refuses(&["going back"]);
}

#[test]
fn a_start_that_died_before_its_base_takes_no_points_away_from_a_fixed_job_id() {
    let fixed = Id::from_bytes([0xcd; 16]);
    let past = vec![epoch(1).under(fixed).fresh().checkpoint(5), epoch(2).under(fixed).fact(Fact::Unknown)];
    let case = after(past).change(|situation| situation.fixed_job_id = Some(fixed));
    case.restores(&format!("s3://flink/checkpoints/{fixed}/chk-5"), &["newest point", "epoch 1"]);
}
