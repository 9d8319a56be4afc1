//! A whole life: start, confirm, checkpoints, savepoints on demand of which older ones are pruned, stop, release; and the next start.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::judge::{self, Outcome};
use crate::pod::Pods;
use crate::support::fake_flink::{Stopping, is_alive};
use crate::support::trace::{Blow, Names, Side, Strike, Trace, Traced, Watch};
use crate::world::{How, World, how};

/// The deadline of the life that is struck.
pub const GRACE: Duration = Duration::from_secs(5);
pub const RESERVE: Duration = Duration::from_secs(2);
/// How problems say it that a machine with too much to do causes as well.
pub const LATE: &str = "past its deadline";
/// How long a part of the life may take where a blow has fallen.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Which parts there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Life {
    /// `run` with an agent of its own, all in files.
    Files,
    /// The same, and the agent is dead before it asks for the final savepoint.
    Alone,
    /// An agent, a `run` and a guard apart, and the record in a `ConfigMap`.
    Pods,
}

/// What a life came to.
#[derive(Debug)]
pub struct Lived {
    /// The names of its effects, each once, in order.
    pub effects: Vec<String>,
    /// Whether the blow has fallen.
    pub struck: bool,
    pub outcome: Outcome,
}

impl Life {
    pub const ALL: [Self; 3] = [Self::Files, Self::Alone, Self::Pods];

    pub fn title(self) -> &'static str {
        match self {
            Self::Files => "`run --agent`, record in files",
            Self::Alone => "`run` finishes the stop: its agent was killed before the request for the savepoint",
            Self::Pods => "Agent, `run` and guard apart, record in a ConfigMap",
        }
    }

    /// The blow that makes this life what it is.
    fn given(self) -> Option<Strike> {
        (self == Self::Alone).then(|| Strike {
            effect: "stop: agent asks Flink POST /jobs/ID/stop".to_owned(),
            side: Side::Before,
            blow: Blow::Kill,
        })
    }

    /// Goes through it, with this blow.
    pub fn live(self, strike: Option<&Strike>) -> Lived {
        let world = if self == Self::Pods { World::in_kubernetes() } else { World::new() };
        let pods = (self == Self::Pods).then(|| Pods::new(&world));
        let base = match &pods {
            Some(_) => Pods::one_epoch(&world),
            None => world.one_epoch(),
        };
        let (told, early) = (Arc::default(), Arc::default());
        let mut ports = vec![(world.flink.port, "Flink")];
        ports.extend(pods.iter().flat_map(|pods| pods.ports(&world)));
        let names = Names { directory: world.dir.path().to_owned(), ports };
        let strikes = self.given().into_iter().chain(strike.cloned()).collect();
        let trace = Trace::new(names, strikes, Some(watch(&world, strike, &told, &early)));
        let mut scene = Scene { world: &world, trace: &trace, pods: None, run: None };
        scene.start(pods);
        let since = scene.go_through(&told);
        let mut problems = scene.end(since);
        problems.extend(early.lock().unwrap().iter().cloned());
        let struck = strike.is_some() && trace.struck().is_some();
        let outcome = judge::next_start(&world, &base, &scene.next(), problems, || scene.thaw());
        let effects = distinct(&trace, self.given().and_then(|_| trace.blows().first().copied()));
        drop(scene);
        let log = std::fs::read_to_string(world.path("log")).unwrap_or_default();
        Lived { effects, struck, outcome: Outcome { log, ..outcome } }
    }
}

/// The names of what came after this, each once.
fn distinct(trace: &Trace, after: Option<Instant>) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for effect in trace.effects().into_iter().filter(|effect| after.is_none_or(|after| effect.at > after)) {
        if !names.contains(&effect.name) {
            names.push(effect.name);
        }
    }
    names
}

pub fn options() -> How {
    how().grace(&format!("{}s", GRACE.as_secs()), &format!("{}s", RESERVE.as_secs())).set("retention.keep=1")
}

/// Promise 3, at the very system call: recorded, or decided by a `run` that is alone and has no record, or time is up.
fn watch(
    world: &World,
    strike: Option<&Strike>,
    told: &Arc<Mutex<Option<Instant>>>,
    early: &Arc<Mutex<Vec<String>>>,
) -> Watch {
    let (durable, told, early) = (judge::durable(world, 2), Arc::clone(told), Arc::clone(early));
    let log = world.path("log");
    let alone = move || {
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        let said = |message: &str| text.contains(&format!("\"message\":\"{message}\""));
        said("finishing the stop without the agent") && said("stopped")
    };
    // Where the agent itself was told to end, its time ran from then on: that is judged by the outcome.
    let by_itself = strike.is_some_and(|strike| strike.blow == Blow::Term);
    let late = move || by_itself || told.lock().unwrap().is_some_and(|told| told.elapsed() + RESERVE >= GRACE);
    // A guard that hears nobody, or of no job, has nothing to hold for.
    let guard = strike.is_none().then_some("guard sends SIGTERM to the TaskManager");
    let ends: Vec<&str> = guard.into_iter().chain(["run sends SIGTERM to the entrypoint"]).collect();
    Box::new(move |effect| {
        let is_one = effect.starts_with("stop: ") && ends.iter().any(|end| effect.ends_with(end));
        if is_one && !durable() && !alone() && !late() {
            early.lock().unwrap().push(format!("{effect}, before the outcome was durable"));
        }
    })
}

