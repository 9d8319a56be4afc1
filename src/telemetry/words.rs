//! The closed sets of words that only metrics use.

use crate::protocol::stop::{Search, Secured};

/// What stands between the kubelet and the entrypoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    /// Nobody has asked yet, or the JobManager has ended.
    Closed,
    /// It opens by itself: another pod still runs, or something does not answer.
    Waiting,
    /// The job came to its own end.
    Held,
    /// A person has to look.
    Refused,
    /// Flink runs.
    Open,
}

impl Gate {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Closed, Self::Waiting, Self::Held, Self::Refused, Self::Open];

    /// After this answer to a start.
    #[must_use]
    pub fn after(decision: &str) -> Self {
        match decision {
            "restore" | "fresh" | "resubmit" => Self::Open,
            "hold" => Self::Held,
            "later" => Self::Waiting,
            _ => Self::Refused,
        }
    }

    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Waiting => "waiting",
            Self::Held => "held",
            Self::Refused => "refused",
            Self::Open => "open",
        }
    }
}

/// Who is asked over the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// The JobManager's REST API.
    Flink,
    /// The API server.
    Kubernetes,
    /// An object store, a file system.
    Storage,
}

impl Peer {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Flink, Self::Kubernetes, Self::Storage];

    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Flink => "flink",
            Self::Kubernetes => "kubernetes",
            Self::Storage => "storage",
        }
    }
}

/// What is done with the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// It is read.
    Read,
    /// It is added to.
    Write,
}

impl Operation {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Read, Self::Write];

    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
        }
    }
}

/// What a look at a point found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verification {
    /// Every file that it refers to is there.
    Whole,
    /// It is there, and it can't be told whether it is whole.
    Doubtful,
    /// Nothing is there.
    Missing,
    /// It is not whole.
    Broken,
    /// The store does not answer, or refuses.
    Unreadable,
}

impl Verification {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Whole, Self::Doubtful, Self::Missing, Self::Broken, Self::Unreadable];

    /// What this answer means.
    #[must_use]
    pub fn of(search: &Search) -> Self {
        match search {
            Search::Found(Secured { doubt: None, .. }) => Self::Whole,
            Search::Found(_) => Self::Doubtful,
            Search::Nothing => Self::Missing,
            Search::Broken(_) => Self::Broken,
            Search::Unreadable(_) => Self::Unreadable,
        }
    }

    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Whole => "whole",
            Self::Doubtful => "doubtful",
            Self::Missing => "missing",
            Self::Broken => "broken",
            Self::Unreadable => "unreadable",
        }
    }
}
