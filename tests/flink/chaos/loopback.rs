//! An application on loopback with someone who does what a kubelet does: what has ended is started again.

use std::collections::HashSet;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::disk::Disk;
use super::fault::{self, Fault, Who};
use crate::s3;
use crate::support::chaos::{Durable, Moment, Random, Step, World};
use crate::support::flink::{Cluster, START};
use crate::support::life::Life;
use crate::support::process::Process;
use crate::support::store_proxy::{StoreProxy, Upstream};
use crate::support::stores::Store;
use crate::support::{eventually_in_steps_of, http};

/// What makes one application different from another.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    pub backend: &'static str,
    pub objects: bool,
    pub embedded: bool,
}

/// `stop.grace`: when a kubelet kills.
const GRACE: Duration = Duration::from_secs(20);

/// How `run` may end: a stop, or its JobManager killed or told to end; a newer epoch. None of these is for a person.
const ENDS: [i32; 4] = [143, 137, 75, 239];

#[derive(Debug)]
pub struct Loopback {
    agent: Option<Process>,
    run: Process,
    guard: Process,
    /// When `run` was told to end, if it was.
    told: Option<Instant>,
    /// What was heard of starts and stops.
    heard: HashSet<String>,
    saved: Vec<Durable>,
    fault: Option<Fault>,
    store: Option<Objects>,
    disk: Option<Disk>,
    cluster: Cluster,
}

/// An object store, and who stands between it, Flink and savepointd.
#[derive(Debug)]
struct Objects {
    for_savepointd: Store,
    for_flink: StoreProxy,
    before_flink: StoreProxy,
}

impl Loopback {
    pub fn start(shape: Shape) -> Self {
        let store = shape.objects.then(Store::minio);
        let for_flink = store.as_ref().map(|store| StoreProxy::before(store.direct, Upstream::Plain));
        let mut lines = vec![
            ("state.backend.type", shape.backend),
            // A fault should not have to wait for the points before it to be there, or to be seen.
            ("execution.checkpointing.interval", "500 ms"),
            ("rest.cache.checkpoint-statistics.timeout", "100 ms"),
            ("restart-strategy.type", "fixed-delay"),
            ("restart-strategy.fixed-delay.attempts", "2147483647"),
            ("restart-strategy.fixed-delay.delay", "500 ms"),
        ];
        if store.is_none() {
            lines.extend([("state.checkpoints.dir", ""), ("state.savepoints.dir", "")]);
        }
        let mut cluster = match (&store, &for_flink) {
            (Some(store), Some(proxy)) => s3::cluster_with(store, &format!("http://127.0.0.1:{}", proxy.port), &lines),
            _ => Cluster::with("1.20.5", &lines),
        };
        let mut disk = None;
        if store.is_none() {
            let state = cluster.dir.path().join("state");
            disk = Disk::at(&state);
            let place = |key: &str, name: &str| format!("{key}: file://{}/{name}", state.display());
            cluster.configure(&[place("state.checkpoints.dir", "chk"), place("state.savepoints.dir", "sp")]);
            cluster.record_url = Some(format!("file://{}/record", state.display()));
        }
        cluster.waits = true;
        cluster.job_options = ["--state-bytes", "1000000"].map(str::to_owned).to_vec();
        cluster.settings = vec![format!("stop.grace={}s", GRACE.as_secs())];
        let store = store.zip(for_flink).map(|(for_savepointd, for_flink)| {
            let before_flink = StoreProxy::before(cluster.rest, Upstream::Plain);
            cluster.settings.push(format!("storage.endpoint={}", s3::endpoint(&for_savepointd)));
            cluster.settings.push(format!("flink.url=http://127.0.0.1:{}", before_flink.port));
            Objects { for_savepointd, for_flink, before_flink }
        });
        let agent = (!shape.embedded).then(|| cluster.agent_apart());
        let run = if shape.embedded { cluster.run() } else { cluster.run_apart() };
        let guard = cluster.guarded_task_manager();
        Self {
            agent,
            run,
            guard,
            told: None,
            heard: HashSet::new(),
            saved: Vec::new(),
            fault: None,
            store,
            disk,
            cluster,
        }
    }

