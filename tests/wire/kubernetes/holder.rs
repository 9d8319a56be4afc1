//! One epoch at a time: a second pod starts when the first certainly writes no more, and not before.

use super::{Pod, told_to_end, waits_because};
use crate::support::eventually;
use crate::support::fake_flink::{is_alive, url};
use crate::support::fake_kubernetes::{Call, Fault};
use crate::support::ha::completed_checkpoint;
use crate::support::http;
use crate::support::process::Process;
use crate::world::{How, LONG, World, each, kill_hard, terminate};

/// Waits until a start has looked at this pod, and was not let through.
fn looked_at(world: &World, pod: &Pod, times: usize) {
    let looks = Call::to("get", "pods").named(&pod.name);
    let before = world.api().count(&looks);
    eventually("a look at the pod", LONG, || (world.api().count(&looks) >= before + times).then_some(()));
}

/// A pod that was killed without a word, whose object is still there, and the checkpoint that it left.
fn killed(world: &World) -> (Pod, String) {
    let pod = Pod::new(world, "orders-1");
    let mut process = world.up(&pod.how());
    world.flink.checkpoint();
    let checkpoint = world.flink.checkpoint();
    let agent = process.agent().as_raw();
    kill_hard(&mut process);
    eventually("the agent's end", LONG, || (!is_alive(agent)).then_some(()));
    (pod, checkpoint)
}

fn restores(world: &World, process: Process, path: &str) {
    process.logged("the restore is confirmed", LONG);
    assert_eq!(world.told().as_deref(), Some(path));
    world.stopped_with_savepoint(process);
}

#[test]
fn a_second_pod_waits_unready_until_the_first_has_stopped_and_restores_its_savepoint() {
    let world = World::in_kubernetes();
    let first = Pod::new(&world, "orders-1");
    let running = world.up(&first.how());
    let second = Pod::new(&world, "orders-2");
    let waiting = world.run(&second.how());
    let reason = waits_because(&waiting);
    assert!(reason.contains("orders-1"), "names who is in the way: {reason}");
    let (status, _) = http::get(second.admin, "/readyz").expect("the admin server");
    assert_eq!(status, 503);
    looked_at(&world, &first, 2);
    assert_eq!(world.flink.starts().len(), 1);
    world.api().delete_pod(&first.name, 30);
    let savepoint = world.stopped_with_savepoint(running);
    // The first pod's object stays for a while; it has said that it writes no more.
    restores(&world, waiting, &savepoint);
}

#[test]
fn a_holder_that_is_gone_for_certain_is_not_waited_for() {
    let gone = |world: &World, pod: &Pod| pod.ends(world);
    let another = |world: &World, pod: &Pod| {
        pod.ends(world);
        Pod::new(world, &pod.name);
    };
    let failed =
        |world: &World, pod: &Pod| world.api().change_pod(&pod.name, |pod| pod["status"]["phase"] = "Failed".into());
    let succeeded =
        |world: &World, pod: &Pod| world.api().change_pod(&pod.name, |pod| pod["status"]["phase"] = "Succeeded".into());
    for end in [&gone as &dyn Fn(&World, &Pod), &another, &failed, &succeeded] {
        let world = World::in_kubernetes();
        let (first, checkpoint) = killed(&world);
        end(&world, &first);
        let second = Pod::new(&world, "orders-2");
        let process = world.run(&second.how());
        restores(&world, process, &checkpoint);
    }
}

#[test]
fn a_holder_that_was_killed_is_waited_for_while_its_pod_is_there() {
    let world = World::in_kubernetes();
    let (first, checkpoint) = killed(&world);
    // Its node does not answer: nobody knows what runs there.
    world.api().change_pod(&first.name, |pod| pod["status"]["phase"] = "Unknown".into());
    world.api().delete_pod(&first.name, 30);
    let second = Pod::new(&world, "orders-2");
    let waiting = world.run(&second.how());
    waits_because(&waiting);
    looked_at(&world, &first, 2);
    assert_eq!(world.flink.starts().len(), 1);
    first.ends(&world);
    restores(&world, waiting, &checkpoint);
}

#[test]
fn a_container_that_starts_again_in_its_own_pod_waits_for_nobody() {
    let world = World::in_kubernetes();
    let (first, checkpoint) = killed(&world);
    let process = world.run(&first.how());
    restores(&world, process, &checkpoint);
}

#[test]
fn an_api_server_that_can_not_say_whether_the_holder_lives_is_waited_for() {
    each(&[Fault::Code(500), Fault::Forbidden, Fault::Reset, Fault::HalfBody], |fault| {
        let world = World::in_kubernetes();
        let (first, checkpoint) = killed(&world);
        world.api().fault(&Call::to("get", "pods").named(&first.name), fault, usize::MAX);
        first.ends(&world);
        let second = Pod::new(&world, "orders-2");
        let waiting = world.run(&second.how());
        let reason = waits_because(&waiting);
        assert!(reason.contains("pods/orders-1"), "{reason}");
        looked_at(&world, &first, 1);
        assert_eq!(world.flink.starts().len(), 1);
        world.api().heal();
        restores(&world, waiting, &checkpoint);
    });
}

