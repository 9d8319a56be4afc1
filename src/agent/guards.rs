//! What guards hear: how it stands with the JobManager beside this agent, as a stream for each of them.
//!
//! A guard that has to end its child closes its stream when that is done: this is its word that no task of the old epoch
//! works any more. The next start waits for that, for a short time.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use hyper::Response;
use tokio::sync::{Mutex, watch};

use super::Agent;
use crate::api::{Phase, Tidings};
use crate::http::{self, Body};
use crate::protocol::outcome::StopOutcome;
use crate::protocol::time::Moment;

/// How often a guard sees that the agent lives.
const BEAT: Duration = Duration::from_secs(10);
/// The same while a stop is under way, when tasks may depend on it.
const BEAT_OF_A_STOP: Duration = Duration::from_secs(1);
/// How long a start waits for guards to end what belongs to an older epoch.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long an agent that is ending waits for the same.
const LAST_WORDS: Duration = Duration::from_millis(300);
/// The least time between two looks at the pod.
const LOOK_PAUSE: Duration = Duration::from_secs(1);

/// What happened to an epoch, as far as guards are concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// It was claimed; its JobManager is not started yet.
    Claimed,
    /// Its JobManager runs.
    Started,
    /// A final savepoint is being taken.
    Stopping,
    /// The final state is durable and the job at its end.
    Released,
    /// No final savepoint came of it, and nobody ends the JobManager: the job goes on.
    Kept,
    /// The JobManager is being ended while tasks may work.
    Condemned,
    /// The JobManager's process has ended.
    Ended,
}

impl Turn {
    /// What the end of a stop means for tasks: only a job at its own end has none left. Even where nothing was found to be
    /// saved they may just be starting.
    pub(super) fn of(outcome: StopOutcome) -> Self {
        match outcome {
            StopOutcome::Savepoint | StopOutcome::Ended => Self::Released,
            StopOutcome::Checkpoint | StopOutcome::Unchanged | StopOutcome::Nothing | StopOutcome::Superseded => {
                Self::Condemned
            }
        }
    }

    fn change(self, epoch: u64, tidings: &mut Tidings) {
        if self == Self::Claimed {
            (tidings.epoch, tidings.phase, tidings.ended) = (Some(epoch), Phase::Waiting, false);
        }
        if tidings.epoch != Some(epoch) {
            return;
        }
        tidings.phase = match (self, tidings.phase) {
            // Also after a false alarm: `run` was thought to be lost and has come back.
            (Self::Started, Phase::Waiting | Phase::Gone) => Phase::Running,
            (Self::Kept, Phase::Stopping) => Phase::Running,
            (Self::Stopping, Phase::Waiting | Phase::Running) => Phase::Stopping,
            (Self::Released, Phase::Waiting | Phase::Running | Phase::Stopping) => Phase::Released,
            (Self::Condemned | Self::Ended, Phase::Waiting | Phase::Running | Phase::Stopping) => Phase::Gone,
            (_, phase) => phase,
        };
        match self {
            Self::Started => tidings.ended = false,
            Self::Ended => tidings.ended = true,
            _ => {}
        }
    }
}

/// A guard's stream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Listener {
    /// The epoch that its child works for.
    works_for: Option<u64>,
    /// It has heard that it must end its child, and is to close the stream when it has.
    has_to_end: bool,
}

impl Listener {
    fn hear(&mut self, tidings: &Tidings) {
        let Some(epoch) = tidings.epoch else { return };
        let is_newer = self.works_for.is_some_and(|own| own < epoch);
        let is_own = self.works_for == Some(epoch);
        match tidings.phase {
            _ if is_newer => self.has_to_end = true,
            Phase::Gone if is_own => self.has_to_end = true,
            Phase::Released if is_own => self.works_for = None,
            Phase::Running | Phase::Stopping if self.works_for.is_none() => self.works_for = Some(epoch),
            _ => {}
        }
    }
}

/// What is told, and to whom.
#[derive(Debug)]
pub(super) struct Guards {
    tidings: watch::Sender<Tidings>,
    listeners: watch::Sender<BTreeMap<u64, Listener>>,
    /// When the last look at the pod began. Held while one looks, so that the others share the result.
    looked: Mutex<Option<Moment>>,
}

