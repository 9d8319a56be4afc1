//! What an agent tells guards, and what it waits for.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::support::fake_flink::{Call, Fault, Stopping};
use crate::support::process::Process;
use crate::support::{eventually, http};
use crate::world::{How, LONG, World, how, kill_hard, signal};

/// An agent apart from its runs, as in a pod.
fn agent(world: &World) -> (Process, u16) {
    let process = Process::start(world.command(&[]).arg("agent").env("SAVEPOINTD_SOCKET", world.socket(1)));
    let address = process.logged("agent is up", LONG)["admin"].as_str().unwrap().to_owned();
    (process, address.rsplit(':').next().unwrap().parse().unwrap())
}

fn apart() -> How {
    How { without_agent: true, ..how() }
}

/// A guard's stream, read by the test.
struct Listener {
    lines: BufReader<TcpStream>,
}

impl Listener {
    fn open(port: u16, query: &str) -> Self {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        write!(stream, "GET /api/v1/stop{query} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        let mut lines = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(lines.read_line(&mut head).unwrap(), 0, "{head}");
        }
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        Self { lines }
    }

    /// The next tidings.
    fn next(&mut self) -> Value {
        loop {
            let mut line = String::new();
            assert_ne!(self.lines.read_line(&mut line).unwrap(), 0, "the stream has ended");
            // The rest are the sizes of chunks, and signs of life.
            if line.starts_with('{') {
                return serde_json::from_str(&line).unwrap();
            }
        }
    }

    /// Waits for these; what is in between may be left out, as the newest counts.
    fn hears(&mut self, epoch: u64, phase: &str, ended: bool) -> Value {
        loop {
            let tidings = self.next();
            if tidings["epoch"] == epoch && tidings["phase"] == phase && tidings["ended"] == ended {
                return tidings;
            }
        }
    }
}

#[test]
fn a_guard_hears_an_epoch_from_its_claim_to_its_release() {
    let world = World::new();
    let (agent, port) = agent(&world);
    let mut listener = Listener::open(port, "");
    let first = listener.next();
    let nothing = [&first["epoch"], &first["elsewhere"]].map(Value::is_null);
    assert_eq!((&first["cluster"], &first["phase"], nothing), (&"orders".into(), &"waiting".into(), [true; 2]));
    let mut process = world.run(&apart());
    listener.hears(1, "running", false);
    agent.logged("the restore is confirmed", LONG);
    world.flink.stops(&[Stopping::After(Duration::from_millis(200))]);
    process.signal(Signal::SIGTERM);
    listener.hears(1, "stopping", false);
    assert!(world.recorded(1, "stopped").is_none());
    listener.hears(1, "released", false);
    assert!(world.recorded(1, "stopped").is_some(), "durable first");
    listener.hears(1, "released", true);
    assert_eq!(process.exit_code(LONG), 143);
    // Whoever comes later hears the newest at once.
    assert_eq!(Listener::open(port, "").next()["phase"], "released");
    let look = http::json(port, "/api/v1/look").unwrap();
    assert_eq!((&look["epoch"], &look["phase"]), (&1.into(), &"released".into()));
}

/// What a guard is answered that asks for a checkpoint.
fn asks_for_a_checkpoint(port: u16) -> Value {
    let (status, body) = http::request("POST", port, "/api/v1/checkpoint", "").unwrap();
    assert_eq!(status, 200, "{body}");
    serde_json::from_str(&body).unwrap()
}

