//! The gate: what stands between the kubelet and the entrypoint. No start without a decision.

use std::future::Future;
use std::path::Path;
use std::time::Duration;

use super::embedded::Embedded;
use super::{OnRefusal, child};
use crate::api::{ClaimReply, ClaimRequest, Finish};
use crate::exit::Exit;
use crate::flink::setup::{self, Setup};
use crate::signals::{Signal, Signals};
use crate::{http, random, report};

/// What came of the gate.
pub(super) enum Passed {
    /// Start Flink with this command line.
    Go(Vec<String>, Finish),
    /// Don't.
    End(Exit),
}

/// Reads Flink's own configuration.
pub(super) fn learn(argv: &[String]) -> Result<Setup, String> {
    let env = |name: &str| std::env::var(name).ok();
    setup::learn(argv, &env, &|path| std::fs::read_to_string(path)).map_err(|error| report::chain(&error))
}

/// Asks the agent until it lets the start through, or for good says no.
pub(super) async fn pass(socket: &Path, claim: &ClaimRequest, on_refusal: OnRefusal) -> Passed {
    let mut said = String::new();
    let mut unanswered = 0_u32;
    loop {
        let (reason, pause) = match http::call::<ClaimReply>(socket, "POST", "/v1/claim", claim).await {
            Ok(reply) => match super::go(reply) {
                Ok((argv, finish)) => return Passed::Go(argv, finish),
                Err(ClaimReply::No { decision, reason }) => {
                    if on_refusal == OnRefusal::Exit {
                        tracing::error!(decision, reason, "Flink is not started");
                        return Passed::End(Exit::Refused);
                    }
                    (format!("{decision}: {reason}"), Duration::from_secs(5))
                }
                Err(
                    ClaimReply::Later { reason } | ClaimReply::Superseded { reason } | ClaimReply::Go { reason, .. },
                ) => {
                    if on_refusal == OnRefusal::Exit {
                        tracing::error!(reason, "Flink is not started yet; try again later");
                        return Passed::End(Exit::Later);
                    }
                    (reason, Duration::from_secs(1))
                }
            },
            Err(error) => {
                unanswered += 1;
                // An agent that starts at the same time is no news; one that never comes is.
                let reason = if unanswered < 50 { String::new() } else { report::chain(&error) };
                (reason, Duration::from_millis(if unanswered < 50 { 20 } else { 1_000 }))
            }
        };
        if reason != said && !reason.is_empty() {
            tracing::warn!(reason, "waiting at the gate; Flink is not started");
            said = reason;
        }
        tokio::time::sleep(random::jitter(pause)).await;
    }
}

/// Waits at the gate, but not past a signal: nothing has been started that would have to be saved.
pub(super) async fn until_signal(
    gate: impl Future<Output = Passed>,
    signals: &mut Signals,
    embedded: &mut Option<Embedded>,
) -> anyhow::Result<Passed> {
    tokio::pin!(gate);
    loop {
        tokio::select! {
            passed = &mut gate => return Ok(passed),
            signal = signals.next() => match signal {
                Signal::Stop(name) => {
                    tracing::info!(signal = name, "told to end before Flink was started");
                    return Ok(Passed::End(Exit::Terminated));
                }
                Signal::Child => {
                    let ended = child::reap();
                    if let Some(exit) = embedded.as_mut().and_then(|embedded| embedded.failed(&ended)) {
                        tracing::error!(code = exit.code(), "the agent has ended");
                        return Ok(Passed::End(exit));
                    }
                }
                Signal::Other(_) => {}
            },
        }
    }
}
