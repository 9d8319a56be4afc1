//! Names of effects that are the same in every run: without ports, numbers, ids and the world's directory.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use nix::sys::signal::Signal;

use super::call::{Address, Call, Received};

/// What differs from run to run, and what it is called.
#[derive(Debug, Clone)]
pub struct Names {
    /// Everything lies in it.
    pub directory: PathBuf,
    pub ports: Vec<(u16, &'static str)>,
}

impl Names {
    fn path(&self, path: &Path) -> String {
        plain(&path.strip_prefix(&self.directory).unwrap_or(path).display().to_string())
    }

    fn address(&self, address: &Address) -> String {
        match address {
            Address::Path(path) => self.path(path),
            Address::Port(port) => {
                let name = self.ports.iter().find(|(known, _)| known == port);
                name.map_or("a port", |(_, name)| name).to_owned()
            }
        }
    }

    fn text(&self, text: &str) -> String {
        plain(&text.replace(&self.directory.display().to_string(), ""))
    }
}

/// What is known of a descriptor of a process.
#[derive(Debug, Clone, Default)]
struct Socket {
    peer: Option<String>,
    /// The request that came over it, and waits for its answer.
    request: Option<String>,
}

/// The connections of traced processes.
#[derive(Debug, Default)]
pub(super) struct Sockets {
    known: BTreeMap<(i32, i32), Socket>,
}

impl Sockets {
    /// The call's name, if somebody else can see it.
    pub(super) fn name(&mut self, process: i32, call: &Call, names: &Names) -> Option<String> {
        let name = match call {
            Call::Sends { fd, data } => self.sends(process, *fd, data, names)?,
            Call::Writes { path, data } => {
                let what = fact(&String::from_utf8_lossy(data)).unwrap_or_default();
                format!("writes {} {what}", names.path(path))
            }
            Call::Connects { fd, to } => {
                let peer = names.address(to);
                self.known.insert((process, *fd), Socket { peer: Some(peer.clone()), request: None });
                format!("connects to {peer}")
            }
            Call::Binds(to) => format!("listens on {}", names.address(to)),
            Call::Closes(fd) => {
                self.known.remove(&(process, *fd));
                return None;
            }
            Call::Creates(path) => format!("creates {}", names.path(path)),
            Call::MakesDirectory(path) => format!("makes the directory {}", names.path(path)),
            Call::Moves(from, to) | Call::Links(from, to) => {
                let what = std::fs::read_to_string(from).ok().and_then(|text| fact(&text)).unwrap_or_default();
                format!("completes {} {what}", names.path(to))
            }
            Call::Removes(path) => format!("removes {}", names.path(path)),
            Call::ChangesMode(path) => format!("changes the mode of {}", names.path(path)),
            Call::Signals { to, signal } => {
                let signal = Signal::try_from(*signal).map_or("a signal", Signal::as_str);
                format!("sends {signal} to {}", who(*to))
            }
            Call::Starts([program, argument]) => {
                let program = Path::new(program).file_name().unwrap_or_default().to_string_lossy().into_owned();
                format!("starts {program} {argument}")
            }
            Call::Ends => "ends".to_owned(),
        };
        Some(name.trim().to_owned())
    }

    fn sends(&mut self, process: i32, fd: i32, data: &[u8], names: &Names) -> Option<String> {
        let text = String::from_utf8_lossy(data);
        let socket = self.known.entry((process, fd)).or_default();
        if let Some(request) = request(&text) {
            let peer = socket.peer.clone().unwrap_or_default();
            let name = format!("asks {peer} {}", names.text(&request));
            socket.request = None;
            let said = detail(&request, &text);
            return Some(format!("{name} {said}"));
        }
        // Neither asked nor answering: that is how a process wakes itself.
        let asked = socket.request.clone()?;
        let verb = if text.starts_with("HTTP/1.") { "answers" } else { "goes on with" };
        Some(format!("{verb} {} {}", names.text(&asked), detail(&asked, &text)))
    }

    pub(super) fn received(&mut self, process: i32, received: &Received) {
        if let Some(request) = request(&String::from_utf8_lossy(&received.data)) {
            self.known.entry((process, received.fd)).or_default().request = Some(request);
        }
    }
}

/// Method and path, if this is the beginning of a request.
fn request(text: &str) -> Option<String> {
    let (line, _) = text.split_once(" HTTP/1.")?;
    let (method, _) = line.split_once(' ')?;
    let is_one = !method.is_empty() && method.bytes().all(|byte| byte.is_ascii_uppercase()) && !line.contains('\n');
    is_one.then(|| line.to_owned())
}

/// What a message says, of what may be said in answer to this request.
fn detail(request: &str, text: &str) -> String {
    let words: Vec<String> = if request.contains("/namespaces/") {
        last(text, if request.contains("/events") { "reason" } else { "what" }).into_iter().collect()
    } else if request.contains("/v1/orders") {
        let set = |key: &str| text.contains(&format!("\"{key}\":{{")) || text.contains(&format!("\"{key}\":true"));
        ["stopping", "attempt", "release"].into_iter().filter(|key| set(key)).map(str::to_owned).collect()
    } else if request.contains("/api/v1/") {
        let ended = text.contains("\"ended\":true").then(|| "ended".to_owned());
        last(text, "phase").into_iter().chain(ended).collect()
    } else if request.contains("/v1/") {
        last(text, "answer").into_iter().collect()
    } else {
        fact(text).into_iter().collect()
    };
    words.join(" ")
}

/// The newest fact of those that this holds.
fn fact(text: &str) -> Option<String> {
    last(text, "what")
}

/// The last value of a key, in JSON or in JSON within it.
fn last(text: &str, key: &str) -> Option<String> {
    let text = text.replace('\\', "");
    let (_, rest) = text.rsplit_once(&format!("\"{key}\":\""))?;
    Some(rest.split_once('"')?.0.to_owned())
}

/// The same without numbers and ids.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    let mut word = String::new();
    for letter in text.chars().chain([' ']) {
        if letter.is_ascii_alphanumeric() {
            word.push(letter);
            continue;
        }
        plain.push_str(match word.as_str() {
            word if !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit()) => "N",
            word if word.len() >= 6 && word.bytes().all(|byte| byte.is_ascii_hexdigit()) => "ID",
            word => word,
        });
        plain.push(letter);
        word.clear();
    }
    plain.trim_end().to_owned()
}

/// Whom a signal is for, by what the process runs.
fn who(pid: i32) -> &'static str {
    let line = std::fs::read(format!("/proc/{}/cmdline", pid.abs())).unwrap_or_default();
    let mut words = line.split(|byte| *byte == 0);
    let ours = words.next().is_some_and(|program| program.ends_with(b"savepointd"));
    match words.next() {
        Some(b"agent") if ours => "its agent",
        Some(b"taskmanager") => "the TaskManager",
        _ if line.windows(12).any(|window| window == b"\0taskmanager") => "the TaskManager",
        _ => "the entrypoint",
    }
}
