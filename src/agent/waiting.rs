//! Waiting for another pod's end without asking the API server all the time: the other agent tells how it stands. Its word is
//! only the reason to read the record again at once; where it can't be heard, that happens every few seconds.

use std::time::Duration;

use super::Agent;
use crate::api::{Phase, Tidings};
use crate::http::{self, Lines};
use crate::protocol::entry::PodRef;
use crate::{random, report};

/// The record and the pod are read again after this, whatever the other agent says.
const ALL_THE_SAME: Duration = Duration::from_secs(3);
/// An agent that does not answer within this is not heard.
const ANSWER: Duration = Duration::from_secs(1);

impl Agent {
    /// Returns when it is worth reading the record again. Guards that ask here meanwhile are sent to the other agent.
    pub(super) async fn wait_for(&self, holder: &PodRef) {
        self.guards.point_elsewhere(holder.address.clone());
        let news = async {
            match &holder.address {
                Some(address) => news_from(address).await,
                None => std::future::pending().await,
            }
        };
        let _ = tokio::time::timeout(random::jitter(ALL_THE_SAME), news).await;
    }
}

/// Returns when the agent there says that something has changed, or has something to say that its pod's life does not show.
async fn news_from(address: &str) {
    let Ok(Ok(response)) = tokio::time::timeout(ANSWER, http::get(address, "/api/v1/stop")).await else {
        tracing::debug!(address, "the other agent is not heard");
        return std::future::pending().await;
    };
    let mut lines = Lines::of(response);
    let mut heard: Option<Tidings> = None;
    loop {
        match lines.next().await {
            Ok(Some(line)) => {
                let Ok(tidings) = serde_json::from_slice::<Tidings>(&line) else { continue };
                let over = tidings.ended || matches!(tidings.phase, Phase::Released | Phase::Gone);
                if over || heard.as_ref().is_some_and(|before| *before != tidings) {
                    return;
                }
                heard = Some(tidings);
            }
            Ok(None) => return,
            Err(error) => return tracing::debug!(error = report::chain(&error), address, "the other agent is gone"),
        }
    }
}
