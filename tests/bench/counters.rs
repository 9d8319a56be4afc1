//! What counts instructions and system calls: `tests/counters.sh` gets both.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::support::process::binary;

/// valgrind and strace.
pub(super) struct Counters {
    usr: PathBuf,
}

impl Counters {
    /// None: they are not there.
    pub(super) fn installed() -> Option<Self> {
        let variable = |name: &str| std::env::var_os(name).map(PathBuf::from);
        let shared = || variable("XDG_CACHE_HOME").unwrap_or_else(|| variable("HOME").unwrap().join(".cache"));
        let cache = variable("SPTEST_CACHE").unwrap_or_else(|| shared().join("savepointd"));
        let usr = cache.join("counters/usr");
        usr.join("bin/valgrind").exists().then_some(Self { usr })
    }

    /// savepointd, its instructions counted into `log`; what it starts is not counted.
    pub(super) fn instructions_of(&self, log: &Path, words: &[&str]) -> Command {
        let mut command = Command::new(self.usr.join("bin/valgrind"));
        command.env("VALGRIND_LIB", self.usr.join("libexec/valgrind"));
        command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
        command.arg(format!("--log-file={}", log.display())).arg(binary()).args(words);
        command
    }

    /// savepointd and what it starts, each thread's system calls in a file of its own below `directory`.
    pub(super) fn calls_of(&self, directory: &Path, words: &[&str]) -> Command {
        let libraries = std::fs::read_dir(self.usr.join("lib")).unwrap().map(|entry| entry.unwrap().path());
        let libraries = libraries.map(|path| path.display().to_string()).collect::<Vec<_>>().join(":");
        // Of strace alone: what it traces is static.
        let mut command = Command::new(self.usr.join("bin/strace"));
        command.env("LD_LIBRARY_PATH", libraries).args(["-ff", "-q", "-E", "LD_LIBRARY_PATH", "-o"]);
        command.arg(directory.join("thread")).arg(binary()).args(words);
        command
    }
}

/// What valgrind wrote down at the end.
pub(super) fn instructions(log: &Path) -> f64 {
    let text = std::fs::read_to_string(log).unwrap();
    let line = text.lines().find_map(|line| line.split_once("Collected : ")).unwrap_or_else(|| panic!("{text}"));
    line.1.trim().parse().unwrap()
}

/// System calls, and the bytes that went in and out by them.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Calls {
    pub(super) made: u64,
    pub(super) read: u64,
    pub(super) written: u64,
}

/// Of savepointd's own threads and processes: those that became another program are left out.
pub(super) fn calls(directory: &Path) -> Calls {
    let own = format!("execve(\"{}\"", binary().display());
    let mut all = Calls::default();
    for file in std::fs::read_dir(directory).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        if text.lines().any(|line| line.starts_with("execve(") && !line.starts_with(&own)) {
            continue;
        }
        for line in text.lines() {
            let Some((name, rest)) = line.split_once('(') else { continue };
            let Some((_, answer)) = rest.rsplit_once(" = ") else { continue };
            all.made += 1;
            let bytes = answer.split(' ').next().and_then(|answer| answer.parse::<u64>().ok()).unwrap_or(0);
            match name {
                "read" | "readv" | "pread64" | "recvfrom" | "recvmsg" => all.read += bytes,
                "write" | "writev" | "pwrite64" | "sendto" | "sendmsg" => all.written += bytes,
                _ => {}
            }
        }
    }
    all
}
