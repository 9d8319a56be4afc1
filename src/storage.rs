//! Storage as Flink left it: URLs to stores, listing what may be a restore point, looking at one closely.
//!
//! This build reads `file:///`. "Not there" and "can't be read" are never the same answer: only the first may let a job
//! begin with nothing.

use std::sync::Arc;

use futures_util::TryStreamExt as _;
use jiff::Timestamp;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};

use crate::flink::metadata::{HEAD, Head};
use crate::protocol::entry::Directories;
use crate::protocol::id::JobId;
use crate::protocol::point::{Found, Metadata, PointRef, normalize};
use crate::protocol::stop::{Search, Secured};
use crate::report;

/// Why storage could not answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No store behind this scheme in this build.
    #[error("{0} can't be read by this build of savepointd, only file:/// URLs can")]
    Unsupported(String),
    /// The URL names no place.
    #[error("{url} is not a usable path")]
    Path {
        /// The URL.
        url: String,
        /// What is wrong with it.
        #[source]
        source: object_store::path::Error,
    },
    /// Something else is in the directory's place.
    #[error("{0} should be a directory, but is a file")]
    NotADirectory(String),
    /// The store said no, or nothing.
    #[error("{url} can't be read")]
    Store {
        /// What was asked for.
        url: String,
        /// The store's words.
        #[source]
        source: object_store::Error,
    },
}

impl Error {
    /// Whether it may go better by itself.
    #[must_use]
    pub fn passes(&self) -> bool {
        match self {
            Self::Store { source, .. } => !matches!(
                source,
                object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. }
            ),
            Self::Unsupported(_) | Self::Path { .. } | Self::NotADirectory(_) => false,
        }
    }
}

/// A place in a store.
#[derive(Debug, Clone)]
pub struct Place {
    pub(crate) store: Arc<dyn ObjectStore>,
    pub(crate) path: Path,
    /// As [`normalize`] gives it.
    pub(crate) url: String,
}

impl Place {
    /// The place that a URL names.
    ///
    /// # Errors
    /// If this build has no store for the URL, or the URL names no path.
    pub fn of(url: &str) -> Result<Self, Error> {
        let url = normalize(url);
        let Some(path) = url.strip_prefix("file:///") else { return Err(Error::Unsupported(url)) };
        let path = Path::parse(path).map_err(|source| Error::Path { url: url.clone(), source })?;
        // What is recorded must be there after a power cut too.
        Ok(Self { store: Arc::new(LocalFileSystem::new().with_fsync(true)), path, url })
    }

    /// The place below this one.
    #[must_use]
    pub fn join(&self, name: &str) -> Self {
        Self { store: Arc::clone(&self.store), path: self.path.clone().join(name), url: format!("{}/{name}", self.url) }
    }

    pub(crate) fn error(&self, source: object_store::Error) -> Error {
        Error::Store { url: self.url.clone(), source }
    }

    /// What lies directly below: names of folders, and of objects. Nothing, if the place does not exist.
    pub(crate) async fn children(&self) -> Result<(Vec<String>, Vec<String>), Error> {
        if self.store.head(&self.path).await.is_ok() {
            return Err(Error::NotADirectory(self.url.clone()));
        }
        let listing = self.store.list_with_delimiter(Some(&self.path)).await.map_err(|source| self.error(source))?;
        let folders = listing.common_prefixes.iter().filter_map(|path| path.filename().map(str::to_owned)).collect();
        let objects =
            listing.objects.iter().filter_map(|object| object.location.filename().map(str::to_owned)).collect();
        Ok((folders, objects))
    }

    async fn metadata(&self) -> Result<(Metadata, Option<Timestamp>), Error> {
        let file = self.join("_metadata");
        let head = match file.store.head(&file.path).await {
            Ok(head) => head,
            Err(object_store::Error::NotFound { .. }) => return Ok((Metadata::Missing, None)),
            Err(source) => return Err(file.error(source)),
        };
        let modified = Timestamp::from_second(head.last_modified.timestamp()).ok();
        let wanted = head.size.min(HEAD as u64);
        let bytes = if wanted == 0 {
            Vec::new()
        } else {
            match file.store.get_range(&file.path, 0..wanted).await {
                Ok(bytes) => bytes.to_vec(),
                Err(object_store::Error::NotFound { .. }) => return Ok((Metadata::Missing, None)),
                Err(source) => return Err(file.error(source)),
            }
        };
        let metadata = match Head::parse(&bytes) {
            Ok(Head { checkpoint_id, .. }) => Metadata::Whole { checkpoint_id, bytes: head.size },
            Err(error) => Metadata::Broken(error.to_string()),
        };
        Ok((metadata, modified))
    }

    async fn bytes(&self) -> Result<u64, Error> {
        let objects = self.store.list(Some(&self.path));
        objects
            .try_fold(0, |sum, object| async move { Ok(sum + object.size) })
            .await
            .map_err(|source| self.error(source))
    }
}

/// The folder that this cluster's savepoints go to.
///
/// # Errors
/// If this build can't read the directory.
pub fn cluster_folder(directories: &Directories, cluster: &str) -> Result<Place, Error> {
    Ok(Place::of(&directories.savepoint)?.join(cluster))
}

/// The directory URL that the savepoints of one epoch go to.
#[must_use]
pub fn epoch_folder(directories: &Directories, cluster: &str, epoch: u64) -> String {
    format!("{}/{cluster}/{epoch}", normalize(&directories.savepoint))
}

