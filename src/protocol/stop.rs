//! The stop as a state machine: signal → deadline → rung → savepoint → verify → record → release.
//!
//! One thing is under way at any time. [`Stop::next`] says what; whoever drives it does that, no longer than it says,
//! and reports with [`Stop::on`]. The rungs: stop-with-savepoint; where Flink or the deadline does not allow that, the
//! newest completed checkpoint. After a request for a savepoint there is no other request before the answer to the
//! first was read: a second stop destroys the first (measured on Flink 1.20.5).

mod messages;
mod writing;

use std::time::Duration;

pub use messages::{
    Effect, Ending, Event, Job, JobState, JobsReply, Plan, PollReply, PostReply, RecordReply, Release, Search, Secured,
};

use super::entry::{Attempt, End, EndKind};
use super::id::{JobId, TriggerId};
use super::outcome::StopOutcome;
use super::point::{PointRef, normalize};
use super::time::{Deadline, Moment};
use writing::Writing;

/// How long one request to Flink, to the store or to the record may take.
const REQUEST: Duration = Duration::from_secs(5);
/// How long a look into storage may take: a point with many files is verified in a few seconds. The job is down
/// meanwhile, and the next start looks again.
const LOOK: Duration = Duration::from_secs(10);
/// How long the note of a request may hold it up: whoever asked for the stop is told of it too.
const NOTE: Duration = Duration::from_secs(1);
/// How long at most a stop waits for a job whose tasks are not all running.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long after the savepoint the job may take to become terminal before the JobManager is ended all the same.
const SETTLE: Duration = Duration::from_secs(2);
/// Requests for a savepoint in one stop.
const ATTEMPTS: u32 = 5;
const LOOK_AGAIN: Duration = Duration::from_millis(150);
const RETRY: Duration = Duration::from_millis(100);

type Step = super::Step<Effect, Release>;

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Look,
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
    },
    ReadEnd {
        job_id: JobId,
        state: JobState,
    },
    Record(Writing),
    /// The record can't be written now: the marker says it until then.
    Mark(Writing),
    Settle(Release),
    Done(Release),
}

/// One stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stop {
    plan: Plan,
    state: State,
    not_before: Moment,
    look_until: Moment,
    posted: Option<Moment>,
    settle_until: Moment,
    attempts: u32,
    ran: bool,
    gone: bool,
}

