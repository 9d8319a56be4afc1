//! What the record and the markers, read together, say about the cluster's past.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::entry::{Attempt, Based, Claim, Directories, End, Entry, Fact, PodRef, RestoreFailed, Saved};
use super::id::{Id, JobId};
use super::jobs;
use super::outcome::StopOutcome;
use super::phase::Took;
use super::point::{Kind, PointRef, same};

/// The cluster's past, as far as record and markers know it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct History {
    /// The record's own id; none if there is no record.
    pub record_id: Option<Id>,
    /// The cluster that the record names.
    pub cluster: Option<String>,
    /// Every epoch that anything is known of.
    pub epochs: BTreeMap<u64, Epoch>,
    /// What a person asked of the next start.
    pub request: Option<Request>,
    /// Directories that retention has given up: whatever is left in them is no restore point.
    #[serde(default)]
    pub pruned: BTreeSet<String>,
}

/// One epoch's past.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Epoch {
    /// Its claim; none if only points or markers tell of it.
    pub claim: Option<Claim>,
    /// What it restored from; none if Flink never started.
    pub based: Option<Based>,
    /// The job that Flink ran, once it was seen.
    pub ran: Option<JobId>,
    /// The job that Flink ran, and the oldest checkpoint seen of it.
    pub progressed: Option<(JobId, u64)>,
    /// Whether Flink confirmed the restore.
    pub confirmed: bool,
    /// Why Flink could not restore its base.
    pub restore_failed: Option<RestoreFailed>,
    /// What a person had asked, and this epoch used up.
    pub used: Option<Request>,
    /// Why nothing of it is used.
    pub voided: Option<String>,
    /// The newest request to stop.
    pub attempt: Option<Attempt>,
    /// Its recorded points, oldest first.
    pub saved: Vec<Saved>,
    /// How its stop ended, when and why.
    pub stopped: Option<(StopOutcome, String, Timestamp)>,
    /// What that took, by phase.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub took: Option<Took>,
    /// The job's own end.
    pub ended: Option<End>,
    /// What became of each job, where it is not one.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub jobs: BTreeMap<JobId, jobs::Past>,
    /// The newest pod that asked its holder to hand over.
    pub asked: Option<PodRef>,
    /// Whether its JobManager is known to have ended.
    pub left: bool,
    /// Whether a person said that its holder is gone for good.
    pub taken_over: bool,
}

/// What a person asked of the next start.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Request {
    /// The entry that says so.
    pub id: Id,
    /// The pinned path; none for a fresh start.
    pub pin: Option<String>,
}

impl Epoch {
    /// Whether nothing of this epoch writes any more, wherever its holder is: its JobManager has ended, or its job is
    /// at its end and the JobManager only has to go. Without a final savepoint the job works until its JobManager ends.
    #[must_use]
    pub fn is_released(&self) -> bool {
        let saved = matches!(self.stopped, Some((StopOutcome::Savepoint | StopOutcome::Ended, ..)));
        self.left || self.ended.is_some() || saved
    }

    /// Whether it ran a session cluster, or an application with several jobs: no one point is all of its state.
    #[must_use]
    pub fn is_several(&self) -> bool {
        !self.jobs.is_empty() || self.claim.as_ref().is_some_and(|claim| claim.session)
    }

    /// Adds a point; what is said later of the same one is believed, in its later place. One that was in flight when the final one was asked
    /// for may be told of after that, and is older all the same.
    fn save(&mut self, saved: Saved) {
        self.saved.retain(|known| !same(&known.point.path, &saved.point.path));
        let ids = |known: &Saved| saved.point.checkpoint_id.zip(known.point.checkpoint_id);
        let is_after = |known: &Saved| {
            known.kind == Kind::Final
                && saved.kind != Kind::Final
                && known.job_id == saved.job_id
                && ids(known).is_none_or(|(own, of_final)| own < of_final)
        };
        let at = self.saved.iter().position(is_after).unwrap_or(self.saved.len());
        self.saved.insert(at, saved);
    }
}

