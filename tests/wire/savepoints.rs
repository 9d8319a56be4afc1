//! Savepoints of a job that goes on: by the verb and by the clock, through lost replies, stops and the agent's death.

use std::fs;
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use serde_json::Value;

use crate::support::eventually;
use crate::support::fake_flink::{Call, Fault, Stopping};
use crate::support::process::Process;
use crate::world::{LONG, World, each, how, kill_hard, terminate};

/// Longer than any test waits for it.
const NEVER: Stopping = Stopping::After(Duration::from_secs(3_600));

fn asked(world: &World) -> Vec<Value> {
    let requests = world.flink.requests();
    let asked = requests.iter().filter(|request| request.call == Call::Savepoint);
    asked.map(|request| serde_json::from_str(&request.body).unwrap()).collect()
}

/// The verb, as a process that goes on beside the test.
fn asking(world: &World) -> Process {
    let process = Process::start(world.command(&[]).arg("savepoint"));
    eventually("Flink is asked", LONG, || (!asked(world).is_empty()).then_some(()));
    process
}

fn of_kind(world: &World, kind: &str) -> Vec<Value> {
    world.history().into_iter().filter(|row| row["kind"] == kind).collect()
}

#[test]
fn a_savepoint_is_taken_at_a_persons_word_and_the_job_goes_on() {
    let world = World::new();
    let process = world.up(&how());
    let told = world.json(&["savepoint", "--output", "json"]);
    let path = told["path"].as_str().unwrap();
    assert!(path.starts_with(&format!("file://{}/1/savepoint-", world.folder().display())), "{told:#}");
    assert!(told["bytes"].as_u64() > Some(1_000) && told["doubt"].is_null(), "{told:#}");
    assert_eq!((&told["kind"], &told["format"]), (&"manual".into(), &"canonical".into()), "{told:#}");
    let request = &asked(&world)[0];
    assert_eq!((&request["formatType"], &request["cancel-job"]), (&"CANONICAL".into(), &false.into()), "{request}");
    assert_eq!(world.newest()["path"], path);
    assert_eq!(world.flink.job_state(), Some("RUNNING"));

    let said = world.verb(&["savepoint", "--native"]);
    let second = said.out.lines().next().unwrap();
    assert!(said.code == 0 && said.out.contains("native, checkpoint 2, "), "{said:?}");
    assert_eq!(asked(&world)[1]["formatType"], "NATIVE");
    assert_eq!(world.newest()["path"], second);
    world.next_restores(second);
    // What a person took is no final one, and stays.
    let newest = world.stopped_with_savepoint(process);
    assert_eq!(world.newest()["kind"], "final");
    assert_eq!(world.verb(&["prune", "--keep", "1"]).code, 0);
    assert!([path, second, &newest].iter().all(|path| Path::new(&path["file://".len()..]).exists()));
    world.next_restores(&newest);
}

#[test]
fn what_can_not_be_saved_now_is_refused_with_the_reason() {
    let world = World::new();
    let said = world.verb(&["savepoint"]);
    assert!(said.code == 75 && said.err.contains("no agent answers on"), "{said:?}");
    let mut process = world.up(&how());
    world.flink.tasks(Some(1));
    let said = world.verb(&["savepoint"]);
    assert!(said.code == 75 && said.err.contains("not all tasks"), "{said:?}");
    world.flink.tasks(None);
    world.flink.savepoints(&[Stopping::Fails("java.io.IOException: the store is full")]);
    let said = world.verb(&["savepoint"]);
    assert!(said.code == 75 && said.err.contains("the store is full"), "{said:?}");
    assert_eq!(asked(&world).len(), 1);

    world.flink.stops(&[Stopping::After(Duration::from_secs(3))]);
    process.signal(Signal::SIGTERM);
    eventually("the stop", LONG, || (world.flink.count(Call::Stop) > 0).then_some(()));
    let said = world.verb(&["savepoint"]);
    assert!(said.code == 75 && said.err.contains("a stop is under way"), "{said:?}");
    assert_eq!(process.exit_code(LONG), 143);
    assert_eq!(asked(&world).len(), 1);
}

