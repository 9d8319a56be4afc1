//! The stop as a state machine: signal → deadline → rung → savepoint → verify → record → release.
//!
//! One thing is under way at any time. [`Stop::next`] says what; whoever drives it does that, no longer than it says,
//! and reports with [`Stop::on`]. The rungs, decided before anything is asked of Flink (`stop/rung.rs`): stop-with-savepoint; before
//! it a checkpoint on demand, where its fit is doubtful; where Flink or the deadline allows no savepoint, the newest completed
//! checkpoint. What is in flight already is joined (`stop/joining.rs`). After a request for a savepoint there is no other
//! request before the answer to the first was read: a second stop destroys the first (measured on Flink 1.20.5).

mod clearing;
mod ending;
mod facts;
mod insurance;
mod joining;
mod messages;
mod rung;
mod writing;

use std::time::Duration;

pub use facts::Around;
pub use messages::{
    CheckpointReply, Effect, Ending, Event, InFlight, Job, JobState, JobsReply, Newest, Plan, PollReply, PostReply,
    RecordReply, Release, Search, Secured, Survey,
};

use super::entry::Attempt;
use super::id::{JobId, TriggerId};
use super::time::{Deadline, Moment};
use insurance::OnDemand;
use joining::Joining;
use rung::Insurance;
use writing::Writing;

/// How long one request to Flink, to the store or to the record may take.
const REQUEST: Duration = Duration::from_secs(5);
/// How long a look into storage may take: a point with many files is verified in a few seconds. The job is down
/// meanwhile, and the next start looks again.
const LOOK: Duration = Duration::from_secs(10);
/// How long the note of a request may hold it up: whoever asked for the stop is told of it too.
const NOTE: Duration = Duration::from_secs(1);
/// How long Flink's statistics may hold a stop up, and how often they are asked for if they don't come.
const SURVEY: Duration = Duration::from_secs(1);
const SURVEYS: u8 = 2;
/// How long at most a stop waits for a job whose tasks are not all running.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long after the savepoint the job may take to become terminal before the JobManager is ended all the same.
const SETTLE: Duration = Duration::from_secs(2);
/// Requests for a savepoint in one stop.
const ATTEMPTS: u32 = 5;
const LOOK_AGAIN: Duration = Duration::from_millis(150);
const RETRY: Duration = Duration::from_millis(100);

type Step = super::Step<Effect, Release>;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum State {
    Look,
    Survey(JobId),
    /// A savepoint of ours that was in flight when the stop began is waited for.
    Join(Joining),
    VerifyJoined {
        joining: Joining,
        location: String,
    },
    SearchJoined(Joining),
    PostCheckpoint(OnDemand),
    PollCheckpoint(OnDemand),
    Note(Attempt),
    Post(Attempt),
    Poll(Attempt),
    Search {
        attempt: Attempt,
        reason: String,
        transient: bool,
    },
    Verify {
        attempt: Attempt,
        location: String,
    },
    FindCheckpoint {
        reason: String,
        /// The job to be stopped with a savepoint all the same, if there is none.
        otherwise: Option<JobId>,
    },
    ReadEnd {
        job_id: JobId,
        state: JobState,
    },
    Record(Writing),
    /// The record can't be written now: the marker says it until then.
    Mark(Writing),
    /// A result that was not read keeps the JobManager from ending.
    Reread(Release, Attempt),
    Settle(Release),
    Clear {
        release: Release,
        /// What the last look showed.
        left: Option<String>,
    },
    Done(Release),
}

