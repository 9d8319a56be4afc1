//! Looking at one point, and for the newest.

use futures_util::TryStreamExt as _;
use jiff::Timestamp;

use super::points::{checkpoints_of, savepoints};
use super::{Error, Place, Storage};
use crate::flink::metadata::{HEAD, Head};
use crate::protocol::id::JobId;
use crate::protocol::point::{Found, Metadata, PointRef};
use crate::protocol::stop::{Search, Secured};
use crate::report;

/// What the `_metadata` of the point at `place` says, and when it was last changed.
pub(super) async fn metadata(place: &Place) -> Result<(Metadata, Option<Timestamp>), Error> {
    let file = place.join("_metadata");
    let Some((size, modified)) = file.stat().await? else { return Ok((Metadata::Missing, None)) };
    let start = match size.min(HEAD as u64) {
        0 => Vec::new(),
        some => match file.read_start(some).await {
            Ok(bytes) => bytes,
            Err(error) if error.is_missing() => return Ok((Metadata::Missing, None)),
            Err(error) => return Err(error),
        },
    };
    let metadata = match Head::parse(&start) {
        Ok(Head { checkpoint_id, .. }) => Metadata::Whole { checkpoint_id, bytes: size },
        Err(error) => Metadata::Broken(error.to_string()),
    };
    Ok((metadata, modified))
}

/// Looks closely at one point.
pub async fn look(storage: &Storage, path: &str) -> Search {
    let seen = async {
        let place = storage.place(path)?;
        let (metadata, completed_at) = metadata(&place).await?;
        Ok(match metadata {
            Metadata::Missing => Search::Nothing,
            Metadata::Broken(why) => Search::Broken(why),
            Metadata::Whole { checkpoint_id, .. } => {
                let bytes = Some(place.list().try_fold(0, |sum, (_, size)| async move { Ok(sum + size) }).await?);
                let point = PointRef { path: place.url().to_owned(), checkpoint_id: Some(checkpoint_id), epoch: None };
                Search::Found(Secured { point, job_id: None, bytes, completed_at })
            }
        })
    };
    seen.await.unwrap_or_else(|error: Error| Search::Unreadable(report::chain(&error)))
}

/// The newest complete savepoint in one epoch's folder whose number is above `above`, passing over `known` ones.
pub async fn newest_savepoint(storage: &Storage, folder: &str, above: Option<u64>, known: &[String]) -> Search {
    let seen = async { savepoints(&storage.place(folder)?, None).await };
    newest(storage, seen.await, above, known).await
}

/// The newest complete checkpoint of a job whose number is above `above`.
pub async fn newest_checkpoint(storage: &Storage, directory: &str, job_id: JobId, above: Option<u64>) -> Search {
    let seen = async { checkpoints_of(&storage.place(directory)?.join(&job_id.to_string()), job_id).await };
    newest(storage, seen.await, above, &[]).await
}

async fn newest(storage: &Storage, found: Result<Vec<Found>, Error>, above: Option<u64>, known: &[String]) -> Search {
    let found = match found {
        Ok(found) => found,
        Err(error) => return Search::Unreadable(report::chain(&error)),
    };
    let candidates = found.iter().filter(|one| one.checkpoint_id() > above && !known.contains(&one.path));
    let Some(newest) = candidates.max_by_key(|one| one.checkpoint_id()) else { return Search::Nothing };
    match look(storage, &newest.path).await {
        Search::Found(secured) => Search::Found(Secured { job_id: newest.job_id, ..secured }),
        other => other,
    }
}
