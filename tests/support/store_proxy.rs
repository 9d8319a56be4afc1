//! A proxy in front of a real object store, which loses replies, answers errors and stalls where the test wants it.

use std::cell::RefCell;
use std::net::TcpListener;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// What happens in place of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Not done; this status.
    Status(u16),
    /// Not done; the connection is reset.
    Reset,
    /// Not done, never answered.
    Stall,
    /// Done; the connection is reset before the answer.
    LostReply,
    /// Done, but this status is answered.
    DoneBut(u16),
    /// Done, after so long.
    Slow(Duration),
}

/// What stands behind the proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Upstream {
    /// It is spoken to as it comes.
    Plain,
    /// fake-gcs-server creates objects by Google's JSON API only: what comes by the XML API is said in that way.
    FakeGcs,
    /// fake-gcs-server that hears of no conditions: what is there is overwritten.
    Careless,
}

#[derive(Debug)]
struct Rule {
    method: Method,
    part: String,
    /// None: it passes.
    fault: Option<Fault>,
    times: usize,
}

#[derive(Debug, Default)]
struct Shared {
    rules: Mutex<Vec<Rule>>,
    log: Mutex<Vec<String>>,
}

/// The proxy. Dropped, it ends.
#[derive(Debug)]
pub struct StoreProxy {
    pub port: u16,
    shared: Arc<Shared>,
    end: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, thiserror::Error)]
#[error("the test wanted it")]
struct Broken;

impl StoreProxy {
    /// In front of a port of this machine.
    pub fn before(port: u16, upstream: Upstream) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let own = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared::default());
        let (end, ended) = tokio::sync::oneshot::channel();
        let serving = Arc::clone(&shared);
        let thread = std::thread::spawn(move || serve(&serving, listener, (port, upstream), ended));
        Self { port: own, shared, end: Some(end), thread: Some(thread) }
    }

    /// Has the next `times` requests of this method whose path and query contain `part` meet a fault.
    pub fn fault(&self, method: &str, part: &str, fault: Fault, times: usize) {
        let rule = Rule { method: method.parse().unwrap(), part: part.to_owned(), fault: Some(fault), times };
        self.shared.rules.lock().unwrap().push(rule);
    }

    /// Lets the next `times` requests of this method pass that would meet a fault that is told of later.
    pub fn pass(&self, method: &str, times: usize) {
        let rule = Rule { method: method.parse().unwrap(), part: String::new(), fault: None, times };
        self.shared.rules.lock().unwrap().push(rule);
    }

    /// Whatever is asked from now on meets a fault.
    pub fn fault_all(&self, fault: Fault) {
        for method in ["GET", "HEAD", "PUT", "POST", "DELETE"] {
            self.fault(method, "", fault, usize::MAX);
        }
    }

    /// No more faults.
    pub fn heal(&self) {
        self.shared.rules.lock().unwrap().clear();
    }

    /// Everything that was asked for: method, path and query.
    pub fn requests(&self) -> Vec<String> {
        self.shared.log.lock().unwrap().clone()
    }

    /// What is asked for while `work` is being done.
    pub async fn requests_of<T>(&self, work: impl Future<Output = T>) -> (T, Vec<String>) {
        let before = self.requests().len();
        let done = work.await;
        (done, self.requests().split_off(before))
    }
}

impl Drop for StoreProxy {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn serve(
    shared: &Arc<Shared>,
    listener: TcpListener,
    upstream: (u16, Upstream),
    ended: tokio::sync::oneshot::Receiver<()>,
) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let accepting = async {
        listener.set_nonblocking(true).unwrap();
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        while let Ok((stream, _)) = listener.accept().await {
            tokio::task::spawn_local(connection(Arc::clone(shared), upstream, stream));
        }
    };
    tokio::task::LocalSet::new().block_on(&runtime, async {
        tokio::select! {
            () = accepting => {}
            _ = ended => {}
        }
    });
}

