//! What Flink leaves behind, and what of it goes.

use std::path::Path;
use std::process::Command;

use nix::sys::signal::{Signal, kill};
use serde_json::Value;

use super::on_each_flink;
use super::support::flink::{Cluster, STOP};
use super::support::process::binary;

on_each_flink!(
    on 1.20: checkpoints_left_over_by_rocksdb_go_by_the_verb_alone_and_savepoints_by_flinks_own_hand;
    on 2.3:
);

fn checkpoints_left_over_by_rocksdb_go_by_the_verb_alone_and_savepoints_by_flinks_own_hand(version: &str) {
    let key = if version.starts_with('1') { "state.backend" } else { "state.backend.type" };
    let incremental =
        if version.starts_with('1') { "state.backend.incremental" } else { "execution.checkpointing.incremental" };
    let mut cluster = Cluster::with(version, &[(key, "rocksdb"), (incremental, "true")]);
    let control = cluster.dir.path().join("control.sock").display().to_string();
    let socket = cluster.dir.path().join("run.sock").display().to_string();
    cluster.settings.extend([format!("socket={socket}"), format!("control_socket={control}")]);
    // Enough for files of their own.
    cluster.job_options = ["--state-bytes", "4000000"].map(str::to_owned).to_vec();
    cluster.start_task_manager();
    let (process, _) = cluster.run_confirmed();
    cluster.progress(100);
    let first = cluster.stop(process)["point"].as_str().unwrap().to_owned();

    let (mut process, restored) = cluster.run_confirmed();
    assert_eq!(restored.as_ref(), Some(&first));
    cluster.checkpoints(2);
    let folder = cluster.dir.path().join("chk").join(cluster.job_id());
    kill(cluster.job_manager(&process), Signal::SIGKILL).unwrap();
    assert_eq!(process.exit_code(STOP), 137);
    assert!(std::fs::read_dir(folder.join("shared")).unwrap().count() > 0, "no shared files of RocksDB");

    // The agent answers, beside the running job.
    let prune = |arguments: &[&str]| -> Vec<Value> {
        let mut command = Command::new(binary());
        command.args(["prune", "--output", "json", "--keep", "1"]).args(arguments);
        command.args(["--record", "file:///nowhere", "--set", &format!("control_socket={control}")]);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        answer["outcomes"].as_array().unwrap().clone()
    };
    let about = |outcomes: &[Value], path: &Path| -> Value {
        let url = format!("file://{}", path.display());
        let found = outcomes.iter().find(|one| one["path"] == url.as_str());
        found.unwrap_or_else(|| panic!("nothing about {url} in {outcomes:#?}")).clone()
    };
    let by_verb = ["--checkpoints", "--min-age", "0s"];
    // As long as nothing newer is complete, the job may have to go back into that folder.
    cluster.control("slowsnap", "60000");
    let (process, restored) = cluster.run_confirmed();
    let chk = restored.unwrap();
    assert!(chk.contains("/chk-") && Path::new(chk.trim_start_matches("file://")).starts_with(&folder), "{chk}");
    let needed = about(&prune(&by_verb), &folder);
    assert_eq!((&needed["verdict"], &needed["deleted"]), (&"keep".into(), &false.into()), "{needed:#}");
    cluster.uncontrol("slowsnap");
    cluster.kill_task_manager();
    cluster.start_task_manager();
    cluster.checkpoints(1);
    let second = cluster.stop(process)["point"].as_str().unwrap().to_owned();

    let (process, restored) = cluster.run_confirmed();
    assert_eq!(restored.as_ref(), Some(&second));
    cluster.checkpoints(1);
    let size = |directory: &Path| -> u64 {
        let du = Command::new("find").arg(directory).args(["-type", "f", "-printf", "%s\n"]).output().unwrap();
        String::from_utf8(du.stdout).unwrap().lines().map(|line| line.parse::<u64>().unwrap()).sum()
    };
    let left = about(&prune(&["--dry-run"]), &folder);
    assert_eq!((left["verdict"].as_str(), left["bytes"].as_u64()), (Some("report"), Some(size(&folder))), "{left:#}");
    // Flink's own hand: savepoints only, and the JobManager's end does not wait for a result that nobody has read.
    let by_flink = prune(&["--by", "flink", "--checkpoints", "--min-age", "0s"]);
    let gone = Path::new(first.trim_start_matches("file://"));
    assert!(about(&by_flink, gone)["deleted"] == true && !gone.join("_metadata").exists(), "{by_flink:#?}");
    assert!(about(&by_flink, &folder)["verdict"] == "report" && folder.exists(), "{by_flink:#?}");
    let by_store = prune(&by_verb);
    assert!(about(&by_store, &folder)["deleted"] == true && !folder.exists(), "{by_store:#?}");

    cluster.progress(100);
    let third = cluster.stop(process)["point"].as_str().unwrap().to_owned();
    assert_eq!(cluster.ask("plan")["path"], third.as_str());
    cluster.assert_nothing_lost(&cluster.lives());
}
