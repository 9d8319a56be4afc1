//! A control group of memory, as a container is one: what is counted there is what a pod's limit is held against.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::super::support::process::binary;

/// The group, and a copy of the binary that nobody else has read: its pages count here, as in a container of its own.
pub(super) struct Group {
    directory: PathBuf,
    copy: TempDir,
}

impl Group {
    /// None where none can be made.
    pub(super) fn new(name: &str) -> Option<Self> {
        let root = ["/sys/fs/cgroup/memory", "/sys/fs/cgroup"].into_iter().find(|root| {
            ["memory.usage_in_bytes", "cgroup.controllers"].iter().any(|file| Path::new(root).join(file).exists())
        })?;
        let directory = Path::new(root).join(format!("savepointd-bench-{}-{name}", std::process::id()));
        std::fs::create_dir(&directory).ok()?;
        let copy = tempfile::tempdir().ok()?;
        let group = Self { directory, copy };
        std::fs::copy(binary(), group.binary()).ok()?;
        // Written, and out of memory again.
        let file = format!("of={}", group.binary().display());
        let dropped =
            Command::new("dd").args([&file, "oflag=nocache", "conv=notrunc,fdatasync", "count=0"]).output().ok()?;
        (dropped.status.success() && group.working_set().is_some()).then_some(group)
    }

    pub(super) fn binary(&self) -> PathBuf {
        self.copy.path().join("savepointd")
    }

    /// What a shell in the group goes on with are its arguments.
    pub(super) fn enter_and_exec(&self) -> String {
        format!("echo $$ >{}/cgroup.procs; exec \"$@\"", self.directory.display())
    }

    /// As the kubelet counts it: all that is used, less file pages that may go.
    pub(super) fn working_set(&self) -> Option<f64> {
        let read = |name: &str| std::fs::read_to_string(self.directory.join(name)).ok();
        let used = read("memory.usage_in_bytes").or_else(|| read("memory.current"))?;
        let statistics = read("memory.stat")?;
        let inactive =
            |name: &str| statistics.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<f64>().ok());
        let inactive = inactive("total_inactive_file ").or_else(|| inactive("inactive_file "))?;
        Some(used.trim().parse::<f64>().ok()? - inactive)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Busy as long as what was started by its processes lives; then it is left to the next boot.
        let _ = std::fs::remove_dir(&self.directory);
    }
}
