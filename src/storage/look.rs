//! Looking at one point, and for the newest.

use std::cell::RefCell;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::place::Beginning;
use super::points::{checkpoints_of, savepoints};
use super::verify::{Report, Verdict, verify};
use super::{Error, Place, Storage};
use crate::flink::metadata::{HEAD, Head};
use crate::protocol::id::JobId;
use crate::protocol::point::{Found, Metadata, PointRef, normalize};
use crate::protocol::stop::{Search, Secured};
use crate::report;

/// A store of which nothing comes for so long does not answer.
const STALL: Duration = Duration::from_secs(20);

/// What the `_metadata` of the point at `place` says, and when it was last changed.
pub(super) async fn metadata(place: &Place) -> Result<(Metadata, Option<Timestamp>), Error> {
    let file = place.join("_metadata");
    let Some(Beginning { bytes: start, of: size, modified }) = file.beginning(HEAD as u64).await? else {
        // Something that is no file may be in its place.
        let in_the_way = place.children().await?.0.iter().any(|name| name == "_metadata");
        let broken = || Metadata::Broken("_metadata is a directory".to_owned());
        return Ok((if in_the_way { broken() } else { Metadata::Missing }, None));
    };
    // Of a newer version it can't be told whether it is whole: that is asked of the one that is chosen.
    let metadata = match Head::parse(&start).or_else(|error| Head::of_newer(&start).ok_or(error)) {
        Ok(Head { checkpoint_id, .. }) => Metadata::Whole { checkpoint_id, bytes: size },
        Err(error) => Metadata::Broken(error.to_string()),
    };
    Ok((metadata, modified))
}

/// Verifies one point. Where there is a time by which it has to be told, a point that is there and not seen to be damaged
/// by then is found, with that as its doubt.
pub async fn look(storage: &Storage, path: &str, until: Option<Instant>) -> Search {
    let path = normalize(path);
    let progress = RefCell::new(Report::default());
    let place = match storage.place(&path) {
        Ok(place) => place,
        Err(error) => return found(path, &progress.borrow(), Some(report::chain(&error))),
    };
    let in_time = async {
        match until {
            Some(until) => tokio::time::sleep_until(until).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = verify(storage, &place, &progress) => {}
        () = in_time => {}
        () = stalls(&progress) => {}
    }
    let report = progress.take();
    match report.verdict.clone() {
        Some(Verdict::Whole) => found(path, &report, None),
        Some(Verdict::Doubtful(why)) => found(path, &report, Some(why)),
        Some(Verdict::Absent) => Search::Nothing,
        Some(Verdict::Broken(why)) => Search::Broken(why),
        Some(Verdict::Unreadable(why)) => Search::Unreadable(why),
        None => late(path, &report, until.is_some()),
    }
}

/// It was not told in time.
fn late(path: String, report: &Report, must_end: bool) -> Search {
    let Report { version, files, checked, damages, .. } = report;
    match version {
        _ if !damages.is_empty() => Search::Broken(report.words_of_damage()),
        Some(_) if must_end => {
            found(path, report, Some(format!("not verified in time: {checked} of {files} files were looked at")))
        }
        None if must_end && report.checkpoint_id.is_some() => {
            found(path, report, Some("not verified in time: _metadata was not read to its end".to_owned()))
        }
        _ => Search::Unreadable("storage does not answer".to_owned()),
    }
}

fn found(path: String, report: &Report, doubt: Option<String>) -> Search {
    let point = PointRef { path, checkpoint_id: report.checkpoint_id, epoch: None };
    let bytes = doubt.is_none().then_some(report.bytes);
    Search::Found(Secured { point, job_id: None, bytes, completed_at: report.completed_at, doubt })
}

/// Waits until nothing moves any more.
async fn stalls(progress: &RefCell<Report>) {
    let seen = || {
        let report = progress.borrow();
        (report.requests, report.read, report.checked)
    };
    loop {
        let before = seen();
        tokio::time::sleep(STALL).await;
        if seen() == before {
            return;
        }
    }
}

/// Every savepoint in one epoch's folder, whole or not.
///
/// # Errors
/// If it can't be read.
pub async fn savepoints_in(storage: &Storage, folder: &str) -> Result<Vec<Found>, Error> {
    savepoints(&storage.place(folder)?, None).await
}

/// The newest complete savepoint in one epoch's folder whose number is above `above`, passing over `known` ones.
pub async fn newest_savepoint(
    storage: &Storage,
    folder: &str,
    above: Option<u64>,
    known: &[String],
    until: Instant,
) -> Search {
    newest(storage, savepoints_in(storage, folder).await, above, known, until).await
}

/// The newest complete checkpoint of a job whose number is above `above`.
pub async fn newest_checkpoint(
    storage: &Storage,
    directory: &str,
    job_id: JobId,
    above: Option<u64>,
    until: Instant,
) -> Search {
    let seen = async { checkpoints_of(storage.place(directory)?.join(&job_id.to_string()), job_id).await };
    newest(storage, seen.await, above, &[], until).await
}

async fn newest(
    storage: &Storage,
    found: Result<Vec<Found>, Error>,
    above: Option<u64>,
    known: &[String],
    until: Instant,
) -> Search {
    let found = match found {
        Ok(found) => found,
        Err(error) => return Search::Unreadable(report::chain(&error)),
    };
    let candidates = found.iter().filter(|one| one.checkpoint_id() > above && !known.contains(&one.path));
    let Some(newest) = candidates.max_by_key(|one| one.checkpoint_id()) else { return Search::Nothing };
    match look(storage, &newest.path, Some(until)).await {
        Search::Found(secured) => Search::Found(Secured { job_id: newest.job_id, ..secured }),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn doubt(report: &Report, must_end: bool) -> Option<(Option<u64>, String)> {
        match late("s3://a".to_owned(), report, must_end) {
            Search::Found(Secured { point, doubt: Some(doubt), .. }) => Some((point.checkpoint_id, doubt)),
            Search::Unreadable(_) => None,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_was_seen_by_the_deadline_is_a_point_with_a_doubt_and_never_a_loss() {
        let known = Report { checkpoint_id: Some(7), ..Report::default() };
        let (id, words) = doubt(&known, true).unwrap();
        assert!(id == Some(7) && words.contains("_metadata was not read to its end"), "{words}");
        let counted = Report { version: Some(4), files: 10_000, checked: 3_000, ..known };
        let (id, words) = doubt(&counted, true).unwrap();
        assert!(id == Some(7) && words.contains("3000 of 10000 files"), "{words}");
        // A start has time: it asks again.
        assert_eq!(doubt(&counted, false), None);
        assert_eq!(doubt(&Report::default(), true), None);
    }
}
