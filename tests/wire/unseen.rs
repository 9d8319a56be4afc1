//! State where no store of this build reaches: refused, unless what can't be verified is trusted.

use std::path::PathBuf;

use nix::sys::signal::Signal;

use crate::support::eventually;
use crate::world::{LONG, World, how, kill_hard};

/// A world whose Flink keeps its state in a file system that savepointd knows nothing of.
fn world() -> World {
    let world = World::new();
    let url = |name: &str| format!("viewfs://{}", world.path(name).display());
    let lines = [
        format!("state.checkpoints.dir: {}", url("checkpoints")),
        format!("state.savepoints.dir: {}", url("savepoints")),
    ];
    world.configure_only(&lines.each_ref().map(String::as_str));
    world
}

fn refused(world: &World, how: &crate::world::How, words: &[&str]) {
    let mut process = world.run(how);
    assert_eq!(process.exit_code(LONG), 77, "{}", process.text());
    for word in words {
        assert!(process.text().contains(word), "{word:?} is not in {}", process.text());
    }
}

#[test]
fn with_trust_the_record_alone_says_what_is_restored_and_what_it_does_not_know_is_refused() {
    let world = world();
    let trusting = how().set("restore.on_unverifiable=trust");
    refused(&world, &how(), &["viewfs://", "can't be verified"]);
    refused(&world, &trusting, &["no history yet", "savepointd fresh"]);
    assert_eq!(world.verb(&["fresh"]).code, 0);
    let process = world.up(&trusting);
    assert_eq!(world.told(), None);
    process.logged("not everything that is stored can be seen", LONG);
    world.flink.checkpoint();
    let epoch = process.logged("the restore is confirmed", LONG)["epoch"].as_u64().unwrap();
    eventually("the first checkpoint's entry", LONG, || world.recorded(epoch, "progressed"));
    let newest = world.stopped_with_savepoint(process);
    assert!(newest.starts_with("viewfs://"), "{newest}");
    assert!(world.newest()["doubt"].as_str().unwrap().contains("can't be verified"), "{:#}", world.newest());

    refused(&world, &how(), &["viewfs://", "can't be verified"]);
    let process = world.up(&trusting);
    assert_eq!(world.told(), Some(newest));
    let based = world.entries().into_iter().rfind(|entry| entry["fact"]["what"] == "based").unwrap().to_string();
    assert!(based.contains("by the record alone") && based.contains("restore.on_unverifiable"), "{based}");
    // It completes a checkpoint that no listing can see, and is killed.
    world.flink.checkpoint();
    let epoch = process.logged("the restore is confirmed", LONG)["epoch"].as_u64().unwrap();
    eventually("the first checkpoint's entry", LONG, || world.recorded(epoch, "progressed"));
    let mut process = process;
    let entrypoint = world.started().pid;
    kill_hard(&mut process);
    let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(entrypoint), Signal::SIGKILL);
    refused(&world, &trusting, &["completed checkpoints that the record does not name", "savepointd pin PATH"]);
    let checkpoint = world
        .path("checkpoints")
        .join(world.started().argv.iter().skip_while(|word| *word != "--job-id").nth(1).unwrap());
    let newest: PathBuf = std::fs::read_dir(checkpoint).unwrap().map(|entry| entry.unwrap().path()).max().unwrap();
    let newest = format!("viewfs://{}", newest.display());
    let pinned = world.command(&[]).args(["pin", &newest, "--set", "restore.on_unverifiable=trust"]).status().unwrap();
    assert!(pinned.success());
    let process = world.up(&trusting);
    assert_eq!(world.told(), Some(newest));
    world.stopped_with_savepoint(process);
}
