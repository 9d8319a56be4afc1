//! The marker: copies, in the cluster's savepoint folder, of the entries that must not be lost with the record.
//!
//! `<savepoint directory>/<cluster>/marker/cluster.json` says whose the folder is; `<epoch>-<fact>.json` beside it say
//! what each epoch restored from and how its job ended. All are created once and never changed, and together they are
//! enough to go on when the record is gone.

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};

use super::objects::{AT_ONCE, create, read};
use super::{Append, Error};
use crate::protocol::entry::{Entry, Fact};
use crate::storage::Place;

const FOLDER: &str = "marker";
const CLUSTER: &str = "cluster.json";

/// The marker of one cluster.
#[derive(Debug, Clone)]
pub struct Marker {
    folder: Place,
}

impl Marker {
    /// The marker in this cluster's savepoint folder.
    #[must_use]
    pub fn of(cluster_folder: &Place) -> Self {
        Self { folder: cluster_folder.join(FOLDER) }
    }

    /// Reads it; none if it is proven absent.
    ///
    /// # Errors
    /// If any of it can't be read.
    pub async fn load(&self) -> Result<Option<Vec<Entry>>, Error> {
        let (_, mut names) = self.folder.children().await?;
        names.retain(|name| name.strip_suffix(".json").is_some());
        // The cluster itself first, then epoch by epoch; within one the order makes no difference.
        names.sort_by_key(|name| (epoch(name), name.clone()));
        // There are several for each epoch, for ever.
        let places: Vec<_> = names.iter().map(|name| self.folder.join(name)).collect();
        let reading = stream::iter(places.iter().map(read)).buffered(AT_ONCE);
        let entries: Vec<Entry> = reading.try_collect().await?;
        Ok((!entries.is_empty()).then_some(entries))
    }

    /// Copies an entry, if it is one that must not be lost. What is there already stays.
    ///
    /// # Errors
    /// If the store does not take it.
    pub async fn keep(&self, entry: &Entry) -> Result<(), Error> {
        let Some(name) = name(entry) else { return Ok(()) };
        let place = self.folder.join(&name);
        if create(&place, entry).await? == Append::Conflict
            && matches!(entry.fact, Fact::Created { .. })
            && read(&place).await?.fact != entry.fact
        {
            return Err(Error::Foreign(place.url().to_owned()));
        }
        Ok(())
    }
}

fn name(entry: &Entry) -> Option<String> {
    let kind = match entry.fact {
        Fact::Created { .. } => return Some(CLUSTER.to_owned()),
        Fact::Claimed(_) => "claimed",
        Fact::Based(_) => "based",
        Fact::Progressed { .. } => "progressed",
        Fact::Voided { .. } => "voided",
        Fact::Ended(_) => "ended",
        Fact::Confirmed { .. }
        | Fact::RestoreFailed(_)
        | Fact::Attempted(_)
        | Fact::Saved(_)
        | Fact::Stopped { .. }
        | Fact::Pinned { .. }
        | Fact::Unpinned
        | Fact::FreshAllowed
        | Fact::HandoverAsked { .. }
        | Fact::Left
        | Fact::TakenOver
        | Fact::Unknown => return None,
    };
    Some(format!("{}-{kind}.json", entry.epoch))
}

fn epoch(name: &str) -> u64 {
    name.split_once('-').and_then(|(epoch, _)| epoch.parse().ok()).unwrap_or(0)
}
