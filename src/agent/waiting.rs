//! Waiting for another pod's end without asking the API server all the time: the other agent tells how it stands. Its word is
//! only the reason to read the record again at once; where it can't be heard, that happens every few seconds.

use std::time::Duration;

use super::Agent;
use crate::api::{Phase, Tidings};
use crate::http::{self, Lines};
use crate::protocol::entry::PodRef;
use crate::protocol::history::History;
use crate::{random, report};

/// The record and the pod are read again after this, whatever the other agent says.
const ALL_THE_SAME: Duration = Duration::from_secs(10);
/// The same where the other agent is not heard: its pod may be gone.
const UNHEARD: Duration = Duration::from_secs(3);
/// The same where the other JobManager is said to be over, and the record does not say so yet.
const OVER: Duration = Duration::from_millis(500);
/// An agent that does not answer within this is not heard.
const ANSWER: Duration = Duration::from_secs(1);

impl Agent {
    /// Returns when it is worth reading the record again. Guards that ask here meanwhile are sent to the other agent.
    pub(super) async fn wait_for(&self, holder: &PodRef) {
        self.guards.point_elsewhere(holder.address.clone());
        let heard = match &holder.address {
            Some(address) => {
                let history = History::read(&self.record.known().await.entries);
                listen(address, history.newest_claim().map_or(0, |(epoch, _)| epoch)).await
            }
            None => None,
        };
        match heard {
            Some(lines) => {
                let _ = tokio::time::timeout(random::jitter(ALL_THE_SAME), news(lines)).await;
            }
            None => tokio::time::sleep(random::jitter(UNHEARD)).await,
        }
    }
}

/// That somebody waits may be what the other agent's stop waits for.
async fn listen(address: &str, epoch: u64) -> Option<Lines> {
    let path = format!("/api/v1/stop?waits_for={epoch}");
    let asked = tokio::time::timeout(ANSWER, http::get(address, &path)).await;
    asked.ok().and_then(Result::ok).map(Lines::of)
}

/// Returns when the agent there says that something has changed, or has something to say that its pod's life does not show.
async fn news(mut lines: Lines) {
    let mut heard: Option<Tidings> = None;
    loop {
        match lines.next().await {
            Ok(Some(line)) => {
                let Ok(tidings) = serde_json::from_slice::<Tidings>(&line) else { continue };
                let over = tidings.ended || matches!(tidings.phase, Phase::Released | Phase::Gone);
                match &heard {
                    Some(before) if *before != tidings => return,
                    // It was so before the record was read, or has just become so.
                    None if over => return tokio::time::sleep(random::jitter(OVER)).await,
                    _ => {}
                }
                heard = Some(tidings);
            }
            Ok(None) => return,
            Err(error) => return tracing::debug!(error = report::chain(&error), "the other agent is gone"),
        }
    }
}
