//! The fence: what of some entries may still be added to a record that says this.

use super::entry::Entry;
use super::history::History;

/// What may be added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fence {
    /// These; none if all are there already.
    Open(Vec<Entry>),
    /// Nothing: this newer epoch has begun.
    Closed(u64),
}

/// The same entries may be given again: each is added once, also where the reply to it was lost and a newer epoch has begun since.
#[must_use]
pub fn fence(known: &[Entry], entries: &[Entry]) -> Fence {
    let is_known = |entry: &Entry| known.iter().any(|other| other.write_id == entry.write_id);
    let missing: Vec<Entry> = entries.iter().filter(|entry| !is_known(entry)).cloned().collect();
    match History::read(known).newest_claim() {
        Some((newest, _)) if missing.iter().any(|entry| entry.epoch > 0 && newest > entry.epoch) => {
            Fence::Closed(newest)
        }
        _ => Fence::Open(missing),
    }
}