/// One stop.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Stop {
    plan: Plan,
    state: State,
    not_before: Moment,
    /// How long the job's tasks are waited for, from the first look on: a stop may have lingered before.
    look_until: Option<Moment>,
    posted: Option<Moment>,
    settle_until: Moment,
    attempts: u32,
    /// The newest request for a savepoint.
    asked: Option<Attempt>,
    /// How often Flink is still to be asked what it is doing.
    surveys: u8,
    survey: Survey,
    /// Somebody else's stop-with-savepoint is under way, as far as is known.
    theirs: bool,
    courtesy_until: Option<Moment>,
    insurance: Insurance,
    /// What was in flight when the stop began, and became complete.
    joined: Option<(Secured, InFlight)>,
    /// A savepoint of ours that was in flight, and was given up for the final one.
    unread: Option<InFlight>,
    /// By what the rung was chosen, in words.
    why: Option<String>,
    ran: bool,
    gone: bool,
}

impl Stop {
    /// Begins a stop. A request that somebody has made already is gone on with.
    #[must_use]
    pub fn begin(plan: Plan) -> Self {
        let began = plan.began;
        let (state, attempts) = match plan.resume.clone() {
            Some(attempt) => {
                let number = number(plan.seed, &attempt);
                (State::Post(attempt), number)
            }
            None => (State::Look, 0),
        };
        let (ran, asked) = (plan.ran, plan.resume.clone());
        Self {
            plan,
            state,
            not_before: began,
            look_until: None,
            posted: None,
            settle_until: began,
            attempts,
            asked,
            surveys: if attempts == 0 { SURVEYS } else { 0 },
            survey: Survey::default(),
            theirs: false,
            courtesy_until: None,
            insurance: Insurance::None,
            joined: None,
            unread: None,
            why: None,
            ran,
            gone: false,
        }
    }

    /// Only writes what the stops of several jobs came to together.
    #[must_use]
    pub fn concluding(plan: Plan, ending: Ending) -> Self {
        let began = plan.began;
        let mut stop = Self::begin(Plan { resume: None, ..plan });
        stop.write(began, ending);
        stop
    }

    /// When the first sign of the stop came.
    #[must_use]
    pub fn began(&self) -> Moment {
        self.plan.began
    }

    /// The request that is under way, for whoever may have to go on with it.
    #[must_use]
    pub fn attempt(&self) -> Option<&Attempt> {
        match &self.state {
            State::Note(attempt) | State::Post(attempt) | State::Poll(attempt) => Some(attempt),
            State::Search { attempt, .. } | State::Verify { attempt, .. } => Some(attempt),
            _ => None,
        }
    }

    /// Moves the deadline: somebody said more exactly, or shorter, when the container is killed.
    pub fn set_deadline(&mut self, deadline: Deadline) {
        self.plan.deadline = deadline;
        self.look_until = self.look_until.map(|until| until.min(deadline.cutoff()));
    }

    /// What to do now.
    pub fn next(&mut self, now: Moment) -> Step {
        self.leave_what_was_in_flight(now);
        self.leave_what_is_hopeless(now);
        self.leave_a_record_that_is_late(now);
        self.leave_what_is_not_cleared(now);
        if let State::Done(release) = &self.state {
            return Step::Done(release.clone());
        }
        if now < self.not_before {
            let wake = self.not_before.min(self.limit(now));
            if now < wake {
                return Step::Wait(wake);
            }
        }
        let cutoff = self.plan.deadline.cutoff();
        self.look_until.get_or_insert_with(|| patience(now, cutoff));
        let effect = match &self.state {
            State::Look | State::Settle(_) => Effect::ReadJobs,
            State::Survey(job_id) => Effect::Survey(*job_id),
            State::Join(joining) => Effect::Poll(joining.in_flight.attempt.clone()),
            State::Reread(_, attempt) => Effect::Poll(attempt.clone()),
            State::VerifyJoined { location, .. } => Effect::Verify(location.clone()),
            State::SearchJoined(_) => Effect::Search(None),
            State::PostCheckpoint(asked) => Effect::PostCheckpoint(asked.job_id, asked.trigger_id),
            State::PollCheckpoint(asked) => Effect::PollCheckpoint(asked.job_id, asked.trigger_id),
            State::Note(attempt) => Effect::Note(attempt.clone()),
            State::Post(attempt) => Effect::Post(attempt.clone()),
            State::Poll(attempt) => Effect::Poll(attempt.clone()),
            State::Search { .. } => Effect::Search(self.highest()),
            State::Verify { location, .. } => Effect::Verify(location.clone()),
            State::FindCheckpoint { .. } => Effect::FindCheckpoint,
            State::ReadEnd { job_id, .. } => Effect::ReadEnd(*job_id),
            State::Record(writing) => Effect::Record(writing.ending.clone()),
            State::Mark(writing) => Effect::Mark(writing.ending.clone()),
            State::Clear { .. } => Effect::LookAtLeftovers,
            State::Done(release) => return Step::Done(release.clone()),
        };
        if matches!(effect, Effect::Post(_)) {
            self.posted.get_or_insert(now);
        }
        Step::Do { effect, until: self.until(now) }
    }

