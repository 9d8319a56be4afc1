//! A scripted Flink on the wire: one job, its checkpoints and savepoints as real directories, and any fault that is wanted
//! at any call.
//!
//! It lives as long as the fake entrypoint does: that writes its process id and its command line into a file, from which
//! job id and restore path are taken, and once that process is gone no request is answered any more.

mod statistics;
mod wire;

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use serde_json::{Value, json};

use super::metadata::{File, metadata};
pub use statistics::Others;
pub use wire::{Call, Fault, Request};

/// How the next savepoint goes, with which the job stops or goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stopping {
    /// Well, after this time.
    After(Duration),
    /// Not at all, with this Java stack trace.
    Fails(&'static str),
}

/// How a job fails while it restores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failing {
    /// It is FAILED.
    ForGood,
    /// Its restart strategy tries again and again.
    AgainAndAgain,
}

#[derive(Debug)]
struct Job {
    id: String,
    state: &'static str,
    running: u32,
    next: u64,
    restored: Option<(u64, String)>,
    completed: Option<u64>,
    /// How old that is, in milliseconds.
    age: i64,
    /// Bytes that it wrote, and bytes of state; none: Flink does not say.
    sizes: Option<(u64, u64)>,
    /// What somebody else has it take, and since when.
    others: Option<(Others, i64)>,
    savepoint: Option<(u64, String, &'static str)>,
    operations: BTreeMap<String, Value>,
    /// The Java stack traces of its failures.
    failures: Vec<&'static str>,
}

#[derive(Debug, Default)]
struct State {
    adopted: usize,
    job: Option<Job>,
    faults: Vec<(Call, Fault, usize)>,
    stops: VecDeque<Stopping>,
    savepoints: VecDeque<Stopping>,
    restores: Option<Option<String>>,
    failing: Option<(String, Failing, &'static str)>,
    log: Vec<Request>,
    tasks_running: Option<u32>,
    deletes_on_cancellation: bool,
    /// What the statistics say that checkpoints took.
    measured: Vec<Value>,
    task_managers: u32,
    /// What the program calls the job; none: `fake`.
    name: Option<&'static str>,
    /// What the JobManager says of its configuration.
    configuration: Vec<Value>,
    without_pid: bool,
    closed: bool,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    starts: PathBuf,
    checkpoints: PathBuf,
}

/// The fake.
#[derive(Debug)]
pub struct FakeFlink {
    shared: Arc<Shared>,
    pub port: u16,
}

/// One start of the fake entrypoint.
#[derive(Debug, Clone)]
pub struct Started {
    pub pid: i32,
    pub argv: Vec<String>,
}

const TASKS: u32 = 2;

impl FakeFlink {
    /// Serves the job that the entrypoint, by its entries in the file `starts`, has begun.
    pub fn start(starts: PathBuf, checkpoints: PathBuf) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared { state: Mutex::default(), starts, checkpoints });
        let serving = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if serving.state().closed {
                    return;
                }
                let serving = Arc::clone(&serving);
                std::thread::spawn(move || wire::serve(&serving, stream));
            }
        });
        Self { shared, port }
    }

    /// Has a call go wrong so many times, from now on.
    pub fn fault(&self, call: Call, fault: &Fault, times: usize) {
        self.shared.state().faults.push((call, fault.clone(), times));
    }

    pub fn heal(&self) {
        self.shared.state().faults.clear();
    }

    /// How the next stops go, one after the other; then, and without, well and at once.
    pub fn stops(&self, stops: &[Stopping]) {
        self.shared.state().stops = stops.iter().cloned().collect();
    }

    /// How the next savepoints of the running job go, one after the other; then, and without, well and at once.
    pub fn savepoints(&self, savepoints: &[Stopping]) {
        self.shared.state().savepoints = savepoints.iter().cloned().collect();
    }

    /// What the next starts say that they restored, whatever they were told.
    pub fn restores(&self, path: Option<&str>) {
        self.shared.state().restores = Some(path.map(str::to_owned));
    }

    /// Jobs that are told to restore this point fail, with this Java stack trace.
    pub fn fails_to_restore(&self, path: &str, failing: Failing, stack_trace: &'static str) {
        self.shared.state().failing = Some((path.to_owned(), failing, stack_trace));
    }

    /// Every point can be restored again.
    pub fn restores_again(&self) {
        self.shared.state().failing = None;
    }

    /// How many tasks run; none: all.
    pub fn tasks(&self, running: Option<u32>) {
        self.shared.state().tasks_running = running;
    }

    /// The job's own code has Flink delete checkpoints when the JobManager ends.
    pub fn deletes_on_cancellation(&self) {
        self.shared.state().deletes_on_cancellation = true;
    }

    /// The job's statistics have one more completed checkpoint, of so many bytes.
    pub fn measured(&self, bytes: u64, took: Duration) {
        let mut state = self.shared.state();
        let number = state.measured.len() + 1;
        state.measured.push(json!({
            "className": "completed", "id": number, "status": "COMPLETED", "is_savepoint": false, "savepointFormat": null,
            "latest_ack_timestamp": 1_795_000_000_000_u64 + u64::try_from(number).unwrap() * 1_000, "checkpointed_size": bytes, "state_size": bytes,
            "end_to_end_duration": u64::try_from(took.as_millis()).unwrap(), "persisted_data": 0, "checkpoint_type": "CHECKPOINT",
        }));
    }

    /// The program calls the job so.
    pub fn named(&self, name: &'static str) {
        self.shared.state().name = Some(name);
    }

    /// The JobManager's effective configuration has this line.
    pub fn is_configured(&self, key: &str, value: &str) {
        self.shared.state().configuration.push(json!({ "key": key, "value": value }));
    }

    /// So many TaskManagers have registered.
    pub fn task_managers(&self, number: u32) {
        self.shared.state().task_managers = number;
    }

    /// The entrypoint's process id is of another name space; it is taken to live for ever.
    pub fn without_pid(&self) {
        self.shared.state().without_pid = true;
    }

    /// Completes a checkpoint; gives its directory's URL.
    pub fn checkpoint(&self) -> String {
        let mut state = self.shared.lively();
        let job = state.job.as_mut().expect("no job runs");
        let number = job.checkpoint(&self.shared.checkpoints);
        url(&self.shared.checkpoints.join(&job.id).join(format!("chk-{number}")))
    }

    /// The job comes to an end of its own.
    pub fn end(&self, how: &'static str) {
        let mut state = self.shared.lively();
        let job = state.job.as_mut().expect("no job runs");
        (job.state, job.running) = (how, 0);
    }

    /// A person stops the job with a savepoint in this directory; gives the savepoint's URL.
    pub fn stopped_by_a_person(&self, target: &Path) -> String {
        let mut state = self.shared.lively();
        state.job.as_mut().expect("no job runs").finish_with_savepoint(target, &self.shared.checkpoints)
    }

    pub fn requests(&self) -> Vec<Request> {
        self.shared.state().log.clone()
    }

    pub fn count(&self, call: Call) -> usize {
        self.shared.state().log.iter().filter(|request| request.call == call).count()
    }

    /// The trigger ids of all requests for a stop, each once, in order.
    pub fn trigger_ids(&self) -> Vec<String> {
        let mut ids: Vec<String> = Vec::new();
        for request in self.requests().iter().filter(|request| request.call == Call::Stop) {
            let id = trigger_id(&request.body);
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
        ids
    }

    pub fn job_state(&self) -> Option<&'static str> {
        self.shared.state().job.as_ref().map(|job| job.state)
    }

    pub fn job_id(&self) -> String {
        self.shared.lively().job.as_ref().expect("no job runs").id.clone()
    }

    pub fn starts(&self) -> Vec<Started> {
        self.shared.starts()
    }
}

