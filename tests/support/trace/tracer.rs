//! The thread that traces: it alone may wait for the processes that it has started.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, mpsc};
use std::time::Instant;

use nix::errno::Errno;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use super::call::{Call, Entry};
use super::name::Sockets;
use super::{Blow, Effect, Side, Trace, locked};
use crate::support::process::binary;

const OPTIONS: Options = Options::PTRACE_O_TRACESYSGOOD
    .union(Options::PTRACE_O_TRACEFORK)
    .union(Options::PTRACE_O_TRACEVFORK)
    .union(Options::PTRACE_O_TRACECLONE)
    .union(Options::PTRACE_O_TRACEEXEC)
    .union(Options::PTRACE_O_EXITKILL);

type Ended = Arc<Mutex<Option<(i32, Instant)>>>;

/// Starts the command, which waits for a line, in a thread that traces it to its end.
#[allow(clippy::zombie_processes, reason = "the tracer waits for it, with everything else")]
pub(super) fn start(trace: Arc<Trace>, mut command: Command, ended: Ended) -> Pid {
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        let mut child = command.spawn().unwrap();
        let pid = Pid::from_raw(child.id().cast_signed());
        ptrace::seize(pid, OPTIONS).unwrap();
        ptrace::interrupt(pid).unwrap();
        child.stdin.take().unwrap().write_all(b"\n").unwrap();
        tell.send(pid).unwrap();
        let mut tracer = Tracer::of(trace, pid, ended);
        while tracer.goes_on() {}
        // Whoever waits for it knows that it is over.
        locked(&tracer.ended).get_or_insert((137, Instant::now()));
    });
    told.recv().unwrap()
}

/// Whether a process can be traced here.
pub(super) fn probe() -> bool {
    let Ok(mut child) = Command::new("/bin/sh").args(["-c", "read -r _"]).stdin(Stdio::piped()).spawn() else {
        return false;
    };
    let can = ptrace::seize(Pid::from_raw(child.id().cast_signed()), Options::empty()).is_ok();
    let _ = child.kill();
    let _ = child.wait();
    can
}

/// A thread of a traced process.
#[derive(Debug, Default)]
struct Thread {
    process: i32,
    /// The system call that it is in.
    entry: Option<Entry>,
    /// The effect that this is.
    effect: Option<String>,
}

/// A traced process.
#[derive(Debug, Clone)]
struct Process {
    /// `agent`, `run` or `guard`; none: not one of ours yet.
    role: Option<String>,
    /// The process that it will be told apart from only when it has become another program.
    of: i32,
}

struct Tracer {
    trace: Arc<Trace>,
    root: Pid,
    ended: Ended,
    threads: BTreeMap<i32, Thread>,
    processes: BTreeMap<i32, Process>,
    sockets: Sockets,
    frozen: Option<i32>,
    held: Vec<(Pid, Option<Signal>)>,
    bell: Option<Child>,
}

impl Tracer {
    fn of(trace: Arc<Trace>, root: Pid, ended: Ended) -> Self {
        Self {
            trace,
            root,
            ended,
            threads: BTreeMap::new(),
            processes: BTreeMap::new(),
            sockets: Sockets::default(),
            frozen: None,
            held: Vec::new(),
            bell: None,
        }
    }

    /// Waits for the next stop of anything; false when nothing is left.
    fn goes_on(&mut self) -> bool {
        // The bell is a child as well.
        if self.bell.is_some() && self.processes.is_empty() {
            self.end_bell();
        }
        match waitpid(None, Some(WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD)) {
            Ok(WaitStatus::Exited(pid, code)) => self.over(pid, code),
            Ok(WaitStatus::Signaled(pid, signal, _)) => self.over(pid, 128 + signal as i32),
            Ok(WaitStatus::PtraceSyscall(pid)) => {
                if self.at_a_call(pid) {
                    self.resume(pid, None);
                }
            }
            Ok(WaitStatus::PtraceEvent(pid, _, event)) => self.at_an_event(pid, event),
            Ok(WaitStatus::Stopped(pid, signal)) => self.resume(pid, Some(signal)),
            Ok(_) | Err(Errno::EINTR) => {}
            Err(_) => return false,
        }
        true
    }

    fn over(&mut self, pid: Pid, code: i32) {
        if self.bell.as_ref().is_some_and(|bell| bell.id().cast_signed() == pid.as_raw()) {
            self.bell = None;
            self.thaw();
            return;
        }
        self.threads.remove(&pid.as_raw());
        self.processes.remove(&pid.as_raw());
        self.held.retain(|(held, _)| *held != pid);
        if pid == self.root {
            locked(&self.ended).get_or_insert((code, Instant::now()));
        }
    }

    fn resume(&mut self, pid: Pid, signal: Option<Signal>) {
        if self.frozen.is_some_and(|frozen| self.process_of(pid) == frozen) {
            self.held.push((pid, signal));
        } else {
            let _ = ptrace::syscall(pid, signal);
        }
    }

