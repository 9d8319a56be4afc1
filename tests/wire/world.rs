//! One cluster in a directory of its own: Flink's configuration, the fake Flink, the record, and `savepointd` on top.

use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::support::eventually;
use crate::support::fake_flink::{FakeFlink, Started, url};
use crate::support::fake_kubernetes::{FakeKubernetes, NAMESPACE};
use crate::support::process::{Process, binary};

/// Longer than anything takes, on a busy machine too.
pub const LONG: Duration = Duration::from_secs(40);

/// The cluster.
pub struct World {
    pub dir: tempfile::TempDir,
    pub flink: FakeFlink,
    /// Where the record is a ConfigMap.
    kubernetes: Option<Arc<FakeKubernetes>>,
    runs: Cell<u32>,
}

/// How one `savepointd run` is started.
#[derive(Debug, Clone, Default)]
pub struct How {
    pub sets: Vec<String>,
    /// Arguments of the entrypoint behind `standalone-job`.
    pub arguments: Vec<String>,
    pub env: Vec<(String, String)>,
    /// Waits at the gate in place of ending.
    pub waits: bool,
    /// Another command in place of the entrypoint.
    pub command: Option<Vec<String>>,
    /// Words before `savepointd`.
    pub before: Vec<String>,
    /// Flags of `run` in place of `--agent`.
    pub without_agent: bool,
}

impl How {
    pub fn set(mut self, assignment: &str) -> Self {
        self.sets.push(assignment.to_owned());
        self
    }

    pub fn grace(self, grace: &str, reserve: &str) -> Self {
        self.set(&format!("stop.grace={grace}")).set(&format!("stop.reserve={reserve}"))
    }

    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn restoring(mut self, path: &str) -> Self {
        self.arguments.extend(["--fromSavepoint".to_owned(), path.to_owned()]);
        self
    }

    pub fn waits(mut self) -> Self {
        self.waits = true;
        self
    }
}

/// The least that most tests want.
pub fn how() -> How {
    How::default()
}

/// The fake entrypoint.
pub fn entrypoint() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wire/docker-entrypoint.sh")
}

