//! Listing what may be a restore point.

use super::look::metadata;
use super::{Error, Place, Storage};
use crate::protocol::entry::Directories;
use crate::protocol::id::JobId;
use crate::protocol::point::{Found, Listing, Metadata, PointRef, normalize, same};
use crate::protocol::retention::JobFolder;
use crate::report;

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
    for one in directories {
        let own = async { own_savepoints(&storage.place(&one.savepoint)?.join(cluster)).await };
        add(&mut listing, own.await)?;
        let roots = [Some(&one.savepoint), one.flink_savepoint.as_ref()];
        for root in roots.into_iter().flatten() {
            let others = async { savepoints(&storage.place(root)?, None).await };
            add(&mut listing, others.await)?;
        }
        if adopt {
            let kin = async { savepoints_of_kin(&storage.place(&one.savepoint)?, cluster).await };
            add(&mut listing, kin.await)?;
        }
        let ours = |job_id: JobId| adopt || is_ours(job_id, cluster, known_jobs);
        let retained = async { checkpoints(&storage.place(&one.checkpoint)?, ours).await };
        add(&mut listing, retained.await)?;
    }
    for point in recorded {
        if !listing.found.iter().any(|one| same(&one.path, &point.path)) {
            add(&mut listing, found_at(storage, point).await)?;
        }
    }
    Ok(listing)
}

fn add(listing: &mut Listing, found: Result<Vec<Found>, Error>) -> Result<(), Error> {
    match found {
        Ok(found) => {
            for one in found {
                if !listing.found.iter().any(|other| same(&other.path, &one.path)) {
                    listing.found.push(one);
                }
            }
        }
        Err(error) if error.is_beyond_reach() => {
            listing.unseen.get_or_insert_with(|| report::chain(&error));
        }
        Err(error) => return Err(error),
    }
    Ok(())
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
    let mut found = Vec::new();
    for name in folder.children().await?.0 {
        if let Ok(epoch) = name.parse() {
            found.extend(savepoints_of_epoch(&folder.join(&name), epoch).await?);
        }
    }
    Ok(found)
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
async fn savepoints_of_epoch(folder: &Place, epoch: u64) -> Result<Vec<Found>, Error> {
    let names = folder.children().await?.0;
    let mut found = savepoints_among(folder, &names, Some(epoch)).await?;
    for name in names {
        if let Ok(job_id) = name.parse::<JobId>() {
            let of_job = savepoints(&folder.join(&name), Some(epoch)).await?;
            found.extend(of_job.into_iter().map(|one| Found { job_id: Some(job_id), ..one }));
        }
    }
    Ok(found)
}

/// `<directory>/savepoint-<six digits of the job id>-<random>`
pub(super) async fn savepoints(directory: &Place, epoch: Option<u64>) -> Result<Vec<Found>, Error> {
    savepoints_among(directory, &directory.children().await?.0, epoch).await
}

async fn savepoints_among(directory: &Place, names: &[String], epoch: Option<u64>) -> Result<Vec<Found>, Error> {
    let mut found = Vec::new();
    for name in names {
        let Some((prefix, _)) = name.strip_prefix("savepoint-").and_then(|rest| rest.split_once('-')) else { continue };
        let place = directory.join(name);
        let (metadata, modified) = metadata(&place).await?;
        let job_prefix = Some(prefix.to_owned());
        found.push(Found {
            path: place.url().to_owned(),
            checkpoint: false,
            job_id: None,
            job_prefix,
            epoch,
            metadata,
            modified,
        });
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

pub(super) async fn checkpoints_of(folder: &Place, job_id: JobId) -> Result<Vec<Found>, Error> {
    let mut found = Vec::new();
    for name in folder.children().await?.0 {
        if name.strip_prefix("chk-").is_none_or(|number| number.parse::<u64>().is_err()) {
            continue;
        }
        let place = folder.join(&name);
        let (metadata, modified) = metadata(&place).await?;
        let (checkpoint, job_id) = (true, Some(job_id));
        found.push(Found {
            path: place.url().to_owned(),
            checkpoint,
            job_id,
            job_prefix: None,
            epoch: None,
            metadata,
            modified,
        });
    }
    Ok(found)
}