impl Stop {
    /// Begins a stop. A request that somebody has made already is gone on with.
    #[must_use]
    pub fn begin(plan: Plan) -> Self {
        let began = plan.began;
        let look_until = patience(began, plan.deadline.cutoff());
        let (state, attempts) = match plan.resume.clone() {
            Some(attempt) => (State::Post(attempt), 1),
            None => (State::Look, 0),
        };
        let ran = plan.ran;
        Self {
            plan,
            state,
            not_before: began,
            look_until,
            posted: None,
            settle_until: began,
            attempts,
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

    /// The request that is under way, for whoever may have to go on with it.
    #[must_use]
    pub fn attempt(&self) -> Option<&Attempt> {
        match &self.state {
            State::Note(attempt) | State::Post(attempt) | State::Poll(attempt) => Some(attempt),
            State::Search { attempt, .. } | State::Verify { attempt, .. } => Some(attempt),
            State::Look
            | State::FindCheckpoint { .. }
            | State::ReadEnd { .. }
            | State::Record(_)
            | State::Mark(_)
            | State::Settle(_)
            | State::Done(_) => None,
        }
    }

    /// Moves the deadline: somebody said more exactly, or shorter, when the container is killed.
    pub fn set_deadline(&mut self, deadline: Deadline) {
        self.plan.deadline = deadline;
        self.look_until = self.look_until.min(deadline.cutoff());
    }

    /// What to do now.
    pub fn next(&mut self, now: Moment) -> Step {
        self.leave_what_is_hopeless(now);
        self.leave_a_record_that_is_late(now);
        if let State::Done(release) = &self.state {
            return Step::Done(release.clone());
        }
        if now < self.not_before {
            let wake = self.not_before.min(self.limit(now));
            if now < wake {
                return Step::Wait(wake);
            }
        }
        let effect = match &self.state {
            State::Look | State::Settle(_) => Effect::ReadJobs,
            State::Note(attempt) => Effect::Note(attempt.clone()),
            State::Post(attempt) => Effect::Post(attempt.clone()),
            State::Poll(attempt) => Effect::Poll(attempt.clone()),
            State::Search { .. } => Effect::Search,
            State::Verify { location, .. } => Effect::Verify(location.clone()),
            State::FindCheckpoint { .. } => Effect::FindCheckpoint,
            State::ReadEnd { job_id, .. } => Effect::ReadEnd(*job_id),
            State::Record(writing) => Effect::Record(writing.ending.clone()),
            State::Mark(writing) => Effect::Mark(writing.ending.clone()),
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
            State::Look => self.find_checkpoint(now, reason.to_owned()),
            State::ReadEnd { job_id, state } => {
                let (job_id, state) = (*job_id, *state);
                self.ended(job_id, state, None, now);
            }
            // Not asked for yet, so nothing can have come of it.
            State::Note(_) => self.find_checkpoint(now, reason.to_owned()),
            State::Post(attempt) | State::Poll(attempt) => {
                let attempt = attempt.clone();
                self.search(now, attempt, reason.to_owned(), false);
            }
            State::Settle(release) => self.state = State::Done(release.clone()),
            State::Search { .. }
            | State::Verify { .. }
            | State::FindCheckpoint { .. }
            | State::Record(_)
            | State::Mark(_)
            | State::Done(_) => {}
        }
    }

    /// When the present state is given up.
    fn limit(&self, now: Moment) -> Moment {
        let deadline = self.plan.deadline;
        match &self.state {
            State::Record(writing) | State::Mark(writing) => writing.limit(deadline),
            _ if now >= deadline.cutoff() => deadline.record_until(),
            State::Settle(_) => self.settle_until.min(deadline.cutoff()),
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
            State::Search { .. } | State::Verify { .. } | State::FindCheckpoint { .. } => LOOK,
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
            (State::Note(attempt), Event::Noted) => self.go(now, State::Post(attempt)),
            (State::Post(attempt), Event::Posted(reply)) => self.was_posted(attempt, reply, now),
            (State::Poll(attempt), Event::Polled(reply)) => self.polled(attempt, reply, now),
            (State::Search { attempt, reason, transient }, Event::Searched(search)) => match search {
                Search::Found(secured) => {
                    self.save(now, secured, Some(attempt), "found complete in the target directory");
                }
                Search::Nothing if transient && self.attempts < ATTEMPTS => {
                    self.look_until = patience(now, self.plan.deadline.cutoff());
                    self.pause(now, LOOK_AGAIN, State::Look);
                }
                Search::Nothing => self.find_checkpoint(now, reason),
                Search::Broken(why) | Search::Unreadable(why) => self.find_checkpoint(now, format!("{reason}; {why}")),
            },
            (State::Verify { attempt, location }, Event::Searched(search)) => match search {
                // Doubtful or not: it is the best there is, and its doubt is recorded with it.
                Search::Found(secured) => self.save(now, secured, Some(attempt), "taken by Flink"),
                Search::Nothing => self.find_checkpoint(now, format!("Flink named {location}, but nothing is there")),
                Search::Broken(why) => {
                    self.find_checkpoint(now, format!("Flink named {location}, but it is not whole: {why}"));
                }
                // Flink wrote it and says so; that our own look failed makes it no worse. The next start looks again.
                Search::Unreadable(why) => {
                    let point = PointRef { path: normalize(&location), checkpoint_id: None, epoch: None };
                    let (job_id, doubt) = (Some(attempt.job_id), Some(format!("not looked at: {why}")));
                    let secured = Secured { point, job_id, bytes: None, completed_at: None, doubt };
                    self.save(now, secured, Some(attempt), "taken by Flink");
                }
            },
            (State::FindCheckpoint { reason }, Event::Searched(search)) => self.found_checkpoint(reason, search, now),
            (State::ReadEnd { job_id, state }, Event::End(end)) => self.ended(job_id, state, end, now),
            (State::Record(writing), Event::Recorded(reply)) => self.recorded(writing, reply, now),
            (State::Mark(writing), Event::Marked(marked)) => self.marked(writing, marked, now),
            (State::Settle(release), Event::Jobs(reply)) => {
                let settled = match reply {
                    JobsReply::Listed(jobs) => self.pick(&jobs).is_none_or(|job| job.state.is_terminal()),
                    JobsReply::Unreachable(_) => true,
                };
                if settled || now >= self.settle_until {
                    self.state = State::Done(release);
                } else {
                    self.pause(now, Duration::from_millis(20), State::Settle(release));
                }
            }
            _ => {}
        }
    }

    fn looked(&mut self, reply: JobsReply, now: Moment) {
        let jobs = match reply {
            JobsReply::Listed(jobs) => jobs,
            JobsReply::Unreachable(why) if !self.ran => {
                return self.find_checkpoint(now, format!("Flink was not up yet ({why})"));
            }
            JobsReply::Unreachable(why) => return self.look_again(now, &format!("Flink does not answer ({why})")),
        };
        let Some(job) = self.pick(&jobs) else {
            return if jobs.len() > 1 {
                let count = jobs.len();
                self.find_checkpoint(
                    now,
                    format!("the cluster runs {count} jobs, and none of them is known to be ours"),
                );
            } else if self.ran {
                self.look_again(now, "Flink lists no job");
            } else {
                self.find_checkpoint(now, "the job was not submitted yet".to_owned());
            };
        };
        self.ran |= job.any_task_up;
        if job.state.is_terminal() {
            self.go(now, State::ReadEnd { job_id: job.id, state: job.state });
        } else if job.state == JobState::Active && job.all_tasks_up {
            self.attempts += 1;
            self.go(now, State::Note(self.new_attempt(job.id)));
        } else if self.ran {
            self.look_again(now, "not all tasks of the job are running");
        } else {
            self.find_checkpoint(now, "the job had not begun to work yet".to_owned());
        }
    }

    fn new_attempt(&self, job_id: JobId) -> Attempt {
        Attempt {
            job_id,
            trigger_id: TriggerId::nth(self.plan.seed, self.attempts),
            target: self.plan.target.clone(),
            format: self.plan.format,
            drain: self.plan.drain,
        }
    }

    fn pick(&self, jobs: &[Job]) -> Option<Job> {
        let ours = self.plan.job_id.or_else(|| self.attempt().map(|attempt| attempt.job_id));
        let named = jobs.iter().find(|job| Some(job.id) == ours);
        let only = if let [job] = jobs { Some(job) } else { None };
        named.or_else(|| only.filter(|_| !self.plan.several)).cloned()
    }

    fn look_again(&mut self, now: Moment, reason: &str) {
        if now >= self.look_until {
            self.find_checkpoint(now, reason.to_owned());
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
                // A twentieth of what it took so far: prompt when it is quick, light when it is slow.
                let so_far = now.since(self.posted.unwrap_or(now));
                let pause = (so_far / 20).clamp(Duration::from_millis(10), Duration::from_millis(250));
                self.pause(now, pause, State::Poll(attempt));
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

    fn found_checkpoint(&mut self, reason: String, search: Search, now: Moment) {
        let (outcome, reason, saved) = match search {
            Search::Found(secured) => {
                let proof = proof(&secured);
                let reason = format!("no final savepoint: {reason}; the newest completed checkpoint is kept{proof}");
                (StopOutcome::Checkpoint, reason, Some((secured, None)))
            }
            Search::Nothing if self.ran => {
                (StopOutcome::Nothing, format!("{reason}; no checkpoint was completed either"), None)
            }
            Search::Nothing => (StopOutcome::Unchanged, reason, None),
            Search::Broken(why) | Search::Unreadable(why) => (StopOutcome::Nothing, format!("{reason}; {why}"), None),
        };
        self.write(now, Ending { outcome, reason, saved, took: None, end: None });
    }

    fn ended(&mut self, job_id: JobId, state: JobState, end: Option<End>, now: Moment) {
        let end = end.unwrap_or_else(|| End {
            job_id,
            how: match state {
                // Without an answer it counts as finished rather than stopped by a person: the next start then waits.
                JobState::Finished | JobState::Initializing | JobState::Active => EndKind::Finished,
                JobState::Cancelled => EndKind::Cancelled,
                JobState::Failed => EndKind::Failed,
            },
            savepoint: None,
            reason: "Flink did not say more in time".to_owned(),
        });
        if let (EndKind::Stopped, Some(point)) = (end.how, &end.savepoint)
            && self.attempts > 0
            && point.path.starts_with(&normalize(&self.plan.target))
        {
            // The answer to our own request got lost, and this is what came of it.
            let (point, doubt) = (point.clone(), Some("not looked at".to_owned()));
            let secured = Secured { point, job_id: Some(job_id), bytes: None, completed_at: None, doubt };
            return self.save(
                now,
                secured,
                Some(self.new_attempt(job_id)),
                "named by Flink as the job's last savepoint",
            );
        }
        let reason = format!("the job had {} before the stop began", end.how.as_str());
        self.write(now, Ending { outcome: StopOutcome::Ended, reason, saved: None, took: None, end: Some(end) });
    }

    fn save(&mut self, now: Moment, secured: Secured, attempt: Option<Attempt>, reason: &str) {
        let took = self.posted.map(|posted| now.since(posted));
        let reason = reason.to_owned() + &proof(&secured);
        let saved = Some((secured, attempt));
        let ending = Ending { outcome: StopOutcome::Savepoint, reason, saved, took, end: None };
        self.write(now, ending);
    }

    fn search(&mut self, now: Moment, attempt: Attempt, reason: String, transient: bool) {
        self.go(now, State::Search { attempt, reason, transient });
    }

    fn find_checkpoint(&mut self, now: Moment, reason: String) {
        self.go(now, State::FindCheckpoint { reason });
    }

    fn go(&mut self, now: Moment, state: State) {
        self.pause(now, Duration::ZERO, state);
    }

    fn pause(&mut self, now: Moment, pause: Duration, state: State) {
        self.not_before = now.plus(pause);
        self.state = state;
    }
}

/// What is known of a point's wholeness, in words behind a reason.
fn proof(secured: &Secured) -> String {
    match &secured.doubt {
        None => ", and whole".to_owned(),
        Some(doubt) => format!("; not verified: {doubt}"),
    }
}

fn patience(now: Moment, cutoff: Moment) -> Moment {
    now.plus(PATIENCE.min(cutoff.since(now) / 2))
}

#[cfg(test)]
mod tests;
