//! How long a signal is held: pure, from times alone.

use std::time::Duration;

use crate::protocol::time::{Deadline, Moment};

/// How long the agent is waited for at least, in whatever.
const LEAST: Duration = Duration::from_millis(20);

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

    /// How long the agent may take to hear that the entrypoint has ended. It may hang: not all of what is left is for it.
    pub(super) fn report_within(&self, now: Moment) -> Duration {
        (self.deadline.kill_at().since(now) / 2).clamp(LEAST, Duration::from_millis(500))
    }

    /// How long an agent of our own may go on: what the stop came to may still have to be recorded.
    pub(super) fn agent_within(&self, now: Moment) -> Duration {
        let to_end = self.deadline.kill_at().since(now).min(Duration::from_millis(200));
        self.deadline.record_until().since(now).max(to_end).max(LEAST)
    }

    /// A little after the agent's own last moment, so that it speaks first if it can.
    fn release_by(&self) -> Moment {
        self.deadline.record_until().plus(self.deadline.reserve / 10)
    }
}

#[cfg(test)]
mod tests {
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
    #[test]
    fn an_agent_that_hangs_does_not_keep_run_until_the_deadline() {
        let deadline = Deadline::after(Moment(0), Duration::from_secs(5), Duration::from_secs(1));
        let held = Held { began: Moment(0), deadline, agent_until: Moment(1_000) };
        for ended in (0..=deadline.kill_at().0).map(Moment) {
            let told = ended.plus(held.report_within(ended));
            assert!(told.plus(held.agent_within(told)) < deadline.at, "{ended:?}");
        }
        assert_eq!(held.report_within(Moment(0)), Duration::from_millis(500));
        assert_eq!(held.agent_within(Moment(1_000)), Duration::from_millis(3_500), "the record's own time");
    }
}
