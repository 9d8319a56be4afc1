//! The downtime of a restart, from the last record before to the first one after, and where it goes.
//!
//! The JobManager is stopped and started again at once, the TaskManager stays: Flink alone, with the quickest stop that there is and
//! its savepoint given to the next start; and savepointd, with a guard before the TaskManager.

use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use jiff::Timestamp;
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use serde_json::Value;

use super::figures::{Figure, middle, rounds};
use super::stop::stop_by_rest;
use super::support::flink::{Cluster, START, STOP};
use super::support::process::Process;
use super::support::{eventually, http};

/// Restarts of Flink alone take a minute each.
const ALONE: usize = 2;
const GUARDED: usize = 5;
/// The class that `standalone-job.sh` runs, as `ps` shows it.
const JOB_MANAGER: &str = "ClusterEntryPoint";

/// Flink's own: what a TaskManager without a guard waits by.
const FLINKS_OWN: [(&str, &str); 3] =
    [("heartbeat.interval", ""), ("heartbeat.timeout", ""), ("cluster.registration.error-delay", "")];

pub(super) fn measure(version: &str) {
    let alone = alone(version, rounds(ALONE), &FLINKS_OWN);
    let guarded = Guarded::new(version, &FLINKS_OWN, &[]).restarts(rounds(GUARDED));
    let whole: Vec<f64> = guarded.iter().map(|restart| restart.whole).collect();
    let added: Vec<f64> = guarded.iter().map(|restart| restart.added * 1_000.0).collect();
    phases(&guarded);
    Figure::new("downtime, a process with a TaskManager that stays", middle(&whole), "s")
        .spread(&whole)
        .beside("Flink alone, stopped by REST and started from the savepoint at once", middle(&alone))
        .bar("at most a quarter", middle(&whole) * 4.0 <= middle(&alone))
        .tell();
    Figure::new("downtime, a process: the goal", middle(&whole), "s").bar("at most 5 s", middle(&whole) <= 5.0).tell();
    Figure::new("downtime, a process: what is not Flink's own", middle(&added), "ms")
        .spread(&added)
        .bar("at most 300 ms", middle(&added) <= 300.0)
        .tell();
}

/// How it is called, Flink's configuration, and the environment.
type Way<'a> = (&'a str, Vec<(&'a str, &'a str)>, &'a [(&'a str, &'a str)]);

/// What might be set to make Flink's own part shorter, each beside what is set by default. Measured when it is asked for by name.
pub(super) fn options(version: &str) {
    let quick_scripts = [
        ("JDK_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1"),
        // Back to what it is by default, in what is more than a script's.
        ("JVM_ARGS", "-XX:TieredStopAtLevel=4"),
    ];
    let jvms = [("JDK_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")];
    let with = |key, value| [&FLINKS_OWN[..], &[(key, value)]].concat();
    // A guard leaves such a TaskManager alone.
    let stays =
        [("heartbeat.interval", "1000"), ("heartbeat.timeout", "4000"), ("cluster.registration.error-delay", "100")];
    let ways: [Way; 7] = [
        ("as it is", FLINKS_OWN.to_vec(), &[]),
        ("C1 alone in the JVMs of Flink's scripts", FLINKS_OWN.to_vec(), &quick_scripts),
        ("C1 alone and the serial collector in every JVM", FLINKS_OWN.to_vec(), &jvms),
        ("a registration's first timeout of 20 ms", with("cluster.registration.initial-timeout", "20 ms"), &[]),
        ("requirements checked after 5 ms", with("slotmanager.requirement-check-delay", "5 ms"), &[]),
        ("the same TaskManager, by heartbeats of 1 s and 4 s", stays.to_vec(), &[]),
        ("such heartbeats, and C1 alone in scripts", stays.to_vec(), &quick_scripts),
    ];
    let mut usual = None;
    let mut tell = |name: &str, guarded: Guarded| {
        let restarts = guarded.restarts(rounds(GUARDED));
        let whole: Vec<f64> = restarts.iter().map(|restart| restart.whole).collect();
        phases(&restarts);
        let figure = Figure::new(format!("downtime, {name}"), middle(&whole), "s").spread(&whole);
        let usual = *usual.get_or_insert_with(|| middle(&whole));
        if name == "as it is" { figure.tell() } else { figure.beside("as it is", usual).tell() }
    };
    for (name, configuration, variables) in ways {
        tell(name, Guarded::new(version, &configuration, variables));
    }
    tell("the TaskManager's scripts as well, at an exchange", Guarded::with_scripts(version));
    tell("classes from an archive (class data sharing)", Guarded::with_archives(version, &[]));
    tell("both: C1 alone in scripts, and archives", Guarded::with_archives(version, &quick_scripts));
}

