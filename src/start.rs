//! Carries out a start: asks [`protocol::start`](crate::protocol::start) what comes next, does it, and reports back.

pub mod plan;
pub mod reach;

use std::time::Duration;

use crate::clock::Clock;
use crate::holder;
use crate::http;
use crate::kubernetes::{self, Kubernetes};
use crate::protocol::Step;
use crate::protocol::entry::{Entry, Fact, PodRef};
use crate::protocol::history::History;
use crate::protocol::phase::{StartPhase, Stopwatch};
use crate::protocol::point::Listing;
use crate::protocol::start::{Appended, Effect, Event, Liveness, Loaded, Start, Trouble, Verdict};
use crate::protocol::stop::Search;
use crate::record::marker::Marker;
use crate::record::{self, Append, Record, Snapshot};
use crate::report;
use crate::storage::{self, Storage};
use crate::telemetry::metrics;
use crate::telemetry::words::Verification;

/// What a start works with.
#[derive(Debug)]
pub struct Hands {
    /// The record.
    pub record: Record,
    /// The stores that the directories lie in.
    pub storage: Storage,
    /// The marker in the cluster's savepoint folder.
    pub marker: Marker,
    /// The cluster's id.
    pub cluster: String,
    /// The Kubernetes API, where there is one.
    pub kubernetes: Option<Kubernetes>,
    /// The pod that asks.
    pub own: Option<PodRef>,
}

/// What was read last.
#[derive(Debug, Default)]
struct Known {
    snapshot: Snapshot,
    marker: Vec<Entry>,
}

/// Drives a start to its verdict; says what each phase took, too.
pub async fn drive(start: &mut Start, hands: &Hands, clock: Clock) -> (Verdict, Stopwatch<StartPhase>) {
    let mut known = Known::default();
    let mut watch = Stopwatch::begin(StartPhase::Read, clock.now());
    loop {
        match start.next(clock.now()) {
            Step::Done(verdict) => {
                watch.enter(StartPhase::Confirm, clock.now());
                return (verdict, watch);
            }
            Step::Wait(until) => tokio::time::sleep_until(clock.instant(until)).await,
            Step::Do { effect, until } => {
                tracing::debug!(?effect, "start");
                watch.enter(StartPhase::of(&effect), clock.now());
                let event = tokio::select! {
                    event = hands.carry_out(&effect, &mut known) => event,
                    () = tokio::time::sleep_until(clock.instant(until)) => no_answer(&effect),
                };
                tracing::debug!(?event, "start");
                start.on(event);
            }
        }
    }
}

fn no_answer(effect: &Effect) -> Event {
    let late = |what: &str| Trouble { reason: format!("{what} does not answer"), passes: true };
    match effect {
        Effect::Load => Event::Loaded(Err(late("the record"))),
        Effect::Look(_) | Effect::LookAt(_) => Event::Liveness(Liveness::Unknown(late("the Kubernetes API"))),
        Effect::Nudge(_) => Event::Nudged,
        Effect::Append { .. } | Effect::Rebuild | Effect::Copy(_) => {
            Event::Appended(Appended::Failed(late("the record")))
        }
        Effect::List { .. } => Event::Listed(Err(late("storage"))),
        Effect::LookAtLeftovers(_) => Event::Leftovers(Err(late("storage"))),
        Effect::DeclareEnded(..) => Event::Declared(Err(late("storage"))),
        Effect::Verify(_) => Event::Verified(Search::Unreadable("storage does not answer".to_owned())),
        Effect::Mark { .. } => Event::Marked(Err(late("storage"))),
    }
}

fn of_storage(error: &storage::Error) -> Trouble {
    Trouble { reason: report::chain(error), passes: error.passes() }
}

fn trouble(error: &record::Error) -> Trouble {
    Trouble { reason: report::chain(error), passes: error.passes() }
}