impl Guards {
    pub(super) fn new() -> Self {
        Self { tidings: watch::Sender::default(), listeners: watch::Sender::default(), looked: Mutex::default() }
    }

    /// The cluster's id is known.
    pub(super) fn name(&self, cluster: &str) {
        self.tidings.send_modify(|tidings| cluster.clone_into(&mut tidings.cluster));
    }

    /// Another agent serves the newest epoch, or none that is known does.
    pub(super) fn point_elsewhere(&self, address: Option<String>) {
        self.tidings.send_if_modified(|tidings| {
            let changed = tidings.elsewhere != address;
            tidings.elsewhere = address;
            changed
        });
    }

    pub(super) fn newest(&self) -> Tidings {
        self.tidings.borrow().clone()
    }

    /// How many guards listen.
    pub(super) fn number(&self) -> usize {
        self.listeners.borrow().len()
    }

    /// Tells every guard of a turn that this epoch has taken. One that does not concern the newest epoch is not told.
    pub(super) fn tell(&self, epoch: u64, turn: Turn) {
        let changed = self.tidings.send_if_modified(|tidings| {
            let before = tidings.clone();
            turn.change(epoch, tidings);
            *tidings != before
        });
        if changed {
            let tidings = self.newest();
            tracing::debug!(epoch, ?turn, phase = ?tidings.phase, "guards are told");
            self.listeners.send_modify(|listeners| {
                for listener in listeners.values_mut() {
                    listener.hear(&tidings);
                }
            });
        }
    }

    /// Waits until every guard that has to end its child has closed its stream.
    async fn ended(&self, limit: Duration) {
        let mut listeners = self.listeners.subscribe();
        let all = listeners.wait_for(|listeners| !listeners.values().any(|listener| listener.has_to_end));
        if tokio::time::timeout(limit, all).await.is_err() {
            let late = self.listeners.borrow().values().filter(|listener| listener.has_to_end).count();
            tracing::warn!(guards = late, "tasks of an older epoch may still work: their guards have not ended them");
        }
    }

    /// Waits, but not for long, until no guard's child works for an older epoch.
    pub(super) async fn before_a_start(&self) {
        self.ended(PATIENCE).await;
    }

    /// Lets guards hear the last word before the agent ends.
    pub(super) async fn before_the_end(&self) {
        self.ended(LAST_WORDS).await;
        // Those that have nothing to end get theirs when their connections have had a turn.
        for _ in 0..8 {
            tokio::task::yield_now().await;
        }
    }
}

/// Counts a guard among the listeners until its stream has ended.
fn admit(agent: &Rc<Agent>, works_for: Option<u64>, ended: impl Future<Output = ()> + 'static) {
    let tidings = agent.guards.newest();
    let mut listener = Listener { works_for, has_to_end: false };
    listener.hear(&tidings);
    let mut number = 0;
    agent.guards.listeners.send_modify(|listeners| {
        number = listeners.last_key_value().map_or(0, |(last, _)| last + 1);
        listeners.insert(number, listener);
    });
    let agent = Rc::clone(agent);
    tokio::task::spawn_local(async move {
        ended.await;
        agent.guards.listeners.send_modify(|listeners| {
            listeners.remove(&number);
        });
    });
}

/// The newest tidings at once, then each change as a line, and an empty line now and then.
pub(super) fn follow(agent: &Rc<Agent>, query: Option<&str>) -> Response<Body> {
    let epoch = |name: &str| query?.strip_prefix(name)?.parse().ok();
    let works_for = epoch("works_for=");
    if let Some(session) = epoch("waits_for=").and_then(|epoch| agent.session_of(epoch)) {
        session.awaited.send_replace(true);
    }
    let beat = |tidings: &Tidings| Some(if tidings.phase == Phase::Stopping { BEAT_OF_A_STOP } else { BEAT });
    let (lines, ended) = http::lines(agent.guards.tidings.subscribe(), beat);
    admit(agent, works_for, ended);
    lines
}

