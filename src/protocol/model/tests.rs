//! What is explored, and what is found in protocols that are not ours.
#![expect(clippy::print_stdout, reason = "how much was explored")]

use std::collections::BTreeSet;

use stateright::{Checker as _, Expectation, HasDiscoveries, Model as _};

use super::mutation::Mutation;
use super::promises::{
    CAME_LATE, CAN_BE_LOST, COPIED, DURABLE_FIRST, ENDED, HANDED_OVER, LOST_REPLY, NEVER_BACK, NEVER_DELETED,
    NEVER_EMPTY, NOTED, ONE_EPOCH, OWN_END, PRUNED, REBUILT, REFUSED, RESTORED, WENT_BACK, WHOLE, ZOMBIE,
};
use super::{Cluster, Limits, World};
use crate::documents::evidence;

fn limits(faults: u8, wishes: u8, checkpoints: u8, prunes: u8) -> Limits {
    Limits { faults, wishes, checkpoints, prunes }
}

/// Goes through every world, or so many of those that are nearest to the beginning; gives what was seen.
fn explore(name: &str, begin: World, bound: Option<usize>) -> BTreeSet<&'static str> {
    let cluster = Cluster::new(vec![begin], None);
    let builder = cluster.checker().finish_when(HasDiscoveries::AnyFailures).threads(1);
    let builder = if let Some(bound) = bound { builder.target_state_count(bound) } else { builder };
    let checker = builder.spawn_bfs().join();
    let (found, states) = (checker.discoveries(), checker.state_count());
    let (different, depth) = (checker.unique_state_count(), checker.max_depth());
    let whole = if bound.is_some_and(|bound| states >= bound) { "the nearest, not all" } else { "all that there are" };
    let counted = [("states", states), ("of them different", different)];
    let counted = counted.map(|(name, count)| (name, u64::try_from(count).unwrap()));
    evidence::keep("the protocol's own machines under stateright, no promise broken", name, &counted);
    println!("{name}: {states} states, {different} of them different, up to {depth} steps deep: {whole}");
    let mut seen = BTreeSet::new();
    for property in super::promises::all() {
        let Some(path) = found.get(property.name) else { continue };
        let actions = path.clone().into_actions();
        assert_eq!(property.expectation, Expectation::Sometimes, "{} is broken by {actions:#?}", property.name);
        println!("  after {} steps: {}", actions.len(), property.name);
        seen.insert(property.name);
    }
    seen
}

/// The checker finds this promise, and no other, broken by a protocol that is not ours.
fn finds(begin: World, mutation: Mutation, promise: &str) {
    let cluster = Cluster::new(vec![begin], Some(mutation));
    let checker = cluster.checker().finish_when(HasDiscoveries::AnyFailures).threads(1).spawn_bfs().join();
    let mut found = checker.discoveries();
    found.retain(|name, _| name.starts_with(|first: char| first.is_ascii_digit()));
    let nearest =
        found.iter().map(|(name, path)| (path.clone().into_actions(), *name)).min_by_key(|(steps, _)| steps.len());
    let (steps, broken) = nearest.expect("nothing was found");
    assert_eq!(broken, promise, "{mutation:?}: {steps:#?}");
    println!("{mutation:?}: {promise}: broken after {} steps, {} states", steps.len(), checker.unique_state_count());
}

#[track_caller]
fn shows(seen: &BTreeSet<&str>, worlds: &[&str]) {
    let missing: Vec<_> = worlds.iter().filter(|name| !seen.contains(*name)).collect();
    assert!(missing.is_empty(), "worlds that are gone through must be interesting: {missing:?}");
}

#[test]
fn the_protocol_keeps_its_promises_in_every_world_without_faults_and_with_a_wish() {
    let seen = explore("a wish", World::lived(1, true, 3, limits(0, 1, 0, 0)), None);
    shows(&seen, &[RESTORED, REFUSED, HANDED_OVER, WENT_BACK, ENDED]);
    let seen = explore("retention", World::lived(2, true, 4, limits(0, 0, 0, 1)), None);
    shows(&seen, &[RESTORED, HANDED_OVER, PRUNED]);
}

