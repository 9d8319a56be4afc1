//! Savepoints by the clock, where `savepoint.interval` is set. What is due and when, [`protocol::periodic`](crate::protocol::periodic) says.

use std::rc::Rc;
use std::time::Duration;

use jiff::Timestamp;

use super::Agent;
use super::session::Session;
use crate::protocol::periodic;
use crate::protocol::point::{Format, Kind};
use crate::random;

/// How often a job whose restore is not confirmed yet is looked at.
const SOON: Duration = Duration::from_secs(1);

impl Agent {
    /// Takes them until the session ends or a stop begins. One that is in flight then goes on by itself.
    pub(super) fn save_periodically(self: &Rc<Self>, session: &Rc<Session>) {
        let Some(interval) = self.config.savepoint.interval else { return };
        let (agent, saved) = (Rc::clone(self), Rc::clone(session));
        let task = tokio::task::spawn_local(async move {
            while saved.confirmed.borrow().is_none() {
                tokio::time::sleep(SOON).await;
            }
            if saved.several.get() {
                return tracing::warn!(
                    "savepoint.interval (SAVEPOINTD_SAVEPOINT__INTERVAL) has no effect on a cluster that runs several jobs: their \
                     checkpoints are what a crash goes back to"
                );
            }
            let share = random::byte();
            let mut failures = 0;
            loop {
                agent.wait_until_due(interval, share).await;
                let taken = agent.savepoint(Kind::Periodic, Format::Native).await;
                if taken.is_ok() {
                    failures = 0;
                    agent.prune_once(&saved).await;
                } else {
                    failures += 1;
                    let pause = periodic::pause_after_failure(interval, failures);
                    tracing::info!(?pause, failures, "the periodic savepoint is tried again later");
                    tokio::time::sleep(pause).await;
                }
            }
        });
        session.adopt(task.abort_handle());
    }

    async fn wait_until_due(&self, interval: Duration, share: u8) {
        let since = async || periodic::since(&self.record.known().await.entries);
        let mut counted_from = since().await;
        loop {
            tokio::time::sleep(periodic::pause(interval, counted_from, Timestamp::now(), share)).await;
            // One that is in flight, or was taken meanwhile, does for this time.
            drop(self.savepoints.lock().await);
            let newest = since().await;
            if newest == counted_from {
                return;
            }
            counted_from = newest;
        }
    }
}
