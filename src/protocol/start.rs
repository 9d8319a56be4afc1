//! The start as a state machine: claim → read → list → choose → verify → inject.
//!
//! Every way out but one leads to a reason in words: Flink starts only after the epoch is claimed, the choice was made
//! from what record, markers and storage say, the point was looked at, and the base is durable in record and marker.

mod holding;
mod loading;
mod messages;
mod session;
mod ungated;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

pub use messages::{Appended, Effect, Event, Go, JobIds, Liveness, Loaded, Plan, Trouble, Ungated, Verdict};

use super::choose::{Choice, Decision, Situation, choose, unattributed};
use super::entry::{Based, Claim, Entry, Fact, Holder, PodRef, Saved};
use super::ha::{Dealing, Leftovers, Places};
use super::history::History;
use super::id::JobId;
use super::jobs::Waiting;
use super::point::{Found, Listing, PointRef, normalize, same};
use super::salvage::salvage;
use super::stop::{Search, Secured};
use super::time::Moment;

/// How long one look at record or storage may take.
const REQUEST: Duration = Duration::from_secs(20);
/// How long a point may take to be verified, as long as storage answers.
const VERIFY: Duration = Duration::from_secs(600);
/// How often a start that others overtake tries again by itself.
const TRIES: u32 = 10;

type Step = super::Step<Effect, Verdict>;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum State {
    Load,
    /// The next epoch was promised to that pod.
    LookAtHeir(PodRef),
    Look(Holder),
    /// The holder's pod is asked to hand over.
    Ask {
        number: u64,
        holder: PodRef,
        by: PodRef,
        why: String,
    },
    Nudge {
        holder: PodRef,
        why: String,
    },
    Rebuild,
    /// The marker says how the newest epoch ended, and the record was away then.
    Copy(Vec<Entry>),
    Claim,
    List,
    LookAtLeftovers(Places),
    Verify {
        choice: Choice,
        point: PointRef,
    },
    /// The job that Flink's own high availability would run again had ended.
    DeclareEnded {
        places: Places,
        job_id: JobId,
        choice: Choice,
    },
    /// The point is whole, and nobody has recorded it yet.
    Salvage {
        epoch: u64,
        saved: Saved,
        choice: Choice,
    },
    /// A session's job goes on from a point that nobody has proven whole.
    VerifyJob {
        one: Waiting,
        point: PointRef,
    },
    SalvageJob {
        epoch: u64,
        saved: Saved,
    },
    Base {
        choice: Choice,
    },
    Mark(Go),
    Done(Verdict),
}

/// One start.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Start {
    plan: Plan,
    state: State,
    tries: u32,
    history: History,
    /// The record has no first entry yet.
    new_record: bool,
    epoch: u64,
    /// What storage holds, once it was listed.
    found: Option<Vec<Found>>,
    leftovers: Option<Leftovers>,
    /// Why a part of it can't be seen.
    unseen: Option<String>,
    broken: BTreeMap<String, String>,
    doubted: BTreeMap<String, String>,
    /// What was verified whole; not looked at twice.
    whole: Option<Secured>,
    /// Points of a session's jobs that were looked at.
    proven: BTreeSet<String>,
    /// The newest epoch's holder was looked at, and is in nobody's way.
    passed: bool,
    /// Nobody else was promised the next epoch.
    no_heir: bool,
    /// What should have been started instead of that which runs, where no gate was there.
    instead: Option<String>,
}

impl Start {
    /// Begins a start.
    #[must_use]
    pub fn begin(plan: Plan) -> Self {
        Self {
            plan,
            state: State::Load,
            tries: 0,
            history: History::default(),
            new_record: false,
            epoch: 0,
            found: None,
            leftovers: None,
            unseen: None,
            broken: BTreeMap::new(),
            doubted: BTreeMap::new(),
            whole: None,
            proven: BTreeSet::new(),
            passed: false,
            no_heir: false,
            instead: None,
        }
    }