#[test]
fn the_protocol_keeps_its_promises_in_the_nearest_100_000_worlds_with_a_fault() {
    let seen = explore("a fault", World::lived(1, true, 3, limits(1, 0, 0, 0)), Some(100_000));
    shows(&seen, &[RESTORED, LOST_REPLY, CAME_LATE, REFUSED, HANDED_OVER, REBUILT, NOTED, COPIED]);
}

#[test]
#[ignore = "full size"]
fn the_protocol_keeps_its_promises_in_every_world_with_a_fault() {
    explore("a fault", World::lived(1, true, 3, limits(1, 0, 0, 0)), None);
    explore("a fault while two start", World::lived(1, false, 3, limits(1, 0, 0, 0)), None);
    explore("a fault at the first start of all", World::new(2, limits(1, 0, 0, 0)), None);
}

/// `SPTEST_WORLDS`: how many of each kind.
#[test]
#[ignore = "full size"]
fn the_protocol_keeps_its_promises_in_the_nearest_worlds_with_faults_and_wishes_together() {
    let bound = std::env::var("SPTEST_WORLDS").map_or(300_000, |worlds| worlds.parse().unwrap());
    let mut seen = BTreeSet::new();
    for (name, begin) in [
        ("a wish and a checkpoint at the first starts", World::new(2, limits(0, 1, 1, 0))),
        ("a wish and retention", World::lived(2, true, 4, limits(0, 1, 0, 1))),
        ("a fault and a wish", World::lived(1, true, 3, limits(1, 1, 0, 0))),
        ("a fault and a checkpoint", World::lived(1, true, 3, limits(1, 0, 1, 0))),
        ("a fault, four pods", World::lived(1, true, 4, limits(1, 0, 0, 0))),
        ("two faults", World::lived(1, true, 3, limits(2, 0, 0, 0))),
    ] {
        seen.extend(explore(name, begin, Some(bound)));
    }
    shows(&seen, &[RESTORED, LOST_REPLY, CAME_LATE, ZOMBIE, REFUSED, HANDED_OVER, REBUILT, NOTED, COPIED]);
    shows(&seen, &[WENT_BACK, PRUNED, ENDED]);
}

#[test]
fn the_checker_finds_a_start_that_takes_what_can_not_be_listed_for_empty() {
    finds(World::lived(0, true, 2, limits(1, 0, 0, 0)).crashed(), Mutation::AwayIsAbsent, NEVER_EMPTY);
}

#[test]
fn the_checker_finds_a_start_that_overlooks_the_newest_point() {
    finds(World::lived(1, true, 3, limits(1, 0, 0, 0)), Mutation::OldListing, NEVER_BACK);
}

#[test]
fn the_checker_finds_a_stop_that_takes_silence_for_consent() {
    finds(World::lived(1, true, 2, limits(1, 0, 0, 0)), Mutation::SilenceIsDone, DURABLE_FIRST);
}

#[test]
fn the_checker_finds_a_record_without_its_fence() {
    finds(World::lived(1, true, 3, limits(1, 0, 0, 0)), Mutation::NoFence, ONE_EPOCH);
}

#[test]
fn the_checker_finds_a_stop_that_does_not_look_whether_its_savepoint_is_whole() {
    finds(World::lived(1, true, 2, limits(1, 0, 0, 0)), Mutation::NoLook, WHOLE);
}

#[test]
fn the_checker_finds_a_retention_that_does_not_see_a_pin() {
    finds(World::lived(2, true, 3, limits(0, 1, 0, 1)), Mutation::Blind, NEVER_DELETED);
}

#[test]
fn the_checker_finds_a_start_that_leaves_no_marker() {
    finds(World::lived(1, false, 3, limits(1, 0, 0, 0)), Mutation::NoMark, CAN_BE_LOST);
}

#[test]
fn the_checker_finds_an_agent_that_does_not_tell_of_its_jobs_end() {
    finds(World::lived(1, true, 3, limits(0, 1, 0, 0)), Mutation::NoEnd, OWN_END);
}

#[test]
fn the_checker_finds_a_start_that_is_let_go_with_a_number_that_was_given_twice() {
    finds(World::lived(1, false, 3, limits(1, 0, 0, 0)), Mutation::GivenTwice, CAN_BE_LOST);
}
