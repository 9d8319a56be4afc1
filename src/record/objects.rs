//! The record as objects that are only ever created: `<record>/<number>.json`, numbered from 1 without gaps.
//!
//! Creating number n + 1 after reading up to n is the compare-and-swap: exactly one writer can.

use std::time::Duration;

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};

use super::{Append, Error, Snapshot};
use crate::protocol::entry::Entry;
use crate::storage::{Created, Place};

/// So many are read at once.
pub(super) const AT_ONCE: usize = 16;
/// How often something is tried that others may be disturbing at this very moment.
const TRIES: u32 = 5;
/// How long to leave such others alone.
const PAUSE: Duration = Duration::from_millis(100);

#[derive(Debug, Clone)]
pub(super) struct Objects {
    folder: Place,
}

impl Objects {
    pub(super) fn new(folder: Place) -> Self {
        Self { folder }
    }

    /// Reads what is not known yet. If anything that is known has gone, everything is read again.
    pub(super) async fn refresh(&self, known: &mut Snapshot) -> Result<(), Error> {
        let numbers = self.numbers().await?;
        if !numbers.starts_with(&known.numbers) {
            *known = Snapshot::default();
        }
        let unknown = numbers.get(known.numbers.len()..).unwrap_or_default();
        let places: Vec<_> = unknown.iter().map(|number| self.folder.join(&name(*number))).collect();
        let entries: Vec<Entry> = stream::iter(places.iter().map(read)).buffered(AT_ONCE).try_collect().await?;
        known.entries.extend(entries);
        known.numbers = numbers;
        Ok(())
    }

    /// Every number there is. One that is missing below others was taken away by somebody: what it said can't be known.
    async fn numbers(&self) -> Result<Vec<u64>, Error> {
        let mut tries = 0;
        loop {
            let (_, objects) = self.folder.children().await?;
            let mut numbers: Vec<u64> = objects.iter().filter_map(|name| number(name)).collect();
            numbers.sort_unstable();
            let Some(missing) = (1..).zip(&numbers).find_map(|(wanted, found)| (wanted != *found).then_some(wanted))
            else {
                return Ok(numbers);
            };
            // A listing of a directory that is being written to may lack what is older than its newest.
            tries += 1;
            if tries == TRIES {
                return Err(Error::Gap(self.folder.join(&name(missing)).url().to_owned()));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    pub(super) async fn append(&self, known: &mut Snapshot, entries: &[Entry]) -> Result<Append, Error> {
        for entry in entries {
            let number = known.numbers.last().map_or(1, |newest| newest + 1);
            if create(&self.folder.join(&name(number)), entry).await? == Append::Conflict {
                return Ok(Append::Conflict);
            }
            known.entries.push(entry.clone());
            known.numbers.push(number);
        }
        Ok(Append::Done)
    }
}

fn name(number: u64) -> String {
    format!("{number:012}.json")
}

fn number(name: &str) -> Option<u64> {
    name.strip_suffix(".json")?.parse().ok()
}

/// Reads an entry.
pub(super) async fn read(place: &Place) -> Result<Entry, Error> {
    let bytes = place.read().await?;
    serde_json::from_slice(&bytes).map_err(|source| Error::Damaged { url: place.url().to_owned(), source })
}

/// Creates an entry where none is.
pub(super) async fn create(place: &Place, entry: &Entry) -> Result<Append, Error> {
    let mut text =
        serde_json::to_vec(entry).map_err(|source| Error::Damaged { url: place.url().to_owned(), source })?;
    text.push(b'\n');
    for _ in 0..TRIES {
        if place.create(text.clone()).await? == Created::Done {
            return Ok(Append::Done);
        }
        match read(place).await {
            // The reply to a first try was lost, and the object is ours.
            Ok(there) if there.write_id == entry.write_id => return Ok(Append::Done),
            Ok(_) => return Ok(Append::Conflict),
            // S3 answers two who write at the same moment that there is a conflict, and may have stored nothing of either.
            Err(Error::Storage(error)) if error.is_missing() => tokio::time::sleep(PAUSE).await,
            Err(error) => return Err(error),
        }
    }
    Err(Error::Contended(place.url().to_owned()))
}