    /// States that need Flink end with the cutoff, or with the JobManager's process.
    fn leave_what_is_hopeless(&mut self, now: Moment) {
        let late = now >= self.plan.deadline.cutoff();
        if !late && !self.gone {
            return;
        }
        let reason = if self.gone { "the JobManager's process has ended" } else { "the deadline's reserve has begun" };
        match &self.state {
            State::Look | State::Survey(_) if self.theirs => {
                self.find_checkpoint(
                    now,
                    &format!("{reason}, and somebody else's stop-with-savepoint was not at its end"),
                );
            }
            // Not asked for yet, or nothing that could be missed has come of it.
            State::Look | State::Survey(_) | State::PostCheckpoint(_) | State::PollCheckpoint(_) | State::Note(_) => {
                self.find_checkpoint(now, reason);
            }
            State::Join(joining) => {
                let joining = joining.clone();
                self.go(now, State::SearchJoined(joining));
            }
            State::ReadEnd { job_id, state } => {
                let (job_id, state) = (*job_id, *state);
                self.ended(job_id, state, None, now);
            }
            State::Post(attempt) | State::Poll(attempt) => {
                let attempt = attempt.clone();
                self.search(now, attempt, reason.to_owned(), false);
            }
            State::Settle(release) | State::Reread(release, _) => self.settled(release.clone(), now),
            State::Search { .. }
            | State::Verify { .. }
            | State::VerifyJoined { .. }
            | State::SearchJoined(_)
            | State::FindCheckpoint { .. }
            | State::Record(_)
            | State::Mark(_)
            | State::Clear { .. }
            | State::Done(_) => {}
        }
    }

    /// When the present state is given up.
    fn limit(&self, now: Moment) -> Moment {
        let deadline = self.plan.deadline;
        match &self.state {
            State::Record(writing) | State::Mark(writing) => writing.limit(deadline),
            State::Clear { .. } => deadline.record_until(),
            _ if now >= deadline.cutoff() => deadline.record_until(),
            State::Settle(_) | State::Reread(..) => self.settle_until.min(deadline.cutoff()),
            State::Join(joining) => joining.until.min(deadline.cutoff()),
            _ => deadline.cutoff(),
        }
    }

    fn until(&self, now: Moment) -> Moment {
        let slice = match &self.state {
            State::Record(writing) => writing.slice(now, self.limit(now)),
            State::Mark(_) => REQUEST,
            // Searching, finding and verifying together leave a part of the reserve to the record.
            _ if now >= self.plan.deadline.cutoff() => self.plan.deadline.reserve / 8,
            State::Note(_) => NOTE,
            State::Survey(_) => SURVEY.min(self.left(now) / 10),
            State::Search { .. }
            | State::Verify { .. }
            | State::VerifyJoined { .. }
            | State::SearchJoined(_)
            | State::FindCheckpoint { .. } => LOOK,
            _ => REQUEST,
        };
        now.plus(slice).min(self.limit(now))
    }

