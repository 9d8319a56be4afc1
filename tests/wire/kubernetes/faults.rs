//! Whatever the API server answers, at whichever request: nothing is lost, nothing starts empty, every stop ends in time.

use std::time::Duration;

use super::{CONFIG_MAP, Pod, one_epoch, said, told_to_end, waits_because};
use crate::support::eventually;
use crate::support::fake_flink::Call as FlinkCall;
use crate::support::fake_kubernetes::{Call, Fault};
use crate::world::{LONG, World, each, terminate};

/// What passes by itself, and how often it comes.
const PASSING: [(Fault, usize); 10] = [
    (Fault::Code(500), 3),
    (Fault::Code(503), 2),
    (Fault::Code(504), 2),
    (Fault::Code(410), 2),
    (Fault::TooManyRequests(1), 2),
    (Fault::Reset, 3),
    (Fault::HalfBody, 2),
    (Fault::Hang, 1),
    (Fault::Delay(Duration::from_millis(500)), 2),
    (Fault::Overtaken, 2),
];
/// Done, but the answer does not come.
const DONE_UNSEEN: [(Fault, usize); 2] = [(Fault::LostReply, 1), (Fault::HangingReply, 1)];

fn update() -> Call {
    Call::to("update", "configmaps")
}

#[test]
fn a_first_start_waits_until_a_fault_has_passed_and_begins_once() {
    let faults = [PASSING.as_slice(), &DONE_UNSEEN].concat();
    each(&faults, |(fault, times)| {
        let world = World::in_kubernetes();
        world.api().fault(&Call::to("create", "configmaps"), fault, *times);
        let pod = Pod::new(&world, "orders-1");
        let process = world.up(&pod.how());
        assert_eq!((world.told(), world.flink.starts().len()), (None, 1));
        assert_eq!((said(&world, 1, "claimed"), said(&world, 2, "claimed")), (1, 0), "{:#?}", world.entries());
        world.stopped_with_savepoint(process);
    });
}

#[test]
fn a_start_that_can_not_read_the_record_waits_and_never_begins_empty() {
    each(&PASSING, |(fault, times)| {
        let world = World::in_kubernetes();
        let savepoint = one_epoch(&world, "orders-1");
        world.api().fault(&Call::to("get", "configmaps"), fault, *times);
        let pod = Pod::new(&world, "orders-2");
        let process = world.up(&pod.how());
        assert_eq!(world.told(), Some(savepoint));
        world.stopped_with_savepoint(process);
    });
}

#[test]
fn a_start_whose_writes_go_wrong_restores_the_same_and_claims_one_epoch() {
    let faults = [PASSING.as_slice(), &DONE_UNSEEN].concat();
    // What the second epoch says of itself.
    for what in [r#"\"epoch\":2,\"fact\":{\"what\":\"claimed"#, r#"\"epoch\":2,\"fact\":{\"what\":\"based"#] {
        each(&faults, |(fault, times)| {
            let world = World::in_kubernetes();
            let savepoint = one_epoch(&world, "orders-1");
            world.api().fault(&update().saying(what), fault, *times);
            let pod = Pod::new(&world, "orders-2");
            let process = world.up(&pod.how());
            assert_eq!(world.told(), Some(savepoint));
            let times = ["claimed", "based"].map(|what| said(&world, 2, what));
            assert_eq!((times, said(&world, 3, "claimed")), ([1, 1], 0), "{:#?}", world.entries());
            world.stopped_with_savepoint(process);
        });
    }
}

#[test]
fn an_api_server_that_is_away_is_waited_for_and_its_words_are_told() {
    let faults = [
        (Fault::Code(500), "answered 500: Internal error occurred: etcdserver: request timed out"),
        (Fault::Code(503), "answered 503: service unavailable"),
        (Fault::TooManyRequests(2), "answered 429: Too many requests, please try again later."),
        (Fault::Reset, "no answer from the Kubernetes API"),
        (Fault::Hang, "no answer from the Kubernetes API within 5s"),
    ];
    each(&faults, |(fault, words)| {
        let world = World::in_kubernetes();
        let savepoint = one_epoch(&world, "orders-1");
        world.api().fault(&Call::any(), fault, usize::MAX);
        let pod = Pod::new(&world, "orders-2");
        let process = world.run(&pod.how());
        let reason = waits_because(&process);
        assert!(reason.contains(words) && reason.contains("/api/v1/namespaces/shop/"), "{reason}");
        assert_eq!(world.flink.starts().len(), 1);
        world.api().heal();
        process.logged("the restore is confirmed", LONG);
        assert_eq!(world.told(), Some(savepoint));
        let foreign = process.log().into_iter().find(|line| line["level"] == "ERROR");
        assert_eq!(foreign, None, "what passes is no error");
        world.stopped_with_savepoint(process);
    });
}

