//! Where an agent of `run`'s own listens: a directory for each `run`, which the commands of the same user find by the record.

use std::fs::{DirBuilder, File, Metadata, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::config::{Config, RecordKind};
use crate::protocol::id::Id;
use crate::storage::Storage;

/// So many agents of one record may live at a time, each but one of them at the gate.
const MOST: u32 = 100;

/// A directory that is one `run`'s as long as this lives.
#[derive(Debug)]
pub struct Directory {
    pub(super) path: PathBuf,
    _held: File,
}

impl Directory {
    /// One in which nobody listens. Another user's of the same name is not used.
    pub(super) fn take(config: &Config) -> anyhow::Result<Self> {
        let temporary = std::env::temp_dir();
        for number in 0..MOST {
            let path = place(&temporary, config, number);
            let taken = Self::at(&path).with_context(|| path.display().to_string())?;
            if let Some(held) = taken {
                return Ok(Self { path, _held: held });
            }
        }
        anyhow::bail!("no directory for sockets is free in {}; set socket and control_socket", temporary.display())
    }

    fn at(path: &Path) -> io::Result<Option<File>> {
        match DirBuilder::new().mode(0o700).create(path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
        if !is_ours(&std::fs::symlink_metadata(path)?) {
            return Ok(None);
        }
        let file = File::create(path.join("held"))?;
        match file.try_lock() {
            // An agent may outlive its `run` by a moment.
            Ok(()) if UnixStream::connect(path.join("run.sock")).is_err() => Ok(Some(file)),
            Ok(()) | Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

/// Where such an agent listens to people, if one does.
pub(super) fn control_socket(config: &Config) -> Option<PathBuf> {
    let listens = |socket: &PathBuf| UnixStream::connect(socket).is_ok();
    let temporary = std::env::temp_dir();
    let places = (0..MOST).map(|number| place(&temporary, config, number));
    places.take_while(|directory| directory.exists()).find_map(|directory| {
        let ours = std::fs::symlink_metadata(&directory).is_ok_and(|metadata| is_ours(&metadata));
        Some(directory.join("control.sock")).filter(|socket| ours && listens(socket))
    })
}

/// Short: a socket's path has room for 107 bytes.
fn place(temporary: &Path, config: &Config, number: u32) -> PathBuf {
    // The same URL is another record at another endpoint, or of another cluster of Kubernetes.
    let at = match config.record.kind() {
        RecordKind::Directory(_) => String::new(),
        RecordKind::ObjectStore => Storage::here(config.storage.clone()).endpoints(),
        RecordKind::ConfigMap { .. } => std::env::var("KUBECONFIG").unwrap_or_default(),
    };
    let name: String = Id::seed(&format!("{}\n{at}", config.record.as_str())).to_string().chars().take(12).collect();
    temporary.join(format!("savepointd-{}-{name}-{number}", nix::unistd::geteuid()))
}

fn is_ours(metadata: &Metadata) -> bool {
    metadata.is_dir() && metadata.uid() == nix::unistd::geteuid().as_raw()
}
