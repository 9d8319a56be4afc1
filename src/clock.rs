//! The monotonic clock that drives the protocol.

use std::time::Duration;

use tokio::time::Instant;

use crate::protocol::time::Moment;

/// A clock whose zero lies in the past, so that a moment before its start can be named.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    zero: Instant,
}

impl Clock {
    /// How far before the start of the clock its zero lies: a day.
    const PAST: Duration = Duration::from_secs(24 * 60 * 60);

    /// A clock that begins now.
    #[must_use]
    pub fn start() -> Self {
        let now = Instant::now();
        Self { zero: now.checked_sub(Self::PAST).unwrap_or(now) }
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
