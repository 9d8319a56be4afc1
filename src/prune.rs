//! Carries out retention: asks [`protocol::retention`](crate::protocol::retention) what may go, says so in the record, and
//! deletes it. What is to go is recorded first, against exactly the record that was decided on, so that no start can
//! choose it meanwhile; then each `_metadata` is deleted before any other file.

mod survey;

use std::time::Duration;

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::flink::Flink;
use crate::protocol::choose::Policy;
use crate::protocol::entry::{Entry, Fact};
use crate::protocol::history::History;
use crate::protocol::id::JobId;
use crate::protocol::retention::{Line, Terms, Verdict, What};
use crate::protocol::start::Trouble;
use crate::record::marker::Marker;
use crate::record::{self, Append, Record};
use crate::report;
use crate::start::plan;
use crate::storage::Storage;
use survey::Survey;

/// How often it is decided again, when record or storage change meanwhile.
const TRIES: u32 = 5;
/// So many are recorded at once; the first goes alone, to see whether the store takes it.
const AT_ONCE: usize = 16;

/// What it works with.
#[derive(Debug, Clone)]
pub struct Hands {
    /// The record.
    pub record: Record,
    /// The marker, as far as it was read, if it is known.
    pub marker: Option<Marker>,
    /// The stores that the directories lie in.
    pub storage: Storage,
    /// The cluster's id.
    pub cluster: String,
    /// What the configuration says about starts.
    pub policy: Policy,
    /// The Flink that deletes, where it is not the store.
    pub flink: Option<Flink>,
}

/// What is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order {
    /// What stays.
    pub terms: Terms,
    /// Only say what would go.
    pub dry_run: bool,
    /// In the name of this epoch, as long as it is the newest; else of a person.
    pub epoch: Option<u64>,
}

/// What is half-written goes by itself only when nothing of it was written for so long.
pub const MIN_AGE: Duration = Duration::from_secs(24 * 60 * 60);

/// What the configuration says of what stays.
#[must_use]
pub fn terms(config: &Config, min_age: Duration) -> Terms {
    Terms {
        keep: config.retention.keep,
        max_age: config.retention.max_age.and_then(|age| SignedDuration::try_from(age).ok()),
        min_age: SignedDuration::try_from(min_age).unwrap_or(SignedDuration::MAX),
        checkpoints: false,
        by_flink: false,
    }
}

/// A line, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// What the rules say.
    #[serde(flatten)]
    pub line: Line,
    /// Whether it was deleted.
    pub deleted: bool,
    /// Why it could not be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
}

/// Everything that a prune looked at, and what it did.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Pruned {
    /// Whether it only said what would go.
    pub dry_run: bool,
    /// Line by line.
    pub outcomes: Vec<Outcome>,
}

impl Pruned {
    /// Bytes in checkpoint folders that are left over and stay.
    #[must_use]
    pub fn left_over(&self) -> u64 {
        let left =
            |one: &&Outcome| one.line.what == What::Checkpoints && one.line.verdict != Verdict::Keep && !one.deleted;
        self.outcomes.iter().filter(left).filter_map(|one| one.line.bytes).sum()
    }

    /// Why something that should have gone could not be deleted.
    #[must_use]
    pub fn failure(&self) -> Option<&str> {
        self.outcomes.iter().find_map(|one| one.failed.as_deref())
    }
}

/// Finds out what may go, and deletes it.
///
/// # Errors
/// If it can't be decided what may go. What could not be deleted stands in the outcomes.
pub async fn prune(hands: &Hands, order: &Order) -> Result<Pruned, Trouble> {
    let mut done: Vec<Outcome> = Vec::new();
    for tries in 0..TRIES {
        let Some(mut survey) = survey::survey(hands, order, tries > 0).await? else { continue };
        if order.dry_run {
            let outcomes = survey.lines.into_iter().map(|line| Outcome { line, deleted: false, failed: None });
            return Ok(Pruned { dry_run: true, outcomes: outcomes.collect() });
        }
        if hands.delete(&mut survey, order, &mut done).await? == Next::Again {
            continue;
        }
        let is_done = |line: &Line| done.iter().any(|one| one.line.path == line.path);
        let others: Vec<_> = survey.lines.into_iter().filter(|line| !is_done(line)).collect();
        let others = others.into_iter().map(|line| Outcome { line, deleted: false, failed: None });
        let outcomes = done.into_iter().chain(others).collect();
        return Ok(Pruned { dry_run: false, outcomes });
    }
    Err(Trouble { reason: "record or storage change all the time".to_owned(), passes: true })
}

