//! What the record and the markers, read together, say about the cluster's past.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::entry::{Attempt, Based, Claim, End, Entry, Fact, Saved};
use super::id::{Id, JobId};
use super::outcome::StopOutcome;

/// The cluster's past, as far as record and markers know it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct History {
    /// The record's own id; none if there is no record.
    pub record_id: Option<Id>,
    /// The cluster that the record names.
    pub cluster: Option<String>,
    /// Every epoch that anything is known of.
    pub epochs: BTreeMap<u64, Epoch>,
    /// What a person asked of the next start.
    pub request: Option<Request>,
}

/// One epoch's past.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Epoch {
    /// Its claim; none if only points or markers tell of it.
    pub claim: Option<Claim>,
    /// What it restored from; none if Flink never started.
    pub based: Option<Based>,
    /// The job that Flink ran, and the oldest checkpoint seen of it.
    pub progressed: Option<(JobId, u64)>,
    /// Whether Flink confirmed the restore.
    pub confirmed: bool,
    /// Why nothing of it is used.
    pub voided: Option<String>,
    /// The newest request to stop.
    pub attempt: Option<Attempt>,
    /// Its recorded points, oldest first.
    pub saved: Vec<Saved>,
    /// How its stop ended, when and why.
    pub stopped: Option<(StopOutcome, String, Timestamp)>,
    /// The job's own end.
    pub ended: Option<End>,
}

/// What a person asked of the next start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// The entry that says so.
    pub id: Id,
    /// The pinned path; none for a fresh start.
    pub pin: Option<String>,
}

impl History {
    /// Reads the record's entries, oldest first.
    #[must_use]
    pub fn read<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> Self {
        let mut history = Self::default();
        for entry in entries {
            history.add(entry);
        }
        history
    }

    fn add(&mut self, entry: &Entry) {
        match &entry.fact {
            Fact::Created { cluster, record_id } => {
                self.cluster.get_or_insert_with(|| cluster.clone());
                self.record_id.get_or_insert(*record_id);
            }
            Fact::Pinned { path } => self.request = Some(Request { id: entry.write_id, pin: Some(path.clone()) }),
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
                if self.request.as_ref().map(|request| request.id) == based.consumed {
                    self.request = None;
                }
            }
            Fact::Progressed { job_id, checkpoint_id } => epoch.progressed = Some((*job_id, *checkpoint_id)),
            Fact::Confirmed { .. } => epoch.confirmed = true,
            Fact::Voided { reason } => epoch.voided = Some(reason.clone()),
            Fact::Attempted(attempt) => epoch.attempt = Some(attempt.clone()),
            Fact::Saved(saved) => epoch.saved.push(saved.clone()),
            Fact::Stopped { outcome, reason } => epoch.stopped = Some((*outcome, reason.clone(), entry.at)),
            Fact::Ended(end) => epoch.ended = Some(end.clone()),
            Fact::Created { .. } | Fact::Pinned { .. } | Fact::Unpinned | Fact::FreshAllowed | Fact::Unknown => {}
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

    /// The highest epoch number that anything tells of.
    #[must_use]
    pub fn highest_epoch(&self) -> u64 {
        self.epochs.keys().next_back().copied().unwrap_or(0)
    }

    /// The newest epoch whose job had this id.
    #[must_use]
    pub fn epoch_of_job(&self, job_id: JobId) -> Option<u64> {
        self.epochs.iter().rev().find_map(|(number, epoch)| {
            let claimed = epoch.claim.as_ref().and_then(|claim| claim.job_id);
            let seen = epoch.progressed.map(|(job_id, _)| job_id);
            let saved = epoch.saved.iter().any(|saved| saved.job_id == job_id);
            (claimed == Some(job_id) || seen == Some(job_id) || saved).then_some(*number)
        })
    }

    /// Every recorded point, oldest epoch first.
    pub fn saved(&self) -> impl Iterator<Item = (u64, &Saved)> {
        self.epochs.iter().flat_map(|(number, epoch)| epoch.saved.iter().map(|saved| (*number, saved)))
    }
}
