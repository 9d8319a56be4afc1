//! The deadline of a stop, from what the API server says of the own pod. No I/O, no clock of its own.

use std::time::Duration;

use jiff::Timestamp;

use super::time::Moment;

/// The kubelet leaves a container at least this long between SIGTERM and SIGKILL (measured on 1.34, also after `--force`).
const LEAST: Duration = Duration::from_secs(2);

/// What the API server says of the own pod's end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sight {
    /// There is no such pod any more: it was deleted by force, and its containers have seconds.
    Absent,
    /// The pod is there.
    Present {
        /// When it is to be gone (`metadata.deletionTimestamp`); none if nobody deleted it.
        deletion: Option<Timestamp>,
        /// `metadata.deletionGracePeriodSeconds`: an evictor may give less than the pod asks for.
        deletion_grace: Option<Duration>,
        /// The API server's clock when it answered. The clock of this machine is not asked: the two may differ.
        answered_at: Option<Timestamp>,
        /// `spec.terminationGracePeriodSeconds`.
        usual_grace: Option<Duration>,
    },
}

/// Why a pod ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// Somebody deleted it, or a controller did.
    Deleted,
    /// Something evicts it: the condition `DisruptionTarget`.
    Disrupted {
        /// Such as `EvictionByEvictionAPI`, `PreemptionByScheduler`, `DeletionByTaintManager`, `TerminationByKubelet`.
        reason: String,
        /// In words.
        message: String,
    },
    /// It was deleted by force.
    Forced,
    /// The pod is not being deleted: a liveness probe failed, the node shuts down or is short of something, or a person
    /// sent the signal.
    Unknown,
}

impl std::fmt::Display for Cause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Deleted => f.write_str("the pod is being deleted"),
            Self::Disrupted { reason, message } => write!(f, "the pod is being evicted: {reason} ({message})"),
            Self::Forced => f.write_str("the pod was deleted by force"),
            Self::Unknown => f.write_str("the pod is not being deleted (a liveness probe, a node shutdown, a person)"),
        }
    }
}

/// How long after the first sign of the stop, which came at `began`, the container is killed; `asked_at` is when the API
/// server was asked.
#[must_use]
pub fn after_first_sign(sight: &Sight, began: Moment, asked_at: Moment, configured: Duration) -> Duration {
    let Sight::Present { deletion, deletion_grace, answered_at, usual_grace } = sight else { return LEAST };
    let Some(deletion) = deletion else {
        // A probe may have a grace of its own; nobody knows which.
        return usual_grace.map_or(configured, |usual| usual.min(configured)).max(LEAST);
    };
    // The first sign comes after the deletion, so the whole grace from it is the most there can be.
    let most = deletion_grace.or(*usual_grace).unwrap_or(configured);
    let left = answered_at.map(|at| Duration::try_from(deletion.duration_since(at)).unwrap_or_default());
    let by_the_timestamp = left.map(|left| asked_at.plus(left).since(began));
    by_the_timestamp.unwrap_or(most).min(most).max(LEAST)
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: fn(u64) -> Duration = Duration::from_secs;
    const BEGAN: Moment = Moment(1_000_000);

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn sight(deletion: Option<i64>, grace: Option<u64>, answered: Option<i64>) -> Sight {
        Sight::Present {
            deletion: deletion.map(at),
            deletion_grace: grace.map(S),
            answered_at: answered.map(at),
            usual_grace: Some(S(60)),
        }
    }

    #[test]
    fn the_time_left_is_told_by_the_api_servers_clock_and_bounded_by_the_grace() {
        for (sight, asked_after, expected) in [
            // Deleted a second before the first sign.
            (sight(Some(60), Some(60), Some(1)), 0, 59),
            // The answer took its time: what counts is when it was asked for, which is never too late.
            (sight(Some(60), Some(60), Some(5)), 4, 59),
            // Another hook went before: most of the grace is used up.
            (sight(Some(60), Some(60), Some(50)), 0, 10),
            // An evictor's shorter grace.
            (sight(Some(5), Some(5), Some(0)), 0, 5),
            // Its clock went back between deletion and answer: no more than the grace.
            (sight(Some(60), Some(60), Some(-3_600)), 0, 60),
            // Too late already: the kubelet's least.
            (sight(Some(60), Some(60), Some(100)), 0, 2),
            // No Date in the answer.
            (sight(Some(60), Some(20), None), 0, 20),
            (sight(Some(60), None, None), 0, 60),
            // Nobody deleted it: the configured grace, or the pod's if that is shorter.
            (sight(None, None, Some(0)), 0, 30),
            (Sight::Absent, 0, 2),
        ] {
            let asked_at = BEGAN.plus(S(asked_after));
            assert_eq!(after_first_sign(&sight, BEGAN, asked_at, S(30)), S(expected), "{sight:?}");
        }
        let short =
            Sight::Present { deletion: None, deletion_grace: None, answered_at: None, usual_grace: Some(S(10)) };
        assert_eq!(after_first_sign(&short, BEGAN, BEGAN, S(30)), S(10));
    }
}
