//! Starts that are refused, each with words that say what to do; and nothing is started.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::fake_flink::{url, write_point};
use crate::support::process::Process;
use crate::world::{How, LONG, World, entrypoint, how, kill_hard};

pub const REFUSED: i32 = 77;

/// Asserts that a start is refused with all of these words, here and in `plan` and on a gate that waits.
pub fn refused(world: &World, words: &[&str]) {
    let starts = world.flink.starts().len();
    let script = entrypoint().display().to_string();
    let planned = world.verb(&["plan", "--output", "json", "--", &script, "standalone-job"]);
    let plan: Value = serde_json::from_str(&planned.out).unwrap_or_default();
    let planned = if planned.code == 0 { plan["reason"].as_str().unwrap().to_owned() } else { planned.err };
    let mut process = world.run(&how());
    assert_eq!(process.exit_code(LONG), REFUSED, "{}", process.text());
    let said = process.logged("Flink is not started", LONG)["reason"].as_str().unwrap().to_owned();
    let waiting = world.run(&how().waits());
    let waits =
        waiting.logged("waiting at the gate; Flink is not started", LONG)["reason"].as_str().unwrap().to_owned();
    for word in words {
        for text in [&planned, &said, &waits] {
            assert!(text.contains(word), "{word:?} is not in {text:?}");
        }
    }
    assert_eq!(world.flink.starts().len(), starts, "Flink was started");
}

fn damage(point: &str) {
    fs::write(Path::new(point.trim_start_matches("file://")).join("_metadata"), "not Flink's").unwrap();
}

fn restores(world: &World, how: &How, point: &str) -> Process {
    let process = world.up(how);
    assert_eq!(world.told().as_deref(), Some(point));
    process
}

#[test]
fn a_damaged_newest_savepoint() {
    let world = World::new();
    let older = world.one_epoch();
    let newest = world.one_epoch();
    damage(&newest);
    refused(&world, &[&newest, "savepointd pin PATH", "restore.on_broken"]);
    // The ways out that the message names do lead out.
    drop(restores(&world, &how().set("restore.on_broken=previous"), &older));
    assert_eq!(world.verb(&["pin", &older]).code, 0);
    drop(restores(&world, &how(), &older));
}

#[test]
fn a_newest_savepoint_that_is_gone() {
    let world = World::new();
    world.one_epoch();
    let newest = world.one_epoch();
    fs::remove_dir_all(newest.trim_start_matches("file://")).unwrap();
    refused(&world, &[&newest, "savepointd pin PATH"]);
}

#[test]
fn a_damaged_entry_of_the_record() {
    let world = World::new();
    let newest = world.one_epoch();
    let entry = world.record().join("000000000003.json");
    let text = fs::read(&entry).unwrap();
    fs::write(&entry, &text[..text.len() / 2]).unwrap();
    refused(&world, &["the record is damaged", "000000000003.json", "backup"]);
    // Moved away, as the message says, the record is rebuilt from marker and storage.
    fs::rename(world.record(), world.path("elsewhere")).unwrap();
    drop(restores(&world, &how(), &newest));
}

#[test]
fn a_record_that_is_a_file() {
    let world = World::new();
    fs::write(world.record(), "").unwrap();
    refused(&world, &["should be a directory, but is a file", &url(&world.record())]);
}

#[test]
fn a_savepoint_directory_that_is_a_file_with_and_without_a_history() {
    for with_history in [false, true] {
        let world = World::new();
        if with_history {
            world.one_epoch();
        }
        let directory = world.path("savepoints");
        fs::remove_dir_all(&directory).unwrap();
        fs::write(&directory, "").unwrap();
        let mut process = world.run(&how());
        let code = process.exit_code(LONG);
        assert!([75, REFUSED].contains(&code), "{code}: {}", process.text());
        assert!(process.text().contains("/savepoints"), "{}", process.text());
        assert_eq!(world.flink.starts().len(), usize::from(with_history), "not empty by accident");
    }
}

#[test]
fn a_checkpoint_directory_that_is_a_file() {
    let world = World::new();
    fs::remove_dir_all(world.path("checkpoints")).unwrap();
    fs::write(world.path("checkpoints"), "").unwrap();
    refused(&world, &["/checkpoints should be a directory, but is a file"]);
}

#[test]
fn no_savepoint_directory() {
    let world = World::new();
    world.configure_only(&["state.checkpoints.dir: file:///nowhere"]);
    let mut process = world.run(&how());
    assert_eq!(process.exit_code(LONG), REFUSED, "{}", process.text());
    let reason = process.logged("Flink is not started", LONG);
    let reason = reason["reason"].as_str().unwrap();
    for word in ["execution.checkpointing.savepoint-dir", "state.savepoints.dir", "SAVEPOINTD_SAVEPOINT__DIRECTORY"] {
        assert!(reason.contains(word), "{reason}");
    }
    assert!(!world.record().exists(), "it has cost an epoch");
}

