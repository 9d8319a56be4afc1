mod replay;

use proptest::prelude::*;

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn sample(measured: Measured, megabytes: u64, millis: u64, second: i64) -> Sample {
    let bytes = megabytes * 1_000_000;
    Sample { measured, written: bytes, state: bytes, took: Duration::from_millis(millis), at: at(second), first: false }
}

const STOP: Measured = Measured::Stop(Format::Native);

fn likely(evidence: &Evidence) -> f64 {
    predict(evidence, Format::Native, at(100)).unwrap().savepoint.likely.as_secs_f64()
}

/// A cluster whose every byte takes its time: 0.2 s, and 10 ms for each megabyte; a stop takes 0.5 s more.
fn steady(megabytes: &[u64], stops: &[u64]) -> Evidence {
    let here = megabytes.iter().zip(0..).map(|(mb, n)| sample(Measured::Checkpoint, *mb, 200 + 10 * mb, n)).collect();
    let before = stops.iter().zip(0..).map(|(mb, n)| sample(STOP, *mb, 700 + 10 * mb, n - 1_000)).collect();
    Evidence { here, before, ..Evidence::default() }
}

#[track_caller]
fn assert_near(found: f64, expected: f64, factor: f64) {
    assert!(found <= expected * factor && found >= expected / factor, "{found} is not near {expected}");
}

#[test]
fn without_anything_nothing_is_said() {
    assert_eq!(predict(&Evidence::default(), Format::Native, at(0)), None);
}

#[test]
fn a_first_stop_is_told_by_checkpoints_with_a_wide_range_and_says_so() {
    let prediction = predict(&steady(&[1_000; 5], &[]), Format::Native, at(100)).unwrap();
    assert_near(prediction.savepoint.likely.as_secs_f64(), 10.7, 1.5);
    assert!(prediction.savepoint.at_most >= prediction.savepoint.likely * 2, "{prediction:?}");
    assert_eq!(prediction.basis, "from 5 checkpoints, no stop was measured yet");
    let known = predict(&steady(&[1_000; 5], &[1_000, 1_000, 1_000]), Format::Native, at(100)).unwrap();
    let width = |savepoint: Expected| savepoint.at_most.as_secs_f64() / savepoint.likely.as_secs_f64();
    assert!(width(known.savepoint) < width(prediction.savepoint));
    assert_eq!(known.basis, "from 3 stops, 5 checkpoints");
}

#[test]
fn earlier_stops_tell_what_a_stop_takes_besides() {
    assert_near(likely(&steady(&[100; 5], &[50, 80])), 1.7, 1.2);
    assert_near(likely(&steady(&[1_000; 5], &[500, 800])), 10.7, 1.2);
}

#[test]
fn a_state_that_has_grown_since_takes_longer() {
    // 10 MB a second, the newest checkpoint 96 s ago.
    let evidence = steady(&[500, 510, 520, 530, 540], &[300, 400, 450]);
    let prediction = predict(&evidence, Format::Native, at(34)).unwrap();
    assert_eq!(prediction.bytes, Some(840_000_000));
    assert_near(prediction.savepoint.likely.as_secs_f64(), 9.1, 1.25);
    assert!(prediction.basis.contains("grows by 9.5 MiB a second"), "{}", prediction.basis);
}

#[test]
fn an_increment_is_not_the_state() {
    // Of 2 GB each checkpoint writes 20 MB, in 0.4 s.
    let mut evidence = steady(&[20; 8], &[]);
    for sample in &mut evidence.here {
        sample.state = 2_000_000_000;
    }
    let prediction = predict(&evidence, Format::Native, at(7)).unwrap();
    assert!(prediction.savepoint.likely > Duration::from_secs(5), "{prediction:?}");
    let checkpoint = prediction.checkpoint.unwrap();
    assert_near(checkpoint.likely.as_secs_f64(), 0.4, 1.5);
    assert!(prediction.basis.contains("incremental"), "{}", prediction.basis);
    let width = prediction.savepoint.at_most.as_secs_f64() / prediction.savepoint.likely.as_secs_f64();
    assert!(width >= 3.0, "nobody has seen it written whole: {width}");
}

#[test]
fn the_first_checkpoint_of_a_job_that_was_just_started_says_little_of_small_state_and_much_of_large() {
    // All increments but the first, which is cold.
    let after_a_start = |megabytes: u64, millis: u64| {
        let mut evidence = steady(&[2; 6], &[megabytes]);
        for sample in &mut evidence.here {
            sample.state = megabytes * 1_000_000;
        }
        let first = Sample { first: true, ..sample(Measured::Checkpoint, megabytes, millis, -1) };
        evidence.here.insert(0, first);
        likely(&evidence)
    };
    assert_near(after_a_start(10, 800), 0.8, 1.2);
    assert_near(after_a_start(10, 2_000), 0.8, 1.3);
    assert_near(after_a_start(2_000, 21_000), 20.7, 1.2);
}

