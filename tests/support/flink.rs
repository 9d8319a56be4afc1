//! A real Flink application cluster under `savepointd run --agent`: one TaskManager, one self-checking job.

mod session;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::Signal;
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;

use super::life::{self, Life};
use super::process::{Process, binary};
use super::{eventually, free_port, http};

/// Long enough for JVMs on a machine with twenty times as much to do as it has cores, where one cluster's start took 90 s.
pub const START: Duration = Duration::from_secs(300);
/// Longer than any stop in these tests.
pub const STOP: Duration = Duration::from_secs(60);

/// What Java 17 has to be told by whoever brings a configuration of his own.
const OPENS: [&str; 12] = [
    "lang",
    "net",
    "io",
    "nio",
    "lang.reflect",
    "text",
    "time",
    "util",
    "util.concurrent",
    "util.concurrent.atomic",
    "util.concurrent.locks",
    "math",
];

/// A JVM that lives for seconds is done sooner without what pays for hours: this takes two fifths off the processor time of a
/// cluster's start, that of the JVMs in Flink's scripts included. Figures are measured without it.
const SHORT_LIVED: &str = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC";

/// A cluster in a directory of its own.
#[derive(Debug)]
pub struct Cluster {
    pub dir: TempDir,
    pub rest: u16,
    pub admin: u16,
    home: PathBuf,
    task_manager: Option<Child>,
    /// Flink options behind the mode word.
    pub flink_options: Vec<String>,
    /// The job's own arguments, besides where it writes.
    pub job_options: Vec<String>,
    /// `--set` values.
    pub settings: Vec<String>,
    /// Environment of every process.
    pub variables: Vec<(String, String)>,
    /// Where the record is, if not in the directory.
    pub record_url: Option<String>,
    /// Whether `run` waits at the gate in place of ending.
    pub waits: bool,
}

impl Cluster {
    /// Makes everything but processes. The distribution and the job come from the cache, or are fetched and compiled.
    pub fn new(version: &str) -> Self {
        Self::with(version, &[])
    }

    /// The same, with more of Flink's configuration; an empty value takes away what would be there.
    pub fn with(version: &str, configuration: &[(&str, &str)]) -> Self {
        let home = Self::home(version);
        let dir = tempfile::Builder::new().prefix("savepointd-").tempdir().unwrap();
        let (rest, rpc, admin) = (free_port(), free_port(), free_port());
        for name in ["conf", "tmp", "log", "out", "ctl"] {
            std::fs::create_dir(dir.path().join(name)).unwrap();
        }
        let root = dir.path().display();
        let mut opens =
            "--add-exports=java.base/sun.net.util=ALL-UNNAMED --add-opens=java.base/sun.nio.ch=ALL-UNNAMED".to_owned();
        for package in OPENS {
            opens += &format!(" --add-opens=java.base/java.{package}=ALL-UNNAMED");
        }
        let newer = version_number(version) >= (1, 18);
        let java = if newer { "env.java.opts.all" } else { "env.java.opts" };
        let mut lines = vec![
            ("jobmanager.rpc.address", "127.0.0.1".to_owned()),
            ("jobmanager.rpc.port", rpc.to_string()),
            ("jobmanager.bind-host", "127.0.0.1".to_owned()),
            ("rest.address", "127.0.0.1".to_owned()),
            ("rest.bind-address", "127.0.0.1".to_owned()),
            ("rest.port", rest.to_string()),
            ("taskmanager.host", "127.0.0.1".to_owned()),
            ("taskmanager.bind-host", "127.0.0.1".to_owned()),
            ("taskmanager.numberOfTaskSlots", "1".to_owned()),
            ("jobmanager.memory.process.size", "700m".to_owned()),
            ("taskmanager.memory.process.size", "900m".to_owned()),
            ("taskmanager.memory.managed.size", "32m".to_owned()),
            ("io.tmp.dirs", format!("{root}/tmp")),
            ("state.checkpoints.dir", format!("file://{root}/chk")),
            ("state.savepoints.dir", format!("file://{root}/sp")),
            ("execution.checkpointing.interval", "1 s".to_owned()),
            // A TaskManager without a guard that stays notices the JobManager's change only by these.
            ("heartbeat.interval", "2000".to_owned()),
            ("heartbeat.timeout", "6000".to_owned()),
            ("cluster.registration.error-delay", "500".to_owned()),
            (java, opens),
        ];
        for (key, value) in configuration {
            lines.retain(|(known, _)| known != key);
            if !value.is_empty() {
                lines.push((key, (*value).to_owned()));
            }
        }
        let text: String = lines.iter().map(|(key, value)| format!("{key}: {value}\n")).collect();
        let file = if version_number(version) >= (1, 19) { "config.yaml" } else { "flink-conf.yaml" };
        std::fs::write(dir.path().join("conf").join(file), text).unwrap();
        let log4j = "log4j-console.properties";
        std::fs::copy(home.join("conf").join(log4j), dir.path().join("conf").join(log4j)).unwrap();
        Self {
            dir,
            rest,
            admin,
            home,
            task_manager: None,
            flink_options: Vec::new(),
            job_options: Vec::new(),
            settings: Vec::new(),
            variables: vec![("JDK_JAVA_OPTIONS".to_owned(), SHORT_LIVED.to_owned())],
            record_url: None,
            waits: false,
        }
    }

