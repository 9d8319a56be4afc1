//! Retention by itself, in the background: once in each epoch, when its job has completed a checkpoint, and after each periodic
//! savepoint. A stop ends it.

use std::rc::Rc;
use std::time::Duration;

use super::Agent;
use super::session::Session;
use crate::protocol::retention::{Verdict, What};
use crate::prune::{self, Hands, Order, Pruned};
use crate::random;

/// How soon after the first checkpoint, more or less: many jobs may have been restarted at once.
const SETTLE: Duration = Duration::from_secs(2);

impl Agent {
    pub(super) fn prune_later(self: &Rc<Self>, session: &Rc<Session>) {
        let (agent, pruned) = (Rc::clone(self), Rc::clone(session));
        let task = tokio::task::spawn_local(async move {
            loop {
                tokio::time::sleep(random::jitter(SETTLE)).await;
                if pruned.progressed.get() && pruned.confirmed.borrow().is_some() && !pruned.void.get() {
                    return agent.prune_once(&pruned).await;
                }
            }
        });
        session.adopt(task.abort_handle());
    }

    pub(super) async fn prune_once(&self, session: &Session) {
        let Ok(cluster) = self.cluster().await else { return };
        let storage = self.storage.or_of(&session.setup);
        let hands = Hands::of(&self.config, cluster, &self.record, &storage);
        let hands = Hands { marker: Some(session.marker.clone()), ..hands };
        let terms = prune::terms(&self.config, prune::MIN_AGE);
        match prune::prune(&hands, &Order { terms, dry_run: false, epoch: Some(session.epoch()) }).await {
            Ok(pruned) => self.tell_of(&pruned),
            Err(trouble) => tracing::warn!(reason = trouble.reason, "nothing is pruned"),
        }
        self.record.tidy().await;
    }

    fn tell_of(&self, pruned: &Pruned) {
        for one in &pruned.outcomes {
            let (what, path, bytes) = (one.line.what.as_str(), one.line.path.as_str(), one.line.bytes);
            if one.deleted {
                self.metrics.pruned(one.line.what);
                tracing::info!(what, path, bytes, reason = one.line.reason, "pruned");
            } else if let Some(error) = &one.failed {
                tracing::warn!(what, path, error, "can't be pruned; the next prune tries again");
            } else if one.line.verdict == Verdict::Report && one.line.what != What::Checkpoints {
                tracing::warn!(what, path, bytes, reason = one.line.reason, "not pruned");
            }
        }
        let bytes = pruned.left_over();
        self.metrics.left_over(bytes);
        if bytes > 0 {
            tracing::info!(
                bytes,
                "checkpoints of earlier epochs are left over: savepointd prune --dry-run --checkpoints"
            );
        }
    }

    /// Waits until a stop is under way.
    pub(super) async fn stops(&self) {
        let stops =
            self.orders.subscribe().wait_for(|orders| orders.stopping && orders.release.is_none()).await.is_ok();
        if !stops {
            std::future::pending::<()>().await;
        }
    }
}
