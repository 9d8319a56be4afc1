//! Carries out a start: asks [`protocol::start`](crate::protocol::start) what comes next, does it, and reports back.

pub mod plan;

use crate::clock::Clock;
use crate::holder;
use crate::protocol::Step;
use crate::protocol::entry::{Entry, Fact};
use crate::protocol::history::History;
use crate::protocol::id::JobId;
use crate::protocol::start::{Appended, Effect, Event, Loaded, Start, Trouble, Verdict};
use crate::protocol::stop::Search;
use crate::record::marker::Marker;
use crate::record::{self, Append, Record, Snapshot};
use crate::report;
use crate::storage;

/// What a start works with.
#[derive(Debug)]
pub struct Hands {
    /// The record.
    pub record: Record,
    /// The marker in the cluster's savepoint folder.
    pub marker: Marker,
    /// The cluster's id.
    pub cluster: String,
}

/// What was read last.
#[derive(Debug, Default)]
struct Known {
    snapshot: Snapshot,
    marker: Vec<Entry>,
}

/// Drives a start to its verdict.
pub async fn drive(mut start: Start, hands: &Hands, clock: Clock) -> Verdict {
    let mut known = Known::default();
    loop {
        match start.next(clock.now()) {
            Step::Done(verdict) => return verdict,
            Step::Wait(until) => tokio::time::sleep_until(clock.instant(until)).await,
            Step::Do { effect, until } => {
                tracing::debug!(?effect, "start");
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
        Effect::Look(_) => Event::Liveness(true),
        Effect::Append { .. } | Effect::Rebuild => Event::Appended(Appended::Failed(late("the record"))),
        Effect::List { .. } => Event::Listed(Err(late("storage"))),
        Effect::Verify(_) => Event::Verified(Search::Unreadable("storage does not answer".to_owned())),
        Effect::Mark { .. } => Event::Marked(Err(late("storage"))),
    }
}

fn trouble(error: &record::Error) -> Trouble {
    Trouble { reason: report::chain(error), passes: error.passes() }
}

impl Hands {
    async fn carry_out(&self, effect: &Effect, known: &mut Known) -> Event {
        match effect {
            Effect::Load => Event::Loaded(self.load(known).await.map_err(|error| trouble(&error))),
            Effect::Look(holder) => Event::Liveness(holder::is_alive(holder)),
            Effect::Append { epoch, facts } => {
                let entries = facts.iter().map(|fact| record::entry(*epoch, fact.clone()));
                Event::Appended(self.append(known, entries).await)
            }
            Effect::Rebuild => {
                let entries = known.marker.clone();
                tracing::warn!(entries = entries.len(), "the record is gone; rebuilding it from the marker");
                Event::Appended(self.append(known, entries).await)
            }
            Effect::List { directories, recorded, adopt } => {
                let jobs = known_jobs(known);
                let found = storage::list(directories, recorded, &self.cluster, *adopt, &jobs).await;
                Event::Listed(found.map_err(|error| Trouble { reason: report::chain(&error), passes: error.passes() }))
            }
            Effect::Verify(path) => Event::Verified(storage::look(path).await),
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

    async fn append(&self, known: &mut Known, entries: impl IntoIterator<Item = Entry>) -> Appended {
        for entry in entries {
            match self.record.append(&mut known.snapshot, entry).await {
                Ok(Append::Done) => {}
                Ok(Append::Conflict) => return Appended::Conflict,
                Err(error) => return Appended::Failed(trouble(&error)),
            }
        }
        Appended::Done
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

fn known_jobs(known: &Known) -> Vec<JobId> {
    let history = History::read(known.marker.iter().chain(&known.snapshot.entries));
    let claimed = history.epochs.values().filter_map(|epoch| epoch.claim.as_ref()?.job_id);
    let seen = history.epochs.values().filter_map(|epoch| epoch.ran);
    claimed.chain(seen).collect()
}
