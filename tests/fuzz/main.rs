//! Hostile input: whatever is read that others wrote. Each target hands bytes to production's own readers and asserts what has to hold
//! for any of them (`targets/`); here they are made of the committed corpus by mutation, a fixed number of them. `tests/fuzz.sh` has
//! libFuzzer look for more, guided by what the bytes reach in the program.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(unreachable_pub, reason = "nobody else uses it")]

mod corpus;
mod mutate;
mod targets;

use proptest::test_runner::{Config, RngSeed, TestError, TestRunner};

use targets::{TARGETS, Target};

/// So many inputs are made for each target; `SPTEST_FUZZ_CASES` says otherwise, and `SPTEST_FUZZ_SEED` has others made.
const CASES: u32 = 500;

fn number<T: std::str::FromStr>(variable: &str) -> Option<T> {
    std::env::var(variable).ok()?.parse().ok()
}

fn survives(name: &str) {
    let target = TARGETS.iter().find(|target| target.name == name).unwrap();
    let corpus = corpus::of(name);
    assert!(!corpus.is_empty(), "tests/fuzz/corpus/{name} is empty");
    for (file, bytes) in &corpus {
        bounded(target, bytes).unwrap_or_else(|why| panic!("{file}: {why}"));
    }
    let cases = number("SPTEST_FUZZ_CASES").unwrap_or(CASES) / target.costs;
    let seed = RngSeed::Fixed(number("SPTEST_FUZZ_SEED").unwrap_or(1));
    let config =
        Config { cases, rng_seed: seed, failure_persistence: None, max_shrink_iters: 2_000, ..Config::default() };
    let inputs: Vec<Vec<u8>> = corpus.into_iter().map(|(_, bytes)| bytes).collect();
    let result = TestRunner::new(config).run(&mutate::mutated(inputs), |bytes| {
        bounded(target, &bytes).map_err(proptest::test_runner::TestCaseError::fail)
    });
    if let Err(TestError::Fail(why, bytes)) = &result {
        panic!("{name}: {why}\n{:?}", String::from_utf8_lossy(bytes));
    }
    result.unwrap();
}

/// No panic, and no more memory than the input's length gives a right to.
fn bounded(target: &Target, bytes: &[u8]) -> Result<(), String> {
    let mut failed = None;
    let used = allocation_counter::measure(|| {
        failed = std::panic::catch_unwind(|| (target.check)(bytes)).err();
    });
    if let Some(panic) = failed {
        let said = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
        return Err(format!("it panicked: {}", said.unwrap_or("without words")));
    }
    let most = target.memory.saturating_add(4_000 * bytes.len() as u64);
    if used.bytes_max > most {
        return Err(format!("{} bytes of memory for {} bytes of input", used.bytes_max, bytes.len()));
    }
    Ok(())
}

#[test]
fn any_metadata_is_survived() {
    survives("metadata");
}

#[test]
fn any_completed_checkpoint_of_high_availability_is_survived() {
    survives("completed-checkpoint");
}

#[test]
fn any_record_is_survived() {
    survives("record");
}

#[test]
fn any_marker_is_survived() {
    survives("marker");
}

#[test]
fn any_answer_of_flink_is_survived() {
    survives("flink");
}

#[test]
fn any_message_of_the_sockets_is_survived() {
    survives("messages");
}

#[test]
fn any_configuration_is_survived() {
    survives("configuration");
}

#[test]
fn any_configuration_of_flink_is_survived() {
    survives("flink-configuration");
}

#[test]
fn any_manifest_is_survived() {
    survives("manifests");
}

#[test]
fn any_saved_plan_is_survived() {
    survives("plan");
}

#[test]
fn any_command_line_is_survived() {
    survives("command");
}

#[test]
fn any_path_is_survived() {
    survives("path");
}

#[test]
fn each_target_has_a_test() {
    let tests = include_str!("main.rs");
    for target in TARGETS {
        assert!(tests.contains(&format!("    survives({:?});", target.name)), "{}", target.name);
    }
}

#[test]
fn a_target_that_takes_more_memory_than_it_may_or_panics_is_told() {
    let target = |check| Target { name: "a wrong one", check, memory: 1_000, costs: 1 };
    let greedy = target(|_| drop(std::hint::black_box(vec![0_u8; 1 << 20])));
    assert!(bounded(&greedy, b"x").unwrap_err().contains("bytes of memory for 1 bytes"));
    let broken = target(|bytes| assert!(bytes.is_empty(), "not empty"));
    assert!(bounded(&broken, b"").is_ok() && bounded(&broken, b"x").unwrap_err().contains("not empty"));
}
