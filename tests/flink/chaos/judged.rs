//! The judge is judged, and a schedule comes again.

use super::fault::with_objects;
use crate::support::chaos::{Durable, Oracle, schedule};
use crate::support::life::Life;

fn life(first: u64, last: u64) -> Life {
    Life { first, last, jumps: 0, mismatches: 0 }
}

#[test]
fn what_follows_or_repeats_what_was_not_durable_is_fine() {
    let mut oracle = Oracle::default();
    assert_eq!(oracle.see(&[life(0, 90)]), 0);
    oracle.durable(Durable::all(&[life(0, 80)]));
    assert_eq!(oracle.see(&[life(0, 100), life(81, 120)]), 20);
    let lives = [life(0, 100), life(81, 120), life(121, 130)];
    oracle.durable(Durable::all(&lives[..2]));
    assert_eq!(oracle.see(&lives), 0);
}

#[test]
#[should_panic(expected = "went back too far")]
fn what_repeats_something_durable_is_not() {
    let mut oracle = Oracle::default();
    oracle.see(&[life(0, 100)]);
    oracle.durable(Durable::all(&[life(0, 100)]));
    oracle.see(&[life(0, 100), life(100, 120)]);
}

#[test]
#[should_panic(expected = "lost")]
fn what_leaves_something_out_is_not() {
    Oracle::default().see(&[life(0, 100), life(102, 120)]);
}

#[test]
fn a_seed_gives_its_schedule_again_in_which_each_fault_strikes_at_each_of_its_moments() {
    let faults = with_objects();
    let cells: usize = faults.iter().map(|(_, moments)| moments.len()).sum();
    let steps = schedule(7, cells, &faults);
    assert_eq!(steps, schedule(7, cells, &faults));
    assert_ne!(steps, schedule(8, cells, &faults));
    for (fault, moments) in faults {
        for moment in moments {
            assert!(steps.iter().any(|step| (step.fault, step.moment) == (fault, *moment)), "{fault:?} {moment:?}");
        }
    }
}
