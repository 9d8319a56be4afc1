//! One life of `run`, from its claim to its end, as the agent knows it.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::presence::Presence;
use crate::api::Finish;
use crate::flink::Flink;
use crate::flink::setup::{Mode, Setup};
use crate::protocol::entry::Attempt;
use crate::protocol::estimate::advice::Fit;
use crate::protocol::estimate::{Evidence, Prediction};
use crate::protocol::grace::Cause;
use crate::protocol::id::{Id, JobId};
use crate::protocol::jobs::{Version, Waiting};
use crate::protocol::start::Go;
use crate::protocol::stop::InFlight;
use crate::protocol::time::{Deadline, Moment};
use crate::record::marker::Marker;

/// What the record says of an epoch already.
#[derive(Debug, Default)]
pub(super) struct Said {
    /// Its points: what is none of them may be what a stop came to.
    pub(super) known: RefCell<Vec<String>>,
    /// The highest number among them.
    pub(super) newest: Option<u64>,
    /// A request for a savepoint that an earlier agent made, whose stop has not ended.
    pub(super) attempt: RefCell<Option<Attempt>>,
    /// Jobs among several that were seen with state, by name.
    pub(super) jobs: BTreeMap<JobId, String>,
    /// Those of them whose own end is known.
    pub(super) ended: BTreeSet<JobId>,
    pub(super) confirmed: bool,
    pub(super) progressed: bool,
}

/// A handover that was tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tried {
    /// To which pod, by its UID.
    pub(super) heir: String,
    /// How often.
    pub(super) times: u32,
    /// Not again before.
    pub(super) again_at: Moment,
}

/// One life of `run`.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) go: Go,
    pub(super) setup: Setup,
    pub(super) finish: Finish,
    pub(super) flink: Flink,
    pub(super) marker: Marker,
    /// The job, as Flink told.
    pub(super) job_id: Cell<Option<JobId>>,
    /// Whether any of the job's tasks was seen running.
    pub(super) ran: Cell<bool>,
    /// Whether a checkpoint survives an ordinary end of the JobManager, as Flink told.
    pub(super) retains: Cell<Option<bool>>,
    /// Whether Flink confirmed the restore; the text says what of.
    pub(super) confirmed: RefCell<Option<String>>,
    /// What the record says of this epoch already, so that it is not said twice and nothing is left out.
    pub(super) said: Said,
    /// The job runs from something else than it should: it is ended, and nothing of it is used.
    pub(super) void: Cell<bool>,
    /// Flink can't restore the point: that is recorded, and the JobManager ended.
    pub(super) restore_failed: Cell<bool>,
    pub(super) started: Cell<bool>,
    /// When that was; none where this agent did not see it.
    pub(super) started_at: Cell<Option<Moment>>,
    pub(super) stopping: Cell<bool>,
    /// The record says of the stop that whoever starts next need not wait for the JobManager's end (`Epoch::is_released`).
    pub(super) released: Cell<bool>,
    /// The stop that is under way was asked for by a newer pod; nobody ends this one.
    pub(super) handing_over: Cell<bool>,
    /// The newest pod whose wish to take over was tried.
    pub(super) tried: RefCell<Option<Tried>>,
    /// What a stop that begins now is expected to take; none until Flink has told anything.
    pub(super) prediction: RefCell<Option<Prediction>>,
    /// A savepoint that the agent has asked for and whose result it has not read: a stop goes on with it.
    pub(super) in_flight: RefCell<Option<InFlight>>,
    /// The number of the newest point that the job has gone on from: a final savepoint has a higher one.
    pub(super) newest: Cell<Option<u64>>,
    /// What that rests on.
    pub(super) evidence: RefCell<Evidence>,
    /// What was last said of the grace period: how it fits, and what would be enough.
    pub(super) advised: Cell<Option<(Fit, Duration)>>,
    /// When the stop has to be over.
    pub(super) deadline: watch::Sender<Deadline>,
    /// Why the pod ends, once it has told.
    pub(super) cause: RefCell<Option<Cause>>,
    pub(super) presence: Presence,
    /// Whether another pod waits at its gate for this one's end.
    pub(super) awaited: watch::Sender<bool>,
    /// What tells the JobManager's life from others, where no `run` stands before it.
    pub(super) life: Cell<Option<Id>>,
    /// Whether the cluster runs several jobs.
    pub(super) several: Cell<bool>,
    /// Those of them that were seen with state, by name.
    pub(super) jobs: RefCell<BTreeMap<JobId, String>>,
    /// Those of them whose own end is recorded.
    pub(super) ended: RefCell<BTreeSet<JobId>>,
    /// The jobs of former epochs that wait to be submitted again.
    pub(super) waiting: RefCell<Vec<Waiting>>,
    /// Flink's version, once it was asked.
    pub(super) version: Cell<Option<Version>>,
    /// Whether the job has completed a checkpoint, as the record says.
    pub(super) progressed: Cell<bool>,
    /// Turns true when the entrypoint has ended.
    pub(super) gone: watch::Sender<bool>,
    tasks: RefCell<Vec<AbortHandle>>,
}