impl History {
    /// Reads the record's entries, oldest first.
    #[must_use]
    pub fn read<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> Self {
        let mut history = Self::default();
        for entry in entries {
            history.add(entry);
        }
        history.forget_pruned();
        history
    }

    /// What was deleted on purpose is not missed.
    fn forget_pruned(&mut self) {
        let pruned = std::mem::take(&mut self.pruned);
        for epoch in self.epochs.values_mut() {
            epoch.saved.retain(|saved| !is_below_any(&pruned, &saved.point.path));
        }
        self.pruned = pruned;
    }

    /// Whether retention has given this directory up, or one that it lies in.
    #[must_use]
    pub fn is_pruned(&self, path: &str) -> bool {
        is_below_any(&self.pruned, path)
    }

    fn add(&mut self, entry: &Entry) {
        match &entry.fact {
            Fact::Created { cluster, record_id } => {
                self.cluster.get_or_insert_with(|| cluster.clone());
                self.record_id.get_or_insert(*record_id);
            }
            Fact::Pinned { path } => {
                // A person found it whole, and wants it.
                self.pruned.remove(path);
                self.request = Some(Request { id: entry.write_id, pin: Some(path.clone()) });
            }
            Fact::Pruned { path } => {
                self.pruned.insert(path.clone());
            }
            Fact::FreshAllowed => self.request = Some(Request { id: entry.write_id, pin: None }),
            Fact::Unpinned => self.request = None,
            Fact::Unknown => {}
            fact => self.add_to_epoch(entry, fact),
        }
    }

    fn add_to_epoch(&mut self, entry: &Entry, fact: &Fact) {
        let epoch = self.epochs.entry(entry.epoch).or_default();
        match fact {
            Fact::Claimed(claim) => epoch.claim = Some(claim.clone()),
            Fact::Based(based) => {
                epoch.based = Some(based.clone());
                if let Some(used) = self.request.take_if(|request| Some(request.id) == based.consumed) {
                    epoch.used = Some(used);
                }
            }
            Fact::Progressed { job_id, checkpoint_id } => {
                epoch.ran = Some(*job_id);
                epoch.progressed = Some((*job_id, *checkpoint_id));
            }
            Fact::Confirmed { job_id, restored } => {
                epoch.ran = Some(*job_id);
                epoch.confirmed = true;
                // A job that had failed over already restored a checkpoint of its own: that one was complete.
                let base = epoch.based.as_ref().and_then(|based| based.base.as_ref());
                let own = restored.as_ref().filter(|point| base.is_none_or(|base| !same(&base.path, &point.path)));
                if let (Some(id), None) = (own.and_then(|point| point.checkpoint_id), epoch.progressed) {
                    epoch.progressed = Some((*job_id, id));
                }
            }
            Fact::RestoreFailed(failed) => epoch.restore_failed = Some(failed.clone()),
            Fact::Voided { reason } => {
                epoch.voided = Some(reason.clone());
                // It did not do what the person had asked: that still stands, unless something else was asked since.
                if self.request.is_none() {
                    self.request = epoch.used.take();
                }
            }
            Fact::Attempted(attempt) => epoch.attempt = Some(attempt.clone()),
            Fact::Saved(saved) => epoch.save(saved.clone()),
            Fact::Stopped { outcome, reason, took } => {
                epoch.stopped = Some((*outcome, reason.clone(), entry.at));
                epoch.took = *took;
            }
            Fact::Job(of) => epoch.jobs.entry(of.job_id).or_default().add(&of.job_name, &of.event),
            Fact::HandoverAsked { by } => epoch.asked = Some(by.clone()),
            Fact::Left => epoch.left = true,
            Fact::TakenOver => epoch.taken_over = true,
            Fact::Ended(end) => {
                epoch.ended = Some(end.clone());
                // The marker keeps ends and no points: the savepoint of a stop elsewhere must not be lost with the record.
                let known = |point: &PointRef| epoch.saved.iter().any(|saved| same(&saved.point.path, &point.path));
                if let Some(saved) = end.saved(entry.epoch, None, entry.at).filter(|saved| !known(&saved.point)) {
                    epoch.save(saved);
                }
            }
            Fact::Created { .. }
            | Fact::Pinned { .. }
            | Fact::Unpinned
            | Fact::FreshAllowed
            | Fact::Pruned { .. }
            | Fact::Unknown => {}
        }
    }

