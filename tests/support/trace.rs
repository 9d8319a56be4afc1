//! The real processes under ptrace: each effect that somebody else could see, by a stable name, and a blow at one of them.
//!
//! An effect is a system call by which another process, a file or a server learns of something. The tracer stops the process
//! right before and right after it, so that a blow falls exactly there; between two effects there is nothing to be seen.

mod call;
mod name;
mod tracer;

use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

pub use name::Names;

/// Which side of the effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    Before,
    After,
}

/// What befalls the process whose effect it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Blow {
    Kill,
    Term,
    /// All of its threads stand still, until [`Trace::thaw`] or its death.
    Freeze,
}

/// One blow at one effect.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Strike {
    pub effect: String,
    pub side: Side,
    pub blow: Blow,
}

/// An effect as it came.
#[derive(Debug, Clone)]
pub struct Effect {
    pub name: String,
    pub at: Instant,
}

/// Hears of each effect before it comes.
pub type Watch = Box<dyn Fn(&str) + Send + Sync>;

/// What is seen of all traced processes of one world, and the blow that is to fall.
pub struct Trace {
    names: Names,
    /// They fall one after the other, each once.
    strikes: Vec<Strike>,
    /// Called before each effect.
    watch: Option<Watch>,
    phase: Mutex<&'static str>,
    effects: Mutex<Vec<Effect>>,
    struck: Mutex<Vec<(Instant, Pid)>>,
    thaws: AtomicBool,
    /// A process whose end tells the tracer that there is something to do.
    bell: AtomicI32,
}

impl Trace {
    pub fn new(names: Names, strikes: Vec<Strike>, watch: Option<Watch>) -> Arc<Self> {
        Arc::new(Self {
            names,
            strikes,
            watch,
            phase: Mutex::new("start"),
            effects: Mutex::default(),
            struck: Mutex::default(),
            thaws: AtomicBool::new(false),
            bell: AtomicI32::new(0),
        })
    }

    /// Effects from now on belong to this part of the life.
    pub fn phase(&self, phase: &'static str) {
        *locked(&self.phase) = phase;
    }

    pub fn effects(&self) -> Vec<Effect> {
        locked(&self.effects).clone()
    }

    /// When the last of all blows fell, and on which process.
    pub fn struck(&self) -> Option<(Instant, Pid)> {
        let struck = locked(&self.struck);
        struck.last().copied().filter(|_| struck.len() == self.strikes.len())
    }

    /// When each blow fell.
    pub fn blows(&self) -> Vec<Instant> {
        locked(&self.struck).iter().map(|(at, _)| *at).collect()
    }

    /// The next blow that is to fall.
    fn next(&self) -> Option<&Strike> {
        self.strikes.get(locked(&self.struck).len())
    }

    /// The process that stands still, if one does.
    pub fn frozen(&self) -> Option<Pid> {
        let freezes = self.strikes.last().is_some_and(|strike| strike.blow == Blow::Freeze);
        self.struck().map(|(_, pid)| pid).filter(|_| freezes && !self.thaws.load(Ordering::SeqCst))
    }

    /// What stands still goes on.
    pub fn thaw(&self) {
        self.thaws.store(true, Ordering::SeqCst);
        let bell = self.bell.load(Ordering::SeqCst);
        if bell != 0 {
            let _ = kill(Pid::from_raw(bell), Signal::SIGKILL);
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// A process under trace, and those that it starts. Dropped, all of them are killed.
pub struct Traced {
    pid: Pid,
    log: PathBuf,
    ended: Arc<Mutex<Option<(i32, Instant)>>>,
}

impl Traced {
    /// Starts a command of the binary; its log goes into this file.
    pub fn start(trace: &Arc<Trace>, command: &Command, log: PathBuf) -> Self {
        // It waits until it is traced.
        let mut waiting = Command::new("/bin/sh");
        waiting.args(["-c", "read -r _ && exec \"$@\" </dev/null", "sh"]);
        waiting.arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => waiting.env(name, value),
                None => waiting.env_remove(name),
            };
        }
        let file = File::options().create(true).append(true).open(&log).unwrap();
        waiting.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(file);
        let ended = Arc::new(Mutex::new(None));
        let pid = tracer::start(Arc::clone(trace), waiting, Arc::clone(&ended));
        Self { pid, log, ended }
    }

    pub fn pid(&self) -> Pid {
        self.pid
    }

    pub fn signal(&self, signal: Signal) {
        if self.ended().is_none() {
            let _ = kill(self.pid, signal);
        }
    }

    /// The exit code, 128 + n for a signal, and when that was.
    pub fn ended(&self) -> Option<(i32, Instant)> {
        *locked(&self.ended)
    }

    /// Waits for its end, at most until then.
    pub fn ends_until(&self, until: Instant) -> Option<(i32, Instant)> {
        loop {
            let ended = self.ended();
            if ended.is_some() || Instant::now() >= until {
                return ended;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    pub fn text(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// The first log line with this message.
    pub fn find(&self, message: &str) -> Option<Value> {
        let text = self.text();
        let mut lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.find(|line| line["message"] == message)
    }
}

impl Drop for Traced {
    fn drop(&mut self) {
        self.signal(Signal::SIGKILL);
    }
}

/// Whether processes can be traced here; says so where they can't, which is a failure of CI.
pub fn can_trace() -> bool {
    let can = cfg!(target_arch = "x86_64") && tracer::probe();
    if !can {
        assert!(std::env::var("CI").is_err(), "no process can be traced here (ptrace, x86-64)");
        let _ = writeln!(std::io::stderr(), "not run: no process can be traced here (ptrace, x86-64)");
    }
    can
}