#[test]
fn a_pod_that_waits_for_the_api_server_ends_when_it_is_told_to() {
    let world = World::in_kubernetes();
    world.api().fault(&Call::any(), &Fault::Code(503), usize::MAX);
    let pod = Pod::new(&world, "orders-1");
    let process = world.run(&pod.how());
    waits_because(&process);
    told_to_end(process);
    assert!(world.flink.starts().is_empty());
}

#[test]
fn a_stop_during_a_fault_that_passes_is_recorded_once() {
    let faults = [PASSING.as_slice(), &DONE_UNSEEN].concat();
    // At the note before the request to Flink, and at the outcome.
    for word in ["attempted", "stopped"] {
        each(&faults, |(fault, times)| {
            let world = World::in_kubernetes();
            let pod = Pod::new(&world, "orders-1");
            let process = world.up(&pod.how().grace("30s", "3s"));
            world.api().fault(&update().saying(word), fault, *times);
            let savepoint = world.stopped_with_savepoint(process);
            assert_eq!(world.flink.trigger_ids().len(), 1, "a second request would destroy the first");
            world.api().heal();
            let data = &world.api().config_map(CONFIG_MAP).unwrap()["data"];
            assert_eq!(data["savepointPath"], savepoint, "{data}");
            let times = ["saved", "stopped"].map(|what| said(&world, 1, what));
            assert_eq!(times, [1, 1], "a write that landed is no conflict with itself: {data}");
            // The note is tried once: the request to Flink is more urgent.
            assert!(said(&world, 1, "attempted") <= 1, "{data}");
            world.next_restores(&savepoint);
        });
    }
}

#[test]
fn a_stop_without_an_api_server_saves_ends_in_time_and_is_found_by_the_next_start() {
    let faults = [Fault::Code(500), Fault::Code(403), Fault::TooManyRequests(60), Fault::Reset, Fault::Hang];
    each(&faults, |fault| {
        let world = World::in_kubernetes();
        let pod = Pod::new(&world, "orders-1");
        let mut process = world.up(&pod.how().grace("6s", "2s"));
        world.flink.checkpoint();
        eventually("the first checkpoint is noted", LONG, || world.recorded(1, "progressed"));
        world.api().fault(&Call::any(), fault, usize::MAX);
        let (code, took) = terminate(&mut process, LONG);
        assert_eq!(code, 143, "{}", process.text());
        assert!(took < Duration::from_secs(6), "{took:?}: {}", process.text());
        assert_eq!(process.logged("stopped", LONG)["outcome"], "savepoint", "{}", process.text());
        world.api().heal();
        pod.ends(&world);
        let next = Pod::new(&world, "orders-2");
        let process = world.up(&next.how());
        let told = world.told().expect("a restore");
        assert!(told.contains("/orders/1/savepoint-"), "{told}");
        world.stopped_with_savepoint(process);
    });
}

/// An epoch in this pod whose stop finds no API server, and far more time than it needs; gives its savepoint.
fn stopped_without_an_api_server(world: &World, pod: &Pod, fault: &Fault) -> String {
    // Whoever waits for the record until the reserve waits longer than the test does.
    let mut process = world.up(&pod.how().grace("10m", "3s"));
    world.flink.checkpoint();
    eventually("the first checkpoint is noted", LONG, || world.recorded(1, "progressed"));
    world.api().fault(&Call::any(), fault, usize::MAX);
    let (code, _) = terminate(&mut process, LONG);
    assert_eq!(code, 143, "{}", process.text());
    let stopped = process.logged("stopped", LONG);
    assert_eq!((&stopped["outcome"], &stopped["recorded"]), (&"savepoint".into(), &false.into()), "{stopped}");
    process.logged("the record is late: the marker says the outcome, and the next start reads it there", LONG);
    assert_eq!(["saved", "stopped"].map(|what| said(world, 1, what)), [0, 0]);
    world.api().heal();
    stopped["point"].as_str().unwrap().to_owned()
}