impl Hands {
    async fn carry_out(&self, effect: &Effect, known: &mut Known) -> Event {
        match effect {
            Effect::Load => Event::Loaded(self.load(known).await.map_err(|error| trouble(&error))),
            Effect::Look(holder) => Event::Liveness(match &holder.pod {
                Some(pod) => self.look_at(pod).await,
                None if holder::is_alive(holder) => Liveness::Alive(format!("process {}", holder.pid)),
                None => Liveness::Gone,
            }),
            Effect::LookAt(pod) => Event::Liveness(self.look_at(pod).await),
            Effect::Nudge(pod) => {
                nudge(pod).await;
                Event::Nudged
            }
            Effect::Append { epoch, facts } => {
                let entries: Vec<Entry> = facts.iter().map(|fact| record::entry(*epoch, fact.clone())).collect();
                Event::Appended(self.append(known, &entries).await)
            }
            Effect::Rebuild => {
                let entries = known.marker.clone();
                tracing::warn!(entries = entries.len(), "the record is gone; rebuilding it from the marker");
                Event::Appended(self.append(known, &entries).await)
            }
            Effect::Copy(late) => {
                tracing::info!(
                    entries = late.len(),
                    "the marker tells how the newest epoch ended; the record did not know"
                );
                Event::Appended(self.append(known, late).await)
            }
            Effect::List { directories, recorded, adopt } => {
                let jobs = History::read(known.marker.iter().chain(&known.snapshot.entries)).jobs();
                let listing = storage::list(&self.storage, directories, recorded, &self.cluster, *adopt, &jobs).await;
                if let Ok(Listing { unseen: Some(why), .. }) = &listing {
                    tracing::warn!(why, "not everything that is stored can be seen");
                }
                Event::Listed(listing.map_err(|error| of_storage(&error)))
            }
            Effect::LookAtLeftovers(places) => {
                let left = storage::ha::leftovers(&self.storage, places).await;
                Event::Leftovers(left.map_err(|error| of_storage(&error)))
            }
            Effect::DeclareEnded(places, job_id) => {
                tracing::warn!(%job_id, store = places.results, "the job has ended; Flink is to clean up what is left of it");
                let declared = storage::ha::declare_ended(&self.storage, places, *job_id).await;
                Event::Declared(declared.map_err(|error| of_storage(&error)))
            }
            Effect::Verify(path) => {
                let found = storage::look(&self.storage, path, None).await;
                metrics::verified(Verification::of(&found));
                Event::Verified(found)
            }
            Effect::Mark { epoch } => Event::Marked(self.mark(known, *epoch).await.map_err(|error| trouble(&error))),
        }
    }

    async fn load(&self, known: &mut Known) -> Result<Loaded, record::Error> {
        known.snapshot = self.record.load().await?;
        let marker = self.marker.load().await?;
        known.marker = marker.clone().unwrap_or_default();
        let record = (!known.snapshot.entries.is_empty()).then(|| known.snapshot.entries.clone());
        Ok(Loaded { record, marker })
    }

    async fn append(&self, known: &mut Known, entries: &[Entry]) -> Appended {
        match self.record.append(&mut known.snapshot, entries).await {
            Ok(Append::Done) => Appended::Done,
            Ok(Append::Conflict) => Appended::Conflict,
            Err(error) => Appended::Failed(trouble(&error)),
        }
    }

    async fn look_at(&self, pod: &PodRef) -> Liveness {
        if self.own.as_ref().is_some_and(|own| own.uid == pod.uid) {
            // A container starts again only when its former life has ended.
            return Liveness::Gone;
        }
        let unknown = |reason, passes| Liveness::Unknown(Trouble { reason, passes });
        let Some(kubernetes) = &self.kubernetes else {
            let reason = format!(
                "pod {} in namespace {} holds the newest epoch, and without access to the Kubernetes API nobody can tell \
                 whether it lives: `savepointd takeover` if it does not",
                pod.name, pod.namespace
            );
            return unknown(reason, true);
        };
        match kubernetes.liveness(pod).await {
            Ok(kubernetes::Liveness::Gone) => Liveness::Gone,
            Ok(kubernetes::Liveness::Alive(why)) => Liveness::Alive(why),
            Err(error) => unknown(report::chain(&error), error.passes()),
        }
    }

    async fn mark(&self, known: &Known, epoch: u64) -> Result<(), record::Error> {
        for entry in &known.snapshot.entries {
            if entry.epoch == epoch || matches!(entry.fact, Fact::Created { .. }) {
                self.marker.keep(entry).await?;
            }
        }
        Ok(())
    }
}

/// Has another pod's agent look at the record. It acts on what it reads there, not on this.
pub async fn nudge(pod: &PodRef) {
    // It looks even if nobody waits for the answer, which may take a second: another start is due before.
    const PATIENCE: Duration = Duration::from_millis(300);
    let Some(address) = &pod.address else { return };
    if !matches!(tokio::time::timeout(PATIENCE, http::get(address, "/api/v1/look")).await, Ok(Ok(_))) {
        tracing::debug!(address, "the other agent has not answered; it looks by itself too");
    }
}
