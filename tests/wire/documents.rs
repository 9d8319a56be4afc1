//! The documents do what they say. Each fenced block has a comment before it that says what holds it to the truth:
//!
//! - `<!-- run: NAME -->`: it is run, by the test of that name in `documents/`, with programs of Kubernetes that keep what would
//!   go to an API server (`desk.rs`); what a real one makes of that, the tests on the node say.
//! - `<!-- output: NAME -->`: it is compared with what that test has printed.
//! - `<!-- test: NAME, … -->`: a test elsewhere, or a program that `tests/run.sh` runs, does the same.
//! - `<!-- drawing -->`: there is nothing to be run.
//!
//! A block without one fails, and so does a name that is no test's.

mod desk;
mod kubernetes;
mod mask;
pub mod names;
pub mod pages;
mod people;
mod processes;
mod truth;

use std::collections::BTreeSet;

use pages::{Note, blocks};

/// Every name of a block that is run, with the test that runs it.
const RUN: [&[&str]; 3] = [processes::RUN, kubernetes::RUN, people::RUN];

#[test]
fn each_block_is_held_to_the_truth_by_a_test() {
    let run: BTreeSet<&str> = RUN.iter().flat_map(|names| names.iter().copied()).collect();
    let tests = names::tests();
    let mut named = BTreeSet::new();
    for block in blocks() {
        let at = format!("{}:{}", block.page, block.line);
        match &block.note {
            Note::None => {
                panic!("{at}: no comment says what holds this block to the truth, see tests/wire/documents.rs")
            }
            Note::Drawing => assert_eq!(block.language, "text", "{at}: what can be run is no drawing"),
            Note::Run(name) | Note::Output(name) => {
                assert!(run.contains(name.as_str()), "{at}: nothing here runs {name}");
                named.insert(name.clone());
            }
            Note::Test(tested) => {
                for name in tested {
                    assert!(tests.is_test(name), "{at}: there is no test {name}");
                }
            }
        }
    }
    let unused: Vec<&&str> = run.iter().filter(|name| !named.contains(**name)).collect();
    assert!(unused.is_empty(), "no block is called {unused:?}");
}

#[test]
fn each_promise_has_tests_that_are_there() {
    let page = pages::text("src/protocol/README.md");
    let tests = names::tests();
    let promises = pages::rows(&page, "| | promise | fails when it is broken |");
    let numbers: Vec<&str> = promises.iter().map(|row| row[0].as_str()).collect();
    assert_eq!(numbers, ["1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12"]);
    for row in &promises {
        let named = pages::quoted(&row[2]);
        assert!(named.len() > 1, "promise {}", row[0]);
        for name in named {
            assert!(tests.is_test(&name), "promise {}: there is no test {name}", row[0]);
        }
    }
}