#[test]
fn one_outlier_throws_nothing_off() {
    let calm = steady(&[400; 9], &[400, 400, 400, 400]);
    for (place, factor) in [(0, 10), (8, 10), (4, 30)] {
        let mut odd = calm.clone();
        odd.here[place].took *= factor;
        assert_near(likely(&odd), likely(&calm), 1.3);
    }
    let mut odd = calm.clone();
    odd.before[3].took *= 10;
    assert_near(likely(&odd), likely(&calm), 1.5);
    odd.before[3].took /= 100;
    assert_near(likely(&odd), likely(&calm), 1.5);
}

#[test]
fn before_the_first_checkpoint_the_point_that_was_restored_tells_the_size() {
    let evidence = Evidence { base_bytes: Some(600_000_000), ..steady(&[], &[300, 450, 600]) };
    let prediction = predict(&evidence, Format::Native, at(100)).unwrap();
    assert_eq!((prediction.bytes, prediction.checkpoint), (Some(600_000_000), None));
    assert_near(prediction.savepoint.likely.as_secs_f64(), 6.7, 1.25);
    let only = Evidence { base_bytes: Some(600_000_000), ..Evidence::default() };
    assert_eq!(predict(&only, Format::Native, at(100)).unwrap().basis, "only the size is known");
}

#[test]
fn the_canonical_format_takes_longer_and_what_was_measured_of_it_counts() {
    let evidence = steady(&[500; 5], &[500, 500]);
    let native = likely(&evidence);
    let canonical = predict(&evidence, Format::Canonical, at(100)).unwrap().savepoint;
    assert!(canonical.likely.as_secs_f64() > native * 1.3, "{canonical:?}");
    let slow = (0..4).map(|n| sample(Measured::Savepoint(Format::Canonical), 500, 25_000, n - 500));
    let measured = Evidence { before: evidence.before.iter().copied().chain(slow).collect(), ..evidence };
    let canonical = predict(&measured, Format::Canonical, at(100)).unwrap().savepoint;
    assert_near(canonical.likely.as_secs_f64(), 25.5, 1.3);
    assert_near(likely(&measured), native, 1.2);
}

#[test]
fn data_that_checkpoints_overtake_widens_the_range() {
    let evidence = steady(&[500; 5], &[500, 500]);
    let overtaken = Evidence { overtakes: true, ..evidence.clone() };
    let at_most = |evidence| predict(evidence, Format::Native, at(100)).unwrap().savepoint.at_most;
    assert!(at_most(&overtaken) > at_most(&evidence));
}

fn samples(count: usize) -> impl Strategy<Value = Vec<Sample>> {
    let one = (0..5, 0..2_000_000_000_000_u64, 0..1_000_u64, 0..100_000_000_u64, -1_000_000..1_000_000_i64);
    let one = one.prop_map(|(kind, state, share, millis, second)| Sample {
        measured: match kind {
            0 | 1 => Measured::Checkpoint,
            2 => Measured::Savepoint(Format::Canonical),
            3 => Measured::Stop(Format::Canonical),
            _ => STOP,
        },
        written: state / 1_000 * share,
        state,
        took: Duration::from_millis(millis),
        at: at(second),
        first: kind == 1,
    });
    prop::collection::vec(one, 0..count)
}

proptest! {
    #[test]
    fn whatever_was_measured_the_prediction_is_a_length_of_time(here in samples(12), before in samples(12), overtakes: bool) {
        let evidence = Evidence { here, before, base_bytes: Some(0), overtakes };
        for format in [Format::Native, Format::Canonical] {
            let prediction = predict(&evidence, format, at(0)).unwrap();
            for Expected { likely, at_most } in [Some(prediction.savepoint), prediction.checkpoint].into_iter().flatten() {
                prop_assert!(likely >= SHORTEST && likely <= at_most && at_most <= LONGEST);
            }
        }
    }

    #[test]
    fn more_state_never_takes_less(before in samples(12), some in 0..1_000_000_000_000_u64, more in 0..1_000_000_000_000_u64) {
        let of = |bytes| {
            let evidence = Evidence { before: before.clone(), base_bytes: Some(bytes), ..Evidence::default() };
            predict(&evidence, Format::Native, at(0)).unwrap().savepoint
        };
        let (less, more) = (of(some), of(some + more));
        prop_assert!(less.likely <= more.likely && less.at_most <= more.at_most, "{less:?} {more:?}");
    }
}
