//! Flink as a process of this machine.

use std::path::PathBuf;

use nix::sys::signal::Signal;
use savepointd::config::{Config, Flags, Origin};
use serde_json::Value;

use super::desk::Desk;
use super::mask::masked;
use super::pages;
use crate::sessions::session;
use crate::support::eventually;
use crate::support::fake_flink::url;
use crate::support::fake_session::submitted;
use crate::support::process::Process;
use crate::world::{LONG, World};

pub const RUN: &[&str] =
    &["process_configured", "process", "process_guarded", "process_asked", "session", "session_asked", "configuration"];

/// A block of one command, in the place of the shell.
fn start(world: &World, desk: &Desk, name: &str) -> Process {
    Process::start(&mut desk.shell(world, &format!("exec {}", pages::only(name))))
}

/// A TaskManager, which is another one than the JobManager's Flink.
fn guard(world: &World, desk: &Desk) -> Process {
    let folder = desk.path.join("guarded");
    std::fs::create_dir(&folder).unwrap();
    let mut command = desk.shell(world, &format!("exec {}", pages::only("process_guarded")));
    let process = Process::start(command.env("FAKE_DIR", &folder));
    eventually("the TaskManager's start", LONG, || std::fs::read_to_string(folder.join("starts")).ok());
    process
}

#[test]
fn a_process_is_stopped_with_a_savepoint_and_goes_on_from_there() {
    let world = World::new();
    let desk = Desk::with(&world, &[]).unwrap();
    let configured = pages::only("process_configured").replace("/var/lib/flink", world.dir.path().to_str().unwrap());
    world.configure_only(&configured.lines().collect::<Vec<_>>());
    let mut guarded = guard(&world, &desk);
    let first = start(&world, &desk, "process");
    first.logged("the restore is confirmed", LONG);
    let savepoint = world.stopped_with_savepoint(first);
    assert!(savepoint.starts_with(&url(&world.path("savepoints"))), "{savepoint}");
    let said = desk.run(&world, &pages::only("process_asked"));
    assert!(said.starts_with(&format!("restore {savepoint}")), "{said}");
    let point = said.split_once(" final ").and_then(|(_, row)| row.lines().nth(1));
    assert_eq!(point.map(str::trim), Some(savepoint.as_str()), "{said}");
    let second = start(&world, &desk, "process");
    second.logged("the restore is confirmed", LONG);
    assert_eq!(world.told(), Some(savepoint));
    world.stopped_with_savepoint(second);
    guarded.signal(Signal::SIGTERM);
    assert_eq!(guarded.exit_code(LONG), 143, "{}", guarded.text());
}

#[test]
fn a_session_cluster_says_how_its_jobs_are_submitted_again() {
    let (world, flink) = session();
    let desk = Desk::with(&world, &[]).unwrap();
    let mut process = start(&world, &desk, "session");
    process.logged("a cluster of several jobs is up", LONG);
    let id = flink.submit(submitted("orders"));
    let record = desk.path.join("var/session");
    eventually("the job's entry", LONG, || entries(&record).into_iter().find(|entry| entry["fact"]["job_id"] == *id));
    process.signal(Signal::SIGTERM);
    assert_eq!(process.exit_code(LONG), 143, "{}", process.text());
    let said = desk.run(&world, &pages::only("session_asked"));
    assert_eq!(said.lines().next(), Some("resubmit"));
    assert_eq!(masked(&pages::output("session_asked")), masked(&said), "{said}");
}

fn entries(record: &PathBuf) -> Vec<Value> {
    let files = std::fs::read_dir(record).into_iter().flatten().map(|file| file.unwrap().path());
    let files = files.filter(|file| file.extension().is_some_and(|extension| extension == "json"));
    files.filter_map(|file| serde_json::from_slice(&std::fs::read(file).ok()?).ok()).collect()
}

#[test]
fn the_configuration_file_of_the_readme_is_one() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("savepointd.toml");
    let text = pages::only("configuration");
    std::fs::write(&file, &text).unwrap();
    Config::load(Some(&file), std::iter::empty(), Flags::default()).unwrap();
    let settings = Config::explain(Some(&file), std::iter::empty(), Flags::default()).unwrap();
    let set = settings.iter().filter(|setting| matches!(setting.origin, Origin::File(_))).count();
    assert_eq!(set, text.lines().filter(|line| line.contains('=')).count(), "{settings:#?}");
}