/// One restart.
struct Restart {
    /// From the last record to the first, in seconds.
    whole: f64,
    /// What savepointd took of that.
    added: f64,
    phases: Vec<(&'static str, f64)>,
    /// Processor time of JobManager, TaskManager and their scripts until the first record: what a busy machine does not change.
    processor: f64,
}

/// Where the time went, in medians of each part.
fn phases(restarts: &[Restart]) {
    let Some(first) = restarts.first() else { return };
    let parts: Vec<String> = first
        .phases
        .iter()
        .enumerate()
        .map(|(at, (name, _))| {
            let values: Vec<f64> = restarts.iter().map(|restart| restart.phases[at].1).collect();
            format!("{name} {:.2} s", middle(&values))
        })
        .collect();
    let processor: Vec<f64> = restarts.iter().map(|restart| restart.processor).collect();
    println!("  {}; {:.1} s of processor time", parts.join(", "), middle(&processor));
}

struct Guarded {
    cluster: Cluster,
    guard: Process,
}

impl Guarded {
    fn new(version: &str, configuration: &[(&str, &str)], variables: &[(&str, &str)]) -> Self {
        Self::set(version, configuration, variables, &[])
    }

    fn with_scripts(version: &str) -> Self {
        Self::set(version, &FLINKS_OWN, &[], &["guard.exchange=command"])
    }

    fn set(version: &str, configuration: &[(&str, &str)], variables: &[(&str, &str)], settings: &[&str]) -> Self {
        let mut cluster = Cluster::with(version, configuration);
        cluster.settings.extend(settings.iter().copied().map(str::to_owned));
        // As it is run in earnest.
        cluster.variables = variables.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        // What the agent sees of a stop is a part of the table.
        cluster.settings.push("log.level=debug".to_owned());
        let guard = cluster.guarded_task_manager();
        Self { cluster, guard }
    }

    /// The same with the classes that both JVMs load in archives, as an image may have them.
    fn with_archives(version: &str, variables: &[(&str, &str)]) -> Self {
        let recording = [("JVM_ARGS", "-XX:+RecordDynamicDumpInfo")];
        let Self { cluster, guard } = Self::new(version, &FLINKS_OWN, &recording);
        let (process, _) = cluster.run_confirmed();
        cluster.progress(1_000);
        let archive = |name: &str| archive_of(&cluster, name);
        for (name, pid) in [("jobmanager", cluster.job_manager(&process)), ("taskmanager", task_manager(&guard))] {
            let dump = [&pid.to_string(), "VM.cds", "dynamic_dump", &archive(name)];
            let dumped = std::process::Command::new("jcmd").args(dump).output().unwrap();
            assert!(Path::new(&archive(name)).exists(), "{}", String::from_utf8_lossy(&dumped.stdout));
        }
        cluster.stop(process);
        drop(guard);
        let mut cluster = cluster;
        cluster.configure(
            &["jobmanager", "taskmanager"]
                .map(|name| format!("env.java.opts.{name}: -XX:SharedArchiveFile={}", archive_of(&cluster, name))),
        );
        cluster.variables = variables.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let guard = cluster.guarded_task_manager();
        Self { cluster, guard }
    }

