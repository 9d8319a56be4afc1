//! What may happen on loopback.

use nix::sys::signal::Signal;

use crate::support::chaos::Moment;
use crate::support::store_proxy;

/// Whom a signal strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    Agent,
    Run,
    Guard,
    JobManager,
    TaskManager,
    All,
}

/// What becomes of requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    Away,
    Full,
    Stalls,
    Resets,
    LosesReplies,
    Slow,
}

impl Trouble {
    pub fn fault(self) -> store_proxy::Fault {
        match self {
            Self::Away => store_proxy::Fault::Status(503),
            Self::Full => store_proxy::Fault::Status(507),
            Self::Stalls => store_proxy::Fault::Stall,
            Self::Resets => store_proxy::Fault::Reset,
            Self::LosesReplies => store_proxy::Fault::LostReply,
            Self::Slow => store_proxy::Fault::Slow(std::time::Duration::from_millis(400)),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    Kill(Who),
    Term(Who),
    Pause(Who),
    /// The store, as savepointd sees it, or Flink too.
    Store(Trouble),
    StoreOfAll(Trouble),
    /// Flink's REST API, as savepointd sees it.
    Rest(Trouble),
    DiskFull,
    /// Whatever lies in the store is of a random time.
    Clock,
    SlowSnapshots,
    FailingSnapshots,
    JobThrows,
}

const RUNNING: &[Moment] = &[Moment::Running];
const STARTED: &[Moment] = &[Moment::Running, Moment::Stopping];
const ALWAYS: &[Moment] = &[Moment::Running, Moment::Stopping, Moment::Starting];
const ENDED: &[Moment] = &[Moment::Starting];

/// What can happen where state lies in files, on a disk of its own if `disk`.
pub fn with_files(disk: bool) -> Vec<(Fault, &'static [Moment])> {
    let mut faults = everywhere();
    faults.push((Fault::Clock, ENDED));
    if disk {
        faults.push((Fault::DiskFull, ALWAYS));
    }
    faults
}

/// What can happen where state lies in an object store, and savepointd reaches that and Flink by proxies.
pub fn with_objects() -> Vec<(Fault, &'static [Moment])> {
    use Trouble::{Away, Full, LosesReplies, Resets, Slow, Stalls};
    let mut faults = everywhere();
    for trouble in [Away, Full, Stalls, Resets, LosesReplies, Slow] {
        faults.push((Fault::StoreOfAll(trouble), ALWAYS));
        faults.push((Fault::Store(trouble), ALWAYS));
    }
    for trouble in [Away, Stalls, Resets, LosesReplies, Slow] {
        faults.push((Fault::Rest(trouble), ALWAYS));
    }
    faults
}

fn everywhere() -> Vec<(Fault, &'static [Moment])> {
    let mut faults = vec![
        (Fault::SlowSnapshots, STARTED),
        (Fault::FailingSnapshots, STARTED),
        (Fault::JobThrows, STARTED),
        (Fault::Term(Who::Agent), ALWAYS),
        (Fault::Term(Who::Run), ALWAYS),
        (Fault::Term(Who::All), ALWAYS),
        (Fault::Term(Who::Guard), STARTED),
        (Fault::Term(Who::TaskManager), RUNNING),
        (Fault::Term(Who::JobManager), RUNNING),
    ];
    for who in [Who::Agent, Who::Run, Who::Guard, Who::JobManager, Who::TaskManager, Who::All] {
        faults.push((Fault::Kill(who), ALWAYS));
        faults.push((Fault::Pause(who), ALWAYS));
    }
    faults
}

impl Fault {
    /// The signal and whom it strikes, for those faults that are one.
    pub fn signal(self) -> Option<(Signal, Who)> {
        match self {
            Self::Kill(who) => Some((Signal::SIGKILL, who)),
            Self::Term(who) => Some((Signal::SIGTERM, who)),
            Self::Pause(who) => Some((Signal::SIGSTOP, who)),
            _ => None,
        }
    }

    /// Whether it explains that a start had to wait for this reason. A refusal, which a person would have to answer, none does.
    pub fn explains(self, refused: bool, reason: &str) -> bool {
        let waits_for = |what: &str| reason.contains(what);
        match self {
            _ if refused || reason.starts_with("refuse") || reason.starts_with("hold") => false,
            Self::Store(_) | Self::StoreOfAll(_) | Self::DiskFull => true,
            Self::Kill(Who::Agent | Who::All) | Self::Term(Who::Agent | Who::All) => waits_for("nobody answers on"),
            Self::Pause(Who::Agent | Who::All) => waits_for("run.sock"),
            Self::Kill(Who::Run) => waits_for("another savepointd run of this cluster is alive"),
            _ => false,
        }
    }
}
