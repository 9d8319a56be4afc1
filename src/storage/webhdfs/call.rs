//! One call of WebHDFS: the active NameNode is found, its redirection followed, and what passes is tried again.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hyper::body::Bytes;
use object_store::path::Path;
use reqwest::header::{CONTENT_TYPE, LOCATION, WWW_AUTHENTICATE};
use reqwest::{Method, Response, StatusCode};
use serde::de::DeserializeOwned;
use tokio::time::Instant;
use url::Url;

use super::wire::{Done, Exception, Remote};

/// So often it is tried at each NameNode.
const TRIES: usize = 3;
/// How soon again.
const PAUSE: Duration = Duration::from_millis(100);
/// So many letters of an answer are shown.
const TEXT: usize = 300;

/// What is asked for.
#[derive(Debug, Clone)]
pub(super) struct Call<'a> {
    pub(super) method: Method,
    pub(super) path: &'a Path,
    pub(super) operation: &'static str,
    pub(super) query: Vec<(&'static str, String)>,
    pub(super) content: Option<Bytes>,
    /// Whether to do it twice is to do it once.
    pub(super) repeatable: bool,
}

impl<'a> Call<'a> {
    pub(super) fn read(path: &'a Path, operation: &'static str) -> Self {
        Self { method: Method::GET, path, operation, query: Vec::new(), content: None, repeatable: true }
    }

    pub(super) fn change(method: Method, path: &'a Path, operation: &'static str) -> Self {
        Self { method, ..Self::read(path, operation) }
    }
}

/// What a trouble means for whoever asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    Missing,
    Exists,
    Forbidden,
    Unauthenticated,
    /// It will not go better by itself.
    Wrong,
    Passing,
}

/// Why there is no answer, or not the wanted one.
#[derive(Debug, thiserror::Error)]
pub(in crate::storage) enum Trouble {
    #[error("it is no file")]
    NoFile,
    #[error(
        "no answer from {at}: is that where the NameNode serves HTTP? storage.namenode (SAVEPOINTD_STORAGE__NAMENODE) names it"
    )]
    NoConnection {
        at: String,
        #[source]
        source: reqwest::Error,
    },
    #[error("the connection to HDFS broke")]
    Broken(#[source] reqwest::Error),
    #[error("{name}: {message}")]
    Remote { status: StatusCode, name: String, message: String },
    #[error(
        "{0} wants Kerberos, which this build of savepointd does not speak: name a gateway that takes a user's name (HttpFS, Knox) by \
         storage.namenode (SAVEPOINTD_STORAGE__NAMENODE)"
    )]
    Kerberos(String),
    #[error("{at} answered {status}, which is not what WebHDFS answers: {text}")]
    Strange { at: String, status: StatusCode, text: String },
}

impl Trouble {
    pub(super) fn broken(error: reqwest::Error) -> Self {
        Self::Broken(error.without_url())
    }

    /// The trouble with HDFS behind an error, if there is one.
    pub(in crate::storage) fn behind<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a Self> {
        let mut source = Some(error);
        while let Some(cause) = source {
            if let Some(trouble) = cause.downcast_ref() {
                return Some(trouble);
            }
            source = cause.source();
        }
        None
    }

    /// Whether this build will never get an answer.
    pub(in crate::storage) fn is_for_another_build(&self) -> bool {
        matches!(self, Self::Kerberos(_))
    }

    pub(super) fn is_missing(&self) -> bool {
        self.class() == Class::Missing
    }

    pub(super) fn class(&self) -> Class {
        match self {
            Self::NoFile => Class::Missing,
            Self::NoConnection { .. } | Self::Broken(_) => Class::Passing,
            Self::Kerberos(_) => Class::Unauthenticated,
            Self::Strange { status: StatusCode::FORBIDDEN, .. } => Class::Forbidden,
            Self::Strange { status: StatusCode::UNAUTHORIZED, .. } => Class::Unauthenticated,
            // Not there, or no WebHDFS there: not the same as a file that is not there.
            Self::Strange { status: StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED, .. } => Class::Wrong,
            Self::Strange { .. } => Class::Passing,
            Self::Remote { name, status, .. } => match name.as_str() {
                "FileNotFoundException" => Class::Missing,
                "FileAlreadyExistsException" => Class::Exists,
                "AccessControlException" | "SecurityException" | "AuthorizationException" => Class::Forbidden,
                "StandbyException" | "RetriableException" | "SafeModeException" | "IOException" => Class::Passing,
                _ if status.is_server_error() => Class::Passing,
                _ => Class::Wrong,
            },
        }
    }

    /// Whether this NameNode has certainly done nothing, and another one may.
    fn asks_elsewhere(&self) -> bool {
        match self {
            Self::NoConnection { source, .. } => source.is_connect(),
            Self::Remote { name, .. } => name == "StandbyException",
            _ => false,
        }
    }
}