#[test]
fn a_savepoint_that_is_durable_does_not_wait_for_the_api_server_until_the_deadline() {
    each(&[Fault::Code(500), Fault::Code(403), Fault::Reset, Fault::Hang], |fault| {
        let world = World::in_kubernetes();
        let savepoint = stopped_without_an_api_server(&world, &Pod::new(&world, "orders-1"), fault);
        // The marker tells that the epoch is over: nobody has to wait until the pod is gone.
        let next = Pod::new(&world, "orders-2");
        let process = world.up(&next.how());
        assert_eq!(world.told(), Some(savepoint));
        world.stopped_with_savepoint(process);
    });
}

#[test]
fn a_savepoint_that_only_the_marker_told_of_and_that_is_gone_is_missed() {
    let world = World::in_kubernetes();
    let pod = Pod::new(&world, "orders-1");
    let savepoint = stopped_without_an_api_server(&world, &pod, &Fault::Code(500));
    pod.ends(&world);
    std::fs::remove_dir_all(savepoint.strip_prefix("file://").unwrap()).unwrap();
    // The checkpoint before it is there and whole: without the marker's word it would be restored, in silence.
    let reason = world.next("refuse");
    assert!(reason.contains(&savepoint), "{reason}");
}

#[test]
fn an_api_server_that_asks_for_patience_gets_it() {
    let world = World::in_kubernetes();
    let pod = Pod::new(&world, "orders-1");
    let process = world.up(&pod.how());
    let confirmed = || world.api().events().into_iter().find(|event| event["reason"] == "RestoreConfirmed");
    eventually("the Event of the confirmed start", LONG, confirmed);
    let before = world.api().requests().len();
    // Longer than a request may take.
    world.api().fault(&Call::any(), &Fault::TooManyRequests(7), 1);
    world.flink.checkpoint();
    eventually("the first checkpoint is noted", LONG, || world.recorded(1, "progressed"));
    let requests = world.api().requests().split_off(before);
    let pause = requests[1].at.duration_since(requests[0].at);
    assert!(pause >= Duration::from_secs(7), "{pause:?}: {requests:#?}");
    world.stopped_with_savepoint(process);
}

#[test]
fn an_api_server_that_asked_for_patience_delays_no_stop() {
    let world = World::in_kubernetes();
    let pod = Pod::new(&world, "orders-1");
    let mut process = world.up(&pod.how().grace("12s", "6s"));
    world.api().fault(&Call::any(), &Fault::TooManyRequests(60), usize::MAX);
    let before = world.flink.count(FlinkCall::Stop);
    process.signal(nix::sys::signal::Signal::SIGTERM);
    eventually("a request to Flink", Duration::from_secs(10), || {
        (world.flink.count(FlinkCall::Stop) > before).then_some(())
    });
    world.api().heal();
    assert_eq!(process.exit_code(LONG), 143, "{}", process.text());
    assert_eq!(process.logged("stopped", LONG)["outcome"], "savepoint", "{}", process.text());
}

#[test]
fn events_that_can_not_be_left_are_nobodys_problem() {
    each(&[Fault::Forbidden, Fault::Hang, Fault::Code(500)], |fault| {
        let world = World::in_kubernetes();
        world.api().fault(&Call::to("create", "events"), fault, usize::MAX);
        let savepoint = one_epoch(&world, "orders-1");
        let pod = Pod::new(&world, "orders-2");
        let process = world.up(&pod.how());
        assert_eq!(world.told(), Some(savepoint));
        world.stopped_with_savepoint(process);
    });
}

#[test]
fn a_token_that_was_rotated_is_read_again() {
    let world = World::in_kubernetes();
    let pod = Pod::new(&world, "orders-1");
    let process = world.up(&pod.how());
    world.api().rotate("token-2");
    world.api().kubeconfig(&world.path("kubeconfig"));
    let savepoint = world.stopped_with_savepoint(process);
    assert_eq!(world.api().config_map(CONFIG_MAP).unwrap()["data"]["savepointPath"], savepoint);
    pod.ends(&world);

    // Now the new token comes late.
    world.api().rotate("token-3");
    let next = Pod::new(&world, "orders-2");
    let process = world.run(&next.how());
    let reason = waits_because(&process);
    assert!(reason.contains("401") && reason.contains("Unauthorized"), "{reason}");
    world.api().kubeconfig(&world.path("kubeconfig"));
    process.logged("the restore is confirmed", LONG);
    assert_eq!(world.told(), Some(savepoint));
    world.stopped_with_savepoint(process);
}
