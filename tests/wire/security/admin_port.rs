//! The port that everybody in the cluster can reach.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;

use crate::support::eventually;
use crate::support::fake_flink::Call;
use crate::support::process::Process;
use crate::world::{LONG, World, how};

fn port(process: &Process) -> u16 {
    let address = process.logged("agent is up", LONG)["admin"].as_str().unwrap().to_owned();
    address.rsplit(':').next().unwrap().parse().unwrap()
}

/// The status of an answer, whose body may have no end.
fn status(port: u16, method: &str, path: &str, body: &str) -> u16 {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    let length = body.len();
    write!(stream, "{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}").unwrap();
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).unwrap();
    line.split(' ').nth(1).unwrap_or_else(|| panic!("{method} {path}: {line:?}")).parse().unwrap()
}

#[test]
fn nothing_that_is_asked_over_tcp_changes_anything() {
    let world = World::new();
    let point = world.one_epoch();
    let process = world.up(&how());
    world.flink.checkpoint();
    // From here on the agent has nothing to write of itself.
    eventually("the first checkpoint's entry", LONG, || world.recorded(2, "progressed"));
    let port = port(&process);
    let read =
        ["/", "/metrics", "/livez", "/readyz", "/api/v1/status", "/api/v1/look", "/api/v1/stop", "/api/v1/checkpoint"];
    let guards =
        ["/api/v1/stop?works_for=2", "/api/v1/stop?waits_for=2", "/api/v1/stop?waits_for=18446744073709551616"];
    let sockets =
        ["/v1/claim", "/v1/started", "/v1/orders", "/v1/stop", "/v1/drain", "/v1/exited", "/v1/ask", "/api/v1/drain"];
    let bodies = [r#"{"epoch":2,"since_ms":0}"#, r#"{"epoch":2,"code":0,"signal":null}"#, r#"{"ask":"fresh"}"#];
    let before = world.entries();
    let mut answered = 0;
    for path in read.iter().chain(&guards).chain(&sockets) {
        for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"] {
            let body = bodies[answered % bodies.len()];
            let status = status(port, method, path, if method == "GET" || method == "HEAD" { "" } else { body });
            let is_meant = method == "GET" && !sockets.contains(path) && *path != "/api/v1/checkpoint"
                || (method, *path) == ("POST", "/api/v1/checkpoint");
            assert_eq!(status != 404, is_meant, "{method} {path}: {status}");
            answered += 1;
        }
    }
    assert_eq!(answered, 152);
    // The record, the marker, the job and what comes next are as they were, and Flink was asked for nothing.
    assert_eq!(world.entries(), before);
    for call in [Call::Stop, Call::TakeCheckpoint, Call::Savepoint, Call::Cancel, Call::Dispose] {
        let stops = usize::from(call == Call::Stop);
        assert_eq!(world.flink.count(call), stops, "{call:?}: the first epoch's stop is the only one");
    }
    assert_eq!(world.flink.job_state(), Some("RUNNING"));
    assert_ne!(world.stopped_with_savepoint(process), point);
}
