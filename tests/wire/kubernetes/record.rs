//! The record in a ConfigMap: made, read, kept, lost, and cheap.

use std::time::Duration;

use jiff::Timestamp;
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::{CONFIG_MAP, Pod, one_epoch, waits_because};
use crate::support::eventually;
use crate::support::fake_flink::{Call as FlinkCall, Stopping};
use crate::world::{How, LONG, World, kill_hard, signal};

fn config_map(world: &World) -> Value {
    world.api().config_map(CONFIG_MAP).expect("the ConfigMap")
}

#[test]
fn the_first_start_makes_it_and_the_second_restores_what_the_stop_wrote() {
    let world = World::in_kubernetes();
    let first = Pod::new(&world, "orders-1");
    let process = world.up(&first.how());
    let made = config_map(&world);
    let metadata = &made["metadata"];
    assert_eq!(metadata["ownerReferences"], Value::Null, "it outlives the workload: {metadata:#}");
    assert_eq!(metadata["annotations"]["helm.sh/resource-policy"], "keep", "{metadata:#}");
    let argo = metadata["annotations"]["argocd.argoproj.io/sync-options"].as_str().unwrap();
    assert!(argo.contains("Prune=false") && argo.contains("Delete=false"), "{argo}");

    let savepoint = world.stopped_with_savepoint(process);
    let job_id = world.newest()["job_id"].clone();
    let data = &config_map(&world)["data"];
    assert_eq!((&data["savepointPath"], &data["jobId"]), (&savepoint.clone().into(), &job_id), "{data:#}");
    assert_eq!(data["kind"], "final", "{data:#}");
    data["completedAt"].as_str().unwrap().parse::<Timestamp>().unwrap();

    first.ends(&world);
    let second = Pod::new(&world, "orders-2");
    let process = world.up(&second.how());
    assert_eq!(world.told(), Some(savepoint));
    let savepoint = world.stopped_with_savepoint(process);
    assert_eq!(config_map(&world)["data"]["savepointPath"], savepoint);
}

#[test]
fn a_job_that_runs_costs_the_api_server_nothing() {
    let world = World::in_kubernetes();
    let pod = Pod::new(&world, "orders-1");
    let process = world.up(&pod.how());
    world.flink.checkpoint();
    eventually("the first checkpoint is noted", LONG, || world.recorded(1, "progressed"));
    let (asked, looked) = (world.api().requests().len(), world.flink.count(FlinkCall::Jobs));
    for round in 1..=3 {
        world.flink.checkpoint();
        eventually("another look at Flink", LONG, || {
            (world.flink.count(FlinkCall::Jobs) > looked + round).then_some(())
        });
    }
    assert_eq!(world.api().requests().len(), asked, "{:#?}", world.api().requests());
    world.stopped_with_savepoint(process);
}

#[test]
fn every_request_says_who_it_is_from() {
    let world = World::in_kubernetes();
    one_epoch(&world, "orders-1");
    let requests = world.api().requests();
    assert!(!requests.is_empty());
    for request in requests {
        assert!(request.user_agent.starts_with("savepointd/"), "{request:?}");
        assert_eq!(request.token.as_deref(), Some("token-1"), "{request:?}");
    }
}

#[test]
fn what_others_put_into_it_stays() {
    let world = World::in_kubernetes();
    world.api().create_config_map(CONFIG_MAP, &json!({ "team": "checkout" }));
    world.api().change_config_map(CONFIG_MAP, |object| {
        object["metadata"]["labels"] = json!({ "app": "orders" });
        object["binaryData"] = json!({ "key": "AAECAw==" });
    });
    let pod = Pod::new(&world, "orders-1");
    let process = world.up(&pod.how());
    // Between the agent's last look and its next write.
    world.api().change_config_map(CONFIG_MAP, |object| {
        object["metadata"]["annotations"] = json!({ "example.com/reviewed": "yes" });
        object["data"]["note"] = "hands off".into();
    });
    let savepoint = world.stopped_with_savepoint(process);
    let object = config_map(&world);
    let labels = json!({ "app": "orders", "app.kubernetes.io/managed-by": "savepointd" });
    assert_eq!(object["metadata"]["labels"], labels, "{object:#}");
    assert_eq!(object["metadata"]["annotations"], json!({ "example.com/reviewed": "yes" }), "{object:#}");
    assert_eq!(object["binaryData"], json!({ "key": "AAECAw==" }), "{object:#}");
    let data = &object["data"];
    assert_eq!((&data["team"], &data["note"]), (&"checkout".into(), &"hands off".into()), "{data:#}");
    assert_eq!(data["savepointPath"], savepoint, "{data:#}");
}

#[test]
fn one_that_was_filled_with_garbage_is_refused_by_name_and_left_alone() {
    let world = World::in_kubernetes();
    let savepoint = one_epoch(&world, "orders-1");
    world.api().change_config_map(CONFIG_MAP, |object| object["data"]["record"] = "not\nan entry\n".into());
    let before = config_map(&world);
    let pod = Pod::new(&world, "orders-2");
    let process = world.run(&pod.how());
    let reason = waits_because(&process);
    assert!(reason.contains("ConfigMap orders") && reason.contains("not an entry"), "{reason}");
    assert_eq!(config_map(&world), before);
    assert_eq!(world.flink.starts().len(), 1);
    // The way out that the message names: moved away, it is rebuilt from the marker.
    world.api().delete_config_map(CONFIG_MAP);
    process.logged("the restore is confirmed", LONG);
    assert_eq!(world.told(), Some(savepoint));
    world.stopped_with_savepoint(process);
}

