//! The record: the cluster's durable memory, an append-only list of [`Entry`]s.
//!
//! The contract, whatever the store:
//! - [`Record::load`] gives every entry in order, or the proof that there is none. What can't be read is an error.
//! - [`Record::append`] adds an entry if nobody has added one since the given load, or says that somebody has. An answer
//!   "done" means durable. A lost reply is told from a conflict by reading back.
//! - An entry is never changed.

mod compact;
mod config_map;
pub mod marker;
mod objects;
mod summary;

use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::Mutex;

use crate::config::{RecordKind, RecordUrl};
use crate::kubernetes::{self, Kubernetes};
use crate::protocol::entry::{Entry, Fact, VERSION};
use crate::protocol::fence::{Fence, fence};
use crate::protocol::stop::RecordReply;
use crate::report;
use crate::storage::{self, Storage};
use crate::telemetry::metrics;
use crate::telemetry::words::Operation;
use marker::Marker;

/// Why the record could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store behind it.
    #[error("the record can't be read or written")]
    Storage(#[from] storage::Error),
    /// The ConfigMap behind it.
    #[error("the record can't be read or written")]
    Kubernetes(#[from] kubernetes::Error),
    /// Another cluster was quicker.
    #[error(
        "{0} is the marker of another cluster that uses the same cluster.id and savepoint.directory: give one of them another cluster.id"
    )]
    Foreign(String),
    /// The record was deleted, and somebody else was given the same epoch, and was quicker.
    #[error(
        "{0} says that another process has begun this epoch: it was given twice, as the record was deleted meanwhile"
    )]
    Begun(String),
    /// An entry is gone while later ones are there.
    #[error(
        "the record is damaged: {0} is missing, though later entries are there. Bring it back from a backup (did a lifecycle \
         rule of the bucket expire it?), or move the rest away if its loss is understood"
    )]
    Gap(String),
    /// The store says that somebody else is writing, and nobody has written.
    #[error("{0} can't be written: the store goes on saying that others write it at the same moment")]
    Contended(String),
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
            Self::Kubernetes(error) => error.passes(),
            Self::Contended(_) | Self::Begun(_) => true,
            Self::Damaged { .. } | Self::Gap(_) | Self::Foreign(_) => false,
        }
    }
}

/// The state of the record at one load.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// Every entry, oldest first.
    pub entries: Vec<Entry>,
    /// Objects: which of them were read.
    objects: objects::Known,
    /// ConfigMap: the whole object, for the next replacement.
    object: Option<serde_json::Value>,
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
    store: Store,
    /// As it was read or written last. Entries never change, so only newer ones have to be read again.
    known: Arc<Mutex<Snapshot>>,
}

#[derive(Debug, Clone)]
enum Store {
    Objects(objects::Objects),
    ConfigMap(config_map::ConfigMap),
}

impl Store {
    async fn refresh(&self, known: &mut Snapshot) -> Result<(), Error> {
        match self {
            Self::Objects(objects) => objects.refresh(known).await,
            Self::ConfigMap(config_map) => config_map.refresh(known).await,
        }
    }

    async fn append(&self, known: &mut Snapshot, entries: &[Entry]) -> Result<Append, Error> {
        match self {
            Self::Objects(objects) => objects.append(known, entries).await,
            Self::ConfigMap(config_map) => config_map.append(known, entries).await,
        }
    }
}

impl Record {
    /// The record at this URL; a ConfigMap needs access to its API server.
    ///
    /// # Errors
    /// If the URL names no usable place.
    pub fn open(url: &RecordUrl, storage: &Storage, kubernetes: Option<&Kubernetes>) -> Result<Self, Error> {
        let store = match (url.kind(), kubernetes) {
            (RecordKind::ConfigMap { namespace, name }, Some(kubernetes)) => {
                Store::ConfigMap(config_map::ConfigMap::new(kubernetes.clone(), namespace.clone(), name.clone()))
            }
            (RecordKind::ConfigMap { .. }, None) => {
                return Err(storage::Error::Unsupported(url.as_str().to_owned()).into());
            }
            (RecordKind::Directory(_) | RecordKind::ObjectStore, _) => {
                Store::Objects(objects::Objects::new(storage.place(url.as_str())?))
            }
        };
        Ok(Self { store, known: Arc::default() })
    }

