//! System calls by which somebody else learns of something, decoded from registers and memory.

use std::path::{Path, PathBuf};

use nix::libc::{self, user_regs_struct};

/// What is written is looked at so far: enough for a request's head and for a small body.
const MOST: usize = 64 * 1024;

/// A system call as it was entered.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    number: i64,
    arguments: [u64; 6],
}

/// Where somebody can be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Address {
    Port(u16),
    Path(PathBuf),
}

/// What one can see of a system call from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Call {
    /// Into a socket.
    Sends {
        fd: i32,
        data: Vec<u8>,
    },
    /// Into a file.
    Writes {
        path: PathBuf,
        data: Vec<u8>,
    },
    Connects {
        fd: i32,
        to: Address,
    },
    Binds(Address),
    /// Of no effect by itself: the descriptor means something else from now on.
    Closes(i32),
    Creates(PathBuf),
    MakesDirectory(PathBuf),
    Moves(PathBuf, PathBuf),
    Links(PathBuf, PathBuf),
    Removes(PathBuf),
    ChangesMode(PathBuf),
    Signals {
        to: i32,
        signal: i32,
    },
    /// The program and its first argument.
    Starts([String; 2]),
    Ends,
}

/// What a thread's connection brought.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) fd: i32,
    pub(super) data: Vec<u8>,
}

impl Entry {
    pub(super) fn of(registers: &user_regs_struct) -> Self {
        let number = registers.orig_rax.cast_signed();
        let arguments = [registers.rdi, registers.rsi, registers.rdx, registers.r10, registers.r8, registers.r9];
        Self { number, arguments }
    }

    fn fd(&self) -> i32 {
        int(self.arguments[0])
    }

    pub(super) fn call(&self, pid: i32, memory: &Memory) -> Option<Call> {
        let [first, second, third, fourth, ..] = self.arguments;
        let here = libc::AT_FDCWD;
        let path = |directory: i32, at: u64| path(pid, directory, at, memory);
        Some(match self.number {
            libc::SYS_write | libc::SYS_pwrite64 | libc::SYS_sendto => {
                into(pid, self.fd(), memory(second, most(third))?)?
            }
            libc::SYS_writev => into(pid, self.fd(), gathered(second, third, memory)?)?,
            libc::SYS_sendmsg => {
                let header = memory(second, 32)?;
                into(pid, self.fd(), gathered(word(&header, 16)?, word(&header, 24)?, memory)?)?
            }
            libc::SYS_connect => Call::Connects { fd: self.fd(), to: address(&memory(second, most(third))?)? },
            libc::SYS_bind => Call::Binds(address(&memory(second, most(third))?)?),
            libc::SYS_close => Call::Closes(self.fd()),
            libc::SYS_open => created(path(here, first)?, second)?,
            libc::SYS_openat => created(path(self.fd(), second)?, third)?,
            libc::SYS_mkdir => Call::MakesDirectory(path(here, first)?),
            libc::SYS_mkdirat => Call::MakesDirectory(path(self.fd(), second)?),
            libc::SYS_rename => Call::Moves(path(here, first)?, path(here, second)?),
            libc::SYS_renameat | libc::SYS_renameat2 => {
                Call::Moves(path(self.fd(), second)?, path(int(third), fourth)?)
            }
            libc::SYS_link => Call::Links(path(here, first)?, path(here, second)?),
            libc::SYS_linkat => Call::Links(path(self.fd(), second)?, path(int(third), fourth)?),
            libc::SYS_unlink | libc::SYS_rmdir => Call::Removes(path(here, first)?),
            libc::SYS_unlinkat => Call::Removes(path(self.fd(), second)?),
            libc::SYS_chmod => Call::ChangesMode(path(here, first)?),
            libc::SYS_fchmodat => Call::ChangesMode(path(self.fd(), second)?),
            libc::SYS_kill => signals(int(first), int(second))?,
            libc::SYS_execve => {
                let argument = memory(second + 8, 8).and_then(|at| word(&at, 0)).filter(|at| *at != 0);
                Call::Starts([text(first, memory)?, argument.and_then(|at| text(at, memory)).unwrap_or_default()])
            }
            libc::SYS_exit_group => Call::Ends,
            _ => return None,
        })
    }

