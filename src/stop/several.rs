//! Carries out the stop of a cluster that runs several jobs: one stop for each of them, a bounded number at a time, under one deadline.
//! A job that can't be saved never keeps the others from it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;
use futures_util::stream::{self, FuturesUnordered, StreamExt as _};
use jiff::Timestamp;

use super::{Hands, drive, gone, moved};
use crate::clock::Clock;
use crate::flink::statistics::Statistics;
use crate::protocol::entry::{Attempt, Entry, Fact};
use crate::protocol::estimate::{self, Evidence, Prediction, Sample};
use crate::protocol::id::{JobId, TriggerId};
use crate::protocol::jobs::{Part, Schedule, sum};
use crate::protocol::outcome::StopOutcome;
use crate::protocol::stop::{Job, JobsReply, Plan, Release, Stop};
use crate::protocol::time::Moment;

/// How long Flink may take to list its jobs, or to tell of one.
const ASK: Duration = Duration::from_secs(1);
/// How long the jobs are asked for, where Flink does not list them.
const PATIENCE: Duration = Duration::from_secs(15);
/// How soon it is asked again.
const AGAIN: Duration = Duration::from_millis(100);
/// How many questions Flink is asked at the same time.
const AT_ONCE: usize = 16;

/// The stop of several jobs.
#[derive(Debug)]
pub struct Several {
    /// What the stop of each job is told; its own id, folder and trigger ids are put in.
    pub plan: Plan,
    /// What the trigger ids are made from, with each job's id.
    pub seed: String,
    /// What the stop of each job works with.
    pub hands: Hands,
    /// How many are stopped at the same time.
    pub parallel: usize,
    /// Jobs that were seen to run with state, by name.
    pub known: BTreeMap<JobId, String>,
    /// Jobs whose own end is recorded.
    pub ended: BTreeSet<JobId>,
    /// Whether somebody who died may have begun it already.
    pub resumes: bool,
}

/// One job, as far as its stop has to know it.
struct Target {
    job: Option<Job>,
    name: String,
    survive: Option<bool>,
    prediction: Option<Prediction>,
}

type Driven = LocalBoxFuture<'static, (JobId, Release, Vec<Entry>)>;

/// Drives the stops of all jobs to their ends, and writes what they came to together. Gives what the record is still to be told, too.
pub async fn drive_all(several: Several, clock: Clock) -> (Release, Vec<Entry>) {
    let mut schedule = Schedule::new(several.parallel);
    let mut targets: BTreeMap<JobId, Target> = BTreeMap::new();
    let mut parts = Vec::new();
    let mut unsaid = Vec::new();
    // A job may be submitted while the others are stopped.
    while several.look(&mut schedule, &mut targets, clock).await {
        let mut under_way: FuturesUnordered<Driven> = FuturesUnordered::new();
        while !schedule.is_over() {
            for job_id in schedule.begin(several.is_late(clock.now())) {
                if let Some(target) = targets.get(&job_id) {
                    under_way.push(several.begin(job_id, target, clock));
                }
            }
            let (mut gone_now, mut deadline) = (several.hands.gone.clone(), several.hands.deadline.clone());
            let cutoff = deadline.borrow_and_update().cutoff();
            let late = several.is_late(clock.now());
            tokio::select! {
                Some((job_id, release, more)) = under_way.next() => {
                    schedule.end(job_id);
                    unsaid.extend(more);
                    let name = targets.get(&job_id).map(|target| target.name.clone()).unwrap_or_default();
                    log(job_id, &name, &release);
                    parts.push(Part { job_id, job_name: name, release });
                }
                () = tokio::time::sleep_until(clock.instant(cutoff)), if !late => {}
                () = gone(&mut gone_now), if !late => {}
                () = moved(&mut deadline) => {}
            }
        }
    }
    several.conclude(&parts, unsaid, clock).await
}

