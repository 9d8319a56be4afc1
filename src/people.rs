//! What people ask: history, plan, pin, unpin, fresh, takeover, prune, doctor, savepoint. Answered by the agent over its control
//! socket, or, where no agent runs, by the verb itself on the record; but only an agent can take a savepoint.

use std::time::Duration;

use anyhow::Context as _;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::clock::Clock;
use crate::cluster;
use crate::config::{Config, LogLevel, OnUnverifiable};
use crate::doctor::{self, Finding, Running, Subject};
use crate::flink::Flink;
use crate::flink::setup::Setup;
use crate::kubernetes::Kubernetes;
use crate::protocol::choose::{Candidate, Choice, Decision, Situation, choose};
use crate::protocol::entry::{Directories, EndKind, Fact, Saved};
use crate::protocol::history::{Epoch, History};
use crate::protocol::id::{Id, JobId};
use crate::protocol::jobs::{Submission, Waiting};
use crate::protocol::outcome::StopOutcome;
use crate::protocol::point::{Format, Kind, normalize};
use crate::protocol::start::{JobIds, Start, Verdict};
use crate::protocol::stop::{RecordReply, Search, Secured};
use crate::prune::{self, Order, Pruned};
use crate::record::Record;
use crate::record::marker::Marker;
use crate::start::{plan, reach};
use crate::storage::{self, Storage};
use crate::{holder, report, start};

/// A request over the control socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub enum Request {
    /// All recorded points.
    History,
    /// What would the next start do?
    Plan {
        /// What Flink's configuration says, where it was given.
        setup: Option<Box<Setup>>,
    },
    /// The next start restores this.
    Pin {
        /// The point.
        path: String,
    },
    /// The pin is taken back.
    Unpin,
    /// The next start begins with nothing.
    Fresh,
    /// The newest epoch's holder is gone for good.
    Takeover,
    /// What will not work?
    Doctor {
        /// What Flink's configuration says, where it was given.
        setup: Option<Box<Setup>>,
    },
    /// A savepoint of the running job is taken.
    Savepoint {
        /// Its format.
        format: Format,
    },
    /// At which level does the agent log?
    LogLevel {
        /// From now on at this one.
        level: Option<LogLevel>,
    },
    /// What is not needed any more is deleted.
    Prune {
        /// Only say what would go.
        dry_run: bool,
        /// Checkpoint folders that are left over as well.
        checkpoints: bool,
        /// What is half-written or left over goes only when nothing of it was written for so long.
        min_age_ms: u64,
        /// So many savepoints stay, if not as configured.
        keep: Option<usize>,
        /// Flink deletes, not the store.
        #[serde(default)]
        by_flink: bool,
    },
}

/// The answer, or why there is none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// All recorded points, newest first.
    History(Vec<Row>),
    /// What the next start would do.
    Plan(Box<Plan>),
    /// What was found out about that on which savepointd relies.
    Findings(Vec<Finding>),
    /// The savepoint that was taken.
    Saved(Box<Saved>),
    /// What a prune found and did.
    Pruned(Pruned),
    /// Done; the text says what.
    Done(String),
    /// Not done; the text says why. `passes`: it may go better by itself.
    Refused {
        /// Why.
        reason: String,
        /// Whether it may go better by itself.
        passes: bool,
    },
}

/// One recorded point, or the end of an epoch that saved none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// The epoch.
    pub epoch: u64,
    /// Where the point lies; none if there is none.
    pub path: Option<String>,
    /// What made it.
    pub kind: Option<Kind>,
    /// The job that wrote it.
    pub job_id: Option<JobId>,
    /// Its name, where it is one of several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_name: Option<String>,
    /// Its number.
    pub checkpoint_id: Option<u64>,
    /// When it was complete.
    pub completed_at: Option<Timestamp>,
    /// Bytes in its directory.
    pub bytes: Option<u64>,
    /// From request to completion, in milliseconds.
    pub duration_ms: Option<u64>,
    /// What that was predicted to be.
    #[serde(default)]
    pub predicted_ms: Option<u64>,
    /// Why it could not be proven whole when it was recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doubt: Option<String>,
    /// Whether a later start found it in storage, because nobody had recorded it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub salvaged: bool,
    /// What the epoch restored from; none for a fresh start.
    pub base: Option<String>,
    /// Whether Flink confirmed that.
    pub confirmed: bool,
    /// Why Flink could not restore that.
    #[serde(default)]
    pub restore_failed: Option<String>,
    /// How the epoch's stop ended.
    pub outcome: Option<StopOutcome>,
    /// How its job ended by itself.
    pub ended: Option<EndKind>,
}

