//! The wire: requests in, answers or faults out.

use std::cell::RefCell;
use std::net::TcpListener;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::{StreamExt as _, stream};
use http_body_util::{BodyExt as _, Limited, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Response, header};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::objects::REQUEST_LIMIT;
use super::status::Answer;
use super::{Request, Shared};

/// What happens in place of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Not done; this code, in the server's usual words.
    Code(u16),
    /// Not done: no rule allows it.
    Forbidden,
    /// Not done: 429, and when to come again, in seconds.
    TooManyRequests(u32),
    /// Somebody else changed the object a moment before.
    Overtaken,
    /// Not done; the connection is reset.
    Reset,
    /// Not done, never answered.
    Hang,
    /// Done, but late.
    Delay(Duration),
    /// Done; the connection is reset before the answer.
    LostReply,
    /// Done, never answered.
    HangingReply,
    /// Done, but half of the answer is missing.
    HalfBody,
}

/// What makes hyper end a connection.
#[derive(Debug, thiserror::Error)]
#[error("the test wanted it")]
struct Broken;

type Body = UnsyncBoxBody<Bytes, Broken>;

/// Serves until the fake is dropped.
pub(super) fn serve(shared: &Arc<Shared>, listener: TcpListener, ended: tokio::sync::oneshot::Receiver<()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let accepting = async {
        listener.set_nonblocking(true).unwrap();
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        while let Ok((stream, _)) = listener.accept().await {
            tokio::task::spawn_local(connection(Arc::clone(shared), stream));
        }
    };
    tokio::task::LocalSet::new().block_on(&runtime, async {
        tokio::select! {
            () = accepting => {}
            _ = ended => {}
        }
    });
}

async fn connection(shared: Arc<Shared>, stream: TcpStream) {
    let stream = stream.into_std().unwrap();
    // A second handle, by which the service can have the connection end with a reset.
    let handle = Rc::new(RefCell::new(Some(stream.try_clone().unwrap())));
    let service = service_fn(|request| {
        let (shared, handle) = (Arc::clone(&shared), Rc::clone(&handle));
        async move {
            let response = respond(&shared, request).await;
            if response.is_err()
                && let Some(handle) = handle.take()
            {
                TcpStream::from_std(handle).unwrap().set_zero_linger().unwrap();
            }
            response
        }
    });
    let stream = TokioIo::new(TcpStream::from_std(stream).unwrap());
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(stream, service).await;
}

async fn respond(shared: &Shared, request: hyper::Request<Incoming>) -> Result<Response<Body>, Broken> {
    let Some(request) = receive(request).await else { return Ok(response(shared, Answer::too_large(REQUEST_LIMIT))) };
    let fault = {
        let mut state = shared.state();
        state.log.push(request.clone());
        state.fault(&request)
    };
    let answer = match &fault {
        Some(Fault::Reset) => return Err(Broken),
        Some(Fault::Hang) => return std::future::pending().await,
        Some(Fault::Code(code)) => Answer::trouble(*code),
        Some(Fault::Forbidden) => Answer::forbidden(&request),
        Some(Fault::TooManyRequests(retry_after)) => Answer::too_many_requests(*retry_after),
        Some(Fault::Delay(delay)) => {
            tokio::time::sleep(*delay).await;
            shared.state().answer(&request)
        }
        Some(Fault::Overtaken) => shared.state().overtaken(&request),
        Some(Fault::LostReply | Fault::HangingReply | Fault::HalfBody) | None => shared.state().answer(&request),
    };
    match fault {
        Some(Fault::LostReply) => Err(Broken),
        Some(Fault::HangingReply) => std::future::pending().await,
        Some(Fault::HalfBody) => Ok(response(shared, answer).map(half)),
        _ => Ok(response(shared, answer)),
    }
}

/// The request with all of its body; none if that is larger than the server takes.
async fn receive(request: hyper::Request<Incoming>) -> Option<Request> {
    let (head, body) = request.into_parts();
    let body = Limited::new(body, REQUEST_LIMIT).collect().await.ok()?.to_bytes();
    let header = |name: header::HeaderName| Some(head.headers.get(name)?.to_str().ok()?.to_owned());
    let path = head.uri.path();
    let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
    let rest = match segments.as_slice() {
        ["api", "v1", rest @ ..] | ["apis", _, _, rest @ ..] => rest,
        _ => &[],
    };
    let (namespace, resource, name) = match rest {
        ["namespaces", namespace] => (*namespace, "namespaces", Some(*namespace)),
        ["namespaces", namespace, resource] => (*namespace, *resource, None),
        ["namespaces", namespace, resource, name, ..] => (*namespace, *resource, Some(*name)),
        _ => ("", "", None),
    };
    let verb = match (&head.method, name) {
        (&Method::GET, Some(_)) => "get",
        (&Method::GET, None) => "list",
        (&Method::POST, _) => "create",
        (&Method::PUT, _) => "update",
        (&Method::PATCH, _) => "patch",
        _ => "delete",
    };
    Some(Request {
        verb,
        resource: resource.to_owned(),
        namespace: namespace.to_owned(),
        name: name.map(str::to_owned),
        method: head.method.to_string(),
        path: path.to_owned(),
        user_agent: header(header::USER_AGENT).unwrap_or_default(),
        token: header(header::AUTHORIZATION).and_then(|text| Some(text.strip_prefix("Bearer ")?.to_owned())),
        body: String::from_utf8_lossy(&body).into_owned(),
        at: Instant::now(),
    })
}

fn response(shared: &Shared, answer: Answer) -> Response<Body> {
    let date = shared.state().now().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    let mut response = Response::builder()
        .status(answer.status)
        .header(header::DATE, date)
        .header(header::CONTENT_TYPE, answer.content_type)
        .header(header::CONTENT_LENGTH, answer.body.len())
        .header(header::CACHE_CONTROL, "no-cache, private");
    if let Some(seconds) = answer.retry_after {
        response = response.header(header::RETRY_AFTER, seconds);
    }
    response.body(http_body_util::Full::from(answer.body).map_err(|never| match never {}).boxed_unsync()).unwrap()
}

fn half(body: Body) -> Body {
    let halved = body.into_data_stream().map(|bytes| {
        let bytes = bytes?;
        Ok(Frame::data(bytes.slice(..bytes.len() / 2)))
    });
    let broken = stream::once(async {
        // Only a body that pauses is written out before its end.
        tokio::task::yield_now().await;
        Err(Broken)
    });
    StreamBody::new(halved.chain(broken)).boxed_unsync()
}