    /// What this call brought, if it was one that receives.
    pub(super) fn received(&self, result: u64, memory: &Memory) -> Option<Received> {
        const HEAD: usize = 512;
        let [_, second, _, _, ..] = self.arguments;
        let length = usize::try_from(result.cast_signed()).ok().filter(|length| *length > 0)?.min(HEAD);
        let at = match self.number {
            libc::SYS_read | libc::SYS_recvfrom => second,
            libc::SYS_readv => word(&memory(second, 8)?, 0)?,
            libc::SYS_recvmsg => word(&memory(word(&memory(second, 32)?, 16)?, 8)?, 0)?,
            _ => return None,
        };
        Some(Received { fd: self.fd(), data: memory(at, length)? })
    }
}

pub(super) type Memory<'a> = dyn Fn(u64, usize) -> Option<Vec<u8>> + 'a;

/// The lower half of a register.
fn int(register: u64) -> i32 {
    u32::try_from(register & 0xffff_ffff).unwrap().cast_signed()
}

fn most(length: u64) -> usize {
    usize::try_from(length).unwrap_or(MOST).min(MOST)
}

fn word(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

/// What a list of pieces holds.
fn gathered(list: u64, pieces: u64, memory: &Memory) -> Option<Vec<u8>> {
    let list = memory(list, most(pieces.min(1_024) * 16))?;
    let mut data = Vec::new();
    for piece in list.chunks(16) {
        data.extend(memory(word(piece, 0)?, most(word(piece, 8)?).min(MOST - data.len()))?);
    }
    Some(data)
}

fn text(at: u64, memory: &Memory) -> Option<String> {
    let mut bytes = memory(at, 4_096)?;
    bytes.truncate(bytes.iter().position(|byte| *byte == 0)?);
    String::from_utf8(bytes).ok()
}

fn path(pid: i32, directory: i32, at: u64, memory: &Memory) -> Option<PathBuf> {
    let path = PathBuf::from(text(at, memory)?);
    if path.is_absolute() {
        return Some(path);
    }
    let base = match directory {
        libc::AT_FDCWD => format!("/proc/{pid}/cwd"),
        fd => format!("/proc/{pid}/fd/{fd}"),
    };
    Some(std::fs::read_link(base).ok()?.join(path))
}

/// Standard output and error, pipes and what wakes a thread of the same process are nothing that counts.
fn into(pid: i32, fd: i32, data: Vec<u8>) -> Option<Call> {
    if fd <= 2 {
        return None;
    }
    let path = std::fs::read_link(format!("/proc/{pid}/fd/{fd}")).ok()?;
    if path.starts_with("/dev") || path.starts_with("/proc") {
        return None;
    }
    if path.is_absolute() {
        return Some(Call::Writes { path, data });
    }
    path.to_str()?.starts_with("socket:").then_some(Call::Sends { fd, data })
}

fn created(path: PathBuf, flags: u64) -> Option<Call> {
    let creates = int(flags) & (libc::O_CREAT | libc::O_TRUNC) != 0 && !path.starts_with(Path::new("/dev"));
    creates.then_some(Call::Creates(path))
}

fn signals(to: i32, signal: i32) -> Option<Call> {
    (signal != 0).then_some(Call::Signals { to, signal })
}

fn address(bytes: &[u8]) -> Option<Address> {
    let family = i32::from(u16::from_le_bytes(bytes.get(..2)?.try_into().ok()?));
    match family {
        libc::AF_INET | libc::AF_INET6 => Some(Address::Port(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?))),
        libc::AF_UNIX => {
            let name = bytes.get(2..)?.split(|byte| *byte == 0).next()?;
            Some(Address::Path(String::from_utf8_lossy(name).into_owned().into()))
        }
        _ => None,
    }
}
