//! The state's size by now, as it goes on growing after the newest checkpoint.

use jiff::Timestamp;

use super::fit::median;

/// A growth is not followed further than to so many times the size that was seen: it may have ended.
const FURTHEST: f64 = 2.0;

/// The state's size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) bytes: u64,
    /// By how much it grows.
    pub(super) per_second: u64,
}

impl Size {
    /// One that is not known to grow.
    pub(super) fn standing(bytes: u64) -> Self {
        Self { bytes, per_second: 0 }
    }
}

/// The size `now`, from sizes that were seen, oldest first; none where none was.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "sizes of states"
)]
pub(super) fn by(sizes: &[(Timestamp, u64)], now: Timestamp) -> Option<Size> {
    let &(last, bytes) = sizes.last()?;
    let seconds = |from: Timestamp, to: Timestamp| to.duration_since(from).as_secs_f64();
    let mut slopes = Vec::new();
    for (number, &(early, less)) in sizes.iter().enumerate() {
        for &(late, more) in sizes.iter().skip(number + 1) {
            let passed = seconds(early, late);
            if passed > 0.0 {
                slopes.push((more as f64 - less as f64) / passed);
            }
        }
    }
    // One jump, such as a compaction, is no growth: the middle of all pairs tells.
    let slope = median(&slopes).unwrap_or(0.0).max(0.0);
    // Below a thousandth of the state in a minute it is noise.
    let slope = if slope * 60.0 < bytes as f64 / 1_000.0 { 0.0 } else { slope };
    let grown = (bytes as f64 + slope * seconds(last, now).max(0.0)).min(bytes as f64 * FURTHEST);
    Some(Size { bytes: grown as u64, per_second: slope as u64 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    #[test]
    fn a_state_that_grows_is_larger_by_now() {
        let sizes = [(at(0), 100_000_000), (at(10), 110_000_000), (at(20), 120_000_000)];
        assert_eq!(by(&sizes, at(30)), Some(Size { bytes: 130_000_000, per_second: 1_000_000 }));
        assert_eq!(by(&sizes, at(100_000)).unwrap().bytes, 240_000_000, "not for ever");
    }

    #[test]
    fn one_jump_is_no_growth_and_a_shrinking_state_is_as_large_as_it_was() {
        let jumped = [(at(0), 100), (at(10), 100), (at(20), 100), (at(30), 100), (at(40), 900)];
        assert_eq!(by(&jumped, at(50)), Some(Size::standing(900)));
        assert_eq!(by(&[(at(0), 500), (at(10), 400)], at(20)), Some(Size::standing(400)));
        assert_eq!(by(&[(at(0), 500)], at(20)), Some(Size::standing(500)));
        assert_eq!(by(&[], at(20)), None);
    }

    #[test]
    fn a_clock_that_went_back_takes_nothing_away() {
        let sizes = [(at(0), 100_000_000), (at(10), 110_000_000)];
        assert_eq!(by(&sizes, at(-50)).unwrap().bytes, 110_000_000);
    }
}
