//! Which rung of the ladder a stop takes next: decided before anything is asked of Flink, from what is expected and from the time left.
//!
//! What Flink does (measured on 1.20.5 and 2.3.0) leaves three rungs, and an order among them:
//!
//! * A stop-with-savepoint aborts every checkpoint and every other savepoint that is being taken, and no checkpoint begins before its
//!   end: one asked for meanwhile waits, and fails. So a checkpoint for the case that the savepoint does not fit is taken *before*.
//! * A checkpoint that was asked for is therefore waited for, once it was: giving it up for a savepoint whose fit is doubtful
//!   gives up what is almost there.
//! * A stop-with-savepoint that does not fit leaves the newest checkpoint where it was, and costs no state: its tasks work no more
//!   once they have taken their part, and what they did before that is done again from the same checkpoint as without it. If
//!   it becomes complete at the last moment, Flink deletes the checkpoints *after* that, and the next start finds the savepoint
//!   by listing. What it costs is time: until the deadline the job is down, and the JobManager held.
//!
//! So a savepoint that will not fit is left out where a checkpoint just taken has nearly the same state; it is tried, against the
//! odds, where the checkpoint is old, or not known to be there. Nothing that is left out or tried leaves a state
//! that is older than the one that was there when the stop began.
//!
//! A canonical savepoint that will not fit is taken in Flink's native format, which no measurement found slower. Whoever
//! asked for the canonical one wants to change the state backend, or a library; but what is left otherwise is a checkpoint,
//! which is in the native format as well, and older. The reason says so. One whose fit is doubtful stays canonical.

use std::time::Duration;

use super::super::estimate::{Expected, Prediction};
use super::super::point::Format;
use super::messages::Newest;

/// With less than this left, a savepoint that nothing is known of may not fit.
const LITTLE: Duration = Duration::from_secs(10);
/// A checkpoint this old is as good as one that is yet to be taken.
const FRESH: Duration = Duration::from_secs(2);

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Rung {
    /// Stop-with-savepoint, in this format.
    Stop(Format),
    /// A checkpoint on demand; then the question is asked again.
    Insure,
    /// No request: the newest completed checkpoint is what can be had.
    Keep,
}

/// What became of the checkpoint on demand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Insurance {
    /// It was not asked for.
    None,
    /// It is complete, and has this number.
    Taken(u64),
    /// The savepoint that was in flight is as good.
    Joined,
    /// Flink takes none, or could not.
    Refused,
}

/// What the decision depends on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Situation<'a> {
    /// Until Flink is no longer waited for.
    pub(super) left: Duration,
    pub(super) format: Format,
    pub(super) prediction: Option<&'a Prediction>,
    /// The newest completed checkpoint that Flink showed.
    pub(super) newest: Option<Newest>,
    pub(super) insurance: Insurance,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fit {
    Certain,
    Doubtful,
    Hopeless,
}

impl Situation<'_> {
    fn fit(&self) -> Fit {
        match self.prediction.map(|prediction| prediction.savepoint) {
            Some(savepoint) if savepoint.at_most <= self.left => Fit::Certain,
            // Half of all predictions are too long, few of them by so much.
            Some(savepoint) if savepoint.likely <= self.left * 3 / 2 => Fit::Doubtful,
            Some(_) => Fit::Hopeless,
            None if self.left < LITTLE => Fit::Doubtful,
            None => Fit::Certain,
        }
    }

    /// What a checkpoint on demand will take.
    fn checkpoint(&self) -> Option<Expected> {
        let told = self.prediction.and_then(|prediction| prediction.checkpoint);
        let last = self.newest.map(|newest| Expected { likely: newest.took, at_most: newest.took * 2 });
        told.or(last)
    }

    /// Whether a checkpoint taken now would be hardly newer than the one that is there.
    fn is_fresh(&self) -> bool {
        let would_take = self.checkpoint().map_or(Duration::ZERO, |expected| expected.likely);
        self.newest.is_some_and(|newest| newest.age <= FRESH.max(would_take))
    }
}

/// The next rung.
pub(super) fn choose(situation: &Situation) -> Rung {
    let open = situation.insurance == Insurance::None && !situation.is_fresh();
    let checkpoint = situation.checkpoint();
    match situation.fit() {
        Fit::Certain => Rung::Stop(situation.format),
        // Worth it where it takes little of the time that the savepoint needs.
        Fit::Doubtful if open && checkpoint.is_some_and(|expected| expected.at_most <= situation.left / 4) => {
            Rung::Insure
        }
        Fit::Doubtful => Rung::Stop(situation.format),
        Fit::Hopeless if open && checkpoint.is_none_or(|expected| expected.likely <= situation.left) => Rung::Insure,
        Fit::Hopeless if situation.format == Format::Canonical => Rung::Stop(Format::Native),
        Fit::Hopeless
            if matches!(situation.insurance, Insurance::Taken(_) | Insurance::Joined) || situation.is_fresh() =>
        {
            Rung::Keep
        }
        Fit::Hopeless => Rung::Stop(situation.format),
    }
}

/// What the rung was chosen by, in words; none where nothing is known.
pub(super) fn words(situation: &Situation, rung: &Rung) -> Option<String> {
    let left = seconds(situation.left);
    let expected = match situation.prediction.map(|prediction| prediction.savepoint) {
        Some(Expected { likely, at_most }) if situation.fit() == Fit::Certain || at_most <= likely => {
            format!("predicted {}, {left} left", seconds(likely))
        }
        Some(Expected { likely, at_most }) => {
            format!("predicted {} to {}, {left} left", seconds(likely), seconds(at_most))
        }
        None if situation.fit() == Fit::Certain && situation.insurance == Insurance::None => return None,
        None => format!("{left} left"),
    };
    let format = match rung {
        Rung::Stop(format) if *format != situation.format => ", in native format as a canonical one would not fit",
        _ => "",
    };
    let insured = match situation.insurance {
        Insurance::None => String::new(),
        Insurance::Taken(number) => format!(", checkpoint {number} was taken on demand"),
        Insurance::Joined => ", a savepoint that was in flight is complete".to_owned(),
        Insurance::Refused => ", no checkpoint could be taken on demand".to_owned(),
    };
    Some(expected + format + &insured)
}

fn seconds(duration: Duration) -> String {
    if duration < LITTLE { format!("{:.1} s", duration.as_secs_f64()) } else { format!("{} s", duration.as_secs()) }
}
