//! `handover = "request"`: a newer pod asks, an older one stops with a savepoint and makes room. What a rolling update needs.

use std::time::Duration;

use jiff::SignedDuration;

use super::{Pod, told_to_end, waits_because};
use crate::support::eventually;
use crate::support::fake_flink::{Call as FlinkCall, Stopping};
use crate::support::fake_kubernetes::Call;
use crate::support::http;
use crate::support::process::Process;
use crate::world::{How, LONG, World, kill_hard, terminate};

fn asking(pod: &Pod) -> How {
    pod.how().set("handover=request")
}

/// A pod that is created some seconds after those before it.
fn newer(world: &World, name: &str) -> Pod {
    let pods = world.api().count_pods();
    world.api().skew(SignedDuration::from_secs(10 * i64::try_from(pods).unwrap()));
    Pod::new(world, name)
}

/// The savepoint with which a pod has made room, whose process goes on.
fn made_room(process: &Process) -> String {
    let stopped = process.logged("stopped", LONG);
    assert_eq!(stopped["outcome"], "savepoint", "{stopped}");
    stopped["point"].as_str().unwrap().to_owned()
}

#[test]
fn an_older_pod_that_is_asked_stops_with_a_savepoint_and_holds_unready() {
    let world = World::in_kubernetes();
    let older = Pod::new(&world, "orders-1");
    let old = world.up(&asking(&older));
    let younger = newer(&world, "orders-2");
    let new = world.run(&asking(&younger));
    new.logged("the restore is confirmed", LONG);
    let savepoint = made_room(&old);
    assert_eq!(world.told(), Some(savepoint));
    // It lives on, or the kubelet would start its container again and again, and it does not get its job back.
    waits_because(&old);
    let (status, _) = http::get(older.admin, "/readyz").expect("the admin server");
    assert_eq!(status, 503);
    assert_eq!(world.flink.starts().len(), 2);
    told_to_end(old);
    older.ends(&world);
    assert_eq!(world.flink.starts().len(), 2);
    world.stopped_with_savepoint(new);
}

#[test]
fn an_older_pod_never_asks() {
    let world = World::in_kubernetes();
    let older = Pod::new(&world, "orders-1");
    let younger = newer(&world, "orders-2");
    let running = world.up(&asking(&younger));
    let waiting = world.run(&asking(&older));
    waits_because(&waiting);
    let looks = Call::to("get", "pods").named(&younger.name);
    let before = world.api().count(&looks);
    eventually("two more looks", LONG, || (world.api().count(&looks) >= before + 2).then_some(()));
    assert_eq!(world.flink.starts().len(), 1);
    assert!(running.find("stopping").is_none(), "{}", running.text());
    let savepoint = world.stopped_with_savepoint(running);
    waiting.logged("the restore is confirmed", LONG);
    assert_eq!(world.told(), Some(savepoint));
    world.stopped_with_savepoint(waiting);
}

#[test]
fn a_pod_that_is_told_to_wait_does_not_ask() {
    let world = World::in_kubernetes();
    let older = Pod::new(&world, "orders-1");
    let running = world.up(&asking(&older));
    let younger = newer(&world, "orders-2");
    let waiting = world.run(&younger.how());
    waits_because(&waiting);
    told_to_end(waiting);
    assert!(running.find("stopping").is_none(), "{}", running.text());
    world.stopped_with_savepoint(running);
}

#[test]
fn a_pod_that_asked_and_died_before_it_claimed_leaves_the_job_to_the_older_one() {
    let world = World::in_kubernetes();
    let older = Pod::new(&world, "orders-1");
    let mut old = world.up(&asking(&older));
    let younger = newer(&world, "orders-2");
    // It asks, and can't claim: the savepoint takes until it is dead.
    world.flink.stops(&[Stopping::After(Duration::from_secs(2))]);
    let mut new = world.run(&asking(&younger));
    old.logged("stopping", LONG);
    kill_hard(&mut new);
    younger.ends(&world);
    let savepoint = made_room(&old);
    world.started_times(2);
    assert_eq!(world.told(), Some(savepoint));
    eventually("its own second epoch is confirmed", LONG, || world.recorded(2, "confirmed"));
    let (code, _) = terminate(&mut old, LONG);
    assert_eq!((code, world.newest()["outcome"].as_str()), (143, Some("savepoint")), "{}", old.text());
    assert_eq!(world.newest()["epoch"], 2);
}

