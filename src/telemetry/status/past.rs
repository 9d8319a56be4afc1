//! The starts of the JobManager, as the record tells of them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use crate::protocol::entry::{Entry, Fact};
use crate::protocol::history::History;

/// One start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Start {
    /// Its epoch.
    pub epoch: u64,
    /// When Flink was allowed to start.
    pub began: Timestamp,
    /// When its stop, or its job's own end, was recorded; none if it still runs, or ended without a word.
    pub ended: Option<Timestamp>,
    /// How it ended: a stop's outcome, or how the job came to its own end; none if it still runs, or ended without a word.
    pub how: Option<&'static str>,
    /// Why, in words.
    pub reason: Option<String>,
    /// What it restored; none for a fresh start.
    pub base: Option<String>,
    /// Why nothing of it is used, or why Flink could not restore its base.
    pub trouble: Option<String>,
}

/// The starts, newest first. `history` is that of the same entries.
#[must_use]
pub fn starts(entries: &[Entry], history: &History) -> Vec<Start> {
    let (mut began, mut ended) = (BTreeMap::new(), BTreeMap::new());
    for entry in entries {
        match &entry.fact {
            Fact::Based(_) => {
                began.entry(entry.epoch).or_insert(entry.at);
            }
            Fact::Stopped { .. } | Fact::Ended(_) | Fact::Left => {
                ended.entry(entry.epoch).or_insert(entry.at);
            }
            _ => {}
        }
    }
    let start = |(number, epoch): (&u64, &crate::protocol::history::Epoch)| {
        let based = epoch.based.as_ref()?;
        let stopped = epoch.stopped.as_ref().map(|(outcome, reason, _)| (outcome.as_str(), reason.clone()));
        let own = epoch.ended.as_ref().map(|end| (end.how.as_str(), end.reason.clone()));
        let (how, reason) = own.or(stopped).unzip();
        let failed = epoch.restore_failed.as_ref().map(|failed| failed.reason.clone());
        Some(Start {
            epoch: *number,
            began: *began.get(number)?,
            ended: ended.get(number).copied(),
            how,
            reason: reason.filter(|reason| !reason.is_empty()),
            base: based.base.as_ref().map(|base| base.path.clone()),
            trouble: epoch.voided.clone().or(failed),
        })
    };
    history.epochs.iter().rev().filter_map(start).collect()
}
