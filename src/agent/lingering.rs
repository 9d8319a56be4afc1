//! The job goes on until the pod that replaces this one waits at its gate (`stop.linger`): from there it has only to restore.

use std::time::Duration;

use super::Agent;
use super::session::Session;
use crate::protocol::grace::{self, Cause};
use crate::protocol::linger;
use crate::protocol::time::{Deadline, Moment};

/// How long the pod may take to be read. Without an answer the stop begins.
const PATIENCE: Duration = Duration::from_secs(1);

impl Agent {
    /// Returns when the stop is to begin. Only a pod that somebody deletes is replaced.
    pub(super) async fn linger(&self, session: &Session, began: Moment) {
        let (Some(wish), Some(kubernetes)) = (self.config.stop.linger, &self.kubernetes) else { return };
        if session.handing_over.get() {
            return;
        }
        let asked_at = self.clock.now();
        let Ok(Ok((sight, cause))) = tokio::time::timeout(PATIENCE, kubernetes.own_end()).await else { return };
        if !matches!(cause, Cause::Deleted | Cause::Disrupted { .. }) {
            return;
        }
        let stop = self.config.stop;
        let grace = grace::after_first_sign(&sight, began, asked_at, stop.grace);
        let mut moved = session.deadline.subscribe();
        let mut deadline = Deadline::after(began, grace, stop.reserve);
        let mut awaited = session.awaited.subscribe();
        let awaits = loop {
            let at_most = session.prediction.borrow().as_ref().map(|prediction| prediction.savepoint.at_most);
            let until = linger::until(began, &deadline, wish, at_most);
            tokio::select! {
                _ = awaited.wait_for(|awaited| *awaited) => break true,
                () = tokio::time::sleep_until(self.clock.instant(until)) => break false,
                () = session.over() => break false,
                _ = moved.changed() => {
                    let newest = *moved.borrow_and_update();
                    if newest.at < deadline.at {
                        deadline = newest;
                    }
                }
            }
        };
        let lingered = self.clock.now().since(began);
        tracing::info!(
            epoch = session.epoch(),
            ?lingered,
            awaits,
            "the job has gone on until its replacement would wait for it"
        );
    }
}
