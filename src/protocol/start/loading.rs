//! What a start makes of the record and the marker that it reads: whose they are, what is lost of them, and whether this epoch has
//! begun already.

use std::collections::{BTreeMap, BTreeSet};

use super::super::entry::{Entry, Fact};
use super::super::history::History;
use super::super::id::Id;
use super::messages::Loaded;
use super::{Go, Start, State, Verdict};

impl Start {
    pub(super) fn loaded(&mut self, loaded: Loaded) {
        let Loaded { record, marker } = loaded;
        if let Some(refusal) = self.ownership(record.as_deref(), marker.as_deref()) {
            return self.refuse(refusal);
        }
        // A record whose first entry is not there was deleted under a running agent, which wrote on.
        let begins = record.as_deref().is_some_and(|entries| History::read(entries).record_id.is_some());
        if !begins && marker.is_some() && !self.plan.only_plan {
            self.state = State::Rebuild;
            return self.count_try();
        }
        let written_by_agents = record.iter().flatten().any(|entry| entry.epoch > 0);
        if !begins && written_by_agents && marker.is_none() {
            return self.refuse(
                "the record's first entries are missing, and there is no marker to rebuild them from. Bring the record back \
                 from a backup, or move it away if its loss is understood"
                    .to_owned(),
            );
        }
        let late = late(record.as_deref().unwrap_or_default(), marker.as_deref().unwrap_or_default());
        if begins && !late.is_empty() && !self.plan.only_plan {
            self.state = State::Copy(late);
            return self.count_try();
        }
        self.new_record = !begins;
        let twice = given_twice(record.as_deref().unwrap_or_default(), marker.as_deref().unwrap_or_default());
        let begins_twice =
            |entry: &&Entry| twice.contains(&entry.epoch) && matches!(entry.fact, Fact::Claimed(_) | Fact::Based(_));
        let recorded = record.iter().flatten().filter(|entry| !begins_twice(entry));
        self.history = History::read(marker.iter().flatten().chain(recorded));
        if self.plan.only_plan {
            self.epoch = self.history.highest_epoch() + 1;
            self.state = State::List;
            return;
        }
        if self.plan.running && self.history.newest_claim().is_none() {
            let reason = "the record knows nothing of the epoch that runs".to_owned();
            return self.done(Verdict::Later { reason, holder: None });
        }
        let newest = self.history.newest_claim().map(|(number, claim)| (number, claim.holder.clone()));
        if let Some((number, holder)) = newest {
            if holder.incarnation == self.plan.holder.incarnation {
                self.epoch = number;
                return self.resume(number, twice.contains(&number));
            }
            if self.plan.running {
                let reason =
                    format!("epoch {number} has begun meanwhile, in process {} on {}", holder.pid, holder.host);
                return self.done(Verdict::Superseded { reason });
            }
            if !self.passed {
                return self.look();
            }
        }
        self.go_on_to_claim();
    }

    /// The same process asks again: after a conflict, or because the agent died and lives again.
    fn resume(&mut self, number: u64, given_twice: bool) {
        let epoch = self.history.epochs.get(&number);
        let voided = epoch.and_then(|epoch| epoch.voided.clone());
        if let Some(reason) = voided {
            let reason = format!("epoch {number} is void: {reason}");
            return if self.plan.running { self.done(Verdict::Superseded { reason }) } else { self.refuse(reason) };
        }
        match epoch.and_then(|epoch| epoch.based.clone()) {
            // It was not let go with this number, which somebody else has in the record.
            None if given_twice => self.go_on_to_claim(),
            None => self.state = State::List,
            // Whether it may run on was not known for certain yet.
            Some(_) if self.plan.ungated.is_some() && epoch.is_none_or(|epoch| !epoch.confirmed) => {
                self.state = State::List;
            }
            Some(based) => {
                let go = Go {
                    epoch: number,
                    job_id: epoch.and_then(|epoch| epoch.claim.as_ref()?.job_id),
                    base: based.base,
                    or: based.or,
                    cleans_up: based.cleans_up,
                    reason: based.reason,
                    candidates: Vec::new(),
                    goes_back: false,
                    jobs: self.jobs_of(number),
                    resumed: true,
                    ungated: self.plan.ungated.is_some(),
                    instead: None,
                };
                // All that is known of that is from the marker.
                if given_twice { self.done(Verdict::Go(go)) } else { self.state = State::Mark(go) }
            }
        }
    }

    /// Says why record and marker can't both be this cluster's.
    fn ownership(&self, record: Option<&[Entry]>, marker: Option<&[Entry]>) -> Option<String> {
        let cluster = &self.plan.cluster;
        let of = |entries: Option<&[Entry]>| entries.map(History::read);
        // A record that has lost its first entry names nobody; the marker does.
        let record = of(record).filter(|record| record.record_id.is_some());
        let marker = of(marker);
        let names = |history: &History| (history.cluster.clone(), history.record_id);
        if let Some((Some(other), _)) = record.as_ref().map(names).filter(|(name, _)| name.as_ref() != Some(cluster)) {
            return Some(format!(
                "the record belongs to cluster {other:?}, not to {cluster:?}: give each cluster its own record, or set \
                 cluster.id = {other:?} if it is the same one"
            ));
        }
        let (name, id) = names(marker.as_ref()?);
        if name.as_ref() != Some(cluster) {
            return Some(format!(
                "the savepoint folder of {cluster:?} carries the marker of another cluster, {:?}: give this one another \
                 cluster.id or savepoint.directory",
                name.unwrap_or_default()
            ));
        }
        let record_id = record.as_ref().map(names)?.1;
        (record_id != id).then(|| {
            format!(
                "the savepoint folder of {cluster:?} carries the marker of another record of the same name: two clusters \
                 share cluster.id and savepoint.directory. Give one of them another cluster.id"
            )
        })
    }
}

/// The epochs that were begun by somebody else than the record says. It was deleted, and rebuilt by a start that was given the same
/// number; of both, the one whose claim the marker has was let go, and no other.
fn given_twice(record: &[Entry], marker: &[Entry]) -> BTreeSet<u64> {
    let incarnation = |entry: &Entry| match &entry.fact {
        Fact::Claimed(claim) => Some((entry.epoch, claim.holder.incarnation)),
        _ => None,
    };
    let let_go: BTreeMap<u64, Id> = marker.iter().filter_map(incarnation).collect();
    let other = |(epoch, id): &(u64, Id)| let_go.get(epoch).is_some_and(|one| one != id);
    record.iter().filter_map(incarnation).filter(other).map(|(epoch, _)| epoch).collect()
}

/// What the marker says of the newest epoch's end and the record does not.
fn late(record: &[Entry], marker: &[Entry]) -> Vec<Entry> {
    let history = History::read(record);
    let Some((newest, _)) = history.newest_claim() else { return Vec::new() };
    let of_its_end = |entry: &&Entry| {
        let ends = matches!(entry.fact, Fact::Saved(_) | Fact::Stopped { .. } | Fact::Ended(_) | Fact::Job(_));
        entry.epoch == newest && ends
    };
    let missing = |entry: &&Entry| !record.iter().any(|known| known.write_id == entry.write_id);
    marker.iter().filter(of_its_end).filter(missing).cloned().collect()
}
