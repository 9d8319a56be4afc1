//! The last step of a start: what Flink says it restored is compared with what was injected.

use std::time::Duration;

use super::id::JobId;
use super::point::{PointRef, normalize, same};
use super::time::Moment;

/// How long "nothing was restored" is doubted: Flink serves its checkpoint statistics from a cache that is up to 3 s old.
const DOUBT: Duration = Duration::from_secs(4);

/// What Flink names as restored (`latest.restored` of `GET /jobs/:id/checkpoints`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// The checkpoint id.
    pub id: u64,
    /// Where it lies. (`is_savepoint` beside it is not reliable.)
    pub path: String,
}

/// What to think of a running job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Confirmation {
    /// Too early to say.
    Pending,
    /// It continues from what was injected, or began with nothing where nothing was.
    Right(Option<Restored>),
    /// It does not; why, in words.
    Wrong(String),
}

/// Waits for the confirmation of one start.
#[derive(Debug, Clone)]
pub struct Confirm {
    injected: Option<PointRef>,
    or: Vec<String>,
    doubted: Option<Moment>,
}

impl Confirm {
    /// Waits for a job that should continue from `injected`.
    #[must_use]
    pub fn of(injected: Option<PointRef>) -> Self {
        Self { injected, or: Vec::new(), doubted: None }
    }

    /// It may continue from one of these as well.
    #[must_use]
    pub fn or(self, others: Vec<String>) -> Self {
        Self { or: others, ..self }
    }

    /// Takes in what Flink says of a job all of whose tasks are running.
    pub fn on(&mut self, job_id: JobId, restored: Option<Restored>, now: Moment) -> Confirmation {
        match (&self.injected, restored) {
            (None, None) => Confirmation::Right(None),
            (None, Some(restored)) if is_own(&restored, job_id) => Confirmation::Right(Some(restored)),
            (None, Some(restored)) => {
                Confirmation::Wrong(format!("the job should have begun with nothing, but restored {}", restored.path))
            }
            (Some(injected), Some(restored)) => {
                let path = normalize(&restored.path);
                let went_on = is_own(&restored, job_id) && Some(restored.id) > injected.checkpoint_id;
                let instead = self.or.iter().any(|other| same(&path, other));
                if same(&path, &injected.path) || went_on || instead {
                    Confirmation::Right(Some(restored))
                } else {
                    Confirmation::Wrong(format!("the job restored {path}, not {}", injected.path))
                }
            }
            (Some(injected), None) => {
                let since = *self.doubted.get_or_insert(now);
                if now.since(since) < DOUBT {
                    return Confirmation::Pending;
                }
                Confirmation::Wrong(format!("the job runs from nothing, though {} was injected", injected.path))
            }
        }
    }
}

/// A checkpoint of this very job: it restored before and has failed over since.
fn is_own(restored: &Restored, job_id: JobId) -> bool {
    restored.path.contains(&format!("/{job_id}/chk-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const JOB: JobId = JobId::from_bytes([7; 16]);

    #[expect(clippy::unnecessary_wraps, reason = "as it is wanted")]
    fn injected() -> Option<PointRef> {
        Some(PointRef { path: "file:///s/savepoint-1".to_owned(), checkpoint_id: Some(4), epoch: Some(1) })
    }

    #[expect(clippy::unnecessary_wraps, reason = "as it is wanted")]
    fn restored(id: u64, path: &str) -> Option<Restored> {
        Some(Restored { id, path: path.to_owned() })
    }

    #[test]
    fn the_injected_point_in_any_spelling_confirms() {
        for path in ["file:/s/savepoint-1", "file:///s/savepoint-1/", "/s/savepoint-1/_metadata"] {
            let seen = Confirm::of(injected()).on(JOB, restored(4, path), Moment(0));
            assert!(matches!(seen, Confirmation::Right(Some(_))), "{path}: {seen:?}");
        }
    }

    #[test]
    fn another_point_does_not() {
        let seen = Confirm::of(injected()).on(JOB, restored(3, "file:/s/savepoint-0"), Moment(0));
        assert!(matches!(seen, Confirmation::Wrong(_)), "{seen:?}");
    }

    #[test]
    fn what_flinks_own_high_availability_may_restore_instead_confirms_too() {
        let mut confirm = Confirm::of(injected()).or(vec!["file:///c/chk-3".to_owned()]);
        let seen = confirm.on(JOB, restored(3, "file:/c/chk-3"), Moment(0));
        assert!(matches!(seen, Confirmation::Right(Some(_))), "{seen:?}");
        let seen = confirm.on(JOB, restored(2, "file:/c/chk-2"), Moment(0));
        assert!(matches!(seen, Confirmation::Wrong(_)), "{seen:?}");
    }

    #[test]
    fn a_job_that_has_failed_over_since_is_right() {
        let path = format!("file:/c/{JOB}/chk-9");
        let seen = Confirm::of(injected()).on(JOB, restored(9, &path), Moment(0));
        assert!(matches!(seen, Confirmation::Right(Some(_))), "{seen:?}");
    }

    #[test]
    fn nothing_restored_is_believed_only_after_flinks_cache_has_expired() {
        let mut confirm = Confirm::of(injected());
        assert_eq!(confirm.on(JOB, None, Moment(1_000)), Confirmation::Pending);
        assert_eq!(confirm.on(JOB, None, Moment(4_900)), Confirmation::Pending);
        assert!(matches!(confirm.on(JOB, None, Moment(5_000)), Confirmation::Wrong(_)));
    }

    #[test]
    fn a_fresh_start_restores_nothing() {
        assert_eq!(Confirm::of(None).on(JOB, None, Moment(0)), Confirmation::Right(None));
        let seen = Confirm::of(None).on(JOB, restored(3, "file:/s/savepoint-0"), Moment(0));
        assert!(matches!(seen, Confirmation::Wrong(_)), "{seen:?}");
    }
}
