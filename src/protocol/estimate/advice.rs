//! Whether a grace period is long enough, and what to raise it to, in one sentence.

use std::time::Duration;

use super::Expected;

/// What the advised grace is above the least that may do.
const MARGIN: f64 = 1.1;

/// Who grants the grace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grantor {
    /// The pod: `terminationGracePeriodSeconds`.
    Pod,
    /// The configuration: `stop.grace`, and whoever sends the signal.
    Configuration,
}

/// How a grace period stands to what is expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fit {
    /// Hardly any stop will be late.
    Fits,
    /// A stop may be late.
    Tight,
    /// Most stops will be late.
    TooShort,
}

/// A grace period beside what a final savepoint needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Advice {
    /// How it stands.
    pub fit: Fit,
    /// What the savepoint is expected to take.
    pub needs: Expected,
    /// The grace that there is.
    pub has: Duration,
    /// What it should be: with the reserve and a margin, rounded up.
    pub enough: Duration,
    /// Who grants it.
    pub grantor: Grantor,
}

impl Advice {
    /// Compares what is expected with a grace of which `reserve` is kept back.
    #[must_use]
    pub fn on(needs: Expected, has: Duration, reserve: Duration, grantor: Grantor) -> Self {
        let fit = if needs.at_most.saturating_add(reserve) <= has {
            Fit::Fits
        } else if needs.likely.saturating_add(reserve) <= has {
            Fit::Tight
        } else {
            Fit::TooShort
        };
        let least = needs.at_most.as_secs_f64() * MARGIN + reserve.as_secs_f64();
        Self { fit, needs, has, enough: rounded_up(least), grantor }
    }

    /// The way out; none where none is needed.
    #[must_use]
    pub fn fix(&self) -> Option<String> {
        let enough = self.enough.as_secs();
        match (self.fit, self.grantor) {
            (Fit::Fits, _) => None,
            (_, Grantor::Pod) => Some(format!("raise terminationGracePeriodSeconds to {enough}")),
            (_, Grantor::Configuration) => Some(format!(
                "raise stop.grace (SAVEPOINTD_STOP__GRACE) to {enough}s, and the patience of whoever sends the signal"
            )),
        }
    }

    /// What is needed beside what there is.
    #[must_use]
    pub fn found(&self) -> String {
        let (likely, at_most, has) = (seconds(self.needs.likely), seconds(self.needs.at_most), seconds(self.has));
        match self.fit {
            Fit::TooShort => format!("needs about {likely}, you have {has}"),
            Fit::Tight => format!("needs about {likely}, perhaps {at_most}, you have {has}"),
            Fit::Fits => format!("needs about {likely}, at most {at_most}, you have {has}"),
        }
    }
}

impl std::fmt::Display for Advice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.found())?;
        self.fix().map_or(Ok(()), |fix| write!(f, ": {fix}"))
    }
}

/// A number that a person would choose.
fn rounded_up(least: f64) -> Duration {
    let step = match least {
        _ if least <= 60.0 => 5.0,
        _ if least <= 600.0 => 10.0,
        _ => 60.0,
    };
    Duration::try_from_secs_f64((least / step).ceil() * step).unwrap_or(super::LONGEST)
}

/// A length of time as people say it.
#[must_use]
pub fn seconds(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    match seconds {
        _ if seconds < 9.95 => format!("{} s", (seconds * 10.0).round() / 10.0),
        _ if seconds < 600.0 => format!("{seconds:.0} s"),
        _ if seconds < 7_200.0 => format!("{:.0} min", seconds / 60.0),
        _ => format!("{:.1} h", seconds / 3_600.0),
    }
}

/// A number of bytes as people say it.
#[must_use]
pub fn size(bytes: u64) -> String {
    let mut size = super::megabytes(bytes) * 1e6;
    let mut unit = "bytes";
    for next in ["KiB", "MiB", "GiB", "TiB"] {
        if size < 1024.0 {
            break;
        }
        (size, unit) = (size / 1024.0, next);
    }
    if size < 10.0 && unit != "bytes" { format!("{size:.1} {unit}") } else { format!("{size:.0} {unit}") }
}