async fn connection(shared: Arc<Shared>, upstream: (u16, Upstream), stream: TcpStream) {
    let stream = stream.into_std().unwrap();
    // A second handle, by which the service can have the connection end with a reset.
    let handle = Rc::new(RefCell::new(Some(stream.try_clone().unwrap())));
    let service = service_fn(|request| {
        let (shared, handle) = (Arc::clone(&shared), Rc::clone(&handle));
        async move {
            let response = respond(&shared, upstream, request).await;
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

async fn respond(
    shared: &Shared,
    upstream: (u16, Upstream),
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Broken> {
    let (head, body) = request.into_parts();
    let request = Request::from_parts(head, body.collect().await.map_err(|_| Broken)?.to_bytes());
    let asked = request.uri().path_and_query().map_or_else(String::new, ToString::to_string);
    shared.log.lock().unwrap().push(format!("{} {asked}", request.method()));
    let fault = {
        let mut rules = shared.rules.lock().unwrap();
        let rule = rules
            .iter_mut()
            .find(|rule| rule.times > 0 && rule.method == *request.method() && asked.contains(&rule.part));
        rule.and_then(|rule| {
            rule.times -= 1;
            rule.fault
        })
    };
    match fault {
        None => forward(upstream, request).await,
        Some(Fault::Status(status)) => Ok(answer(status)),
        Some(Fault::Reset) => Err(Broken),
        Some(Fault::Stall) => std::future::pending().await,
        Some(Fault::Slow(wait)) => {
            tokio::time::sleep(wait).await;
            forward(upstream, request).await
        }
        Some(Fault::LostReply) => {
            forward(upstream, request).await?;
            Err(Broken)
        }
        Some(Fault::DoneBut(status)) => {
            forward(upstream, request).await?;
            Ok(answer(status))
        }
    }
}

fn answer(status: u16) -> Response<Full<Bytes>> {
    let text = "<?xml version=\"1.0\"?><Error><Code>Wanted</Code><Message>the test wanted it</Message></Error>";
    Response::builder().status(status).header(header::CONTENT_TYPE, "application/xml").body(Full::from(text)).unwrap()
}

async fn forward(
    (port, upstream): (u16, Upstream),
    mut request: Request<Bytes>,
) -> Result<Response<Full<Bytes>>, Broken> {
    let mut creates = false;
    if upstream != Upstream::Plain {
        // It goes by the host's name where the path could mean several things.
        request.headers_mut().insert(header::HOST, format!("127.0.0.1:{port}").parse().unwrap());
        if request.method() == Method::PUT {
            creates = true;
            request = in_json_api(request, upstream == Upstream::FakeGcs);
        }
    }
    let stream = TcpStream::connect(("127.0.0.1", port)).await.map_err(|_| Broken)?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|_| Broken)?;
    tokio::task::spawn_local(connection);
    let response = sender.send_request(request.map(Full::<Bytes>::from)).await.map_err(|_| Broken)?;
    let (mut head, body) = response.into_parts();
    let body = body.collect().await.map_err(|_| Broken)?.to_bytes();
    if creates && head.status == StatusCode::OK {
        head.headers.entry(header::ETAG).or_insert(header::HeaderValue::from_static("\"created\""));
    }
    Ok(Response::from_parts(head, Full::from(body)))
}

/// `PUT /<bucket>/<object>` as an upload of media.
fn in_json_api(request: Request<Bytes>, conditions: bool) -> Request<Bytes> {
    let (mut head, body) = request.into_parts();
    let path = head.uri.path().trim_start_matches('/').to_owned();
    let (bucket, object) = path.split_once('/').unwrap();
    let conditional = conditions && head.headers.contains_key("x-goog-if-generation-match");
    let condition = if conditional { "&ifGenerationMatch=0" } else { "" };
    let object = object.replace('/', "%2F");
    let uri = format!("/upload/storage/v1/b/{bucket}/o?uploadType=media&name={object}{condition}");
    head.method = Method::POST;
    head.uri = uri.parse().unwrap();
    Request::from_parts(head, body)
}
