//! How long a signal is held: pure, from times alone.

use crate::protocol::time::{Deadline, Moment};

/// A signal that is being held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Held {
    /// When it came.
    pub(super) began: Moment,
    /// When whoever sent it kills the container.
    pub(super) deadline: Deadline,
    /// Until then an agent that is away is looked for.
    pub(super) agent_until: Moment,
}

/// What has to happen without anybody's permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Force {
    /// SIGTERM: nobody released the JobManager, and it needs a moment to end.
    Terminate,
    /// SIGKILL: the deadline is here.
    Kill,
}

impl Held {
    pub(super) fn force(&self, now: Moment, released: bool) -> Option<Force> {
        if now >= self.deadline.kill_at() {
            Some(Force::Kill)
        } else if now >= self.release_by() && !released {
            Some(Force::Terminate)
        } else {
            None
        }
    }

    pub(super) fn next_force(&self, released: bool) -> Moment {
        if released { self.deadline.kill_at() } else { self.release_by() }
    }

    /// A little after the agent's own last moment, so that it speaks first if it can.
    fn release_by(&self) -> Moment {
        self.deadline.record_until().plus(self.deadline.reserve / 10)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_signal_is_held_until_the_reserve_runs_out_and_no_longer() {
        let deadline = Deadline::after(Moment(0), Duration::from_secs(30), Duration::from_secs(3));
        let held = Held { began: Moment(0), deadline, agent_until: Moment(1_000) };
        assert_eq!(held.force(Moment(27_000), false), None, "the reserve is the agent's to use");
        assert_eq!(held.force(Moment(28_900), false), Some(Force::Terminate));
        assert_eq!(held.force(Moment(28_900), true), None);
        assert_eq!(held.force(Moment(29_700), true), Some(Force::Kill));
        assert!(deadline.kill_at() < deadline.at);
    }
}