    fn process_of(&mut self, pid: Pid) -> i32 {
        if let Some(thread) = self.threads.get(&pid.as_raw()) {
            return thread.process;
        }
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let number = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<i32>().ok());
        let process = number("Tgid:").unwrap_or(pid.as_raw());
        self.threads.insert(pid.as_raw(), Thread { process, ..Thread::default() });
        // Until it runs another program it is its parent's hand.
        let parent = number("PPid:").and_then(|parent| self.processes.get(&parent).cloned());
        self.processes.entry(process).or_insert_with(|| parent.unwrap_or(Process { role: None, of: process }));
        process
    }

    fn at_an_event(&mut self, pid: Pid, event: i32) {
        self.process_of(pid);
        if event == nix::libc::PTRACE_EVENT_EXEC {
            let Some(role) = role(pid) else {
                // Another program, or not ours yet.
                if pid == self.root {
                    return self.resume(pid, None);
                }
                let mine = self.strike_after(pid);
                self.threads.remove(&pid.as_raw());
                self.processes.remove(&pid.as_raw());
                if mine {
                    let _ = ptrace::detach(pid, None);
                }
                return;
            };
            let stays = self.strike_after(pid);
            // It is still in that call.
            if let (Ok(registers), Some(thread)) = (ptrace::getregs(pid), self.threads.get_mut(&pid.as_raw())) {
                thread.entry = Some(Entry::of(&registers));
            }
            let process = Process { role: Some(role), of: pid.as_raw() };
            self.processes.insert(pid.as_raw(), process);
            if !stays {
                return;
            }
        }
        self.resume(pid, None);
    }

    /// Whether the thread may go on.
    fn at_a_call(&mut self, pid: Pid) -> bool {
        let process = self.process_of(pid);
        let Some(role) = self.processes.get(&process).and_then(|process| process.role.clone()) else { return true };
        let Ok(registers) = ptrace::getregs(pid) else { return true };
        if self.threads.get(&pid.as_raw()).is_some_and(|thread| thread.entry.is_some()) {
            let stays = self.strike_after(pid);
            let entry = self.threads.get_mut(&pid.as_raw()).and_then(|thread| thread.entry.take());
            if let Some(entry) = entry
                && let Some(read) = entry.received(registers.rax, &memory(pid))
            {
                self.sockets.received(process, &read);
            }
            return stays;
        }
        let entry = Entry::of(&registers);
        // Between fork and exec there is but one thing to see.
        let child = self.processes[&process].of != process;
        let call = entry.call(pid.as_raw(), &memory(pid)).filter(|call| !child || matches!(call, Call::Starts(_)));
        let effect = call.and_then(|call| self.sockets.name(process, &call, &self.trace.names));
        let effect = effect.map(|what| format!("{}: {role} {what}", *locked(&self.trace.phase)));
        if let Some(name) = &effect {
            if let Some(watch) = &self.trace.watch {
                watch(name);
            }
            locked(&self.trace.effects).push(Effect { name: name.clone(), at: Instant::now() });
        }
        self.enters(pid, entry, effect)
    }

    fn enters(&mut self, pid: Pid, entry: Entry, effect: Option<String>) -> bool {
        let falls = effect.as_ref().is_some_and(|effect| self.falls(effect, Side::Before));
        if let Some(thread) = self.threads.get_mut(&pid.as_raw()) {
            thread.entry = Some(entry);
            thread.effect = effect;
        }
        !falls || self.strike(pid)
    }

    fn strike_after(&mut self, pid: Pid) -> bool {
        let effect = self.threads.get_mut(&pid.as_raw()).and_then(|thread| thread.effect.take());
        let falls = effect.is_some_and(|effect| self.falls(&effect, Side::After));
        !falls || self.strike(pid)
    }

    fn falls(&self, effect: &str, side: Side) -> bool {
        self.trace.next().is_some_and(|strike| strike.effect == effect && strike.side == side)
    }

    /// The blow falls; whether the thread may go on.
    fn strike(&mut self, pid: Pid) -> bool {
        let process = self.process_of(pid);
        let target = self.processes.get(&process).map_or(process, |process| process.of);
        let blow = self.trace.next().map(|strike| strike.blow);
        locked(&self.trace.struck).push((Instant::now(), Pid::from_raw(target)));
        match blow {
            Some(Blow::Kill) => {
                let _ = kill(Pid::from_raw(target), Signal::SIGKILL);
                target != process
            }
            Some(Blow::Term) => {
                let _ = kill(Pid::from_raw(target), Signal::SIGTERM);
                true
            }
            Some(Blow::Freeze) => {
                self.freeze(target);
                if target == process {
                    self.held.push((pid, None));
                }
                target != process
            }
            None => true,
        }
    }

    fn freeze(&mut self, target: i32) {
        self.frozen = Some(target);
        let bell = Command::new("/bin/sleep").arg("600").stdin(Stdio::null()).spawn().unwrap();
        self.trace.bell.store(bell.id().cast_signed(), Ordering::SeqCst);
        self.bell = Some(bell);
        for (thread, _) in self.threads.iter().filter(|(_, thread)| thread.process == target) {
            let _ = ptrace::interrupt(Pid::from_raw(*thread));
        }
    }

    fn thaw(&mut self) {
        self.frozen = None;
        for (pid, signal) in std::mem::take(&mut self.held) {
            let _ = ptrace::syscall(pid, signal);
        }
    }

    fn end_bell(&mut self) {
        if let Some(mut bell) = self.bell.take() {
            self.trace.bell.store(0, Ordering::SeqCst);
            let _ = bell.kill();
            let _ = bell.wait();
        }
    }
}

/// What a process of the binary is.
fn role(pid: Pid) -> Option<String> {
    let program = std::fs::read_link(format!("/proc/{pid}/exe")).ok()?;
    if program != binary().canonicalize().ok()? {
        return None;
    }
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let role = line.split(|byte| *byte == 0).nth(1)?;
    Some(String::from_utf8_lossy(role).into_owned())
}

/// Reads a process's memory.
fn memory(pid: Pid) -> impl Fn(u64, usize) -> Option<Vec<u8>> {
    let file = std::fs::File::open(format!("/proc/{pid}/mem"));
    move |at, length| {
        let mut bytes = vec![0; length];
        let read = file.as_ref().ok()?.read_at(&mut bytes, at).ok()?;
        bytes.truncate(read);
        Some(bytes)
    }
}
