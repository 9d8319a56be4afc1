//! The record as objects that are only ever created: `<record>/<number>.json`, numbered without gaps, and now and then a
//! [summary](super::summary) of those before it.
//!
//! Creating number n + 1 after reading up to n is the compare-and-swap: exactly one writer can. Where n + 1 was summed up and deleted long
//! ago, somebody could who knows nothing of that: so what was read a while ago is read again before.

use std::time::Duration;

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use tokio::time::Instant;

use super::summary::{Listed, Summary, name, summary_name};
use super::{Append, Error, Snapshot};
use crate::protocol::entry::Entry;
use crate::storage::{Created, Place};

/// So many are read at once.
pub(super) const AT_ONCE: usize = 16;
/// How often something is tried that others may be disturbing at this very moment.
const TRIES: u32 = 5;
/// How long to leave such others alone.
const PAUSE: Duration = Duration::from_millis(100);
/// What was read longer ago may have been deleted since: two summaries come between, which is hundreds of entries.
const OLD: Duration = Duration::from_secs(60);

#[derive(Debug, Clone)]
pub(super) struct Objects {
    folder: Place,
}

/// What is known of the objects.
#[derive(Debug, Clone, Default)]
pub(super) struct Known {
    /// What the summary covers that was read.
    summed: u64,
    /// The numbers of the entries that were read or written after that.
    numbers: Vec<u64>,
    /// Each entry as it was written.
    lines: Vec<String>,
    /// When the store was asked last.
    pub(super) at: Option<Instant>,
}

impl Known {
    /// The number of the newest entry.
    pub(super) fn last(&self) -> u64 {
        self.numbers.last().copied().unwrap_or(self.summed)
    }

    /// Whether all of it is still there, or summed up.
    fn is_in(&self, listed: &Listed) -> bool {
        let uncovered = self.numbers.iter().skip_while(|number| **number <= listed.summed);
        self.summed <= listed.summed
            && self.last() >= listed.summed
            && uncovered.eq(listed.later.iter().take_while(|number| **number <= self.last()))
    }

    /// Whether others may have written so much since that it can't be relied on.
    pub(super) fn is_old(&self) -> bool {
        self.at.is_none_or(|at| at.elapsed() >= OLD)
    }
}

impl Objects {
    pub(super) fn new(folder: Place) -> Self {
        Self { folder }
    }

    /// Reads what is not known yet. If anything that is known has gone, everything is read again.
    pub(super) async fn refresh(&self, known: &mut Snapshot) -> Result<(), Error> {
        let mut tries = 1;
        loop {
            match self.read_on(known).await {
                // It was summed up and deleted since it was listed.
                Err(Error::Storage(error)) if error.is_missing() && tries < TRIES => {}
                read => return read,
            }
            tries += 1;
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn read_on(&self, known: &mut Snapshot) -> Result<(), Error> {
        let at = Instant::now();
        let listed = self.list().await?;
        if !known.objects.is_in(&listed) {
            *known = Snapshot::default();
            if listed.summed > 0 {
                self.read_summary(listed.summed, known).await?;
            }
        }
        let last = known.objects.last();
        let unknown: Vec<u64> = listed.later.into_iter().filter(|number| *number > last).collect();
        let places: Vec<_> = unknown.iter().map(|number| self.folder.join(&name(*number))).collect();
        // What has arrived stays known, should this be broken off: the next time is that much shorter.
        let mut reading = stream::iter(places.iter().map(read_line)).buffered(AT_ONCE);
        for number in unknown {
            let Some((entry, line)) = reading.try_next().await? else { break };
            known.entries.push(entry);
            known.objects.lines.push(line);
            known.objects.numbers.push(number);
        }
        known.objects.at = Some(at);
        Ok(())
    }

    async fn read_summary(&self, number: u64, into: &mut Snapshot) -> Result<(), Error> {
        let place = self.folder.join(&summary_name(number));
        let damaged = |source| Error::Damaged { url: place.url().to_owned(), source };
        let summary: Summary = serde_json::from_slice(&place.read().await?).map_err(damaged)?;
        for value in summary.entries {
            into.objects.lines.push(value.to_string());
            into.entries.push(serde_json::from_value(value).map_err(damaged)?);
        }
        into.objects.summed = number;
        Ok(())
    }

    async fn list(&self) -> Result<Listed, Error> {
        let mut tries = 0;
        loop {
            let (_, names) = self.folder.children().await?;
            let missing = match Listed::of(&names) {
                Ok(listed) => return Ok(listed),
                Err(missing) => missing.0,
            };
            // A listing of a directory that is being written to may lack what is older than its newest.
            tries += 1;
            if tries == TRIES {
                return Err(Error::Gap(self.folder.join(&name(missing)).url().to_owned()));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Sums the record up where it has become long, and deletes what the summary before covers. Gives what is known then.
    pub(super) async fn tidy(&self, known: &Snapshot) -> Result<Option<Snapshot>, Error> {
        if known.objects.numbers.len() < super::summary::MANY {
            return Ok(None);
        }
        let place = self.folder.join(&summary_name(known.objects.last()));
        let damaged = |source| Error::Damaged { url: place.url().to_owned(), source };
        let summary = Summary::of(&known.entries, &known.objects.lines).map_err(damaged)?;
        let (entries, kept) = (known.entries.len(), summary.entries.len());
        // One that is there already says the same.
        place.create(serde_json::to_vec(&summary).map_err(damaged)?).await?;
        let mut fresh = Snapshot::default();
        self.refresh(&mut fresh).await?;
        tracing::info!(entries, kept, "the record is summed up");
        // In their order, so that what is left is without gaps for those that know of no summaries.
        for name in self.list().await?.spent {
            self.folder.join(&name).delete().await?;
        }
        Ok(Some(fresh))
    }

    pub(super) async fn append(&self, known: &mut Snapshot, entries: &[Entry]) -> Result<Append, Error> {
        for entry in entries {
            let (place, at) = (self.folder.join(&name(known.objects.last() + 1)), Instant::now());
            if create(&place, entry).await? == Append::Conflict {
                return Ok(Append::Conflict);
            }
            known.objects.lines.push(line(entry, &place)?);
            known.objects.numbers.push(known.objects.last() + 1);
            known.objects.at = Some(at);
            known.entries.push(entry.clone());
        }
        Ok(Append::Done)
    }
}

/// Reads an entry.
pub(super) async fn read(place: &Place) -> Result<Entry, Error> {
    Ok(read_line(place).await?.0)
}

/// Reads an entry, and gives it as it was written, too.
async fn read_line(place: &Place) -> Result<(Entry, String), Error> {
    let bytes = place.read().await?;
    let damaged = |source| Error::Damaged { url: place.url().to_owned(), source };
    let entry = serde_json::from_slice(&bytes).map_err(damaged)?;
    Ok((entry, String::from_utf8_lossy(&bytes).trim().to_owned()))
}

fn line(entry: &Entry, place: &Place) -> Result<String, Error> {
    serde_json::to_string(entry).map_err(|source| Error::Damaged { url: place.url().to_owned(), source })
}

/// Creates an entry where none is.
pub(super) async fn create(place: &Place, entry: &Entry) -> Result<Append, Error> {
    let text = line(entry, place)? + "\n";
    for _ in 0..TRIES {
        if place.create(text.clone().into_bytes()).await? == Created::Done {
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
