//! The HTTP client behind every object store: ours, so that its time limits and its trust are ours as well.

use std::error::Error as _;
use std::path::Path;
use std::time::Duration;

use http_body_util::BodyExt as _;
use hyper::{Response, StatusCode};
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpResponseBody, HttpService,
};

use super::Options;
use crate::tls;

/// How long it may take until a store takes a connection.
const CONNECT: Duration = Duration::from_secs(3);

/// So many letters of a store's answer are shown.
const TEXT: usize = 500;

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// The roots to trust.
    #[error("storage.ca (SAVEPOINTD_STORAGE__CA): {path} can't be read")]
    Roots {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// The client itself.
    #[error(
        "no HTTP client for stores: without CA certificates in the system, set storage.ca (SAVEPOINTD_STORAGE__CA)"
    )]
    Client(#[source] reqwest::Error),
}

/// A store's clear no. Its library tells it from other trouble only for some requests, and not in the type.
#[derive(Debug, thiserror::Error)]
#[error("{status}: {text}")]
pub(super) struct Refused {
    pub(super) status: StatusCode,
    text: String,
    /// What was asked for, nothing in it encoded.
    path: String,
    /// Whether a listing was asked for.
    lists: bool,
}

impl Refused {
    /// The clear no behind an error, if there is one.
    pub(super) fn behind<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a Self> {
        let mut source = Some(error);
        while let Some(cause) = source {
            if let Some(refused) = cause.downcast_ref() {
                return Some(refused);
            }
            source = cause.source();
        }
        None
    }

    /// Whether it was said of what a URL names. Those who give out credentials say no through the same client, and what they do not know
    /// tells nothing of any object.
    pub(super) fn is_about(&self, url: &str) -> bool {
        let path = url.split_once("://").and_then(|(_, rest)| Some(rest.split_once('/')?.1));
        path.is_some_and(|path| self.path.strip_suffix(path).is_some_and(|before| before.ends_with('/')))
    }

    /// Whether it was said of a whole listing.
    pub(super) fn is_about_a_listing(&self) -> bool {
        self.lists
    }
}

/// A path without its `%xx`.
fn decoded(path: &str) -> String {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('%') {
        bytes.extend(before.as_bytes());
        match after.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => bytes.push(byte),
            None => bytes.push(b'%'),
        }
        rest = after.get(2..).unwrap_or_default();
    }
    bytes.extend(rest.as_bytes());
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Gives every store the same client.
#[derive(Debug, Clone)]
pub(super) struct Connector(Client);

#[derive(Debug, Clone)]
struct Client(reqwest::Client);

impl Connector {
    pub(super) fn new(options: &Options) -> Result<Self, Problem> {
        client(options).map(|client| Self(Client(client)))
    }
}

/// A client with these options.
pub(super) fn client(options: &Options) -> Result<reqwest::Client, Problem> {
    tls::prepare();
    let mut builder = reqwest::Client::builder()
        .connect_timeout(CONNECT.min(options.timeout))
        // From byte to byte, so that a large file may take its time and a store that stalls may not.
        .read_timeout(options.timeout)
        .redirect(reqwest::redirect::Policy::none());
    if let Some(path) = &options.ca {
        builder = builder.tls_certs_only(roots(path)?);
    }
    builder.build().map_err(Problem::Client)
}

fn roots(path: &Path) -> Result<Vec<reqwest::Certificate>, Problem> {
    let problem = |source| Problem::Roots { path: path.display().to_string(), source };
    let text = std::fs::read(path).map_err(problem)?;
    let roots = reqwest::Certificate::from_pem_bundle(&text).unwrap_or_default();
    if roots.is_empty() {
        return Err(problem(std::io::Error::new(std::io::ErrorKind::InvalidData, "no certificate in it")));
    }
    Ok(roots)
}

impl HttpConnector for Connector {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.0.clone()))
    }
}

#[async_trait::async_trait]
impl HttpService for Client {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await?.to_bytes();
        let path = decoded(parts.uri.path());
        let asked = parts.uri.query().unwrap_or_default().split('&');
        let lists = asked.into_iter().any(|pair| pair.starts_with("list-type=") || pair == "comp=list");
        let url = parts.uri.to_string().parse().map_err(|error| HttpError::new(HttpErrorKind::Unknown, error))?;
        let mut request = reqwest::Request::new(parts.method, url);
        *request.headers_mut() = parts.headers;
        *request.body_mut() = Some(body.into());
        let response: Response<reqwest::Body> = self.0.execute(request).await.map_err(error)?.into();
        let (parts, body) = response.into_parts();
        if [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN, StatusCode::NOT_FOUND].contains(&parts.status) {
            let text = body.collect().await.map_err(error)?.to_bytes();
            let text = String::from_utf8_lossy(&text).chars().take(TEXT).collect();
            return Err(HttpError::new(HttpErrorKind::Unknown, Refused { status: parts.status, text, path, lists }));
        }
        Ok(HttpResponse::from_parts(parts, HttpResponseBody::new(body.map_err(error))))
    }
}

/// What kind of error it is decides whether a request is made again.
fn error(error: reqwest::Error) -> HttpError {
    let kind = if error.is_connect() {
        HttpErrorKind::Connect
    } else if error.is_timeout() {
        HttpErrorKind::Timeout
    } else if error.is_decode() {
        HttpErrorKind::Decode
    } else {
        broken(&error)
    };
    // Signatures may stand in the URL; it is named without them elsewhere.
    HttpError::new(kind, error.without_url())
}

/// A connection that broke, also one that the other side closed while it lay idle.
fn broken(error: &reqwest::Error) -> HttpErrorKind {
    let mut source = error.source();
    while let Some(cause) = source {
        if cause.downcast_ref::<hyper::Error>().is_some_and(|error| error.is_closed() || error.is_incomplete_message())
            || cause.downcast_ref::<std::io::Error>().is_some()
        {
            return HttpErrorKind::Interrupted;
        }
        source = cause.source();
    }
    HttpErrorKind::Unknown
}
