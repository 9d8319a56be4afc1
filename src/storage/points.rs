//! Listing what may be a restore point.

use std::collections::BTreeSet;

use futures_util::join;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};

use super::look::metadata;
use super::{Error, Place, Storage};
use crate::protocol::entry::Directories;
use crate::protocol::id::JobId;
use crate::protocol::point::{Found, Listing, Metadata, PointRef, identity, normalize};
use crate::protocol::retention::JobFolder;
use crate::report;

/// Candidates looked at, and folders listed, at the same time. A folder's candidates are: in all at most the product of both.
const LOOKED_AT_ONCE: usize = 16;
const LISTED_AT_ONCE: usize = 8;

/// The folder that this cluster's savepoints go to.
///
/// # Errors
/// If this build can't read the directory.
pub fn cluster_folder(storage: &Storage, directories: &Directories, cluster: &str) -> Result<Place, Error> {
    Ok(storage.place(&directories.savepoint)?.join(cluster))
}

/// The directory URL that the savepoints of one epoch go to.
#[must_use]
pub fn epoch_folder(directories: &Directories, cluster: &str, epoch: u64) -> String {
    format!("{}/{cluster}/{epoch}", normalize(&directories.savepoint))
}

/// Lists everything in these directories that may be a restore point of `cluster`; with `adopt`, of anybody who may have been it.
///
/// # Errors
/// If any of them can't be read: an incomplete list is no list, unless no build like this one could read the rest.
pub async fn list(
    storage: &Storage,
    directories: &[Directories],
    recorded: &[PointRef],
    cluster: &str,
    adopt: bool,
    known_jobs: &[JobId],
) -> Result<Listing, Error> {
    let mut listing = Listing::default();
    let mut seen = BTreeSet::new();
    for one in directories {
        let own = async { own_savepoints(&storage.place(&one.savepoint)?.join(cluster)).await };
        let others = async { savepoints(&storage.place(&one.savepoint)?, None).await };
        let flinks = async {
            match &one.flink_savepoint {
                Some(root) => savepoints(&storage.place(root)?, None).await,
                None => Ok(Vec::new()),
            }
        };
        let kin = async {
            if adopt { savepoints_of_kin(&storage.place(&one.savepoint)?, cluster).await } else { Ok(Vec::new()) }
        };
        let ours = |job_id: JobId| adopt || is_ours(job_id, cluster, known_jobs);
        let retained = async { checkpoints(&storage.place(&one.checkpoint)?, ours).await };
        let (own, others, flinks, kin, retained) = join!(own, others, flinks, kin, retained);
        for found in [own, others, flinks, kin, retained] {
            add(&mut listing, &mut seen, found)?;
        }
    }
    let elsewhere = recorded.iter().filter(|point| !seen.contains(&key(&point.path)));
    let elsewhere: Vec<_> = elsewhere.map(|point| found_at(storage, point)).collect();
    let elsewhere: Vec<_> = stream::iter(elsewhere).buffered(LOOKED_AT_ONCE).collect().await;
    for found in elsewhere {
        add(&mut listing, &mut seen, found)?;
    }
    Ok(listing)
}

/// Of several spellings of one point the first counts.
fn key(path: &str) -> (String, String) {
    let (store, rest) = identity(path);
    (store.to_owned(), rest)
}

fn add(
    listing: &mut Listing,
    seen: &mut BTreeSet<(String, String)>,
    found: Result<Vec<Found>, Error>,
) -> Result<(), Error> {
    match found {
        Ok(found) => listing.found.extend(found.into_iter().filter(|one| seen.insert(key(&one.path)))),
        Err(error) if error.is_beyond_reach() => {
            listing.unseen.get_or_insert_with(|| report::chain(&error));
        }
        Err(error) => return Err(error),
    }
    Ok(())
}

/// What may be a point, by its name alone.
struct Candidate {
    place: Place,
    checkpoint: bool,
    job_id: Option<JobId>,
    job_prefix: Option<String>,
    epoch: Option<u64>,
}

impl Candidate {
    async fn looked_at(self) -> Result<Found, Error> {
        let Self { place, checkpoint, job_id, job_prefix, epoch } = self;
        let (metadata, modified) = metadata(&place).await?;
        Ok(Found { path: place.url().to_owned(), checkpoint, job_id, job_prefix, epoch, metadata, modified })
    }
}

/// Looks at each, several at once: a start waits for it, and a store's answers take their time.
async fn looked_at(candidates: impl Iterator<Item = Candidate>) -> Result<Vec<Found>, Error> {
    stream::iter(candidates.map(Candidate::looked_at)).buffered(LOOKED_AT_ONCE).try_collect().await
}

/// What lies in each of these folders, several listed at once.
async fn in_each<F: Future<Output = Result<Vec<Found>, Error>>>(
    folders: impl Iterator<Item = F>,
) -> Result<Vec<Found>, Error> {
    let found: Vec<Vec<Found>> = stream::iter(folders).buffered(LISTED_AT_ONCE).try_collect().await?;
    Ok(found.into_iter().flatten().collect())
}

