//! The kill matrix: at each effect of agent, run and guard that somebody else could see, as a traced run shows them, the process
//! is killed, told to end, or stands still for longer than the deadline; and then comes the next start.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a test fails by panicking, and real processes need the real clock"
)]
#![allow(unreachable_pub, reason = "nobody else uses it")]
#![allow(clippy::format_push_string, reason = "short beats fast here")]
#![allow(clippy::print_stderr, reason = "a test that can't run here says so")]

#[path = "../support/mod.rs"]
mod support;
#[allow(dead_code, clippy::unused_self, reason = "a part of it is used here")]
#[path = "../wire/world.rs"]
mod world;

mod cells;
mod judge;
mod life;
mod pod;
mod table;

use cells::{Cell, at_once, cells, rotated};
use life::{Life, Lived};
use support::evidence;
use support::trace::can_trace;
use table::Table;

/// What every run of this life shows, however the processes take turns.
fn always_seen(life: Life) -> Vec<String> {
    let (once, again) = std::thread::scope(|scope| {
        let again = scope.spawn(|| traced(life));
        (traced(life), again.join().unwrap())
    });
    once.into_iter().filter(|effect| again.contains(effect)).collect()
}

/// The effects of a life on which no blow falls, and which holds every promise.
fn traced(life: Life) -> Vec<String> {
    let lived = life.live(None);
    let Lived { outcome, .. } = &lived;
    assert!(outcome.problems.is_empty() || outcome.is_only_late(), "{lived:#?}");
    assert_eq!(lived.outcome.restored, "final", "{lived:#?}");
    lived.effects
}

/// Each effect gets one blow, another one for each effect, and is in the table of the full size.
fn each_effect_is_struck_once(life: Life) {
    if !can_trace() {
        return;
    }
    let effects = always_seen(life);
    let known = Table::committed();
    let new: Vec<&String> = effects.iter().filter(|effect| !known.has(life, effect)).collect();
    let results = at_once(rotated(life, &effects));
    let bad: Vec<String> = results.iter().filter(|(_, result)| !result.is_safe()).map(Cell::told).collect();
    assert!(bad.is_empty(), "{} of {} cells:\n{}", bad.len(), results.len(), bad.join("\n"));
    let renew = "run `cargo nextest run --test kills --run-ignored only` and commit its table";
    if known.is_empty() {
        eprintln!("tests/kill-matrix.md is not made yet: {renew}");
        return;
    }
    assert!(new.is_empty(), "not in tests/kill-matrix.md, {renew}: {new:#?}");
}

#[test]
fn no_blow_at_any_effect_loses_state() {
    each_effect_is_struck_once(Life::Files);
}

#[test]
fn no_blow_at_any_effect_loses_state_where_run_finishes_alone() {
    each_effect_is_struck_once(Life::Alone);
}

#[test]
fn no_blow_at_any_effect_loses_state_in_pods_with_a_guard() {
    each_effect_is_struck_once(Life::Pods);
}

#[test]
#[ignore = "full size"]
fn no_blow_of_any_kind_at_any_effect_loses_state() {
    if !can_trace() {
        return;
    }
    let mut table = Table::default();
    // For a look that takes minutes: each nth cell.
    let every = std::env::var("SPTEST_KILLS_EVERY").map_or(1, |every| every.parse().unwrap());
    for life in Life::ALL {
        let mut effects = always_seen(life);
        // What only some runs show is struck as well.
        let more = traced(life);
        effects.extend(more.into_iter().filter(|effect| !effects.contains(effect)).collect::<Vec<_>>());
        let lived = cells(life, &effects).into_iter().step_by(every);
        let results = at_once(lived.collect());
        let unsafe_cells = results.iter().filter(|(_, result)| !result.is_safe()).count();
        let counts = [("effects", effects.len()), ("blows", results.len()), ("of them unsafe", unsafe_cells)];
        let counts = counts.map(|(name, count)| (name, u64::try_from(count).unwrap()));
        evidence::keep("SIGKILL, SIGTERM or SIGSTOP before and after each effect", life.title(), &counts);
        table.add(life, &effects, results);
    }
    table.write();
    let bad = table.unsafe_cells();
    assert!(bad.is_empty(), "{} cells:\n{}", bad.len(), bad.join("\n"));
}
