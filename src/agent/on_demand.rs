//! A checkpoint at the word of a guard whose TaskManager leaves while no stop is under way: the job goes back to the newest one when
//! its tasks are gone, and has less to do again the newer that is.
//!
//! It costs the job something, and anybody on the network may ask: so it is off unless `guard.checkpoint` says otherwise, and there is
//! one at a time.

use std::rc::Rc;
use std::time::Duration;

use super::Agent;
use super::session::Session;
use crate::api::Checkpointed;
use crate::protocol::id::{JobId, TriggerId};
use crate::{random, report};

/// Between two looks at one that is being taken.
const AGAIN: Duration = Duration::from_millis(100);

impl Agent {
    /// Takes a checkpoint, or shares one that began after this was asked for. It goes on when whoever asked hangs up.
    pub(super) async fn checkpointed(self: &Rc<Self>) -> Checkpointed {
        let (agent, asked) = (Rc::clone(self), self.clock.now());
        let taking = tokio::task::spawn_local(async move {
            let mut newest = agent.on_demand.lock().await;
            if let Some((began, known)) = newest.as_ref().filter(|(began, _)| *began > asked) {
                tracing::debug!(?began, "a checkpoint is shared");
                return known.clone();
            }
            let began = agent.clock.now();
            let came = match agent.take_checkpoint().await {
                Ok(checkpoint_id) => Checkpointed { checkpoint_id: Some(checkpoint_id), reason: String::new() },
                Err(reason) => Checkpointed { checkpoint_id: None, reason },
            };
            *newest = Some((began, came.clone()));
            came
        });
        taking.await.unwrap_or_else(|error| Checkpointed { checkpoint_id: None, reason: error.to_string() })
    }

    async fn take_checkpoint(&self) -> Result<u64, String> {
        let limit = self
            .config
            .guard
            .checkpoint
            .ok_or("guard.checkpoint (SAVEPOINTD_GUARD__CHECKPOINT) is off at the agent")?;
        let session = self.served().filter(|session| session.started.get()).ok_or("no JobManager runs here")?;
        if session.stopping.get() {
            return Err("a stop is under way".to_owned());
        }
        let job_id = session.job_id.get().ok_or("no job was seen yet")?;
        let taken = tokio::time::timeout(limit, complete(&session, job_id)).await;
        let taken = taken.unwrap_or_else(|_| Err(format!("it was not complete after {limit:?}")));
        match &taken {
            Ok(checkpoint_id) => tracing::info!(checkpoint_id, "a TaskManager leaves; a checkpoint was taken before"),
            Err(reason) => tracing::warn!(reason, "a TaskManager leaves; no checkpoint could be taken before"),
        }
        taken
    }
}

async fn complete(session: &Session, job_id: JobId) -> Result<u64, String> {
    let trigger_id: TriggerId = random::id();
    let said = |error| report::chain(&error);
    session.flink.post_checkpoint(job_id, trigger_id).await.map_err(said)?;
    loop {
        if let Some(result) = session.flink.poll_checkpoint(job_id, trigger_id).await.map_err(said)? {
            return result;
        }
        tokio::time::sleep(AGAIN).await;
    }
}