#[derive(PartialEq, Eq)]
enum Next {
    Again,
    Over,
}

impl Hands {
    /// What a prune under this configuration works with.
    #[must_use]
    pub fn of(config: &Config, cluster: &str, record: &Record, storage: &Storage) -> Self {
        Self {
            record: record.clone(),
            marker: None,
            storage: storage.clone(),
            cluster: cluster.to_owned(),
            policy: plan::policy(config),
            flink: None,
        }
    }

    async fn delete(&self, survey: &mut Survey, order: &Order, done: &mut Vec<Outcome>) -> Result<Next, Trouble> {
        let mut rest: Vec<Line> = survey.lines.iter().filter(|line| line.verdict == Verdict::Delete).cloned().collect();
        let mut size = 1;
        while !rest.is_empty() {
            let later = rest.split_off(size.min(rest.len()));
            if !self.record(survey, order, &rest).await? {
                return Ok(Next::Again);
            }
            for line in rest {
                let failed = match &self.flink {
                    Some(flink) => self.dispose(flink.clone(), &line).await.err(),
                    None => self.delete_one(&line).await.err().map(|error| report::chain(&error)),
                };
                let over = failed.is_some();
                done.push(Outcome { deleted: !over, failed, line });
                if over {
                    return Ok(Next::Over);
                }
            }
            (rest, size) = (later, AT_ONCE);
        }
        Ok(Next::Over)
    }

    /// Says in the record what is given up. False: the record is not any more what was decided on.
    async fn record(&self, survey: &mut Survey, order: &Order, lines: &[Line]) -> Result<bool, Trouble> {
        let trouble = |error: record::Error| Trouble { reason: report::chain(&error), passes: error.passes() };
        let history = History::read(&survey.snapshot.entries);
        let new = lines.iter().filter(|line| !history.is_pruned(&line.path));
        let fact = |line: &Line| record::entry(order.epoch.unwrap_or(0), Fact::Pruned { path: line.path.clone() });
        let entries: Vec<Entry> = new.map(fact).collect();
        if entries.is_empty() {
            let now = self.record.load().await.map_err(trouble)?;
            return Ok(now.entries.len() == survey.snapshot.entries.len());
        }
        Ok(self.record.append(&mut survey.snapshot, &entries).await.map_err(trouble)? == Append::Done)
    }

    /// Goes on when nobody waits for it any more: the result has to be read.
    async fn dispose(&self, flink: Flink, line: &Line) -> Result<(), String> {
        let path = line.path.clone();
        let disposing = tokio::task::spawn_local(async move { flink.dispose(&path).await });
        disposing.await.unwrap_or_else(|error| Err(error.to_string()))?;
        let left = async { self.storage.place(&line.path)?.join("_metadata").stat().await };
        match left.await {
            Ok(None) => Ok(()),
            Ok(Some(_)) => Err("Flink says that it is deleted, but its _metadata is still there".to_owned()),
            Err(error) => Err(report::chain(&error)),
        }
    }

    async fn delete_one(&self, line: &Line) -> Result<(), crate::storage::Error> {
        self.storage.place(&line.path)?.delete_all().await?;
        // `<savepoint directory>/<cluster>/<epoch>`, and a job's own folder in it, once the last savepoint is gone.
        let mut path = line.path.as_str();
        while let Some((parent, _)) = path.rsplit_once('/').filter(|(parent, _)| is_made_for_savepoints(parent)) {
            self.storage.place(parent)?.delete_if_empty().await;
            path = parent;
        }
        Ok(())
    }
}

/// Whether it is an epoch's folder, or a job's in one.
fn is_made_for_savepoints(path: &str) -> bool {
    path.rsplit('/').next().is_some_and(|name| name.parse::<u64>().is_ok() || name.parse::<JobId>().is_ok())
}
