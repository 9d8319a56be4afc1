//! Carries out one savepoint of a job that goes on: asks [`protocol::savepoint`](crate::protocol::savepoint) what comes next, does
//! it, and reports back.

use tokio::time::Instant;

use jiff::Timestamp;

use super::Agent;
use super::session::Session;
use crate::protocol::Step;
use crate::protocol::entry::{Attempt, Entry, Fact, Saved};
use crate::protocol::point::{Kind, PointRef, normalize};
use crate::protocol::savepoint::{Effect, Event, Taken, Taking, Verdict};
use crate::protocol::stop::{InFlight, JobsReply, PollReply, PostReply, RecordReply, Search};
use crate::storage::{self, Storage};
use crate::{record, report};

/// What one savepoint works with.
pub(super) struct Hands<'a> {
    agent: &'a Agent,
    session: &'a Session,
    storage: Storage,
    kind: Kind,
    attempt: Attempt,
    /// What lay in the folder before it was asked for.
    before: Vec<String>,
    entry: Option<Entry>,
}

impl<'a> Hands<'a> {
    pub(super) fn new(agent: &'a Agent, session: &'a Session, kind: Kind, attempt: Attempt) -> Self {
        let storage = agent.storage.or_of(&session.setup);
        Self { agent, session, storage, kind, attempt, before: Vec::new(), entry: None }
    }

    /// Drives it to its end. The session knows meanwhile what is in flight.
    pub(super) async fn drive(mut self) -> Result<Saved, super::savepoints::Refusal> {
        let (session, clock) = (self.session, self.agent.clock);
        let mut taking = Taking::begin(self.attempt.clone(), clock.now());
        loop {
            let (over, stopping) = (session.is_over(), session.stopping.get());
            for (happened, event) in [(over, Event::JobManagerGone), (stopping, Event::StopBegan)] {
                if happened {
                    taking.on(event, clock.now());
                }
            }
            let step = taking.next(clock.now());
            let kind = self.kind;
            session.in_flight.replace(taking.in_flight().map(|attempt| InFlight { attempt: attempt.clone(), kind }));
            match step {
                Step::Done(Verdict::Not { reason, passes }) => {
                    return Err(super::savepoints::Refusal { reason, passes });
                }
                Step::Done(Verdict::Saved(taken)) => return Ok(self.saved(&taken)),
                Step::Wait(until) => {
                    tokio::select! {
                        () = tokio::time::sleep_until(clock.instant(until)) => {}
                        () = session.over(), if !over => {}
                        () = self.agent.stops(), if !stopping => {}
                    }
                }
                Step::Do { effect, until } => {
                    tracing::debug!(?effect, "savepoint");
                    let asks_flink = matches!(effect, Effect::ReadJobs | Effect::Post | Effect::Poll);
                    let until = clock.instant(until);
                    let event = tokio::select! {
                        event = self.carry_out(&effect, until) => event,
                        () = tokio::time::sleep_until(until) => no_answer(&effect),
                        () = session.over(), if asks_flink && !over => Event::JobManagerGone,
                    };
                    taking.on(event, clock.now());
                }
            }
        }
    }

    async fn carry_out(&mut self, effect: &Effect, until: Instant) -> Event {
        let (flink, target) = (&self.session.flink, &self.attempt.target);
        match effect {
            Effect::ReadJobs => Event::Jobs(flink.jobs().await),
            Effect::List => Event::Listed(match storage::savepoints_in(&self.storage, target).await {
                Ok(found) => {
                    self.before = found.into_iter().map(|one| one.path).collect();
                    Ok(())
                }
                Err(error) => Err(report::chain(&error)),
            }),
            Effect::Post => Event::Posted(flink.post_savepoint(&self.attempt).await),
            Effect::Poll => {
                let reply = flink.poll_stop(self.attempt.job_id, self.attempt.trigger_id).await;
                if let PollReply::Completed(location) = &reply {
                    // From here on a stop must not take it for its own.
                    self.session.went_on_from(&normalize(location), None);
                }
                Event::Polled(reply)
            }
            Effect::Search => {
                let above = self.session.finish.above;
                Event::Searched(storage::newest_savepoint(&self.storage, target, above, &self.before, until).await)
            }
            Effect::Verify(location) => Event::Searched(storage::look(&self.storage, location, None).await),
            Effect::Record(taken) => {
                let saved = self.saved(taken);
                self.session.went_on_from(&saved.point.path, saved.point.checkpoint_id);
                let epoch = self.session.epoch();
                // Whatever becomes of a reply, it is one entry.
                let entry = self.entry.get_or_insert_with(|| record::entry(epoch, Fact::Saved(saved)));
                let reply = self.agent.record.add(std::slice::from_ref(entry)).await;
                if let RecordReply::Failed(reason) = &reply {
                    tracing::warn!(reason, "a savepoint can't be recorded yet");
                }
                Event::Recorded(reply)
            }
        }
    }

    fn saved(&self, taken: &Taken) -> Saved {
        if let Some(Entry { fact: Fact::Saved(saved), .. }) = &self.entry {
            return saved.clone();
        }
        let Taken { secured, took } = taken;
        Saved {
            job_id: self.attempt.job_id,
            job_name: None,
            point: PointRef { epoch: Some(self.session.epoch()), ..secured.point.clone() },
            kind: self.kind,
            format: Some(self.attempt.format),
            completed_at: secured.completed_at.unwrap_or_else(Timestamp::now),
            bytes: secured.bytes,
            duration_ms: u64::try_from(took.as_millis()).ok(),
            doubt: secured.doubt.clone(),
            salvaged: false,
            drained: false,
            predicted_ms: None,
        }
    }
}

/// What it means that an effect took longer than it may.
fn no_answer(effect: &Effect) -> Event {
    let late = || "no answer in time".to_owned();
    match effect {
        Effect::ReadJobs => Event::Jobs(JobsReply::Unreachable(late())),
        Effect::List => Event::Listed(Err(late())),
        Effect::Post => Event::Posted(PostReply::Lost(late())),
        Effect::Poll => Event::Polled(PollReply::Lost(late())),
        Effect::Search | Effect::Verify(_) => Event::Searched(Search::Unreadable(format!("storage: {}", late()))),
        Effect::Record(_) => Event::Recorded(RecordReply::Failed(late())),
    }
}
