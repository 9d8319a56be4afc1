//! The line to the agent: its orders as they come, and the news that it is gone.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;

use crate::api::{ClaimReply, ClaimRequest, Orders, ReleaseOrder, Started};
use crate::http::Lines;
use crate::{http, random, report};

/// What `run` hears.
#[derive(Debug)]
pub(super) enum News {
    /// The agent's newest orders.
    Orders(Orders),
    /// The agent lives.
    SignOfLife,
    /// The connection to the agent broke.
    Lost(String),
    /// The agent can't be asked to stop.
    Unreachable(String),
    /// A newer epoch has begun somewhere else.
    Superseded(String),
    /// `run` has finished a stop by itself.
    ReleasedAlone(ReleaseOrder),
}

/// Follows the agent's orders; after a break, makes itself known to the agent that comes back.
pub(super) async fn follow(socket: PathBuf, claim: ClaimRequest, epoch: u64, news: UnboundedSender<News>) {
    // The agent that opened the gate learns that the entrypoint runs; one that comes later learns it from the claim.
    let mut known = http::call::<serde_json::Value>(&socket, "POST", "/v1/started", &Started { epoch }).await.is_ok();
    let mut said = String::new();
    loop {
        let mut pause = Duration::from_millis(100);
        if known {
            let reason = match listen(&socket, epoch, &news).await {
                Ok(()) => "it closed the connection".to_owned(),
                Err(error) => report::chain(&error),
            };
            if news.send(News::Lost(reason)).is_err() {
                return;
            }
        }
        known = match http::call::<ClaimReply>(&socket, "POST", "/v1/claim", &claim).await {
            Ok(ClaimReply::Go { .. }) => true,
            Ok(ClaimReply::Superseded { reason }) => {
                let _ = news.send(News::Superseded(reason));
                return;
            }
            // What can't be read now is no reason to end what runs.
            Ok(ClaimReply::No { reason, .. } | ClaimReply::Later { reason, .. }) => {
                if said != reason {
                    tracing::warn!(reason, "the new agent can't take up this epoch yet");
                    said = reason;
                }
                pause = Duration::from_secs(2);
                false
            }
            Err(_) => false,
        };
        if !known {
            tokio::time::sleep(random::jitter(pause)).await;
        }
    }
}

async fn listen(socket: &Path, epoch: u64, news: &UnboundedSender<News>) -> Result<(), http::Error> {
    let mut lines = Lines::of(http::request(socket, "GET", "/v1/orders", Vec::new()).await?);
    while let Some(line) = lines.next().await? {
        let heard = if line.is_empty() {
            News::SignOfLife
        } else {
            let orders: Orders = serde_json::from_slice(&line)?;
            if orders.epoch == epoch { News::Orders(orders) } else { News::SignOfLife }
        };
        let _ = news.send(heard);
    }
    Ok(())
}
