//! Which jobs wait to be submitted again, and from where: epoch by epoch, oldest first, each job takes over from the point that it
//! was restored from, and leaves its own newest one.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::super::history::{Epoch, History};
use super::super::id::JobId;
use super::super::point::{Found, Kind, Metadata, PointRef, normalize, same};
use super::{Past, called};

/// A job that does not run and whose state is to be gone on with.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Waiting {
    /// Its name; empty where nobody knows it.
    pub job_name: String,
    /// Under which id it ran last.
    pub job_id: JobId,
    /// In which epoch.
    pub epoch: u64,
    /// From where it goes on; none if that is not to be used.
    pub point: Option<PointRef>,
    /// What made it.
    pub kind: Option<Kind>,
    /// Why this one, or why none.
    pub reason: String,
    /// Whether another job that waits has the same name: then the id tells them apart.
    pub name_is_shared: bool,
}

/// What a look into storage has shown.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// What the directories hold.
    pub found: &'a [Found],
    /// What a closer look proved unusable, and why.
    pub broken: &'a BTreeMap<String, String>,
    /// Whether an older point may be used where the newest can't.
    pub previous_if_broken: bool,
}

/// One point of a job.
struct Candidate {
    point: PointRef,
    kind: Kind,
    trouble: Option<String>,
}

/// The jobs that would wait at the begin of epoch `before`. Without a look into storage what is recorded is taken for true.
#[must_use]
pub fn waiting(history: &History, before: u64, seen: Option<Seen>) -> Vec<Waiting> {
    let mut waiting: Vec<Waiting> = Vec::new();
    for (&number, epoch) in history.epochs.range(..before).filter(|(_, epoch)| epoch.voided.is_none()) {
        if epoch.used.as_ref().is_some_and(|used| used.pin.is_none()) {
            // A person said that nothing is to be gone on with.
            waiting.clear();
        }
        let jobs = of_epoch(number, epoch, seen.map(|seen| seen.found));
        for (&job_id, past) in &jobs {
            let from = past.restored.as_ref().map(|restored| normalize(&restored.path));
            let taken_over = from.as_ref().and_then(|from| {
                let at = waiting.iter().position(|one| is_at(one, from))?;
                Some(waiting.remove(at))
            });
            let goes_on = taken_over.is_some();
            if past.is_over() {
                continue;
            }
            let shared = !past.name.is_empty() && jobs.values().filter(|other| other.name == past.name).count() > 1;
            let without_own = || {
                let restored = past.restored.clone()?;
                let (point, kind) = match taken_over {
                    Some(elder) => (elder.point, elder.kind),
                    None => (Some(PointRef { path: normalize(&restored.path), ..restored }), None),
                };
                let reason = "it was restored from that, and completed nothing since".to_owned();
                Some(entry(number, job_id, past, (point, kind), reason))
            };
            let Some(one) = newest(history, (number, epoch), (job_id, past), seen).or_else(without_own) else {
                continue;
            };
            let mut elder = waiting.iter().filter(|other| other.epoch < number && other.job_name == past.name);
            let only_elder = elder.next().is_some() && elder.next().is_none();
            if !shared && !past.name.is_empty() && only_elder && !goes_on {
                // It was submitted anew, on purpose: what it has done since is what counts under its name.
                waiting.retain(|other| other.epoch == number || other.job_name != past.name);
            }
            waiting.push(one);
        }
    }
    let mut names = BTreeMap::<String, usize>::new();
    for one in waiting.iter().filter(|one| !one.job_name.is_empty()) {
        *names.entry(one.job_name.clone()).or_default() += 1;
    }
    for one in &mut waiting {
        one.name_is_shared = names.get(&one.job_name).is_some_and(|count| *count > 1);
    }
    waiting.sort_by(|a, b| (&a.job_name, a.job_id).cmp(&(&b.job_name, b.job_id)));
    waiting
}

/// Those that no job of this epoch was restored from.
#[must_use]
pub fn still(waiting: Vec<Waiting>, epoch: Option<&Epoch>) -> Vec<Waiting> {
    let restored: Vec<String> = epoch
        .iter()
        .flat_map(|epoch| epoch.jobs.values())
        .filter_map(|past| Some(normalize(&past.restored.as_ref()?.path)))
        .collect();
    waiting.into_iter().filter(|one| !restored.iter().any(|from| is_at(one, from))).collect()
}

fn is_at(one: &Waiting, path: &str) -> bool {
    one.point.as_ref().is_some_and(|point| same(&point.path, path))
}

