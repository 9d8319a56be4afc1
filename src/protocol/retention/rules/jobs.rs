//! What stays of the jobs of a cluster that runs several: for each of them what it goes on from, and its newest savepoints. Jobs are
//! told apart by name, as each submission has another id; where no name is known, by id.

use std::collections::BTreeMap;

use super::super::super::choose::Standing;
use super::super::super::id::JobId;
use super::super::super::jobs::called;
use super::super::super::point::{normalize, same};
use super::Rules;

/// A job, through all of its submissions.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Name(String),
    Id(JobId),
}

impl Rules<'_> {
    /// Whether points of several jobs lie side by side.
    pub(super) fn of_several(&self) -> bool {
        self.situation().session || self.situation().history.epochs.values().any(super::Epoch::is_several)
    }

    /// What jobs go on from, or have just been restored from, and the newest savepoint of each.
    pub(super) fn hold_jobs(&mut self) {
        let mut held: Vec<(String, String)> = Vec::new();
        for one in self.situation().waiting() {
            if let Some(point) = &one.point {
                held.push((point.path.clone(), format!("{} goes on from it", called(&one.job_name, one.job_id))));
            }
        }
        let newest = self.situation().history.newest_based(u64::MAX);
        for (job_id, past) in newest.iter().flat_map(|(_, epoch, _)| &epoch.jobs) {
            if let Some(restored) = &past.restored {
                held.push((restored.path.clone(), format!("{} was restored from it", called(&past.name, *job_id))));
            }
        }
        for (key, savepoints) in self.savepoints() {
            if let Some(newest) = savepoints.first() {
                held.push((newest.point.path.clone(), format!("the newest savepoint of {}", words(&key))));
            }
        }
        for (path, why) in held {
            self.held.entry(normalize(&path)).or_insert(why);
        }
    }

    /// What `keep` leaves of each job.
    pub(super) fn count_jobs(&mut self) {
        let keep = self.terms.keep.max(1);
        let mut kept = BTreeMap::new();
        for (key, savepoints) in self.savepoints() {
            for one in savepoints.into_iter().take(keep) {
                let why = format!("one of the {keep} newest savepoints of {}", words(&key));
                kept.entry(one.point.path.clone()).or_insert(why);
            }
        }
        self.kept.extend(kept);
    }

    /// The whole savepoints of each job, newest first.
    fn savepoints(&self) -> BTreeMap<Key, Vec<&Standing>> {
        let mut all: BTreeMap<Key, Vec<&Standing>> = BTreeMap::new();
        for one in self.standing.iter().filter(|one| !one.checkpoint) {
            if let Some(key) = self.key(&one.point.path) {
                all.entry(key).or_default().push(one);
            }
        }
        all
    }

    fn key(&self, path: &str) -> Option<Key> {
        let situation = self.situation();
        let history = &situation.history;
        let recorded = history.saved().map(|(_, saved)| saved).find(|saved| same(&saved.point.path, path));
        let listed = || situation.found.iter().find(|found| same(&found.path, path))?.job_id;
        let job_id = recorded.map(|saved| saved.job_id).or_else(listed)?;
        let name = recorded.and_then(|saved| saved.job_name.clone()).filter(|name| !name.is_empty()).or_else(|| {
            let past = history.epochs.values().rev().find_map(|epoch| epoch.jobs.get(&job_id))?;
            Some(past.name.clone()).filter(|name| !name.is_empty())
        });
        Some(name.map_or(Key::Id(job_id), Key::Name))
    }
}

fn words(key: &Key) -> String {
    match key {
        Key::Name(name) => format!("{name:?}"),
        Key::Id(job_id) => format!("job {job_id}"),
    }
}
