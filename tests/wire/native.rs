//! Flink's native mode: the binary stands in the place of the entrypoint in pods that Flink has created.

use std::fs;

use nix::sys::signal::Signal;

use crate::support::http;
use crate::support::process::Process;
use crate::world::{LONG, World, each, entrypoint};

const COMMAND: &str = "kubernetes-jobmanager.sh kubernetes-application -Dk='a b'";

#[test]
fn a_pod_that_flink_has_created_restores_by_properties_in_its_command() {
    let world = World::new();
    let savepoint = world.one_epoch();
    let agent = Process::start(world.command(&[]).arg("agent"));
    let mut run = Process::start(
        world
            .command(&[])
            .args(["bash", "-c", COMMAND])
            .env("SAVEPOINTD_ENTRYPOINT", entrypoint())
            .env("KUBERNETES_SERVICE_HOST", "x"),
    );
    let started = world.started_times(2).argv;
    let [script, shell, flag, command] = started.as_slice() else { panic!("{started:?}") };
    assert_eq!((script.as_str(), shell.as_str(), flag.as_str()), (entrypoint().to_str().unwrap(), "bash", "-c"));
    let begin = "kubernetes-jobmanager.sh kubernetes-application -Dexecution.state-recovery.path=";
    assert!(command.starts_with(&format!("{begin}{savepoint} -Dexecution.savepoint.path={savepoint} ")), "{command}");
    assert!(command.contains(" '-D$internal.pipeline.job-id=") && command.ends_with(" '-Dk=a b'"), "{command}");
    agent.logged("the restore is confirmed", LONG);
    run.signal(Signal::SIGTERM);
    assert_eq!(run.exit_code(LONG), 143, "{}", run.text());
    assert_eq!(agent.logged("stopped", LONG)["outcome"], "savepoint", "{}", agent.text());
}

/// A container of a pod that Flink has created, with an agent beside it.
fn container(world: &World) -> Process {
    let mut command = world.command(&[]);
    command
        .args(["bash", "-c", COMMAND])
        .env("SAVEPOINTD_ENTRYPOINT", entrypoint())
        .env("KUBERNETES_SERVICE_HOST", "x");
    Process::start(&mut command)
}

#[test]
fn each_end_of_a_job_has_its_exit_code_and_a_container_that_is_started_again_does_what_is_right() {
    each(&[("FINISHED", 0, "finished"), ("CANCELED", 0, "cancelled"), ("FAILED", 1, "")], |(state, code, held)| {
        let world = World::new();
        let agent = Process::start(world.command(&[]).arg("agent"));
        let address = agent.logged("agent is up", LONG)["admin"].as_str().unwrap().to_owned();
        let mut run = container(&world);
        agent.logged("the restore is confirmed", LONG);
        let checkpoint = world.flink.checkpoint();
        world.flink.end(state);
        assert_eq!(run.exit_code(LONG), *code, "{}", run.text());
        let again = container(&world);
        if held.is_empty() {
            let started = world.started_times(2).argv;
            assert!(started[3].contains(&format!("-Dexecution.savepoint.path={checkpoint} ")), "{started:?}");
            return;
        }
        let waiting = again.logged("waiting at the gate; Flink is not started", LONG);
        assert!(waiting["reason"].as_str().unwrap().contains(held), "{waiting}");
        let port = address.rsplit_once(':').unwrap().1.parse().unwrap();
        let (status, why) = http::request("GET", port, "/readyz", "").unwrap();
        assert!(status == 503 && why.contains(held), "{status} {why}");
        assert_eq!(world.flink.starts().len(), 1);
        assert_eq!(world.verb(&["fresh"]).code, 0);
        world.started_times(2);
    });
}

#[test]
fn a_command_that_nothing_can_be_added_to_is_not_started() {
    let world = World::new();
    let agent = Process::start(world.command(&[]).arg("agent"));
    agent.logged("agent is up", LONG);
    let run = Process::start(
        world.command(&[]).args(["bash", "-c", &format!("{COMMAND} $MORE")]).env("SAVEPOINTD_ENTRYPOINT", entrypoint()),
    );
    let why = run.logged("Flink is not started", LONG)["reason"].as_str().unwrap().to_owned();
    assert!(why.contains("give the command as a list"), "{why}");
    assert!(fs::read_dir(world.path("fake")).unwrap().all(|one| one.unwrap().file_name() != "starts"));
}
