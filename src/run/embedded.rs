//! An agent of `run`'s own, where there is no sidecar: its child, started again when it dies.

use std::time::Duration;

use nix::sys::signal::{Signal as Kill, kill};
use nix::unistd::Pid;
use tokio::time::Instant;

use crate::child::{self, Ended};
use crate::exit::Exit;
use crate::signals::{Signal, Signals};

/// How long the agent may take to end when `run` does.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// The least time between two starts of the agent.
const PAUSE: Duration = Duration::from_secs(2);

/// The agent's process.
#[derive(Debug)]
pub(super) struct Embedded {
    argv: Vec<String>,
    pid: Option<Pid>,
    started: Instant,
    /// When it is started again.
    again_at: Option<Instant>,
    /// How long it may take to end.
    last_words: Duration,
}

impl Embedded {
    pub(super) fn start(argv: Vec<String>) -> anyhow::Result<Self> {
        let mut embedded = Self { argv, pid: None, started: Instant::now(), again_at: None, last_words: LAST_WORDS };
        embedded.spawn()?;
        Ok(embedded)
    }

    fn spawn(&mut self) -> std::io::Result<()> {
        self.started = Instant::now();
        self.pid = Some(child::spawn(&self.argv, false)?);
        Ok(())
    }

    /// Notices the agent's end and starts it again, unless a stop is under way: that, `run` finishes alone.
    pub(super) fn see(&mut self, ended: &[Ended], stopping: bool) {
        let Some(end) = ended.iter().find(|one| Some(one.pid) == self.pid) else { return };
        self.pid = None;
        if stopping {
            return;
        }
        tracing::warn!(status = ?end.status, "the agent has ended; starting it again");
        // At once if it had lived for a while; one that can't even start is not tried without pause.
        self.again_at = Some(Instant::now().max(self.started + PAUSE));
    }

    /// Waits until the agent has to be started again.
    pub(super) async fn due(&self) {
        match self.again_at {
            Some(at) => tokio::time::sleep_until(at).await,
            None => std::future::pending().await,
        }
    }

    /// Starts the agent again.
    pub(super) fn start_again(&mut self) {
        self.again_at = None;
        if let Err(error) = self.spawn() {
            tracing::error!(%error, "the agent can't be started again");
            self.again_at = Some(Instant::now() + PAUSE);
        }
    }

    /// The agent's exit code, if it ended before it was of any use.
    pub(super) fn failed(&mut self, ended: &[Ended]) -> Option<Exit> {
        let end = ended.iter().find(|one| Some(one.pid) == self.pid)?;
        self.pid = None;
        Some(end.status.exit())
    }

    /// Has the end of the agent wait for this long.
    pub(super) fn allow(&mut self, last_words: Duration) {
        self.last_words = last_words;
    }

    /// Ends the agent and waits for that, for a short time.
    pub(super) async fn end(mut self, signals: &mut Signals) {
        let Some(pid) = self.pid.take() else { return };
        let _ = kill(pid, Kill::SIGTERM);
        let gone = async {
            loop {
                if child::reap().iter().any(|one| one.pid == pid) {
                    return;
                }
                while signals.next().await != Signal::Child {}
            }
        };
        if tokio::time::timeout(self.last_words, gone).await.is_err() {
            let _ = kill(pid, Kill::SIGKILL);
        }
    }
}
