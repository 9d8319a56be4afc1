//! What may happen on a node.

use super::super::support::chaos::Moment;

/// How a pod is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    Plainly,
    Shortly,
    Now,
    ByForce,
    ByEviction,
}

impl How {
    pub fn flags(self) -> &'static [&'static str] {
        match self {
            Self::Plainly | Self::ByEviction => &[],
            Self::Shortly => &["--grace-period=8"],
            Self::Now => &["--now"],
            Self::ByForce => &["--force", "--grace-period=0"],
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Container {
    Agent,
    JobManager,
    TaskManager,
}

impl Container {
    pub fn name(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::JobManager => "jobmanager",
            Self::TaskManager => "taskmanager",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    Delete(How),
    DeleteTaskManager(How),
    /// SIGKILL for the first process of a container: run, guard, or the agent.
    Kill(Container),
    /// SIGKILL for Flink alone.
    KillFlink(Container),
    Freeze(Container),
    FreezeJobManagersPod,
    /// A part of the node answers nobody.
    Away(&'static str),
    Restart(&'static str),
    SlowSnapshots,
}

const RUNNING: &[Moment] = &[Moment::Running];
const STARTED: &[Moment] = &[Moment::Running, Moment::Stopping];
const ALWAYS: &[Moment] = &[Moment::Running, Moment::Stopping, Moment::Starting];

pub fn all() -> Vec<(Fault, &'static [Moment])> {
    use Container::{Agent, JobManager, TaskManager};
    use How::{ByEviction, ByForce, Now, Plainly, Shortly};
    let mut faults = vec![
        (Fault::Delete(Plainly), &[Moment::Running, Moment::Starting][..]),
        (Fault::Delete(ByEviction), RUNNING),
        (Fault::Delete(Shortly), ALWAYS),
        (Fault::Delete(Now), ALWAYS),
        (Fault::Delete(ByForce), ALWAYS),
        (Fault::DeleteTaskManager(Plainly), STARTED),
        (Fault::DeleteTaskManager(ByForce), STARTED),
        (Fault::FreezeJobManagersPod, ALWAYS),
        (Fault::SlowSnapshots, STARTED),
    ];
    for container in [Agent, JobManager, TaskManager] {
        faults.push((Fault::Kill(container), ALWAYS));
        faults.push((Fault::Freeze(container), ALWAYS));
    }
    for container in [JobManager, TaskManager] {
        faults.push((Fault::KillFlink(container), STARTED));
    }
    for part in ["apiserver", "etcd", "kubelet"] {
        faults.push((Fault::Away(part), ALWAYS));
        faults.push((Fault::Restart(part), ALWAYS));
    }
    faults
}

impl Fault {
    /// Whether a pod that is being deleted beside it still ends in order, before its deadline, and says so.
    pub fn leaves_the_end_alone(self) -> bool {
        !matches!(self, Self::Delete(How::Now | How::ByForce) | Self::Kill(Container::Agent | Container::JobManager))
    }

    /// Whether it explains that a start had to wait for this reason. A refusal, which a person would have to answer, none does.
    pub fn explains(self, refused: bool, moment: Moment, reason: &str) -> bool {
        let refused = refused || reason.starts_with("refuse") || reason.starts_with("hold");
        let deleted = matches!(self, Self::Delete(_)) || moment != Moment::Running;
        let waits_for = |what: &str| reason.contains(what);
        !refused
            && match self {
                Self::Away(_) | Self::Restart(_) if waits_for("API") => true,
                Self::Kill(Container::Agent) | Self::Freeze(Container::Agent) | Self::FreezeJobManagersPod
                    if waits_for("run.sock") =>
                {
                    true
                }
                _ => deleted && waits_for("another pod of this cluster"),
            }
    }
}
