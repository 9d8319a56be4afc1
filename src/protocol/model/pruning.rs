//! Retention, as `src/prune.rs` carries it out: it is said that a directory is given up, then it is deleted.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;

use super::super::choose::{IfFailed, Policy, Situation};
use super::super::entry::Fact;
use super::super::ha::OnLeftover;
use super::super::retention::{Inventory, Measured, Reading, Terms, Verdict, findings};
use super::super::stop::RecordReply;
use super::mutation::Mutation;
use super::{CLUSTER, World};

impl World {
    /// None if nothing goes.
    pub(super) fn prune(&mut self, pod: usize, mutation: Option<Mutation>) -> Option<()> {
        self.left.prunes -= 1;
        let epoch = self.lives[pod].epoch?;
        let mut history = self.memory.history();
        if mutation == Some(Mutation::Blind) {
            history.request = None;
        }
        let paths = || self.memory.points.keys().cloned();
        let broken = self.memory.points.iter().filter(|(_, point)| !point.whole);
        let inventory = Inventory {
            situation: Situation {
                cluster: CLUSTER.into(),
                epoch: u64::MAX,
                explicit: history.newest_based(u64::MAX).and_then(|(.., based)| based.explicit.clone()),
                history,
                found: self.memory.list(),
                fixed_job_id: None,
                policy: Policy {
                    fresh_without_history: true,
                    previous_if_broken: false,
                    trust_unverifiable: false,
                    max_state_age: None,
                    on_leftover: OnLeftover::Finish,
                    if_failed: IfFailed { attempts: 3, previous: true, allow_non_restored_state: false },
                },
                broken: broken.map(|(path, _)| (path.clone(), "a file is missing".to_owned())).collect(),
                doubted: BTreeMap::new(),
                leftovers: None,
                unseen: None,
                now: self.lives[pod].clock(),
                session: false,
            },
            folders: Vec::new(),
            measured: paths().map(|path| (path, Measured::default())).collect(),
            read: paths().map(|path| (path, Reading::Needs(BTreeSet::new()))).collect(),
        };
        let min_age = SignedDuration::from_hours(24);
        let terms = Terms { keep: 1, max_age: None, min_age, checkpoints: false, by_flink: false };
        let lines = findings(&inventory, &terms).lines;
        let path = lines.into_iter().find(|line| line.verdict == Verdict::Delete)?.path;
        let entry = self.lives[pod].entry(epoch, Fact::Pruned { path: path.clone() });
        if self.memory.add(&[entry], mutation != Some(Mutation::NoFence)) != RecordReply::Done {
            return None;
        }
        let newest = self.truth.floor(&self.memory).path;
        let pinned = self.memory.history().request.and_then(|request| request.pin);
        if newest.as_ref() == Some(&path) || pinned.as_ref() == Some(&path) {
            self.truth.broken.insert(7);
        }
        self.truth.pruned = true;
        self.memory.points.remove(&path);
        Some(())
    }
}