/// The NameNodes of one HDFS.
#[derive(Debug)]
pub(super) struct NameNodes {
    http: reqwest::Client,
    addresses: Vec<Url>,
    /// Which of them answered last.
    active: AtomicUsize,
    user: String,
    patience: Duration,
}

impl NameNodes {
    pub(super) fn new(http: reqwest::Client, addresses: Vec<Url>, user: String, patience: Duration) -> Self {
        Self { http, addresses, active: AtomicUsize::new(0), user, patience }
    }

    /// Makes a call; gives the answer that told of success.
    pub(super) async fn send(&self, call: &Call<'_>) -> Result<Response, Trouble> {
        let begin = Instant::now();
        let mut tries = 0;
        loop {
            let active = self.active.load(Ordering::Relaxed);
            let trouble = match self.once(call, active).await {
                Ok(response) => return Ok(response),
                Err(trouble) => trouble,
            };
            tries += 1;
            let elsewhere = trouble.asks_elsewhere();
            let again = elsewhere || (call.repeatable && trouble.class() == Class::Passing);
            if !again || tries >= TRIES * self.addresses.len() || Instant::now().duration_since(begin) > self.patience {
                return Err(trouble);
            }
            if elsewhere {
                self.active.store(active + 1, Ordering::Relaxed);
            }
            if tries.is_multiple_of(self.addresses.len()) || !elsewhere {
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    /// Renames; says whether that was done. A NameNode answers an error if it was not, `HttpFS` success with `{"boolean":false}`.
    pub(super) async fn renamed(&self, call: &Call<'_>) -> Result<bool, Trouble> {
        let bytes = self.send(call).await?.bytes().await.map_err(Trouble::broken)?;
        let said: Option<Done> = serde_json::from_slice(&bytes).ok();
        Ok(said.is_none_or(|said| said.done))
    }

    /// The same for an answer in JSON.
    pub(super) async fn json<T: DeserializeOwned>(&self, call: &Call<'_>) -> Result<T, Trouble> {
        let response = self.send(call).await?;
        let (at, status) = (response.url().origin().ascii_serialization(), response.status());
        let bytes = response.bytes().await.map_err(Trouble::broken)?;
        serde_json::from_slice(&bytes).map_err(|_| Trouble::Strange { at, status, text: text(&bytes) })
    }

    async fn once(&self, call: &Call<'_>, active: usize) -> Result<Response, Trouble> {
        let address = self.addresses.get(active % self.addresses.len().max(1)).ok_or(Trouble::NoFile)?;
        let url = self.url(address, call);
        let asked = self.http.request(call.method.clone(), url);
        let response = self.checked(asked).await?;
        if response.status() != StatusCode::TEMPORARY_REDIRECT {
            return Ok(response);
        }
        // To the DataNode that has the content, or is to take it.
        let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
        let Some(location) = location.and_then(|location| Url::parse(location).ok()) else {
            let at = address.origin().ascii_serialization();
            return Err(Trouble::Strange { at, status: response.status(), text: "it names no place".to_owned() });
        };
        let mut request = self.http.request(call.method.clone(), location);
        if let Some(content) = &call.content {
            request = request.header(CONTENT_TYPE, "application/octet-stream").body(content.clone());
        }
        self.checked(request).await
    }

    fn url(&self, address: &Url, call: &Call<'_>) -> Url {
        let mut url = address.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(["webhdfs", "v1"]);
            segments.extend(call.path.as_ref().split('/').filter(|segment| !segment.is_empty()));
        }
        {
            let mut query = url.query_pairs_mut();
            query.append_pair("op", call.operation).append_pair("user.name", &self.user);
            query.extend_pairs(&call.query);
        }
        url
    }

    async fn checked(&self, request: reqwest::RequestBuilder) -> Result<Response, Trouble> {
        let request = request.build().map_err(Trouble::broken)?;
        let at = request.url().origin().ascii_serialization();
        let sent = self.http.execute(request).await;
        let response = match sent {
            Ok(response) => response,
            Err(source) if source.is_connect() || source.is_timeout() => {
                return Err(Trouble::NoConnection { at, source: source.without_url() });
            }
            Err(source) => return Err(Trouble::broken(source)),
        };
        let status = response.status();
        if status.is_success() || status == StatusCode::TEMPORARY_REDIRECT {
            return Ok(response);
        }
        let negotiates =
            response.headers().get(WWW_AUTHENTICATE).is_some_and(|value| value.as_bytes().starts_with(b"Negotiate"));
        if status == StatusCode::UNAUTHORIZED && negotiates {
            return Err(Trouble::Kerberos(at));
        }
        let bytes = response.bytes().await.map_err(Trouble::broken)?;
        Err(match serde_json::from_slice(&bytes) {
            Ok(Remote { exception: Exception { name, message } }) => {
                // Behind the first line stands a Java stack trace.
                let message = message.lines().next().unwrap_or_default().to_owned();
                Trouble::Remote { status, name, message }
            }
            Err(_) => Trouble::Strange { at, status, text: text(&bytes) },
        })
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).chars().take(TEXT).collect()
}
