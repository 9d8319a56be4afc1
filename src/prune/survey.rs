//! Reads what the rules of retention rest on: record and marker, the listing, and then what the rules ask for.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::{Hands, Order};
use crate::flink::metadata::ReadError;
use crate::protocol::choose::{Decision, Situation, choose};
use crate::protocol::history::History;
use crate::protocol::point::{Listing, same};
use crate::protocol::retention::{Inventory, Line, Reading, findings};
use crate::protocol::start::Trouble;
use crate::protocol::stop::{Search, Secured};
use crate::record::Snapshot;
use crate::record::marker::Marker;
use crate::storage::{self, verify};
use crate::{record, report};

/// What was found, and the record that it was decided on.
#[derive(Debug)]
pub(super) struct Survey {
    pub(super) snapshot: Snapshot,
    pub(super) lines: Vec<Line>,
}

fn trouble(error: &storage::Error) -> Trouble {
    Trouble { reason: report::chain(error), passes: error.passes() }
}

fn never(reason: String) -> Trouble {
    Trouble { reason, passes: false }
}

/// Finds out what may go; none if storage changed under its eyes.
pub(super) async fn survey(hands: &Hands, order: &Order, again: bool) -> Result<Option<Survey>, Trouble> {
    let (snapshot, history) = read(hands, order, again).await?;
    let (directories, jobs) = (history.directories(), history.jobs());
    let recorded: Vec<_> = history.saved().map(|(_, saved)| saved.point.clone()).collect();
    let (storage, cluster) = (&hands.storage, &hands.cluster);
    let found = storage::list(storage, &directories, &recorded, cluster, false, &jobs).await;
    let Listing { found, unseen } = found.map_err(|error| trouble(&error))?;
    if let Some(why) = unseen {
        return Err(never(why));
    }
    let mut folders = Vec::new();
    for directory in directories.iter().map(|one| one.checkpoint.as_str()).collect::<BTreeSet<_>>() {
        let more = storage::job_folders(storage, directory, cluster, &jobs).await;
        folders.extend(more.map_err(|error| trouble(&error))?);
    }
    let session = history.newest_claim().is_some_and(|(_, claim)| claim.session);
    let newest = history.newest_based(u64::MAX);
    let given = newest.and_then(|(_, epoch, _)| epoch.claim.as_ref()?.job_id);
    let mut inventory = Inventory {
        situation: Situation {
            unseen: None,
            cluster: cluster.clone(),
            epoch: u64::MAX,
            explicit: newest.and_then(|(.., based)| based.explicit.clone()),
            fixed_job_id: given.filter(|job_id| job_id.epoch_of(cluster).is_none()),
            history,
            found,
            policy: hands.policy,
            broken: BTreeMap::new(),
            doubted: BTreeMap::new(),
            leftovers: None,
            now: Timestamp::now(),
            session,
        },
        folders,
        measured: BTreeMap::new(),
        read: BTreeMap::new(),
    };
    if !settle(hands, &mut inventory).await? {
        return Ok(None);
    }
    loop {
        let findings = findings(&inventory, &order.terms);
        if findings.unread.is_empty() && findings.unmeasured.is_empty() {
            return Ok(Some(Survey { snapshot, lines: findings.lines }));
        }
        // Points first: a running job's checkpoint may be gone by the time at which many files are counted.
        for path in findings.unread {
            if !read_point(hands, &mut inventory, &path).await {
                return Ok(None);
            }
        }
        for path in findings.unmeasured {
            let place = storage.place(&path).map_err(|error| trouble(&error))?;
            let measured = place.measure().await.map_err(|error| trouble(&error))?;
            inventory.measured.insert(path, measured);
        }
    }
}

