//! Whatever Flink answers, at whichever call: the stop ends in time, typed, and the next start knows what to do.

use std::time::Duration;

use crate::support::fake_flink::{Call, Fault, Stopping, url};
use crate::world::{LONG, World, each, how, terminate};

const HTML: &str = "<html><body>Bad Gateway</body></html>";
const ELECTION: &str =
    r#"{"errors":["Service temporarily unavailable due to an ongoing leader election. Please refresh."]}"#;
const JSON: &str = "application/json";

/// No answer of use, and nothing done.
const NOTHING_DONE: [Fault; 8] = [
    Fault::Hang,
    Fault::Reset,
    Fault::Answer(500, JSON, r#"{"errors":["Internal server error."]}"#),
    Fault::Answer(503, JSON, ELECTION),
    Fault::Answer(404, JSON, r#"{"errors":["Not found."]}"#),
    Fault::Answer(200, JSON, r#"{"status":{"jobs":"wrong"},"request-id":7}"#),
    Fault::Answer(200, "text/html", HTML),
    Fault::Answer(302, "text/html", ""),
];
/// Done, but the answer does not say so.
const DONE_UNSEEN: [Fault; 3] = [Fault::HalfBody, Fault::LostReply, Fault::OtherRequest];

const GRACE: u64 = 4;
/// Where the stop comes to its end by itself, on a busy machine too.
const AMPLE: u64 = 30;

/// Starts a job that completes a checkpoint, whose URL this gives; `break_it`; SIGTERM; checks exit code and time.
fn stop_under(world: &World, grace: u64, break_it: impl Fn(&World)) -> String {
    let mut process = world.up(&how().grace(&format!("{grace}s"), "2s"));
    let checkpoint = world.flink.checkpoint();
    break_it(world);
    let (code, took) = terminate(&mut process, LONG);
    assert_eq!(code, 143, "{}", process.text());
    assert!(took < Duration::from_secs(grace), "{took:?}: {}", process.text());
    checkpoint
}

fn ended_with(world: &World, outcome: &str, kind: &str, path: &str) {
    let newest = world.newest();
    assert_eq!(newest["outcome"], outcome, "{newest:#}");
    assert_eq!((newest["kind"].as_str(), newest["path"].as_str()), (Some(kind), Some(path)), "{newest:#}");
    world.next_restores(path);
}

fn savepoint_of(world: &World) -> String {
    let job = world.newest()["job_id"].as_str().unwrap().to_owned();
    url(&world.folder().join("1").join(format!("savepoint-{}-000000000002", &job[..6])))
}

#[test]
fn a_list_of_jobs_that_never_comes_leaves_the_newest_checkpoint() {
    each(&[NOTHING_DONE.as_slice(), &[Fault::HalfBody, Fault::LostReply]].concat(), |fault| {
        let world = World::new();
        let checkpoint = stop_under(&world, GRACE, |world| world.flink.fault(Call::Jobs, fault, usize::MAX));
        ended_with(&world, "checkpoint", "checkpoint", &checkpoint);
        assert_eq!(world.flink.count(Call::Stop), 0, "nothing is asked of a Flink that does not answer");
    });
}

#[test]
fn a_stop_that_flink_never_takes_leaves_the_newest_checkpoint() {
    let refused = Fault::Answer(400, JSON, r#"{"errors":["Config key [x] is not set."]}"#);
    each(&[NOTHING_DONE.as_slice(), &[refused]].concat(), |fault| {
        let world = World::new();
        let checkpoint = stop_under(&world, GRACE, |world| world.flink.fault(Call::Stop, fault, usize::MAX));
        ended_with(&world, "checkpoint", "checkpoint", &checkpoint);
        assert_eq!(world.flink.trigger_ids().len(), 1, "a lost reply is asked for again under the same trigger id");
        assert!(world.recorded(1, "attempted").is_some(), "the trigger id is known to the record before the request");
    });
}

#[test]
fn a_stop_that_flink_took_unseen_is_found_in_storage() {
    each(&DONE_UNSEEN, |fault| {
        let world = World::new();
        stop_under(&world, GRACE, |world| world.flink.fault(Call::Stop, fault, usize::MAX));
        ended_with(&world, "savepoint", "final", &savepoint_of(&world));
        assert_eq!(world.flink.trigger_ids().len(), 1);
        assert!(world.flink.count(Call::Stop) > 1, "it was asked again");
    });
}

#[test]
fn a_result_that_never_comes_is_found_in_storage() {
    each(&[NOTHING_DONE.as_slice(), &[Fault::HalfBody, Fault::LostReply]].concat(), |fault| {
        let world = World::new();
        stop_under(&world, GRACE, |world| {
            world.flink.fault(Call::Poll, fault, usize::MAX);
        });
        ended_with(&world, "savepoint", "final", &savepoint_of(&world));
        assert_eq!(world.flink.trigger_ids().len(), 1, "a second request would have destroyed the first");
    });
}

#[test]
fn a_result_that_never_comes_of_a_savepoint_that_is_never_complete_leaves_the_newest_checkpoint() {
    each(&[Fault::Hang, Fault::Answer(503, JSON, ELECTION)], |fault| {
        let world = World::new();
        let checkpoint = stop_under(&world, GRACE, |world| {
            world.flink.stops(&[Stopping::After(Duration::from_secs(60))]);
            world.flink.fault(Call::Poll, fault, usize::MAX);
        });
        ended_with(&world, "checkpoint", "checkpoint", &checkpoint);
        assert_eq!(world.flink.trigger_ids().len(), 1);
    });
}

#[test]
fn a_fault_that_passes_costs_nothing() {
    let passing: Vec<(Call, Fault)> = [Call::Jobs, Call::Stop, Call::Poll]
        .into_iter()
        .flat_map(|call| {
            let delay = Fault::Delay(Duration::from_millis(300));
            let faults = [Fault::Reset, Fault::HalfBody, Fault::Answer(503, JSON, ELECTION), delay];
            faults.map(|fault| (call, fault))
        })
        .collect();
    each(&passing, |(call, fault)| {
        let world = World::new();
        stop_under(&world, AMPLE, |world| world.flink.fault(*call, fault, 2));
        ended_with(&world, "savepoint", "final", &savepoint_of(&world));
        assert_eq!(world.flink.trigger_ids().len(), 1, "one stop, one trigger id");
    });
}

const NOT_RUNNING: &str = "java.util.concurrent.CompletionException: x\nCaused by: org.apache.flink.runtime.checkpoint.CheckpointException: \
     Checkpoint triggering task Source: seq (1/2) is not being executed at the moment. Aborting checkpoint. Failure reason: Not \
     all required tasks are currently running.";

#[test]
fn a_failed_attempt_is_repeated_under_a_new_trigger_id_once_its_result_is_read() {
    let world = World::new();
    stop_under(&world, AMPLE, |world| world.flink.stops(&[Stopping::Fails(NOT_RUNNING), Stopping::Fails(NOT_RUNNING)]));
    ended_with(&world, "savepoint", "final", &savepoint_of(&world));
    let ids = world.flink.trigger_ids();
    assert_eq!(ids.len(), 3, "{ids:?}");
    let calls: Vec<(Call, bool)> = world
        .flink
        .requests()
        .iter()
        .filter(|request| matches!(request.call, Call::Stop | Call::Poll))
        .map(|request| (request.call, request.path.ends_with(&ids[0])))
        .collect();
    let second = calls.iter().skip(1).position(|(call, _)| *call == Call::Stop).unwrap() + 1;
    assert!(calls[..second].contains(&(Call::Poll, true)), "{calls:?}");
}

#[test]
fn a_failure_for_good_leaves_the_newest_checkpoint_and_says_why() {
    let world = World::new();
    let trace = "java.util.concurrent.CompletionException: x\nCaused by: java.io.IOException: Failed to create savepoint directory at /proc";
    let checkpoint = stop_under(&world, AMPLE, |world| world.flink.stops(&[Stopping::Fails(trace)]));
    ended_with(&world, "checkpoint", "checkpoint", &checkpoint);
    let stopped = world.recorded(1, "stopped").unwrap();
    let reason = stopped["fact"]["reason"].as_str().unwrap().to_owned();
    assert!(reason.contains("Failed to create savepoint directory"), "{reason}");
}

#[test]
fn tasks_that_are_not_running_are_waited_for() {
    let world = World::new();
    let mut process = world.up(&how().grace("20s", "3s"));
    world.flink.tasks(Some(1));
    process.signal(nix::sys::signal::Signal::SIGTERM);
    let before = world.flink.count(Call::Jobs);
    crate::support::eventually("looks at the jobs", LONG, || {
        (world.flink.count(Call::Jobs) > before + 3).then_some(())
    });
    assert_eq!(world.flink.count(Call::Stop), 0, "a request now would only fail");
    world.flink.tasks(None);
    assert_eq!(process.exit_code(LONG), 143);
    assert_eq!(world.newest()["outcome"], "savepoint");
}

#[test]
fn a_location_that_holds_nothing_is_not_believed() {
    let world = World::new();
    let lie = r#"{"status":{"id":"COMPLETED"},"operation":{"location":"file:/nowhere/savepoint-000000-000000000000"}}"#;
    let checkpoint = stop_under(&world, GRACE, |world| {
        world.flink.stops(&[Stopping::After(Duration::from_secs(60))]);
        world.flink.fault(Call::Poll, &Fault::Answer(200, JSON, lie), usize::MAX);
    });
    ended_with(&world, "checkpoint", "checkpoint", &checkpoint);
}

#[test]
fn a_job_that_was_never_seen_running_leaves_everything_as_it_was() {
    let world = World::new();
    let savepoint = world.one_epoch();
    world.flink.tasks(Some(0));
    let mut process = world.run(&how());
    crate::support::eventually("the watch", LONG, || (world.flink.count(Call::Jobs) > 8).then_some(()));
    let (code, _) = terminate(&mut process, LONG);
    assert_eq!(code, 143);
    let newest = world.newest();
    assert_eq!((&newest["outcome"], &newest["epoch"]), (&"unchanged".into(), &2.into()), "{newest:#}");
    world.next_restores(&savepoint);
}

#[test]
fn a_flink_that_knows_no_trigger_ids_is_named_as_the_reason() {
    let world = World::new();
    let older =
        r#"{"errors":["Bad request received.","Request did not match expected format StopWithSavepointRequestBody."]}"#;
    let checkpoint =
        stop_under(&world, GRACE, |world| world.flink.fault(Call::Stop, &Fault::Answer(400, JSON, older), 1));
    ended_with(&world, "checkpoint", "checkpoint", &checkpoint);
    let stopped = world.recorded(1, "stopped").unwrap().to_string();
    assert!(stopped.contains("older than 1.15"), "{stopped}");
    assert_eq!(world.flink.count(Call::Stop), 1, "a second request would destroy the first");
}
