//! A stop that need not begin at once: until the pod that replaces this one waits at its gate, the job may as well go on. What the
//! replacement takes to be scheduled, to get its image and to start is downtime otherwise.

use std::time::Duration;

use super::time::{Deadline, Moment};

/// The moment at which the stop begins at last: as late as is wished, but never so late that what it is expected to take, and half
/// as much again, would not fit before the deadline's reserve. Where nothing is known of that, three quarters of the time are kept for it.
#[must_use]
pub fn until(began: Moment, deadline: &Deadline, wish: Duration, at_most: Option<Duration>) -> Moment {
    let all = deadline.cutoff().since(began);
    let needs = at_most.map_or(all / 4 * 3, |at_most| at_most / 2 * 3);
    began.plus(wish.min(all.saturating_sub(needs)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stop_always_keeps_the_time_that_it_needs() {
        let seconds = Duration::from_secs;
        let began = Moment(1_000);
        for (grace, wish, at_most, lingers) in [
            (60, 10, Some(2), 10),
            (30, 60, Some(10), 12),
            (30, 60, Some(18), 0),
            (30, 60, Some(600), 0),
            (43, 60, None, 10),
            (2, 60, None, 0),
        ] {
            let deadline = Deadline::after(began, seconds(grace), seconds(3));
            let until = until(began, &deadline, seconds(wish), at_most.map(seconds));
            assert_eq!(until.since(began).as_secs(), lingers, "{grace} {wish} {at_most:?}");
        }
    }
}