    fn restarts(self, count: usize) -> Vec<Restart> {
        let Self { cluster, guard } = self;
        let (mut process, _) = cluster.run_confirmed();
        let mut restarts = Vec::new();
        for _ in 0..count {
            cluster.progress(1_000);
            let (restart, next) = restart(&cluster, &guard, process);
            restarts.push(restart);
            process = next;
        }
        cluster.stop(process);
        cluster.assert_exactly_once(&cluster.lives());
        drop(guard);
        restarts
    }
}

fn archive_of(cluster: &Cluster, name: &str) -> String {
    cluster.dir.path().join(format!("{name}.jsa")).display().to_string()
}

fn restart(cluster: &Cluster, guard: &Process, mut process: Process) -> (Restart, Process) {
    let before = task_manager(guard);
    let used_before = processor_time(before);
    process.signal(Signal::SIGTERM);
    assert_eq!(process.exit_code(STOP), 143, "{}", process.text());
    let exited = now();
    let seen = Observed::of(cluster, Cluster::run);
    let first = seen.first_record;
    let next = seen.process;
    let after = task_manager(guard);
    let of_task_manager = processor_time(after) - if after == before { used_before } else { 0.0 };
    let processor = processor_time(cluster.job_manager(&next)) + of_task_manager;
    cluster.confirmed(&next);

    let old = process.log();
    let at = |log: &[Value], is: &dyn Fn(&Value) -> bool| time_of(log.iter().find(|line| is(line)).unwrap());
    let says = |message: &'static str| move |line: &Value| line["message"] == message;
    let complete = at(&old, &|line| line["event"].as_str().is_some_and(|event| event.starts_with("Polled(Completed(")));
    let durable = at(&old, &says("stopped"));
    let released = at(&old, &says("ending the entrypoint"));
    let ended = at(&old, &says("the entrypoint has ended"));
    let started = at(&next.log(), &says("the entrypoint is started"));
    let last = seen.last_record;
    let restart = Restart {
        whole: first - last,
        added: (released - complete) + (exited - ended) + (started - seen.begun),
        phases: vec![
            ("stop", durable - last),
            ("release", exited - durable),
            ("gate", started - seen.begun),
            ("Flink's scripts", seen.java - started),
            ("JVM", seen.listed - seen.java),
            ("job start", seen.deployed - seen.listed),
            ("restore", first - seen.deployed),
        ],
        processor,
    };
    (restart, next)
}

/// Restarts of Flink as it is: downtimes.
fn alone(version: &str, count: usize, configuration: &[(&str, &str)]) -> Vec<f64> {
    let mut cluster = Cluster::with(version, configuration);
    cluster.variables.clear();
    cluster.start_task_manager();
    let mut process = cluster.run_plain(None);
    let mut downtimes = Vec::new();
    for _ in 0..count {
        let job = cluster.all_running();
        cluster.progress(1_000);
        let from = stop_by_rest(&cluster, &job);
        process.signal(Signal::SIGTERM);
        process.exit_code(STOP);
        let seen = Observed::of(&cluster, |cluster| cluster.run_plain(Some(&from)));
        downtimes.push(seen.first_record - seen.last_record);
        process = seen.process;
    }
    cluster.all_running();
    process.signal(Signal::SIGTERM);
    process.exit_code(STOP);
    cluster.assert_exactly_once(&cluster.lives());
    downtimes
}

/// A start as it is seen from outside, in seconds of the clock.
struct Observed {
    process: Process,
    /// The last record that was written before.
    last_record: f64,
    begun: f64,
    /// The JobManager's JVM is there.
    java: f64,
    /// Its REST API lists the job.
    listed: f64,
    /// A task was handed to the TaskManager.
    deployed: f64,
    first_record: f64,
}

impl Observed {
    fn of(cluster: &Cluster, start: impl Fn(&Cluster) -> Process) -> Self {
        let out = cluster.dir.path().join("out");
        let (lives, last_record) = written(&out);
        let begun = now();
        let process = start(cluster);
        let mut times: [Option<f64>; 3] = [None; 3];
        let mut asked: Option<Instant> = None;
        let first_record = eventually("the first record", START, || {
            if times[0].is_none() && is_java(&process) {
                times[0] = Some(now());
            }
            // Not so often that it matters to a JVM that starts.
            if times[2].is_none() && asked.is_none_or(|asked| asked.elapsed() > Duration::from_millis(40)) {
                asked = Some(Instant::now());
                let overview = http::json(cluster.rest, "/jobs/overview");
                if let Some(job) = overview.as_ref().map(|overview| &overview["jobs"][0]).filter(|job| job.is_object())
                {
                    times[1].get_or_insert_with(now);
                    let tasks = |state: &str| job["tasks"][state].as_u64().unwrap_or(0);
                    if tasks("initializing") + tasks("deploying") + tasks("running") > 0 {
                        times[2] = Some(now());
                    }
                }
            }
            (written(&out).0 > lives).then(now)
        });
        let [java, listed, deployed] = times;
        let listed = listed.unwrap_or(first_record);
        Self {
            process,
            last_record,
            begun,
            java: java.unwrap_or(listed),
            listed,
            deployed: deployed.unwrap_or(first_record),
            first_record,
        }
    }
}

fn task_manager(guard: &Process) -> Pid {
    eventually("the TaskManager's process", START, || guard.child_with("TaskManagerRunner"))
}

/// What a process and the children that it has waited for have used, in seconds. (Flink's scripts become the JVM.)
fn processor_time(pid: Pid) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    // A tick is 10 ms.
    fields[11..15].iter().map(|ticks| ticks.parse::<f64>().unwrap() / 100.0).sum()
}

fn is_java(process: &Process) -> bool {
    let own = std::fs::read(format!("/proc/{}/cmdline", process.pid())).unwrap_or_default();
    String::from_utf8_lossy(&own).contains(JOB_MANAGER) || process.child_with(JOB_MANAGER).is_some()
}

/// How many lives have written a record, and when the last one was written.
fn written(out: &Path) -> (usize, f64) {
    let files = std::fs::read_dir(out).unwrap().map(|entry| entry.unwrap().metadata().unwrap());
    let times: Vec<f64> = files.filter(|file| file.len() > 0).map(|file| seconds(file.modified().unwrap())).collect();
    (times.len(), times.iter().copied().fold(0.0, f64::max))
}

fn now() -> f64 {
    seconds(SystemTime::now())
}

fn seconds(time: SystemTime) -> f64 {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64()
}

fn time_of(line: &Value) -> f64 {
    let at: Timestamp = line["timestamp"].as_str().unwrap().parse().unwrap();
    at.as_microsecond() as f64 / 1e6
}