fn log(job_id: JobId, name: &str, release: &Release) {
    let point = release.point.as_ref().map(|point| point.path.as_str());
    let (outcome, reason, recorded) = (release.outcome.as_str(), release.reason.as_str(), release.recorded);
    if matches!(release.outcome, StopOutcome::Savepoint | StopOutcome::Unchanged | StopOutcome::Ended) && recorded {
        tracing::info!(%job_id, name, outcome, point, recorded, reason, "job stopped");
    } else {
        tracing::warn!(%job_id, name, outcome, point, recorded, reason, "job stopped");
    }
}

impl Several {
    /// Flink can't be asked for anything any more.
    fn is_late(&self, now: Moment) -> bool {
        *self.hands.gone.borrow() || now >= self.hands.deadline.borrow().cutoff()
    }

    /// Finds jobs that are still to be stopped. False: there is none.
    async fn look(&self, schedule: &mut Schedule, targets: &mut BTreeMap<JobId, Target>, clock: Clock) -> bool {
        let first = targets.is_empty();
        let jobs = match self.list(clock, first).await {
            Some(jobs) => jobs.into_iter().map(|job| (job.id, (job.name.clone(), Some(job)))).collect(),
            // Those that were seen; each of their stops finds out for itself what can be done.
            None if first => self.known.iter().map(|(id, name)| (*id, (name.clone(), None))).collect(),
            None => BTreeMap::new(),
        };
        let worth = |job_id: &JobId, job: Option<&Job>| {
            let over = job.is_some_and(|job| job.state.is_terminal());
            // What had ended before may have been stopped by whoever began this.
            let wanted = !over || self.known.contains_key(job_id) || self.resumes;
            wanted && !self.ended.contains(job_id) && !schedule.knows(*job_id)
        };
        let new: Vec<_> = jobs.into_iter().filter(|(id, (_, job))| worth(id, job.as_ref())).collect();
        let saved = &self.saved().await;
        let asked = stream::iter(new).map(|(job_id, (name, job))| async move {
            let statistics = self.ask(self.hands.flink.statistics(job_id)).await.unwrap_or_default();
            let prediction = self.predict(statistics, saved.get(&name).cloned().unwrap_or_default());
            let retains = self.ask(self.hands.flink.retention(job_id)).await;
            (job_id, Target { job, name, survive: retains.flatten(), prediction }, retains)
        });
        let asked: Vec<_> = asked.buffer_unordered(AT_ONCE).collect().await;
        let mut any = false;
        for (job_id, target, retains) in asked {
            if retains == Some(None) && target.job.as_ref().is_some_and(|job| job.any_task_up) {
                tracing::info!(%job_id, name = target.name, "a job without checkpoints, such as a batch job: there is nothing to save");
                continue;
            }
            schedule.add(job_id, target.prediction.as_ref().map(|prediction| prediction.savepoint.likely));
            targets.insert(job_id, target);
            any = true;
        }
        any
    }

    /// What the record knows of savepoints, by the name of the job.
    async fn saved(&self) -> BTreeMap<String, Vec<Sample>> {
        let mut saved: BTreeMap<String, Vec<Sample>> = BTreeMap::new();
        let Some((record, _)) = &self.hands.memory else { return saved };
        for entry in &record.known().await.entries {
            if let Fact::Saved(one) = &entry.fact
                && let (Some(name), Some(sample)) = (&one.job_name, Sample::recorded(one))
            {
                saved.entry(name.clone()).or_default().push(sample);
            }
        }
        saved
    }

    /// What a job's savepoint is expected to take, were it the only one.
    fn predict(&self, statistics: Statistics, before: Vec<Sample>) -> Option<Prediction> {
        let Statistics { samples: here, overtakes } = statistics;
        let evidence = Evidence { here, before, base_bytes: None, overtakes };
        estimate::predict(&evidence, self.plan.format, Timestamp::now())
    }

    /// What Flink answers, as long as that makes sense to wait for.
    async fn ask<T, E>(&self, question: impl Future<Output = Result<T, E>>) -> Option<T> {
        let mut gone_now = self.hands.gone.clone();
        tokio::select! {
            answer = tokio::time::timeout(ASK, question) => answer.ok()?.ok(),
            () = gone(&mut gone_now) => None,
        }
    }

