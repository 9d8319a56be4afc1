//! An application in pods. What has ended is started again by the node.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::super::application::{Application, Pod, START, STOP, eventually};
use super::super::manifest::Shape;
use super::super::support::chaos::{Durable, Moment, Step, World};
use super::super::support::life::{self, Life};
use super::super::witness::Line;
use super::super::{node, witness};
use super::fault::{self, Container, Fault, How};

#[derive(Debug)]
pub struct Pods {
    app: Application,
    heard: HashSet<String>,
    saved: Vec<Durable>,
    step: Option<Step<Fault>>,
}

impl Pods {
    pub fn start() -> Self {
        let flink_configuration = vec![
            ("state.backend.type", "rocksdb"),
            ("execution.checkpointing.interval", "500ms"),
            ("restart-strategy.type", "fixed-delay"),
            ("restart-strategy.fixed-delay.attempts", "2147483647"),
            ("restart-strategy.fixed-delay.delay", "500ms"),
        ];
        let app = Application::start("chaos", Shape { flink_configuration, grace: 40, ..Shape::default() });
        Self { app, heard: HashSet::new(), saved: Vec::new(), step: None }
    }

    /// Judges what was said of starts and stops since this was done last.
    fn hear(&mut self) {
        for line in ["agent", "jobmanager"].into_iter().flat_map(|name| witness::logs(&self.app.place.namespace, name))
        {
            let refused = line.is("start") && ["refuse", "hold"].contains(&line.word("decision"));
            let waits = line.is("waiting at the gate; Flink is not started");
            if !(refused || waits || line.is("stopped")) || !self.heard.insert(format!("{}{}", line.at, line.says)) {
                continue;
            }
            if line.is("stopped") {
                println!("   stopped: {}, {}", line.word("outcome"), line.word("reason"));
                if line.word("outcome") == "savepoint" {
                    // Tasks that began later are those of the next start.
                    self.saved.push(Durable::all(&life::lives_begun_before(&self.app.out(), line.at.as_millisecond())));
                }
                continue;
            }
            println!("   {}", line.says);
            let explained =
                self.step.is_some_and(|step| step.fault.explains(refused, step.moment, line.word("reason")));
            assert!(explained, "{:?} does not explain {line:?}", self.step);
        }
    }

    fn written(&self) -> u64 {
        self.app.lives().last().map_or(0, |life| life.last)
    }

    fn status(&self) -> Option<Value> {
        let url = format!("http://{}:9250/api/v1/status", self.app.place.address);
        serde_json::from_str(&node::try_exec(&["curl", "--silent", "--max-time", "5", &url]).ok()?).ok()
    }

