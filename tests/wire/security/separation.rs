//! What stands between the Flink container and what people may ask.

use std::path::Path;

use serde_json::{Value, json};

use crate::inject::{inject, objects};
use crate::support::process::Process;
use crate::world::{LONG, World, how};

const JOB_MANAGER: &str = r#"{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"orders"},"spec":{"template":{
    "metadata":{"labels":{"app":"orders"}},"spec":{"containers":[{"name":"main","image":"flink","args":["standalone-job"]}]}}}}"#;

fn containers(pod: &Value) -> Vec<Value> {
    let of = |field: &str| pod[field].as_array().cloned().unwrap_or_default();
    [of("containers"), of("initContainers")].concat()
}

fn mounts(container: &Value) -> Vec<Value> {
    container["volumeMounts"].as_array().cloned().unwrap_or_default()
}

#[test]
fn the_flink_container_mounts_the_run_socket_read_only_and_neither_the_control_socket_nor_a_token() {
    let said = inject(&["-"], JOB_MANAGER);
    assert_eq!(said.code, 0, "{said:?}");
    let workload = objects(&said.out).into_values().find(|object| object["kind"] == "Deployment").unwrap();
    let pod = workload["spec"]["template"]["spec"].clone();
    assert_eq!(pod["automountServiceAccountToken"], json!(false));
    let all = containers(&pod);
    let named = |name: &str| {
        all.iter().find(|container| container["name"] == name).unwrap_or_else(|| panic!("{name}: {pod:#}"))
    };
    let path = |mount: &Value| mount["mountPath"].as_str().unwrap().to_owned();
    let flink = mounts(named("main"));
    let control = Path::new("/run/savepointd/control.sock");
    for mount in &flink {
        assert!(!control.starts_with(path(mount)), "{mount}");
        assert!(!path(mount).contains("serviceaccount"), "{mount}");
    }
    let shared =
        flink.iter().find(|mount| Path::new("/savepointd/run.sock").starts_with(path(mount))).expect("the run socket");
    assert_eq!(shared["readOnly"], json!(true), "{shared}");
    // Nor does the control socket lie in anything that the two share.
    let agents: Vec<Value> =
        mounts(named("savepointd")).into_iter().filter(|mount| control.starts_with(path(mount))).collect();
    for mount in agents {
        assert!(flink.iter().all(|other| other["name"] != mount["name"]), "{mount}");
    }
    let token = mounts(named("savepointd")).iter().any(|mount| path(mount).contains("serviceaccount"));
    assert!(token, "the agent alone has a token");
}

#[test]
fn the_run_socket_knows_nothing_of_what_people_may_ask() {
    let world = World::new();
    world.one_epoch();
    let process = world.up(&how());
    let before = world.entries();
    for ask in ["fresh", "takeover", "unpin", "history"] {
        let body = json!({ "ask": ask }).to_string();
        for path in ["/v1/ask", "/ask", "/v1/pin", "/v1/fresh"] {
            assert_eq!(over(&world.socket(2), "POST", path, &body).0, 404, "{path}");
        }
    }
    // What is no request of this epoch is refused, whatever it says.
    for (path, body, refused) in [
        ("/v1/stop", r#"{"epoch":1,"since_ms":0}"#, 409),
        ("/v1/stop", r#"{"epoch":18446744073709551615,"since_ms":18446744073709551615}"#, 409),
        ("/v1/exited", r#"{"epoch":3,"code":0,"signal":null}"#, 409),
        ("/v1/started", r#"{"epoch":-1}"#, 400),
        ("/v1/claim", "[]", 400),
        ("/v1/claim", "\0\u{1}", 400),
    ] {
        assert_eq!(over(&world.socket(2), "POST", path, body).0, refused, "{path} {body}");
    }
    let long = format!(r#"{{"epoch":1,"since_ms":0,"x":"{}"}}"#, "a".repeat(2 << 20));
    assert_eq!(over(&world.socket(2), "POST", "/v1/stop", &long).0, 400, "a request that is longer than any");
    assert_eq!(world.entries(), before);
    world.stopped_with_savepoint(process);
}

/// One request over a Unix socket.
fn over(socket: &Path, method: &str, path: &str, body: &str) -> (u16, String) {
    use std::io::{Read as _, Write as _};
    let mut stream = std::os::unix::net::UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    let length = body.len();
    let head = format!("{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    // One that has read enough closes before all of it is sent.
    let _ = stream.write_all(body.as_bytes());
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.split(' ').nth(1).unwrap_or_else(|| panic!("{path}: {answer:?}")).parse().unwrap();
    (status, answer)
}

#[test]
fn an_environment_that_is_no_text_is_survived_and_named_where_it_is_ours() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;
    let world = World::new();
    let wild = OsStr::from_bytes(b"\xff\xfe");
    let mut command = world.command(&[]);
    let output = command.arg("history").env("SOMEBODY_ELSES", wild).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let output = command.env("SAVEPOINTD_STOP__GRACE", wild).output().unwrap();
    assert_eq!(output.status.code(), Some(78));
    assert!(String::from_utf8_lossy(&output.stderr).contains("SAVEPOINTD_STOP__GRACE"));
    let run = Process::start(world.command(&[]).args(["run", "--", "true"]).env("SOMEBODY_ELSES", wild));
    run.logged("waiting at the gate; Flink is not started", LONG);
}
