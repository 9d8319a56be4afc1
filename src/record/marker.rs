//! The marker: copies, in the cluster's savepoint folder, of the entries that must not be lost with the record.
//!
//! `<savepoint directory>/<cluster>/marker/cluster.json` says whose the folder is; `<epoch>-<fact>.json` beside it say what each
//! epoch restored from and how its job ended, or which jobs it ran; and how it was stopped, where the record could not be told. All are created once and
//! never changed, and together they are enough to go on when the record is gone.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use tokio::sync::Mutex;

use super::objects::{AT_ONCE, create, read};
use super::{Append, Error};
use crate::protocol::entry::{Directories, Entry, Fact, JobEvent, OfJob, Saved};
use crate::protocol::point::Kind;
use crate::storage::{self, Place, Storage};

const FOLDER: &str = "marker";
const CLUSTER: &str = "cluster.json";

/// The marker of one cluster.
#[derive(Debug, Clone)]
pub struct Marker {
    /// Where no store of this build reaches, only its URL.
    folder: Result<Place, String>,
    /// Whether it is gone without where no build like this one gets an answer.
    trusted: bool,
    /// What was read, by its name. It never changes, and over years there are thousands: only new names are read.
    known: Arc<Mutex<BTreeMap<String, Entry>>>,
}

impl Marker {
    /// The marker in this cluster's savepoint folder.
    #[must_use]
    pub fn of(cluster_folder: &Place) -> Self {
        Self { folder: Ok(cluster_folder.join(FOLDER)), trusted: false, known: Arc::default() }
    }

    /// The marker for savepoints in this directory; where no store of this build reaches it, and what can't be verified is `trusted`,
    /// there is none.
    ///
    /// # Errors
    /// If it can't be reached, and not gone without.
    pub fn for_savepoints(
        storage: &Storage,
        directories: &Directories,
        cluster: &str,
        trusted: bool,
    ) -> Result<Self, storage::Error> {
        match storage::cluster_folder(storage, directories, cluster) {
            Ok(folder) => Ok(Self { trusted, ..Self::of(&folder) }),
            Err(error) if trusted && error.is_beyond_reach() => {
                Ok(Self { folder: Err(directories.savepoint.clone()), trusted, known: Arc::default() })
            }
            Err(error) => Err(error),
        }
    }

    /// Whether both are the same one.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        let url = |marker: &Self| marker.folder.as_ref().map(|folder| folder.url().to_owned()).map_err(Clone::clone);
        url(self) == url(other)
    }

    /// Whether it is the one in this folder.
    #[must_use]
    pub fn is_in(&self, cluster_folder: &Place) -> bool {
        self.is(&Self::of(cluster_folder))
    }

    /// Reads it; none if it is proven absent.
    ///
    /// # Errors
    /// If any of it can't be read.
    pub async fn load(&self) -> Result<Option<Vec<Entry>>, Error> {
        match self.read().await {
            Err(error) if self.does_without(&error) => Ok(None),
            read => read,
        }
    }

    fn does_without(&self, error: &Error) -> bool {
        self.trusted && matches!(error, Error::Storage(error) if error.is_beyond_reach())
    }

    async fn read(&self) -> Result<Option<Vec<Entry>>, Error> {
        let Ok(folder) = &self.folder else { return Ok(None) };
        let (_, mut names) = folder.children().await?;
        names.retain(|name| name.strip_suffix(".json").is_some());
        // The cluster itself first, then epoch by epoch; within one the order makes no difference.
        names.sort_by_key(|name| (epoch(name), name.clone()));
        let mut known = self.known.lock().await;
        // If anything has gone, this may be another marker in its place; whose it is is read every time.
        if known.keys().any(|name| !names.contains(name)) {
            known.clear();
        }
        let new: Vec<&String> = names.iter().filter(|name| *name == CLUSTER || !known.contains_key(*name)).collect();
        let places: Vec<_> = new.iter().map(|name| folder.join(name)).collect();
        // What has arrived stays known, should this be broken off: the next time is that much shorter.
        let mut reading = stream::iter(new.iter().zip(&places))
            .map(|(name, place)| async move { Ok::<_, Error>(((*name).clone(), read(place).await?)) })
            .buffered(AT_ONCE);
        while let Some((name, entry)) = reading.try_next().await? {
            known.insert(name, entry);
        }
        let entries: Vec<Entry> = names.iter().filter_map(|name| known.get(name).cloned()).collect();
        Ok((!entries.is_empty()).then_some(entries))
    }

    /// Copies an entry, if it is one that must not be lost. What is there already stays.
    ///
    /// # Errors
    /// If the store does not take it.
    pub async fn keep(&self, entry: &Entry) -> Result<(), Error> {
        let kept = match kept_as(&entry.fact) {
            Some(kind) => self.put(entry, &kind).await,
            None => Ok(()),
        };
        match kept {
            Err(error) if self.does_without(&error) => Ok(()),
            kept => kept,
        }
    }

    /// Copies what ends an epoch, or one of its jobs, while the record can't be told. They come to such an end once.
    ///
    /// # Errors
    /// If the store does not take it.
    pub async fn note(&self, entry: &Entry) -> Result<(), Error> {
        match noted_as(&entry.fact) {
            Some(kind) => self.put(entry, &kind).await,
            None => self.keep(entry).await,
        }
    }

    async fn put(&self, entry: &Entry, kind: &str) -> Result<(), Error> {
        let name = name(entry, kind);
        let folder = self.folder.as_ref().map_err(|url| storage::Error::Unsupported(url.clone()))?;
        let place = folder.join(&name);
        let is_whose = matches!(entry.fact, Fact::Created { .. } | Fact::Claimed(_));
        if create(&place, entry).await? == Append::Conflict && is_whose && is_taken(entry, &read(&place).await?) {
            let url = place.url().to_owned();
            return Err(if matches!(entry.fact, Fact::Claimed(_)) { Error::Begun(url) } else { Error::Foreign(url) });
        }
        Ok(())
    }
}