    /// What to do now.
    #[must_use]
    pub fn next(&self, now: Moment) -> Step {
        let effect = match &self.state {
            State::Load => Effect::Load,
            State::LookAtHeir(pod) => Effect::LookAt(pod.clone()),
            State::Look(holder) => Effect::Look(holder.clone()),
            State::Ask { number, by, .. } => {
                Effect::Append { epoch: *number, facts: vec![Fact::HandoverAsked { by: by.clone() }] }
            }
            State::Nudge { holder, .. } => Effect::Nudge(holder.clone()),
            State::Rebuild => Effect::Rebuild,
            State::Copy(late) => Effect::Copy(late.clone()),
            State::Claim => Effect::Append { epoch: self.epoch, facts: self.claim() },
            State::List => self.list(),
            State::LookAtLeftovers(places) => Effect::LookAtLeftovers(places.clone()),
            State::DeclareEnded { places, job_id, .. } => Effect::DeclareEnded(places.clone(), *job_id),
            State::Verify { point, .. } | State::VerifyJob { point, .. } => Effect::Verify(point.path.clone()),
            State::Salvage { epoch, saved, .. } | State::SalvageJob { epoch, saved } => {
                Effect::Append { epoch: *epoch, facts: vec![Fact::Saved(saved.clone())] }
            }
            State::Base { choice } => {
                Effect::Append { epoch: self.epoch, facts: vec![Fact::Based(self.based(choice))] }
            }
            State::Mark(go) => Effect::Mark { epoch: go.epoch },
            State::Done(verdict) => return Step::Done(verdict.clone()),
        };
        let patience = if matches!(effect, Effect::Verify(_)) { VERIFY } else { REQUEST };
        Step::Do { effect, until: now.plus(patience) }
    }

    /// Takes in what happened.
    pub fn on(&mut self, event: Event) {
        match (self.state.clone(), event) {
            (State::Load, Event::Loaded(Ok(loaded))) => self.loaded(loaded),
            (State::Load, Event::Loaded(Err(trouble))) | (State::Mark(_), Event::Marked(Err(trouble))) => {
                self.trouble(trouble);
            }
            (State::LookAtHeir(_) | State::Look(_), Event::Liveness(Liveness::Unknown(trouble))) => {
                self.trouble(trouble);
            }
            (State::LookAtHeir(pod), Event::Liveness(Liveness::Alive(why))) => {
                let reason = format!("the JobManager was handed over to another pod, which has not started yet: {why}");
                self.done(Verdict::Later { reason, holder: Some(pod) });
            }
            (State::LookAtHeir(_), Event::Liveness(Liveness::Gone)) => {
                self.no_heir = true;
                self.look();
            }
            (State::Look(holder), Event::Liveness(Liveness::Alive(why))) => self.held(holder, &why),
            (State::Look(_), Event::Liveness(Liveness::Gone)) => self.pass(),
            (State::Ask { holder, why, .. }, Event::Appended(Appended::Done)) => {
                self.state = State::Nudge { holder, why };
            }
            (State::Nudge { holder, why }, Event::Nudged) => {
                let reason = format!("{why}; it was asked to stop with a savepoint and to hand over");
                self.done(Verdict::Later { reason, holder: Some(holder) });
            }
            (
                State::Rebuild
                | State::Copy(_)
                | State::Claim
                | State::Salvage { .. }
                | State::SalvageJob { .. }
                | State::Base { .. }
                | State::Ask { .. },
                Event::Appended(not_done @ (Appended::Conflict | Appended::Failed(_))),
            ) => match not_done {
                Appended::Failed(trouble) => self.trouble(trouble),
                Appended::Conflict | Appended::Done => self.again(),
            },
            (State::Rebuild | State::Copy(_), Event::Appended(Appended::Done)) => self.state = State::Load,
            (State::Claim, Event::Appended(Appended::Done)) => {
                self.new_record = false;
                self.state = State::List;
            }
            (State::List, Event::Listed(Ok(listing))) => self.listed(listing),
            (State::LookAtLeftovers(_), Event::Leftovers(Ok(leftovers))) => {
                self.leftovers = Some(leftovers);
                self.choose();
            }
            (State::List, Event::Listed(Err(trouble)))
            | (State::LookAtLeftovers(_), Event::Leftovers(Err(trouble)))
            | (State::DeclareEnded { .. }, Event::Declared(Err(trouble))) => self.trouble(trouble),
            (State::DeclareEnded { choice, .. }, Event::Declared(Ok(()))) => self.write_base(choice),
            (State::Verify { choice, point }, Event::Verified(search)) => self.verified(choice, point, search),
            (State::VerifyJob { one, point }, Event::Verified(search)) => self.verified_for(&one, &point, search),
            (State::SalvageJob { .. }, Event::Appended(Appended::Done)) => self.choose(),
            (State::Salvage { choice, .. }, Event::Appended(Appended::Done)) => self.state = State::Base { choice },
            (State::Base { choice }, Event::Appended(Appended::Done)) => {
                self.state = State::Mark(self.go(&choice, false));
            }
            (State::Mark(go), Event::Marked(Ok(()))) => self.done(Verdict::Go(go)),
            _ => {}
        }
    }

