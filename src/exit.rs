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
