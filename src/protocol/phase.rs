//! What a stop and a start spend their time on.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::time::Moment;
use super::{start, stop};

/// A part of a stop, until its outcome is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum StopPhase {
    /// Asking Flink what runs, and choosing the rung.
    Decide,
    /// A checkpoint on demand, as insurance.
    Checkpoint,
    /// From the request for the savepoint to Flink's answer that it is complete.
    Savepoint,
    /// Searching and verifying.
    Verify,
    /// Writing the outcome down, and what comes after.
    Record,
}

impl StopPhase {
    /// Those that an outcome can tell of: it is recorded after them.
    pub const ALL: [Self; 4] = [Self::Decide, Self::Checkpoint, Self::Savepoint, Self::Verify];

    /// The phase that an effect belongs to.
    #[must_use]
    pub fn of(effect: &stop::Effect) -> Self {
        use stop::Effect as E;
        match effect {
            E::ReadJobs | E::Survey(_) | E::ReadEnd(_) => Self::Decide,
            E::PostCheckpoint(..) | E::PollCheckpoint(..) => Self::Checkpoint,
            E::Note(_) | E::Post(_) | E::Poll(_) => Self::Savepoint,
            E::Search(_) | E::Verify(_) | E::FindCheckpoint => Self::Verify,
            E::Record(_) | E::Mark(_) | E::LookAtLeftovers => Self::Record,
        }
    }

    /// The word used in metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Decide => "decide",
            Self::Checkpoint => "checkpoint",
            Self::Savepoint => "savepoint",
            Self::Verify => "verify",
            Self::Record => "record",
        }
    }
}

/// A part of a start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum StartPhase {
    /// Reading record and marker.
    Read,
    /// Looking whether another holder lives.
    Holder,
    /// Writing to record and marker.
    Record,
    /// Listing what storage holds.
    List,
    /// Verifying the chosen point.
    Verify,
    /// From the entrypoint's start until Flink has confirmed what it restored.
    Confirm,
}

impl StartPhase {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Read, Self::Holder, Self::Record, Self::List, Self::Verify, Self::Confirm];

    /// The phase that an effect belongs to.
    #[must_use]
    pub fn of(effect: &start::Effect) -> Self {
        use start::Effect as E;
        match effect {
            E::Load => Self::Read,
            E::Look(_) | E::LookAt(_) | E::Nudge(_) => Self::Holder,
            E::Append { .. } | E::Rebuild | E::Copy(_) | E::DeclareEnded(..) | E::Mark { .. } => Self::Record,
            E::List { .. } | E::LookAtLeftovers(_) => Self::List,
            E::Verify(_) => Self::Verify,
        }
    }

    /// The word used in metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Holder => "holder",
            Self::Record => "record",
            Self::List => "list",
            Self::Verify => "verify",
            Self::Confirm => "confirm",
        }
    }
}

/// What a stop took, by phase, in milliseconds. An older build knows nothing of a phase that a newer one adds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Took {
    /// [`StopPhase::Decide`].
    pub decide: u64,
    /// [`StopPhase::Checkpoint`].
    pub checkpoint: u64,
    /// [`StopPhase::Savepoint`].
    pub savepoint: u64,
    /// [`StopPhase::Verify`].
    pub verify: u64,
}

impl Took {
    /// How long one phase took.
    #[must_use]
    pub fn of(&self, phase: StopPhase) -> Duration {
        Duration::from_millis(match phase {
            StopPhase::Decide => self.decide,
            StopPhase::Checkpoint => self.checkpoint,
            StopPhase::Savepoint => self.savepoint,
            StopPhase::Verify => self.verify,
            StopPhase::Record => 0,
        })
    }

    /// From the signal until the outcome was known.
    #[must_use]
    pub fn together(&self) -> Duration {
        StopPhase::ALL.into_iter().map(|phase| self.of(phase)).sum()
    }
}

impl From<&Stopwatch<StopPhase>> for Took {
    fn from(watch: &Stopwatch<StopPhase>) -> Self {
        let millis = |phase| u64::try_from(watch.spent(phase).as_millis()).unwrap_or(u64::MAX);
        Self {
            decide: millis(StopPhase::Decide),
            checkpoint: millis(StopPhase::Checkpoint),
            savepoint: millis(StopPhase::Savepoint),
            verify: millis(StopPhase::Verify),
        }
    }
}

/// Adds up what each phase takes. Waiting belongs to the phase that it follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stopwatch<P> {
    phase: P,
    since: Moment,
    spent: BTreeMap<P, Duration>,
}

impl<P: Copy + Ord> Stopwatch<P> {
    /// Begins with a phase.
    #[must_use]
    pub fn begin(phase: P, since: Moment) -> Self {
        Self { phase, since, spent: BTreeMap::new() }
    }

    /// A phase begins, or goes on.
    pub fn enter(&mut self, phase: P, now: Moment) {
        *self.spent.entry(self.phase).or_default() += now.since(self.since);
        (self.phase, self.since) = (phase, now);
    }

    /// What a phase has taken until the last one began.
    #[must_use]
    pub fn spent(&self, phase: P) -> Duration {
        self.spent.get(&phase).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phase_that_comes_again_is_added_up_and_what_still_goes_on_is_not_in_it() {
        let at = |ms| Moment(0).plus(Duration::from_millis(ms));
        let mut watch = Stopwatch::begin(StopPhase::Decide, at(0));
        for (phase, ms) in [
            (StopPhase::Decide, 5),
            (StopPhase::Savepoint, 10),
            (StopPhase::Verify, 110),
            (StopPhase::Savepoint, 120),
            (StopPhase::Record, 150),
        ] {
            watch.enter(phase, at(ms));
        }
        let took = Took::from(&watch);
        assert_eq!(took, Took { decide: 10, checkpoint: 0, savepoint: 130, verify: 10 });
        assert_eq!(took.together(), Duration::from_millis(150));
        assert_eq!(watch.spent(StopPhase::Record), Duration::ZERO);
    }
}