impl Drop for FakeFlink {
    fn drop(&mut self) {
        self.shared.state().closed = true;
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

/// Whether this process is there and not a zombie.
pub fn is_alive(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

pub fn url(path: &Path) -> String {
    format!("file://{}", path.display())
}

/// Writes what Flink would: a state file, then `_metadata` with this number, which refers to it.
pub fn write_point(directory: &Path, number: u64) {
    const STATE: &str = "0a1b2c3d-state";
    let state = vec![7; 1_000];
    fs::create_dir_all(directory).unwrap();
    fs::write(directory.join(STATE), &state).unwrap();
    let draft = directory.join(".draft");
    fs::write(&draft, metadata(number, &[File::Beside(STATE, state.len() as u64)])).unwrap();
    fs::rename(draft, directory.join("_metadata")).unwrap();
}

/// The number of the point in this directory, if one is complete there.
pub fn number_of(directory: &str) -> Option<u64> {
    let path = directory.split_once("://").map_or(directory, |(_, path)| path);
    let bytes = fs::read(Path::new(path).join("_metadata")).ok()?;
    Some(u64::from_be_bytes(bytes.get(8..16)?.try_into().ok()?))
}

fn trigger_id(body: &str) -> String {
    let body: Value = serde_json::from_str(body).unwrap();
    body["triggerId"].as_str().unwrap().to_owned()
}

impl Job {
    fn take_number(&mut self) -> u64 {
        self.next += 1;
        self.next - 1
    }

    fn checkpoint(&mut self, checkpoints: &Path) -> u64 {
        let number = self.take_number();
        (self.completed, self.age) = (Some(number), 0);
        let folder = checkpoints.join(&self.id);
        // Flink keeps one, and a retained one is complete before the former goes.
        write_point(&folder.join(format!("chk-{number}")), number);
        let _ = fs::remove_dir_all(folder.join(format!("chk-{}", number - 1)));
        number
    }

    fn savepoint(&mut self, target: &Path, kind: &'static str) -> String {
        let number = self.take_number();
        let directory = target.join(format!("savepoint-{}-{number:012x}", &self.id[..6]));
        write_point(&directory, number);
        self.savepoint = Some((number, url(&directory), kind));
        url(&directory)
    }

    /// A job that a savepoint has stopped is finished, and its checkpoints are gone (measured on Flink 1.20.5).
    fn finish_with_savepoint(&mut self, target: &Path, checkpoints: &Path) -> String {
        let savepoint = self.savepoint(target, "SYNC_SAVEPOINT");
        let _ = fs::remove_dir_all(checkpoints.join(&self.id));
        (self.state, self.running) = ("FINISHED", 0);
        savepoint
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn starts(&self) -> Vec<Started> {
        let text = fs::read_to_string(&self.starts).unwrap_or_default();
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let started = |line: &str| {
            let (pid, argv) = line.split_once('\t')?;
            Some(Started { pid: pid.parse().ok()?, argv: argv.split('\t').map(str::to_owned).collect() })
        };
        whole.lines().filter_map(started).collect()
    }

    /// The state as of the newest start; without a job if its JobManager is gone.
    fn lively(&self) -> MutexGuard<'_, State> {
        let starts = self.starts();
        let mut state = self.state();
        if starts.len() > state.adopted
            && let Some(Started { argv, .. }) = starts.last()
        {
            state.adopted = starts.len();
            let option =
                |name: &str| argv.iter().position(|word| word == name).and_then(|at| argv.get(at + 1)).cloned();
            // In native mode all of it is in one string for a shell.
            let property = |key: &str| {
                let at = argv.iter().find_map(|word| word.split_once(&format!("-D{key}=")))?.1;
                at.split([' ', '\'']).next().map(str::to_owned)
            };
            let told = option("--fromSavepoint").or_else(|| property("execution.savepoint.path"));
            let job_id = option("--job-id").or_else(|| property("$internal.pipeline.job-id"));
            let restored = state.restores.clone().unwrap_or_else(|| told.clone());
            let number = told.as_deref().and_then(number_of).unwrap_or(0);
            let failing = state.failing.clone().filter(|(path, ..)| Some(path) == told.as_ref());
            let (job_state, running, failures) = match failing {
                None => ("RUNNING", TASKS, Vec::new()),
                Some((_, Failing::ForGood, trace)) => ("FAILED", 0, vec![trace]),
                Some((_, Failing::AgainAndAgain, trace)) => ("RESTARTING", 0, vec![trace; 3]),
            };
            state.job = Some(Job {
                id: job_id.unwrap_or_else(|| format!("{:032x}", starts.len())),
                state: job_state,
                running,
                failures,
                next: number + 1,
                restored: restored.map(|path| (number, path.replacen("file:///", "file:/", 1))),
                completed: None,
                age: 0,
                sizes: None,
                others: None,
                savepoint: None,
                operations: BTreeMap::new(),
            });
        }
        if !state.without_pid && starts.last().is_none_or(|started| !is_alive(started.pid)) {
            state.job = None;
        }
        state
    }

    fn answer(self: &Arc<Self>, request: &Request) -> Option<(u16, Value)> {
        let mut state = self.lively();
        let (running, deletes) = (state.tasks_running, state.deletes_on_cancellation);
        let (measured, task_managers) = (state.measured.clone(), state.task_managers);
        let name = state.name.unwrap_or("fake");
        let (configuration, start) = (state.configuration.clone(), state.adopted);
        let job = state.job.as_mut()?;
        let running = running.unwrap_or(job.running).min(job.running);
        let segments: Vec<&str> = request.path.split(['/', '?']).collect();
        Some(match (request.call, segments.as_slice()) {
            (Call::Jobs, _) => {
                let tasks = json!({ "total": TASKS, "running": running, "finished": TASKS - job.running });
                (200, json!({ "jobs": [{ "jid": job.id, "name": name, "state": job.state, "tasks": tasks }] }))
            }
            (Call::Stop | Call::Savepoint, _) => {
                let id = trigger_id(&request.body);
                if !job.operations.contains_key(&id) {
                    let stops = request.call == Call::Stop;
                    if stops {
                        job.others = None;
                    }
                    // A stop destroys what is in flight; savepoints wait for each other.
                    let in_flight = |one: &&mut Value| stops && one["status"]["id"] == "IN_PROGRESS";
                    for operation in job.operations.values_mut().filter(in_flight) {
                        *operation = failure("Checkpoint Coordinator is suspending.");
                    }
                    job.operations.insert(id.clone(), json!({ "status": { "id": "IN_PROGRESS" }, "operation": null }));
                    let planned = if stops { &mut state.stops } else { &mut state.savepoints };
                    let how = planned.pop_front().unwrap_or(Stopping::After(Duration::ZERO));
                    drop(state);
                    self.carry_out(id.clone(), &request.body, stops, how);
                }
                (202, json!({ "request-id": id }))
            }
            (Call::Poll, [.., id]) => match job.operations.get(*id) {
                Some(operation) => (200, operation.clone()),
                None => (404, json!({ "errors": [format!("There is no savepoint operation with triggerId={id}")] })),
            },
            (Call::TakeCheckpoint, _) => {
                let id = trigger_id(&request.body);
                let number = job.checkpoint(&self.checkpoints);
                let operation = json!({ "checkpointId": number, "failureCause": null });
                job.operations.insert(id.clone(), json!({ "status": { "id": "COMPLETED" }, "operation": operation }));
                (202, json!({ "request-id": id }))
            }
            (Call::PollCheckpoint, [.., id]) => (200, job.operations.get(*id).cloned().unwrap_or_default()),
            (Call::Checkpoints, _) => {
                let mut statistics = job.statistics();
                if !measured.is_empty() {
                    statistics["history"] = measured.into();
                }
                (200, statistics)
            }
            (_, ["", "jobmanager", "config"]) => (200, configuration.into()),
            (Call::Other, ["", "jobs", id]) => (200, json!({ "jid": id, "start-time": start })),
            (_, ["", "overview"]) => (200, json!({ "taskmanagers": task_managers })),
            (Call::CheckpointConfig, _) => {
                let kept = json!({ "enabled": true, "delete_on_cancellation": deletes });
                (200, json!({ "mode": "exactly_once", "interval": 5_000, "externalization": kept }))
            }
            (Call::Dispose, _) => {
                let id = format!("{:032x}", job.operations.len() + 1);
                job.operations.insert(id.clone(), dispose(&request.body));
                (200, json!({ "request-id": id }))
            }
            (Call::PollDisposal, [.., id]) => (200, job.operations.get(*id).cloned().unwrap_or_default()),
            (Call::Cancel, _) => {
                (job.state, job.running) = ("CANCELED", 0);
                (202, json!({}))
            }
            (_, [.., "exceptions"]) => {
                let wanted = ["java.lang.RuntimeException: the test wanted it\n\tat x"];
                let traces = if job.failures.is_empty() { &wanted[..] } else { &job.failures };
                let entries: Vec<Value> = traces.iter().map(|trace| json!({ "stacktrace": trace })).collect();
                (200, json!({ "root-exception": null, "exceptionHistory": { "entries": entries } }))
            }
            _ => (404, json!({ "errors": ["Not found."] })),
        })
    }

    fn carry_out(self: &Arc<Self>, id: String, body: &str, stops: bool, how: Stopping) {
        let body: Value = serde_json::from_str(body).unwrap();
        let target = body[if stops { "targetDirectory" } else { "target-directory" }].as_str().unwrap().to_owned();
        let (shared, adopted) = (Arc::clone(self), self.state().adopted);
        let work = move || {
            if let Stopping::After(delay) = &how {
                std::thread::sleep(*delay);
            }
            // A JobManager that is gone finishes nothing.
            let mut state = shared.lively();
            if state.adopted != adopted {
                return;
            }
            let Some(job) = &mut state.job else { return };
            if job.operations.get(&id).is_none_or(|operation| operation["status"]["id"] != "IN_PROGRESS") {
                return;
            }
            let result = match how {
                Stopping::Fails(trace) => failure(trace),
                Stopping::After(_) => {
                    // Whatever it is called, it lies on this machine.
                    let (scheme, path) = target.split_once("://").unwrap_or(("file", &target));
                    let location = if stops {
                        job.finish_with_savepoint(Path::new(path), &shared.checkpoints)
                    } else {
                        job.savepoint(Path::new(path), "SAVEPOINT")
                    };
                    let location = location.replacen("file://", &format!("{scheme}://"), 1);
                    let location = location.replacen("file:///", "file:/", 1);
                    json!({ "status": { "id": "COMPLETED" }, "operation": { "location": location } })
                }
            };
            job.operations.insert(id, result);
        };
        std::thread::spawn(work);
    }
}

/// Flink deletes the files that `_metadata` names, and it.
fn dispose(body: &str) -> Value {
    let body: Value = serde_json::from_str(body).unwrap();
    let savepoint = body["savepoint-path"].as_str().unwrap().trim_start_matches("file://");
    match fs::remove_dir_all(savepoint) {
        Ok(()) => json!({ "status": { "id": "COMPLETED" }, "operation": {} }),
        Err(_) => failure("org.apache.flink.util.FlinkException: Could not dispose savepoint."),
    }
}

fn failure(trace: &str) -> Value {
    let cause = json!({ "class": "java.util.concurrent.CompletionException", "stack-trace": trace, "serialized-throwable": "rO0" });
    json!({ "status": { "id": "COMPLETED" }, "operation": { "failure-cause": cause } })
}
