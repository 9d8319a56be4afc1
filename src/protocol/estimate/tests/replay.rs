//! The stops of `cargo test --bench bars -- --bench estimate` once more, without Flink: `busy.jsonl` and `quiet.jsonl` are what that printed.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::super::*;

#[derive(Debug, Deserialize)]
struct Stop {
    backend: String,
    now: i64,
    /// Bytes written, bytes of state, milliseconds, when it was complete.
    checkpoints: Vec<[u64; 4]>,
    bytes: u64,
    took: u64,
}

/// Flink tells of what is this old.
const CACHED: u64 = 3_000;

fn at(milliseconds: u64) -> Timestamp {
    Timestamp::from_millisecond(i64::try_from(milliseconds).unwrap()).unwrap()
}

fn here(stop: &Stop) -> Vec<Sample> {
    let now = u64::try_from(stop.now).unwrap();
    let known = stop.checkpoints.iter().enumerate().filter(|(_, [.., at])| at + CACHED <= now);
    let sample = |(number, [written, state, took, complete]): (usize, &[u64; 4])| Sample {
        measured: Measured::Checkpoint,
        written: *written,
        state: *state,
        took: Duration::from_millis(*took),
        at: at(*complete),
        // Each stop came before the tenth checkpoint.
        first: number == 0,
    };
    known.map(sample).collect()
}

/// How many of these stops are predicted within a factor of 1.5, and how many took longer than was said at most; of how many.
fn predicted(measured: &str) -> (usize, usize, usize) {
    let stops = measured.lines().map(|line| serde_json::from_str::<Stop>(line).unwrap());
    let mut before: BTreeMap<String, Vec<Sample>> = BTreeMap::new();
    let (mut within, mut beyond, mut count) = (0, 0, 0);
    for stop in stops {
        let before = before.entry(stop.backend.clone()).or_default();
        let evidence = Evidence { here: here(&stop), before: before.clone(), ..Evidence::default() };
        let now = Timestamp::from_millisecond(stop.now).unwrap();
        let Expected { likely, at_most } = predict(&evidence, Format::Native, now).unwrap().savepoint;
        let took = Duration::from_millis(stop.took);
        // A first stop is counted apart.
        if !before.is_empty() {
            let ratio = likely.as_secs_f64() / took.as_secs_f64();
            within += usize::from(ratio.max(1.0 / ratio) <= 1.5);
            beyond += usize::from(took > at_most);
            count += 1;
        }
        let sample = Sample {
            measured: Measured::Stop(Format::Native),
            written: stop.bytes,
            state: stop.bytes,
            took,
            at: now,
            first: false,
        };
        before.push(sample);
    }
    (within, beyond, count)
}

/// Measured beside much other work, by which stops of the same state differed by a factor of two.
#[test]
fn most_stops_on_a_busy_machine_are_predicted_within_a_factor_of_one_and_a_half() {
    let (within, beyond, count) = predicted(include_str!("busy.jsonl"));
    assert!(within * 10 >= count * 7 && beyond * 10 <= count, "{within} within, {beyond} beyond, of {count}");
}

#[test]
fn most_stops_on_a_quiet_machine_are_predicted_within_a_factor_of_one_and_a_half() {
    let (within, beyond, count) = predicted(include_str!("quiet.jsonl"));
    assert!(within * 10 >= count * 8 && beyond * 20 <= count * 3, "{within} within, {beyond} beyond, of {count}");
}