    /// A Flink of this version with the job.
    pub fn home(version: &str) -> PathBuf {
        let jar = script("tests/flink/job.sh", version);
        Path::new(&jar).parent().unwrap().join("home")
    }

    /// Adds lines to Flink's configuration.
    pub fn configure(&self, lines: &[String]) {
        let conf = self.dir.path().join("conf");
        let file =
            ["config.yaml", "flink-conf.yaml"].map(|name| conf.join(name)).into_iter().find(|file| file.exists());
        let mut file = std::fs::File::options().append(true).open(file.unwrap()).unwrap();
        for line in lines {
            writeln!(file, "{line}").unwrap();
        }
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    fn environment(&self, command: &mut Command) {
        for (key, name) in [("FLINK_CONF_DIR", "conf"), ("FLINK_LOG_DIR", "log"), ("FLINK_PID_DIR", "tmp")] {
            command.env(key, self.path(name));
        }
        // Whatever the tests themselves run in.
        command.env_remove("KUBERNETES_SERVICE_HOST").envs(self.variables.iter().cloned());
    }

    /// Starts the TaskManager, in place of one that was killed.
    pub fn start_task_manager(&mut self) {
        self.kill_task_manager();
        let log = std::fs::File::options().create(true).append(true).open(self.path("log/taskmanager.out")).unwrap();
        let mut command = Command::new(self.home.join("bin/taskmanager.sh"));
        self.environment(command.arg("start-foreground"));
        let child = command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        self.task_manager = Some(child);
    }

    /// A TaskManager behind `savepointd guard`.
    pub fn guarded_task_manager(&self) -> Process {
        let mut command = Command::new(binary());
        self.environment(command.args(["guard", "--set", &format!("guard.agent=127.0.0.1:{}", self.admin)]));
        for setting in self.settings.iter().filter(|setting| setting.starts_with("guard.")) {
            command.args(["--set", setting]);
        }
        command.arg("--").arg(self.home.join("bin/taskmanager.sh")).arg("start-foreground");
        let log = std::fs::File::options().create(true).append(true).open(self.path("log/taskmanager.out")).unwrap();
        Process::start(command.stdout(log))
    }

    /// The agent as a process of its own, for [`run_apart`](Self::run_apart).
    pub fn agent_apart(&self) -> Process {
        let mut command = Command::new(binary());
        self.environment(command.args(["agent", "--record", &self.record()]));
        for setting in &self.settings {
            command.args(["--set", setting]);
        }
        command.args(["--set", &format!("socket={}", self.path("run.sock"))]);
        command.args(["--set", &format!("control_socket={}", self.path("control.sock"))]);
        Process::start(command.args(["--set", &format!("admin.address=127.0.0.1:{}", self.admin)]))
    }

    /// `savepointd run` with that agent.
    pub fn run_apart(&self) -> Process {
        let mut command = Command::new(binary());
        command.args(["run", "--on-refusal", "wait", "--set", &format!("socket={}", self.path("run.sock"))]);
        self.job_manager_behind(command)
    }

    /// SIGKILL, as a node's death.
    pub fn kill_task_manager(&mut self) {
        if let Some(mut child) = self.task_manager.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// The record's URL.
    pub fn record(&self) -> String {
        self.record_url.clone().unwrap_or_else(|| format!("file://{}", self.path("record")))
    }

    /// `savepointd run --agent` before the JobManager.
    pub fn run(&self) -> Process {
        let mut command = self.run_command();
        let log = std::fs::File::options().create(true).append(true).open(self.path("log/jobmanager.out")).unwrap();
        Process::start(command.stdout(log))
    }

    /// Its command.
    pub fn run_command(&self) -> Command {
        let mut command = Command::new(binary());
        command.args(["run", "--agent", "--record", &self.record()]);
        if self.waits {
            command.args(["--on-refusal", "wait"]);
        }
        command.args(["--set", &format!("admin.address=127.0.0.1:{}", self.admin)]);
        self.before_the_job_manager(&mut command);
        command
    }

    fn job_manager_behind(&self, mut command: Command) -> Process {
        self.before_the_job_manager(&mut command);
        let log = std::fs::File::options().create(true).append(true).open(self.path("log/jobmanager.out")).unwrap();
        Process::start(command.stdout(log))
    }

    fn before_the_job_manager(&self, command: &mut Command) {
        self.environment(command);
        for setting in &self.settings {
            command.args(["--set", setting]);
        }
        command.arg("--").arg(self.home.join("bin/standalone-job.sh")).arg("start-foreground");
        command.args(&self.flink_options).args(["--job-classname", "SeqJob"]);
        command.args(["--out", &self.path("out"), "--ctl", &self.path("ctl")]).args(&self.job_options);
    }

    /// The JobManager as it is without savepointd.
    pub fn run_plain(&self, from: Option<&str>) -> Process {
        let mut command = Command::new(self.home.join("bin/standalone-job.sh"));
        self.environment(command.arg("start-foreground"));
        if let Some(from) = from {
            command.args(["--fromSavepoint", from]);
        }
        command.args(["-Dexecution.shutdown-on-application-finish=false", "--job-classname", "SeqJob"]);
        command.args(["--out", &self.path("out"), "--ctl", &self.path("ctl")]).args(&self.job_options);
        Process::start(command.stdout(Stdio::null()))
    }

    /// A command of Flink's own, such as `flink stop`.
    pub fn flink(&self, arguments: &[&str]) -> std::process::Output {
        let mut command = Command::new(self.home.join("bin/flink"));
        self.environment(&mut command);
        command.args(arguments).output().unwrap()
    }

    /// Waits until all tasks run; gives the job's id.
    pub fn all_running(&self) -> String {
        eventually("all tasks are running", START, || {
            let overview = http::json(self.rest, "/jobs/overview")?;
            let job = &overview["jobs"][0];
            let tasks = &job["tasks"];
            (tasks["total"].as_u64()? > 0 && tasks["running"] == tasks["total"])
                .then(|| job["jid"].as_str().map(str::to_owned))?
        })
    }

    /// Runs, and waits until Flink has confirmed the restore; gives what was restored.
    pub fn run_confirmed(&self) -> (Process, Option<String>) {
        let process = self.run();
        let restored = self.confirmed(&process);
        (process, restored)
    }

    /// Waits until Flink has confirmed the restore; gives what was restored.
    pub fn confirmed(&self, process: &Process) -> Option<String> {
        let line = process.logged_within("the restore is confirmed", START);
        let line = line.unwrap_or_else(|| panic!("not confirmed:\n{}\n{}", process.text(), self.last_words()));
        line["restored"].as_str().map(str::to_owned)
    }

    /// What JobManager and TaskManager said last.
    fn last_words(&self) -> String {
        let of = |name: &str| {
            let text = std::fs::read_to_string(self.dir.path().join("log").join(name)).unwrap_or_default();
            let lines: Vec<&str> = text.lines().collect();
            format!("{name}:\n{}\n", lines[lines.len().saturating_sub(60)..].join("\n"))
        };
        of("jobmanager.out") + &of("taskmanager.out")
    }

    /// SIGTERM, and the outcome of the stop that it causes.
    pub fn stop(&self, mut process: Process) -> Value {
        process.signal(Signal::SIGTERM);
        let code = process.exit_code(STOP);
        assert_eq!(code, 143, "{}", process.text());
        process.find("stopped").unwrap_or_else(|| panic!("no outcome in\n{}", process.text()))
    }

    /// The JobManager's process.
    pub fn job_manager(&self, process: &Process) -> Pid {
        eventually("the JobManager's process", START, || {
            process.child_with("ClusterEntrypoint").or_else(|| process.child_with("java"))
        })
    }

    /// A control file of the job.
    pub fn control(&self, name: &str, text: &str) {
        std::fs::write(self.dir.path().join("ctl").join(name), text).unwrap();
    }

    /// Takes a control file away.
    pub fn uncontrol(&self, name: &str) {
        let _ = std::fs::remove_file(self.dir.path().join("ctl").join(name));
    }

    /// The lives of the writing task, oldest first; those without a record left out.
    pub fn lives(&self) -> Vec<Life> {
        life::lives(&self.dir.path().join("out"))
    }

    /// Asserts that no life wrote anything after the next one had begun.
    pub fn assert_one_writer_at_a_time(&self) {
        let mut files: Vec<_> =
            std::fs::read_dir(self.dir.path().join("out")).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        for pair in files.windows(2) {
            let last_record = std::fs::metadata(&pair[0]).unwrap().modified().unwrap();
            let last_record = last_record.duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
            let name = pair[1].file_name().unwrap().to_str().unwrap();
            let begin: u128 = name.split('-').next().unwrap().parse().unwrap();
            assert!(last_record <= begin, "{last_record} is after {name}: {:#?}", self.lives());
        }
    }

    /// Waits until the job has written `count` records more than when it was asked.
    pub fn progress(&self, count: u64) {
        let written = || self.lives().last().map_or(0, |life| life.last);
        let begin = written();
        eventually("records are written", START, || (written() >= begin + count).then_some(()));
    }

    /// Waits until a job of this cluster has completed `count` checkpoints more than when it was asked.
    pub fn checkpoints(&self, count: u64) {
        let completed = || {
            let jobs = http::json(self.rest, "/jobs")?;
            let id = jobs["jobs"][0]["id"].as_str()?;
            http::json(self.rest, &format!("/jobs/{id}/checkpoints"))?["latest"]["completed"]["id"].as_u64()
        };
        let begin = eventually("a checkpoint", START, completed);
        eventually("more checkpoints", START, || completed().filter(|now| *now >= begin + count));
    }

    /// The job's id, as Flink says.
    pub fn job_id(&self) -> String {
        eventually("a job", START, || Some(http::json(self.rest, "/jobs")?["jobs"][0]["id"].as_str()?.to_owned()))
    }

    /// What a verb answers, as JSON.
    pub fn ask(&self, verb: &str) -> Value {
        let mut command = Command::new(binary());
        self.environment(command.args([verb, "--output", "json", "--record", &self.record()]));
        let output = command.output().unwrap();
        assert!(output.status.success(), "{verb}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// What a verb says, which must succeed.
    pub fn tell(&self, arguments: &[&str]) -> String {
        let output = Command::new(binary()).args(arguments).args(["--record", &self.record()]).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Every value was written once, in order, and the state agreed each time.
    pub fn assert_exactly_once(&self, lives: &[Life]) {
        life::assert_exactly_once(lives);
    }

    /// No value was lost and the state agreed each time; what came after the last checkpoint may be there twice.
    pub fn assert_nothing_lost(&self, lives: &[Life]) {
        life::assert_nothing_lost(lives);
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.kill_task_manager();
        if std::thread::panicking() && std::env::var_os("SPTEST_KEEP").is_some() {
            let kept = std::mem::replace(&mut self.dir, tempfile::tempdir().unwrap()).keep();
            let _ = writeln!(std::io::stderr(), "kept {}", kept.display());
        }
    }
}

/// Runs one of the scripts that fetch and compile; their progress goes to standard error.
pub fn script(path: &str, version: &str) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    let output = Command::new(script).arg(version).stderr(Stdio::inherit()).output().unwrap();
    assert!(output.status.success(), "{path} {version} failed");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

pub fn version_number(version: &str) -> (u32, u32) {
    let mut parts = version.split('.').map(|part| part.parse().unwrap());
    (parts.next().unwrap(), parts.next().unwrap())
}
