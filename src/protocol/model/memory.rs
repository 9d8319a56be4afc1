//! What outlives every process: the record, the marker, and storage.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::super::entry::{Entry, Fact};
use super::super::fence::{Fence, fence};
use super::super::history::History;
use super::super::id::JobId;
use super::super::point::{Found, Metadata, PointRef};
use super::super::stop::{RecordReply, Search, Secured};
use super::CLUSTER;
use super::shared::Shared;
use crate::record::marker;

/// A savepoint or a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Point {
    pub(super) epoch: u64,
    pub(super) id: u64,
    pub(super) checkpoint: bool,
    pub(super) whole: bool,
    /// It was completed when a newer epoch had begun from something else.
    pub(super) stale: bool,
}

impl Point {
    /// The order of points.
    pub(super) fn order(&self) -> (u64, u64) {
        (self.epoch, self.id)
    }
}

/// A write whose answer nobody waits for any more: it may come to the store later.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Late {
    version: u32,
    entries: Vec<Entry>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is one thing that was seen")]
pub(super) struct Memory {
    pub(super) record: Shared<Vec<Entry>>,
    /// What a writer names to be the one that writes next.
    pub(super) version: u32,
    pub(super) marker: Shared<BTreeMap<String, Entry>>,
    pub(super) points: BTreeMap<String, Point>,
    pub(super) late: Vec<Late>,
    pub(super) came_late: bool,
    pub(super) record_was_lost: bool,
    pub(super) marker_was_lost: bool,
    /// Something was written in the name of an epoch after a newer one had begun.
    pub(super) written_by_a_stale_one: bool,
    /// Something was recorded as whole that is not.
    pub(super) recorded_what_is_not_whole: bool,
}

impl Memory {
    pub(super) fn history(&self) -> History {
        History::read(self.marker.values().chain(self.record.iter()))
    }

    /// Adds these if the record still is what it was at that version.
    pub(super) fn append(&mut self, version: u32, entries: &[Entry]) -> bool {
        let is_next = version == self.version;
        if is_next {
            self.push(entries);
        }
        is_next
    }

    pub(super) fn push(&mut self, entries: &[Entry]) {
        for entry in entries {
            if let Fact::Saved(saved) = &entry.fact
                && saved.doubt.is_none()
                && self.points.get(&saved.point.path).is_some_and(|point| !point.whole)
            {
                self.recorded_what_is_not_whole = true;
            }
        }
        self.record.extend_from_slice(entries);
        self.record.seal();
        self.version += 1;
    }

    /// Adds what an agent says of its epoch, as [`crate::record::Record::add`] does.
    pub(super) fn add(&mut self, entries: &[Entry], fenced: bool) -> RecordReply {
        let missing = match fence(&self.record, entries) {
            Fence::Closed(_) if !fenced => entries.to_vec(),
            Fence::Closed(newest) => return RecordReply::Superseded(format!("epoch {newest} has begun")),
            Fence::Open(missing) => missing,
        };
        let newest = History::read(self.record.iter()).newest_claim().map(|(newest, _)| newest);
        self.written_by_a_stale_one |= missing.iter().any(|entry| entry.epoch > 0 && newest > Some(entry.epoch));
        if !missing.is_empty() {
            self.push(&missing);
        }
        RecordReply::Done
    }

    /// Somebody stops waiting for this, and it is not there yet.
    pub(super) fn delay(&mut self, entries: Vec<Entry>) {
        self.delay_since(self.version, entries);
    }

    pub(super) fn delay_since(&mut self, version: u32, entries: Vec<Entry>) {
        self.late.push(Late { version, entries });
    }

    pub(super) fn lands(&mut self, index: usize) {
        let Late { version, entries } = self.late.remove(index);
        self.came_late |= self.append(version, &entries);
    }

    /// Copies what must not be lost with the record; what is there stays. False: it is another cluster's.
    pub(super) fn keep(&mut self, entry: &Entry) -> bool {
        match marker::kept_as(&entry.fact) {
            Some(kind) => self.put(entry, &kind),
            None => true,
        }
    }

    pub(super) fn note(&mut self, entry: &Entry) -> bool {
        match marker::noted_as(&entry.fact) {
            Some(kind) => self.put(entry, &kind),
            None => self.keep(entry),
        }
    }

    fn put(&mut self, entry: &Entry, kind: &str) -> bool {
        let name = marker::name(entry, kind);
        if let Some(there) = self.marker.get(&name) {
            return !marker::is_taken(entry, there);
        }
        self.marker.insert(name, entry.clone());
        self.marker.seal();
        true
    }

    pub(super) fn marked(&self) -> Vec<Entry> {
        let mut entries: Vec<Entry> = self.marker.values().cloned().collect();
        entries.sort_by_key(|entry| entry.epoch);
        entries
    }

    pub(super) fn store(&mut self, path: String, point: Point) {
        self.points.insert(path, point);
    }

    /// What a listing shows. The store's clock goes backwards.
    pub(super) fn list(&self) -> Vec<Found> {
        let found = |(path, point): (&String, &Point)| Found {
            path: path.clone(),
            checkpoint: point.checkpoint,
            job_id: point.checkpoint.then(|| JobId::derived(CLUSTER, point.epoch)),
            job_prefix: None,
            epoch: (!point.checkpoint).then_some(point.epoch),
            // What is missing beside it only a closer look shows.
            metadata: Metadata::Whole { checkpoint_id: point.id, bytes: 1 },
            modified: Timestamp::from_second(1_000_000 - i64::try_from(point.id).unwrap()).ok(),
        };
        self.points.iter().map(found).collect()
    }

    pub(super) fn look(&self, path: &str) -> Search {
        match self.points.get(path) {
            None => Search::Nothing,
            Some(Point { whole: false, .. }) => Search::Broken("a file that it names is missing".into()),
            Some(point) => Search::Found(secured(path, point)),
        }
    }

    /// The newest of these that is whole.
    pub(super) fn newest(&self, which: impl Fn(&str, &Point) -> bool) -> Search {
        let whole = self.points.iter().filter(|(path, point)| point.whole && which(path, point));
        match whole.max_by_key(|(_, point)| point.order()) {
            Some((path, point)) => Search::Found(secured(path, point)),
            None => Search::Nothing,
        }
    }
}

fn secured(path: &str, point: &Point) -> Secured {
    let job_id = point.checkpoint.then(|| JobId::derived(CLUSTER, point.epoch));
    let point = PointRef { path: path.to_owned(), checkpoint_id: Some(point.id), epoch: None };
    Secured { point, job_id, bytes: Some(1), completed_at: Some(Timestamp::UNIX_EPOCH), doubt: None }
}
