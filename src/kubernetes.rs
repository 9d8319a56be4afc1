//! The Kubernetes API, as little of it as is needed: one ConfigMap, pods to look at, Events to leave.
//!
//! Everything is plain requests: no watch, no lease, and next to nothing in steady state. A token that was rotated is read again, and
//! an API server that asks for patience (`Retry-After`) gets it, whoever asks next.

mod error;
mod event;
mod pod;

use std::sync::Arc;
use std::time::Duration;

use hyper::{Method, Request, header};
use jiff::Timestamp;
use kube::Client;
use kube::client::Body;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::{Mutex, OnceCell};
use tokio::time::Instant;

use crate::config::{self, Config, RecordKind};
use crate::telemetry::metrics;
use crate::telemetry::words::Peer;
pub use error::Error;
pub use event::Severity;
use http_body_util::BodyExt as _;
pub use pod::{Liveness, Pod};

/// How long one request may take.
const REQUEST: Duration = Duration::from_secs(5);
/// The most patience that an API server is given at its word.
const PATIENCE: Duration = Duration::from_secs(30);
/// What is added at most, by chance: many that were sent away at once would come back at once.
const SPREAD: Duration = Duration::from_secs(1);
/// Where a pod finds its service account.
const TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";

/// Access to the API server, made when it is needed first.
#[derive(Clone)]
pub struct Kubernetes {
    inner: Arc<Inner>,
}

struct Inner {
    /// What the downward API told.
    pod: config::Pod,
    /// The port of the agent's admin server.
    admin_port: Option<u16>,
    client: Mutex<Option<Client>>,
    /// The API server asked to be left alone until then.
    not_before: Mutex<Option<Instant>>,
    /// The pod that this is, and how long it is given to end.
    own: OnceCell<(crate::protocol::entry::PodRef, Option<Duration>)>,
}

impl std::fmt::Debug for Kubernetes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kubernetes").field("pod", &self.inner.pod).finish_non_exhaustive()
    }
}

/// An answer, and the API server's clock when it gave it.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) at: Option<Timestamp>,
    pub(crate) body: Value,
}

impl Kubernetes {
    /// Access for this configuration; none where nothing asks for it: outside pods, with a record that lies elsewhere.
    ///
    /// A pod whose record other pods reach has to ask, token or not: its process tells nobody in another pod whether it lives. A record in
    /// files, without a token, is taken for that of one machine.
    #[must_use]
    pub fn of(config: &Config) -> Option<Self> {
        let in_a_pod = std::env::var_os("KUBERNETES_SERVICE_HOST").is_some();
        let asked_for = match config.record.kind() {
            RecordKind::ConfigMap { .. } => true,
            RecordKind::ObjectStore => in_a_pod,
            RecordKind::Directory(_) => in_a_pod && std::path::Path::new(TOKEN).is_file(),
        };
        asked_for.then(|| Self {
            inner: Arc::new(Inner {
                pod: config.pod.clone(),
                admin_port: config.admin.address.map(|address| address.port()),
                client: Mutex::default(),
                not_before: Mutex::default(),
                own: OnceCell::new(),
            }),
        })
    }

    /// The namespace of this pod, or of the kubeconfig's context.
    ///
    /// # Errors
    /// If there is no access at all.
    pub async fn namespace(&self) -> Result<String, Error> {
        match &self.inner.pod.namespace {
            Some(namespace) => Ok(namespace.clone()),
            None => Ok(self.client().await?.default_namespace().to_owned()),
        }
    }