/// A recorded point that lies where nobody lists.
async fn found_at(storage: &Storage, point: &PointRef) -> Result<Vec<Found>, Error> {
    let (metadata, modified) = metadata(&storage.place(&point.path)?).await?;
    if metadata == Metadata::Missing {
        return Ok(Vec::new());
    }
    let path = point.path.clone();
    Ok(vec![Found { path, checkpoint: false, job_id: None, job_prefix: None, epoch: point.epoch, metadata, modified }])
}

/// The folders of jobs of `cluster` in this checkpoint directory.
///
/// # Errors
/// If it can't be read.
pub async fn job_folders(
    storage: &Storage,
    directory: &str,
    cluster: &str,
    known_jobs: &[JobId],
) -> Result<Vec<JobFolder>, Error> {
    let directory = storage.place(directory)?;
    let names = directory.children().await?.0.into_iter();
    let folders = names.filter_map(|name| {
        let job_id: JobId = name.parse().ok()?;
        is_ours(job_id, cluster, known_jobs).then(|| JobFolder { path: directory.join(&name).url().to_owned(), job_id })
    });
    Ok(folders.collect())
}

fn is_ours(job_id: JobId, cluster: &str, known_jobs: &[JobId]) -> bool {
    job_id.epoch_of(cluster).is_some() || known_jobs.contains(&job_id)
}

/// `<savepoint directory>/<cluster>/<epoch>/savepoint-…`
async fn own_savepoints(folder: &Place) -> Result<Vec<Found>, Error> {
    let names = folder.children().await?.0;
    let epochs = names.iter().filter_map(|name| Some((folder.join(name), name.parse().ok()?)));
    in_each(epochs.map(|(folder, epoch)| savepoints_of_epoch(folder, epoch))).await
}

/// The savepoints of clusters that may be this one under another id: the id that is made of a record's URL changes with the URL, and
/// with the namespace's UID, while its name stays.
async fn savepoints_of_kin(directory: &Place, cluster: &str) -> Result<Vec<Found>, Error> {
    let mut found = Vec::new();
    for name in directory.children().await?.0 {
        if is_kin(&name, cluster) {
            let theirs = own_savepoints(&directory.join(&name)).await?;
            // Epochs of another count.
            found.extend(theirs.into_iter().map(|one| Found { epoch: None, ..one }));
        }
    }
    Ok(found)
}

/// Whether both are ids that were made of records of one name.
fn is_kin(other: &str, cluster: &str) -> bool {
    let made_of = |id: &str| {
        let (name, hash) = id.rsplit_once('-')?;
        (hash.len() == 8 && hash.bytes().all(|byte| byte.is_ascii_hexdigit())).then(|| name.to_owned())
    };
    other != cluster && made_of(cluster).is_some_and(|name| made_of(other) == Some(name))
}

/// `<epoch's folder>/savepoint-…`; of a cluster that ran several jobs, `<epoch's folder>/<job id>/savepoint-…`
async fn savepoints_of_epoch(folder: Place, epoch: u64) -> Result<Vec<Found>, Error> {
    let names = folder.children().await?.0;
    let mut found = looked_at(savepoints_among(&folder, &names, Some(epoch))).await?;
    let jobs = names.iter().filter_map(|name| Some((folder.join(name), name.parse().ok()?)));
    let of_jobs = jobs.map(|(folder, job_id): (Place, JobId)| async move {
        let found = savepoints(&folder, Some(epoch)).await?;
        Ok(found.into_iter().map(|one| Found { job_id: Some(job_id), ..one }).collect())
    });
    found.extend(in_each(of_jobs).await?);
    Ok(found)
}

/// `<directory>/savepoint-<six digits of the job id>-<random>`
pub(super) async fn savepoints(directory: &Place, epoch: Option<u64>) -> Result<Vec<Found>, Error> {
    let names = directory.children().await?.0;
    looked_at(savepoints_among(directory, &names, epoch)).await
}

fn savepoints_among(directory: &Place, names: &[String], epoch: Option<u64>) -> impl Iterator<Item = Candidate> {
    names.iter().filter_map(move |name| {
        let (prefix, _) = name.strip_prefix("savepoint-")?.split_once('-')?;
        let job_prefix = Some(prefix.to_owned());
        Some(Candidate { place: directory.join(name), checkpoint: false, job_id: None, job_prefix, epoch })
    })
}

/// `<directory>/<job id>/chk-<n>`
async fn checkpoints(directory: &Place, ours: impl Fn(JobId) -> bool) -> Result<Vec<Found>, Error> {
    let names = directory.children().await?.0;
    let jobs = names.iter().filter_map(|name| Some((directory.join(name), name.parse().ok()?)));
    in_each(jobs.filter(|(_, job_id)| ours(*job_id)).map(|(folder, job_id)| checkpoints_of(folder, job_id))).await
}

pub(super) async fn checkpoints_of(folder: Place, job_id: JobId) -> Result<Vec<Found>, Error> {
    let names = folder.children().await?.0;
    let numbered = |name: &&String| name.strip_prefix("chk-").is_some_and(|number| number.parse::<u64>().is_ok());
    looked_at(names.iter().filter(numbered).map(|name| Candidate {
        place: folder.join(name),
        checkpoint: true,
        job_id: Some(job_id),
        job_prefix: None,
        epoch: None,
    }))
    .await
}
