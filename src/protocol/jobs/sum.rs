//! What the stops of several jobs come to together.

use super::super::id::JobId;
use super::super::outcome::StopOutcome;
use super::super::stop::{Ending, Release};
use super::called;

/// So many jobs are named in a reason; the record has them all.
const NAMED: usize = 5;

/// One job's stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The job.
    pub job_id: JobId,
    /// Its name.
    pub job_name: String,
    /// How its stop ended.
    pub release: Release,
}

/// From the worst to the best, as far as the whole cluster is concerned.
const ORDER: [StopOutcome; 6] = [
    StopOutcome::Superseded,
    StopOutcome::Nothing,
    StopOutcome::Checkpoint,
    StopOutcome::Unchanged,
    StopOutcome::Savepoint,
    StopOutcome::Ended,
];

fn rank(outcome: StopOutcome) -> usize {
    ORDER.iter().position(|one| *one == outcome).unwrap_or(0)
}

/// The end of the whole stop: as good as the worst of its parts, which are named.
#[must_use]
pub fn sum(parts: &[Part]) -> Ending {
    let worst = parts.iter().map(|part| part.release.outcome).min_by_key(|outcome| rank(*outcome));
    let count = |outcome| parts.iter().filter(|part| part.release.outcome == outcome).count();
    let total = parts.len();
    let reason = if total == 0 {
        "no job with state ran".to_owned()
    } else {
        let jobs = if total == 1 { "job" } else { "jobs" };
        format!("{} of {total} {jobs} saved with a savepoint", count(StopOutcome::Savepoint))
    };
    let mut others: Vec<&Part> = parts.iter().filter(|part| part.release.outcome != StopOutcome::Savepoint).collect();
    others.sort_by_key(|part| (rank(part.release.outcome), &part.job_name, part.job_id));
    let mut reason = others.iter().take(NAMED).fold(reason, |reason, part| {
        let Release { outcome, reason: why, .. } = &part.release;
        format!("{reason}; {}: {}: {why}", called(&part.job_name, part.job_id), outcome.as_str())
    });
    if others.len() > NAMED {
        reason = format!("{reason}; and {} more: savepointd history", others.len() - NAMED);
    }
    Ending {
        outcome: worst.unwrap_or(StopOutcome::Unchanged),
        reason,
        saved: None,
        joined: None,
        took: None,
        end: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(n: u8, outcome: StopOutcome) -> Part {
        let release =
            Release { outcome, reason: "so".to_owned(), point: None, recorded: true, late: None, kill: false };
        Part { job_id: JobId::from_bytes([n; 16]), job_name: format!("job{n}"), release }
    }

    #[test]
    fn the_whole_is_as_good_as_its_worst_part_which_is_named() {
        use StopOutcome::{Checkpoint, Ended, Nothing, Savepoint, Unchanged};
        for (parts, outcome, words) in [
            (&[] as &[StopOutcome], Unchanged, "no job with state ran"),
            (&[Savepoint, Savepoint], Savepoint, "2 of 2 jobs saved with a savepoint"),
            (&[Savepoint, Ended], Savepoint, "\"job1\""),
            (&[Ended], Ended, "0 of 1 job saved"),
            (&[Savepoint, Checkpoint, Savepoint], Checkpoint, "2 of 3 jobs saved with a savepoint; \"job1\""),
            (&[Checkpoint, Nothing], Nothing, "0 of 2 jobs saved with a savepoint; \"job1\""),
            (&[Savepoint, Unchanged], Unchanged, "unchanged: so"),
        ] {
            let parts: Vec<Part> = (0..).zip(parts).map(|(n, outcome)| part(n, *outcome)).collect();
            let ending = sum(&parts);
            assert_eq!(ending.outcome, outcome, "{}", ending.reason);
            assert!(ending.reason.contains(words), "{}", ending.reason);
        }
        let many: Vec<Part> = (0..20).map(|n| part(n, Nothing)).collect();
        let reason = sum(&many).reason;
        assert!(reason.contains("and 15 more") && reason.len() < 1_000, "{reason}");
    }
}