#[test]
fn one_that_was_deleted_or_emptied_is_rebuilt_from_the_marker() {
    let emptied = |world: &World| {
        world.api().change_config_map(CONFIG_MAP, |object| object["data"] = Value::Null);
    };
    let deleted = |world: &World| world.api().delete_config_map(CONFIG_MAP);
    for lose in [&emptied as &dyn Fn(&World), &deleted] {
        let world = World::in_kubernetes();
        let savepoint = one_epoch(&world, "orders-1");
        lose(&world);
        let pod = Pod::new(&world, "orders-2");
        let process = world.up(&pod.how());
        assert_eq!(world.told(), Some(savepoint));
        assert!(world.recorded(1, "claimed").is_some() && world.recorded(2, "claimed").is_some());
        world.stopped_with_savepoint(process);
    }
}

#[test]
fn one_that_is_deleted_while_the_job_runs_loses_no_stop() {
    let world = World::in_kubernetes();
    one_epoch(&world, "orders-1");
    let pod = Pod::new(&world, "orders-2");
    let process = world.up(&pod.how());
    world.api().delete_config_map(CONFIG_MAP);
    let savepoint = world.stopped_with_savepoint(process);
    pod.ends(&world);
    let next = Pod::new(&world, "orders-3");
    let process = world.up(&next.how());
    assert_eq!(world.told(), Some(savepoint));
    assert!(world.recorded(3, "claimed").is_some(), "no number is used twice");
    world.stopped_with_savepoint(process);
}

#[test]
fn after_a_kill_the_newest_checkpoint_is_restored() {
    let world = World::in_kubernetes();
    let pod = Pod::new(&world, "orders-1");
    let mut process = world.up(&pod.how());
    world.flink.checkpoint();
    let checkpoint = world.flink.checkpoint();
    kill_hard(&mut process);
    pod.ends(&world);
    let next = Pod::new(&world, "orders-2");
    let process = world.up(&next.how());
    assert_eq!(world.told(), Some(checkpoint));
    world.stopped_with_savepoint(process);
}

#[test]
fn a_stop_needs_four_requests() {
    let world = World::in_kubernetes();
    let pod = Pod::new(&world, "orders-1");
    let process = world.up(&pod.how());
    let confirmed = || world.api().events().into_iter().find(|event| event["reason"] == "RestoreConfirmed");
    eventually("the Event of the confirmed start", LONG, confirmed);
    let before = world.api().requests().len();
    world.stopped_with_savepoint(process);
    let requests = world.api().requests().split_off(before);
    let mut kinds: Vec<String> = requests.iter().map(|one| format!("{} {}", one.verb, one.resource)).collect();
    kinds.sort();
    let notes = ["update configmaps"; 2];
    assert_eq!(kinds, [["create events", "get pods"].as_slice(), &notes].concat(), "deadline, request, outcome");
}

#[test]
fn a_cluster_without_an_id_is_known_by_its_namespaces_uid_and_the_config_maps_name() {
    let folders = [false, true].map(|elsewhere| {
        let world = World::in_kubernetes();
        if elsewhere {
            world.api().recreate_namespace();
        }
        let anonymous = |pod: &Pod| {
            let before = ["env", "-u", "SAVEPOINTD_CLUSTER__ID"].map(str::to_owned).to_vec();
            How { before, ..pod.how() }
        };
        let first = Pod::new(&world, "orders-1");
        let process = world.up(&anonymous(&first));
        let savepoint = world.stopped_with_savepoint(process);
        first.ends(&world);
        let second = Pod::new(&world, "orders-2");
        let process = world.up(&anonymous(&second));
        assert_eq!(world.told(), Some(savepoint.clone()));
        world.stopped_with_savepoint(process);
        let (_, folder) = savepoint.split_once("/savepoints/").unwrap();
        folder.split('/').next().unwrap().to_owned()
    });
    assert!(folders.iter().all(|folder| folder.starts_with("orders-")), "{folders:?}");
    assert_ne!(folders[0], folders[1]);
}

#[test]
fn an_agent_that_dies_while_the_job_runs_takes_its_epoch_up_again() {
    let world = World::in_kubernetes();
    let pod = Pod::new(&world, "orders-1");
    let process = world.up(&pod.how());
    signal(process.agent().as_raw(), Signal::SIGKILL);
    eventually("the new agent knows the job", LONG, || {
        let confirmed = process.log().iter().filter(|line| line["message"] == "the restore is confirmed").count();
        (confirmed > 1).then_some(())
    });
    let savepoint = world.stopped_with_savepoint(process);
    assert!(world.recorded(2, "claimed").is_none());
    assert_eq!(config_map(&world)["data"]["savepointPath"], savepoint);
}

#[test]
fn an_agent_that_dies_during_the_stop_leaves_a_savepoint_that_the_next_pod_finds() {
    let world = World::in_kubernetes();
    let pod = Pod::new(&world, "orders-1");
    let mut process = world.up(&pod.how());
    world.flink.stops(&[Stopping::After(Duration::from_secs(2))]);
    process.signal(Signal::SIGTERM);
    eventually("a request for a stop", LONG, || (world.flink.count(FlinkCall::Stop) > 0).then_some(()));
    signal(process.agent().as_raw(), Signal::SIGKILL);
    assert_eq!(process.exit_code(LONG), 143, "{}", process.text());
    let savepoint = process.logged("stopped", LONG)["point"].as_str().unwrap().to_owned();
    pod.ends(&world);
    let next = Pod::new(&world, "orders-2");
    let process = world.up(&next.how());
    assert_eq!(world.told(), Some(savepoint));
    world.stopped_with_savepoint(process);
}