    /// All jobs, if Flink lists them.
    async fn list(&self, clock: Clock, patiently: bool) -> Option<Vec<Job>> {
        let began = clock.now();
        let until = began.plus(PATIENCE.min(self.hands.deadline.borrow().cutoff().since(began) / 2));
        loop {
            if self.is_late(clock.now()) {
                return None;
            }
            let listed = self.ask(async {
                match self.hands.flink.jobs().await {
                    JobsReply::Listed(jobs) => Ok(jobs),
                    JobsReply::Unreachable(why) => Err(why),
                }
            });
            match listed.await {
                Some(jobs) => return Some(jobs),
                None if !patiently || clock.now() >= until => return None,
                None => tokio::time::sleep(AGAIN).await,
            }
        }
    }

    fn begin(&self, job_id: JobId, target: &Target, clock: Clock) -> Driven {
        let folder = format!("{}/{job_id}", self.plan.target);
        let seed = TriggerId::seed(&format!("{}/{job_id}", self.seed));
        let first = Attempt {
            job_id,
            trigger_id: TriggerId::nth(seed, 1),
            target: folder.clone(),
            format: self.plan.format,
            drain: self.plan.drain,
        };
        let ran = self.known.contains_key(&job_id) || target.job.as_ref().is_none_or(|job| job.any_task_up);
        let plan = Plan {
            job_id: Some(job_id),
            target: folder.clone(),
            deadline: *self.hands.deadline.borrow(),
            resume: self.resumes.then_some(first),
            seed,
            ran,
            // Where nobody can tell, SIGKILL leaves a checkpoint in place either way.
            checkpoints_survive: target.survive.unwrap_or(false),
            several: true,
            prediction: target.prediction.clone(),
            in_flight: self.plan.in_flight.clone().filter(|one| one.attempt.job_id == job_id),
            ..self.plan.clone()
        };
        let predicted = target.prediction.as_ref().map(|prediction| prediction.savepoint.likely);
        let hands = Hands { predicted, ..self.hands_for(Some((job_id, target.name.clone())), folder) };
        let stop = Stop::begin(plan);
        async move {
            let (release, unsaid) = drive(stop, hands, clock, |_| {}).await;
            (job_id, release, unsaid)
        }
        .boxed_local()
    }

    fn hands_for(&self, job: Option<(JobId, String)>, target: String) -> Hands {
        let hands = &self.hands;
        let (job_id, job_name) = job.unzip();
        Hands {
            flink: hands.flink.clone(),
            memory: hands.memory.clone(),
            storage: hands.storage.clone(),
            epoch: hands.epoch,
            job_id: job_id.into(),
            job_name,
            target,
            checkpoints: hands.checkpoints.clone(),
            high_availability: hands.high_availability.clone(),
            // Each submission has an id of its own, and folders under it.
            above: None,
            known: hands.known.clone(),
            predicted: None,
            took: None,
            after: None,
            gone: hands.gone.clone(),
            deadline: hands.deadline.clone(),
        }
    }

    async fn conclude(&self, parts: &[Part], mut unsaid: Vec<Entry>, clock: Clock) -> (Release, Vec<Entry>) {
        let plan =
            Plan { began: clock.now(), deadline: *self.hands.deadline.borrow(), several: true, ..self.plan.clone() };
        let stop = Stop::concluding(plan, sum(parts));
        let (release, more) = drive(stop, self.hands_for(None, self.plan.target.clone()), clock, |_| {}).await;
        unsaid.extend(more);
        let late = parts.iter().find_map(|part| part.release.late.clone());
        let release = Release {
            recorded: release.recorded && parts.iter().all(|part| part.release.recorded),
            late: release.late.clone().or(late),
            kill: parts.iter().any(|part| part.release.kill),
            ..release
        };
        (release, unsaid)
    }
}
