//! What people ask: history, plan, pin, unpin, fresh, takeover, prune, doctor, savepoint. Answered by the agent over its control
//! socket, or, where no agent runs, by the verb itself on the record; but only an agent can take a savepoint.

mod messages;
mod replay;
mod rows;

use std::time::Duration;

use crate::clock::Clock;
use crate::cluster;
use crate::config::{Config, OnUnverifiable};
use crate::doctor::{self, Running, Subject};
use crate::flink::setup::Setup;
use crate::kubernetes::Kubernetes;
use crate::protocol::entry::{Directories, Fact};
use crate::protocol::history::History;
use crate::protocol::id::Id;
use crate::protocol::jobs::{Submission, Waiting};
use crate::protocol::point::normalize;
use crate::protocol::start::{JobIds, Start, Verdict};
use crate::protocol::stop::{RecordReply, Search, Secured};
use crate::prune::{self, Order};
use crate::record::Record;
use crate::record::marker::Marker;
use crate::start::{plan, reach};
use crate::storage::{self, Storage};
use crate::{holder, report, start};
pub use messages::{Answer, Plan, Request, Row, SITUATION};
pub use replay::replay;
pub(crate) use rows::rows;

/// Flink's version is not known here: the lines are what all versions take.
fn submissions(jobs: &[Waiting], allow_non_restored_state: bool) -> Vec<Submission> {
    jobs.iter().map(|one| Submission::of(one, None, allow_non_restored_state)).collect()
}

/// Where a request is answered: beside a running JobManager, or by whoever typed it.
#[derive(Debug, Clone, Copy)]
pub struct Here<'a> {
    /// The record.
    pub record: &'a Record,
    /// The stores.
    pub storage: &'a Storage,
    /// The configuration.
    pub config: &'a Config,
    /// The Kubernetes API, where there is one.
    pub kubernetes: Option<&'a Kubernetes>,
    /// The job that runs here.
    pub running: Option<&'a Running>,
}

/// Answers a request. What only an agent can do, it does itself and does not pass on.
pub async fn answer(request: Request, here: Here<'_>) -> Answer {
    let Here { record, config, .. } = here;
    let result = match request {
        Request::History => history(record).await,
        Request::Plan { setup } => plan(here, setup.as_deref()).await,
        Request::Pin { path } => pin(here, &path).await,
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
        Request::Doctor { setup } => examine(here, setup.as_deref()).await,
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
        Request::Prune { by_flink: true, .. } if here.running.is_none() => Err(refused(
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
            prune(here, &order).await
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

async fn pin(here: Here<'_>, path: &str) -> Result<Answer, Answer> {
    let Here { record, storage, config, .. } = here;
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

async fn plan(here: Here<'_>, setup: Option<&Setup>) -> Result<Answer, Answer> {
    let Here { record, storage, config, kubernetes, .. } = here;
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
async fn examine(here: Here<'_>, setup: Option<&Setup>) -> Result<Answer, Answer> {
    let Here { record, storage, config, kubernetes, running } = here;
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

async fn prune(here: Here<'_>, order: &Order) -> Result<Answer, Answer> {
    let Here { record, storage, config, kubernetes, running } = here;
    let hands = prune::Hands::of(config, &cluster(config, kubernetes).await?, record, storage);
    let flink = running.filter(|_| order.terms.by_flink).map(|running| running.flink.clone());
    let hands = prune::Hands { flink, ..hands };
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
