//! Where somebody follows the documents: a directory with the programs that they name, Flink's scripts and a clone beside it.
//!
//! `kubectl` is the real one, but for what changes or asks a cluster: what would be applied goes into a file, a pod that is deleted
//! gets SIGTERM, and what is executed in the agent's container is executed here. `helm` is the real one, but for the upgrade, which is
//! rendered as it would be.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::pages::root;
use crate::support::process::binary;
use crate::world::{World, entrypoint};

const KUBECTL: &str = r#"#!/bin/sh
# Without an API server; see desk.rs.
echo "kubectl $*" >>"$DESK/calls"
case "$1 $2" in
    "apply -k") exec "$REAL_KUBECTL" kustomize "$3" >>"$DESK/applied" ;;
    "apply -f") exec cat "$3" >>"$DESK/applied" ;;
    "delete pod") exec kill -TERM "$(cat "$DESK/pod")" ;;
    "get events") ;;
    "exec "*)
        while [ "$1" != -- ]; do shift; done
        shift
        exec "$@"
        ;;
    *) exec "$REAL_KUBECTL" "$@" ;;
esac
"#;

const HELM: &str = r#"#!/bin/sh
# Without an API server; see desk.rs.
if [ "$1 $2" = "upgrade --install" ]; then
    shift 2
    exec "$REAL_HELM" template "$@" >>"$DESK/applied"
fi
exec "$REAL_HELM" "$@"
"#;

const KUSTOMIZE: &str = r#"#!/bin/sh
# The same program as a part of kubectl.
[ "$1" = build ] && exec "$REAL_KUBECTL" kustomize "$2"
"#;

/// The directory.
pub struct Desk {
    pub path: PathBuf,
    real: Vec<(&'static str, PathBuf)>,
}

impl Desk {
    /// None where a program is missing; under CI that fails.
    pub fn with(world: &World, programs: &[&'static str]) -> Option<Self> {
        let mut real = Vec::new();
        for program in programs {
            let Some(path) = find(program) else {
                assert!(std::env::var_os("CI").is_none(), "{program} is missing");
                eprintln!("{program} is missing, so what needs it is not run");
                return None;
            };
            real.push((*program, path));
        }
        let path = world.path("desk");
        for folder in ["bin", "opt/flink/bin", "var", "work"] {
            fs::create_dir_all(path.join(folder)).unwrap();
        }
        let desk = Self { path, real };
        symlink(binary(), desk.path.join("bin/savepointd")).unwrap();
        for (name, text) in [("kubectl", KUBECTL), ("helm", HELM), ("kustomize", KUSTOMIZE)] {
            let program = desk.path.join("bin").join(name);
            fs::write(&program, text).unwrap();
            fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        }
        for script in ["standalone-job.sh", "jobmanager.sh", "taskmanager.sh"] {
            symlink(entrypoint(), desk.path.join("opt/flink/bin").join(script)).unwrap();
        }
        symlink(root().join("k8s"), desk.work().join("k8s")).unwrap();
        Some(desk)
    }

    /// Where the blocks are run.
    pub fn work(&self) -> PathBuf {
        self.path.join("work")
    }

    /// A block as a shell script, with the places of this desk for those of a machine.
    pub fn shell(&self, world: &World, script: &str) -> Command {
        let place =
            |text: String, path: &str, folder: &str| text.replace(path, self.path.join(folder).to_str().unwrap());
        let script = place(script.to_owned(), "/opt/flink", "opt/flink");
        let script = place(script, "/var/lib/savepointd", "var");
        let before = ["bash", "-euo", "pipefail", "-c", &script].map(str::to_owned);
        let mut command = world.command(&before);
        let path = format!("{}:{}", self.path.join("bin").display(), std::env::var("PATH").unwrap());
        command.current_dir(self.work()).env("PATH", path).env("DESK", &self.path).env_remove("SAVEPOINTD_RECORD");
        for (program, path) in &self.real {
            command.env(format!("REAL_{}", program.to_uppercase()), path);
        }
        command
    }

    /// Runs a block to its end, which has to be a good one; gives what it printed.
    pub fn run(&self, world: &World, script: &str) -> String {
        let Output { status, stdout, stderr } = self.shell(world, script).output().unwrap();
        assert!(status.success(), "{script}\n{}", String::from_utf8_lossy(&stderr));
        String::from_utf8(stdout).unwrap()
    }

    /// What would have gone to the API server since the last time.
    pub fn applied(&self) -> String {
        let file = self.path.join("applied");
        let text = fs::read_to_string(&file).unwrap_or_default();
        let _ = fs::remove_file(file);
        text
    }

    /// What was asked of `kubectl`.
    pub fn calls(&self) -> String {
        fs::read_to_string(self.path.join("calls")).unwrap_or_default()
    }
}

/// Among the programs of this machine, or among those that the tests have installed.
fn find(program: &str) -> Option<PathBuf> {
    let home = || Some(Path::new(&std::env::var_os("HOME")?).join(".cache"));
    let of_user = || std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).or_else(home);
    let cache = std::env::var_os("SPTEST_CACHE").map(PathBuf::from).or_else(|| Some(of_user()?.join("savepointd")));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(cache.map(|cache| cache.join("tools/bin")));
    folders.map(|folder| folder.join(program)).find(|path| path.is_file())
}
