//! `savepointd doctor`, on real stores.

use std::process::Command;

use serde_json::Value;

use super::support::process::binary;
use super::support::store_proxy::{Fault, StoreProxy, Upstream};
use super::support::stores::Store;

/// Exit code, and the findings.
fn doctor(store: &Store, variables: &[(&str, &str)]) -> (i32, Vec<Value>) {
    let bucket = &store.bucket;
    let mut command = Command::new(binary());
    command.args(["doctor", "--output", "json", "--record", &format!("{bucket}/record")]);
    command.args(["--set", &format!("savepoint.directory={bucket}/sp")]);
    command.args(["--set", &format!("checkpoint.directory={bucket}/chk")]);
    command.envs(store.variables.iter().cloned()).envs(variables.iter().copied());
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let findings = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{output:?}"));
    (output.status.code().unwrap(), findings)
}

fn bad(findings: &[Value]) -> Vec<&Value> {
    findings.iter().filter(|finding| finding["verdict"] == "bad").collect()
}

#[test]
fn what_is_well_is_called_so_and_left_as_it_was() {
    let store = Store::minio();
    let (code, findings) = doctor(&store, &[]);
    assert_eq!(code, 0, "{findings:#?}");
    // No Flink runs here.
    let good = |finding: &Value| finding["verdict"] == "good" || finding["about"] == "the running job";
    assert!(findings.iter().all(good), "{findings:#?}");
    let about = |word: &str| findings.iter().any(|finding| finding["about"].as_str().unwrap().starts_with(word));
    assert!(about("record ") && about("savepoint directory ") && about("checkpoint directory "), "{findings:#?}");
    let requests = store.proxy.requests();
    let count = |method: &str| requests.iter().filter(|request| request.starts_with(method)).count();
    assert_eq!(count("PUT"), 8, "two for each object, two objects for each of two places: {requests:#?}");
    assert_eq!(count("DELETE") + count("POST"), 4, "{requests:#?}");
}

#[test]
fn a_store_that_ignores_conditions_is_found_out() {
    let store = Store::google();
    let careless = StoreProxy::before(store.direct, Upstream::Careless);
    let endpoint = format!("127.0.0.1:{}", careless.port);
    let (code, findings) = doctor(&store, &[("STORAGE_EMULATOR_HOST", &endpoint)]);
    assert_eq!(code, 77, "{findings:#?}");
    assert_eq!(bad(&findings).len(), 2, "record and savepoint directory: {findings:#?}");
    assert!(bad(&findings)[0]["found"].as_str().unwrap().contains("two create the same object"), "{findings:#?}");
}

#[test]
fn what_is_forbidden_comes_with_its_way_out() {
    let store = Store::minio();
    store.proxy.fault("PUT", "/record/", Fault::Status(403), usize::MAX);
    let (code, findings) = doctor(&store, &[]);
    assert_eq!(code, 77, "{findings:#?}");
    let [bad] = bad(&findings).try_into().unwrap_or_else(|_| panic!("{findings:#?}"));
    assert!(bad["about"].as_str().unwrap().starts_with("record s3://state/record"), "{bad}");
    assert!(bad["found"].as_str().unwrap().contains("AWS_ACCESS_KEY_ID"), "{bad}");
    assert!(bad["fix"].as_str().unwrap().contains("let these credentials"), "{bad}");
}