    /// Who of them lives.
    fn pids(&self, who: Who) -> Vec<Pid> {
        let job_manager = || self.run.child_with("ClusterEntryPoint").or_else(|| self.run.child_with("standalone-job"));
        let task_manager =
            || self.guard.child_with("TaskManagerRunner").or_else(|| self.guard.child_with("taskmanager"));
        let agent = || match &self.agent {
            Some(agent) => Some(agent.pid()),
            None => self.run.child_with("savepointd agent"),
        };
        match who {
            Who::Agent => agent().into_iter().collect(),
            Who::Run => vec![self.run.pid()],
            Who::Guard => vec![self.guard.pid()],
            Who::JobManager => job_manager().into_iter().collect(),
            Who::TaskManager => task_manager().into_iter().collect(),
            Who::All => [Who::Agent, Who::Run, Who::Guard, Who::JobManager, Who::TaskManager]
                .into_iter()
                .flat_map(|one| self.pids(one))
                .collect(),
        }
    }

    fn signal(&mut self, signal: Signal, who: Who) -> Vec<Pid> {
        let pids = match who {
            // As a kubelet does, which knows of containers alone.
            Who::All if signal == Signal::SIGTERM => {
                [Who::Agent, Who::Run, Who::Guard].into_iter().flat_map(|one| self.pids(one)).collect()
            }
            _ => self.pids(who),
        };
        let stops = signal == Signal::SIGTERM && matches!(who, Who::Run | Who::All);
        if stops && self.told.is_none() {
            self.told = Some(Instant::now());
        }
        for pid in &pids {
            // It may have ended in this moment.
            let _ = kill(*pid, signal);
        }
        pids
    }

    /// What a kubelet does, and what it would have seen.
    fn supervise(&mut self) {
        if let Some(told) = self.told {
            assert!(told.elapsed() < GRACE || self.run.has_ended(), "past its deadline:\n{}", self.text());
        }
        if let Some(agent) = self.agent.as_mut()
            && agent.has_ended()
        {
            let code = agent.exit_code(GRACE);
            assert!([143, 137].contains(&code), "the agent has ended with {code}:\n{}", self.text());
            self.hear();
            self.agent = Some(self.cluster.agent_apart());
        }
        if self.run.has_ended() {
            let code = self.run.exit_code(GRACE);
            assert!(ENDS.contains(&code), "run has ended with {code}:\n{}", self.text());
            self.hear();
            self.told = None;
            self.run = if self.agent.is_none() { self.cluster.run() } else { self.cluster.run_apart() };
        }
        if self.guard.has_ended() {
            self.guard = self.cluster.guarded_task_manager();
        }
    }

    /// Judges what was said of starts and stops since this was done last.
    fn hear(&mut self) {
        let mut lines = self.run.log();
        lines.extend(self.agent.iter().flat_map(Process::log));
        for line in lines {
            let word = |field: &str| line[field].as_str().unwrap_or_default();
            let refused = word("message") == "start" && ["refuse", "hold"].contains(&word("decision"));
            let waits = word("message") == "waiting at the gate; Flink is not started";
            let stopped = word("message") == "stopped";
            if !(refused || waits || stopped) || !self.heard.insert(line.to_string()) {
                continue;
            }
            if stopped {
                println!("   stopped: {}, {}", word("outcome"), word("reason"));
                if word("outcome") == "savepoint" {
                    self.saved.push(Durable::all(&self.cluster.lives()));
                }
                continue;
            }
            println!("   {line}");
            let explained = self.fault.is_some_and(|fault| fault.explains(refused, word("reason")));
            assert!(explained, "{:?} does not explain {line}:\n{}", self.fault, self.text());
        }
    }

    fn text(&self) -> String {
        let agent = self.agent.as_ref().map(Process::text).unwrap_or_default();
        format!("== agent\n{agent}\n== run\n{}\n== guard\n{}", self.run.text(), self.guard.text())
    }

    /// Waits, doing what a kubelet does.
    fn supervised<T>(&mut self, what: &str, mut condition: impl FnMut(&mut Self) -> Option<T>) -> T {
        let begin = Instant::now();
        eventually_in_steps_of(Duration::from_millis(50), what, START * 2, || {
            self.supervise();
            assert!(begin.elapsed() < START, "not within {START:?}: {what}\n{}", self.text());
            condition(self)
        })
    }