    /// A moment of the schedule, chosen at random: nothing is waited for.
    fn pass(&mut self, time: Duration) {
        let end = Instant::now() + time;
        while Instant::now() < end {
            self.hear();
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// The container's id, if its pod is still there.
    fn container(&self, pod: &Pod, container: Container) -> Option<String> {
        let namespace = &self.app.place.namespace;
        eventually("the container", START, || {
            let kind = if container == Container::TaskManager { "taskmanager" } else { "jobmanager" };
            let selector = format!("component={kind}");
            let get = ["--namespace", namespace, "get", "pods", "--selector", &selector, "--output", "json"];
            let list: Value = serde_json::from_str(&node::try_kubectl(&get).ok()?).ok()?;
            let is_it = |one: &&Value| kind == "taskmanager" || one["metadata"]["uid"] == pod.uid.as_str();
            let Some(pod) = list["items"].as_array()?.iter().rfind(is_it) else {
                return (kind == "jobmanager").then_some(None);
            };
            node::running_container(pod, container.name()).map(Some)
        })
    }

    fn freeze(&mut self, pod: &Pod, containers: &[Container], lasts: Duration) {
        let ids: Vec<String> = containers.iter().filter_map(|container| self.container(pod, *container)).collect();
        for id in &ids {
            // It may have ended in this moment.
            let _ = node::try_exec(&["ctr", "task", "pause", id]);
        }
        self.pass(lasts);
        for id in &ids {
            let _ = node::try_exec(&["ctr", "task", "resume", id]);
        }
    }

    fn interfere(&mut self, pod: &Pod, fault: Fault, lasts: Duration) {
        match fault {
            Fault::Delete(How::ByEviction) => self.app.evict(pod),
            Fault::Delete(how) => delete(&self.app, &pod.name, how),
            Fault::DeleteTaskManager(how) => {
                for pod in self.app.task_managers() {
                    delete(&self.app, pod["metadata"]["name"].as_str().unwrap(), how);
                }
            }
            Fault::Kill(container) => {
                if let Some(id) = self.container(pod, container) {
                    let _ = node::try_exec(&["ctr", "task", "kill", "--signal", "SIGKILL", &id]);
                }
            }
            Fault::KillFlink(container) => {
                let id = self.container(pod, container);
                for pid in id.iter().flat_map(|id| flink_in(id)) {
                    let _ = kill(pid, Signal::SIGKILL);
                }
            }
            Fault::Freeze(container) => self.freeze(pod, &[container], lasts),
            Fault::FreezeJobManagersPod => self.freeze(pod, &[Container::Agent, Container::JobManager], lasts),
            Fault::Away(part) => {
                let away = node::Paused::part(part);
                self.pass(lasts);
                drop(away);
            }
            Fault::Restart(part) => node::part("restart", part),
            Fault::SlowSnapshots => {
                self.app.control("slowsnap", "5000");
                self.pass(lasts);
                self.app.uncontrol("slowsnap");
            }
        }
    }
}

impl World for Pods {
    type Fault = Fault;

    fn faults(&self) -> Vec<(Fault, &'static [Moment])> {
        fault::all()
    }

    fn settle(&mut self) {
        let mut goal = None;
        eventually("everything runs again", START * 2, || {
            self.hear();
            let written = self.written();
            let goal = *goal.get_or_insert(written + 50);
            let status = self.status()?;
            let running = status["phase"] == "running" && status["confirmed"].is_string();
            let tasks = &status["flink"]["jobs"][0]["all_tasks_up"];
            (running && status["guards"].as_u64() > Some(0) && tasks == true && written > goal).then_some(())
        });
        self.hear();
        self.step = None;
    }

    fn checkpoint(&mut self) {
        // The first may have been under way.
        self.app.checkpoint();
        self.app.checkpoint();
    }

    fn saved(&mut self) -> Vec<Durable> {
        std::mem::take(&mut self.saved)
    }

    fn strike(&mut self, step: &Step<Fault>) {
        self.step = Some(*step);
        let old = self.app.job_manager_but(&[]);
        let mut pod = old.clone();
        if step.moment != Moment::Running {
            self.app.control("slowsnap", "2000");
            self.app.delete(&old, &[]);
        }
        if step.moment == Moment::Starting {
            pod = self.app.job_manager_but(&[&old]);
            self.app.gone(&old);
            self.app.uncontrol("slowsnap");
        }
        self.pass(step.after);
        self.interfere(&pod, step.fault, step.lasts);
        let deleted = step.moment == Moment::Stopping || matches!(step.fault, Fault::Delete(_));
        if deleted && step.fault.leaves_the_end_alone() {
            // Said by an agent that still lived: nothing was killed.
            self.said(&pod, "the entrypoint has ended");
        }
        self.app.uncontrol("slowsnap");
    }

    fn lives(&self) -> Vec<Life> {
        self.app.lives()
    }

    fn serves(&self) -> (u64, Option<String>) {
        let status = eventually("a status", STOP, || self.status());
        (status["epoch"].as_u64().unwrap(), status["confirmed"].as_str().map(str::to_owned))
    }
}

impl Pods {
    fn said(&mut self, pod: &Pod, message: &str) -> Line {
        eventually(message, STOP, || {
            self.hear();
            self.app.all_said(pod, "agent", message).into_iter().next()
        })
    }
}

fn delete(app: &Application, pod: &str, how: How) {
    let mut all = vec!["--namespace", &app.place.namespace, "delete", "pod", pod, "--wait=false", "--ignore-not-found"];
    all.extend(how.flags());
    node::kubectl(&all);
}

/// Flink's processes in a container, as this machine counts.
fn flink_in(container: &str) -> Vec<Pid> {
    let of_flink = |entry: std::fs::DirEntry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        let read = |name: &str| std::fs::read(entry.path().join(name)).ok();
        let contains = |name: &str, word: &str| Some(String::from_utf8_lossy(&read(name)?).contains(word));
        (contains("cgroup", container)? && contains("cmdline", "org.apache.flink")?).then(|| Pid::from_raw(pid))
    };
    std::fs::read_dir("/proc").unwrap().flatten().filter_map(of_flink).collect()
}
