//! A savepoint of a job that goes on, as a state machine: look → list → ask → wait → verify → record.
//!
//! It has the care of a stop, and no deadline. One trigger id; the request is repeated under it when its reply is lost; its result is
//! always read, as Flink's JobManager does not end before (measured on 1.20.5); a failure is believed only after storage was
//! searched. Once a stop has begun nothing is asked for any more, for that would be in the stop's way, and nothing searched for, for
//! the stop's own savepoint would be found; but what Flink is already working on is followed to its end.

use std::time::Duration;

use super::entry::Attempt;
use super::stop::{JobState, JobsReply, PollReply, PostReply, RecordReply, Search, Secured};
use super::time::Moment;

/// How long one request to Flink or to the record may take.
const REQUEST: Duration = Duration::from_secs(5);
/// How long a look into storage may take. The job works meanwhile.
const LOOK: Duration = Duration::from_secs(10 * 60);
/// How long Flink or storage may be unreachable before that counts.
const PATIENCE: Duration = Duration::from_secs(20);
/// The stop waits for it too, and records it if it is complete.
const AFTER_A_STOP: &str =
    "a stop has begun, and the JobManager has ended: savepointd history tells whether it was complete before";
/// How long at most its result is left unread beside a stop, which ends the JobManager soon.
const PROMPT: Duration = Duration::from_millis(50);
const RETRY: Duration = Duration::from_millis(100);
const RETRY_STORE: Duration = Duration::from_secs(1);

type Step = super::Step<Effect, Verdict>;

/// What a savepoint asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// List the jobs. Answer: [`Event::Jobs`].
    ReadJobs,
    /// List what lies where the savepoint will: none of it is what will be asked for. Answer: [`Event::Listed`].
    List,
    /// Ask Flink for it. Answer: [`Event::Posted`].
    Post,
    /// Read the request's result. Answer: [`Event::Polled`].
    Poll,
    /// Look for a complete savepoint that was not there before. Answer: [`Event::Searched`].
    Search,
    /// Look at the one that Flink named. Answer: [`Event::Searched`].
    Verify(String),
    /// Record it. Answer: [`Event::Recorded`].
    Record(Taken),
}

/// What came of an [`Effect`], or what happened besides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The jobs of the cluster.
    Jobs(JobsReply),
    /// The listing is known, or why not.
    Listed(Result<(), String>),
    /// Flink's answer to the request.
    Posted(PostReply),
    /// The request's result.
    Polled(PollReply),
    /// What storage holds.
    Searched(Search),
    /// What the record said.
    Recorded(RecordReply),
    /// A stop has begun.
    StopBegan,
    /// The JobManager's process has ended.
    JobManagerGone,
}

/// A savepoint that is durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// Which.
    pub secured: Secured,
    /// From the request to its completion.
    pub took: Duration,
}

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is durable and recorded.
    Saved(Taken),
    /// There is none.
    Not {
        /// Why, in words.
        reason: String,
        /// Whether it may go better by itself.
        passes: bool,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Look,
    List,
    Post,
    Poll,
    Search { reason: String },
    Verify { location: String },
    Record(Taken),
    Done(Verdict),
}

/// One savepoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taking {
    attempt: Attempt,
    state: State,
    not_before: Moment,
    /// When the present trouble is not waited out any longer.
    patient_until: Moment,
    posted: Option<Moment>,
    took: Duration,
    stopping: bool,
    gone: bool,
}

impl Taking {
    /// Begins one.
    #[must_use]
    pub fn begin(attempt: Attempt, now: Moment) -> Self {
        Self {
            attempt,
            state: State::Look,
            not_before: now,
            patient_until: now.plus(PATIENCE),
            posted: None,
            took: Duration::ZERO,
            stopping: false,
            gone: false,
        }
    }

    /// The request, while Flink may be working on it or keeps its result for us.
    #[must_use]
    pub fn in_flight(&self) -> Option<&Attempt> {
        (self.posted.is_some() && matches!(self.state, State::Post | State::Poll)).then_some(&self.attempt)
    }

    /// What to do now.
    pub fn next(&mut self, now: Moment) -> Step {
        self.leave_what_is_hopeless(now);
        if now < self.not_before && !matches!(self.state, State::Done(_)) {
            return Step::Wait(self.not_before);
        }
        let (effect, slice) = match &self.state {
            State::Look => (Effect::ReadJobs, REQUEST),
            State::List => (Effect::List, LOOK),
            State::Post => (Effect::Post, REQUEST),
            State::Poll => (Effect::Poll, REQUEST),
            State::Search { .. } => (Effect::Search, LOOK),
            State::Verify { location } => (Effect::Verify(location.clone()), LOOK),
            State::Record(taken) => (Effect::Record(taken.clone()), REQUEST),
            State::Done(verdict) => return Step::Done(verdict.clone()),
        };
        if effect == Effect::Post {
            self.posted.get_or_insert(now);
        }
        Step::Do { effect, until: now.plus(slice) }
    }

    /// Nothing is asked for beside a stop, and nobody is left to ask once the JobManager has gone.
    fn leave_what_is_hopeless(&mut self, now: Moment) {
        let asked = self.posted.is_some();
        let gone = "the JobManager's process has ended";
        match self.state {
            State::Look | State::List | State::Post if self.gone && !asked => self.not(gone, true),
            State::Post | State::Poll if self.gone && self.stopping => self.not(AFTER_A_STOP, true),
            State::Post | State::Poll if self.gone => self.search(now, gone),
            State::Look | State::List | State::Post if self.stopping && !asked => self.not("a stop has begun", true),
            // What was sent may have arrived.
            State::Post if self.stopping => self.go(now, State::Poll),
            State::Search { .. } if self.stopping => self.not("Flink gave it up, and a stop has begun", true),
            _ => {}
        }
    }

