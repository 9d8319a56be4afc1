//! A `savepointd` process under test: its log as it comes, its signals, its exit code.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::eventually;

/// The binary under test: what `SPTEST_BINARY` names, else the one that was built with the test.
pub fn binary() -> PathBuf {
    let named = std::env::var_os("SPTEST_BINARY").map(PathBuf::from);
    named.unwrap_or_else(|| {
        let built = option_env!("CARGO_BIN_EXE_savepointd");
        built.map(PathBuf::from).expect("SPTEST_BINARY names the binary")
    })
}

/// A running process. Dropped, it is killed.
#[derive(Debug)]
pub struct Process {
    child: Child,
    log: Arc<Mutex<Vec<Value>>>,
    reader: JoinHandle<()>,
}

impl Process {
    /// Starts a command and reads its standard error as a log of JSON lines. (Lines of other forms, such as an
    /// entrypoint's, become `{"message": line, "foreign": true}`.)
    pub fn start(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let log = Arc::new(Mutex::new(Vec::new()));
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let into = Arc::clone(&log);
        let reader = std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let value = serde_json::from_str(&line)
                    .unwrap_or_else(|_| serde_json::json!({ "message": line, "foreign": true }));
                into.lock().unwrap().push(value);
            }
        });
        Self { child, log, reader }
    }

    pub fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed())
    }

    pub fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).unwrap();
    }

    /// Everything that was logged so far.
    pub fn log(&self) -> Vec<Value> {
        self.log.lock().unwrap().clone()
    }

    /// The first log line with this message, as soon as it is there.
    pub fn logged(&self, message: &str, limit: Duration) -> Value {
        let line = self.logged_within(message, limit);
        line.unwrap_or_else(|| panic!("no log line {message:?} within {limit:?} in\n{}", self.text()))
    }

    /// The same, for whoever has more to say if there is none.
    pub fn logged_within(&self, message: &str, limit: Duration) -> Option<Value> {
        let begin = std::time::Instant::now();
        loop {
            let over = begin.elapsed() >= limit || self.reader.is_finished();
            let line = self.find(message);
            if over || line.is_some() {
                return line;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub fn find(&self, message: &str) -> Option<Value> {
        self.log.lock().unwrap().iter().find(|line| line["message"] == message).cloned()
    }

    /// The log as text, for messages of failed tests.
    pub fn text(&self) -> String {
        self.log().iter().map(|line| format!("{line}\n")).collect()
    }

    /// The exit code, once the process has ended; 128 + n for a signal.
    pub fn exit_code(&mut self, limit: Duration) -> i32 {
        use std::os::unix::process::ExitStatusExt as _;
        let begin = std::time::Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                // Whoever asks for the exit code asks for the log next.
                while !self.reader.is_finished() && begin.elapsed() < limit {
                    std::thread::sleep(Duration::from_millis(1));
                }
                return status.code().unwrap_or_else(|| 128 + status.signal().unwrap());
            }
            assert!(begin.elapsed() < limit, "has not ended within {limit:?}:\n{}", self.text());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Whether it has ended; its exit code is told by [`exit_code`](Self::exit_code).
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// The process id of a child of this process whose command line contains `word`.
    pub fn child_with(&self, word: &str) -> Option<Pid> {
        let own = self.child.id();
        let children = std::fs::read_to_string(format!("/proc/{own}/task/{own}/children")).ok()?;
        children.split_whitespace().find_map(|pid| {
            let line = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            line.contains(word).then(|| Pid::from_raw(pid.parse().unwrap()))
        })
    }

    /// The embedded agent's process.
    pub fn agent(&self) -> Pid {
        eventually("the agent's process", Duration::from_secs(5), || self.child_with("savepointd agent"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
