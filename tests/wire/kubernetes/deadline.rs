//! The deadline of a stop is the pod's, by the API server's own clock.

use std::time::Duration;

use jiff::SignedDuration;
use nix::sys::signal::Signal;
use serde_json::json;

use super::Pod;
use crate::support::eventually;
use crate::support::fake_flink::{Call as FlinkCall, Stopping};
use crate::support::fake_kubernetes::{Call, Fault};
use crate::support::http;
use crate::support::process::Process;
use crate::world::{LONG, World, each, signal, terminate};

const NEVER: Stopping = Stopping::After(Duration::from_secs(120));

/// A pod whose job has a checkpoint and will never finish a savepoint; gives that checkpoint.
fn hopeless(world: &World, grace: &str) -> (Pod, Process, String) {
    let pod = Pod::new(world, "orders-1");
    let process = world.up(&pod.how().grace(grace, "2s"));
    world.flink.checkpoint();
    let checkpoint = world.flink.checkpoint();
    eventually("the first checkpoint is noted", LONG, || world.recorded(1, "progressed"));
    world.flink.stops(&[NEVER]);
    (pod, process, checkpoint)
}

/// SIGTERM: the stop uses its time, ends before the kill, and the checkpoint counts.
fn ends_between(world: &World, mut process: Process, least: u64, most: u64, checkpoint: &str) {
    let (code, took) = terminate(&mut process, LONG);
    assert_eq!(code, 143, "{}", process.text());
    assert!(took < Duration::from_secs(most), "{took:?}: {}", process.text());
    assert!(took >= Duration::from_secs(least), "{took:?}: {}", process.text());
    world.next_restores(checkpoint);
}

#[test]
fn the_time_left_is_told_by_the_api_servers_clock_however_wrong_it_is() {
    each(&[SignedDuration::ZERO, SignedDuration::from_hours(5), SignedDuration::from_hours(-5)], |skew| {
        let world = World::in_kubernetes();
        let (pod, process, checkpoint) = hopeless(&world, "60s");
        world.api().skew(*skew);
        world.api().delete_pod(&pod.name, 8);
        ends_between(&world, process, 3, 8, &checkpoint);
    });
}

#[test]
fn what_others_have_used_up_of_the_grace_is_gone() {
    let world = World::in_kubernetes();
    let (pod, process, checkpoint) = hopeless(&world, "60s");
    world.api().delete_pod(&pod.name, 30);
    // A hook that went before took 23 of the 30 seconds.
    world.api().skew(SignedDuration::from_secs(23));
    ends_between(&world, process, 2, 7, &checkpoint);
}

#[test]
fn an_agent_that_is_told_to_look_stops_the_job_of_a_pod_that_is_being_deleted_and_no_other() {
    let world = World::in_kubernetes();
    let pod = Pod::new(&world, "orders-1");
    let mut process = world.up(&pod.how());
    let look = || http::get(pod.admin, "/api/v1/look").expect("the admin server");
    let (code, told) = look();
    assert!(code == 200 && told.contains(r#""phase":"running""#), "{told}");
    world.api().delete_pod(&pod.name, 30);
    world.flink.stops(&[Stopping::After(Duration::from_secs(2))]);
    let (code, told) = look();
    assert!(code == 200 && told.contains(r#""phase":"stopping""#), "an answer is late rather than old: {told}");
    let (code, _) = terminate(&mut process, LONG);
    assert_eq!(code, 143);
    assert_eq!(process.logged("stopped", LONG)["outcome"], "savepoint", "{}", process.text());
    assert_eq!(world.flink.trigger_ids().len(), 1, "the signal joins the stop that is under way");
}

#[test]
fn an_evictors_shorter_grace_is_the_deadline() {
    let world = World::in_kubernetes();
    let (pod, process, checkpoint) = hopeless(&world, "60s");
    world.api().change_pod(&pod.name, |pod| {
        let target = json!({
            "type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI",
            "message": "Eviction API: evicting",
        });
        pod["status"]["conditions"].as_array_mut().unwrap().push(target);
    });
    world.api().delete_pod(&pod.name, 5);
    ends_between(&world, process, 1, 5, &checkpoint);
}

#[test]
fn a_pod_that_nobody_deletes_has_the_configured_grace() {
    let world = World::in_kubernetes();
    let (_, process, checkpoint) = hopeless(&world, "6s");
    ends_between(&world, process, 3, 6, &checkpoint);
}

#[test]
fn a_long_deletion_grace_is_used_though_the_configured_one_is_short() {
    let world = World::in_kubernetes();
    let pod = Pod::new(&world, "orders-1");
    let process = world.up(&pod.how().grace("4s", "2s"));
    // Longer than the configured grace, shorter than the pod's.
    world.flink.stops(&[Stopping::After(Duration::from_secs(6))]);
    world.api().delete_pod(&pod.name, 30);
    world.stopped_with_savepoint(process);
}

#[test]
fn a_pod_that_was_deleted_by_force_hurries() {
    let gone = |world: &World, pod: &Pod| pod.ends(world);
    let another = |world: &World, pod: &Pod| {
        pod.ends(world);
        Pod::new(world, &pod.name);
    };
    for force in [&gone as &dyn Fn(&World, &Pod), &another] {
        let world = World::in_kubernetes();
        let (pod, process, checkpoint) = hopeless(&world, "60s");
        force(&world, &pod);
        ends_between(&world, process, 0, 4, &checkpoint);
    }
}

#[test]
fn an_api_server_that_does_not_say_leaves_the_configured_grace() {
    each(&[Fault::Hang, Fault::Code(500), Fault::Forbidden, Fault::Reset, Fault::HalfBody], |fault| {
        let world = World::in_kubernetes();
        let (_, process, checkpoint) = hopeless(&world, "7s");
        world.api().fault(&Call::to("get", "pods"), fault, usize::MAX);
        ends_between(&world, process, 4, 7, &checkpoint);
    });
}

#[test]
fn an_api_server_that_does_not_say_delays_no_savepoint() {
    let world = World::in_kubernetes();
    let pod = Pod::new(&world, "orders-1");
    let process = world.up(&pod.how().grace("20s", "3s"));
    world.api().fault(&Call::to("get", "pods"), &Fault::Hang, usize::MAX);
    let savepoint = world.stopped_with_savepoint(process);
    world.next_restores(&savepoint);
}

#[test]
fn an_agent_that_dies_during_the_stop_leaves_the_pods_deadline_to_run() {
    let world = World::in_kubernetes();
    let pod = Pod::new(&world, "orders-1");
    let mut process = world.up(&pod.how().grace("5s", "2s"));
    // Longer than the configured grace, shorter than the pod's.
    world.flink.stops(&[Stopping::After(Duration::from_secs(7))]);
    world.api().delete_pod(&pod.name, 30);
    process.signal(Signal::SIGTERM);
    process.logged("the pod tells when it ends", LONG);
    eventually("a request for a stop", LONG, || (world.flink.count(FlinkCall::Stop) > 0).then_some(()));
    signal(process.agent().as_raw(), Signal::SIGKILL);
    assert_eq!(process.exit_code(LONG), 143, "{}", process.text());
    assert_eq!(process.logged("stopped", LONG)["outcome"], "savepoint", "{}", process.text());
}