/// What the next start would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// `restore`, `fresh`, `hold` or `refuse`.
    pub decision: String,
    /// What would be restored.
    pub path: Option<String>,
    /// Why.
    pub reason: String,
    /// Everything that was looked at.
    pub candidates: Vec<Candidate>,
    /// The jobs that a session cluster leaves to be submitted again, and how.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub jobs: Vec<Submission>,
    /// The version of the situation's form.
    pub version: u32,
    /// What the choice rests on; none if there was none, as the record is not to be used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub situation: Option<Box<Situation>>,
}

/// The version of the form in which this build gives a situation.
pub const SITUATION: u32 = 1;

/// What was saved of a plan, to be made again.
#[derive(Debug, Deserialize)]
struct Replayed {
    version: u32,
    situation: Situation,
}

/// Makes a saved plan again, from what it rested on alone.
///
/// # Errors
/// If the text is no plan with a situation that this build can read.
pub fn replay(text: &str) -> anyhow::Result<Plan> {
    #[derive(Deserialize)]
    struct Form {
        version: u32,
    }
    let what = "expected what `savepointd plan --output json` has printed, with the situation that the plan rests on";
    let Form { version } = serde_json::from_str(text).context(what)?;
    anyhow::ensure!(
        version <= SITUATION,
        "the situation has form {version}, and this build reads forms up to {SITUATION}: use the savepointd that saved it, or a newer one"
    );
    let Replayed { version, situation } = serde_json::from_str(text).context(what)?;
    let Choice { decision, reason, candidates, .. } = choose(&situation);
    let path = if let Decision::Restore(point) = &decision { Some(point.path.clone()) } else { None };
    let jobs = if decision == Decision::Resubmit { situation.waiting() } else { Vec::new() };
    let jobs = submissions(&jobs, situation.policy.if_failed.allow_non_restored_state);
    let (decision, situation) = (decision.as_str().to_owned(), Some(Box::new(situation)));
    Ok(Plan { decision, path, reason, candidates, jobs, version, situation })
}

/// Flink's version is not known here: the lines are what all versions take.
fn submissions(jobs: &[Waiting], allow_non_restored_state: bool) -> Vec<Submission> {
    jobs.iter().map(|one| Submission::of(one, None, allow_non_restored_state)).collect()
}

/// Answers a request on the record itself. `flink`: the one that runs here.
pub async fn answer(
    request: Request,
    record: &Record,
    storage: &Storage,
    config: &Config,
    kubernetes: Option<&Kubernetes>,
    flink: Option<&Flink>,
) -> Answer {
    let result = match request {
        Request::History => history(record).await,
        Request::Plan { setup } => plan(record, storage, config, kubernetes, setup.as_deref()).await,
        Request::Pin { path } => pin(record, storage, config, &path).await,
        Request::Unpin => say(record, Fact::Unpinned, "the next start restores the newest point").await,
        Request::Fresh => {
            say(
                record,
                Fact::FreshAllowed,
                "the next start, and only that, begins with nothing; `savepointd unpin` takes it back",
            )
            .await
        }
        Request::Takeover => take_over(record).await,
        Request::Doctor { setup } => examine(record, storage, config, kubernetes, setup.as_deref(), None).await,
        Request::Savepoint { .. } => {
            let reason = format!(
                "no agent answers on {}, and only the one beside the job takes savepoints (kubectl exec into its container, or \
                 set control_socket). If it has just ended, savepointd history will show what it had begun",
                config.control_socket.display()
            );
            return refused(reason, true);
        }
        Request::LogLevel { .. } => {
            let socket = config.control_socket.display();
            let reason = format!("no agent answers on {socket}: ask in its container (kubectl exec), or set control_socket");
            return refused(reason, true);
        }
        Request::Prune { by_flink: true, .. } if flink.is_none() => Err(refused(
            "Flink disposes of savepoints where it runs under an agent, and none is running here: ask where it does, or \
             leave out --by flink"
                .to_owned(),
            true,
        )),
        Request::Prune { dry_run, checkpoints, min_age_ms, keep, by_flink } => {
            let mut terms = prune::terms(config, Duration::from_millis(min_age_ms));
            (terms.checkpoints, terms.keep) = (checkpoints, keep.unwrap_or(terms.keep));
            terms.by_flink = by_flink;
            let order = Order { terms, dry_run, epoch: None };
            prune(record, storage, config, kubernetes, flink.filter(|_| by_flink), &order).await
        }
    };
    result.unwrap_or_else(|refusal| refusal)
}

