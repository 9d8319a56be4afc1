//! The monotonic clock that drives the protocol.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use tokio::time::Instant;

use crate::protocol::time::Moment;

/// The machine's monotonic clock (`CLOCK_MONOTONIC`).
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    zero: Instant,
}

impl Clock {
    /// Begins to read it.
    #[must_use]
    pub fn start() -> Self {
        let since_boot = clock_gettime(ClockId::CLOCK_MONOTONIC).map(Duration::from).unwrap_or_default();
        let now = Instant::now();
        // `Instant` is the same clock on Linux, and does not show its value.
        Self { zero: now.checked_sub(since_boot).unwrap_or(now) }
    }

    /// The present moment.
    #[must_use]
    pub fn now(&self) -> Moment {
        let since = Instant::now().saturating_duration_since(self.zero);
        Moment(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    /// The same moment as tokio's timers want it.
    #[must_use]
    pub fn instant(&self, moment: Moment) -> Instant {
        self.zero + Duration::from_millis(moment.0)
    }
}