    fn claim(&self) -> Vec<Fact> {
        let created = Fact::Created { cluster: self.plan.cluster.clone(), record_id: self.plan.new_record_id };
        let claim = Fact::Claimed(Claim {
            job_id: self.job_id(),
            holder: self.plan.holder.clone(),
            directories: self.plan.directories.clone(),
            session: self.plan.session,
            without_gate: self.plan.ungated.is_some(),
        });
        if self.new_record && self.history.record_id.is_none() { vec![created, claim] } else { vec![claim] }
    }

    fn job_id(&self) -> Option<JobId> {
        match self.plan.job_ids {
            JobIds::Derived => Some(JobId::derived(&self.plan.cluster, self.epoch)),
            JobIds::Fixed(job_id) => Some(job_id),
            JobIds::Flink => None,
        }
    }

    fn list(&self) -> Effect {
        let own = &self.plan.directories;
        let earlier = self.history.directories().into_iter().filter(|one| one != own);
        let directories = std::iter::once(own.clone()).chain(earlier).collect();
        let latest = self.history.newest_based(self.epoch);
        let recorded = if self.plan.session || latest.is_some_and(|(_, epoch, _)| epoch.is_several()) {
            // Each job has a newest one of its own, in whichever epoch.
            self.history.saved().map(|(_, saved)| saved.point.clone()).collect()
        } else {
            latest.iter().flat_map(|(_, epoch, _)| epoch.saved.iter().map(|saved| saved.point.clone())).collect()
        };
        Effect::List { directories, recorded, adopt: latest.is_none() }
    }

    fn listed(&mut self, Listing { mut found, unseen }: Listing) {
        if let Some(reason) = unseen.as_ref().filter(|_| !self.plan.policy.trust_unverifiable) {
            return self.trouble(Trouble { reason: reason.clone(), passes: false });
        }
        self.unseen = unseen;
        if let Some(runs) = &self.plan.ungated {
            // What it has completed by now is not what it should have begun with.
            found.retain(|found| found.job_id != Some(runs.job_id));
        }
        let highest =
            found.iter().filter_map(|found| found.epoch.or_else(|| found.job_id?.epoch_of(&self.plan.cluster)));
        let highest = highest.max().unwrap_or(0);
        if self.plan.only_plan {
            self.epoch = self.epoch.max(highest + 1);
        } else if highest >= self.epoch && self.tries < TRIES {
            // Somebody whose claim is lost used this number: another one, so that no folder holds two histories.
            self.epoch = highest + 1;
            self.state = State::Claim;
            return self.count_try();
        }
        self.found = Some(found);
        match self.plan.directories.high_availability.clone() {
            Some(places) => self.state = State::LookAtLeftovers(places),
            None => self.choose(),
        }
    }

    /// What the choice rests on, once there was one.
    #[must_use]
    pub fn chosen_from(&self) -> Option<Situation> {
        self.found.as_ref().map(|_| self.situation())
    }

    fn situation(&self) -> Situation {
        Situation {
            cluster: self.plan.cluster.clone(),
            epoch: self.epoch,
            history: self.history.clone(),
            found: self.found.clone().unwrap_or_default(),
            explicit: self.explicit(),
            fixed_job_id: if let JobIds::Fixed(job_id) = self.plan.job_ids { Some(job_id) } else { None },
            policy: self.plan.policy,
            broken: self.broken.clone(),
            doubted: self.doubted.clone(),
            leftovers: self.leftovers.clone(),
            unseen: self.unseen.clone(),
            now: self.plan.now,
            session: self.plan.session,
        }
    }

    fn choose(&mut self) {
        if let Some(one) = self.unproven()
            && let Some(point) = one.point.clone()
        {
            self.state = State::VerifyJob { one, point };
            return;
        }
        let choice = choose(&self.situation());
        if let Some(runs) = self.plan.ungated.clone() {
            return self.take_up(choice, runs);
        }
        match &choice.decision {
            Decision::Restore(point) => {
                let point = point.clone();
                match self.whole.take_if(|secured| same(&secured.point.path, &point.path)) {
                    Some(secured) => self.verified(choice, point, Search::Found(secured)),
                    None => self.state = State::Verify { choice, point },
                }
            }
            Decision::Fresh | Decision::Resubmit => self.base(choice),
            Decision::Hold | Decision::Refuse => {
                let Choice { decision, reason, candidates, .. } = choice;
                self.done(Verdict::No { decision, reason, candidates });
            }
        }
    }

