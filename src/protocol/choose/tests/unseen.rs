//! A part of storage can't be seen by any listing: the record alone tells, and what it does not know is not guessed.

use super::*;
use crate::protocol::outcome::StopOutcome;

const WHY: &str = "viewfs://state can't be verified";

fn stopped(past: Past, outcome: StopOutcome) -> Past {
    past.fact(Fact::Stopped { outcome, reason: "test".into(), took: None })
}

/// A savepoint that nobody can look at, and whose number nobody knows.
fn unlooked(past: Past) -> Past {
    let (path, epoch) = (format!("viewfs://state/{}", past.number), Some(past.number));
    past.recorded(PointRef { path, checkpoint_id: None, epoch })
}

fn after_unseen(past: Vec<Past>) -> Case {
    after(past).change(|situation| {
        situation.unseen = Some(WHY.into());
        situation.policy.trust_unverifiable = true;
    })
}

#[test]
fn the_recorded_savepoint_of_the_last_stop_is_restored_and_said_to_be_by_the_record_alone() {
    let first = stopped(unlooked(epoch(1).fresh().progressed(3)), StopOutcome::Savepoint);
    let words = ["newest point of the line that ends in epoch 1", "by the record alone", WHY];
    after_unseen(vec![first.clone()]).restores("viewfs://state/1", &words);
    // One that has not come so far that it completed anything has left that the newest.
    let base = PointRef { path: "viewfs://state/1".into(), checkpoint_id: None, epoch: Some(1) };
    let second = epoch(2).based(Some(base));
    after_unseen(vec![first.clone(), second.clone()]).restores("viewfs://state/1", &["by the record alone"]);
    let unchanged = stopped(second.confirmed(), StopOutcome::Unchanged);
    after_unseen(vec![first, unchanged]).restores("viewfs://state/1", &["by the record alone"]);
}

#[test]
fn a_job_that_was_drained_is_held_by_the_record_alone_as_well() {
    let drained = stopped(unlooked(epoch(1).fresh()).by_draining(), StopOutcome::Savepoint);
    after_unseen(vec![drained.clone()]).holds(&["drained", "savepointd pin viewfs://state/1"]);
    let base = PointRef { path: "viewfs://state/1".into(), checkpoint_id: None, epoch: Some(1) };
    after_unseen(vec![drained, epoch(2).based(Some(base)).by_pin()]).restores("viewfs://state/1", &[]);
}

#[test]
fn what_may_be_newer_than_the_record_knows_is_refused_and_never_passed_over() {
    let first = || stopped(unlooked(epoch(1).fresh()), StopOutcome::Savepoint);
    let base = || Some(PointRef { path: "viewfs://state/1".into(), checkpoint_id: None, epoch: Some(1) });
    let way = ["savepointd pin PATH", "savepointd fresh", WHY];
    for (past, words) in [
        (epoch(2).based(base()).progressed(7), "completed checkpoints that the record does not name"),
        (unlooked(epoch(2).based(base())), "did not end with it"),
        (stopped(unlooked(epoch(2).based(base())), StopOutcome::Nothing), "did not end with it"),
        (unlooked(epoch(2).based(base())).ended(EndKind::Failed, None), "did not end with it"),
        (epoch(2).fresh(), "began with nothing"),
        // Seen where it can be listed.
        (stopped(unlooked(epoch(2).based(base())), StopOutcome::Savepoint).checkpoint(9), "may be newer than"),
    ] {
        let case = after_unseen(vec![first(), past]);
        let reason = case.refuses(&way).reason;
        assert!(reason.contains(words), "{words:?} is not in {reason:?}");
        // A policy that allows older ones in general does not make an unknown one known.
        case.previous_if_broken().refuses(&[words]);
    }
}

#[test]
fn nothing_is_never_taken_for_proven_where_not_all_is_seen() {
    after_unseen(Vec::new()).refuses(&["no history yet", WHY, "savepointd fresh"]);
    after_unseen(vec![epoch(1)]).refuses(&["no history yet"]);
    after_unseen(Vec::new()).allowed_fresh().begins_fresh(&["allowed by a person"]);
    after_unseen(Vec::new()).pinned("viewfs://state/x").restores("viewfs://state/x", &["pinned"]);
    after_unseen(Vec::new()).given("viewfs://state/x").restores("viewfs://state/x", &["given to Flink"]);
    let finished = epoch(1).fresh().ended(EndKind::Finished, None);
    after_unseen(vec![finished]).holds(&["finished"]);
}

#[test]
fn a_point_that_flink_could_not_restore_is_not_tried_for_ever() {
    let first = stopped(unlooked(epoch(1).fresh()), StopOutcome::Savepoint);
    let base = PointRef { path: "viewfs://state/1".into(), checkpoint_id: None, epoch: Some(1) };
    let failing = (2..=4).map(|number| epoch(number).based(Some(base.clone())).failed());
    after_unseen(std::iter::once(first).chain(failing).collect()).refuses(&["is not tried again"]);
}
