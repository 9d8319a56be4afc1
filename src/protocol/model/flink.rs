//! A JobManager and its job, as far as states are concerned: checkpoints of which one is retained, one stop-with-savepoint at a
//! time under a trigger id that may be given again, and an end.

use std::collections::BTreeMap;

use super::super::entry::EndKind;
use super::super::id::{JobId, TriggerId};
use super::memory::{Memory, Point};
use super::{CHECKPOINTS, CLUSTER, target};

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Job {
    Runs,
    /// By a savepoint of ours.
    Stopped(String),
    Ended(EndKind),
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct JobManager {
    pub(super) epoch: u64,
    pub(super) job: Job,
    /// The number of the next checkpoint or savepoint.
    next: u64,
    /// The stop that is under way.
    pub(super) taking: Option<TriggerId>,
    /// What came of requests: a path, or nothing.
    pub(super) results: BTreeMap<TriggerId, Option<String>>,
}

impl JobManager {
    pub(super) fn start(epoch: u64, base: Option<u64>) -> Self {
        Self { epoch, job: Job::Runs, next: base.unwrap_or(0) + 1, taking: None, results: BTreeMap::new() }
    }

    fn point(&mut self, checkpoint: bool, whole: bool, stale: bool) -> Point {
        self.next += 1;
        Point { epoch: self.epoch, id: self.next - 1, checkpoint, whole, stale }
    }

    fn drop_checkpoints(&self, memory: &mut Memory) {
        memory.points.retain(|_, point| !point.checkpoint || point.epoch != self.epoch);
    }

    /// A checkpoint is complete; the one before goes.
    pub(super) fn checkpoint(&mut self, memory: &mut Memory, stale: bool) {
        self.drop_checkpoints(memory);
        let point = self.point(true, true, stale);
        let path = format!("{CHECKPOINTS}/{}/chk-{}", JobId::derived(CLUSTER, self.epoch), point.id);
        memory.store(path, point);
    }

    /// The savepoint is complete: the job is finished, and its checkpoints go.
    pub(super) fn complete(&mut self, memory: &mut Memory, whole: bool, stale: bool) {
        let Some(trigger_id) = self.taking.take() else { return };
        let point = self.point(false, whole, stale);
        let path = format!("{}/savepoint-{}", target(self.epoch), point.id);
        memory.store(path.clone(), point);
        if whole {
            self.drop_checkpoints(memory);
        }
        self.results.insert(trigger_id, Some(path.clone()));
        self.job = Job::Stopped(path);
    }

    pub(super) fn fail(&mut self) {
        if let Some(trigger_id) = self.taking.take() {
            self.results.insert(trigger_id, None);
        }
    }

    pub(super) fn end(&mut self, how: EndKind, memory: &mut Memory) {
        self.fail();
        self.drop_checkpoints(memory);
        self.job = Job::Ended(how);
    }

    pub(super) fn post(&mut self, trigger_id: TriggerId) {
        if self.taking == Some(trigger_id) || self.results.contains_key(&trigger_id) {
            return;
        }
        // A second stop destroys the first.
        self.fail();
        if self.job == Job::Runs {
            self.taking = Some(trigger_id);
        } else {
            self.results.insert(trigger_id, None);
        }
    }
}