fn refused(reason: String, passes: bool) -> Answer {
    Answer::Refused { reason, passes }
}

async fn read(record: &Record) -> Result<History, Answer> {
    match record.load().await {
        Ok(snapshot) => Ok(History::read(&snapshot.entries)),
        Err(error) => Err(refused(report::chain(&error), error.passes())),
    }
}

async fn history(record: &Record) -> Result<Answer, Answer> {
    Ok(Answer::History(rows(&read(record).await?)))
}

/// All recorded points, newest first.
pub(crate) fn rows(history: &History) -> Vec<Row> {
    let mut rows = Vec::new();
    for (&number, epoch) in history.epochs.iter().rev() {
        let Some(based) = &epoch.based else { continue };
        let row = Row {
            epoch: number,
            path: None,
            kind: None,
            job_id: epoch.claim.as_ref().and_then(|claim| claim.job_id),
            job_name: None,
            checkpoint_id: None,
            completed_at: None,
            bytes: None,
            duration_ms: None,
            predicted_ms: None,
            doubt: None,
            salvaged: false,
            base: based.base.as_ref().map(|base| base.path.clone()),
            confirmed: epoch.confirmed,
            restore_failed: epoch.restore_failed.as_ref().map(|failed| failed.reason.clone()),
            outcome: epoch.stopped.as_ref().map(|(outcome, ..)| *outcome),
            ended: epoch.ended.as_ref().map(|end| end.how),
        };
        let saved = epoch.saved.iter().rev().map(|saved| Row {
            path: Some(saved.point.path.clone()),
            kind: Some(saved.kind),
            job_id: Some(saved.job_id),
            job_name: saved.job_name.clone(),
            checkpoint_id: saved.point.checkpoint_id,
            completed_at: Some(saved.completed_at),
            bytes: saved.bytes,
            duration_ms: saved.duration_ms,
            predicted_ms: saved.predicted_ms,
            doubt: saved.doubt.clone(),
            salvaged: saved.salvaged,
            ..of_job(&row, epoch, saved.job_id)
        });
        let before = rows.len();
        rows.extend(saved);
        let pointless = epoch.jobs.iter().filter(|(id, _)| epoch.saved.iter().all(|saved| saved.job_id != **id));
        rows.extend(pointless.map(|(id, _)| of_job(&row, epoch, *id)));
        if rows.len() == before {
            rows.push(row);
        }
    }
    rows
}

/// A row with what is known of one job among several.
fn of_job(row: &Row, epoch: &Epoch, job_id: JobId) -> Row {
    let Some(past) = epoch.jobs.get(&job_id) else { return row.clone() };
    Row {
        job_id: Some(job_id),
        job_name: Some(past.name.clone()),
        base: past.restored.as_ref().map(|point| point.path.clone()),
        outcome: past.stopped.as_ref().map(|(outcome, _)| *outcome),
        ended: past.ended.as_ref().map(|end| end.how),
        ..row.clone()
    }
}

