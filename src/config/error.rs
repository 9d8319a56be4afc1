//! What can be wrong with a configuration, in the words of the place where it was written.

use std::{fmt, io, path::PathBuf};

/// Why there is no configuration. The exit code for all of these is 78.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file can't be read, or is not there although it was asked for.
    #[error("can't read {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is not TOML.
    #[error("{} is not TOML: {problem}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Place and kind of the problem.
        problem: String,
    },
    /// Keys or values are wrong: all of them, one to a line.
    #[error("{}", lines(problems))]
    Invalid {
        /// What is wrong, at least one.
        problems: Vec<Problem>,
    },
}

fn lines(problems: &[Problem]) -> String {
    problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("\n")
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where: a variable, a key in a file, or a flag, so that it can be searched for.
    pub place: String,
    /// What, and what was expected in its stead.
    pub message: String,
}

impl Problem {
    pub(super) fn new(place: impl Into<String>, message: impl Into<String>) -> Self {
        Self { place: place.into(), message: message.into() }
    }

    pub(super) fn unknown(place: impl Into<String>, suggestion: Option<String>) -> Self {
        let message = suggestion
            .map_or_else(|| "unknown".to_owned(), |suggestion| format!("unknown, did you mean {suggestion}?"));
        Self::new(place, message)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.place, self.message)
    }
}
