//! What does not pass by itself is said in words that name the way out.

use serde_json::json;

use super::{CONFIG_MAP, Pod, one_epoch, told_to_end, waits_because};
use crate::support::eventually;
use crate::support::fake_kubernetes::{Call, Fault};
use crate::world::{LONG, World, each};

#[test]
fn a_role_that_lacks_a_rule_is_told_which() {
    let rules = [
        (Call::to("get", "configmaps"), "resources: [configmaps], resourceNames: [orders], verbs: [get]"),
        (Call::to("update", "configmaps"), "resources: [configmaps], resourceNames: [orders], verbs: [update]"),
        (Call::to("create", "configmaps"), "resources: [configmaps], verbs: [create]"),
    ];
    each(&rules, |(call, rule)| {
        let world = World::in_kubernetes();
        world.api().fault(call, &Fault::Forbidden, usize::MAX);
        let pod = Pod::new(&world, "orders-1");
        let process = world.run(&pod.how());
        let reason = waits_because(&process);
        assert!(reason.contains(rule), "{reason}");
        assert!(reason.contains("is forbidden: User \"system:serviceaccount:shop:flink\" cannot"), "{reason}");
        assert!(world.flink.starts().is_empty());
        // A person grants it, and nothing else has to be done.
        world.api().heal();
        process.logged("the restore is confirmed", LONG);
        world.stopped_with_savepoint(process);
    });
}

#[test]
fn a_role_that_may_not_look_at_pods_is_told_so_before_a_second_pod_starts() {
    let world = World::in_kubernetes();
    let savepoint = one_epoch(&world, "orders-1");
    world.api().fault(&Call::to("get", "pods"), &Fault::Forbidden, usize::MAX);
    let pod = Pod::new(&world, "orders-2");
    let process = world.run(&pod.how());
    let reason = waits_because(&process);
    assert!(reason.contains("resources: [pods]") && reason.contains("verbs: [get]"), "{reason}");
    world.api().heal();
    process.logged("the restore is confirmed", LONG);
    assert_eq!(world.told(), Some(savepoint));
    world.stopped_with_savepoint(process);
}

#[test]
fn a_config_map_that_others_have_filled_to_its_limit_is_named() {
    let world = World::in_kubernetes();
    let most = "x".repeat((1 << 20) - 100);
    world.api().create_config_map(CONFIG_MAP, &json!({ "theirs": most }));
    let pod = Pod::new(&world, "orders-1");
    let process = world.run(&pod.how());
    let reason = waits_because(&process);
    assert!(reason.contains("may not be more than 1048576 bytes"), "{reason}");
    assert!(reason.contains("configmaps/orders"), "{reason}");
    assert!(world.flink.starts().is_empty());
    world.api().change_config_map(CONFIG_MAP, |object| object["data"]["theirs"] = "less".into());
    process.logged("the restore is confirmed", LONG);
    world.stopped_with_savepoint(process);
}

#[test]
fn a_pod_that_the_api_server_does_not_know_claims_nothing() {
    let world = World::in_kubernetes();
    let savepoint = one_epoch(&world, "orders-0");
    // Deleted by force while its containers begin; another one of its name is there already.
    let forced = Pod::new(&world, "orders-0");
    forced.ends(&world);
    let stale = world.run(&forced.how());
    let reason = waits_because(&stale);
    assert!(reason.contains("no pod orders-0 in namespace shop"), "{reason}");
    assert!(reason.contains("SAVEPOINTD_POD__NAME"), "names what may be wrong: {reason}");
    let current = Pod::new(&world, "orders-0");
    let why = || stale.log().iter().any(|line| line["reason"].to_string().contains(&forced.uid)).then_some(());
    eventually("the stale pod sees the other one", LONG, why);
    assert!(world.recorded(2, "claimed").is_none());
    let process = world.up(&current.how());
    assert_eq!(world.told(), Some(savepoint));
    told_to_end(stale);
    world.stopped_with_savepoint(process);
}