async fn read(hands: &Hands, order: &Order, again: bool) -> Result<(Snapshot, History), Trouble> {
    let of_record = |error: record::Error| Trouble { reason: report::chain(&error), passes: error.passes() };
    // The holder of the newest epoch knows the record as it wrote it. If that is out of date, nothing can be added to it, and
    // nothing is deleted.
    let snapshot = match order.epoch.filter(|_| !again) {
        Some(_) => hands.record.known().await,
        None => hands.record.load().await.map_err(of_record)?,
    };
    let known = History::read(&snapshot.entries);
    let Some((newest, claim)) = known.newest_claim() else {
        return Err(never("no start is recorded yet, so nothing is known to be this cluster's".to_owned()));
    };
    if let Some(epoch) = order.epoch.filter(|epoch| *epoch != newest) {
        return Err(never(format!("epoch {newest} has begun after epoch {epoch}")));
    }
    match &known.cluster {
        Some(cluster) if *cluster == hands.cluster => {}
        Some(cluster) => {
            return Err(never(format!("the record belongs to cluster {cluster:?}, not to {:?}", hands.cluster)));
        }
        None => {
            return Err(never("the record's first entries are missing: start the job, and it is rebuilt".to_owned()));
        }
    }
    let folder = storage::cluster_folder(&hands.storage, &claim.directories, &hands.cluster);
    let folder = folder.map_err(|error| trouble(&error))?;
    let marker = hands.marker.clone().filter(|marker| marker.is_in(&folder)).unwrap_or_else(|| Marker::of(&folder));
    let marker = marker.load().await.map_err(of_record)?;
    let history = History::read(marker.iter().flatten().chain(&snapshot.entries));
    Ok((snapshot, history))
}

/// Verifies what the next start would restore, as that start would: nothing older goes before the newest is proven whole.
/// False: it went meanwhile, as checkpoints of a running job do.
async fn settle(hands: &Hands, inventory: &mut Inventory) -> Result<bool, Trouble> {
    let situation = &mut inventory.situation;
    let mut proven: BTreeSet<String> = BTreeSet::new();
    loop {
        let choice = choose(situation);
        let path = match choice.decision {
            Decision::Restore(point) => point.path,
            // From each job's newest point it goes on, and only from that.
            Decision::Resubmit => {
                let points = situation.waiting().into_iter().filter_map(|one| one.point);
                let Some(path) = points.map(|point| point.path).find(|path| !proven.contains(path)) else {
                    return Ok(true);
                };
                path
            }
            Decision::Fresh | Decision::Hold | Decision::Refuse => return Ok(true),
        };
        let why = match storage::look(&hands.storage, &path, None).await {
            Search::Found(Secured { doubt: Some(doubt), .. })
                if !hands.policy.trust_unverifiable && !situation.session =>
            {
                return Err(never(format!("{path}, which the next start restores, can't be verified: {doubt}")));
            }
            Search::Found(_) if situation.session => {
                proven.insert(path);
                continue;
            }
            Search::Found(_) => return Ok(true),
            Search::Unreadable(why) => {
                return Err(Trouble { reason: format!("{path}, which the next start restores: {why}"), passes: true });
            }
            Search::Nothing if situation.found.iter().any(|found| same(&found.path, &path)) => return Ok(false),
            Search::Nothing => "nothing is there".to_owned(),
            Search::Broken(why) => why,
        };
        if situation.broken.insert(path.clone(), why).is_some() {
            return Err(never(format!("{path} can't be used, and is chosen all the same")));
        }
    }
}

/// Reads what a point refers to. False: it went meanwhile.
async fn read_point(hands: &Hands, inventory: &mut Inventory, path: &str) -> bool {
    let place = match hands.storage.place(path) {
        Ok(place) => place,
        Err(error) => {
            inventory.read.insert(path.to_owned(), Reading::Unreadable(report::chain(&error)));
            return true;
        }
    };
    let reading = match verify::directories(&place).await {
        Ok(Ok(directories)) => Reading::Needs(directories),
        Ok(Err(error @ ReadError::Damaged { .. })) => {
            inventory.situation.broken.insert(path.to_owned(), error.to_string());
            return true;
        }
        Ok(Err(error)) => Reading::Unreadable(report::chain(&error)),
        Err(error) if error.is_missing() => {
            let listed = inventory.situation.found.iter().any(|found| same(&found.path, path));
            inventory.situation.broken.insert(path.to_owned(), "it is not there any more".to_owned());
            return !listed;
        }
        Err(error) => Reading::Unreadable(report::chain(&error)),
    };
    inventory.read.insert(path.to_owned(), reading);
    true
}