    /// The newest epoch that anybody claimed, with its claim.
    #[must_use]
    pub fn newest_claim(&self) -> Option<(u64, &Claim)> {
        self.epochs.iter().rev().find_map(|(number, epoch)| Some((*number, epoch.claim.as_ref()?)))
    }

    /// The newest epoch before `before` in which Flink was allowed to start and whose work counts.
    #[must_use]
    pub fn newest_based(&self, before: u64) -> Option<(u64, &Epoch, &Based)> {
        self.epochs
            .range(..before)
            .rev()
            .filter(|(_, epoch)| epoch.voided.is_none())
            .find_map(|(number, epoch)| Some((*number, epoch, epoch.based.as_ref()?)))
    }

    /// Whether nothing of this epoch may be used.
    #[must_use]
    pub fn is_void(&self, epoch: u64) -> bool {
        self.epochs.get(&epoch).is_some_and(|epoch| epoch.voided.is_some())
    }

    /// Where the points of any epoch may lie, the newest epoch's directories first.
    #[must_use]
    pub fn directories(&self) -> Vec<Directories> {
        let mut all: Vec<Directories> = Vec::new();
        for claim in self.epochs.values().rev().filter_map(|epoch| epoch.claim.as_ref()) {
            if !all.contains(&claim.directories) {
                all.push(claim.directories.clone());
            }
        }
        all
    }

    /// The ids of the jobs that any epoch was to run, or was seen to run.
    #[must_use]
    pub fn jobs(&self) -> Vec<JobId> {
        let claimed = self.epochs.values().filter_map(|epoch| epoch.claim.as_ref()?.job_id);
        let ran = self.epochs.values().flat_map(|epoch| epoch.ran.iter().chain(epoch.jobs.keys()).copied());
        claimed.chain(ran).collect()
    }

    /// The highest epoch number that anything tells of.
    #[must_use]
    pub fn highest_epoch(&self) -> u64 {
        self.epochs.keys().next_back().copied().unwrap_or(0)
    }

    /// The newest epoch whose job had this id. An epoch in which Flink was never allowed to start ran no job, even if it was
    /// claimed with an id that all starts share.
    #[must_use]
    pub fn epoch_of_job(&self, job_id: JobId) -> Option<u64> {
        self.epochs.iter().rev().find_map(|(number, epoch)| {
            let claimed = epoch.based.as_ref().and(epoch.claim.as_ref()).and_then(|claim| claim.job_id);
            let saved = epoch.saved.iter().any(|saved| saved.job_id == job_id);
            let saved = saved || epoch.jobs.contains_key(&job_id);
            (claimed == Some(job_id) || epoch.ran == Some(job_id) || saved).then_some(*number)
        })
    }

    /// The starts in a row, newest first, in which Flink could not restore this point: since it last restored
    /// any, and since a person last asked for this one.
    #[must_use]
    pub fn failures(&self, path: &str, before: u64, allow_non_restored_state: bool) -> Vec<(u64, &RestoreFailed)> {
        let mut failures = Vec::new();
        for (&number, epoch) in self.epochs.range(..before).rev() {
            let Some(based) = epoch.based.as_ref().filter(|_| epoch.voided.is_none()) else { continue };
            if epoch.confirmed {
                break;
            }
            if based.base.as_ref().is_none_or(|base| !same(&base.path, path)) {
                continue;
            }
            if let Some(failed) = &epoch.restore_failed
                && (failed.allow_non_restored_state || !allow_non_restored_state)
            {
                failures.push((number, failed));
            }
            if self.is_asked_for(number, based) {
                break;
            }
        }
        failures
    }

