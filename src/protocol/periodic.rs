//! When the next periodic savepoint is due.
//!
//! The interval counts from the newest savepoint, whoever took it and in whichever epoch: a restart neither brings one forward nor
//! puts it off, and one that a person or a stop has just taken does for this time.

use std::time::Duration;

use jiff::Timestamp;

use super::entry::{Entry, Fact};
use super::point::Kind;

/// A fleet that was started at once is spread over this part of the interval.
const SPREAD: u32 = 10;
/// The least time between two that fail: each costs the job something.
const LEAST: Duration = Duration::from_secs(30);

/// What the interval counts from: the newest recorded savepoint, else the record's beginning.
#[must_use]
pub fn since(entries: &[Entry]) -> Option<Timestamp> {
    let newest = entries.iter().filter_map(|entry| match &entry.fact {
        Fact::Saved(saved) if saved.kind != Kind::Checkpoint => Some(saved.completed_at),
        _ => None,
    });
    newest.max().or_else(|| entries.first().map(|entry| entry.at))
}

/// How long to wait for the next one. `share` is where in the spread this cluster lies, drawn by chance.
#[must_use]
pub fn pause(interval: Duration, since: Option<Timestamp>, now: Timestamp, share: u8) -> Duration {
    // A clock that was put back must not put the next one off for longer than the interval.
    let age = since.and_then(|since| Duration::try_from(now.duration_since(since)).ok()).unwrap_or_default();
    interval.saturating_sub(age).saturating_add(interval / SPREAD * u32::from(share) / u32::from(u8::MAX))
}

/// How long to wait after so many in a row have failed.
#[must_use]
pub fn pause_after_failure(interval: Duration, failures: u32) -> Duration {
    let doubled = (interval / SPREAD).saturating_mul(1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX));
    doubled.clamp(LEAST.min(interval), interval)
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use proptest::prelude::*;

    use super::*;
    use crate::protocol::entry::{Saved, VERSION};
    use crate::protocol::id::{Id, JobId};
    use crate::protocol::point::PointRef;

    const HOUR: Duration = Duration::from_secs(3_600);

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    fn entry(seconds: i64, fact: Fact) -> Entry {
        Entry { version: VERSION, write_id: Id::from_bytes([1; 16]), at: at(seconds), epoch: 1, fact }
    }

    fn saved(kind: Kind, seconds: i64) -> Entry {
        let saved = Saved {
            job_id: JobId::derived("orders", 1),
            job_name: None,
            point: PointRef { path: format!("s3://a/{seconds}"), checkpoint_id: None, epoch: Some(1) },
            kind,
            format: None,
            completed_at: at(seconds),
            bytes: None,
            duration_ms: None,
            doubt: None,
            salvaged: false,
            drained: false,
            predicted_ms: None,
        };
        entry(seconds + 9, Fact::Saved(saved))
    }

    #[test]
    fn the_interval_counts_from_the_newest_savepoint_and_before_the_first_from_the_records_beginning() {
        let mut entries = vec![entry(-50, Fact::FreshAllowed), entry(-40, Fact::Left)];
        assert_eq!(since(&[]), None);
        assert_eq!(since(&entries), Some(at(-50)));
        for kind in [Kind::Final, Kind::Manual, Kind::Periodic] {
            entries.truncate(2);
            entries.extend([saved(Kind::Periodic, 10), saved(kind, 30), saved(Kind::Checkpoint, 40)]);
            assert_eq!(since(&entries), Some(at(30)), "{kind:?}");
        }
    }

    #[test]
    fn a_restart_changes_nothing_and_what_is_overdue_is_spread() {
        assert_eq!(pause(HOUR, Some(at(0)), at(600), 0), Duration::from_secs(3_000));
        assert_eq!(pause(HOUR, Some(at(0)), at(9_000), 0), Duration::ZERO);
        assert_eq!(pause(HOUR, Some(at(0)), at(9_000), u8::MAX), Duration::from_secs(360));
        assert_eq!(pause(HOUR, None, at(0), 0), HOUR);
        assert_eq!(pause(HOUR, Some(at(100_000)), at(0), 0), HOUR, "the clock was put back");
    }

    #[test]
    fn what_fails_again_and_again_is_tried_ever_more_seldom() {
        let pauses: Vec<u64> = (1..=6).map(|failures| pause_after_failure(HOUR, failures).as_secs()).collect();
        assert_eq!(pauses, [360, 720, 1_440, 2_880, 3_600, 3_600]);
        assert_eq!(pause_after_failure(HOUR, u32::MAX), HOUR);
        assert_eq!(pause_after_failure(Duration::from_secs(60), 1), LEAST);
        assert_eq!(pause_after_failure(Duration::from_secs(2), 1), Duration::from_secs(2));
    }

    proptest! {
        #[test]
        fn between_two_savepoints_lies_an_interval_and_at_most_a_tenth_more(
            interval in 1_u64..10_000_000, age in 0_i64..20_000_000, share: u8,
        ) {
            let (interval, now) = (Duration::from_secs(interval), at(0));
            let newest = now - SignedDuration::from_secs(age);
            let pause = pause(interval, Some(newest), now, share);
            let age = Duration::from_secs(age.unsigned_abs());
            prop_assert!(age + pause >= interval);
            prop_assert!(pause <= interval.saturating_sub(age) + interval / SPREAD);
        }
    }
}