/// Lists everything in these directories that may be a restore point of `cluster`; with `adopt`, of anybody.
///
/// # Errors
/// If any of them can't be read: an incomplete list is no list.
pub async fn list(
    directories: &[Directories],
    recorded: &[PointRef],
    cluster: &str,
    adopt: bool,
    known_jobs: &[JobId],
) -> Result<Vec<Found>, Error> {
    let mut found: Vec<Found> = Vec::new();
    let mut add = |one: Found| {
        if !found.iter().any(|other| other.path == one.path) {
            found.push(one);
        }
    };
    for one in directories {
        for found in own_savepoints(&Place::of(&one.savepoint)?.join(cluster)).await? {
            add(found);
        }
        let roots = [Some(&one.savepoint), one.flink_savepoint.as_ref()];
        for root in roots.into_iter().flatten() {
            for found in savepoints(&Place::of(root)?, None).await? {
                add(found);
            }
        }
        let ours = |job_id: JobId| adopt || job_id.epoch_of(cluster).is_some() || known_jobs.contains(&job_id);
        for found in checkpoints(&Place::of(&one.checkpoint)?, ours).await? {
            add(found);
        }
    }
    for point in recorded {
        if found.iter().any(|one| one.path == point.path) {
            continue;
        }
        let (metadata, modified) = Place::of(&point.path)?.metadata().await?;
        if metadata != Metadata::Missing {
            let path = point.path.clone();
            found.push(Found {
                path,
                checkpoint: false,
                job_id: None,
                job_prefix: None,
                epoch: point.epoch,
                metadata,
                modified,
            });
        }
    }
    Ok(found)
}

/// `<savepoint directory>/<cluster>/<epoch>/savepoint-…`
async fn own_savepoints(folder: &Place) -> Result<Vec<Found>, Error> {
    let mut found = Vec::new();
    for name in folder.children().await?.0 {
        if let Ok(epoch) = name.parse() {
            found.extend(savepoints(&folder.join(&name), Some(epoch)).await?);
        }
    }
    Ok(found)
}

/// `<directory>/savepoint-<six digits of the job id>-<random>`
async fn savepoints(directory: &Place, epoch: Option<u64>) -> Result<Vec<Found>, Error> {
    let mut found = Vec::new();
    for name in directory.children().await?.0 {
        let Some((prefix, _)) = name.strip_prefix("savepoint-").and_then(|rest| rest.split_once('-')) else { continue };
        let place = directory.join(&name);
        let (metadata, modified) = place.metadata().await?;
        let job_prefix = Some(prefix.to_owned());
        found.push(Found { path: place.url, checkpoint: false, job_id: None, job_prefix, epoch, metadata, modified });
    }
    Ok(found)
}

/// `<directory>/<job id>/chk-<n>`
async fn checkpoints(directory: &Place, ours: impl Fn(JobId) -> bool) -> Result<Vec<Found>, Error> {
    let mut found = Vec::new();
    for name in directory.children().await?.0 {
        let Ok(job_id) = name.parse() else { continue };
        if ours(job_id) {
            found.extend(checkpoints_of(&directory.join(&name), job_id).await?);
        }
    }
    Ok(found)
}

async fn checkpoints_of(folder: &Place, job_id: JobId) -> Result<Vec<Found>, Error> {
    let mut found = Vec::new();
    for name in folder.children().await?.0 {
        if name.strip_prefix("chk-").is_none_or(|number| number.parse::<u64>().is_err()) {
            continue;
        }
        let place = folder.join(&name);
        let (metadata, modified) = place.metadata().await?;
        let (checkpoint, job_id) = (true, Some(job_id));
        found.push(Found { path: place.url, checkpoint, job_id, job_prefix: None, epoch: None, metadata, modified });
    }
    Ok(found)
}

/// Looks closely at one point.
pub async fn look(path: &str) -> Search {
    let seen = async {
        let place = Place::of(path)?;
        let (metadata, completed_at) = place.metadata().await?;
        Ok(match metadata {
            Metadata::Missing => Search::Nothing,
            Metadata::Broken(why) => Search::Broken(why),
            Metadata::Whole { checkpoint_id, .. } => {
                let bytes = Some(place.bytes().await?);
                let point = PointRef { path: place.url, checkpoint_id: Some(checkpoint_id), epoch: None };
                Search::Found(Secured { point, job_id: None, bytes, completed_at })
            }
        })
    };
    seen.await.unwrap_or_else(|error: Error| Search::Unreadable(report::chain(&error)))
}

/// The newest complete savepoint in one epoch's folder whose number is above `above`, passing over `known` ones.
pub async fn newest_savepoint(folder: &str, above: Option<u64>, known: &[String]) -> Search {
    let seen = async { savepoints(&Place::of(folder)?, None).await };
    newest(seen.await, above, known).await
}

/// The newest complete checkpoint of a job whose number is above `above`.
pub async fn newest_checkpoint(directory: &str, job_id: JobId, above: Option<u64>) -> Search {
    let seen = async { checkpoints_of(&Place::of(directory)?.join(&job_id.to_string()), job_id).await };
    newest(seen.await, above, &[]).await
}

async fn newest(found: Result<Vec<Found>, Error>, above: Option<u64>, known: &[String]) -> Search {
    let found = match found {
        Ok(found) => found,
        Err(error) => return Search::Unreadable(report::chain(&error)),
    };
    let candidates = found.iter().filter(|one| one.checkpoint_id() > above && !known.contains(&one.path));
    let Some(newest) = candidates.max_by_key(|one| one.checkpoint_id()) else { return Search::Nothing };
    match look(&newest.path).await {
        Search::Found(secured) => Search::Found(Secured { job_id: newest.job_id, ..secured }),
        other => other,
    }
}
