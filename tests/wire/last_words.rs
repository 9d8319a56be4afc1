//! What is left of a container that has ended, for `kubectl describe pod`: Events, and the termination message.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use crate::kubernetes::Pod;
use crate::support::eventually;
use crate::world::{How, LONG, World, how};

/// The file that the kubelet makes, with what a former life has left in it.
fn termination_log(world: &World) -> PathBuf {
    let path = world.path("termination-log");
    fs::write(&path, "of a former life\n").unwrap();
    path
}

fn leaving(how: How, path: &std::path::Path) -> How {
    how.env("SAVEPOINTD_POD__TERMINATION_LOG", path.to_str().unwrap())
}

fn line(path: &std::path::Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    assert_eq!(text.lines().count(), 1, "{text}");
    text.trim_end().to_owned()
}

#[test]
fn the_last_word_of_a_container_is_what_its_stop_came_to() {
    let world = World::new();
    let path = termination_log(&world);
    let process = world.up(&leaving(how(), &path));
    let savepoint = world.stopped_with_savepoint(process);
    let said = line(&path);
    assert!(said.starts_with("savepoint: epoch 1, ") && said.contains(&savepoint), "{said}");
}

#[test]
fn the_last_word_of_a_container_that_may_not_start_flink_is_why() {
    let world = World::new();
    world.configure_only(&[]);
    let path = termination_log(&world);
    let mut process = world.run(&leaving(how(), &path));
    assert_ne!(process.exit_code(LONG), 0);
    let said = line(&path);
    assert!(said.starts_with("Flink is not started: ") && said.contains("no savepoint directory is known"), "{said}");
}

#[test]
fn where_the_kubelet_made_no_file_none_is_made() {
    let world = World::new();
    let path = world.path("nobody-reads-this");
    let process = world.up(&leaving(how(), &path));
    world.stopped_with_savepoint(process);
    assert!(!path.exists());
}

#[test]
fn a_start_its_confirmation_and_a_stop_are_events_and_the_stops_is_the_last_word_too() {
    let world = World::in_kubernetes();
    let pod = Pod::new(&world, "orders-1");
    let path = termination_log(&world);
    let process = world.up(&leaving(pod.how(), &path));
    let event = |reason: &str| {
        eventually(reason, LONG, || world.api().events().into_iter().find(|event| event["reason"] == reason))
    };
    assert_eq!(event("StartingFresh")["type"], "Normal");
    let confirmed = event("RestoreConfirmed");
    assert_eq!(
        (&confirmed["type"], &confirmed["message"]),
        (&"Normal".into(), &"epoch 1: Flink runs from a fresh start".into())
    );
    let savepoint = world.stopped_with_savepoint(process);
    let stopped = event("SavepointTaken");
    let message = stopped["message"].as_str().unwrap();
    assert!(message.starts_with("epoch 1, ") && message.contains(&savepoint[..60.min(savepoint.len())]), "{stopped:#}");
    assert!(line(&path).starts_with(&format!("savepoint: {}", &message[..40])), "{message}");
}

#[test]
fn the_readme_names_every_event_and_no_other() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let readme = fs::read_to_string(root.join("README.md")).unwrap();
    let section = readme.split("\n### Events and last words\n").nth(1).unwrap().split("\n### ").next().unwrap();
    let words = section.split('`').skip(1).step_by(2);
    let named: BTreeSet<&str> =
        words.filter(|word| word.chars().all(char::is_alphanumeric) && word.starts_with(char::is_uppercase)).collect();
    let files = ["src/agent", "src/agent/claim"].map(|folder| fs::read_dir(root.join(folder)).unwrap());
    let files = files.into_iter().flatten().map(|file| file.unwrap().path()).filter(|path| path.is_file());
    let sources: String = files.map(|file| fs::read_to_string(file).unwrap()).collect();
    let behind_a_severity = sources.split("Severity::").skip(1).filter_map(|rest| {
        let (severity, rest) = rest.split_once(',')?;
        let reason = rest.trim_start().strip_prefix('"')?.split('"').next()?;
        ["Normal", "Warning"].contains(&severity).then_some(reason)
    });
    assert_eq!(named, behind_a_severity.collect());
}
