//! More of everything than anybody needs: scrapes, slow clients, answers of Flink, history. What an agent holds afterwards is what it held
//! before.

use std::fmt::Write as _;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;

use nix::sys::signal::Signal;
use nix::unistd::Pid;

use crate::support::fake_flink::{Call, Fault};
use crate::support::process::Process;
use crate::support::{eventually, http};
use crate::world::{LONG, World, how};

fn port(process: &Process) -> u16 {
    let address = process.logged("agent is up", LONG)["admin"].as_str().unwrap().to_owned();
    address.rsplit(':').next().unwrap().parse().unwrap()
}

/// In KiB.
fn memory(pid: Pid, which: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with(which)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn descriptors(pid: Pid) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
}

/// What Prometheus, people, probes and guards ask in so many rounds.
fn rounds(port: u16, count: usize) {
    for _ in 0..count {
        for path in ["/metrics", "/livez", "/api/v1/status", "/"] {
            assert_eq!(eventually(path, LONG, || http::get(port, path)).0, 200, "{path}");
        }
        // A guard that comes and goes.
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.write_all(b"GET /api/v1/stop?works_for=1 HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        assert!(stream.read(&mut [0; 64]).unwrap() > 0);
    }
}

fn goes_on_without_growth(count: usize) {
    let world = World::new();
    let process = world.up(&how());
    let (port, agent) = (port(&process), process.agent());
    // What is allocated once is allocated by then.
    rounds(port, count / 10);
    let (before, files) = (memory(agent, "VmRSS"), descriptors(agent));
    rounds(port, count);
    eventually("the connections' end", LONG, || (descriptors(agent) <= files).then_some(()));
    let after = memory(agent, "VmRSS");
    assert!(after < before + 4_096, "{before} KiB before, {after} KiB after {count} rounds");
    eprintln!("{count} rounds: {before} KiB before, {after} KiB after");
    world.stopped_with_savepoint(process);
}

#[test]
fn requests_leave_neither_memory_nor_descriptors_behind() {
    goes_on_without_growth(200);
}

/// As many as a day brings with a scrape every fifteen seconds, and more than ten thousand scrapes with the warming up.
#[test]
#[ignore = "full size"]
fn a_day_of_requests_leaves_neither_memory_nor_descriptors_behind() {
    goes_on_without_growth(10_000);
}

/// From an address of its own, as another pod has one.
fn from(address: [u8; 4], port: u16) -> std::io::Result<TcpStream> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let stream = runtime.block_on(async {
        let socket = tokio::net::TcpSocket::new_v4()?;
        socket.bind(SocketAddr::from((address, 0)))?;
        socket.connect(SocketAddr::from(([127, 0, 0, 1], port))).await?.into_std()
    })?;
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(LONG))?;
    Ok(stream)
}

#[test]
fn slow_clients_on_every_listener_keep_neither_others_out_nor_a_stop_from_its_savepoint() {
    let world = World::new();
    let process = world.up(&how());
    let (port, agent) = (port(&process), process.agent());
    // One neighbour opens all that it can, and says half a request on each.
    let mut held = Vec::new();
    for _ in 0..600 {
        let mut stream = from([127, 0, 0, 9], port).unwrap();
        let _ = stream.write_all(b"GET /metrics HTTP/1.1\r\nHos");
        held.push(stream);
    }
    // What is beyond its share is closed at once.
    let refused = held.last_mut().unwrap();
    assert!(
        refused.read(&mut [0; 8]).is_ok_and(|read| read == 0)
            || refused.peer_addr().is_err()
            || refused.read(&mut [0]).is_err()
    );
    assert!(descriptors(agent) < 600, "{}", descriptors(agent));
    let mut other = from([127, 0, 0, 10], port).unwrap();
    other.write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    other.read_to_string(&mut answer).unwrap();
    assert!(answer.contains(" 200 ") && answer.ends_with("alive\n"), "{answer}");
    // A head without an end is cut off, not kept.
    let mut endless = from([127, 0, 0, 11], port).unwrap();
    let line = [b"x: ".as_slice(), &[b'a'; 1_000], b"\r\n"].concat();
    endless.write_all(b"GET /livez HTTP/1.1\r\n").unwrap();
    while endless.write_all(&line).is_ok() {}
    // The same on the sockets, by a program in the Flink container and by a person.
    let mut sockets = Vec::new();
    for socket in [world.socket(1), world.control_socket(1)] {
        for _ in 0..100 {
            let mut stream = UnixStream::connect(&socket).unwrap();
            stream.write_all(b"POST /v1/stop HTTP/1.1\r\nContent-Length: 100\r\n\r\n{").unwrap();
            sockets.push(stream);
        }
    }
    assert_eq!(world.verb(&["history"]).code, 0);
    world.stopped_with_savepoint(process);
}