/// Whether what is there already, in the place of an entry's copy, is somebody else's.
pub(crate) fn is_taken(entry: &Entry, there: &Entry) -> bool {
    match (&entry.fact, &there.fact) {
        (Fact::Created { .. }, other) => entry.fact != *other,
        (Fact::Claimed(own), Fact::Claimed(other)) => own.holder.incarnation != other.holder.incarnation,
        _ => false,
    }
}

/// The name of an entry's copy.
pub(crate) fn name(entry: &Entry, kind: &str) -> String {
    if kind == CLUSTER { CLUSTER.to_owned() } else { format!("{}-{kind}.json", entry.epoch) }
}

/// The word in the name of what ends an epoch, or one of its jobs, where the record can't be told.
pub(crate) fn noted_as(fact: &Fact) -> Option<String> {
    match fact {
        Fact::Saved(Saved { job_id, job_name, kind, .. }) => {
            // A stop may end with two: the final one, and one that was in flight when it began.
            let word = if *kind == Kind::Final { "saved" } else { "joined" };
            Some(if job_name.is_some() { format!("{word}-{job_id}") } else { word.to_owned() })
        }
        Fact::Job(OfJob { job_id, event: JobEvent::Stopped { .. }, .. }) => Some(format!("stopped-{job_id}")),
        Fact::Job(OfJob { job_id, event: JobEvent::Ended(_), .. }) => Some(format!("ended-{job_id}")),
        Fact::Stopped { .. } => Some("stopped".to_owned()),
        _ => None,
    }
}

/// The word in the name of what must not be lost with the record.
pub(crate) fn kept_as(fact: &Fact) -> Option<String> {
    let word = match fact {
        Fact::Created { .. } => Some(CLUSTER),
        Fact::Claimed(_) => Some("claimed"),
        Fact::Based(_) => Some("based"),
        Fact::Progressed { .. } => Some("progressed"),
        Fact::Voided { .. } => Some("voided"),
        Fact::Ended(_) => Some("ended"),
        // The names of a session's jobs are nowhere else.
        Fact::Job(OfJob { job_id, event: JobEvent::Running { .. }, .. }) => return Some(format!("job-{job_id}")),
        Fact::Confirmed { .. }
        | Fact::RestoreFailed(_)
        | Fact::Attempted(_)
        | Fact::Saved(_)
        | Fact::Stopped { .. }
        | Fact::Job(_)
        | Fact::Pinned { .. }
        | Fact::Unpinned
        | Fact::FreshAllowed
        | Fact::HandoverAsked { .. }
        | Fact::Left
        | Fact::TakenOver
        | Fact::Pruned { .. }
        | Fact::Unknown => None,
    };
    word.map(str::to_owned)
}

fn epoch(name: &str) -> u64 {
    name.split_once('-').and_then(|(epoch, _)| epoch.parse().ok()).unwrap_or(0)
}
