//! One pod of the JobManager: its agent, which drives the production's machines, and the JobManager beside it.

use jiff::Timestamp;

use super::super::entry::{Directories, Entry, Fact, Holder, PodRef, VERSION};
use super::super::id::Id;
use super::super::start::{Go, Start};
use super::super::stop::Stop;
use super::super::time::Moment;
use super::flink::JobManager;
use super::shared::Shared;
use super::{CHECKPOINTS, SAVEPOINTS};

/// What an agent is at.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Doing {
    /// The pod is not there yet.
    Nothing,
    /// `run` stands at the gate.
    Starts(Gate),
    /// It was told to come later, or not before a person did something.
    Waits((u32, Vec<bool>)),
    Runs(Box<Go>),
    Stops(Box<Stopping>),
    /// The JobManager has ended, and the record is to hear of it.
    Leaves,
    /// The process lives no more, or has nothing left to do.
    Over,
}

/// A start, and what its executor keeps of the last load.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Gate {
    pub(super) start: Box<Start>,
    pub(super) version: u32,
    pub(super) snapshot: Shared<Vec<Entry>>,
    pub(super) marker: Shared<Vec<Entry>>,
}

/// A stop, and what its executor keeps.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Stopping {
    pub(super) stop: Stop,
    pub(super) now: Moment,
    pub(super) cutoff: Moment,
    pub(super) above: Option<u64>,
    pub(super) known: Vec<String>,
    /// Entries that are to be written; made once.
    pub(super) prepared: Vec<Entry>,
}

/// The newest state that a start must not fall behind.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Floor {
    pub(super) path: Option<String>,
    pub(super) order: (u64, u64),
    /// Flink was started from there, or went on to there.
    pub(super) lived: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Life {
    pub(super) number: u8,
    /// Its pod is there, says the API server.
    pub(super) there: bool,
    /// Entries that it has made.
    said: u8,
    pub(super) explicit: Option<String>,
    pub(super) doing: Doing,
    /// The JobManager's process.
    pub(super) flink: Option<JobManager>,
    /// What the record was told of the job that runs.
    pub(super) told: u8,
    /// The epoch that was begun here last.
    pub(super) epoch: Option<u64>,
    pub(super) floor: Option<Floor>,
    /// The API server says that the pod is gone, and its containers live on.
    pub(super) forced: bool,
}

impl Life {
    pub(super) fn new(number: u8) -> Self {
        Self {
            number,
            there: false,
            said: 0,
            explicit: None,
            doing: Doing::Nothing,
            flink: None,
            told: 0,
            epoch: None,
            floor: None,
            forced: false,
        }
    }

    /// An entry that no other has the id of. Each pod has a clock of its own; none of them is right.
    pub(super) fn entry(&mut self, epoch: u64, fact: Fact) -> Entry {
        self.said += 1;
        let mut id = [0; 16];
        (id[0], id[1]) = (self.number + 1, self.said);
        Entry { version: VERSION, write_id: Id::from_bytes(id), at: self.clock(), epoch, fact }
    }

    /// These came to nothing.
    pub(super) fn unsay(&mut self, entries: usize) {
        self.said -= u8::try_from(entries).unwrap();
    }

    pub(super) fn clock(&self) -> Timestamp {
        Timestamp::from_second(1_000_000 - i64::from(self.number) * 100_000).unwrap()
    }

    pub(super) fn pod(&self) -> PodRef {
        PodRef {
            namespace: "flink".into(),
            name: format!("jobmanager-{}", self.number),
            uid: format!("uid-{}", self.number),
            created: Timestamp::from_second(self.number.into()).ok(),
            address: None,
        }
    }

    pub(super) fn holder(&self) -> Holder {
        Holder {
            incarnation: Id::from_bytes([self.number + 1; 16]),
            host: format!("jobmanager-{}", self.number),
            boot_id: "boot".into(),
            pid: 1,
            started: 1,
            pod: Some(self.pod()),
        }
    }

    /// The agent, and the JobManager with it, die without a word.
    pub(super) fn die(&mut self) {
        (self.doing, self.flink) = (Doing::Over, None);
    }

    pub(super) fn is_over(&self) -> bool {
        self.doing == Doing::Over && self.flink.is_none()
    }
}

pub(super) fn directories() -> Directories {
    Directories {
        savepoint: SAVEPOINTS.into(),
        flink_savepoint: None,
        checkpoint: CHECKPOINTS.into(),
        high_availability: None,
    }
}