/// Every job that an epoch is known to have run, whoever tells of it.
#[must_use]
pub fn of_epoch(number: u64, epoch: &Epoch, found: Option<&[Found]>) -> BTreeMap<JobId, Past> {
    let mut jobs = epoch.jobs.clone();
    if !epoch.is_several() {
        let job_id = epoch.ran.or_else(|| epoch.claim.as_ref()?.job_id);
        if let (Some(job_id), Some(based)) = (job_id, &epoch.based) {
            let (restored, ended) = (based.base.clone(), epoch.ended.clone());
            jobs.insert(job_id, Past { restored, ended, ..Past::default() });
        }
    }
    for saved in &epoch.saved {
        let past = jobs.entry(saved.job_id).or_default();
        if let Some(name) = saved.job_name.as_ref().filter(|_| past.name.is_empty()) {
            past.name.clone_from(name);
        }
    }
    let in_own_folder = found.unwrap_or_default().iter().filter(|found| found.epoch == Some(number));
    for job_id in in_own_folder.filter_map(|found| found.job_id) {
        jobs.entry(job_id).or_default();
    }
    jobs
}

/// What a job goes on from, of what it wrote itself; none if it wrote nothing.
fn newest(
    history: &History,
    (number, epoch): (u64, &Epoch),
    (job_id, past): (JobId, &Past),
    seen: Option<Seen>,
) -> Option<Waiting> {
    let candidates = candidates(history, epoch, job_id, seen);
    let of = |candidate: &Candidate, reason: String| {
        let kind = Some(candidate.kind).filter(|_| candidate.trouble.is_none());
        let point = kind.map(|_| PointRef { epoch: Some(number), ..candidate.point.clone() });
        Some(entry(number, job_id, past, (point, kind), reason))
    };
    let (first, rest) = match candidates.split_first() {
        Some(split) => split,
        None if past.ran && past.restored.is_none() => {
            let reason =
                format!("{} had completed a checkpoint, but no point of it is there", called(&past.name, job_id));
            return Some(entry(number, job_id, past, (None, None), reason));
        }
        None => return None,
    };
    let Some(trouble) = &first.trouble else { return of(first, "its newest point".to_owned()) };
    let path = &first.point.path;
    let previous = rest.iter().find(|candidate| candidate.trouble.is_none());
    match previous {
        Some(previous) if seen.is_some_and(|seen| seen.previous_if_broken) => {
            let why = format!("older than its newest, {path}, as restore.on_broken allows: {trouble}");
            of(previous, why)
        }
        Some(previous) => {
            let older = &previous.point.path;
            of(first, format!("its newest point, {path}, can't be used: {trouble}. An older one is there: {older}"))
        }
        None => of(first, format!("its newest point, {path}, can't be used: {trouble}")),
    }
}

/// The points of a job in an epoch, newest first.
fn candidates(history: &History, epoch: &Epoch, job_id: JobId, seen: Option<Seen>) -> Vec<Candidate> {
    let mut candidates: Vec<Candidate> = Vec::new();
    let trouble = |path: &str| {
        let Seen { found, broken, .. } = seen?;
        if let Some((_, why)) = broken.iter().find(|(broken, _)| same(broken, path)) {
            return Some(why.clone());
        }
        match found.iter().find(|found| same(&found.path, path)).map(|found| &found.metadata) {
            Some(Metadata::Whole { .. }) => None,
            Some(Metadata::Broken(why)) => Some(why.clone()),
            Some(Metadata::Missing) => Some("it has no _metadata".to_owned()),
            None => Some("it is not there any more".to_owned()),
        }
    };
    for saved in epoch.saved.iter().filter(|saved| saved.job_id == job_id) {
        let trouble = trouble(&saved.point.path);
        candidates.push(Candidate { point: saved.point.clone(), kind: saved.kind, trouble });
    }
    let known: BTreeSet<String> = candidates.iter().map(|one| one.point.path.clone()).collect();
    let found = seen.map(|seen| seen.found).unwrap_or_default().iter();
    let own = found.filter(|found| found.job_id == Some(job_id) && found.metadata != Metadata::Missing);
    for found in own.filter(|found| !known.iter().any(|known| same(known, &found.path))) {
        if history.is_pruned(&found.path) {
            continue;
        }
        let kind = if found.checkpoint { Kind::Checkpoint } else { Kind::Final };
        let point = PointRef { path: found.path.clone(), checkpoint_id: found.checkpoint_id(), epoch: None };
        candidates.push(Candidate { point, kind, trouble: trouble(&found.path) });
    }
    // What could not be looked at when it was recorded has no number; it was the last one.
    let key = |one: &Candidate| (one.point.checkpoint_id.unwrap_or(u64::MAX), one.kind != Kind::Checkpoint);
    candidates.sort_by(|a, b| key(b).cmp(&key(a)).then_with(|| a.point.path.cmp(&b.point.path)));
    candidates
}

fn entry(
    epoch: u64,
    job_id: JobId,
    past: &Past,
    (point, kind): (Option<PointRef>, Option<Kind>),
    reason: String,
) -> Waiting {
    Waiting { job_name: past.name.clone(), job_id, epoch, point, kind, reason, name_is_shared: false }
}

#[cfg(test)]
mod tests;