async fn pin(record: &Record, storage: &Storage, config: &Config, path: &str) -> Result<Answer, Answer> {
    let path = normalize(path);
    if read(record).await?.newest_claim().is_some_and(|(_, claim)| claim.session) {
        let reason = format!(
            "a session cluster's start restores nothing, so nothing can be pinned for it: submit the job with {path} as its restore path"
        );
        return Err(refused(reason, false));
    }
    match storage::look(storage, &path, None).await {
        Search::Found(Secured { doubt: Some(doubt), .. })
            if config.restore.on_unverifiable != OnUnverifiable::Trust =>
        {
            let reason = format!(
                "{path} can't be verified: {doubt}. To use what can't be verified: restore.on_unverifiable = \"trust\""
            );
            return Err(refused(reason, false));
        }
        Search::Found(_) => {}
        Search::Nothing => return Err(refused(format!("nothing is there: {path}"), false)),
        Search::Broken(why) => return Err(refused(format!("{path} is not a restore point: {why}"), false)),
        Search::Unreadable(why) => return Err(refused(format!("{path}: {why}"), true)),
    }
    say(record, Fact::Pinned { path: path.clone() }, &format!("the next start restores {path}")).await
}

async fn take_over(record: &Record) -> Result<Answer, Answer> {
    let history = read(record).await?;
    let Some((epoch, claim)) = history.newest_claim() else {
        return Err(refused("no start is recorded yet, so there is nothing to take over".to_owned(), false));
    };
    let holder = match &claim.holder.pod {
        Some(pod) => format!("pod {}", pod.name),
        None => format!("process {} on {}", claim.holder.pid, claim.holder.host),
    };
    match record.say(epoch, Fact::TakenOver).await {
        RecordReply::Done => Ok(Answer::Done(format!(
            "epoch {epoch} of {holder} is over: the next start takes the job, and nothing that {holder} writes from now on \
             is used"
        ))),
        RecordReply::Failed(reason) | RecordReply::Superseded(reason) => Err(refused(reason, true)),
    }
}

async fn say(record: &Record, fact: Fact, done: &str) -> Result<Answer, Answer> {
    // People speak for no epoch, so no epoch's end silences them.
    match record.say(0, fact).await {
        RecordReply::Done => Ok(Answer::Done(done.to_owned())),
        RecordReply::Failed(reason) | RecordReply::Superseded(reason) => Err(refused(reason, true)),
    }
}