#[test]
fn a_savepoint_that_fails_leaves_the_job_where_it_is_and_the_next_stop_takes_another() {
    let world = World::in_kubernetes();
    let older = Pod::new(&world, "orders-1");
    let mut old = world.up(&asking(&older));
    let younger = newer(&world, "orders-2");
    let trace = "java.util.concurrent.CompletionException: x\nCaused by: java.io.IOException: Failed to create savepoint directory";
    world.flink.stops(&[Stopping::Fails(trace)]);
    let new = world.run(&asking(&younger));
    old.logged("not handed over; the job goes on here", LONG);
    assert_eq!((world.flink.starts().len(), world.flink.job_state()), (1, Some("RUNNING")));
    assert!(world.heard().is_empty(), "the JobManager hears of nothing: {:?}", world.heard());
    world.api().delete_pod(&older.name, 30);
    let (code, _) = terminate(&mut old, LONG);
    // The other pod may have claimed the next epoch already.
    let first = world.history().into_iter().find(|point| point["epoch"] == 1 && point["outcome"] == "savepoint");
    assert_eq!((code, first.is_some()), (143, true), "{:#?}\n{}", world.history(), old.text());
    let savepoint = first.unwrap()["path"].as_str().unwrap().to_owned();
    new.logged("the restore is confirmed", LONG);
    assert_eq!(world.told(), Some(savepoint));
    world.stopped_with_savepoint(new);
}

#[test]
fn a_pod_that_is_ended_while_it_hands_over_goes_on_with_the_same_savepoint() {
    let world = World::in_kubernetes();
    let older = Pod::new(&world, "orders-1");
    let old = world.up(&asking(&older));
    let younger = newer(&world, "orders-2");
    world.flink.stops(&[Stopping::After(Duration::from_secs(3))]);
    let new = world.run(&asking(&younger));
    eventually("a request for a stop", LONG, || (world.flink.count(FlinkCall::Stop) > 0).then_some(()));
    world.api().delete_pod(&older.name, 30);
    let savepoint = world.stopped_with_savepoint(old);
    assert_eq!(world.flink.trigger_ids().len(), 1, "a second request would destroy the first");
    new.logged("the restore is confirmed", LONG);
    assert_eq!(world.told(), Some(savepoint));
    world.stopped_with_savepoint(new);
}

#[test]
fn three_pods_hand_over_in_order_and_never_back() {
    let world = World::in_kubernetes();
    let mut told = Vec::new();
    let mut processes = Vec::new();
    for number in 1..=3 {
        let pod = newer(&world, &format!("orders-{number}"));
        let process = world.run(&asking(&pod));
        process.logged("the restore is confirmed", LONG);
        told.push(world.told());
        processes.push((pod, process));
    }
    assert_eq!(told[0], None);
    assert!(told[1].as_ref().is_some_and(|path| path.contains("/orders/1/")), "{told:?}");
    assert!(told[2].as_ref().is_some_and(|path| path.contains("/orders/2/")), "{told:?}");
    let gets = Call::to("get", "configmaps");
    let before = world.api().count(&gets);
    eventually("the two that wait look again", LONG, || (world.api().count(&gets) >= before + 4).then_some(()));
    assert_eq!(world.flink.starts().len(), 3, "no ping-pong");
    let (_, last) = processes.pop().unwrap();
    for (pod, process) in processes {
        told_to_end(process);
        pod.ends(&world);
    }
    world.stopped_with_savepoint(last);
}
