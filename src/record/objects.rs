//! The record as objects that are only ever created: `<record>/<number>.json`, numbered from 1 without gaps.
//!
//! Creating number n + 1 after reading up to n is the compare-and-swap: exactly one writer can.

use super::{Append, Error, Snapshot};
use crate::protocol::entry::Entry;
use crate::storage::{Created, Place};

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
        let (_, objects) = self.folder.children().await?;
        let mut numbers: Vec<u64> = objects.iter().filter_map(|name| number(name)).collect();
        numbers.sort_unstable();
        if !numbers.starts_with(&known.numbers) {
            *known = Snapshot::default();
        }
        for number in numbers.into_iter().skip(known.numbers.len()) {
            known.entries.push(read(&self.folder.join(&name(number))).await?);
            known.numbers.push(number);
        }
        Ok(())
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
    match place.create(text).await? {
        Created::Done => Ok(Append::Done),
        // The reply to a first try may have been lost: then the object is ours.
        Created::Exists if read(place).await?.write_id == entry.write_id => Ok(Append::Done),
        Created::Exists => Ok(Append::Conflict),
    }
}