#[test]
fn a_hundred_megabytes_of_flinks_are_not_read_and_the_stop_goes_on_when_it_is_itself_again() {
    let world = World::new();
    let mut process = world.up(&how().grace("30s", "3s"));
    let agent = process.agent();
    let text: &'static str = Box::leak(format!("{{\"jobs\":[{}]}}", " ".repeat(100 << 20)).into_boxed_str());
    let asked = world.flink.count(Call::Jobs);
    world.flink.fault(Call::Jobs, &Fault::Answer(200, "application/json", text), usize::MAX);
    process.signal(Signal::SIGTERM);
    eventually("questions that are answered at such length", LONG, || {
        (world.flink.count(Call::Jobs) > asked + 1).then_some(())
    });
    let most = memory(agent, "VmHWM");
    assert!(most < 96 * 1024, "{most} KiB");
    world.flink.heal();
    assert_eq!(process.exit_code(LONG), 143, "{}", process.text());
    assert_eq!(process.logged("stopped", LONG)["outcome"], "savepoint", "{}", process.text());
}

/// A record with so many epochs behind it, as it lies in a store: summed up.
fn lived_through(world: &World, epochs: u64) -> usize {
    let id = |number: u64| format!("{number:032x}");
    let mut entries = vec![format!(
        r#"{{"version":1,"write_id":"{}","at":"2026-01-01T00:00:00Z","epoch":0,"fact":{{"what":"created","cluster":"orders","record_id":"{}"}}}}"#,
        id(1),
        id(2)
    )];
    let directories = format!(
        r#"{{"savepoint":"file://{0}/savepoints","flink_savepoint":"file://{0}/savepoints","checkpoint":"file://{0}/checkpoints"}}"#,
        world.dir.path().display()
    );
    let holder = r#"{"incarnation":"000102030405060708090a0b0c0d0e0f","host":"h","boot_id":"b","pid":1,"started":1}"#;
    let folder = world.folder();
    for epoch in 1..=epochs {
        let job = id(epoch << 8);
        let point = |of: u64| {
            format!(
                r#"{{"path":"file://{}/{of}/savepoint-{of:06x}-0f83cfae04ed","checkpoint_id":{of},"epoch":{of}}}"#,
                folder.display()
            )
        };
        let base = if epoch == 1 { "null".to_owned() } else { point(epoch - 1) };
        let facts = [
            format!(r#"{{"what":"claimed","job_id":"{job}","holder":{holder},"directories":{directories}}}"#),
            format!(r#"{{"what":"based","base":{base},"reason":"newest"}}"#),
            format!(
                r#"{{"what":"saved","job_id":"{job}","point":{},"kind":"final","format":"native","completed_at":"2026-01-01T00:00:00Z","bytes":1000,"duration_ms":5}}"#,
                point(epoch)
            ),
            r#"{"what":"stopped","outcome":"savepoint","reason":"so"}"#.to_owned(),
            r#"{"what":"left"}"#.to_owned(),
        ];
        for (number, fact) in (0..).zip(facts) {
            let write_id = id((epoch << 8) + number + (1 << 60));
            entries.push(format!(
                r#"{{"version":1,"write_id":"{write_id}","at":"2026-01-01T00:00:00Z","epoch":{epoch},"fact":{fact}}}"#
            ));
        }
    }
    let mut text = String::from(r#"{"version":1,"entries":["#);
    write!(text, "{}]}}", entries.join(",")).unwrap();
    fs::create_dir_all(world.record()).unwrap();
    fs::write(world.record().join(format!("{:012}.summary.json", entries.len())), text).unwrap();
    crate::support::fake_flink::write_point(
        &folder.join(format!("{epochs}/savepoint-{epochs:06x}-0f83cfae04ed")),
        epochs,
    );
    entries.len()
}

fn is_lived_with(epochs: u64) {
    let world = World::new();
    let entries = lived_through(&world, epochs);
    assert_eq!(world.history().len() as u64, epochs);
    let newest = world.newest()["path"].as_str().unwrap().to_owned();
    assert_eq!(world.verb(&["history"]).out.matches("savepoint-").count() as u64, epochs);
    world.next_restores(&newest);
    let process = world.up(&how());
    assert_eq!(world.told().as_deref(), Some(&*newest));
    let (port, agent) = (port(&process), process.agent());
    let page = eventually("the page", LONG, || http::get(port, "/").filter(|(_, page)| page.contains("savepoint-")));
    assert!(page.1.len() < 1 << 20, "{} bytes of page", page.1.len());
    let most = memory(agent, "VmHWM");
    eprintln!("{entries} entries: a page of {} bytes, at most {most} KiB", page.1.len());
    assert!(most < 256 * 1024, "{most} KiB: more than the container's limit");
    let stopped = world.stopped_with_savepoint(process);
    world.next_restores(&stopped);
}

#[test]
fn a_thousand_epochs_are_read_shown_and_gone_on_from() {
    is_lived_with(1_000);
}

#[test]
#[ignore = "full size"]
fn a_record_of_a_hundred_thousand_entries_is_read_shown_and_gone_on_from() {
    is_lived_with(20_000);
}