pub struct Scene<'a> {
    pub world: &'a World,
    pub trace: &'a Arc<Trace>,
    pub pods: Option<Pods>,
    run: Option<Traced>,
}

impl Scene<'_> {
    fn start(&mut self, pods: Option<Pods>) {
        let how = pods.as_ref().map_or_else(options, |_| Pods::run());
        let command = self.world.run_command(&how);
        if let Some(mut pods) = pods {
            pods.start(self.world, self.trace);
            self.pods = Some(pods);
        }
        self.run = Some(Traced::start(self.trace, &command, self.world.path("log")));
    }

    fn run(&self) -> &Traced {
        self.run.as_ref().unwrap()
    }

    /// Waits for this, or until there is nothing to wait for any more.
    fn until<T>(&mut self, mut condition: impl FnMut(&World) -> Option<T>) -> Option<T> {
        let limit = Instant::now() + PATIENCE;
        while self.run().ended().is_none() && self.trace.frozen().is_none() && Instant::now() < limit {
            if let Some(found) = condition(self.world) {
                return Some(found);
            }
            if let Some(pods) = &mut self.pods {
                pods.restart_what_ended(self.world, self.trace);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        None
    }

    /// From the start to the signal; gives when that was.
    fn go_through(&mut self, told: &Mutex<Option<Instant>>) -> Instant {
        let confirmed = self.until(|world| world.recorded(2, "confirmed"));
        self.trace.phase("job");
        if confirmed.is_some() && self.job_runs() {
            self.world.flink.checkpoint();
            self.until(|world| world.recorded(2, "progressed"));
            for _ in 0..2 {
                // After the blow there is nothing more to be seen in it.
                if self.trace.struck().is_none() && self.job_runs() {
                    self.world.verb(&["savepoint", "--wait", "3s"]);
                }
            }
            let pruned = |world: &World| {
                let gone = |entry: &serde_json::Value| {
                    let path = entry["fact"]["path"].as_str().unwrap_or_default().trim_start_matches("file://");
                    !std::path::Path::new(path).exists()
                };
                world.recorded(2, "pruned").filter(gone)
            };
            let trace = Arc::clone(self.trace);
            self.until(|world| trace.struck().map(|_| ()).or_else(|| pruned(world).map(|_| ())));
            if self.job_runs() {
                self.world.flink.checkpoint();
            }
        }
        self.trace.phase("stop");
        self.world.flink.stops(&[Stopping::After(Duration::from_millis(150))]);
        if let Some(pods) = &self.pods {
            pods.delete(self.world);
        }
        let now = Instant::now();
        *told.lock().unwrap() = Some(now);
        self.run().signal(Signal::SIGTERM);
        now
    }

    fn job_runs(&self) -> bool {
        let alive = self.world.flink.starts().last().is_some_and(|started| is_alive(started.pid));
        alive && self.trace.frozen().is_none() && self.run().ended().is_none()
    }

    /// Whether the blow that fell on this process keeps it from ending by itself.
    pub fn is_excused(&self, process: &Traced) -> bool {
        self.trace.frozen() == Some(process.pid()) || process.ended().is_some_and(|(code, _)| code == 137)
    }

    /// The end by itself, or as the kubelet makes it; and what must not be.
    fn end(&mut self, told: Instant) -> Vec<String> {
        let limit = told + GRACE;
        let run = self.run();
        let mut problems = Vec::new();
        // Until then it could be late.
        let patience = if self.is_excused(run) { Duration::ZERO } else { Duration::from_secs(3) };
        let ended = run.ends_until(limit + patience);
        if !self.is_excused(run) {
            match ended {
                None => problems.push(format!("run does not end, {LATE}")),
                Some((_, at)) if at > limit => problems.push(format!("run ends {:?} {LATE}", at - limit)),
                Some((143, _)) => {}
                Some((code, _)) => problems.push(format!("run ends with {code}")),
            }
        }
        run.signal(Signal::SIGKILL);
        run.ends_until(Instant::now() + PATIENCE);
        if let Some(pods) = &self.pods {
            problems.extend(pods.end(self, limit, self.is_excused(run)));
        }
        let gone = Instant::now() + PATIENCE;
        let left = || self.world.flink.starts().last().is_some_and(|started| is_alive(started.pid));
        while left() && Instant::now() < gone {
            std::thread::sleep(Duration::from_millis(5));
        }
        if left() {
            problems.push("the JobManager outlives run".to_owned());
        }
        problems
    }

    /// How the next start is made.
    fn next(&self) -> How {
        self.pods.as_ref().map_or_else(how, |_| Pods::next(self.world)).waits()
    }

    /// What stood still goes on, beside the next epoch.
    fn thaw(&self) {
        self.trace.thaw();
        if let Some(pods) = &self.pods {
            pods.last_end();
        }
    }
}