#[test]
fn no_checkpoint_directory() {
    let world = World::new();
    world.configure_only(&["state.savepoints.dir: file:///nowhere"]);
    let mut process = world.run(&how());
    assert_eq!(process.exit_code(LONG), REFUSED, "{}", process.text());
    let reason = process.logged("Flink is not started", LONG);
    let reason = reason["reason"].as_str().unwrap();
    for word in ["execution.checkpointing.dir", "state.checkpoints.dir", "SAVEPOINTD_CHECKPOINT__DIRECTORY"] {
        assert!(reason.contains(word), "{reason}");
    }
}

#[test]
fn flinks_configuration_that_cant_be_read() {
    let world = World::new();
    fs::write(world.path("conf/config.yaml"), "a: [").unwrap();
    let mut process = world.run(&how());
    assert_eq!(process.exit_code(LONG), 78, "{}", process.text());
    assert!(process.text().contains("config.yaml"), "{}", process.text());
}

#[test]
fn a_directory_without_history_that_holds_points_of_unknown_origin() {
    let world = World::new();
    let stranger = world.path("savepoints/savepoint-abcdef-000000000001");
    write_point(&stranger, 7);
    let other = world.path("checkpoints").join("0123456789abcdef0123456789abcdef/chk-3");
    write_point(&other, 3);
    refused(&world, &[&url(&stranger), &url(&other), "savepointd pin PATH", "savepointd fresh"]);
    assert_eq!(world.verb(&["pin", &url(&stranger)]).code, 0);
    drop(restores(&world, &how(), &url(&stranger)));
}

#[test]
fn record_and_marker_both_lost() {
    let world = World::new();
    let newest = world.one_epoch();
    fs::remove_dir_all(world.record()).unwrap();
    fs::remove_dir_all(world.folder().join("marker")).unwrap();
    refused(&world, &[&newest, "savepointd pin PATH"]);
    assert_eq!(world.verb(&["pin", &newest]).code, 0);
    drop(restores(&world, &how(), &newest));
}

#[test]
fn a_stale_restore_path_does_not_win_over_own_points_when_record_and_marker_are_lost() {
    let world = World::new();
    let stale = world.one_epoch();
    let newest = world.one_epoch();
    fs::remove_dir_all(world.record()).unwrap();
    fs::remove_dir_all(world.folder().join("marker")).unwrap();
    let mut process = world.run(&how().restoring(&stale));
    assert_eq!(process.exit_code(LONG), REFUSED, "{}", process.text());
    assert!(process.text().contains("the record is older than the storage"), "{}", process.text());
    assert_eq!(world.verb(&["pin", &newest]).code, 0);
    drop(restores(&world, &how().restoring(&stale), &newest));
}

#[test]
fn savepoints_of_a_cluster_of_the_same_name_are_not_passed_over_at_a_first_start() {
    let world = World::new();
    // As when a namespace is made anew: another UID, so another id, and no record any more.
    let process = world.up(&how().set("cluster.id=orders-0badcafe"));
    let former = world.stopped_with_savepoint(process);
    fs::remove_dir_all(world.record()).unwrap();
    let mut process = world.run(&how().set("cluster.id=orders-deadbeef"));
    assert_eq!(process.exit_code(LONG), REFUSED, "{}", process.text());
    let reason = process.logged("Flink is not started", LONG)["reason"].as_str().unwrap().to_owned();
    for word in [former.as_str(), "savepointd pin PATH", "savepointd fresh"] {
        assert!(reason.contains(word), "{word:?} is not in {reason:?}");
    }
    // Whoever has another name is somebody else, and the former id goes on where it was.
    fs::remove_dir_all(world.record()).unwrap();
    let process = world.up(&how().set("cluster.id=payments-deadbeef"));
    assert_eq!(world.told(), None);
    world.stopped_with_savepoint(process);
    fs::remove_dir_all(world.record()).unwrap();
    drop(restores(&world, &how().set("cluster.id=orders-0badcafe"), &former));
}

#[test]
fn what_this_build_cant_protect() {
    let world = World::new();
    world.configure(&["high-availability.type: zookeeper"]);
    refused(&world, &["high availability", "high-availability.storageDir"]);
    world.configure(&[]);
    world.one_epoch();
}

