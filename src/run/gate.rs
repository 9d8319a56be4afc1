//! The gate: what stands between the kubelet and the entrypoint. No start without a decision.

use std::future::Future;
use std::time::Duration;

use tokio::time::Instant;

use super::embedded::Embedded;
use super::{OnRefusal, Options, again};
use crate::api::{ClaimReply, ClaimRequest, Finish};
use crate::child;
use crate::exit::Exit;
use crate::flink::setup::{self, Setup};
use crate::protocol::entry::Holder;
use crate::signals::{Signal, Signals};
use crate::telemetry::termination;
use crate::{http, random, report};

/// What came of the gate.
pub(super) enum Passed {
    /// Start Flink.
    Go {
        /// With this command line.
        argv: Vec<String>,
        /// What a stop needs to know.
        finish: Box<Finish>,
        /// What was claimed.
        claim: Box<ClaimRequest>,
    },
    /// Don't.
    End(Exit),
}

/// Reads Flink's own configuration.
pub(super) fn learn(argv: &[String]) -> Result<Setup, String> {
    let env = |name: &str| std::env::var(name).ok();
    setup::learn(argv, &env, &|path| std::fs::read_to_string(path)).map_err(|error| report::chain(&error))
}

/// Why the gate stays closed.
struct Closed {
    reason: String,
    /// When to ask again.
    pause: Duration,
    /// The exit code, where one is wanted.
    exit: Option<Exit>,
}

/// Asks the agent until it lets the start through, or for good says no. Flink's configuration is read anew each time: it
/// may be what a person mends.
pub(super) async fn pass(options: &Options, holder: Holder) -> Passed {
    let mut said = String::new();
    let mut since = Instant::now();
    let mut unanswered = 0_u32;
    loop {
        let closed = match try_pass(options, &holder, &mut unanswered).await {
            Ok(passed) => return passed,
            Err(closed) => closed,
        };
        if let (OnRefusal::Exit, Some(exit)) = (options.on_refusal, closed.exit) {
            tracing::error!(reason = closed.reason, "Flink is not started");
            leave(options, &closed.reason);
            return Passed::End(exit);
        }
        if closed.reason != said && !closed.reason.is_empty() {
            tracing::warn!(reason = closed.reason, "waiting at the gate; Flink is not started");
            leave(options, &closed.reason);
            said = closed.reason;
            since = Instant::now();
        }
        tokio::time::sleep(random::jitter(pause(closed.pause, since.elapsed()))).await;
    }
}

fn leave(options: &Options, reason: &str) {
    termination::leave(&options.termination_log, &format!("Flink is not started: {reason}"));
}

/// Between two questions where the agent itself waits before it answers.
const AT_ONCE: Duration = Duration::from_millis(50);

/// When to ask again after waiting for so long for the same reason: the way is found open late by a twentieth of that, and
/// whoever has to be asked for the answer, such as the Kubernetes API, is not asked for ever as if it were a matter of moments.
fn pause(least: Duration, waited: Duration) -> Duration {
    const MOST: Duration = Duration::from_secs(5);
    if least <= AT_ONCE { least } else { least.max((waited / 20).min(MOST)) }
}

async fn try_pass(options: &Options, holder: &Holder, unanswered: &mut u32) -> Result<Passed, Closed> {
    const A_WHILE: Duration = Duration::from_secs(5);
    const SOON: Duration = Duration::from_secs(1);
    let closed = |reason, pause, exit| Err(Closed { reason, pause, exit: Some(exit) });
    let setup = match learn(&options.argv) {
        Ok(setup) => setup,
        Err(reason) => return closed(reason, A_WHILE, Exit::Configuration),
    };
    let claim = ClaimRequest { holder: holder.clone(), argv: options.argv.clone(), setup, running: false };
    match http::call::<ClaimReply>(&options.socket, "POST", "/v1/claim", &claim).await {
        Ok(ClaimReply::Go { argv, finish, .. }) => Ok(Passed::Go { argv, finish, claim: Box::new(claim) }),
        Ok(ClaimReply::No { decision, reason }) => closed(format!("{decision}: {reason}"), A_WHILE, Exit::Refused),
        Ok(ClaimReply::Later { reason, soon }) => closed(reason, if soon { AT_ONCE } else { SOON }, Exit::Later),
        Ok(ClaimReply::Superseded { reason }) => closed(reason, SOON, Exit::Later),
        Err(error) => {
            *unanswered += 1;
            // An agent that starts at the same time is no news; one that never comes is.
            let new = *unanswered < 50;
            let reason = if new { String::new() } else { report::chain(&error) };
            Err(Closed { reason, pause: if new { Duration::from_millis(20) } else { SOON }, exit: None })
        }
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
            // One that died since it let the JobManager go: nobody else would answer at the gate.
            () = again(embedded.as_ref()) => {
                if let Some(embedded) = embedded {
                    embedded.start_again();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longer_it_waits_the_less_often_it_asks() {
        let millis = Duration::from_millis;
        for (least, waited, expected) in [
            (300, 0, 300),
            (300, 6_000, 300),
            (300, 20_000, 1_000),
            (300, 3_600_000, 5_000),
            (5_000, 60_000, 5_000),
            (50, 3_600_000, 50),
        ] {
            assert_eq!(pause(millis(least), millis(waited)), millis(expected), "{waited}");
        }
    }
}