async fn plan(
    record: &Record,
    storage: &Storage,
    config: &Config,
    kubernetes: Option<&Kubernetes>,
    setup: Option<&Setup>,
) -> Result<Answer, Answer> {
    let cluster = &cluster(config, kubernetes).await?;
    let history = read(record).await?;
    let directories = match (setup, history.newest_claim()) {
        (None, Some((_, claim))) => claim.directories.clone(),
        (None, None) => plan::directories(config, &Setup::default()).map_err(|_| {
            let reason = "no start is recorded yet, so Flink's directories are not known: give its command line as for a \
                          start, savepointd plan -- CMD";
            refused(reason.to_owned(), false)
        })?,
        (Some(setup), _) => plan::directories(config, setup).map_err(|reason| refused(reason, false))?,
    };
    let setup_or_default = setup.cloned().unwrap_or_default();
    plan::supported(&setup_or_default).map_err(|reason| refused(reason, false))?;
    if let Some(setup) = setup {
        reach::access(&config.flink, setup).map_err(|reason| refused(reason, false))?;
    }
    let mut job_ids = plan::job_ids(config, &setup_or_default).map_err(|reason| refused(reason, false))?;
    if setup.is_none() && directories.high_availability.is_some() {
        // Flink's own, which all starts share.
        let claimed = history.newest_claim().and_then(|(_, claim)| claim.job_id);
        job_ids = claimed.map_or(job_ids, JobIds::Fixed);
    }
    let holder = holder::current(Id::from_bytes([0; 16]));
    let mut plan = plan::of(config, cluster, holder, directories.clone(), &setup_or_default, job_ids);
    plan.only_plan = true;
    if setup.is_none() {
        plan.session = history.newest_claim().is_some_and(|(_, claim)| claim.session);
        let last = history.newest_based(u64::MAX);
        plan.explicit = last.and_then(|(_, _, based)| based.explicit.clone());
    }
    let storage = &storage.or_of(&setup_or_default);
    let hands = start::Hands {
        record: record.clone(),
        storage: storage.clone(),
        marker: marker(storage, &directories, cluster, config)?,
        cluster: cluster.clone(),
        kubernetes: None,
        own: None,
    };
    let mut start = Start::begin(plan);
    let (verdict, _) = start::drive(&mut start, &hands, Clock::start()).await;
    let (version, situation) = (SITUATION, start.chosen_from().map(Box::new));
    Ok(match verdict {
        Verdict::Go(go) => {
            let decision = go.decision().as_str().to_owned();
            let path = go.base.map(|base| base.path);
            let jobs = submissions(&go.jobs, config.restore.allow_non_restored_state);
            Answer::Plan(Box::new(Plan {
                decision,
                path,
                reason: go.reason,
                candidates: go.candidates,
                jobs,
                version,
                situation,
            }))
        }
        Verdict::No { decision, reason, candidates } => {
            let decision = decision.as_str().to_owned();
            let jobs = Vec::new();
            Answer::Plan(Box::new(Plan { decision, path: None, reason, candidates, jobs, version, situation }))
        }
        Verdict::Later { reason, .. } | Verdict::Superseded { reason } => refused(reason, true),
    })
}

/// Looks at everything that savepointd relies on, and at the job that runs, where one does.
///
/// # Errors
/// A refusal, if not even the cluster can be told.
pub async fn examine(
    record: &Record,
    storage: &Storage,
    config: &Config,
    kubernetes: Option<&Kubernetes>,
    setup: Option<&Setup>,
    running: Option<&Running>,
) -> Result<Answer, Answer> {
    let cluster = &cluster(config, kubernetes).await?;
    // Those that a start has used, else those that the next one will; a record that can't be read is a finding by itself.
    let mut missing = None;
    let known = if let Some(setup) = setup {
        plan::directories(config, setup).map_err(|reason| missing = Some(reason)).ok()
    } else {
        let snapshot = record.load().await.ok();
        let claimed =
            snapshot.and_then(|snapshot| Some(History::read(&snapshot.entries).newest_claim()?.1.directories.clone()));
        claimed.or_else(|| plan::directories(config, &Setup::default()).ok())
    };
    let storage = setup.map_or_else(|| storage.clone(), |setup| storage.or_of(setup));
    let directories = known.as_ref();
    let subject =
        Subject { config, record, storage: &storage, cluster, directories, missing, setup, kubernetes, running };
    Ok(Answer::Findings(doctor::examine(&subject).await))
}

async fn prune(
    record: &Record,
    storage: &Storage,
    config: &Config,
    kubernetes: Option<&Kubernetes>,
    flink: Option<&Flink>,
    order: &Order,
) -> Result<Answer, Answer> {
    let hands = prune::Hands::of(config, &cluster(config, kubernetes).await?, record, storage);
    let hands = prune::Hands { flink: flink.cloned(), ..hands };
    let pruned = prune::prune(&hands, order).await;
    pruned.map(Answer::Pruned).map_err(|trouble| refused(trouble.reason, trouble.passes))
}

async fn cluster(config: &Config, kubernetes: Option<&Kubernetes>) -> Result<String, Answer> {
    cluster::id(config, kubernetes).await.map_err(|error| refused(report::chain(&error), error.passes()))
}

fn marker(storage: &Storage, directories: &Directories, cluster: &str, config: &Config) -> Result<Marker, Answer> {
    let trusted = config.restore.on_unverifiable == OnUnverifiable::Trust;
    let marker = Marker::for_savepoints(storage, directories, cluster, trusted);
    marker.map_err(|error| refused(report::chain(&error), error.passes()))
}
