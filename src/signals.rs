//! Signals: caught from the first statement of `main` on, so that none is lost.
//!
//! As PID 1 a process without a handler ignores SIGTERM (the kernel drops it), and one that installs its handler only
//! after reading its configuration loses what came before. A thread takes signals in and hands them over in order.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::libc::c_int;
use signal_hook::consts::{SIGALRM, SIGCHLD, SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH};
use signal_hook::iterator::Signals as Caught;
use tokio::sync::mpsc;

/// Signals that ask for a stop.
const STOP: [c_int; 3] = [SIGTERM, SIGINT, SIGHUP];
/// Signals that are for the child.
const OTHER: [c_int; 6] = [SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH, SIGCONT, SIGALRM];

/// A signal that this process got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM, SIGINT or SIGHUP; the name.
    Stop(&'static str),
    /// SIGCHLD.
    Child,
    /// Anything else that is worth handing on.
    Other(c_int),
}

/// The signals that this process gets, in order.
#[derive(Debug)]
pub struct Signals {
    received: mpsc::UnboundedReceiver<Signal>,
    by_default: Arc<AtomicBool>,
}

impl Signals {
    /// Catches signals from now on.
    ///
    /// # Errors
    /// If the kernel refuses the handlers.
    pub fn install() -> io::Result<Self> {
        let by_default = Arc::new(AtomicBool::new(false));
        // Who started us with a signal ignored (nohup, a shell's background job) wants it so.
        let ignored = ignored();
        let wanted: Vec<c_int> =
            STOP.into_iter().chain(OTHER).filter(|signal| *signal == SIGTERM || !is_in(ignored, *signal)).collect();
        // First: a signal that comes when there is a handler of the other kind alone is taken, and nobody hears of it.
        let mut caught = Caught::new(wanted.iter().copied().chain([SIGCHLD]))?;
        for signal in wanted {
            signal_hook::flag::register_conditional_default(signal, Arc::clone(&by_default))?;
        }
        let (sender, received) = mpsc::unbounded_channel();
        std::thread::Builder::new().name("signals".to_owned()).stack_size(64 * 1024).spawn(move || {
            for signal in caught.forever() {
                if sender.send(of(signal)).is_err() {
                    break;
                }
            }
        })?;
        Ok(Self { received, by_default })
    }

    /// Lets signals do what they do to any command: this process holds nothing that a signal could destroy.
    /// Says whether one asked for a stop before.
    #[must_use]
    pub fn default_from_now_on(mut self) -> bool {
        self.by_default.store(true, Ordering::Relaxed);
        let mut asked = false;
        while let Ok(signal) = self.received.try_recv() {
            asked |= matches!(signal, Signal::Stop(_));
        }
        asked
    }

    /// The next signal.
    pub async fn next(&mut self) -> Signal {
        match self.received.recv().await {
            Some(signal) => signal,
            // The thread ends with the process only.
            None => std::future::pending().await,
        }
    }
}

/// The signals that were ignored when this process was started (`SigIgn` in `/proc/self/status`, a bit for each).
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

fn is_in(mask: u64, signal: c_int) -> bool {
    u32::try_from(signal - 1).ok().and_then(|bit| mask.checked_shr(bit)).is_some_and(|rest| rest & 1 == 1)
}

fn of(signal: c_int) -> Signal {
    match signal {
        SIGTERM => Signal::Stop("SIGTERM"),
        SIGINT => Signal::Stop("SIGINT"),
        SIGHUP => Signal::Stop("SIGHUP"),
        SIGCHLD => Signal::Child,
        other => Signal::Other(other),
    }
}
