//! Every exit code, in one place. The numbers are those of `sysexits.h` where it has one.

use std::process::ExitCode;

/// How the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done; for `run`: the job itself came to its end.
    Done,
    /// The job failed for good.
    Failed,
    /// Wrong usage (`EX_USAGE`).
    Usage,
    /// The state is broken or incompatible (`EX_DATAERR`).
    State,
    /// Something the machine should have done failed (`EX_OSERR`).
    System,
    /// Try again later (`EX_TEMPFAIL`).
    Later,
    /// Refused on purpose (`EX_NOPERM`).
    Refused,
    /// Wrong configuration (`EX_CONFIG`).
    Configuration,
    /// Ended by SIGTERM: 128 + 15.
    Terminated,
    /// The child's own code, or 128 plus the signal that ended it.
    Child(u8),
}

/// What each code says, for people; [`Exit::Child`] has no code of its own.
pub const CODES: [(Exit, &str); 9] = [
    (Exit::Done, "done; for `run`: the job itself came to its end"),
    (Exit::Failed, "the job failed for good"),
    (Exit::Usage, "wrong usage"),
    (
        Exit::State,
        "the state is broken or does not fit: a point that is not whole, a restore that Flink could not make, a job that ran from something else than the chosen point",
    ),
    (Exit::System, "the system refused something"),
    (Exit::Later, "not now; it may go better by itself"),
    (Exit::Refused, "refused on purpose; the message has the way out"),
    (Exit::Configuration, "wrong configuration"),
    (Exit::Terminated, "ended by SIGTERM, after a stop that a signal began"),
];

impl Exit {
    /// For a command that can't be started, as a shell gives it: 127 where there is none, else 126.
    #[must_use]
    pub fn not_started(error: &std::io::Error) -> Self {
        Self::Child(if error.kind() == std::io::ErrorKind::NotFound { 127 } else { 126 })
    }

    /// The number.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 64,
            Self::State => 65,
            Self::System => 71,
            Self::Later => 75,
            Self::Refused => 77,
            Self::Configuration => 78,
            Self::Terminated => 143,
            Self::Child(code) => code,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::documents;

    #[test]
    fn the_readmes_table_has_every_code() {
        let row = |(exit, meaning): (Exit, &str)| [exit.code().to_string(), meaning.to_owned()];
        documents::made("README.md", "exit codes", ["code", "meaning"], CODES.into_iter().map(row));
    }
}
