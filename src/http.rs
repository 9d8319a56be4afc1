//! The little HTTP that the sockets and the admin server need.

use std::convert::Infallible;
use std::future::Future;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use futures_util::future::LocalBoxFuture;
use futures_util::stream;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, Limited, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, header};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::{oneshot, watch};

/// The body of every response.
pub type Body = UnsyncBoxBody<Bytes, Infallible>;

/// Answers a request.
pub type Handler = Rc<dyn Fn(Request<Incoming>) -> LocalBoxFuture<'static, Response<Body>>>;

/// A request larger than this is nobody's that we know, and neither is a line or an answer of an agent.
const MOST: usize = 1 << 20;
/// The head of a request is no longer, whoever sends it.
const HEAD: usize = 16 << 10;

/// Serves what `accept` brings until that fails or the future is dropped. With each connection comes what is held as long as it lasts.
pub async fn serve<S, H, F>(mut accept: impl FnMut() -> F, handler: Handler)
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
    H: 'static,
    F: Future<Output = std::io::Result<(S, H)>>,
{
    loop {
        match accept().await {
            Ok((stream, held)) => {
                let handler = Rc::clone(&handler);
                tokio::task::spawn_local(async move {
                    let _held = held;
                    let service = service_fn(move |request| {
                        let response = handler(request);
                        async move { Ok::<_, Infallible>(response.await) }
                    });
                    let mut http = hyper::server::conn::http1::Builder::new();
                    http.timer(TokioTimer::new()).max_buf_size(HEAD);
                    if let Err(error) = http.serve_connection(TokioIo::new(stream), service).await {
                        tracing::debug!(error = crate::report::chain(&error), "connection ended");
                    }
                });
            }
            Err(error) => {
                // Out of file descriptors, for one; it passes.
                tracing::warn!(%error, "can't accept a connection");
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
    }
}

/// A response with this text.
#[must_use]
pub fn text(status: StatusCode, content_type: &'static str, text: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(Full::new(text.into()).boxed_unsync());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(content_type));
    response
}

/// A response with this value as JSON.
#[must_use]
pub fn json(status: StatusCode, value: &impl Serialize) -> Response<Body> {
    match serde_json::to_vec(value) {
        Ok(bytes) => text(status, "application/json", bytes),
        Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, "text/plain", error.to_string()),
    }
}

/// A stream of lines: the newest value at once, each change as JSON, and an empty line whenever nothing was said for as long
/// as `beat` says. The second part waits until the stream has ended, on whichever side.
pub fn lines<T: Serialize + Send + Sync + 'static>(
    mut changes: watch::Receiver<T>,
    beat: fn(&T) -> Option<Duration>,
) -> (Response<Body>, impl Future<Output = ()>) {
    changes.mark_changed();
    let (alive, ended) = oneshot::channel::<()>();
    let lines = stream::unfold((changes, alive), move |(mut changes, alive)| async move {
        let pause = beat(&changes.borrow());
        let text = tokio::select! {
            known = changes.changed() => {
                known.ok()?;
                line(&*changes.borrow_and_update())
            }
            () = tokio::time::sleep(pause.unwrap_or_default()), if pause.is_some() => Bytes::from_static(b"\n"),
        };
        Some((Ok(Frame::data(text)), (changes, alive)))
    });
    let mut response = Response::new(StreamBody::new(lines).boxed_unsync());
    let json_lines = header::HeaderValue::from_static("application/x-ndjson");
    response.headers_mut().insert(header::CONTENT_TYPE, json_lines);
    (response, async {
        let _ = ended.await;
    })
}

fn line(value: &impl Serialize) -> Bytes {
    let mut line = serde_json::to_vec(value).unwrap_or_default();
    line.push(b'\n');
    Bytes::from(line)
}

/// Reads a request's JSON.
///
/// # Errors
/// The response to give: the body is too large, broke off, or is not the JSON that is wanted.
pub async fn read<T: DeserializeOwned>(request: Request<Incoming>) -> Result<T, Box<Response<Body>>> {
    let wrong = |why: String| Box::new(text(StatusCode::BAD_REQUEST, "text/plain", why));
    let body = Limited::new(request.into_body(), MOST).collect().await.map_err(|error| wrong(error.to_string()))?;
    serde_json::from_slice(&body.to_bytes()).map_err(|error| wrong(error.to_string()))
}

