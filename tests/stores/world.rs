//! A bucket of a store, and records in it.

use std::time::Duration;

use savepointd::config::{Config, Flags};
use savepointd::protocol::entry::{Claim, Directories, Entry, Fact};
use savepointd::protocol::id::JobId;
use savepointd::record::{self, Record};
use savepointd::storage::{Options, Place, Storage};
use savepointd::{holder, random};

use super::support::stores::Store;

/// One client of a bucket, as one agent is.
pub struct World {
    pub storage: Storage,
    root: String,
}

impl World {
    pub fn of(store: &Store) -> Self {
        Self::with(store, &store.bucket)
    }

    pub fn with(store: &Store, bucket: &str) -> Self {
        let options = Options { timeout: Duration::from_secs(5), ..Options::default() };
        let storage = Storage::new(options, store.variables.iter().cloned());
        Self { storage, root: format!("{bucket}/some path") }
    }

    /// The files of a directory of this machine.
    pub fn of_files(directory: &std::path::Path) -> Self {
        Self { storage: Storage::default(), root: format!("file://{}", directory.display()) }
    }

    /// The same bucket, seen by somebody who waits for no more than a moment.
    pub fn impatient(&self, store: &Store) -> Self {
        let options = Options { timeout: Duration::from_millis(200), ..Options::default() };
        Self { storage: Storage::new(options, store.variables.iter().cloned()), root: self.root.clone() }
    }

    pub fn place(&self, name: &str) -> Place {
        self.storage.place(&format!("{}/{name}", self.root)).unwrap()
    }

    /// The record of that name, as an agent that has just begun finds it.
    pub fn record(&self, name: &str) -> Record {
        let env = [("SAVEPOINTD_RECORD".to_owned(), format!("{}/{name}", self.root))];
        let config = Config::load(None, env.into_iter(), Flags::default()).unwrap();
        Record::open(&config.record, &self.storage, None).unwrap()
    }
}

pub fn claim(epoch: u64) -> Entry {
    let holder = holder::current(random::id());
    record::entry(
        epoch,
        Fact::Claimed(Claim {
            job_id: None,
            holder,
            directories: Directories::default(),
            session: false,
            without_gate: false,
        }),
    )
}

/// The fact that an epoch was claimed by this process, with this job and these directories.
pub fn claim_of(job_id: JobId, savepoint: &str, checkpoint: &str) -> serde_json::Value {
    let directories = Directories {
        savepoint: savepoint.to_owned(),
        flink_savepoint: None,
        checkpoint: checkpoint.to_owned(),
        high_availability: None,
    };
    let holder = holder::current(random::id());
    serde_json::to_value(Fact::Claimed(Claim {
        job_id: Some(job_id),
        holder,
        directories,
        session: false,
        without_gate: false,
    }))
    .unwrap()
}

pub fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}
