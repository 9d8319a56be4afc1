//! A scripted session cluster on the wire: jobs that a test submits, each with a stop of its own.
//!
//! Like the other fake it lives as long as the fake entrypoint does; a new start begins without jobs.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use serde_json::{Value, json};

use super::fake_flink::{is_alive, url, write_point};

/// How a job's stop goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stops {
    /// Well, after this time.
    After(Duration),
    /// Not at all, with this Java stack trace.
    Fails(&'static str),
}

/// A job as it is submitted.
#[derive(Debug, Clone)]
pub struct Submitted {
    pub name: &'static str,
    pub restored: Option<String>,
    pub stops: Stops,
    /// How long its last checkpoint took; none: it has completed none.
    pub checkpoint: Option<Duration>,
    /// The size of its state, of which that wrote a megabyte.
    pub state: u64,
    /// A batch job knows no checkpoints.
    pub batch: bool,
}

pub fn submitted(name: &'static str) -> Submitted {
    let checkpoint = Some(Duration::from_millis(10));
    Submitted { name, restored: None, stops: Stops::After(Duration::ZERO), checkpoint, state: 1_000_000, batch: false }
}

#[derive(Debug)]
struct Job {
    how: Submitted,
    state: &'static str,
    operations: BTreeMap<String, Value>,
    savepoint: Option<(u64, String)>,
}

#[derive(Debug, Default)]
struct State {
    adopted: usize,
    jobs: BTreeMap<String, Job>,
    /// Names of the jobs in the order in which a stop was asked for, each request id once.
    asked: Vec<&'static str>,
    /// The most stops that were under way at the same time.
    at_once: usize,
    polled: Vec<String>,
    number: u64,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    starts: PathBuf,
    checkpoints: PathBuf,
}

/// The fake.
#[derive(Debug)]
pub struct FakeSession {
    shared: Arc<Shared>,
    pub port: u16,
}

