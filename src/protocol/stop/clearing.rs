//! Under Flink's own high availability a stop is not over with the savepoint: until the JobManager has cleaned up what it keeps
//! of the job, the next one would run the job again from an older checkpoint, whatever it is given. (Measured on Flink 1.20.5 and
//! 2.3.0: it takes 0.1 to 0.8 s; a SIGKILL meanwhile leaves it behind.)

use std::time::Duration;

use super::super::time::Moment;
use super::{Release, State, Stop};

/// Between two looks: a look is a listing or two.
const AGAIN: Duration = Duration::from_millis(50);

impl Stop {
    /// The job is at its end.
    pub(super) fn settled(&mut self, release: Release, now: Moment) {
        if self.plan.cleans_up {
            self.go(now, State::Clear { release, left: None });
        } else {
            self.state = State::Done(release);
        }
    }

    /// What a look showed: what is left, in words; nothing, if all is gone.
    pub(super) fn cleared(&mut self, release: Release, left: Option<String>, now: Moment) {
        match left {
            None => self.state = State::Done(release),
            Some(left) => self.pause(now, AGAIN, State::Clear { release, left: Some(left) }),
        }
    }

    /// Nothing more is cleaned up, or there is no time left to see it: the next start looks for itself.
    pub(super) fn leave_what_is_not_cleared(&mut self, now: Moment) {
        let State::Clear { release, left } = &self.state else { return };
        let why = match () {
            // One look more tells whether it was before or after.
            () if self.gone && left.is_some() => "the JobManager ended before",
            () if now >= self.plan.deadline.record_until() => "the deadline came before",
            () => return,
        };
        let left = left.as_deref().unwrap_or("nobody has looked");
        let reason = format!("{}; {why} Flink's own high availability was cleaned up ({left})", release.reason);
        self.state = State::Done(Release { reason, ..release.clone() });
    }
}
