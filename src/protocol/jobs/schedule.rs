//! In which order the jobs of one cluster are stopped: a bounded number at a time, and first what is expected to be saved soonest, so
//! that most of them are safe when the deadline comes.

use std::collections::BTreeSet;
use std::time::Duration;

use super::super::id::JobId;

/// How long a job's final savepoint is expected to take; none sorts last: a job that has completed no checkpoint is new, or can't.
pub type Expected = Option<Duration>;

/// The jobs of one stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// How many are stopped at the same time.
    parallel: usize,
    /// Those whose turn is still to come, the last first.
    to_come: Vec<(Duration, JobId)>,
    under_way: BTreeSet<JobId>,
    known: BTreeSet<JobId>,
}

impl Schedule {
    /// Without jobs.
    #[must_use]
    pub fn new(parallel: usize) -> Self {
        Self { parallel: parallel.max(1), to_come: Vec::new(), under_way: BTreeSet::new(), known: BTreeSet::new() }
    }

    /// Whether this job is among them, or was.
    #[must_use]
    pub fn knows(&self, job_id: JobId) -> bool {
        self.known.contains(&job_id)
    }

    /// Adds a job. A job has one turn.
    pub fn add(&mut self, job_id: JobId, expected: Expected) {
        if self.known.insert(job_id) {
            self.to_come.push((expected.unwrap_or(Duration::MAX), job_id));
            self.to_come.sort_unstable_by(|a, b| b.cmp(a));
        }
    }

    /// The jobs whose turn it is now. Once it is `late` (nothing can be asked of Flink any more) it is everybody's: what was completed
    /// before is still to be found and written down.
    pub fn begin(&mut self, late: bool) -> Vec<JobId> {
        let free = if late { usize::MAX } else { self.parallel.saturating_sub(self.under_way.len()) };
        let begun: Vec<JobId> =
            std::iter::from_fn(|| self.to_come.pop()).take(free).map(|(_, job_id)| job_id).collect();
        self.under_way.extend(&begun);
        begun
    }

    /// A job's stop has ended.
    pub fn end(&mut self, job_id: JobId) {
        self.under_way.remove(&job_id);
    }

    /// Whether none is under way or to come.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.to_come.is_empty() && self.under_way.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn id(n: u8) -> JobId {
        JobId::from_bytes([n; 16])
    }

    #[test]
    fn what_is_saved_soonest_begins_first_and_what_nobody_knows_last() {
        let mut schedule = Schedule::new(2);
        for (n, seconds) in [(1, Some(30)), (2, None), (3, Some(1)), (4, Some(5))] {
            schedule.add(id(n), seconds.map(Duration::from_secs));
        }
        assert_eq!(schedule.begin(false), [id(3), id(4)]);
        assert_eq!(schedule.begin(false), []);
        schedule.end(id(4));
        assert_eq!(schedule.begin(false), [id(1)]);
        assert_eq!(schedule.begin(true), [id(2)]);
        assert!(!schedule.is_over());
        for n in 1..=3 {
            schedule.end(id(n));
        }
        schedule.add(id(3), None);
        assert!(schedule.is_over() && schedule.knows(id(3)));
    }

    proptest! {
        #[test]
        fn every_job_has_one_turn_and_never_are_more_under_way_than_allowed(
            parallel in 1_usize..6,
            jobs in proptest::collection::vec((0_u8..12, proptest::option::of(0_u64..9)), 0..20),
            ends in proptest::collection::vec(any::<proptest::sample::Index>(), 0..60),
        ) {
            let mut schedule = Schedule::new(parallel);
            let mut added = BTreeSet::new();
            for (n, expected) in jobs {
                schedule.add(id(n), expected.map(Duration::from_secs));
                added.insert(id(n));
            }
            let (mut under_way, mut begun) = (Vec::new(), Vec::new());
            for end in ends {
                let now = schedule.begin(false);
                begun.extend(now.clone());
                under_way.extend(now);
                prop_assert!(under_way.len() <= parallel);
                prop_assert!(under_way.len() == parallel || begun.len() == added.len(), "nobody waits for nothing");
                if !under_way.is_empty() {
                    schedule.end(under_way.swap_remove(end.index(under_way.len())));
                }
            }
            begun.extend(schedule.begin(true));
            prop_assert_eq!(begun.len(), added.len());
            prop_assert_eq!(begun.into_iter().collect::<BTreeSet<_>>(), added);
        }
    }
}