impl FakeSession {
    pub fn start(starts: PathBuf, checkpoints: PathBuf) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared { state: Mutex::default(), starts, checkpoints });
        let serving = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let serving = Arc::clone(&serving);
                std::thread::spawn(move || serving.serve(&stream));
            }
        });
        Self { shared, port }
    }

    /// Submits a job; gives its id.
    pub fn submit(&self, how: Submitted) -> String {
        let mut state = self.shared.lively().expect("a JobManager");
        state.number += 1;
        let number = state.number;
        let id = format!("{:016x}{number:016x}", state.adopted);
        if how.checkpoint.is_some() && !how.batch {
            write_point(&self.shared.checkpoints.join(&id).join("chk-3"), 3);
        }
        let job = Job { how, state: "RUNNING", operations: BTreeMap::new(), savepoint: None };
        state.jobs.insert(id.clone(), job);
        id
    }

    /// A job comes to an end of its own.
    pub fn end(&self, id: &str, how: &'static str) {
        self.shared.lively().expect("a JobManager").jobs.get_mut(id).unwrap().state = how;
    }

    /// The names of the jobs that were asked to stop, in order.
    pub fn asked(&self) -> Vec<&'static str> {
        self.shared.state().asked.clone()
    }

    pub fn most_at_once(&self) -> usize {
        self.shared.state().at_once
    }

    /// Results of requests that nobody has read, of whichever JobManager lived last.
    pub fn unread(&self) -> Vec<String> {
        let state = self.shared.state();
        let done = state.jobs.values().flat_map(|job| &job.operations);
        let done = done.filter(|(_, operation)| operation["status"]["id"] == "COMPLETED");
        done.map(|(id, _)| id.clone()).filter(|id| !state.polled.contains(id)).collect()
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// The state as of the newest start; none if its JobManager is gone.
    fn lively(&self) -> Option<MutexGuard<'_, State>> {
        let text = std::fs::read_to_string(&self.starts).unwrap_or_default();
        let starts: Vec<&str> = text.lines().collect();
        let pid = starts.last()?.split_once('\t')?.0.parse().ok()?;
        let mut state = self.state();
        if state.adopted < starts.len() {
            *state = State { adopted: starts.len(), ..State::default() };
        }
        is_alive(pid).then_some(state)
    }

    fn serve(self: &Arc<Self>, stream: &TcpStream) {
        let mut reader = BufReader::new(stream);
        loop {
            let mut head = Vec::new();
            loop {
                let mut line = String::new();
                if reader.read_line(&mut line).unwrap_or(0) == 0 {
                    return;
                }
                if line.trim().is_empty() {
                    break;
                }
                head.push(line.trim().to_owned());
            }
            let length = head.iter().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
            });
            let mut body = vec![0; length.unwrap_or(0)];
            if reader.read_exact(&mut body).is_err() {
                return;
            }
            let Some((status, answer)) = self.answer(&head[0], &String::from_utf8_lossy(&body)) else { return };
            let text = answer.to_string();
            let head = format!(
                "HTTP/1.1 {status} Whatever\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
                text.len()
            );
            if (&mut &*stream).write_all(&[head, text].concat().into_bytes()).is_err() {
                return;
            }
        }
    }

    fn answer(self: &Arc<Self>, head: &str, body: &str) -> Option<(u16, Value)> {
        let mut state = self.lively()?;
        let mut words = head.split(' ');
        let (method, path) = (words.next()?, words.next()?);
        let segments: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        let none = || (404, json!({ "errors": ["Not found."] }));
        Some(match (method, segments.as_slice()) {
            ("GET", ["config"]) => (200, json!({ "flink-version": "1.20.5" })),
            ("GET", ["jobs", "overview"]) => {
                let jobs: Vec<Value> = state.jobs.iter().map(|(id, job)| job.overview(id)).collect();
                (200, json!({ "jobs": jobs }))
            }
            ("GET", ["jobs", id, rest @ ..]) => match (state.jobs.get(*id), rest) {
                (Some(job), ["checkpoints"]) if !job.how.batch => (200, job.statistics()),
                (Some(job), ["checkpoints", "config"]) if !job.how.batch => {
                    let kept = json!({ "enabled": true, "delete_on_cancellation": false });
                    (200, json!({ "interval": 5_000, "externalization": kept }))
                }
                (Some(_), ["exceptions"]) => (200, json!({ "exceptionHistory": { "entries": [] } })),
                (Some(job), ["savepoints", trigger]) => match job.operations.get(*trigger).cloned() {
                    Some(operation) => {
                        state.polled.push((*trigger).to_owned());
                        (200, operation)
                    }
                    None => none(),
                },
                _ => none(),
            },
            ("POST", ["jobs", id, "stop"]) => {
                let body: Value = serde_json::from_str(body).unwrap();
                let trigger = body["triggerId"].as_str().unwrap().to_owned();
                let job = state.jobs.get_mut(*id)?;
                if !job.operations.contains_key(&trigger) {
                    let under_way = json!({ "status": { "id": "IN_PROGRESS" }, "operation": null });
                    assert!(
                        !job.operations.values().any(|one| *one == under_way),
                        "a second request destroys the first"
                    );
                    job.operations.insert(trigger.clone(), under_way.clone());
                    let (name, stops) = (job.how.name, job.how.stops);
                    state.asked.push(name);
                    let now =
                        state.jobs.values().filter(|job| job.operations.values().any(|one| *one == under_way)).count();
                    state.at_once = state.at_once.max(now);
                    let target = PathBuf::from(body["targetDirectory"].as_str().unwrap().trim_start_matches("file://"));
                    self.carry_out((*id).to_owned(), trigger.clone(), target, stops);
                }
                (202, json!({ "request-id": trigger }))
            }
            _ => none(),
        })
    }

    fn carry_out(self: &Arc<Self>, id: String, trigger: String, target: PathBuf, stops: Stops) {
        let shared = Arc::clone(self);
        std::thread::spawn(move || {
            if let Stops::After(delay) = stops {
                std::thread::sleep(delay);
            }
            let Some(mut state) = shared.lively() else { return };
            let Some(job) = state.jobs.get_mut(&id) else { return };
            let result = match stops {
                Stops::Fails(trace) => json!({ "failure-cause": { "class": "x", "stack-trace": trace } }),
                Stops::After(_) => {
                    let directory = target.join(format!("savepoint-{}-0123456789ab", &id[..6]));
                    write_point(&directory, 7);
                    let _ = std::fs::remove_dir_all(shared.checkpoints.join(&id));
                    (job.state, job.savepoint) = ("FINISHED", Some((7, url(&directory))));
                    json!({ "location": slash(&directory) })
                }
            };
            job.operations.insert(trigger, json!({ "status": { "id": "COMPLETED" }, "operation": result }));
        });
    }
}

/// As Flink writes it.
fn slash(path: &Path) -> String {
    url(path).replacen("file:///", "file:/", 1)
}

impl Job {
    fn overview(&self, id: &str) -> Value {
        let running = if self.state == "RUNNING" { 2 } else { 0 };
        let tasks = json!({ "total": 2, "running": running, "finished": 2 - running });
        json!({ "jid": id, "name": self.how.name, "state": self.state, "tasks": tasks })
    }

    fn statistics(&self) -> Value {
        let completed = self.how.checkpoint.map(|took| json!({ "id": 3, "end_to_end_duration": took.as_millis() }));
        let restored = self.how.restored.as_ref().map(|path| json!({ "id": 7, "external_path": path }));
        let savepoint = self.savepoint.as_ref();
        let savepoint =
            savepoint.map(|(id, path)| json!({ "id": id, "external_path": path, "checkpoint_type": "SYNC_SAVEPOINT" }));
        // Of long ago, so that another one would be newer.
        let history = self.how.checkpoint.map(|took| {
            json!({
                "id": 3, "status": "COMPLETED", "is_savepoint": false, "checkpoint_type": "CHECKPOINT",
                "checkpointed_size": 1_000_000, "state_size": self.how.state, "end_to_end_duration": took.as_millis(),
                "trigger_timestamp": 1, "latest_ack_timestamp": 1 + took.as_millis(),
            })
        });
        let history: Vec<Value> = history.into_iter().collect();
        json!({ "latest": { "completed": completed, "savepoint": savepoint, "restored": restored }, "history": history })
    }
}
