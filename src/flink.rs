//! Flink's REST API, as far as a stop and a start need it. Works with Flink 1.15 and newer.

mod access;
pub mod completed;
mod disposal;
mod error;
mod jobs;
mod life;
pub mod metadata;
pub mod setup;
pub mod statistics;
mod survey;
pub mod uid;
pub mod version;
mod wire;

use reqwest::{Method, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::json;

pub use access::Access;
pub use error::Error;
pub use wire::{Checkpoints, Savepoint};

use crate::protocol::confirm::Restored;
use crate::protocol::entry::Attempt;
use crate::protocol::id::{JobId, TriggerId};
use crate::protocol::point::Format;
use crate::protocol::stop::{Job, JobsReply, PollReply, PostReply};
use crate::telemetry::metrics;
use crate::telemetry::words::Peer;

/// No answer that is read is longer: that of a session cluster with ten thousand jobs has some megabytes.
const LONGEST: usize = 16 << 20;

/// A client of one JobManager.
#[derive(Debug, Clone)]
pub struct Flink {
    http: reqwest::Client,
    url: String,
    access: Access,
}

impl Flink {
    /// A client of the JobManager that is reached so.
    ///
    /// # Errors
    /// If the HTTP client can't be set up, for example because a certificate is none.
    pub fn new(access: Access) -> Result<Self, Error> {
        let (http, url) = access.client()?;
        Ok(Self { http, url, access })
    }

    /// All jobs, as the stop wants them.
    pub async fn jobs(&self) -> JobsReply {
        match self.get::<wire::Overview>("/jobs/overview").await {
            Ok(overview) => JobsReply::Listed(overview.jobs.into_iter().map(Job::from).collect()),
            Err(error) => JobsReply::Unreachable(crate::report::chain(&error)),
        }
    }

    /// Asks for stop-with-savepoint. The same trigger id may be sent again: Flink answers it from a cache (1.15+).
    pub async fn post_stop(&self, attempt: &Attempt) -> PostReply {
        let body = json!({
            "targetDirectory": attempt.target,
            "drain": attempt.drain,
            "formatType": format_type(attempt.format),
            "triggerId": attempt.trigger_id,
        });
        self.trigger(&format!("/jobs/{}/stop", attempt.job_id), &body, attempt.trigger_id).await
    }

    async fn trigger(&self, path: &str, body: &serde_json::Value, trigger_id: TriggerId) -> PostReply {
        match self.call::<wire::Triggered>(Method::POST, path, Some(body)).await {
            Ok(triggered) if triggered.request_id == trigger_id => PostReply::Accepted,
            Ok(triggered) => PostReply::Lost(format!("Flink answered for request {}", triggered.request_id)),
            Err(error) if error.is_refusal() => PostReply::Refused(version::refusal(&error)),
            Err(error) => PostReply::Lost(crate::report::chain(&error)),
        }
    }

    /// Asks for a savepoint of a job that goes on. The same trigger id may be sent again: Flink answers it from a cache (1.15+).
    pub async fn post_savepoint(&self, attempt: &Attempt) -> PostReply {
        let body = json!({
            // Not spelt as for a stop, and of a name that it does not know Flink says nothing.
            "target-directory": attempt.target,
            "cancel-job": false,
            "formatType": format_type(attempt.format),
            "triggerId": attempt.trigger_id,
        });
        self.trigger(&format!("/jobs/{}/savepoints", attempt.job_id), &body, attempt.trigger_id).await
    }

    /// Reads the result of a request for a savepoint.
    pub async fn poll_stop(&self, job_id: JobId, trigger_id: TriggerId) -> PollReply {
        match self.get::<wire::Operation>(&format!("/jobs/{job_id}/savepoints/{trigger_id}")).await {
            Ok(operation) => operation.into_reply(),
            Err(Error::Status { status: StatusCode::NOT_FOUND, .. }) => PollReply::Unknown,
            Err(error) => PollReply::Lost(crate::report::chain(&error)),
        }
    }

    /// Asks for a checkpoint (Flink 1.17 and newer). The same trigger id may be sent again.
    ///
    /// # Errors
    /// If Flink does not take the request.
    pub async fn post_checkpoint(&self, job_id: JobId, trigger_id: TriggerId) -> Result<(), Error> {
        let body = json!({ "triggerId": trigger_id });
        let path = format!("/jobs/{job_id}/checkpoints");
        self.call::<wire::Triggered>(Method::POST, &path, Some(&body)).await.map(drop)
    }

    /// Reads what came of it; none while it is being taken.
    ///
    /// # Errors
    /// If Flink does not answer, or with something else.
    pub async fn poll_checkpoint(
        &self,
        job_id: JobId,
        trigger_id: TriggerId,
    ) -> Result<Option<Result<u64, String>>, Error> {
        let path = format!("/jobs/{job_id}/checkpoints/{trigger_id}");
        Ok(self.get::<wire::OnDemand>(&path).await?.result())
    }

    /// The checkpoint statistics. Flink serves them from a cache that is up to 3 s old.
    ///
    /// # Errors
    /// If Flink does not answer, or with something else.
    pub async fn checkpoints(&self, job_id: JobId) -> Result<Checkpoints, Error> {
        self.get(&format!("/jobs/{job_id}/checkpoints")).await
    }

    /// What the job restored, if anything.
    ///
    /// # Errors
    /// If Flink does not answer, or with something else.
    pub async fn restored(&self, job_id: JobId) -> Result<Option<Restored>, Error> {
        Ok(self.checkpoints(job_id).await?.latest.restored.map(Restored::from))
    }

    /// The root cause of the job's newest failure.
    ///
    /// # Errors
    /// If Flink does not answer, or with something else.
    pub async fn failure(&self, job_id: JobId) -> Result<Option<String>, Error> {
        Ok(self.failures(job_id).await?.first().and_then(|newest| wire::root_cause(newest)))
    }

    /// The job's failures, newest first, as Java stack traces. Flink serves them from a cache that is up to 3 s old.
    ///
    /// # Errors
    /// If Flink does not answer, or with something else.
    pub async fn failures(&self, job_id: JobId) -> Result<Vec<String>, Error> {
        let exceptions: wire::Exceptions = self.get(&format!("/jobs/{job_id}/exceptions")).await?;
        Ok(exceptions.stack_traces())
    }

    /// Cancels a job without a savepoint.
    ///
    /// # Errors
    /// If Flink does not take the request.
    pub async fn cancel(&self, job_id: JobId) -> Result<(), Error> {
        self.call::<serde_json::Value>(Method::PATCH, &format!("/jobs/{job_id}?mode=cancel"), None).await.map(drop)
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Error> {
        self.call(Method::GET, path, None).await
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&serde_json::Value>,
    ) -> Result<T, Error> {
        let answered = self.ask(method, path, body).await;
        // What Flink does not know, or refuses, it has understood.
        let understood = |error: &Error| matches!(error, Error::Status { status, .. } if status.is_client_error());
        if answered.as_ref().is_err_and(|error| !understood(error)) {
            metrics::request_failed(Peer::Flink);
        }
        answered
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&serde_json::Value>,
    ) -> Result<T, Error> {
        let what = || format!("{method} {path}");
        let mut request = self.http.request(method.clone(), format!("{}{path}", self.url));
        if let Some((user, password)) = &self.access.user {
            request = request.basic_auth(user, Some(password));
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.map_err(|source| Error::Request { what: what(), source })?;
        let status = response.status();
        let bytes = whole(response, &what).await?;
        if !status.is_success() {
            return Err(Error::Status { what: what(), status, errors: wire::errors(&bytes) });
        }
        serde_json::from_slice(&bytes).map_err(|source| Error::Answer { what: what(), source })
    }
}

/// Whoever listens on Flink's port may say as much as he likes.
async fn whole(mut response: reqwest::Response, what: &dyn Fn() -> String) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    while let Some(part) = response.chunk().await.map_err(|source| Error::Request { what: what(), source })? {
        if bytes.len() + part.len() > LONGEST {
            return Err(Error::TooLong { what: what() });
        }
        bytes.extend_from_slice(&part);
    }
    Ok(bytes)
}

fn format_type(format: Format) -> &'static str {
    match format {
        Format::Native => "NATIVE",
        Format::Canonical => "CANONICAL",
    }
}