    /// A moment of the schedule, chosen at random: nothing is waited for.
    fn pass(&mut self, time: Duration) {
        let end = Instant::now() + time;
        while Instant::now() < end {
            self.supervise();
            if self.fault == Some(Fault::DiskFull)
                && let Some(disk) = &self.disk
            {
                disk.fill();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn set_times(&self, seed: Duration) {
        let mut random = Random::of(u64::try_from(seed.as_nanos()).unwrap());
        set_times(&self.cluster.dir.path().join("state"), &mut random);
    }

    fn written(&self) -> u64 {
        self.cluster.lives().last().map_or(0, |life| life.last)
    }

    fn status(&self) -> Option<Value> {
        http::json(self.cluster.admin, "/api/v1/status")
    }

    fn tell(&mut self, name: &str, text: &str, lasts: Duration) {
        self.cluster.control(name, text);
        self.pass(lasts);
        self.cluster.uncontrol(name);
    }

    fn interfere(&mut self, fault: Fault, lasts: Duration) {
        if let Some((signal, who)) = fault.signal() {
            let pids = self.signal(signal, who);
            if signal == Signal::SIGSTOP {
                self.pass(lasts);
                for pid in pids {
                    let _ = kill(pid, Signal::SIGCONT);
                }
            }
            return;
        }
        match fault {
            Fault::SlowSnapshots => self.tell("slowsnap", "2500", lasts),
            Fault::FailingSnapshots => self.tell("failsnap", "", lasts),
            Fault::JobThrows => self.tell("throw", "", lasts),
            Fault::Clock => self.set_times(lasts),
            Fault::DiskFull => {
                self.pass(lasts);
                self.disk.as_ref().unwrap().empty();
            }
            Fault::Store(trouble) | Fault::StoreOfAll(trouble) | Fault::Rest(trouble) => {
                let objects = self.store.as_ref().unwrap();
                match fault {
                    Fault::Rest(_) => objects.before_flink.fault_all(trouble.fault()),
                    Fault::Store(_) => objects.for_savepointd.proxy.fault_all(trouble.fault()),
                    _ => {
                        objects.for_savepointd.proxy.fault_all(trouble.fault());
                        objects.for_flink.fault_all(trouble.fault());
                    }
                }
                self.pass(lasts);
                let objects = self.store.as_ref().unwrap();
                for proxy in [&objects.for_savepointd.proxy, &objects.for_flink, &objects.before_flink] {
                    proxy.heal();
                }
            }
            Fault::Kill(_) | Fault::Term(_) | Fault::Pause(_) => {}
        }
    }
}

impl World for Loopback {
    type Fault = Fault;

    fn faults(&self) -> Vec<(Fault, &'static [Moment])> {
        if self.store.is_some() { fault::with_objects() } else { fault::with_files(self.disk.is_some()) }
    }

    fn settle(&mut self) {
        let goal = self.supervised("records", |world| (world.written() > 0).then(|| world.written() + 50));
        self.supervised("everything runs again", |world| {
            let status = world.status()?;
            let running = status["phase"] == "running" && status["confirmed"].is_string() && status["guards"] == 1;
            let tasks = &status["flink"]["jobs"][0]["all_tasks_up"];
            (running && tasks == true && world.told.is_none() && world.written() > goal).then_some(())
        });
        self.hear();
        self.fault = None;
    }

    fn checkpoint(&mut self) {
        // The first may have been under way.
        self.cluster.checkpoints(2);
    }

    fn saved(&mut self) -> Vec<Durable> {
        std::mem::take(&mut self.saved)
    }

    fn strike(&mut self, step: &Step<Fault>) {
        self.fault = Some(step.fault);
        if step.moment != Moment::Running {
            self.cluster.control("slowsnap", "1000");
            self.signal(Signal::SIGTERM, Who::Run);
        }
        if step.moment == Moment::Starting {
            let run = self.run.pid();
            self.supervised("run starts again", |world| (world.run.pid() != run).then_some(()));
            self.cluster.uncontrol("slowsnap");
        }
        self.pass(step.after);
        self.interfere(step.fault, step.lasts);
        self.supervised("a stop that was begun comes to its end", |world| world.told.is_none().then_some(()));
        self.cluster.uncontrol("slowsnap");
        self.hear();
    }

    fn lives(&self) -> Vec<Life> {
        self.cluster.lives()
    }

    fn serves(&self) -> (u64, Option<String>) {
        let status = self.status().unwrap();
        (status["epoch"].as_u64().unwrap(), status["confirmed"].as_str().map(str::to_owned))
    }
}

/// Gives all files times that tell nothing.
fn set_times(path: &Path, random: &mut Random) {
    if path.is_dir() {
        for entry in std::fs::read_dir(path).unwrap() {
            set_times(&entry.unwrap().path(), random);
        }
    } else {
        let time = SystemTime::UNIX_EPOCH + random.millis(1, 2_000_000_000) * 1000;
        // It may be deleted in this moment.
        let _ = std::fs::File::options().write(true).open(path).and_then(|file| file.set_modified(time));
    }
}