impl Session {
    pub(super) fn new(go: Go, setup: Setup, finish: Finish, flink: Flink, marker: Marker, said: Said) -> Self {
        Self {
            progressed: Cell::new(said.progressed),
            several: Cell::new(setup.mode == Mode::Session || !said.jobs.is_empty()),
            jobs: RefCell::new(said.jobs.clone()),
            ended: RefCell::new(said.ended.clone()),
            waiting: RefCell::new(go.jobs.clone()),
            version: Cell::new(None),
            newest: Cell::new(said.newest),
            said,
            void: Cell::new(false),
            restore_failed: Cell::new(false),
            job_id: Cell::new(go.job_id),
            go,
            setup,
            finish,
            flink,
            marker,
            ran: Cell::new(false),
            retains: Cell::new(None),
            confirmed: RefCell::new(None),
            started: Cell::new(false),
            started_at: Cell::new(None),
            stopping: Cell::new(false),
            released: Cell::new(false),
            handing_over: Cell::new(false),
            tried: RefCell::default(),
            prediction: RefCell::default(),
            in_flight: RefCell::default(),
            evidence: RefCell::default(),
            advised: Cell::default(),
            deadline: watch::Sender::new(Deadline::after(Moment(0), Duration::ZERO, Duration::ZERO)),
            cause: RefCell::default(),
            presence: Presence::default(),
            awaited: watch::Sender::new(false),
            life: Cell::default(),
            gone: watch::Sender::new(false),
            tasks: RefCell::default(),
        }
    }

    /// Whether a checkpoint survives an ordinary end of the JobManager. Where Flink can't be asked in time, it counts as one
    /// that does not: SIGKILL leaves it in place either way.
    pub(super) async fn checkpoints_survive(&self) -> bool {
        const PATIENCE: Duration = Duration::from_secs(1);
        if let (None, Some(job_id)) = (self.retains.get(), self.job_id.get()) {
            let asked = tokio::time::timeout(PATIENCE, self.flink.retains_checkpoints(job_id)).await;
            self.retains.set(asked.ok().and_then(Result::ok).map(|retains| retains.unwrap_or(true)));
        }
        self.retains.get().unwrap_or(false)
    }

    /// A savepoint was taken and the job went on: no stop came to it.
    pub(super) fn went_on_from(&self, path: &str, checkpoint_id: Option<u64>) {
        let mut known = self.said.known.borrow_mut();
        if !known.iter().any(|one| one == path) {
            known.push(path.to_owned());
        }
        self.newest.set(self.newest.get().max(checkpoint_id));
    }

    /// What the prediction rests on, in words.
    pub(super) fn basis(&self) -> Option<String> {
        self.prediction.borrow().as_ref().map(|prediction| prediction.basis.clone())
    }

    pub(super) fn epoch(&self) -> u64 {
        self.go.epoch
    }

    /// Has a task end with the session.
    pub(super) fn adopt(&self, task: AbortHandle) {
        self.tasks.borrow_mut().push(task);
    }

    pub(super) fn abort_tasks(&self) {
        for task in self.tasks.borrow_mut().drain(..) {
            task.abort();
        }
    }

    /// Whether Flink may still be cleaning up what was left of a job that had ended: what it shows of the job is that one.
    pub(super) fn is_cleaning_up(&self) -> bool {
        self.go.cleans_up && !self.ran.get()
    }

    /// Whether the job runs from something else than the point, or can't be restored from it: it is being ended, and not saved.
    pub(super) fn is_condemned(&self) -> bool {
        self.void.get() || self.restore_failed.get()
    }

    pub(super) fn is_over(&self) -> bool {
        *self.gone.borrow()
    }

    /// Waits until the entrypoint has ended.
    pub(super) async fn over(&self) {
        // The sender lives as long as `self`.
        let _ = self.gone.subscribe().wait_for(|gone| *gone).await;
    }
}
