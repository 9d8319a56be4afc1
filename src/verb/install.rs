//! `install`: puts this binary where another container can run it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::Context as _;

use crate::exit::Exit;

/// Copies this binary to `dir/savepointd`, whole or not at all.
pub(super) fn install(dir: &Path) -> anyhow::Result<Exit> {
    let target = dir.join("savepointd");
    // In one file system with the target, so that the rename is atomic: another container may be starting it.
    let draft = dir.join(format!(".savepointd-{}", std::process::id()));
    let put = || -> anyhow::Result<()> {
        fs::create_dir_all(dir).with_context(|| format!("the directory {} can't be made", dir.display()))?;
        fs::copy("/proc/self/exe", &draft).with_context(|| format!("{} can't be written", draft.display()))?;
        fs::set_permissions(&draft, fs::Permissions::from_mode(0o755))
            .with_context(|| format!("{} can't be made executable", draft.display()))?;
        fs::rename(&draft, &target).with_context(|| format!("{} can't be replaced", target.display()))
    };
    let result = put();
    if result.is_err() {
        let _ = fs::remove_file(&draft);
    }
    result?;
    println!("{}", target.display());
    Ok(Exit::Done)
}