    /// Reads everything.
    ///
    /// # Errors
    /// If any of it can't be read.
    pub async fn load(&self) -> Result<Snapshot, Error> {
        let mut known = self.known.lock().await;
        told(Operation::Read, self.store.refresh(&mut known).await)?;
        Ok(known.clone())
    }

    /// Adds entries after the newest of `snapshot`, which it updates. After a conflict or an error some of them may have
    /// been added, the first ones first.
    ///
    /// # Errors
    /// If the store does not take them, or it is unknown whether it has.
    pub async fn append(&self, snapshot: &mut Snapshot, entries: &[Entry]) -> Result<Append, Error> {
        let appended = told(Operation::Write, self.store.append(snapshot, entries).await)?;
        if appended == Append::Done {
            snapshot.clone_into(&mut *self.known.lock().await);
        }
        Ok(appended)
    }

    /// As it was read or written last, without reading again.
    pub async fn known(&self) -> Snapshot {
        self.known.lock().await.clone()
    }

    /// Adds a fact in the name of `epoch`, unless a newer epoch has begun.
    pub async fn say(&self, epoch: u64, fact: Fact) -> RecordReply {
        self.add(&[entry(epoch, fact)]).await
    }

    /// Adds entries of one epoch, unless a newer epoch has begun. The same entries may be given again: each is added once.
    pub async fn add(&self, entries: &[Entry]) -> RecordReply {
        match self.try_add(entries).await {
            Ok(reply) => reply,
            Err(error) => RecordReply::Failed(report::chain(&error)),
        }
    }

    /// Adds entries, and copies those into the marker that must not be lost. Done means that all of it is durable.
    pub async fn add_and_keep(&self, marker: &Marker, entries: &[Entry]) -> RecordReply {
        let added = self.add(entries).await;
        if added != RecordReply::Done {
            return added;
        }
        for entry in entries {
            if let Err(error) = marker.keep(entry).await {
                return RecordReply::Failed(report::chain(&error));
            }
        }
        RecordReply::Done
    }

    /// Sums up a record of objects that has become long; where that fails, the next time does it. Never in a stop: it takes time.
    pub async fn tidy(&self) {
        let Store::Objects(objects) = &self.store else { return };
        let known = self.known().await;
        match objects.tidy(&known).await {
            Ok(Some(fresh)) => {
                let mut known = self.known.lock().await;
                if known.objects.last() <= fresh.objects.last() {
                    *known = fresh;
                }
            }
            Ok(None) => {}
            Err(error) => tracing::warn!(error = report::chain(&error), "the record can't be summed up"),
        }
    }

    /// What is known needs no reading again first, unless that was long ago: if it is out of date, the store says so.
    async fn try_add(&self, entries: &[Entry]) -> Result<RecordReply, Error> {
        let mut known = self.known.lock().await;
        let old = matches!(self.store, Store::Objects(_)) && known.objects.is_old();
        if known.entries.is_empty() || old {
            told(Operation::Read, self.store.refresh(&mut known).await)?;
        }
        loop {
            let missing = match fence(&known.entries, entries) {
                Fence::Closed(newest) => return Ok(RecordReply::Superseded(format!("epoch {newest} has begun"))),
                Fence::Open(missing) if missing.is_empty() => return Ok(RecordReply::Done),
                Fence::Open(missing) => missing,
            };
            if told(Operation::Write, self.store.append(&mut known, &missing).await)? == Append::Done {
                return Ok(RecordReply::Done);
            }
            told(Operation::Read, self.store.refresh(&mut known).await)?;
        }
    }
}

/// Has a metric say whether the record could be read or written.
fn told<T>(operation: Operation, result: Result<T, Error>) -> Result<T, Error> {
    metrics::record_failing(operation, result.is_err());
    result
}

/// A new entry.
#[must_use]
pub fn entry(epoch: u64, fact: Fact) -> Entry {
    Entry { version: VERSION, write_id: crate::random::id(), at: Timestamp::now(), epoch, fact }
}

#[cfg(test)]
mod tests;
