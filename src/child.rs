//! Processes: the entrypoint, and whatever else becomes this process's child.
//!
//! The checklist of an init: an own process group for the child, all of its orphans reaped, signals passed on, exit
//! codes as a shell gives them.

use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::api::Exited;
use crate::exit::Exit;

/// Orphans of the entrypoint become ours, as they would be PID 1's.
pub(crate) fn become_reaper() {
    if std::process::id() != 1
        && let Err(error) = prctl::set_child_subreaper(true)
    {
        tracing::warn!(%error, "orphans of the entrypoint will not be reaped");
    }
}

/// A child that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) pid: Pid,
    pub(crate) status: Status,
}

/// How a child ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    Code(i32),
    Signal(Signal),
}

impl Status {
    pub(crate) fn exit(self) -> Exit {
        let code = match self {
            Self::Code(code) => code,
            Self::Signal(signal) => 128 + signal as i32,
        };
        Exit::Child(u8::try_from(code & 0xff).unwrap_or(u8::MAX))
    }

    pub(crate) fn exited(self, epoch: u64) -> Exited {
        match self {
            Self::Code(code) => Exited { epoch, code: Some(code), signal: None },
            Self::Signal(signal) => Exited { epoch, code: None, signal: Some(signal as i32) },
        }
    }
}

/// Every child that has ended since the last call. One SIGCHLD may stand for many.
pub(crate) fn reap() -> Vec<Ended> {
    let mut ended = Vec::new();
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(pid, code)) => ended.push(Ended { pid, status: Status::Code(code) }),
            Ok(WaitStatus::Signaled(pid, signal, _)) => ended.push(Ended { pid, status: Status::Signal(signal) }),
            Ok(WaitStatus::StillAlive) | Err(Errno::ECHILD) => return ended,
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => {
                tracing::warn!(%error, "children can't be reaped");
                return ended;
            }
        }
    }
}

/// Starts a program in a process group of its own. It is killed by the kernel should this process die: a JobManager
/// without `run` would be a zombie beside the next one.
pub(crate) fn spawn(argv: &[String], own_stdin: bool) -> io::Result<Pid> {
    let mut command = command(argv)?;
    if !own_stdin {
        command.stdin(Stdio::null());
    }
    spawn_command(command)
}

fn command(argv: &[String]) -> io::Result<Command> {
    let Some((program, arguments)) = argv.split_first() else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "no command was given"));
    };
    let mut command = Command::new(program);
    command.args(arguments);
    Ok(command)
}

fn spawn_command(mut command: Command) -> io::Result<Pid> {
    command.process_group(0);
    die_with(&mut command, Pid::this());
    let child = command.spawn()?;
    Ok(Pid::from_raw(child.id().cast_signed()))
}

#[expect(
    unsafe_code,
    reason = "the only way to run code between fork and exec; it makes two system calls and allocates nothing"
)]
fn die_with(command: &mut Command, parent: Pid) {
    // SAFETY: prctl(2) and getppid(2) are async-signal-safe.
    unsafe {
        command.pre_exec(move || {
            prctl::set_pdeathsig(Signal::SIGKILL)?;
            // The parent may have died before that.
            if Pid::parent() == parent { Ok(()) } else { Err(io::ErrorKind::BrokenPipe.into()) }
        });
    }
}

/// The entrypoint and what it started.
#[derive(Debug)]
pub(crate) struct Entrypoint {
    pid: Pid,
}

impl Entrypoint {
    pub(crate) fn start(argv: &[String]) -> io::Result<Self> {
        Self::start_command(command(argv)?)
    }

    pub(crate) fn start_command(command: Command) -> io::Result<Self> {
        let program = command.get_program().to_string_lossy().into_owned();
        let pid = spawn_command(command)?;
        // Not its arguments: some people give passwords there.
        tracing::info!(%pid, program, "the entrypoint is started");
        Ok(Self { pid })
    }

    pub(crate) fn pid(&self) -> Pid {
        self.pid
    }

    pub(crate) fn end_among(&self, ended: &[Ended]) -> Option<Status> {
        ended.iter().find(|one| one.pid == self.pid).map(|one| one.status)
    }

    /// Signals the whole process group: a script that does not `exec` would keep the signal to itself.
    pub(crate) fn signal(&self, signal: Signal) {
        match killpg(self.pid, signal) {
            Ok(()) | Err(Errno::ESRCH) => {}
            Err(error) => tracing::warn!(%error, %signal, "the entrypoint can't be signalled"),
        }
    }

    pub(crate) fn pass_on(&self, number: i32) {
        if let Ok(signal) = Signal::try_from(number) {
            self.signal(signal);
        }
    }

    /// Nothing that the entrypoint started outlives it.
    pub(crate) fn end_what_is_left(&self) {
        self.signal(Signal::SIGKILL);
    }
}