#[test]
fn a_person_can_say_that_the_holder_is_gone() {
    let world = World::in_kubernetes();
    let (_, checkpoint) = killed(&world);
    let second = Pod::new(&world, "orders-2");
    let waiting = world.run(&second.how());
    let reason = waits_because(&waiting);
    assert!(reason.contains("takeover"), "names the way out: {reason}");
    let said = world.verb(&["takeover"]);
    assert_eq!(said.code, 0, "{said:?}");
    restores(&world, waiting, &checkpoint);
}

#[test]
fn a_pod_that_waits_for_another_ends_when_it_is_told_to() {
    let world = World::in_kubernetes();
    let first = Pod::new(&world, "orders-1");
    let running = world.up(&first.how());
    let second = Pod::new(&world, "orders-2");
    let waiting = world.run(&second.how());
    waits_because(&waiting);
    told_to_end(waiting);
    second.ends(&world);
    let savepoint = world.stopped_with_savepoint(running);
    world.next_restores(&savepoint);
}

#[test]
fn of_two_pods_that_start_at_once_one_runs_and_the_other_waits() {
    let world = World::in_kubernetes();
    let savepoint = super::one_epoch(&world, "orders-1");
    let pods = [Pod::new(&world, "orders-2"), Pod::new(&world, "orders-3")];
    let processes = pods.each_ref().map(|pod| world.run(&pod.how()));
    let find = || processes.iter().position(|process| process.find("the restore is confirmed").is_some());
    let winner = eventually("one that runs", LONG, find);
    let loser = 1 - winner;
    waits_because(&processes[loser]);
    looked_at(&world, &pods[winner], 2);
    assert_eq!((world.flink.starts().len(), world.told()), (2, Some(savepoint)));
    let [second, third] = processes;
    let (winning, losing) = if winner == 0 { (second, third) } else { (third, second) };
    let savepoint = world.stopped_with_savepoint(winning);
    restores(&world, losing, &savepoint);
}

#[test]
fn a_pod_that_the_api_server_has_forgotten_writes_nothing_once_another_has_begun() {
    let world = World::in_kubernetes();
    let first = Pod::new(&world, "orders-1");
    let mut stale = world.up(&first.how());
    // Deleted by force: its containers live on for a while.
    first.ends(&world);
    let elsewhere = world.elsewhere();
    let second = Pod::new(&world, "orders-2");
    let running = elsewhere.up(&second.how());
    let (code, _) = terminate(&mut stale, LONG);
    assert_eq!(code, 143, "{}", stale.text());
    assert!(world.recorded(1, "stopped").is_none(), "{}", stale.text());
    let savepoint = elsewhere.stopped_with_savepoint(running);
    elsewhere.next_restores(&savepoint);
}

/// Flink's election must not pass over the gate: a standby that was let in before the leader's clean stop, of which Flink keeps nothing,
/// would begin again from what the standby itself had been started with.
#[test]
fn a_standby_under_high_availability_waits_at_its_gate_and_takes_over_when_the_leader_is_gone() {
    const JOB: &str = "00000000c0ffee000000000000000000";
    let world = World::in_kubernetes();
    let storage = format!("high-availability.storageDir: {}", url(&world.path("ha")));
    world.configure(&["high-availability.type: kubernetes", &storage, "high-availability.cluster-id: orders"]);
    std::fs::create_dir_all(world.path("ha/orders")).unwrap();
    let under_one_id = |pod: &Pod| How { arguments: vec!["--job-id".to_owned(), JOB.to_owned()], ..pod.how() };

    let leader = Pod::new(&world, "orders-1");
    let mut leading = world.up(&under_one_id(&leader));
    let standby = Pod::new(&world, "orders-2");
    let waiting = world.run(&under_one_id(&standby));
    assert!(waits_because(&waiting).contains("orders-1"));
    world.flink.checkpoint();
    let checkpoint = world.flink.checkpoint();
    std::fs::write(world.path("ha/orders/submittedJobGraph1"), "a job").unwrap();
    let recovered = completed_checkpoint(2, &checkpoint, JOB);
    std::fs::write(world.path("ha/orders/completedCheckpoint2"), recovered).unwrap();

    let agent = leading.agent().as_raw();
    kill_hard(&mut leading);
    eventually("the agent's end", LONG, || (!is_alive(agent)).then_some(()));
    looked_at(&world, &leader, 2);
    assert_eq!(world.flink.starts().len(), 1);
    leader.ends(&world);
    waiting.logged("the restore is confirmed", LONG);
    assert_eq!(world.told().as_deref(), Some(checkpoint.as_str()));
    std::fs::remove_dir_all(world.path("ha/orders")).unwrap();
    world.stopped_with_savepoint(waiting);
}