impl Agent {
    /// A guard's pod is being ended. Perhaps this one is too, and has not heard of it: then its stop begins now, while all
    /// TaskManagers are still there.
    ///
    /// An answer rests on a look that began after it was asked for; it is late rather than old. A look goes on when whoever asked
    /// hangs up.
    pub(super) async fn looked(self: &Rc<Self>) -> Tidings {
        let (agent, asked) = (Rc::clone(self), self.clock.now());
        let looking = tokio::task::spawn_local(async move {
            let mut began = agent.guards.looked.lock().await;
            if began.is_some_and(|began| began > asked) {
                return;
            }
            if let Some(began) = *began {
                tokio::time::sleep_until(agent.clock.instant(began.plus(LOOK_PAUSE))).await;
            }
            *began = Some(agent.clock.now());
            agent.look().await;
        });
        let _ = looking.await;
        self.guards.newest()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(turns: &[(u64, Turn)]) -> Tidings {
        let mut tidings = Tidings::default();
        for (epoch, turn) in turns {
            turn.change(*epoch, &mut tidings);
        }
        tidings
    }

    #[test]
    fn an_epoch_goes_from_waiting_to_its_end_and_what_is_released_is_not_gone() {
        use Turn::{Claimed, Condemned, Ended, Released, Started, Stopping};
        for (turns, phase, ended) in [
            (&[] as &[Turn], Phase::Waiting, false),
            (&[Started], Phase::Running, false),
            (&[Started, Stopping], Phase::Stopping, false),
            (&[Started, Stopping, Released], Phase::Released, false),
            (&[Started, Stopping, Released, Ended], Phase::Released, true),
            (&[Started, Released, Stopping, Condemned], Phase::Released, false),
            (&[Started, Condemned], Phase::Gone, false),
            (&[Started, Stopping, Condemned, Ended], Phase::Gone, true),
            (&[Started, Ended], Phase::Gone, true),
            (&[Started, Ended, Released], Phase::Gone, true),
            (&[Started, Ended, Started], Phase::Running, false),
            (&[Ended], Phase::Gone, true),
        ] {
            let turns: Vec<_> = [Claimed].iter().chain(turns).map(|turn| (2, *turn)).collect();
            let tidings = after(&turns);
            assert_eq!((tidings.epoch, tidings.phase, tidings.ended), (Some(2), phase, ended), "{turns:?}");
        }
    }

    #[test]
    fn what_comes_late_from_an_older_epoch_changes_nothing() {
        use Turn::{Claimed, Ended, Released, Started};
        let newer = [(1, Claimed), (1, Started), (2, Claimed), (2, Started)];
        for late in [Released, Ended, Turn::Condemned, Turn::Stopping, Started] {
            let turns: Vec<_> = newer.iter().copied().chain([(1, late)]).collect();
            assert_eq!(after(&turns), after(&newer), "{late:?}");
        }
    }

    #[test]
    fn only_a_savepoint_and_the_jobs_own_end_leave_no_task() {
        let released: Vec<_> =
            StopOutcome::ALL.into_iter().filter(|outcome| Turn::of(*outcome) == Turn::Released).collect();
        assert_eq!(released, [StopOutcome::Savepoint, StopOutcome::Ended]);
    }

    #[test]
    fn a_guard_has_to_end_what_works_for_a_dead_or_older_epoch() {
        let tidings = |epoch, phase| Tidings { epoch: Some(epoch), phase, ..Tidings::default() };
        for (works_for, heard, has_to_end) in [
            (None, vec![tidings(2, Phase::Gone)], false),
            (Some(2), vec![tidings(2, Phase::Gone)], true),
            (Some(1), vec![tidings(2, Phase::Waiting)], true),
            (Some(3), vec![tidings(2, Phase::Gone)], false),
            (None, vec![tidings(2, Phase::Running), tidings(2, Phase::Gone)], true),
            (None, vec![tidings(1, Phase::Running), tidings(2, Phase::Waiting)], true),
            (None, vec![tidings(1, Phase::Stopping), tidings(1, Phase::Released), tidings(2, Phase::Waiting)], false),
            (Some(1), vec![Tidings::default(), tidings(1, Phase::Running)], false),
        ] {
            let mut listener = Listener { works_for, has_to_end: false };
            for tidings in &heard {
                listener.hear(tidings);
            }
            assert_eq!(listener.has_to_end, has_to_end, "{works_for:?} {heard:?}");
        }
    }
}
