//! Finds out, before it matters, whether everything is there that savepointd relies on.
//!
//! A check is a function that gives findings; one more is one more line in `CHECKS`.

mod pod;
mod running;
mod setup;
mod stores;

use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;
use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::flink::Flink;
use crate::flink::setup::Setup;
use crate::kubernetes::Kubernetes;
use crate::protocol::entry::Directories;
use crate::protocol::estimate::Prediction;
use crate::protocol::estimate::advice::Advice;
use crate::protocol::id::JobId;
use crate::record::Record;
use crate::storage::Storage;

/// How it stands with one thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// As it should be.
    Good,
    /// It works, but not everything will.
    Doubtful,
    /// It will not work.
    Bad,
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// How it stands.
    pub verdict: Verdict,
    /// With what: a URL, for example, and what it is for.
    pub about: String,
    /// What was found.
    pub found: String,
    /// The way out, where there is something to get out of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

impl Finding {
    fn good(about: &str, found: impl Into<String>) -> Self {
        Self { verdict: Verdict::Good, about: about.to_owned(), found: found.into(), fix: None }
    }

    fn trouble(verdict: Verdict, about: &str, found: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { verdict, about: about.to_owned(), found: found.into(), fix: Some(fix.into()) }
    }
}

/// What is looked at.
#[derive(Debug)]
pub struct Subject<'a> {
    /// The configuration.
    pub config: &'a Config,
    /// The record.
    pub record: &'a Record,
    /// The stores.
    pub storage: &'a Storage,
    /// The cluster's id.
    pub cluster: &'a str,
    /// Where its points lie; none if nobody has told yet.
    pub directories: Option<&'a Directories>,
    /// Why they can't be known from Flink's configuration.
    pub missing: Option<String>,
    /// What Flink's configuration says, where it was given.
    pub setup: Option<&'a Setup>,
    /// The Kubernetes API, where there is one.
    pub kubernetes: Option<&'a Kubernetes>,
    /// The job that runs beside the agent that was asked.
    pub running: Option<&'a Running>,
}

/// What the agent knows of the job that runs beside it.
#[derive(Debug)]
pub struct Running {
    /// Its JobManager.
    pub flink: Flink,
    /// Its id, where it was seen.
    pub job_id: Option<JobId>,
    /// How long a stop will take.
    pub prediction: Option<Prediction>,
    /// What that means for the grace period.
    pub advice: Option<Advice>,
    /// How many guards follow the agent.
    pub guards: usize,
}

type Check = for<'a> fn(&'a Subject<'a>) -> LocalBoxFuture<'a, Vec<Finding>>;

const CHECKS: &[Check] = &[
    |subject| stores::check(subject).boxed_local(),
    |subject| setup::check(subject).boxed_local(),
    |subject| running::check(subject).boxed_local(),
    |subject| pod::check(subject).boxed_local(),
];

/// Everything that all checks find.
pub async fn examine(subject: &Subject<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for check in CHECKS {
        findings.extend(check(subject).await);
    }
    findings
}