/// Why a request over a socket failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody listens.
    #[error("nobody answers on {path}")]
    Connect {
        /// The socket.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The connection broke.
    #[error("the connection to the agent broke")]
    Connection(#[from] hyper::Error),
    /// The other side refused the request.
    #[error("the agent answered {0}: {1}")]
    Status(StatusCode, String),
    /// The other side speaks another language.
    #[error("the agent's answer can't be read")]
    Answer(#[from] serde_json::Error),
    /// It is longer than anything that an agent says.
    #[error("the agent's answer is longer than any: {0}")]
    TooLong(String),
    /// The request can't be built.
    #[error("the request can't be made")]
    Request(#[from] hyper::http::Error),
}

/// Sends one request over a Unix socket and gives the response, whose body may go on for long.
///
/// # Errors
/// If nobody answers, or with an error.
pub async fn request(socket: &Path, method: &str, path: &str, body: Vec<u8>) -> Result<Response<Incoming>, Error> {
    let name = || socket.display().to_string();
    let stream = UnixStream::connect(socket).await.map_err(|source| Error::Connect { path: name(), source })?;
    exchange(stream, "savepointd", method, path, body).await
}

/// Sends a GET over TCP to `address` (`host:port`) and gives the response, whose body may go on for long.
///
/// # Errors
/// If nobody answers, or with an error.
pub async fn get(address: &str, path: &str) -> Result<Response<Incoming>, Error> {
    over_tcp(address, "GET", path).await
}

/// Sends an empty POST over TCP to `address` (`host:port`).
///
/// # Errors
/// If nobody answers, or with an error.
pub async fn post(address: &str, path: &str) -> Result<Response<Incoming>, Error> {
    over_tcp(address, "POST", path).await
}

async fn over_tcp(address: &str, method: &str, path: &str) -> Result<Response<Incoming>, Error> {
    let stream =
        TcpStream::connect(address).await.map_err(|source| Error::Connect { path: address.to_owned(), source })?;
    exchange(stream, address, method, path, Vec::new()).await
}

async fn exchange<S>(
    stream: S,
    host: &str,
    method: &str,
    path: &str,
    body: Vec<u8>,
) -> Result<Response<Incoming>, Error>
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::task::spawn_local(connection);
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, host)
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(body)))?;
    let response = sender.send_request(request).await?;
    if response.status().is_success() {
        return Ok(response);
    }
    let status = response.status();
    let text = whole(response).await?;
    Err(Error::Status(status, String::from_utf8_lossy(&text).into_owned()))
}

/// Reads an answer that is not long, over the network from whoever answers there.
///
/// # Errors
/// If the connection broke, or the answer is longer than any.
pub async fn whole(response: Response<Incoming>) -> Result<Bytes, Error> {
    let body = Limited::new(response.into_body(), MOST).collect().await;
    body.map(http_body_util::Collected::to_bytes).map_err(|error| Error::TooLong(error.to_string()))
}

/// Sends JSON over a Unix socket and reads the JSON that comes back.
///
/// # Errors
/// If nobody answers, or with something else.
pub async fn call<T: DeserializeOwned>(
    socket: &Path,
    method: &str,
    path: &str,
    body: &impl Serialize,
) -> Result<T, Error> {
    let response = request(socket, method, path, serde_json::to_vec(body)?).await?;
    Ok(serde_json::from_slice(&response.into_body().collect().await?.to_bytes())?)
}

/// The lines of a response as they come.
#[derive(Debug)]
pub struct Lines {
    body: Incoming,
    buffer: Vec<u8>,
}

impl Lines {
    /// The lines of this response.
    #[must_use]
    pub fn of(response: Response<Incoming>) -> Self {
        Self { body: response.into_body(), buffer: Vec::new() }
    }

    /// The next line, without its end; none when the other side has closed the connection in order.
    ///
    /// # Errors
    /// If the connection broke.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, Error> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let mut line: Vec<u8> = self.buffer.drain(..=end).collect();
                line.pop();
                return Ok(Some(line));
            }
            if self.buffer.len() > MOST {
                return Err(Error::TooLong("a line without an end".to_owned()));
            }
            match self.body.frame().await {
                Some(frame) => {
                    if let Ok(data) = frame?.into_data() {
                        self.buffer.extend_from_slice(&data);
                    }
                }
                None => return Ok(None),
            }
        }
    }
}