    /// Takes in what happened. An answer to something that is no longer awaited is ignored.
    pub fn on(&mut self, event: Event, now: Moment) {
        if event == Event::JobManagerGone {
            self.gone = true;
            return;
        }
        match (self.state.clone(), event) {
            (State::Look, Event::Jobs(reply)) => self.looked(reply, now),
            (State::Survey(job_id), Event::Surveyed(survey)) => self.surveyed(job_id, survey, now),
            (State::Join(joining), Event::Polled(reply)) => self.joined(joining, reply, now),
            (State::VerifyJoined { joining, location }, Event::Searched(search)) => {
                self.found_joined(joining, Some(&location), search, now);
            }
            (State::SearchJoined(joining), Event::Searched(search)) => self.found_joined(joining, None, search, now),
            (State::PostCheckpoint(asked), Event::CheckpointPosted(reply)) => {
                self.checkpoint_was_posted(asked, &reply, now);
            }
            (State::PollCheckpoint(asked), Event::CheckpointPolled(reply)) => {
                self.checkpoint_polled(asked, &reply, now);
            }
            (State::Note(attempt), Event::Noted) => self.go(now, State::Post(attempt)),
            (State::Post(attempt), Event::Posted(reply)) => self.was_posted(attempt, reply, now),
            (State::Poll(attempt), Event::Polled(reply)) => self.polled(attempt, reply, now),
            (State::Search { attempt, reason, transient }, Event::Searched(search)) => {
                self.searched(attempt, &reason, transient, search, now);
            }
            (State::Verify { attempt, location }, Event::Searched(search)) => match search {
                // Doubtful or not: it is the best there is, and its doubt is recorded with it.
                Search::Found(secured) => self.save(now, secured, Some(attempt), "taken by Flink"),
                Search::Nothing => self.find_checkpoint(now, &format!("Flink named {location}, but nothing is there")),
                Search::Broken(why) => {
                    self.find_checkpoint(now, &format!("Flink named {location}, but it is not whole: {why}"));
                }
                // Flink wrote it and says so; that our own look failed makes it no worse. The next start looks again.
                Search::Unreadable(why) => {
                    let secured = Secured::unread(&location, Some(attempt.job_id), &why);
                    self.save(now, secured, Some(attempt), "taken by Flink");
                }
            },
            (State::FindCheckpoint { reason, otherwise }, Event::Searched(search)) => {
                self.found_checkpoint(reason, otherwise, search, now);
            }
            (State::ReadEnd { job_id, state }, Event::End(end)) => self.ended(job_id, state, end, now),
            (State::Record(writing), Event::Recorded(reply)) => self.recorded(writing, reply, now),
            (State::Mark(writing), Event::Marked(marked)) => self.marked(writing, marked, now),
            (State::Reread(release, attempt), Event::Polled(reply)) => match reply {
                PollReply::InProgress | PollReply::Lost(_) if now < self.settle_until => {
                    self.pause(now, RETRY, State::Reread(release, attempt));
                }
                _ => self.go(now, State::Settle(release)),
            },
            (State::Settle(release), Event::Jobs(reply)) => {
                let settled = match reply {
                    JobsReply::Listed(jobs) => self.pick(&jobs).is_none_or(|job| job.state.is_terminal()),
                    JobsReply::Unreachable(_) => true,
                };
                if settled || now >= self.settle_until {
                    self.settled(release, now);
                } else {
                    self.pause(now, Duration::from_millis(20), State::Settle(release));
                }
            }
            (State::Clear { release, .. }, Event::Left(left)) => self.cleared(release, left, now),
            _ => {}
        }
    }

