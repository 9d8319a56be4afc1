//! A small disk that can be filled, seen by this process and those that it starts alone, and gone with them.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

/// Enough for some checkpoints of the job, and soon full.
const SIZE: &str = "size=64m";

#[derive(Debug)]
pub struct Disk(PathBuf);

impl Disk {
    /// None where this process may not mount anything.
    pub fn at(path: &Path) -> Option<Self> {
        std::fs::create_dir_all(path).unwrap();
        unshare(CloneFlags::CLONE_NEWNS).ok()?;
        let none = None::<&Path>;
        mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).ok()?;
        mount(Some("tmpfs"), path, Some("tmpfs"), MsFlags::empty(), Some(SIZE)).ok()?;
        Some(Self(path.to_owned()))
    }

    fn ballast(&self) -> PathBuf {
        self.0.join("ballast")
    }

    /// Takes all the room that is left, again and again for as long as it is asked.
    pub fn fill(&self) {
        let mut file = std::fs::File::options().create(true).append(true).open(self.ballast()).unwrap();
        for size in [1 << 20, 4096] {
            let zeros = vec![0; size];
            while file.write_all(&zeros).is_ok() {}
        }
    }

    pub fn empty(&self) {
        let _ = std::fs::remove_file(self.ballast());
    }
}
