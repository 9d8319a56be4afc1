//! What the wrapper adds to a start: to the entrypoint's first statement, beside starting it directly. Record and
//! storage lie in memory, so that no disk is measured.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::support::eventually;
use super::support::process::binary;
use super::{bar, figure, median, millis};

const ROUNDS: usize = 30;

pub(super) fn measure() {
    let memory = Path::new("/dev/shm");
    let dir = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap();
    let root = dir.path();
    std::fs::create_dir(root.join("conf")).unwrap();
    let directories =
        format!("state.checkpoints.dir: file://{0}/chk\nstate.savepoints.dir: file://{0}/sp\n", root.display());
    std::fs::write(root.join("conf/config.yaml"), directories).unwrap();
    let entrypoint = root.join("docker-entrypoint.sh");
    let mut file = std::fs::File::create(&entrypoint).unwrap();
    writeln!(file, "#!/bin/sh\n: > {}/here", root.display()).unwrap();
    file.set_permissions(std::fs::Permissions::from_mode(0o755)).unwrap();
    drop(file);

    let record = format!("file://{}/record", root.display());
    let sockets = format!("socket={0}/run.sock,control_socket={0}/control.sock", root.display());
    let settings: Vec<&str> = sockets.split(',').chain(["admin.address=off", "log.level=error"]).collect();
    let savepointd = |verb: &[&str]| {
        let mut command = Command::new(binary());
        command.args(verb).args(["--record", &record]).env("FLINK_CONF_DIR", root.join("conf"));
        for setting in &settings {
            command.args(["--set", setting]);
        }
        command
    };
    let mut direct = Vec::new();
    let mut embedded = Vec::new();
    let mut sidecar = Vec::new();
    for _ in 0..ROUNDS {
        direct.push(time(root, Command::new(&entrypoint).arg("standalone-job")));
        embedded.push(time(root, savepointd(&["run", "--agent"]).arg("--").arg(&entrypoint).arg("standalone-job")));
    }
    let mut agent = savepointd(&["agent"]).stdin(Stdio::null()).spawn().unwrap();
    eventually("the agent", Duration::from_secs(10), || root.join("run.sock").exists().then_some(()));
    for _ in 0..ROUNDS {
        sidecar.push(time(root, savepointd(&["run"]).arg("--").arg(&entrypoint).arg("standalone-job")));
    }
    agent.kill().unwrap();
    agent.wait().unwrap();

    let [direct, embedded, sidecar] = [direct, embedded, sidecar].map(|times| median(&times));
    figure("the entrypoint alone", millis(direct));
    let added = embedded.saturating_sub(direct);
    bar("added by run --agent", millis(added), "at most 50 ms", added <= Duration::from_millis(50));
    let added = sidecar.saturating_sub(direct);
    bar("added by run beside an agent", millis(added), "at most 50 ms", added <= Duration::from_millis(50));
}

/// From the start of a command to the entrypoint's first statement.
fn time(root: &Path, command: &mut Command) -> Duration {
    let here = root.join("here");
    let _ = std::fs::remove_file(&here);
    let begin = Instant::now();
    let mut child = command.stdin(Stdio::null()).spawn().unwrap();
    while !here.exists() {
        assert!(begin.elapsed() < Duration::from_secs(10), "the entrypoint has not begun");
        std::hint::spin_loop();
    }
    let took = begin.elapsed();
    child.wait().unwrap();
    took
}
