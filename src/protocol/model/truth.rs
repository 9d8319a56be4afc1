//! What is true of the cluster, whoever knows it; and whether a start has kept its promises.

use std::collections::{BTreeMap, BTreeSet};

use super::super::entry::{Fact, Holder};
use super::super::id::Id;
use super::super::start::Go;
use super::World;
use super::flink::Job;
use super::life::Floor;
use super::memory::Memory;

/// What an epoch began from, and whether Flink was started.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Began {
    path: Option<String>,
    consumed: Option<Id>,
    explicit: Option<String>,
    started: Option<Id>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is one thing that was seen")]
pub(super) struct Truth {
    based: BTreeMap<u64, Began>,
    /// Requests of people that a start has used up.
    used: BTreeSet<Id>,
    /// The newest epoch whose end the record is known to know.
    pub(super) ended: Option<u64>,
    /// The promises that were not kept.
    pub(super) broken: BTreeSet<u8>,
    pub(super) lost_what_was_written: bool,
    pub(super) zombie_worked: bool,
    pub(super) refused: bool,
    pub(super) rebuilt: bool,
    pub(super) copied: bool,
    pub(super) noted: bool,
    pub(super) pruned: bool,
    pub(super) went_back: bool,
    /// A newer pod has started while the older one is still there.
    pub(super) handed_over: bool,
}

impl Truth {
    /// Keeps what became durable, should it be lost.
    pub(super) fn observe(&mut self, memory: &Memory) {
        for entry in memory.record.iter() {
            if let Fact::Based(based) = &entry.fact {
                self.based.entry(entry.epoch).or_insert_with(|| Began {
                    path: based.base.as_ref().map(|base| base.path.clone()),
                    consumed: based.consumed,
                    explicit: based.explicit.clone(),
                    started: None,
                });
            }
        }
    }

    pub(super) fn newest_based(&self) -> Option<u64> {
        self.based.keys().next_back().copied()
    }

    /// The newest state of the line that is durable now.
    pub(super) fn floor(&self, memory: &Memory) -> Floor {
        let Some((epoch, began)) = self.based.last_key_value() else {
            return Floor { path: None, order: (0, 0), lived: false };
        };
        let own = memory.points.iter().filter(|(_, point)| point.epoch == *epoch && point.whole && !point.stale);
        if let Some((path, point)) = own.max_by_key(|(_, point)| point.id) {
            return Floor { path: Some(path.clone()), order: point.order(), lived: true };
        }
        let order = began.path.as_ref().and_then(|path| memory.points.get(path)).map(super::memory::Point::order);
        Floor { path: began.path.clone(), order: order.unwrap_or_default(), lived: began.started.is_some() }
    }

    /// Whether a person wants just this.
    fn is_asked_for(&self, epoch: u64, explicit: Option<&String>) -> bool {
        let Some(began) = self.based.get(&epoch) else { return false };
        let former = self.based.range(..epoch).rev().find(|(_, former)| former.started.is_some());
        let is_new = former.is_none_or(|(_, former)| former.explicit.as_ref() != explicit);
        let given = explicit.is_some() && began.path.as_ref() == explicit && is_new;
        given || began.consumed.is_some_and(|id| !self.used.contains(&id))
    }
}

impl World {
    /// Flink is about to be started. What a start makes of a record that was lost is promise 8.
    pub(super) fn judge(&mut self, pod: usize, go: &Go) {
        self.truth.observe(&self.memory);
        let life = self.lives[pod].clone();
        let lost = self.memory.record_was_lost || self.memory.marker_was_lost;
        let or_lost = |promise: u8| if lost { 8 } else { promise };
        let Holder { incarnation, .. } = life.holder();
        let asked = self.truth.is_asked_for(go.epoch, life.explicit.as_ref());
        let mut broken = BTreeSet::new();
        if !asked && let Some(floor) = &life.floor {
            match (&go.base, &floor.path) {
                (None, None) => {}
                (None, Some(_)) => drop(broken.insert(or_lost(1))),
                (Some(base), path) if Some(&base.path) == path.as_ref() => {}
                (Some(base), _) => {
                    let point = self.point(&base.path);
                    let newer = point.is_some_and(|point| point.order() > floor.order);
                    if !newer || floor.lived {
                        broken.insert(or_lost(2));
                    }
                    if point.is_some_and(|point| point.stale) {
                        broken.insert(or_lost(5));
                    }
                }
            }
        }
        if let Some(base) = &go.base
            && self.point(&base.path).is_some_and(|point| !point.whole)
        {
            broken.insert(6);
        }
        let ended = self.truth.ended.is_some() && self.truth.ended == self.truth.started_before(go.epoch);
        let forgotten = self.memory.record_was_lost && self.memory.marker_was_lost;
        if ended && !asked && !forgotten {
            broken.insert(12);
        }
        let another = self.truth.based.get(&go.epoch).and_then(|began| began.started);
        if another.is_some_and(|another| another != incarnation) {
            broken.insert(or_lost(5));
        }
        let works = |life: &super::Life| life.flink.as_ref().is_some_and(|flink| flink.job == Job::Runs);
        // Who deletes a pod by force leaves two of them alive, at the gate and behind it.
        if !life.forced && self.lives.iter().any(|life| works(life) && !life.forced) {
            broken.insert(or_lost(5));
        }
        let older = |other: &super::Life| other.there && other.number < life.number;
        self.truth.handed_over |= self.lives.iter().any(|other| older(other));
        self.truth.went_back |= asked
            && go.base.as_ref().map(|base| &base.path) != life.floor.as_ref().and_then(|floor| floor.path.as_ref());
        self.truth.broken.extend(broken);
        let truth = &mut *self.truth;
        if let Some(began) = truth.based.get_mut(&go.epoch) {
            began.started = Some(incarnation);
            truth.used.extend(began.consumed);
        }
    }
}

impl Truth {
    fn started_before(&self, epoch: u64) -> Option<u64> {
        self.based.range(..epoch).rev().find(|(_, began)| began.started.is_some()).map(|(epoch, _)| *epoch)
    }
}