    /// The epochs since the newest confirmed one whose point Flink could not restore.
    pub fn restore_failures(&self) -> impl Iterator<Item = (u64, &RestoreFailed)> {
        let since = self.epochs.iter().rev().take_while(|(_, epoch)| !epoch.confirmed);
        since.filter_map(|(number, epoch)| Some((*number, epoch.restore_failed.as_ref()?)))
    }

    /// Whether an epoch's base is what a person asked for: pinned, or newly given to Flink.
    #[must_use]
    pub fn is_asked_for(&self, number: u64, based: &Based) -> bool {
        let before = self.newest_based(number).and_then(|(_, _, before)| before.explicit.as_ref());
        let is = |path: Option<&String>, other: &str| path.is_some_and(|path| same(path, other));
        let given =
            |explicit: &String| is(based.base.as_ref().map(|base| &base.path), explicit) && !is(before, explicit);
        based.consumed.is_some() || based.explicit.as_ref().is_some_and(given)
    }

    /// Every recorded point, oldest epoch first.
    pub fn saved(&self) -> impl Iterator<Item = (u64, &Saved)> {
        self.epochs.iter().flat_map(|(number, epoch)| epoch.saved.iter().map(|saved| (*number, saved)))
    }
}

/// Whether one of these directories is `path`, or one that it lies in.
fn is_below_any(directories: &BTreeSet<String>, path: &str) -> bool {
    std::iter::successors(Some(path), |path| Some(path.rsplit_once('/')?.0)).any(|path| directories.contains(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::entry::{EndKind, VERSION};

    fn entry(n: u8, epoch: u64, fact: Fact) -> Entry {
        Entry { version: VERSION, write_id: Id::from_bytes([n; 16]), at: Timestamp::UNIX_EPOCH, epoch, fact }
    }

    fn based(consumed: Option<u8>) -> Fact {
        let consumed = consumed.map(|n| Id::from_bytes([n; 16]));
        Fact::Based(Based { consumed, reason: "test".into(), ..Based::default() })
    }

    #[test]
    fn a_request_lasts_until_a_base_used_it_up_or_a_person_took_it_back() {
        let pin = || entry(1, 0, Fact::Pinned { path: "s3://a".into() });
        let pending = |entries: &[Entry]| History::read(entries).request.map(|request| request.pin);
        assert_eq!(pending(&[pin(), entry(2, 1, based(None))]), Some(Some("s3://a".into())));
        assert_eq!(pending(&[pin(), entry(2, 1, based(Some(1)))]), None);
        assert_eq!(pending(&[pin(), entry(2, 0, Fact::Unpinned)]), None);
        assert_eq!(pending(&[pin(), entry(2, 0, Fact::FreshAllowed)]), Some(None));
        // Another one after the first was used up.
        assert_eq!(pending(&[pin(), entry(2, 1, based(Some(1))), entry(3, 0, Fact::FreshAllowed)]), Some(None));
        assert_eq!(pending(&[pin(), entry(2, 0, Fact::FreshAllowed), entry(3, 1, based(Some(1)))]), Some(None));
        // The marker, read before the record, tells of the base already.
        assert_eq!(pending(&[entry(2, 1, based(Some(1))), pin(), entry(2, 1, based(Some(1)))]), None);
    }

    #[test]
    fn a_savepoint_that_is_told_of_after_the_final_one_is_not_the_newest() {
        let job_id = JobId::derived("orders", 1);
        let saved = |n: u8, path: &str, checkpoint_id, kind| {
            let point = PointRef { path: path.into(), checkpoint_id, epoch: None };
            let fact = Fact::Saved(Saved {
                job_id,
                job_name: None,
                point,
                kind,
                format: None,
                completed_at: Timestamp::UNIX_EPOCH,
                bytes: None,
                duration_ms: None,
                predicted_ms: None,
                doubt: None,
                salvaged: false,
                drained: false,
            });
            entry(n, 1, fact)
        };
        let order = |of_final, of_manual| {
            let entries = [saved(1, "final", of_final, Kind::Final), saved(2, "manual", of_manual, Kind::Manual)];
            let history = History::read(&entries);
            history.saved().map(|(_, saved)| saved.point.path.clone()).collect::<Vec<_>>()
        };
        assert_eq!(order(Some(8), Some(7)), ["manual", "final"]);
        assert_eq!(order(None, None), ["manual", "final"]);
        // A job that went on after all.
        assert_eq!(order(Some(8), Some(9)), ["final", "manual"]);
    }

    #[test]
    fn the_savepoint_of_an_end_is_a_point_even_where_only_the_end_is_left() {
        let job_id = JobId::derived("orders", 1);
        let point = PointRef { path: "s3://a".into(), checkpoint_id: Some(9), epoch: None };
        let end = entry(
            2,
            1,
            Fact::Ended(End { job_id, how: EndKind::Stopped, savepoint: Some(point.clone()), reason: String::new() }),
        );
        let saved = Fact::Saved(Saved {
            job_id,
            job_name: None,
            point: PointRef { epoch: Some(1), ..point },
            kind: Kind::Manual,
            format: None,
            completed_at: Timestamp::UNIX_EPOCH,
            bytes: Some(5),
            duration_ms: None,
            predicted_ms: None,
            doubt: None,
            salvaged: false,
            drained: false,
        });
        let saved = entry(1, 1, saved);
        let bytes = |entries: &[Entry]| {
            let history = History::read(entries);
            history.saved().map(|(epoch, saved)| (epoch, saved.point.epoch, saved.bytes)).collect::<Vec<_>>()
        };
        assert_eq!(bytes(std::slice::from_ref(&end)), [(1, Some(1), None)]);
        assert_eq!(bytes(&[saved.clone(), end.clone()]), [(1, Some(1), Some(5))]);
        assert_eq!(bytes(&[end.clone(), saved, end]), [(1, Some(1), Some(5))]);
    }

    #[test]
    fn an_epoch_that_was_only_claimed_ran_no_job() {
        let job_id = JobId::from_bytes([5; 16]);
        let claim = |n, epoch| {
            let directories = Directories::default();
            let holder = crate::protocol::entry::Holder {
                incarnation: Id::from_bytes([n; 16]),
                host: "pod".into(),
                boot_id: "boot".into(),
                pid: 1,
                started: 1,
                pod: None,
            };
            entry(
                n,
                epoch,
                Fact::Claimed(Claim { job_id: Some(job_id), holder, directories, session: false, without_gate: false }),
            )
        };
        let history = History::read(&[claim(1, 1), entry(2, 1, based(None)), claim(3, 2)]);
        assert_eq!(history.epoch_of_job(job_id), Some(1));
        assert_eq!(history.newest_claim().map(|(epoch, _)| epoch), Some(2));
        assert_eq!(history.newest_based(9).map(|(epoch, ..)| epoch), Some(1));
        assert_eq!(history.highest_epoch(), 2);
    }

    #[test]
    fn what_a_void_epoch_used_up_still_stands() {
        let pin = entry(1, 0, Fact::Pinned { path: "s3://a".into() });
        let void = entry(3, 1, Fact::Voided { reason: "ran from something else".into() });
        let pending = |entries: &[Entry]| History::read(entries).request.map(|request| request.pin);
        let used = [pin, entry(2, 1, based(Some(1))), void];
        assert_eq!(pending(&used), Some(Some("s3://a".into())));
        let since = [used.as_slice(), &[entry(4, 2, based(Some(1)))]].concat();
        assert_eq!(pending(&since), None, "used by a later epoch");
    }
}