/// What a verb answered.
#[derive(Debug, Clone)]
pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl World {
    pub fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("savepointd-wire-").tempdir().unwrap();
        for name in ["conf", "checkpoints", "savepoints", "fake"] {
            fs::create_dir(dir.path().join(name)).unwrap();
        }
        let flink = FakeFlink::start(dir.path().join("fake/starts"), dir.path().join("checkpoints"));
        let world = Self { dir, flink, kubernetes: None, runs: Cell::new(0) };
        world.configure(&[]);
        world
    }

    /// With the record in ConfigMap `orders` of a scripted API server.
    pub fn in_kubernetes() -> Self {
        let world = Self { kubernetes: Some(Arc::new(FakeKubernetes::start())), ..Self::new() };
        world.api().kubeconfig(&world.path("kubeconfig"));
        world
    }

    /// The same cluster on another machine, with a Flink of its own: storage and API server are shared, nothing else.
    pub fn elsewhere(&self) -> Self {
        let other = Self::new();
        let flink = FakeFlink::start(other.path("fake/starts"), self.path("checkpoints"));
        let other = Self { flink, kubernetes: self.kubernetes.clone(), ..other };
        self.api().kubeconfig(&other.path("kubeconfig"));
        let directories = [("checkpoints", "state.checkpoints.dir"), ("savepoints", "state.savepoints.dir")];
        let lines = directories.map(|(name, option)| format!("{option}: {}", url(&self.path(name))));
        other.configure_only(&lines.each_ref().map(String::as_str));
        other
    }

    /// The API server.
    pub fn api(&self) -> &FakeKubernetes {
        self.kubernetes.as_ref().expect("a world in Kubernetes")
    }

    /// Writes Flink's own configuration, with these lines besides.
    pub fn configure(&self, lines: &[&str]) {
        let (checkpoints, savepoints) = (url(&self.path("checkpoints")), url(&self.path("savepoints")));
        let directories =
            [format!("state.checkpoints.dir: {checkpoints}"), format!("state.savepoints.dir: {savepoints}")];
        let lines: Vec<&str> = directories.iter().map(String::as_str).chain(lines.iter().copied()).collect();
        self.configure_only(&lines);
    }

    pub fn configure_only(&self, lines: &[&str]) {
        let text = format!("rest.port: {}\n{}\n", self.flink.port, lines.join("\n"));
        fs::write(self.path("conf/config.yaml"), text).unwrap();
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn record(&self) -> PathBuf {
        self.path("record")
    }

    /// The folder of this cluster's savepoints.
    pub fn folder(&self) -> PathBuf {
        self.path("savepoints/orders")
    }

    pub fn socket(&self, run: u32) -> PathBuf {
        self.path(&format!("run-{run}.sock"))
    }

    pub fn control_socket(&self, run: u32) -> PathBuf {
        self.path(&format!("control-{run}.sock"))
    }

    /// A command of the binary with this cluster's configuration, for the sockets of the newest run.
    pub fn command(&self, before: &[String]) -> Command {
        let mut command = match before.split_first() {
            Some((program, arguments)) => {
                let mut command = Command::new(program);
                command.args(arguments).arg(binary());
                command
            }
            None => Command::new(binary()),
        };
        for (name, _) in std::env::vars() {
            if name.starts_with("SAVEPOINTD_") || name.starts_with("FLINK_") || name.starts_with("FAKE_") {
                command.env_remove(name);
            }
        }
        let run = self.runs.get();
        let record = match &self.kubernetes {
            Some(_) => format!("configmap://{NAMESPACE}/orders"),
            None => url(&self.record()),
        };
        command
            .env_remove("KUBERNETES_SERVICE_HOST")
            .env("KUBECONFIG", self.path("kubeconfig"))
            .env("FLINK_CONF_DIR", self.path("conf"))
            .env("FAKE_DIR", self.path("fake"))
            .env("SAVEPOINTD_RECORD", record)
            .env("SAVEPOINTD_CLUSTER__ID", "orders")
            .env("SAVEPOINTD_SOCKET", self.socket(run))
            .env("SAVEPOINTD_CONTROL_SOCKET", self.control_socket(run))
            .env("SAVEPOINTD_ADMIN__ADDRESS", "127.0.0.1:0")
            .env("SAVEPOINTD_LOG__FORMAT", "json");
        command
    }

    /// Starts `savepointd run` on sockets of its own.
    pub fn run(&self, how: &How) -> Process {
        Process::start(&mut self.run_command(how))
    }

    /// Starts `savepointd run` on the same sockets as the one before.
    pub fn run_again(&self, how: &How) -> Process {
        Process::start(&mut self.run_command_again(how))
    }

    /// The command of a `savepointd run` on sockets of its own.
    pub fn run_command(&self, how: &How) -> Command {
        self.runs.set(self.runs.get() + 1);
        self.run_command_again(how)
    }

    fn run_command_again(&self, how: &How) -> Command {
        let mut command = self.command(&how.before);
        command.arg("run");
        if !how.without_agent {
            command.arg("--agent");
        }
        command.args(["--on-refusal", if how.waits { "wait" } else { "exit" }]);
        for set in &how.sets {
            command.args(["--set", set]);
        }
        command.arg("--");
        match &how.command {
            Some(words) => command.args(words),
            None => {
                command.arg(entrypoint()).args(["standalone-job"]).args(&how.arguments).args(["--job-classname", "Job"])
            }
        };
        command.envs(how.env.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Starts it, and waits until the restore is confirmed.
    pub fn up(&self, how: &How) -> Process {
        let process = self.run(how);
        let epoch = process.logged("the restore is confirmed", LONG)["epoch"].as_u64().unwrap();
        eventually("the confirmation's entry", LONG, || self.recorded(epoch, "confirmed"));
        process
    }

    /// Starts it, has it complete a checkpoint, and stops it: an epoch with a final savepoint, whose URL this gives.
    pub fn one_epoch(&self) -> String {
        let process = self.up(&how());
        self.stopped_with_savepoint(process)
    }

    pub fn stopped_with_savepoint(&self, mut process: Process) -> String {
        process.signal(Signal::SIGTERM);
        assert_eq!(process.exit_code(LONG), 143, "{}", process.text());
        let stopped = process.logged("stopped", LONG);
        assert_eq!(stopped["outcome"], "savepoint", "{stopped}");
        stopped["point"].as_str().unwrap().to_owned()
    }

    /// Runs a verb.
    pub fn verb(&self, arguments: &[&str]) -> Said {
        let output = self.command(&[]).args(arguments).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Said { code: output.status.code().unwrap(), out: text(&output.stdout), err: text(&output.stderr) }
    }

    pub fn json(&self, arguments: &[&str]) -> Value {
        let said = self.verb(arguments);
        assert_eq!(said.code, 0, "{said:?}");
        serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{error}: {said:?}"))
    }

    /// The recorded points, newest first.
    pub fn history(&self) -> Vec<Value> {
        self.json(&["history", "--output", "json"]).as_array().unwrap().clone()
    }

    /// The newest recorded point.
    pub fn newest(&self) -> Value {
        self.history().first().cloned().unwrap_or_default()
    }

    /// What the next start of the entrypoint would do.
    pub fn plan(&self) -> Value {
        let script = entrypoint().display().to_string();
        self.json(&["plan", "--output", "json", "--", &script, "standalone-job", "--job-classname", "Job"])
    }

    /// Asserts that the next start would restore this.
    pub fn next_restores(&self, path: &str) {
        let plan = self.plan();
        assert_eq!((plan["decision"].as_str(), plan["path"].as_str()), (Some("restore"), Some(path)), "{plan:#}");
    }

    /// Asserts that the next start would do something else than restore.
    pub fn next(&self, decision: &str) -> String {
        let plan = self.plan();
        assert_eq!(plan["decision"], decision, "{plan:#}");
        plan["reason"].as_str().unwrap().to_owned()
    }

    /// The newest start of the entrypoint.
    pub fn started(&self) -> Started {
        eventually("the entrypoint's start", LONG, || self.flink.starts().last().cloned())
    }

    /// Waits for this many starts.
    pub fn started_times(&self, times: usize) -> Started {
        let starts = || Some(self.flink.starts()).filter(|starts| starts.len() >= times);
        eventually("the entrypoint's start", LONG, starts).pop().unwrap()
    }

    /// What the newest start was told to restore.
    pub fn told(&self) -> Option<String> {
        let argv = self.started().argv;
        let at = argv.iter().position(|word| word == "--fromSavepoint")?;
        argv.get(at + 1).cloned()
    }

    /// The names of the signals that the entrypoint heard.
    pub fn heard(&self) -> Vec<String> {
        let text = fs::read_to_string(self.path("fake/signals")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Numbers that the entrypoint wrote into a file.
    pub fn numbers(&self, file: &str) -> Vec<i32> {
        let text = fs::read_to_string(self.path("fake").join(file)).unwrap_or_default();
        text.lines().filter_map(|line| line.parse().ok()).collect()
    }

    /// Whether the record has a fact of this kind in this epoch.
    pub fn recorded(&self, epoch: u64, what: &str) -> Option<Value> {
        self.entries().into_iter().rfind(|entry| entry["epoch"] == epoch && entry["fact"]["what"] == what)
    }

    /// Everything in the record.
    pub fn entries(&self) -> Vec<Value> {
        self.reader()()
    }

    /// Reads the record, from wherever that is asked.
    pub fn reader(&self) -> impl Fn() -> Vec<Value> + Send + Sync + use<> {
        let (kubernetes, record) = (self.kubernetes.clone(), self.record());
        move || match &kubernetes {
            Some(kubernetes) => in_config_map(&kubernetes.config_map("orders").unwrap_or_default()),
            None => in_directory(&record),
        }
    }
}

pub fn in_directory(record: &Path) -> Vec<Value> {
    let Ok(names) = fs::read_dir(record) else { return Vec::new() };
    let mut names: Vec<PathBuf> = names.map(|one| one.unwrap().path()).collect();
    // Drafts, which a writer that is killed leaves behind, are no entries.
    names.retain(|name| name.extension().is_some_and(|extension| extension == "json"));
    names.sort();
    names.iter().filter_map(|name| serde_json::from_slice(&fs::read(name).ok()?).ok()).collect()
}

fn in_config_map(config_map: &Value) -> Vec<Value> {
    let lines = config_map["data"]["record"].as_str().unwrap_or_default().lines();
    lines.filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// Sends SIGTERM and waits for the end; gives exit code and how long that took.
pub fn terminate(process: &mut Process, limit: Duration) -> (i32, Duration) {
    let begin = Instant::now();
    process.signal(Signal::SIGTERM);
    let code = process.exit_code(limit);
    (code, begin.elapsed())
}

/// SIGKILL; and nothing of it is left.
pub fn kill_hard(process: &mut Process) {
    process.signal(Signal::SIGKILL);
    assert_eq!(process.exit_code(LONG), 137);
}

pub fn signal(pid: i32, signal: Signal) {
    kill(Pid::from_raw(pid), signal).unwrap();
}

/// Runs the same test for each case at the same time: most of the time they wait.
pub fn each<T: Sync + std::fmt::Debug>(cases: &[T], test: impl Fn(&T) + Sync) {
    std::thread::scope(|scope| {
        let running: Vec<_> = cases.iter().map(|case| (case, scope.spawn(|| test(case)))).collect();
        let failed: Vec<_> =
            running.into_iter().filter_map(|(case, one)| one.join().is_err().then_some(case)).collect();
        assert!(failed.is_empty(), "failed: {failed:?}");
    });
}
