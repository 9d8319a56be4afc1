//! What agent, run and guard cost while the job runs: with each kind of record, each process in a control group of its own where that
//! can be made, and the agent beside the JobManager that it watches.

mod group;

use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use nix::time::{clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;

use super::figures::{Figure, figure, median, rounds};
use super::scripted::{LONG, Scripted};
use super::support::flink::Cluster;
use super::support::process::{Process, binary};
use super::support::stores::{Store, installed};
use super::support::{eventually_in_steps_of, http};
use group::Group;

/// Long enough for several rounds of watching.
const WATCHED: Duration = Duration::from_secs(60);

pub(super) fn measure(version: &str) {
    cold_start();
    at_rest();
    beside_flink(version);
}

/// From the process's start to its first answer, which is when a run finds its socket, too.
fn cold_start() {
    let world = Scripted::new();
    let times: Vec<Duration> = (0..rounds(20))
        .map(|_| {
            let mut command = world.savepointd(&["agent"]);
            let begin = Instant::now();
            let mut agent = Process::start(&mut command);
            while http::get(world.admin, "/livez").is_none_or(|(status, _)| status != 200) {
                assert!(begin.elapsed() < LONG, "{}", agent.text());
            }
            let took = begin.elapsed();
            agent.signal(Signal::SIGTERM);
            agent.exit_code(LONG);
            took
        })
        .collect();
    let took = median(&times).as_secs_f64() * 1e3;
    Figure::new("agent, from its start to its first answer", took, "ms").bar("at most 50 ms", took <= 50.0).tell();
}

/// A cluster at rest, and its processes.
struct Resting {
    world: Scripted,
    /// What each is called, the process, and what counts its memory.
    processes: Vec<(String, Process, Option<Group>)>,
    _store: Option<Store>,
}

fn at_rest() {
    let mut resting = vec![Resting::of("ConfigMap", Scripted::new(), None), {
        let world = Scripted::new();
        let record = format!("file://{}", world.path("record").display());
        Resting::of("file", world.recording_in(record, Vec::new()), None)
    }];
    if installed() {
        let store = Store::minio();
        let world = Scripted::new().recording_in(format!("{}/record", store.bucket), store.variables.clone());
        resting.push(Resting::of("S3", world, Some(store)));
    } else {
        figure("a record in S3 is left out: tests/stores.sh gets MinIO", String::new());
    }
    // Threads that had something to do at the start end when they had nothing for ten seconds.
    pass(WATCHED / 2);
    let looked = Instant::now();
    let before: Vec<Counted> = resting.iter().map(Resting::counted).collect();
    pass(WATCHED);
    let minutes = looked.elapsed().as_secs_f64() / 60.0;
    for (one, before) in resting.iter().zip(before) {
        one.tell(&before, minutes);
    }
}

/// What grows.
struct Counted {
    flink: usize,
    api: usize,
    /// Processor time and changes of context of each process.
    used: Vec<(Duration, u64)>,
}

impl Resting {
    fn of(record: &str, world: Scripted, store: Option<Store>) -> Self {
        let start = |name: &str, words: &[String]| {
            let group = Group::new(&format!("{record}-{}", words[0]));
            let mut command = match &group {
                Some(group) => {
                    let mut command = Command::new("sh");
                    command.args(["-c", &group.enter_and_exec(), "sh"]).arg(group.binary());
                    command
                }
                None => Command::new(binary()),
            };
            command.args(words);
            (name.to_owned(), Process::start(&mut world.prepare(command)), group)
        };
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let agent = start(&format!("agent, record in {record}"), &words(&["agent"]));
        agent.1.logged("agent is up", LONG);
        let run = start("run", &[words(&["run"]), world.entrypoint().to_vec()].concat());
        agent.1.logged("the restore is confirmed", LONG);
        let guard = start("guard", &words(&["guard", "--", "sleep", "100000"]));
        world.flink.checkpoint();
        Self { world, processes: vec![agent, run, guard], _store: store }
    }

    fn counted(&self) -> Counted {
        let used =
            self.processes.iter().map(|(_, process, _)| (processor_time(process.pid()), switches(process.pid())));
        Counted { flink: self.world.flink.requests().len(), api: self.world.api.requests().len(), used: used.collect() }
    }

    fn tell(&self, before: &Counted, minutes: f64) {
        let now = self.counted();
        for (number, (name, process, group)) in self.processes.iter().enumerate() {
            let (private, resident) = (memory_mib(process.pid(), "Anonymous:"), memory_mib(process.pid(), "Rss:"));
            let (most_private, most_resident) = if name.starts_with("agent") { (4.0, 10.0) } else { (1.0, 6.0) };
            // Wrappers are alike with each record.
            if number > 0 && before.api == 0 {
                continue;
            }
            let mib = |what: &str, value: f64, most: f64| {
                let figure = Figure::new(format!("{name}: {what}"), value, "MiB");
                figure.bar(format!("at most {most} MiB"), value <= most).tell();
            };
            mib("private memory", private, most_private);
            mib("resident memory", resident, most_resident);
            if let Some(bytes) = group.as_ref().and_then(Group::working_set) {
                Figure::new(format!("{name}: working set of its container"), bytes / 1_048_576.0, "MiB").tell();
            }
            let ((cpu, switched), (cpu_before, switched_before)) = (now.used[number], before.used[number]);
            let used = cpu.saturating_sub(cpu_before).as_secs_f64() * 1e3 / (minutes * 60.0);
            let figure = Figure::new(format!("{name}: processor time a second"), used, "ms");
            figure.bar("at most 1 ms", used <= 1.0).tell();
            let switched = (switched - switched_before) as f64 / minutes;
            Figure::new(format!("{name}: changes of context a minute"), switched, "switches").tell();
        }
        let agent = &self.processes[0].0;
        let a_minute = |calls: usize| calls as f64 / minutes;
        Figure::new(format!("{agent}: requests to Flink a minute"), a_minute(now.flink - before.flink), "requests")
            .tell();
        Figure::new(
            format!("{agent}: requests to the API server a minute"),
            a_minute(now.api - before.api),
            "requests",
        )
        .tell();
    }
}

fn beside_flink(version: &str) {
    let mut cluster = Cluster::new(version);
    // As it is run in earnest.
    cluster.variables.clear();
    cluster.start_task_manager();
    let (process, _) = cluster.run_confirmed();
    // What comes once, such as the note of the first checkpoint, is not rest.
    cluster.checkpoints(5);
    let pids = [process.agent(), cluster.job_manager(&process)];
    let before = pids.map(processor_time);
    let begin = Instant::now();
    pass(WATCHED);
    let seconds = begin.elapsed().as_secs_f64();
    let used = [0, 1].map(|i| processor_time(pids[i]).saturating_sub(before[i]).as_secs_f64() * 1e3 / seconds);
    let memory = pids.map(|pid| memory_mib(pid, "Rss:"));
    let agent =
        Figure::new("agent of a real job: resident memory", memory[0], "MiB").beside("of its JobManager", memory[1]);
    agent.bar("at most 10 MiB", memory[0] <= 10.0).tell();
    let agent =
        Figure::new("agent of a real job: processor time a second", used[0], "ms").beside("of its JobManager", used[1]);
    agent.bar("at most 1 ms", used[0] <= 1.0).tell();
    cluster.stop(process);
}

/// The time is what is waited for.
fn pass(time: Duration) {
    let begin = Instant::now();
    let over = || (begin.elapsed() >= time).then_some(());
    eventually_in_steps_of(Duration::from_millis(200), "the time is over", time * 2, over);
}

fn processor_time(pid: Pid) -> Duration {
    clock_gettime(clock_getcpuclockid(pid).unwrap()).unwrap().into()
}

/// Of all threads that live.
fn switches(pid: Pid) -> u64 {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let texts = threads.filter_map(|thread| std::fs::read_to_string(thread.ok()?.path().join("status")).ok());
    let of = |text: String| {
        let lines = text.lines().filter_map(|line| line.split_once("voluntary_ctxt_switches:"));
        lines.filter_map(|(_, count)| count.trim().parse::<u64>().ok()).sum::<u64>()
    };
    texts.map(of).sum()
}

pub(super) fn memory_mib(pid: Pid, what: &str) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(what)).unwrap();
    line.split_whitespace().next().unwrap().parse::<f64>().unwrap() / 1024.0
}
