//! What Flink tells of checkpoints and savepoints, and what somebody else has it take.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::{FakeFlink, Job};

/// How long a checkpoint takes here, as Flink tells it.
const TOOK: i64 = 40;

/// What somebody else has begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Others {
    Stop,
    Savepoint,
}

impl Others {
    fn name(self) -> &'static str {
        match self {
            Self::Stop => "SYNC_SAVEPOINT",
            Self::Savepoint => "SAVEPOINT",
        }
    }
}

fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

impl FakeFlink {
    /// Somebody else has Flink stop the job, or take a savepoint of it, which is complete after this time. A stop of ours aborts it.
    pub fn somebody_begins(&self, what: Others, target: &Path, after: Duration) {
        let (shared, target) = (Arc::clone(&self.shared), target.to_owned());
        shared.lively().job.as_mut().expect("no job runs").others = Some((what, now()));
        std::thread::spawn(move || {
            std::thread::sleep(after);
            let mut state = shared.lively();
            let Some(job) = state.job.as_mut().filter(|job| job.others.is_some()) else { return };
            job.others = None;
            match what {
                Others::Stop => drop(job.finish_with_savepoint(&target, &shared.checkpoints)),
                Others::Savepoint => super::write_point(&target.join("savepoint-000000-1"), job.take_number()),
            }
        });
    }

    /// Each checkpoint writes so many bytes of a state of so many.
    pub fn state_is_large(&self, written: u64, state: u64) {
        self.shared.lively().job.as_mut().expect("no job runs").sizes = Some((written, state));
    }

    /// What somebody else has begun fails.
    pub fn somebody_gives_up(&self) {
        self.shared.lively().job.as_mut().expect("no job runs").others = None;
    }

    /// The newest checkpoint is as old as this. Otherwise it is fresh, however busy the machine is.
    pub fn checkpoint_is_old(&self, age: Duration) {
        self.shared.lively().job.as_mut().expect("no job runs").age = i64::try_from(age.as_millis()).unwrap();
    }
}

impl Job {
    pub(super) fn statistics(&self) -> Value {
        let file = |path: &str| path.replacen("file:///", "file:/", 1);
        let completed = self.completed.map(|id| {
            let at = now() - self.age;
            json!({
                "id": id, "status": "COMPLETED", "is_savepoint": false, "checkpoint_type": "CHECKPOINT",
                "trigger_timestamp": at - TOOK, "latest_ack_timestamp": at,
                "end_to_end_duration": TOOK, "checkpointed_size": self.sizes.map(|(written, _)| written),
                "state_size": self.sizes.map(|(_, state)| state),
            })
        });
        let savepoint = self.savepoint.as_ref().map(|(id, path, kind)| {
            json!({
                "id": id, "status": "COMPLETED", "is_savepoint": true, "checkpoint_type": kind, "external_path": file(path),
            })
        });
        let restored = self
            .restored
            .as_ref()
            .map(|(id, path)| json!({ "id": id, "restore_timestamp": 1, "is_savepoint": true, "external_path": path }));
        let others = self.others.map(|(what, since)| {
            json!({
                "id": self.next, "status": "IN_PROGRESS", "is_savepoint": true, "checkpoint_type": what.name(),
                "trigger_timestamp": since, "latest_ack_timestamp": -1, "end_to_end_duration": -1,
            })
        });
        let history: Vec<Value> = others.into_iter().chain(savepoint.clone()).chain(completed.clone()).collect();
        let latest = json!({ "completed": completed, "savepoint": savepoint, "failed": null, "restored": restored });
        json!({ "counts": {}, "summary": { "state_size": { "p50": "NaN" } }, "latest": latest, "history": history })
    }
}
