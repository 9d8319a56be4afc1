//! A scripted agent's admin server on the wire: what guards hear, and word of what they do.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use serde_json::{Value, json};

#[derive(Debug, Default)]
struct State {
    tidings: Value,
    /// Counts what was said, so that a stream knows what it has not told yet.
    said: u64,
    /// The answer to a look, if it is another one than what the streams say.
    seen_by_look: Option<Value>,
    /// The answer to the request for a checkpoint; without one it never comes.
    checkpointed: Option<Value>,
    requests: Vec<String>,
    streams: usize,
    closed: bool,
}

/// The fake. Dropped, it is gone, and every stream with it.
#[derive(Debug)]
pub struct FakeAgent {
    state: Arc<Mutex<State>>,
    pub port: u16,
}

fn locked(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Tidings of the cluster `orders`.
pub fn tidings(epoch: Option<u64>, phase: &str, ended: bool) -> Value {
    json!({ "cluster": "orders", "epoch": epoch, "phase": phase, "ended": ended, "elsewhere": null, "of_a_newer_agent": 1 })
}

impl FakeAgent {
    /// An agent that has claimed nothing.
    pub fn start() -> Self {
        Self::on(0).unwrap()
    }

    /// The same on this port, if it is free.
    pub fn on(port: u16) -> Option<Self> {
        let listener = TcpListener::bind(("127.0.0.1", port)).ok()?;
        let port = listener.local_addr().unwrap().port();
        let state = State { tidings: tidings(None, "waiting", false), ..State::default() };
        let state = Arc::new(Mutex::new(state));
        let serving = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if locked(&serving).closed {
                    return;
                }
                let serving = Arc::clone(&serving);
                std::thread::spawn(move || serve(&serving, stream));
            }
        });
        Some(Self { state, port })
    }

    pub fn says(&self, tidings: Value) {
        let mut state = locked(&self.state);
        state.tidings = tidings;
        state.said += 1;
    }

    pub fn epoch(&self, epoch: u64, phase: &str) {
        self.says(tidings(Some(epoch), phase, false));
    }

    pub fn ended(&self, epoch: u64, phase: &str) {
        self.says(tidings(Some(epoch), phase, true));
    }

    /// What it answers to a look.
    pub fn will_see(&self, tidings: Value) {
        locked(&self.state).seen_by_look = Some(tidings);
    }

    /// What it answers to the request for a checkpoint.
    pub fn will_checkpoint(&self, answer: Value) {
        locked(&self.state).checkpointed = Some(answer);
    }

    /// The paths of all requests, in order.
    pub fn requests(&self) -> Vec<String> {
        locked(&self.state).requests.clone()
    }

    /// The open streams.
    pub fn streams(&self) -> usize {
        locked(&self.state).streams
    }
}

impl Drop for FakeAgent {
    fn drop(&mut self) {
        locked(&self.state).closed = true;
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

fn serve(state: &Mutex<State>, mut stream: TcpStream) -> Option<()> {
    let path = requested(&mut stream)?;
    locked(state).requests.push(path.clone());
    if path == "/api/v1/look" {
        let now = locked(state);
        return answer_with(&mut stream, now.seen_by_look.as_ref().unwrap_or(&now.tidings));
    }
    if path == "/api/v1/checkpoint" {
        loop {
            let now = locked(state);
            if let Some(answer) = &now.checkpointed {
                return answer_with(&mut stream, answer);
            }
            if now.closed {
                return None;
            }
            drop(now);
            std::thread::sleep(Duration::from_millis(2));
        }
    }
    stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").ok()?;
    stream.set_nonblocking(true).ok()?;
    locked(state).streams += 1;
    let mut told = None;
    loop {
        let line = {
            let now = locked(state);
            if now.closed {
                break;
            }
            (told.replace(now.said) != Some(now.said)).then(|| format!("{}\n", now.tidings))
        };
        if let Some(line) = line
            && write!(stream, "{:x}\r\n{line}\r\n", line.len()).is_err()
        {
            break;
        }
        match stream.read(&mut [0; 16]) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => std::thread::sleep(Duration::from_millis(2)),
            // Closed, or broken.
            _ => break,
        }
    }
    locked(state).streams -= 1;
    Some(())
}

fn answer_with(stream: &mut TcpStream, answer: &Value) -> Option<()> {
    let body = answer.to_string();
    let length = body.len();
    write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}").ok()
}

fn requested(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0; 1];
        stream.read_exact(&mut byte).ok()?;
        head.extend_from_slice(&byte);
    }
    Some(String::from_utf8(head).ok()?.split(' ').nth(1)?.to_owned())
}
