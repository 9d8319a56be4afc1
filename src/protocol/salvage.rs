//! What a stop could not record, the next start does: the savepoint lies in the epoch's own folder, whoever died since.

use jiff::Timestamp;

use super::entry::Saved;
use super::history::{Epoch, History};
use super::point::{Found, Kind, PointRef, normalize, same};
use super::stop::Secured;

/// The entry for a point that is whole and lies in an epoch's own folder, but that the record does not know; and the epoch.
#[must_use]
pub fn salvage(history: &History, found: &[Found], secured: &Secured, now: Timestamp) -> Option<(u64, Saved)> {
    let path = &secured.point.path;
    let listed = found.iter().find(|one| same(&one.path, path) && !one.checkpoint)?;
    let number = listed.epoch?;
    let epoch = history.epochs.get(&number)?;
    if secured.doubt.is_some() || history.saved().any(|(_, saved)| same(&saved.point.path, path)) {
        return None;
    }
    let attempt = epoch.attempt.as_ref().filter(|attempt| is_in(path, &attempt.target));
    let saved = Saved {
        job_id: attempt.map(|attempt| attempt.job_id).or(epoch.ran).or_else(|| epoch.claim.as_ref()?.job_id)?,
        job_name: None,
        point: PointRef { epoch: Some(number), ..secured.point.clone() },
        kind: kind(epoch),
        format: attempt.map(|attempt| attempt.format),
        completed_at: secured.completed_at.unwrap_or(now),
        bytes: secured.bytes,
        duration_ms: None,
        predicted_ms: None,
        doubt: None,
        salvaged: true,
        drained: attempt.is_some_and(|attempt| attempt.drain),
    };
    Some((number, saved))
}

fn is_in(path: &str, folder: &str) -> bool {
    path.rsplit_once('/').is_some_and(|(parent, _)| parent == normalize(folder))
}

/// An epoch ends with one final savepoint. Where the record was away during the whole stop, it knows of no request either.
fn kind(epoch: &Epoch) -> Kind {
    let has_final = epoch.saved.iter().any(|saved| saved.kind == Kind::Final);
    if has_final { Kind::Manual } else { Kind::Final }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::entry::{Attempt, Entry, Fact, VERSION};
    use crate::protocol::id::{Id, JobId};
    use crate::protocol::point::{Format, Metadata};

    const FOLDER: &str = "s3://flink/savepoints/orders/3";

    fn path() -> String {
        format!("{FOLDER}/savepoint-1")
    }

    fn history(facts: &[Fact]) -> History {
        let entry = |fact: &Fact| Entry {
            version: VERSION,
            write_id: Id::from_bytes([1; 16]),
            at: Timestamp::UNIX_EPOCH,
            epoch: 3,
            fact: fact.clone(),
        };
        History::read(&facts.iter().map(entry).collect::<Vec<_>>())
    }

    fn found(epoch: Option<u64>) -> Found {
        Found {
            path: path(),
            checkpoint: false,
            job_id: None,
            job_prefix: None,
            epoch,
            metadata: Metadata::Whole { checkpoint_id: 7, bytes: 1 },
            modified: None,
        }
    }

    fn secured() -> Secured {
        let point = PointRef { path: path(), checkpoint_id: Some(7), epoch: None };
        let completed_at = Some(Timestamp::UNIX_EPOCH);
        Secured { point, job_id: None, bytes: Some(9), completed_at, doubt: None }
    }

    fn ran() -> Fact {
        Fact::Confirmed { job_id: JobId::derived("orders", 3), restored: None }
    }

    fn attempted(target: &str) -> Fact {
        let (job_id, trigger_id) = (JobId::derived("orders", 3), Id::from_bytes([2; 16]));
        Fact::Attempted(Attempt { job_id, trigger_id, target: target.into(), format: Format::Native, drain: false })
    }

    fn salvaged(facts: &[Fact], epoch: Option<u64>, secured: &Secured) -> Option<(u64, Saved)> {
        salvage(&history(facts), &[found(epoch)], secured, Timestamp::MAX)
    }

    #[test]
    fn the_savepoint_of_a_request_whose_outcome_nobody_recorded_is_the_final_one() {
        let (epoch, saved) = salvaged(&[attempted(&format!("{FOLDER}/"))], Some(3), &secured()).unwrap();
        assert_eq!((epoch, saved.point.epoch, saved.point.checkpoint_id), (3, Some(3), Some(7)));
        assert_eq!((saved.kind, saved.format, saved.salvaged), (Kind::Final, Some(Format::Native), true));
        assert_eq!((saved.job_id, saved.bytes), (JobId::derived("orders", 3), Some(9)));
        assert_eq!(saved.completed_at, Timestamp::UNIX_EPOCH);
    }

    #[test]
    fn without_a_recorded_request_the_job_is_the_one_that_ran() {
        let (_, saved) = salvaged(&[ran()], Some(3), &secured()).unwrap();
        assert_eq!((saved.kind, saved.format, saved.job_id), (Kind::Final, None, JobId::derived("orders", 3)));
        let (_, saved) = salvaged(&[ran(), attempted("s3://elsewhere")], Some(3), &secured()).unwrap();
        assert_eq!(saved.format, None);
    }

    #[test]
    fn a_second_savepoint_of_an_epoch_is_no_final_one() {
        let other =
            Saved { point: PointRef { path: "s3://other".into(), checkpoint_id: None, epoch: None }, ..known() };
        let (_, saved) = salvaged(&[ran(), Fact::Saved(other)], Some(3), &secured()).unwrap();
        assert_eq!(saved.kind, Kind::Manual);
    }

    fn known() -> Saved {
        salvaged(&[ran()], Some(3), &secured()).unwrap().1
    }

    #[test]
    fn what_is_recorded_doubtful_or_elsewhere_is_not_salvaged() {
        assert_eq!(salvaged(&[ran(), Fact::Saved(known())], Some(3), &secured()), None);
        assert_eq!(salvaged(&[ran()], Some(3), &Secured { doubt: Some("unknown".into()), ..secured() }), None);
        assert_eq!(salvaged(&[ran()], None, &secured()), None, "in no epoch's own folder");
        assert_eq!(salvaged(&[ran()], Some(4), &secured()), None, "of an epoch that nobody knows");
        let checkpoint = Found { checkpoint: true, ..found(Some(3)) };
        assert_eq!(salvage(&history(&[ran()]), &[checkpoint], &secured(), Timestamp::MAX), None);
    }
}