#[test]
fn a_checkpoint_is_taken_at_a_guards_word_where_that_is_allowed() {
    let world = World::new();
    let mut command = world.command(&[]);
    let agent = Process::start(
        command.arg("agent").args(["--set", "guard.checkpoint=30s"]).env("SAVEPOINTD_SOCKET", world.socket(1)),
    );
    let address = agent.logged("agent is up", LONG)["admin"].as_str().unwrap().to_owned();
    let port = address.rsplit(':').next().unwrap().parse().unwrap();
    assert_eq!(asks_for_a_checkpoint(port)["reason"], "no JobManager runs here");
    let mut process = world.run(&apart());
    agent.logged("the restore is confirmed", LONG);
    let answer = asks_for_a_checkpoint(port);
    assert!(answer["checkpoint_id"].is_u64(), "{answer}");
    // Older than 1.17.
    world.flink.fault(Call::TakeCheckpoint, &Fault::Answer(404, "application/json", r#"{"errors":["Not found."]}"#), 1);
    let answer = asks_for_a_checkpoint(port);
    assert!(answer["checkpoint_id"].is_null() && answer["reason"].as_str().unwrap().contains("Not found."), "{answer}");

    // One that is killed now goes on from there.
    kill_hard(&mut process);
    let _process = world.run_again(&apart());
    world.started_times(2);
    assert!(world.told().is_some_and(|told| told.contains("/chk-")), "{:?}", world.told());
}

#[test]
fn a_checkpoint_is_refused_to_guards_unless_it_is_allowed() {
    let world = World::new();
    let (agent, port) = agent(&world);
    let mut process = world.run(&apart());
    agent.logged("the restore is confirmed", LONG);
    let answer = asks_for_a_checkpoint(port);
    assert!(answer["reason"].as_str().unwrap().contains("SAVEPOINTD_GUARD__CHECKPOINT"), "{answer}");
    assert_eq!(world.flink.count(Call::TakeCheckpoint), 0);
    process.signal(Signal::SIGTERM);
    assert_eq!(process.exit_code(LONG), 143);
}

#[test]
fn a_stop_shows_a_sign_of_life_to_guards_every_second() {
    let world = World::new();
    let (agent, port) = agent(&world);
    let mut process = world.run(&apart());
    agent.logged("the restore is confirmed", LONG);
    world.flink.stops(&[Stopping::After(Duration::from_secs(3))]);
    let mut listener = Listener::open(port, "");
    listener.hears(1, "running", false);
    process.signal(Signal::SIGTERM);
    listener.hears(1, "stopping", false);
    let mut signs = 0;
    loop {
        let mut line = String::new();
        listener.lines.read_line(&mut line).unwrap();
        // A chunk that is nothing but an empty line.
        signs += usize::from(line == "\n");
        if line.contains("released") {
            break;
        }
    }
    assert!(signs >= 2, "{signs}");
    assert_eq!(process.exit_code(LONG), 143);
}

#[test]
fn a_stop_that_only_finds_a_checkpoint_leaves_tasks_that_must_be_ended() {
    let world = World::new();
    let (agent, port) = agent(&world);
    let mut process = world.run(&apart().grace("6s", "1s"));
    agent.logged("the restore is confirmed", LONG);
    world.flink.checkpoint();
    world.flink.fault(Call::Stop, &Fault::Answer(500, "application/json", r#"{"errors":["no"]}"#), usize::MAX);
    let mut listener = Listener::open(port, "");
    process.signal(Signal::SIGTERM);
    listener.hears(1, "gone", false);
    listener.hears(1, "gone", true);
    assert_eq!(process.exit_code(LONG), 143);
}

#[test]
fn a_job_at_its_own_end_has_no_tasks_left() {
    let world = World::new();
    let (agent, port) = agent(&world);
    let mut process = world.run(&apart());
    agent.logged("the restore is confirmed", LONG);
    let mut listener = Listener::open(port, "");
    world.flink.end("FINISHED");
    listener.hears(1, "released", true);
    assert_eq!(process.exit_code(LONG), 0);
}

#[test]
fn a_job_that_runs_from_something_else_has_tasks_that_must_be_ended() {
    let world = World::new();
    let base = world.one_epoch();
    let (_agent, port) = agent(&world);
    world.flink.restores(None);
    let mut listener = Listener::open(port, "");
    let mut process = world.run_again(&How { sets: vec![format!("socket={}", world.socket(1).display())], ..apart() });
    listener.hears(2, "gone", true);
    assert_eq!(process.exit_code(LONG), 65);
    world.next_restores(&base);
}

#[test]
fn a_killed_job_manager_and_a_killed_run_are_told_as_gone() {
    let world = World::new();
    let (agent, port) = agent(&world);
    let mut process = world.run(&apart());
    agent.logged("the restore is confirmed", LONG);
    let mut listener = Listener::open(port, "");
    signal(world.started().pid, Signal::SIGKILL);
    listener.hears(1, "gone", true);
    assert_eq!(process.exit_code(LONG), 137);

    let mut process = world.run_again(&apart());
    listener.hears(2, "running", false);
    kill_hard(&mut process);
    listener.hears(2, "gone", true);
    agent.logged("run is gone without a word: so is the JobManager", LONG);
}

#[test]
fn a_start_waits_until_guards_have_ended_what_belongs_to_an_older_epoch() {
    let world = World::new();
    let (agent, port) = agent(&world);
    let mut process = world.run(&apart());
    agent.logged("the restore is confirmed", LONG);
    let mut listener = Listener::open(port, "");
    listener.hears(1, "running", false);
    kill_hard(&mut process);
    let _process = world.run_again(&apart());
    listener.hears(2, "waiting", false);
    assert_eq!(world.flink.starts().len(), 1, "not before this guard has closed its stream");
    drop(listener);
    world.started_times(2);
    assert!(agent.find("tasks of an older epoch may still work: their guards have not ended them").is_none());
}

#[test]
fn a_start_does_not_wait_for_ever_for_a_guard() {
    let world = World::new();
    world.one_epoch();
    let (agent, port) = agent(&world);
    // From an earlier agent this one knows nothing, but it says so itself.
    let _listener = Listener::open(port, "?works_for=1");
    let _process = world.run_again(&How { sets: vec![format!("socket={}", world.socket(1).display())], ..apart() });
    world.started_times(2);
    agent.logged("tasks of an older epoch may still work: their guards have not ended them", LONG);
}

/// A way to the run socket that can be cut.
struct Detour {
    path: PathBuf,
    open: Arc<Mutex<Vec<UnixStream>>>,
}

impl Detour {
    fn to(socket: &Path, path: PathBuf) -> Self {
        let listener = UnixListener::bind(&path).unwrap();
        let open = Arc::new(Mutex::new(Vec::new()));
        let (socket, opened) = (socket.to_owned(), Arc::clone(&open));
        std::thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                let far = UnixStream::connect(&socket).unwrap();
                opened.lock().unwrap().extend([near.try_clone().unwrap(), far.try_clone().unwrap()]);
                for (from, to) in [(near.try_clone().unwrap(), far.try_clone().unwrap()), (far, near)] {
                    std::thread::spawn(move || {
                        let _ = std::io::copy(&mut &from, &mut &to);
                        let _ = to.shutdown(Shutdown::Both);
                    });
                }
            }
        });
        Self { path, open }
    }

    fn cut(&self) {
        for stream in self.open.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

#[test]
fn a_run_that_has_only_lost_its_connection_is_not_gone() {
    let world = World::new();
    let (agent, port) = agent(&world);
    let detour = Detour::to(&world.socket(1), world.path("detour.sock"));
    let mut process = world.run(&apart().set(&format!("socket={}", detour.path.display())));
    agent.logged("the restore is confirmed", LONG);
    let mut listener = Listener::open(port, "");
    for _ in 0..3 {
        detour.cut();
        // A claim and a new line, each with two ends.
        eventually("the line is open again", LONG, || (detour.open.lock().unwrap().len() >= 4).then_some(()));
    }
    listener.hears(1, "running", false);
    process.signal(Signal::SIGTERM);
    // Nothing but this comes: no false alarm.
    assert_eq!(listener.next()["phase"], "stopping");
    assert_eq!(listener.next()["phase"], "released");
    assert_eq!(process.exit_code(LONG), 143);
    assert!(agent.find("run is gone without a word: so is the JobManager").is_none());
    let _ = fs::remove_file(&detour.path);
}
