//! Which tests there are, as far as their sources tell.

use std::collections::BTreeSet;

use super::pages::{files, root, text};

/// Macros that make tests of the functions that they name.
const MAKERS: [&str; 2] = ["on_the_node!(", "on_each_flink!("];

/// The names of all tests, and of the programs that `tests/run.sh` runs.
pub struct Tests(BTreeSet<String>);

impl Tests {
    /// A program is named by its path.
    pub fn is_test(&self, name: &str) -> bool {
        if name.contains('/') {
            let runs = text("tests/run.sh") + &text(".ci/run");
            return root().join(name).exists() && (name == ".ci/run" || runs.contains(name));
        }
        self.0.contains(name)
    }
}

pub fn tests() -> Tests {
    let sources = ["src", "tests"].iter().flat_map(|folder| files(&root().join(folder), "rs"));
    Tests(sources.flat_map(|path| tests_of(&std::fs::read_to_string(path).unwrap())).collect())
}

fn tests_of(source: &str) -> Vec<String> {
    let functions = || source.lines().enumerate().filter_map(|(at, line)| Some((at, function(line)?)));
    let lines: Vec<&str> = source.lines().collect();
    let is_marked = |at: usize| {
        let before = lines[..at].iter().rev().map(|line| line.trim_start());
        before.take_while(|line| line.starts_with("#[")).any(|line| line.starts_with("#[test]"))
    };
    let made: Vec<&str> =
        MAKERS.iter().filter_map(|maker| Some(source.split_once(maker)?.1.split_once(");")?.0)).collect();
    let is_made = |name: &str| made.iter().any(|list| words(list).any(|word| word == name));
    functions().filter(|(at, name)| is_marked(*at) || is_made(name)).map(|(_, name)| name.to_owned()).collect()
}

fn function(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let line = line.strip_prefix("#[test] ").unwrap_or(line);
    words(line.strip_prefix("fn ")?).next()
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_')).filter(|word| !word.is_empty())
}

#[test]
fn a_function_is_a_test_only_where_it_is_marked_or_made_one() {
    let source = "
        #[test]
        #[ignore = \"full size\"]
        fn marked() {}
        on_each_flink!(on 1.20: made; on 2.3:);
        fn made(version: &str) {}
        /// #[test]
        fn neither() {}
    ";
    assert_eq!(tests_of(source), ["marked", "made"]);
}
