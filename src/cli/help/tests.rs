use clap::FromArgMatches as _;

use super::*;
use crate::cli::kubectl::{self, Kubectl};

/// Every command that has a help, with what is typed for it.
fn commands() -> Vec<(String, Command)> {
    let mut all = Vec::new();
    for mut root in [command(), kubectl::command()] {
        root.build();
        let name = root.get_bin_name().unwrap_or_else(|| root.get_name()).to_owned();
        for verb in root.get_subcommands().filter(|verb| !verb.is_hide_set() && verb.get_name() != "help") {
            all.push((format!("{name} {}", verb.get_name()), verb.clone()));
        }
        all.push((name, root));
    }
    all
}

/// The command lines of an example: behind a pipe or a redirection, or in another's place, others begin.
fn lines_of(help: &str) -> Vec<Vec<String>> {
    let (_, examples) = help.split_once("Examples:\n").unwrap();
    let examples = examples.split("\n\n").next().unwrap().replace("\\\n", " ");
    let ours = |words: &[&str]| {
        let at = words.iter().rposition(|word| word.rsplit('/').next() == Some("savepointd"));
        let words: Vec<String> = words.iter().map(|word| word.trim_matches(['\'', '"']).to_owned()).collect();
        match (at, words.as_slice()) {
            (Some(at), _) => words[at..].to_vec(),
            (None, [kubectl, savepoints, ..]) if kubectl == "kubectl" && savepoints == "savepoints" => {
                words[1..].to_vec()
            }
            _ => Vec::new(),
        }
    };
    let lines = examples.lines().map(|line| {
        let parts = line.split(['|', '>']).map(|part| part.replace(['<', '(', ')'], " "));
        parts.map(|part| ours(&part.split_whitespace().collect::<Vec<_>>())).find(|words| !words.is_empty())
    });
    lines.map(Option::unwrap).collect()
}

#[test]
fn each_help_fits_a_screen_and_no_line_is_cut() {
    for (name, mut command) in commands() {
        // As it is printed, in the one form that `-h` and `--help` have.
        let help = command.clone().try_get_matches_from(["savepointd", "--help"]).unwrap_err().to_string();
        assert_eq!(help.lines().count(), command.render_help().to_string().lines().count(), "{name}");
        assert!(help.lines().count() <= 56, "{name} has {} lines:\n{help}", help.lines().count());
        for line in help.lines() {
            assert!(line.chars().count() <= WIDTH, "{name}: {line:?} is too long");
        }
    }
}

#[test]
fn each_example_can_be_typed() {
    for (name, mut command) in commands() {
        let help = command.render_help().to_string();
        assert!(help.contains("Examples:\n"), "{name} has no example:\n{help}");
        for words in lines_of(&help) {
            let parsed = if words[0] == "savepoints" {
                kubectl::command()
                    .try_get_matches_from(&words)
                    .and_then(|found| Kubectl::from_arg_matches(&found))
                    .map(drop)
            } else {
                super::command().try_get_matches_from(&words).and_then(|found| Cli::from_arg_matches(&found)).map(drop)
            };
            assert!(parsed.is_ok(), "{name}: {words:?}: {}", parsed.unwrap_err());
        }
    }
}

#[test]
fn each_verb_stands_in_one_group() {
    let mut grouped: Vec<&str> = GROUPS.iter().flat_map(|(_, verbs)| *verbs).map(|verb| verb.name).collect();
    let command = Cli::command();
    let mut verbs: Vec<&str> =
        command.get_subcommands().filter(|verb| !verb.is_hide_set()).map(Command::get_name).collect();
    grouped.sort_unstable();
    verbs.sort_unstable();
    assert_eq!(grouped, verbs);
}

#[test]
fn the_grammar_holds_together() {
    command().debug_assert();
    kubectl::command().debug_assert();
}