    /// The UID of a namespace: two namespaces of one name, in two clusters or one after the other, differ by it.
    ///
    /// # Errors
    /// If it can't be read.
    pub async fn namespace_uid(&self, namespace: &str) -> Result<String, Error> {
        #[derive(serde::Deserialize)]
        struct Namespace {
            metadata: Metadata,
        }
        #[derive(serde::Deserialize)]
        struct Metadata {
            uid: String,
        }
        let namespace: Namespace = self.get(&format!("/api/v1/namespaces/{namespace}")).await?;
        Ok(namespace.metadata.uid)
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Error> {
        let answer = self.call(&Method::GET, path, None).await?;
        T::deserialize(answer.body).map_err(|source| Error::Answer { what: format!("GET {path}"), source })
    }

    /// Sends one request; a token that the API server does not take is read anew once.
    pub(crate) async fn call(&self, method: &Method, path: &str, body: Option<&Value>) -> Result<Answer, Error> {
        let mut answered = self.call_once(method, path, body).await;
        if let Err(Error::Status { code: 401, .. }) = answered {
            *self.inner.client.lock().await = None;
            answered = self.call_once(method, path, body).await;
        }
        if answered.as_ref().is_err_and(|error| !error.is_not_found() && !error.is_conflict()) {
            metrics::request_failed(Peer::Kubernetes);
        }
        answered
    }

    /// The same for what can't wait: an API server that asked for patience is asked all the same.
    pub(crate) async fn call_at_once(&self, method: &Method, path: &str) -> Result<Answer, Error> {
        *self.inner.not_before.lock().await = None;
        self.call(method, path, None).await
    }

    async fn call_once(&self, method: &Method, path: &str, body: Option<&Value>) -> Result<Answer, Error> {
        let what = || format!("{method} {path}");
        let wait_until = *self.inner.not_before.lock().await;
        if let Some(until) = wait_until {
            tokio::time::sleep_until(until).await;
        }
        let bytes = body.map(serde_json::to_vec).transpose();
        let bytes = bytes.map_err(|source| Error::Answer { what: what(), source })?.unwrap_or_default();
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT, "application/json")
            .header(header::USER_AGENT, concat!("savepointd/", env!("CARGO_PKG_VERSION")))
            .body(Body::from(bytes))
            .map_err(|source| Error::Request { what: what(), source: source.into() })?;
        let client = self.client().await?;
        let answered = tokio::time::timeout(REQUEST, async {
            let response =
                client.send(request).await.map_err(|source| Error::Request { what: what(), source: source.into() })?;
            let (head, body) = response.into_parts();
            let bytes =
                body.collect().await.map_err(|source| Error::Request { what: what(), source: source.into() })?;
            Ok((head, bytes.to_bytes()))
        });
        let (head, bytes) = answered.await.map_err(|_| Error::Late { what: what(), limit: REQUEST })??;
        if !head.status.is_success() {
            if let Some(seconds) = number(&head.headers, header::RETRY_AFTER) {
                let patience = Duration::from_secs(seconds).min(PATIENCE);
                let spread = SPREAD.min(patience) * u32::from(crate::random::byte()) / 255;
                *self.inner.not_before.lock().await = Some(Instant::now() + patience + spread);
            }
            return Err(Error::status(what(), head.status.as_u16(), &bytes));
        }
        let body = serde_json::from_slice(&bytes).map_err(|source| Error::Answer { what: what(), source })?;
        let date = head.headers.get(header::DATE).and_then(|date| date.to_str().ok());
        let at = date.and_then(|date| jiff::fmt::rfc2822::parse(date).ok()).map(|date| date.timestamp());
        Ok(Answer { at, body })
    }

    async fn client(&self) -> Result<Client, Error> {
        let mut known = self.inner.client.lock().await;
        if let Some(client) = &*known {
            return Ok(client.clone());
        }
        let mut config = kube::Config::infer().await.map_err(|source| Error::Access(source.into()))?;
        config.connect_timeout = Some(REQUEST);
        // Its own retries would use up the time of a request without a word, and hide what the API server said.
        config.default_retry = false;
        let client = Client::try_from(config).map_err(|source| Error::Access(source.into()))?;
        *known = Some(client.clone());
        Ok(client)
    }
}

fn number(headers: &hyper::HeaderMap, name: header::HeaderName) -> Option<u64> {
    headers.get(name)?.to_str().ok()?.trim().parse().ok()
}