    fn looked(&mut self, reply: JobsReply, now: Moment) {
        let jobs = match reply {
            JobsReply::Listed(jobs) => jobs,
            JobsReply::Unreachable(why) if !self.ran => {
                return self.find_checkpoint(now, &format!("Flink was not up yet ({why})"));
            }
            JobsReply::Unreachable(why) => return self.look_again(now, &format!("Flink does not answer ({why})")),
        };
        let Some(job) = self.pick(&jobs) else {
            return if jobs.len() > 1 {
                let count = jobs.len();
                self.find_checkpoint(
                    now,
                    &format!("the cluster runs {count} jobs, and none of them is known to be ours"),
                );
            } else if self.ran {
                self.look_again(now, "Flink lists no job");
            } else {
                self.find_checkpoint(now, "the job was not submitted yet");
            };
        };
        self.ran |= job.any_task_up;
        if job.state.is_terminal() {
            self.go(now, State::ReadEnd { job_id: job.id, state: job.state });
        } else if job.state == JobState::Active && job.all_tasks_up {
            self.ready(job.id, now);
        } else if self.ran {
            self.look_again(now, "not all tasks of the job are running");
        } else {
            self.find_checkpoint(now, "the job had not begun to work yet");
        }
    }

    fn pick(&self, jobs: &[Job]) -> Option<Job> {
        let ours = self.plan.job_id.or_else(|| self.attempt().map(|attempt| attempt.job_id));
        let named = jobs.iter().find(|job| Some(job.id) == ours);
        let only = if let [job] = jobs { Some(job) } else { None };
        named.or_else(|| only.filter(|_| !self.plan.several)).cloned()
    }

    fn look_again(&mut self, now: Moment, reason: &str) {
        if self.look_until.is_some_and(|until| now >= until) {
            self.find_checkpoint(now, reason);
        } else {
            self.pause(now, LOOK_AGAIN, State::Look);
        }
    }

    fn was_posted(&mut self, attempt: Attempt, reply: PostReply, now: Moment) {
        match reply {
            PostReply::Accepted => self.go(now, State::Poll(attempt)),
            PostReply::Lost(_) => self.pause(now, RETRY, State::Post(attempt)),
            PostReply::Refused(reason) => self.search(now, attempt, reason, false),
        }
    }

    fn polled(&mut self, attempt: Attempt, reply: PollReply, now: Moment) {
        match reply {
            PollReply::InProgress => {
                let so_far = now.since(self.posted.unwrap_or(now));
                // The others have to be asked, too.
                let part = if self.plan.several { 20 } else { 100 };
                self.pause(now, pace(so_far, part), State::Poll(attempt));
            }
            PollReply::Completed(location) => self.go(now, State::Verify { attempt, location }),
            PollReply::Failed { reason, transient } => self.search(now, attempt, reason, transient),
            PollReply::Unknown => {
                let reason = "Flink does not know the request any more".to_owned();
                self.search(now, attempt, reason, true);
            }
            PollReply::Lost(_) => self.pause(now, RETRY, State::Poll(attempt)),
        }
    }

    /// How long Flink may still be waited for.
    fn left(&self, now: Moment) -> Duration {
        self.plan.deadline.cutoff().since(now)
    }

    fn go(&mut self, now: Moment, state: State) {
        self.pause(now, Duration::ZERO, state);
    }

    fn pause(&mut self, now: Moment, pause: Duration, state: State) {
        self.not_before = now.plus(pause);
        self.state = state;
    }
}

/// The number of a request among those of its stop: the next one has another id. Of another stop's it is the first.
fn number(seed: TriggerId, attempt: &Attempt) -> u32 {
    (1..=ATTEMPTS).find(|number| TriggerId::nth(seed, *number) == attempt.trigger_id).unwrap_or(1)
}

/// When to ask again for what has been under way for so long. A part of that: prompt when it is quick, light when it is slow.
fn pace(so_far: Duration, part: u32) -> Duration {
    (so_far / part).clamp(Duration::from_millis(10), Duration::from_millis(250))
}

fn patience(now: Moment, cutoff: Moment) -> Moment {
    now.plus(PATIENCE.min(cutoff.since(now) / 2))
}

#[cfg(test)]
mod tests;
