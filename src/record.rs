//! The record: the cluster's durable memory, an append-only list of [`Entry`]s.
//!
//! The contract, whatever the store:
//! - [`Record::load`] gives every entry in order, or the proof that there is none. What can't be read is an error.
//! - [`Record::append`] adds an entry if nobody has added one since the given load, or says that somebody has. An answer
//!   "done" means durable. A lost reply is told from a conflict by reading back.
//! - An entry is never changed.

pub mod marker;
mod objects;

use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::Mutex;

use crate::protocol::entry::{Entry, Fact, VERSION};
use crate::protocol::history::History;
use crate::protocol::stop::RecordReply;
use crate::report;
use crate::storage;
use marker::Marker;

/// Why the record could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store behind it.
    #[error("the record can't be read or written")]
    Storage(#[from] storage::Error),
    /// Another cluster was quicker.
    #[error(
        "{0} is the marker of another cluster that uses the same cluster.id and savepoint.directory: give one of them another cluster.id"
    )]
    Foreign(String),
    /// There is an entry that is not one.
    #[error(
        "the record is damaged: {url} is not an entry. Bring it back from a backup, or move it away if its loss is understood"
    )]
    Damaged {
        /// The entry.
        url: String,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
}

impl Error {
    /// Whether it may go better by itself.
    #[must_use]
    pub fn passes(&self) -> bool {
        match self {
            Self::Storage(error) => error.passes(),
            Self::Damaged { .. } | Self::Foreign(_) => false,
        }
    }
}

/// The state of the record at one load.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// Every entry, oldest first.
    pub entries: Vec<Entry>,
    /// The number of each.
    numbers: Vec<u64>,
}

impl Snapshot {
    fn next(&self) -> u64 {
        self.numbers.last().map_or(1, |newest| newest + 1)
    }

    fn push(&mut self, number: u64, entry: Entry) {
        self.numbers.push(number);
        self.entries.push(entry);
    }
}

/// What came of [`Record::append`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Append {
    /// Durable.
    Done,
    /// Somebody else added an entry first.
    Conflict,
}

/// The record of one cluster.
#[derive(Debug, Clone)]
pub struct Record {
    objects: objects::Objects,
    /// As it was read or written last. Entries never change, so only newer ones have to be read again.
    known: Arc<Mutex<Snapshot>>,
}

impl Record {
    /// The record at this URL.
    ///
    /// # Errors
    /// If this build has no store for the URL.
    pub fn open(url: &str) -> Result<Self, Error> {
        Ok(Self { objects: objects::Objects::open(url)?, known: Arc::default() })
    }

    /// Reads everything.
    ///
    /// # Errors
    /// If any of it can't be read.
    pub async fn load(&self) -> Result<Snapshot, Error> {
        let mut known = self.known.lock().await;
        self.objects.refresh(&mut known).await?;
        Ok(known.clone())
    }

    /// Adds one entry after the newest of `snapshot`, which it updates.
    ///
    /// # Errors
    /// If the store does not take it, or it is unknown whether it has.
    pub async fn append(&self, snapshot: &mut Snapshot, entry: Entry) -> Result<Append, Error> {
        let number = snapshot.next();
        let appended = self.objects.create(number, &entry).await?;
        if appended == Append::Done {
            snapshot.push(number, entry);
        }
        Ok(appended)
    }

    /// Adds a fact in the name of `epoch`, unless a newer epoch has begun.
    pub async fn say(&self, epoch: u64, fact: Fact) -> RecordReply {
        self.add(entry(epoch, fact)).await
    }

    /// Adds an entry, unless a newer epoch than the entry's has begun. The same entry may be given again: it is added once.
    pub async fn add(&self, entry: Entry) -> RecordReply {
        match self.try_add(entry).await {
            Ok(reply) => reply,
            Err(error) => RecordReply::Failed(report::chain(&error)),
        }
    }

    /// Adds an entry, and copies it into the marker if it is one that must not be lost. Done means that both are durable.
    pub async fn add_and_keep(&self, marker: &Marker, entry: &Entry) -> RecordReply {
        match self.add(entry.clone()).await {
            RecordReply::Done => match marker.keep(entry).await {
                Ok(()) => RecordReply::Done,
                Err(error) => RecordReply::Failed(report::chain(&error)),
            },
            other => other,
        }
    }

    /// What is known needs no reading again first: if it is out of date, the number it leads to is taken.
    async fn try_add(&self, entry: Entry) -> Result<RecordReply, Error> {
        let mut known = self.known.lock().await;
        if known.entries.is_empty() {
            self.objects.refresh(&mut known).await?;
        }
        loop {
            if known.entries.iter().any(|other| other.write_id == entry.write_id) {
                return Ok(RecordReply::Done);
            }
            if let Some((newest, _)) = History::read(&known.entries).newest_claim()
                && entry.epoch > 0
                && newest > entry.epoch
            {
                return Ok(RecordReply::Superseded(format!("epoch {newest} has begun")));
            }
            if self.append(&mut known, entry.clone()).await? == Append::Done {
                return Ok(RecordReply::Done);
            }
            self.objects.refresh(&mut known).await?;
        }
    }
}

/// A new entry.
#[must_use]
pub fn entry(epoch: u64, fact: Fact) -> Entry {
    Entry { version: VERSION, write_id: crate::random::id(), at: Timestamp::now(), epoch, fact }
}

#[cfg(test)]
mod tests;
