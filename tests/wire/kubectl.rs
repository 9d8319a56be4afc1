//! `kubectl savepoints`: what records say of all clusters, and what the agent of one of them says.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::kubernetes::Pod;
use crate::support::fake_kubernetes::NAMESPACE;
use crate::support::process::binary;
use crate::world::{Said, World};

/// The plugin, in a directory of its own: kubectl finds it by its name. `path`: where it finds kubectl.
fn plugin(world: &World, path: &Path, words: &[&str]) -> Said {
    let program = world.path("kubectl-savepoints");
    if !program.exists() {
        std::os::unix::fs::symlink(binary(), &program).unwrap();
    }
    let mut command = Command::new(&program);
    let inherited = std::env::var("PATH").unwrap();
    for (name, value) in world.command(&[]).get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.args(words).env("SPTEST_BINARY", binary()).env("PATH", format!("{}:{inherited}", path.display()));
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Said { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
}

fn asked(world: &World, words: &[&str]) -> Said {
    plugin(world, &Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wire"), words)
}

/// What kubectl was called with.
fn calls(world: &World) -> String {
    fs::read_to_string(world.path("fake/kubectl.log")).unwrap_or_default()
}

fn serve(world: &World, resource: &str, items: &[Value]) {
    let list = json!({ "apiVersion": "v1", "kind": "List", "items": items });
    fs::write(world.path("fake").join(format!("{resource}.json")), list.to_string()).unwrap();
}

fn record(world: &World) -> Value {
    world.api().config_map("orders").unwrap()
}

/// A cluster that was stopped with a savepoint, whose next pod waits already.
fn stopped() -> (World, String) {
    let world = World::in_kubernetes();
    let pod = Pod::new(&world, "orders-1");
    let process = world.up(&pod.how());
    let savepoint = world.stopped_with_savepoint(process);
    serve(&world, "configmaps", &[record(&world)]);
    let sidecar =
        json!({ "name": "savepointd", "env": [{ "name": "SAVEPOINTD_RECORD", "value": "configmap:///orders" }] });
    let next = json!({
        "metadata": { "name": "orders-2", "uid": "u2", "creationTimestamp": "2026-11-23T06:00:00Z" },
        "spec": { "containers": [{ "name": "jobmanager" }], "initContainers": [sidecar] },
        "status": { "phase": "Running" },
    });
    serve(&world, "pods", &[next]);
    (world, savepoint)
}

#[test]
fn all_clusters_are_listed_by_their_records() {
    let (world, savepoint) = stopped();
    let said = asked(&world, &["-n", NAMESPACE, "--context", "prod"]);
    assert_eq!((said.code, said.err.as_str()), (0, ""), "{said:?}");
    let lines: Vec<&str> = said.out.lines().collect();
    assert!(
        lines[0].starts_with("CLUSTER  EPOCH  NEWEST") && lines[1].starts_with("orders       1  final"),
        "{said:?}"
    );
    assert!(lines[1].ends_with("  savepoint") && lines[2] == format!("  {savepoint}"), "{said:?}");
    let selector = "app.kubernetes.io/managed-by=savepointd";
    let call = format!("--context=prod get configmaps --output=json --namespace={NAMESPACE} --selector={selector}\n");
    assert_eq!(calls(&world), call);
    let (name, value) = selector.split_once('=').unwrap();
    assert_eq!(record(&world)["metadata"]["labels"][name], value, "the agent labels what it makes");

    let said = asked(&world, &["-A", "-o", "json"]);
    let listed: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(
        (&listed[0]["namespace"], &listed[0]["path"], &listed[0]["outcome"], &listed[0]["holder"]["pod"]),
        (&json!(NAMESPACE), &json!(savepoint), &json!("savepoint"), &json!("orders-1")),
        "{listed:#}"
    );
    assert!(calls(&world).ends_with(&format!("get configmaps --output=json --all-namespaces --selector={selector}\n")));
}

#[test]
fn a_record_that_somebody_else_made_is_found_too() {
    let world = World::in_kubernetes();
    world.api().create_config_map("orders", &json!({ "team": "checkout" }));
    let pod = Pod::new(&world, "orders-1");
    drop(world.up(&pod.how()));
    assert_eq!(record(&world)["metadata"]["labels"]["app.kubernetes.io/managed-by"], "savepointd");
}

#[test]
fn one_cluster_answers_through_its_agent() {
    let (world, savepoint) = stopped();
    let said = asked(&world, &["plan", "orders", "-n", NAMESPACE]);
    assert_eq!((said.code, said.out.starts_with(&format!("restore {savepoint}\n"))), (0, true), "{said:?}");
    let exec = format!("exec --namespace={NAMESPACE} orders-2 --container=savepointd -- /bin/savepointd plan\n");
    assert!(calls(&world).ends_with(&exec), "{}", calls(&world));
    let plan: Value = serde_json::from_str(&asked(&world, &["plan", "orders", "-o", "json"]).out).unwrap();
    assert_eq!(plan["path"], savepoint);
    assert!(asked(&world, &["history", "orders"]).out.contains(&savepoint));

    assert_eq!(asked(&world, &["pin", "orders", &savepoint]).code, 0);
    serve(&world, "configmaps", &[record(&world)]);
    assert!(asked(&world, &[]).out.contains("the next start restores what is pinned:\n"));
    assert_eq!(asked(&world, &["fresh", "orders"]).code, 0);
    serve(&world, "configmaps", &[record(&world)]);
    assert!(asked(&world, &[]).out.contains("the next start begins with nothing"));
    assert_eq!(asked(&world, &["unpin", "orders"]).code, 0);
    // The exit code is that of the agent's answer.
    assert_eq!(asked(&world, &["pin", "orders", "file:///nowhere"]).code, 77);
}

#[test]
fn what_is_missing_is_said_with_the_way_out() {
    let (world, _) = stopped();
    let said = asked(&world, &["plan", "payments", "-n", NAMESPACE]);
    assert_eq!(
        (said.code, said.err.as_str()),
        (77, "savepointd: there is no record \"payments\" in namespace shop. There are: orders\n")
    );
    serve(&world, "pods", &[]);
    let said = asked(&world, &["plan", "orders"]);
    assert!(said.code == 75 && said.err.contains("pod orders-1, which ran it last, does not run"), "{said:?}");
    serve(&world, "configmaps", &[]);
    let said = asked(&world, &[]);
    assert!(said.code == 0 && said.out.is_empty() && said.err.contains("no record is found"), "{said:?}");
    // What kubectl says itself comes through.
    fs::remove_file(world.path("fake/configmaps.json")).unwrap();
    let said = asked(&world, &[]);
    assert!(said.code == 75 && said.err.contains("No such file"), "{said:?}");
    let said = asked(&world, &["plam", "orders"]);
    assert!(said.code == 64 && said.err.contains("a similar subcommand exists: 'plan'"), "{said:?}");
}
