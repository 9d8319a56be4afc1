//! `stop.linger`: a job goes on until the pod that replaces its own waits at the gate.

use nix::sys::signal::Signal;

use super::Pod;
use crate::support::fake_flink::Call;
use crate::world::{LONG, World};

const GONE_ON: &str = "the job has gone on until its replacement would wait for it";

#[test]
fn the_job_of_a_deleted_pod_goes_on_until_its_replacement_waits_at_the_gate() {
    let world = World::in_kubernetes();
    let old = Pod::new(&world, "orders-1");
    let mut process = world.up(&old.how().set("stop.linger=60s"));
    world.flink.checkpoint();
    world.api().delete_pod(&old.name, 600);
    process.signal(Signal::SIGTERM);
    process.logged("stopping", LONG);
    let new = Pod::new(&world, "orders-2");
    assert_eq!(world.flink.count(Call::Stop), 0);
    let replacement = world.run(&new.how());
    assert_eq!(process.logged(GONE_ON, LONG)["awaits"], true, "{}", process.text());
    assert_eq!(process.exit_code(LONG), 143, "{}", process.text());
    let savepoint = process.find("stopped").unwrap()["point"].as_str().unwrap().to_owned();
    replacement.logged("the restore is confirmed", LONG);
    assert_eq!(world.told(), Some(savepoint));
    world.stopped_with_savepoint(replacement);
}

#[test]
fn where_no_replacement_comes_the_stop_begins_all_the_same() {
    let world = World::in_kubernetes();
    let pod = Pod::new(&world, "orders-1");
    let process = world.up(&pod.how().set("stop.linger=1s"));
    world.api().delete_pod(&pod.name, 60);
    process.signal(Signal::SIGTERM);
    assert_eq!(process.logged(GONE_ON, LONG)["awaits"], false, "{}", process.text());
    world.stopped_with_savepoint(process);
}

#[test]
fn a_pod_that_nobody_deletes_is_not_replaced_and_stops_at_once() {
    let world = World::in_kubernetes();
    let pod = Pod::new(&world, "orders-1");
    let process = world.up(&pod.how().set("stop.linger=60s").grace("600s", "3s"));
    process.signal(Signal::SIGTERM);
    process.logged("stopped", LONG);
    assert!(process.find(GONE_ON).is_none(), "{}", process.text());
    world.stopped_with_savepoint(process);
}
