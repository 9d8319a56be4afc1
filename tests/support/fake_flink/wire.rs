//! The wire: requests in, answers or faults out.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;

use super::Shared;

/// The calls that can be told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    Jobs,
    Stop,
    /// A savepoint of a job that goes on is asked for.
    Savepoint,
    Poll,
    Checkpoints,
    CheckpointConfig,
    /// A checkpoint on demand is asked for.
    TakeCheckpoint,
    /// What came of it.
    PollCheckpoint,
    Cancel,
    /// A savepoint is to be deleted.
    Dispose,
    /// What came of it.
    PollDisposal,
    Other,
}

/// What happens in place of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The answer, but late.
    Delay(Duration),
    /// Taken in, not done, never answered.
    Hang,
    /// Not done; the connection is reset.
    Reset,
    /// Not done; this answer in its place.
    Answer(u16, &'static str, &'static str),
    /// Done, but half of the answer is missing.
    HalfBody,
    /// Done, but the connection closes before the answer.
    LostReply,
    /// Done, but answered for another request id.
    OtherRequest,
}

/// One request, as it came.
#[derive(Debug, Clone)]
pub struct Request {
    pub call: Call,
    pub method: String,
    pub path: String,
    pub body: String,
    pub at: Instant,
}

pub(super) fn serve(shared: &Arc<Shared>, mut stream: TcpStream) {
    while let Some((request, length)) = receive(&stream) {
        let fault = {
            let mut state = shared.state();
            state.log.push(request.clone());
            let found = state.faults.iter_mut().find(|(call, _, times)| *call == request.call && *times > 0);
            found.map(|(_, fault, times)| {
                *times = times.saturating_sub(1);
                fault.clone()
            })
        };
        if fault == Some(Fault::Reset) {
            // With a request that nobody has read the kernel closes by RST.
            return;
        }
        let _ = stream.read_exact(&mut vec![0; length]);
        match &fault {
            Some(Fault::Hang) => {
                let _ = stream.peek(&mut [0]);
                return;
            }
            Some(Fault::Delay(delay)) => std::thread::sleep(*delay),
            _ => {}
        }
        let (status, kind, text) = match &fault {
            Some(Fault::Answer(status, kind, text)) => (*status, *kind, (*text).to_owned()),
            _ => match shared.answer(&request) {
                Some((status, body)) => (status, "application/json; charset=UTF-8", body.to_string()),
                None => return,
            },
        };
        let (text, sent) = match fault {
            Some(Fault::LostReply) => return,
            Some(Fault::OtherRequest) => (json!({ "request-id": "0".repeat(32) }).to_string(), None),
            Some(Fault::HalfBody) => (text.clone(), Some(text.len() / 2)),
            _ => (text, None),
        };
        let head =
            format!("HTTP/1.1 {status} Whatever\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n", text.len());
        let body = &text.as_bytes()[..sent.unwrap_or(text.len())];
        if stream.write_all(&[head.as_bytes(), body].concat()).is_err() || sent.is_some() {
            return;
        }
    }
}

/// The next request, left unread in the connection, and its length.
fn receive(stream: &TcpStream) -> Option<(Request, usize)> {
    let mut buffer = vec![0; 65_536];
    loop {
        let seen = stream.peek(&mut buffer).ok().filter(|seen| *seen > 0)?;
        let text = String::from_utf8_lossy(&buffer[..seen]).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
            });
            let length = length.unwrap_or(0);
            if body.len() >= length {
                let mut words = head.split(' ');
                let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
                let body = body.get(..length)?.to_owned();
                let call = call(&method, &path);
                return Some((Request { call, method, path, body, at: Instant::now() }, head.len() + 4 + length));
            }
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn call(method: &str, path: &str) -> Call {
    match (method, path) {
        ("GET", "/jobs/overview") => Call::Jobs,
        ("POST", path) if path.ends_with("/stop") => Call::Stop,
        ("POST", path) if path.ends_with("/savepoints") => Call::Savepoint,
        ("GET", path) if path.contains("/savepoints/") => Call::Poll,
        ("GET", path) if path.ends_with("/checkpoints") => Call::Checkpoints,
        ("GET", path) if path.ends_with("/checkpoints/config") => Call::CheckpointConfig,
        ("POST", path) if path.ends_with("/checkpoints") => Call::TakeCheckpoint,
        ("GET", path) if path.contains("/checkpoints/") => Call::PollCheckpoint,
        ("PATCH", _) => Call::Cancel,
        ("POST", "/savepoint-disposal") => Call::Dispose,
        ("GET", path) if path.starts_with("/savepoint-disposal/") => Call::PollDisposal,
        _ => Call::Other,
    }
}