    /// Takes in what happened. An answer to something that is no longer awaited is ignored.
    pub fn on(&mut self, event: Event, now: Moment) {
        self.leave_what_is_hopeless(now);
        match (self.state.clone(), event) {
            (_, Event::StopBegan) => {
                self.stopping = true;
                self.not_before = self.not_before.min(now.plus(PROMPT));
            }
            (_, Event::JobManagerGone) => self.gone = true,
            (State::Look, Event::Jobs(reply)) => self.looked(reply, now),
            (State::List, Event::Listed(Ok(()))) => self.go(now, State::Post),
            (State::List, Event::Listed(Err(why))) => self.not(&format!("what is there can't be listed: {why}"), true),
            (State::Post, Event::Posted(reply)) => match reply {
                PostReply::Accepted => self.go(now, State::Poll),
                PostReply::Lost(_) if now.since(self.posted.unwrap_or(now)) < PATIENCE => {
                    self.pause(now, RETRY, State::Post);
                }
                PostReply::Lost(_) => self.go(now, State::Poll),
                PostReply::Refused(reason) => self.search(now, &reason),
            },
            (State::Poll, Event::Polled(reply)) => self.polled(reply, now),
            (State::Search { reason }, Event::Searched(search)) => match search {
                Search::Found(secured) => self.record(now, secured),
                Search::Unreadable(_) if self.is_patient(now) => {
                    self.pause(now, RETRY_STORE, State::Search { reason });
                }
                Search::Nothing => self.not(&reason, true),
                Search::Broken(why) | Search::Unreadable(why) => self.not(&format!("{reason}; {why}"), true),
            },
            (State::Verify { location }, Event::Searched(search)) => match search {
                Search::Found(secured) => self.record(now, secured),
                Search::Nothing => self.not(&format!("Flink named {location}, but nothing is there"), true),
                Search::Broken(why) => self.not(&format!("Flink named {location}, but it is not whole: {why}"), true),
                Search::Unreadable(_) if self.is_patient(now) => {
                    self.pause(now, RETRY_STORE, State::Verify { location });
                }
                // Flink wrote it and says so; that our own look failed makes it no worse. A start looks again.
                Search::Unreadable(why) => self.record(now, Secured::unread(&location, None, &why)),
            },
            (State::Record(taken), Event::Recorded(reply)) => match reply {
                RecordReply::Done => self.state = State::Done(Verdict::Saved(taken)),
                RecordReply::Failed(_) => self.pause(now, RETRY_STORE, State::Record(taken)),
                RecordReply::Superseded(reason) => self.not(&reason, false),
            },
            _ => {}
        }
    }

    fn looked(&mut self, reply: JobsReply, now: Moment) {
        let jobs = match reply {
            JobsReply::Listed(jobs) => jobs,
            JobsReply::Unreachable(_) if now < self.patient_until => return self.pause(now, RETRY, State::Look),
            JobsReply::Unreachable(why) => return self.not(&format!("Flink does not answer ({why})"), true),
        };
        let Some(job) = jobs.iter().find(|job| job.id == self.attempt.job_id) else {
            return self.not(&format!("Flink does not list job {}", self.attempt.job_id), true);
        };
        if job.state.is_terminal() {
            self.not("the job is at its end", false);
        } else if job.state == JobState::Active && job.all_tasks_up {
            self.go(now, State::List);
        } else {
            self.not("not all tasks of the job are running", true);
        }
    }

    fn polled(&mut self, reply: PollReply, now: Moment) {
        let so_far = now.since(self.posted.unwrap_or(now));
        match reply {
            PollReply::InProgress => {
                // Prompt when it is quick, light when it is slow.
                let most = if self.stopping { PROMPT } else { Duration::from_secs(1) };
                let pause = (so_far / 20).clamp(Duration::from_millis(20), most);
                self.pause(now, pause, State::Poll);
            }
            PollReply::Lost(_) => self.pause(now, RETRY, State::Poll),
            PollReply::Completed(location) => {
                (self.took, self.patient_until) = (so_far, now.plus(PATIENCE));
                self.go(now, State::Verify { location });
            }
            PollReply::Failed { reason, .. } if self.stopping => {
                self.not(&format!("Flink gave it up for the stop that has begun: {reason}"), true);
            }
            PollReply::Failed { reason, .. } => self.search(now, &reason),
            PollReply::Unknown if self.stopping => self.not("a stop has begun", true),
            PollReply::Unknown => self.search(now, "Flink does not know the request any more"),
        }
    }

    fn is_patient(&self, now: Moment) -> bool {
        now < self.patient_until && !self.stopping && !self.gone
    }

    fn search(&mut self, now: Moment, reason: &str) {
        (self.took, self.patient_until) = (now.since(self.posted.unwrap_or(now)), now.plus(PATIENCE));
        self.go(now, State::Search { reason: reason.to_owned() });
    }

    fn record(&mut self, now: Moment, secured: Secured) {
        let taken = Taken { secured, took: self.took };
        self.go(now, State::Record(taken));
    }

    fn not(&mut self, reason: &str, passes: bool) {
        self.state = State::Done(Verdict::Not { reason: reason.to_owned(), passes });
    }

    fn go(&mut self, now: Moment, state: State) {
        self.pause(now, Duration::ZERO, state);
    }

    fn pause(&mut self, now: Moment, pause: Duration, state: State) {
        self.not_before = now.plus(pause);
        self.state = state;
    }
}

#[cfg(test)]
mod tests;