#[test]
fn a_savepoint_whose_replies_are_lost_is_one_savepoint() {
    let gone = Fault::Answer(404, "application/json", r#"{"errors":["There is no savepoint operation"]}"#);
    each(
        &[
            vec![(Call::Savepoint, Fault::LostReply)],
            vec![(Call::Savepoint, Fault::HalfBody), (Call::Poll, Fault::Reset)],
            vec![(Call::Savepoint, Fault::Answer(503, "text/plain", "leader election")), (Call::Poll, Fault::Hang)],
            // Complete, but nobody knows of it any more: it is found in storage.
            vec![(Call::Savepoint, Fault::LostReply), (Call::Poll, gone)],
        ],
        |faults| {
            let world = World::new();
            let process = world.up(&how());
            for (call, fault) in faults {
                world.flink.fault(*call, fault, 1);
            }
            let told = world.json(&["savepoint", "--output", "json"]);
            let requests = asked(&world);
            assert_eq!(requests.len(), 2, "{requests:?}");
            assert_eq!(requests[0]["triggerId"], requests[1]["triggerId"]);
            assert_eq!(fs::read_dir(world.folder().join("1")).unwrap().count(), 1);
            assert_eq!(world.newest()["path"], told["path"]);
            world.stopped_with_savepoint(process);
        },
    );
}

#[test]
fn a_savepoint_goes_on_when_whoever_asked_hangs_up_and_those_who_wait_share_the_next() {
    let world = World::new();
    let process = world.up(&how());
    world.flink.savepoints(&[Stopping::After(Duration::from_secs(2))]);
    let said = world.verb(&["savepoint", "--wait", "100ms"]);
    assert!(said.code == 75 && said.err.contains("goes on"), "{said:?}");
    let mut both: Vec<_> = (0..2).map(|_| Process::start(world.command(&[]).arg("savepoint"))).collect();
    assert!(both.iter_mut().all(|one| one.exit_code(LONG) == 0));
    assert!((2..=3).contains(&of_kind(&world, "manual").len()), "{:?}", world.history());
    world.stopped_with_savepoint(process);
}

#[test]
fn a_stop_comes_through_beside_a_savepoint_in_flight_and_whoever_asked_is_told() {
    each(&[Stopping::After(Duration::from_secs(1)), NEVER], |saving| {
        let world = World::new();
        let mut process = world.up(&how().grace("12s", "2s"));
        world.flink.savepoints(std::slice::from_ref(saving));
        let mut asking = asking(&world);
        let (code, _) = terminate(&mut process, LONG);
        assert_eq!(code, 143);
        let stopped = process.logged("stopped", LONG);
        assert_eq!(stopped["outcome"], "savepoint", "{stopped}");
        assert_eq!(world.newest()["kind"], "final");
        world.next_restores(stopped["point"].as_str().unwrap());
        let code = asking.exit_code(LONG);
        assert!(code == 0 || code == 75 && asking.text().contains("stop"), "{code}: {}", asking.text());
        // One that is nearly complete is waited for.
        assert_eq!(of_kind(&world, "manual").len(), usize::from(*saving != NEVER), "{:?}", world.history());
    });
}

#[test]
fn what_the_job_went_on_from_is_not_taken_for_the_savepoint_of_a_stop_that_fails() {
    each(&[true, false], |with_agent| {
        let world = World::new();
        let mut process = world.up(&how().grace("8s", "2s"));
        let manual = world.json(&["savepoint", "--output", "json"])["path"].as_str().unwrap().to_owned();
        let checkpoint = world.flink.checkpoint();
        world.flink.stops(&[Stopping::Fails("java.io.IOException: the store is full")]);
        if !with_agent {
            world.flink.fault(Call::Stop, &Fault::Delay(Duration::from_secs(1)), 1);
        }
        process.signal(Signal::SIGTERM);
        if !with_agent {
            eventually("the stop", LONG, || (world.flink.count(Call::Stop) > 0).then_some(()));
            kill(process.agent(), Signal::SIGKILL).unwrap();
        }
        assert_eq!(process.exit_code(LONG), 143, "{}", process.text());
        let stopped = process.logged("stopped", LONG);
        assert_eq!((&stopped["outcome"], &stopped["point"]), (&"checkpoint".into(), &checkpoint.as_str().into()));
        assert_ne!(manual, checkpoint);
        world.next_restores(&checkpoint);
    });
}

#[test]
fn a_savepoint_outlives_its_agent() {
    let world = World::new();
    let process = world.up(&how());
    world.flink.savepoints(&[Stopping::After(Duration::from_secs(1))]);
    let mut asking = asking(&world);
    kill(process.agent(), Signal::SIGKILL).unwrap();
    assert_eq!(asking.exit_code(LONG), 75, "{}", asking.text());
    assert!(asking.text().contains("savepointd history"), "{}", asking.text());
    let folder = world.folder().join("1");
    let whole = || fs::read_dir(&folder).ok()?.any(|one| one.unwrap().path().join("_metadata").exists()).then_some(());
    eventually("Flink completes it", LONG, whole);
    // The next agent records it, the present one or the next start's.
    let recorded = || world.history().into_iter().find(|row| row["salvaged"] == true);
    if recorded().is_none() {
        kill(process.agent(), Signal::SIGKILL).unwrap();
    }
    let row = eventually("it is recorded", LONG, recorded);
    assert_eq!(row["kind"], "manual", "{row}");
    world.next_restores(row["path"].as_str().unwrap());
    world.stopped_with_savepoint(process);
}

#[test]
fn savepoints_by_the_clock_are_native_counted_and_pruned() {
    let world = World::new();
    let mut process = world.up(&how().set("savepoint.interval=1s").set("retention.keep=2"));
    // One that was pruned is not in the history any more.
    let pruned = || world.entries().iter().filter(|entry| entry["fact"]["what"] == "pruned").count();
    eventually("older ones go", LONG, || (pruned() >= 2).then_some(()));
    let requests = asked(&world);
    assert!(requests.len() >= 4 && requests.iter().all(|request| request["formatType"] == "NATIVE"), "{requests:?}");
    let there = fs::read_dir(world.folder().join("1")).unwrap().count();
    assert!((2..=4).contains(&there), "{there}");
    let rows = of_kind(&world, "periodic");
    assert!(!rows.is_empty(), "{:?}", world.history());
    let said = world.verb(&["savepoint"]);
    assert_eq!(said.code, 0, "{said:?}");

    // After a crash the newest point counts, savepoint or checkpoint: by its number.
    let checkpoint = world.flink.checkpoint();
    kill_hard(&mut process);
    let newest = world.plan()["path"].as_str().unwrap().to_owned();
    let later = world.history().into_iter().find(|row| row["path"] == newest.as_str());
    let by_number = later.is_some_and(|row| row["checkpoint_id"].as_u64() > chk(&checkpoint));
    assert!(newest == checkpoint || by_number, "{newest} {checkpoint}");
}

fn chk(path: &str) -> Option<u64> {
    path.rsplit_once("/chk-")?.1.parse().ok()
}

#[test]
fn after_a_crash_a_periodic_savepoint_counts_until_a_newer_checkpoint_is_complete() {
    let world = World::new();
    let hourly = || how().set("savepoint.interval=1h");
    let mut process = world.up(&hourly());
    let older = world.flink.checkpoint();
    let said = world.verb(&["savepoint", "--native"]);
    let savepoint = said.out.lines().next().unwrap().to_owned();
    kill_hard(&mut process);
    assert!(Path::new(&older["file://".len()..]).exists());
    world.next_restores(&savepoint);
    let mut process = world.up(&hourly());
    assert_eq!(world.told(), Some(savepoint));
    let newer = world.flink.checkpoint();
    kill_hard(&mut process);
    world.next_restores(&newer);
    assert_eq!(asked(&world).len(), 1, "none is due within the hour");
}