    fn verified(&mut self, mut choice: Choice, point: PointRef, search: Search) {
        let why = match search {
            Search::Found(secured) => {
                if let Some(doubt) = &secured.doubt
                    && self.doubted.insert(point.path.clone(), doubt.clone()).is_none()
                {
                    // What policy says of that is part of the choice.
                    self.whole = Some(Secured { point, ..secured });
                    return self.choose();
                }
                let checkpoint_id = secured.point.checkpoint_id.or(point.checkpoint_id);
                let point = PointRef { checkpoint_id, ..point };
                choice.decision = Decision::Restore(point.clone());
                self.whole = Some(Secured { point, ..secured });
                return self.base(choice);
            }
            Search::Unreadable(reason) => {
                return self
                    .trouble(Trouble { reason: format!("{} can't be read: {reason}", point.path), passes: true });
            }
            Search::Nothing => "nothing is there".to_owned(),
            Search::Broken(why) => why,
        };
        // A policy that allows older points may have to pass over several; each is looked at once.
        if self.broken.insert(point.path.clone(), why).is_some() {
            return self.refuse(format!("{} can't be used", point.path));
        }
        self.choose();
    }

    fn base(&mut self, choice: Choice) {
        if self.plan.only_plan {
            let go = self.go(&choice, false);
            return self.done(Verdict::Go(go));
        }
        let places = self.plan.directories.high_availability.clone();
        match (choice.dealing.clone(), places) {
            (Dealing::Finish(job_id), Some(places)) => self.state = State::DeclareEnded { places, job_id, choice },
            _ => self.write_base(choice),
        }
    }

    fn write_base(&mut self, choice: Choice) {
        let whole = base_of(&choice).and(self.whole.as_ref());
        let found = self.found.as_deref().unwrap_or_default();
        self.state = match whole.and_then(|whole| salvage(&self.history, found, whole, self.plan.now)) {
            Some((epoch, saved)) => State::Salvage { epoch, saved, choice },
            None => State::Base { choice },
        };
    }

    fn based(&self, choice: &Choice) -> Based {
        let base = base_of(choice);
        Based {
            seen: unattributed(&self.situation(), base.as_ref()),
            base,
            explicit: self.plan.explicit.as_deref().map(normalize),
            consumed: choice.consumed,
            or: others(choice),
            cleans_up: matches!(choice.dealing, Dealing::Finish(_)),
            reason: choice.reason.clone(),
        }
    }

    fn go(&self, choice: &Choice, resumed: bool) -> Go {
        Go {
            epoch: self.epoch,
            job_id: self.job_id(),
            base: base_of(choice),
            or: others(choice),
            cleans_up: matches!(choice.dealing, Dealing::Finish(_)),
            reason: choice.reason.clone(),
            candidates: choice.candidates.clone(),
            goes_back: choice.goes_back,
            jobs: if choice.decision == Decision::Resubmit { self.jobs() } else { Vec::new() },
            resumed,
            ungated: self.plan.ungated.is_some(),
            instead: self.instead.clone(),
        }
    }

    fn again(&mut self) {
        self.state = State::Load;
        self.passed = false;
        self.no_heir = false;
        self.count_try();
    }

    fn count_try(&mut self) {
        self.tries += 1;
        if self.tries > TRIES {
            self.done(Verdict::Later { reason: "others keep writing to the record".to_owned(), holder: None });
        }
    }

    fn trouble(&mut self, trouble: Trouble) {
        let Trouble { reason, passes } = trouble;
        if passes {
            self.done(Verdict::Later { reason, holder: None });
        } else {
            self.refuse(reason);
        }
    }

    fn refuse(&mut self, reason: String) {
        self.done(Verdict::No { decision: Decision::Refuse, reason, candidates: Vec::new() });
    }

    fn done(&mut self, verdict: Verdict) {
        self.state = State::Done(verdict);
    }
}

fn base_of(choice: &Choice) -> Option<PointRef> {
    match &choice.decision {
        Decision::Restore(point) => Some(point.clone()),
        Decision::Fresh | Decision::Resubmit | Decision::Hold | Decision::Refuse => None,
    }
}

fn others(choice: &Choice) -> Vec<String> {
    match &choice.dealing {
        Dealing::Recovered(others) => others.clone(),
        Dealing::None | Dealing::Finish(_) => Vec::new(),
    }
}

#[cfg(test)]
mod tests;