/// A quantity as Kubernetes writes it: `200Gi`, `400M`, `1.5G`, `1024`.
///
/// # Errors
/// A text that says what was expected.
pub fn quantity(text: &str) -> Result<u64, String> {
    let at = text.find(|letter: char| letter.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(at);
    let factor = match unit {
        "" => 1.0,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        "P" => 1e15,
        "Ki" => 1024.0,
        "Mi" => 1024.0_f64.powi(2),
        "Gi" => 1024.0_f64.powi(3),
        "Ti" => 1024.0_f64.powi(4),
        "Pi" => 1024.0_f64.powi(5),
        _ => f64::NAN,
    };
    let bytes = number.parse::<f64>().unwrap_or(f64::NAN) * factor;
    // Beyond that a number of bytes is a mistake.
    if !(1.0..=1e18).contains(&bytes) {
        return Err(format!("expected a quantity such as \"200Gi\" or \"400M\", found {text:?}"));
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it was just bounded")]
    Ok(bytes as u64)
}

/// What a stop would take of so much state, written at so many bytes a second by each of so many: for a cluster that is
/// being planned.
#[must_use]
pub fn envelope(state: u64, throughput: u64, writers: u32) -> Expected {
    let pace = super::megabytes(throughput) * f64::from(writers.max(1));
    super::expected(super::fit::STOP_OF_NOTHING + super::megabytes(state) / pace.max(1e-6), 1.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: fn(u64) -> Duration = Duration::from_secs;

    fn advice(likely: u64, at_most: u64, has: u64) -> Advice {
        Advice::on(Expected { likely: S(likely), at_most: S(at_most) }, S(has), S(3), Grantor::Pod)
    }

    #[test]
    fn the_sentence_says_what_is_needed_what_there_is_and_what_to_do() {
        let text = "needs about 74 s, you have 30 s: raise terminationGracePeriodSeconds to 120";
        assert_eq!(advice(74, 100, 30).to_string(), text);
        let tight = "needs about 24 s, perhaps 36 s, you have 30 s: raise terminationGracePeriodSeconds to 45";
        assert_eq!(advice(24, 36, 30).to_string(), tight);
        assert_eq!(advice(2, 5, 30).to_string(), "needs about 2 s, at most 5 s, you have 30 s");
        let elsewhere = Advice { grantor: Grantor::Configuration, ..advice(74, 100, 30) };
        assert!(elsewhere.fix().unwrap().contains("SAVEPOINTD_STOP__GRACE) to 120s"));
    }

    #[test]
    fn what_is_advised_is_enough() {
        for likely in [0, 1, 3, 10, 29, 57, 58, 100, 600, 3_000, 86_400] {
            for more in [0, 1, 10, 1_000] {
                let before = advice(likely, likely + more, 1);
                let after = advice(likely, likely + more, before.enough.as_secs());
                assert_eq!(after.fit, Fit::Fits, "{before:?}");
            }
        }
    }

    #[test]
    fn the_reserve_is_not_the_savepoints() {
        assert_eq!(advice(27, 27, 30).fit, Fit::Fits);
        assert_eq!(advice(27, 28, 30).fit, Fit::Tight);
        assert_eq!(advice(28, 28, 30).fit, Fit::TooShort);
    }

    #[test]
    fn quantities_are_kubernetes_own() {
        for (text, bytes) in [
            ("1024", 1024),
            ("400Mi", 400 << 20),
            ("200Gi", 200 << 30),
            ("1.5G", 1_500_000_000),
            ("3k", 3_000),
            ("2Ti", 2 << 40),
        ] {
            assert_eq!(quantity(text), Ok(bytes));
        }
        for text in ["", "Gi", "0", "-1", "1KB", "1 Gi", "NaN", "inf", "1e999", "9999999Pi"] {
            assert!(quantity(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_envelope_is_the_size_by_the_pace_of_all_who_write() {
        let one = envelope(200 << 30, 400 << 20, 1);
        assert!(one.likely > S(510) && one.likely < S(515), "{one:?}");
        let ten = envelope(200 << 30, 400 << 20, 10);
        assert!(ten.likely > S(51) && ten.likely < S(53), "{ten:?}");
        assert!(ten.at_most > ten.likely);
    }

    #[test]
    fn lengths_and_sizes_are_said_as_people_say_them() {
        let said: Vec<String> =
            [400, 2_000, 9_960, 74_300, 900_000, 9_000_000].map(|ms| seconds(Duration::from_millis(ms))).into();
        assert_eq!(said, ["0.4 s", "2 s", "10 s", "74 s", "15 min", "2.5 h"]);
        assert_eq!(
            [900, 2_048, 5 << 20, 812 << 20, 200 << 30].map(size),
            ["900 bytes", "2.0 KiB", "5.0 MiB", "812 MiB", "200 GiB"]
        );
    }
}
