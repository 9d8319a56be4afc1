//! Completions: what the word that is being typed may become. The shells' scripts ask the binary itself, so that what they offer is
//! what this build takes.

use clap::builder::StyledStr;
use clap::{Arg, ArgAction, Command};

use super::Shell;
use crate::config;

/// One word that may be meant, and what it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The word.
    pub word: String,
    /// In a few words, for shells that show it.
    pub about: String,
}

impl Candidate {
    fn new(word: String, about: Option<&StyledStr>) -> Self {
        let about = about.map(ToString::to_string).unwrap_or_default();
        Self { word, about: about.lines().next().unwrap_or_default().to_owned() }
    }
}

/// What makes a shell ask this binary.
#[must_use]
pub fn script(shell: Shell) -> &'static str {
    match shell {
        Shell::Bash => include_str!("complete/savepointd.bash"),
        Shell::Zsh => include_str!("complete/savepointd.zsh"),
        Shell::Fish => include_str!("complete/savepointd.fish"),
    }
}

/// What the last of these words may become; nothing where only a file, or nobody, knows. The program's name is not among them.
#[must_use]
pub fn candidates(command: &Command, words: &[String]) -> Vec<Candidate> {
    let Some((typed, before)) = words.split_last() else { return Vec::new() };
    let mut command = command.clone();
    command.build();
    let Some(place) = Place::behind(&command, before) else { return Vec::new() };
    let mut found = match place.awaits {
        Some(arg) => values(arg),
        None if typed.starts_with('-') => flags(place.command),
        None => verbs_or_values(&place),
    };
    found.retain(|candidate| candidate.word.starts_with(typed.as_str()));
    found
}

/// How far the grammar has been followed.
struct Place<'a> {
    command: &'a Command,
    /// The flag whose value comes next.
    awaits: Option<&'a Arg>,
    /// So many words were no flags.
    positionals: usize,
}

impl<'a> Place<'a> {
    /// None behind `--`: what follows is another's command line.
    fn behind(command: &'a Command, words: &[String]) -> Option<Self> {
        let mut place = Self { command, awaits: None, positionals: 0 };
        for word in words {
            if place.awaits.take().is_some() {
                continue;
            }
            if word == "--" {
                return None;
            }
            if word.starts_with('-') {
                place.awaits = awaiting(place.command, word);
            } else if let Some(verb) = place.command.find_subcommand(word) {
                place = Self { command: verb, awaits: None, positionals: 0 };
            } else {
                place.positionals += 1;
            }
        }
        Some(place)
    }
}

/// The flag that this word is, if its value is still to come.
fn awaiting<'a>(command: &'a Command, word: &str) -> Option<&'a Arg> {
    let is_it = |arg: &&Arg| match word.strip_prefix("--") {
        Some(long) => arg.get_long() == Some(long),
        None => arg.get_short().is_some_and(|short| word.strip_prefix('-') == Some(short.encode_utf8(&mut [0; 4]))),
    };
    let takes_value = |arg: &&Arg| matches!(arg.get_action(), ArgAction::Set | ArgAction::Append);
    command.get_arguments().find(is_it).filter(takes_value)
}

fn values(arg: &Arg) -> Vec<Candidate> {
    if arg.get_id() == "sets" {
        return config::keys().map(|key| Candidate::new(format!("{key}="), None)).collect();
    }
    let values = arg.get_possible_values();
    values.iter().map(|value| Candidate::new(value.get_name().to_owned(), value.get_help())).collect()
}

fn flags(command: &Command) -> Vec<Candidate> {
    let shown = command.get_arguments().filter(|arg| !arg.is_hide_set());
    shown.filter_map(|arg| Some(Candidate::new(format!("--{}", arg.get_long()?), arg.get_help()))).collect()
}

fn verbs_or_values(place: &Place<'_>) -> Vec<Candidate> {
    let verbs = place.command.get_subcommands().filter(|verb| !verb.is_hide_set());
    let mut found: Vec<_> = verbs.map(|verb| Candidate::new(verb.get_name().to_owned(), verb.get_about())).collect();
    found.extend(place.command.get_positionals().nth(place.positionals).into_iter().flat_map(values));
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{help, kubectl};

    fn offered(command: &Command, line: &str) -> Vec<String> {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        candidates(command, &words).into_iter().map(|candidate| candidate.word).collect()
    }

    #[test]
    fn the_word_that_is_being_typed_is_completed_where_the_grammar_knows_it() {
        let command = help::command();
        for (line, expected) in [
            ("hi", &["history"] as &[&str]),
            ("pl", &["plan"]),
            ("--record file:///x pl", &["plan"]),
            ("plan --out", &["--output"]),
            ("plan --output ", &["table", "json"]),
            ("plan --output j", &["json"]),
            ("run --on-refusal ", &["wait", "exit"]),
            ("completions ", &["bash", "zsh", "fish"]),
            ("completions z", &["zsh"]),
            ("--set savepoint.i", &["savepoint.interval="]),
            ("plan --set stop.r", &["stop.reserve="]),
            ("help pl", &["plan"]),
            // Files, which shells complete by themselves, and what nobody knows.
            ("plan --replay ", &[]),
            ("verify ", &[]),
            ("prune --keep ", &[]),
            ("run -- his", &[]),
            ("teleport --outp", &[]),
        ] {
            assert_eq!(offered(&command, line), expected, "{line}");
        }
        assert!(!offered(&command, "").contains(&"complete".to_owned()), "that is for shells");
        assert_eq!(offered(&kubectl::command(), "-n flink pl"), ["plan"]);
    }

    #[test]
    fn what_is_offered_says_what_it_is() {
        let plan = candidates(&help::command(), &["plan".to_owned()]);
        assert_eq!(plan.len(), 1);
        assert!(plan[0].about.starts_with("Say what the next start would do"), "{plan:?}");
    }
}
