//! Time as the protocol sees it: a monotonic clock, handed in.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A point on the machine's monotonic clock, in milliseconds: all processes on it mean the same moment.
///
/// The protocol never reads a clock: whoever drives it says what time it is, so a test can let hours pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Moment(pub u64);

impl Moment {
    /// This moment, `duration` later.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(millis(duration)))
    }

    /// This moment, `duration` earlier, but never before the clock's zero.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(millis(duration)))
    }

    /// How long it takes from `earlier` until this moment; zero if it is not later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// When the container is killed, and how much of the time before belongs to the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Deadline {
    /// The moment at which whoever asked for the stop kills the container.
    pub at: Moment,
    /// Kept back for writing the record and for the JobManager's own exit.
    pub reserve: Duration,
}

impl Deadline {
    /// A deadline `grace` after `begin`. A reserve that would leave less than half of the grace is cut to that half:
    /// a grace shorter than anybody planned must still try to save something.
    #[must_use]
    pub fn after(begin: Moment, grace: Duration, reserve: Duration) -> Self {
        Self { at: begin.plus(grace), reserve: reserve.min(grace / 2) }
    }

    /// The moment at which waiting for Flink ends and the reserve begins.
    #[must_use]
    pub fn cutoff(&self) -> Moment {
        self.at.minus(self.reserve)
    }

    /// The moment at which writing the record is given up, so that the JobManager can still be ended in order.
    #[must_use]
    pub fn record_until(&self) -> Moment {
        self.at.minus(self.reserve / 2)
    }

    /// The moment at which whatever still lives is killed, shortly before the container is.
    #[must_use]
    pub fn kill_at(&self) -> Moment {
        self.at.minus((self.reserve / 10).max(Duration::from_millis(50)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reserve_never_takes_more_than_half_of_the_grace() {
        let begin = Moment(1_000);
        let deadline = Deadline::after(begin, Duration::from_secs(2), Duration::from_secs(3));
        assert_eq!(deadline.cutoff(), Moment(2_000));
        assert!(deadline.cutoff() < deadline.record_until());
        assert!(deadline.record_until() < deadline.kill_at());
        assert!(deadline.kill_at() < deadline.at);
    }
}