#[test]
fn a_record_older_than_the_storage() {
    let world = World::new();
    world.one_epoch();
    let backup = world.path("backup");
    copy(&world.record(), &backup);
    let newest = world.one_epoch();
    fs::remove_dir_all(world.record()).unwrap();
    fs::rename(&backup, world.record()).unwrap();
    // The marker still knows the second epoch: nothing is lost.
    world.next_restores(&newest);
    // With the marker as old as the record, the savepoint of an unknown epoch gives it away.
    for entry in fs::read_dir(world.folder().join("marker")).unwrap().map(Result::unwrap) {
        if entry.file_name().to_str().unwrap().starts_with("2-") {
            fs::remove_file(entry.path()).unwrap();
        }
    }
    refused(&world, &[&newest, "the record is older than the storage", "savepointd pin PATH"]);
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

#[test]
fn another_clusters_marker() {
    let world = World::new();
    world.one_epoch();
    let marker = world.folder().join("marker/cluster.json");
    let text = fs::read_to_string(&marker).unwrap();
    fs::write(&marker, text.replace("\"orders\"", "\"payments\"")).unwrap();
    refused(&world, &["marker of another cluster", "payments", "cluster.id"]);
}

#[test]
fn the_marker_of_another_record_of_the_same_name() {
    let world = World::new();
    world.one_epoch();
    let other = World::new();
    other.one_epoch();
    fs::copy(other.folder().join("marker/cluster.json"), world.folder().join("marker/cluster.json")).unwrap();
    refused(&world, &["two clusters share cluster.id", "another cluster.id"]);
}

#[test]
fn another_clusters_record() {
    let world = World::new();
    world.one_epoch();
    let mut process = world.run(&how().set("cluster.id=payments"));
    assert_eq!(process.exit_code(LONG), REFUSED, "{}", process.text());
    let reason = process.logged("Flink is not started", LONG)["reason"].as_str().unwrap().to_owned();
    assert!(reason.contains("belongs to cluster \"orders\"") && reason.contains("own record"), "{reason}");
}

#[test]
fn a_lost_record_is_rebuilt_from_the_marker_and_restores_the_newest() {
    let world = World::new();
    world.one_epoch();
    let savepoint = world.one_epoch();
    fs::remove_dir_all(world.record()).unwrap();
    world.next_restores(&savepoint);
    let mut process = restores(&world, &how(), &savepoint);
    let checkpoint = world.flink.checkpoint();
    kill_hard(&mut process);
    fs::remove_dir_all(world.record()).unwrap();
    drop(restores(&world, &how(), &checkpoint));
    let epochs: Vec<_> = world.flink.starts().iter().map(|start| start.argv.join(" ")).collect();
    assert_eq!(epochs.len(), 4);
    assert!(epochs[3].contains("0000000000000004 "), "epochs go on counting: {epochs:#?}");
}

#[test]
fn a_record_lost_while_its_agent_writes_on_is_rebuilt_too() {
    let world = World::new();
    world.one_epoch();
    let process = world.up(&how());
    fs::remove_dir_all(world.record()).unwrap();
    let savepoint = world.stopped_with_savepoint(process);
    drop(restores(&world, &how(), &savepoint));
}

#[test]
fn a_first_start_where_the_configuration_forbids_it() {
    let world = World::new();
    let mut process = world.run(&how().set("restore.on_no_state=refuse"));
    assert_eq!(process.exit_code(LONG), REFUSED, "{}", process.text());
    assert!(process.text().contains("savepointd fresh"), "{}", process.text());
    assert_eq!(world.verb(&["fresh"]).code, 0);
    world.stopped_with_savepoint(world.up(&how().set("restore.on_no_state=refuse")));
}

#[test]
fn state_older_than_the_limit() {
    let world = World::new();
    let savepoint = world.one_epoch();
    std::thread::sleep(std::time::Duration::from_millis(20));
    let mut process = world.run(&how().set("restore.max_state_age=10ms"));
    assert_eq!(process.exit_code(LONG), REFUSED, "{}", process.text());
    let text = process.text();
    assert!(text.contains("restore.max_state_age") && text.contains("savepointd pin PATH"), "{text}");
    drop(restores(&world, &how().set("restore.max_state_age=1h"), &savepoint));
}

/// A process in another pod can't be seen: without the API server the former pod's job might still run.
#[test]
fn in_a_pod_that_may_not_ask_for_pods_nothing_is_started_beside_a_record_that_others_reach() {
    let world = World::new();
    let how = how().env("KUBERNETES_SERVICE_HOST", "127.0.0.1").env("SAVEPOINTD_RECORD", "s3://state/orders");
    let mut process = world.run(&how);
    assert_eq!(process.exit_code(LONG), 75, "{}", process.text());
    assert!(process.text().contains("there is no access to the Kubernetes API"), "{}", process.text());
    assert_eq!(world.flink.starts().len(), 0);
}
