//! One application in a namespace of its own, with directories of its own; nothing of it is left behind.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use super::manifest::{self, NAME, Place, Shape};
use super::node;
use super::support::eventually_in_steps_of;
use super::support::life::{self, Life};
use super::witness::{self, Line};

/// Longer than any start takes, two JVMs on a busy machine included: at a load of 55 one has needed 170 s.
pub const START: Duration = Duration::from_secs(240);
/// Longer than any stop takes in these tests.
pub const STOP: Duration = Duration::from_secs(100);

/// Waits for what takes a process, or reading a log, to look at.
pub fn eventually<T>(what: &str, limit: Duration, condition: impl FnMut() -> Option<T>) -> T {
    eventually_in_steps_of(Duration::from_millis(200), what, limit, condition)
}

/// One application.
#[derive(Debug)]
pub struct Application {
    pub place: Place,
    pub shape: Shape,
    dir: PathBuf,
}

/// A pod of the JobManager.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pod {
    pub name: String,
    pub uid: String,
    pub terminating: bool,
    pub created: Timestamp,
}

/// A start as the agent told it.
#[derive(Debug, Clone)]
pub struct Started {
    pub pod: Pod,
    /// What Flink restored.
    pub restored: Option<String>,
    pub epoch: u64,
}

impl Application {
    /// Makes everything, and starts it.
    pub fn start(name: &str, shape: Shape) -> Self {
        let app = Self::prepare(name, shape);
        app.apply();
        app
    }

    /// Makes everything but what runs.
    pub fn prepare(name: &str, shape: Shape) -> Self {
        let namespace = format!("{name}-{:08x}", std::process::id());
        let dir = node::data().join(&namespace);
        for name in ["chk", "sp", "out", "ctl", "ha"] {
            std::fs::create_dir_all(dir.join(name)).unwrap();
            // Any user of the pods may write there.
            std::fs::set_permissions(dir.join(name), std::fs::Permissions::from_mode(0o777)).unwrap();
        }
        // First the guard that takes it all away again.
        let mut app = Self { place: Place { namespace, address: String::new() }, shape, dir };
        node::feed(&["apply"], &manifest::foundation(&app.place.namespace));
        if app.shape.highly_available {
            node::feed(&["apply"], &manifest::high_availability(&app.place.namespace));
        }
        let service = app.json(&["get", "service", "jobmanager"]);
        service["spec"]["clusterIP"].as_str().unwrap().clone_into(&mut app.place.address);
        app
    }

    /// The workloads as they are applied.
    pub fn workloads(&self) -> Vec<Value> {
        vec![
            manifest::job_manager(&self.place, &self.shape, "jobmanager"),
            manifest::task_manager(&self.place, &self.shape),
        ]
    }

    pub fn apply(&self) {
        node::feed(&["apply"], &self.workloads());
    }

    fn within<'a>(&'a self, arguments: &[&'a str]) -> Vec<&'a str> {
        let mut all = vec!["--namespace", self.place.namespace.as_str()];
        all.extend(arguments);
        all
    }

    pub fn kubectl(&self, arguments: &[&str]) -> String {
        node::kubectl(&self.within(arguments))
    }

    pub fn json(&self, arguments: &[&str]) -> Value {
        node::json(&self.within(arguments))
    }

    /// A verb of savepointd, asked in the agent's container.
    pub fn ask(&self, pod: &Pod, arguments: &[&str]) -> String {
        let mut all = vec!["exec", pod.name.as_str(), "--container", "agent", "--", "/bin/savepointd"];
        all.extend(arguments);
        self.kubectl(&all)
    }

    /// The recorded points, newest first.
    pub fn history(&self, pod: &Pod) -> Vec<Value> {
        serde_json::from_str(&self.ask(pod, &["history", "--output", "json"])).unwrap()
    }

    /// The JobManager's pods, oldest first.
    pub fn job_managers(&self) -> Vec<Pod> {
        let list = self.json(&["get", "pods", "--selector", "component=jobmanager"]);
        let pod = |pod: &Value| {
            let metadata = &pod["metadata"];
            let word = |key: &str| metadata[key].as_str().unwrap().to_owned();
            Pod {
                name: word("name"),
                uid: word("uid"),
                terminating: !metadata["deletionTimestamp"].is_null(),
                created: word("creationTimestamp").parse().unwrap(),
            }
        };
        let mut pods: Vec<Pod> = list["items"].as_array().unwrap().iter().map(pod).collect();
        pods.sort_by_key(|pod| (pod.created, pod.name.clone()));
        pods
    }

    /// Waits for a pod of the JobManager's that is none of `but`, and stays.
    pub fn job_manager_but(&self, but: &[&Pod]) -> Pod {
        eventually("a pod of the JobManager", START, || {
            let news = |pod: &Pod| !pod.terminating && but.iter().all(|other| other.uid != pod.uid);
            self.job_managers().into_iter().find(news)
        })
    }

    /// Waits until a pod of the JobManager's that is none of `but` runs the job, as Flink confirmed.
    /// The pod that replaces that of `old` has restored its final savepoint, exactly; with what the old agent said of the stop.
    pub fn assert_replaced(&self, old: &Started, lives: usize) -> (Started, Line) {
        let new = self.started_but(&[&old.pod]);
        self.progress(200);
        let stopped = self.stopped(&old.pod);
        assert_eq!((stopped.word("outcome"), &stopped.says["recorded"]), ("savepoint", &true.into()), "{stopped:?}");
        assert_eq!(new.restored.as_deref(), Some(stopped.word("point")), "{new:?}");
        assert_eq!(new.epoch, old.epoch + 1);
        self.assert_exactly_once(lives);
        (new, stopped)
    }

    pub fn started_but(&self, but: &[&Pod]) -> Started {
        let pod = self.job_manager_but(but);
        self.confirmed(&pod, 1)
    }

    pub fn started(&self) -> Started {
        self.started_but(&[])
    }

    /// Waits until Flink has confirmed a pod's start, the first one or a later one.
    pub fn confirmed(&self, pod: &Pod, start: usize) -> Started {
        let line = eventually("the restore is confirmed", START, || {
            self.all_said(pod, "agent", "the restore is confirmed").into_iter().nth(start - 1)
        });
        let restored = line.says["restored"].as_str().map(str::to_owned);
        Started { pod: pod.clone(), restored, epoch: line.says["epoch"].as_u64().unwrap() }
    }

    pub fn log(&self, pod: &Pod, container: &str) -> Vec<Line> {
        witness::log(&self.place.namespace, &pod.uid, container)
    }

    /// The lines of a container with this message.
    pub fn all_said(&self, pod: &Pod, container: &str, message: &str) -> Vec<Line> {
        self.log(pod, container).into_iter().filter(|line| line.is(message)).collect()
    }

    /// Waits for a line with this message.
    pub fn said(&self, pod: &Pod, container: &str, message: &str) -> Line {
        eventually(message, STOP, || self.all_said(pod, container, message).into_iter().next())
    }

    /// Waits for the outcome of a pod's stop.
    pub fn stopped(&self, pod: &Pod) -> Line {
        self.said(pod, "agent", "stopped")
    }

    /// Waits until a pod is gone from the API.
    pub fn gone(&self, pod: &Pod) {
        eventually("the pod is gone", STOP, || {
            self.job_managers().iter().all(|other| other.uid != pod.uid).then_some(())
        });
    }

    /// Deletes a pod, with these flags, and does not wait for its end.
    pub fn delete(&self, pod: &Pod, flags: &[&str]) {
        let mut all = vec!["delete", "pod", pod.name.as_str(), "--wait=false"];
        all.extend(flags);
        self.kubectl(&all);
    }

    /// Has the eviction API end a pod, as a drain does.
    pub fn evict(&self, pod: &Pod) {
        let eviction = serde_json::json!({
            "apiVersion": "policy/v1", "kind": "Eviction",
            "metadata": { "name": pod.name, "namespace": self.place.namespace },
        });
        let path = format!("/api/v1/namespaces/{}/pods/{}/eviction", self.place.namespace, pod.name);
        node::post(&path, &eviction);
    }

    fn container(&self, pod: &Pod, name: &str) -> String {
        node::container_id(&self.json(&["get", "pod", &pod.name]), name)
    }

    /// SIGKILL for the first process of a container.
    pub fn kill(&self, pod: &Pod, container: &str) {
        node::exec(&["ctr", "task", "kill", "--signal", "SIGKILL", &self.container(pod, container)]);
    }

    /// Freezes containers, until the answer is dropped.
    pub fn freeze(&self, pod: &Pod, containers: &[&str]) -> node::Frozen {
        node::Frozen::containers(containers.iter().map(|name| self.container(pod, name)).collect())
    }

    /// The pods of TaskManagers.
    pub fn task_managers(&self) -> Vec<Value> {
        let list = self.json(&["get", "pods", "--selector", "component=taskmanager"]);
        list["items"].as_array().unwrap().clone()
    }

    /// Waits for an Event with this reason; gives its message.
    pub fn event(&self, reason: &str) -> String {
        eventually(reason, STOP, || self.events(reason).into_iter().next())
    }

    pub fn events(&self, reason: &str) -> Vec<String> {
        let list = self.json(&["get", "events"]);
        let items = list["items"].as_array().unwrap().iter();
        let message = |event: &Value| event["message"].as_str().unwrap_or_default().to_owned();
        items.filter(|event| event["reason"] == reason).map(message).collect()
    }

    /// A control file of the job, or of the liveness probe.
    pub fn control(&self, name: &str, text: &str) {
        std::fs::write(self.dir.join("ctl").join(name), text).unwrap();
    }

    pub fn uncontrol(&self, name: &str) {
        let _ = std::fs::remove_file(self.dir.join("ctl").join(name));
    }

    /// Where the writing task writes, a file for each of its lives.
    pub fn out(&self) -> PathBuf {
        self.dir.join("out")
    }

    /// The lives of the writing task, oldest first.
    pub fn lives(&self) -> Vec<Life> {
        life::lives(&self.out())
    }

    /// Waits until the job has written `count` records more than now.
    pub fn progress(&self, count: u64) {
        let written = || self.lives().last().map_or(0, |life| life.last);
        let begin = written();
        eventually("records are written", START, || (written() >= begin + count).then_some(()));
    }

    /// Waits for a checkpoint of the running job that is not there yet.
    pub fn checkpoint(&self) {
        let newest = || checkpoints(&self.dir.join("chk")).into_iter().max();
        let before = newest();
        eventually("a checkpoint", START, || newest().filter(|now| Some(now) > before.as_ref()));
    }

    /// The newest checkpoint, as the pods name it.
    pub fn newest_checkpoint(&self) -> String {
        let (_, path) = checkpoints(&self.dir.join("chk")).into_iter().max().unwrap();
        format!("file:///data/{}", path.strip_prefix(&self.dir).unwrap().display())
    }

    /// Whether a savepoint of this epoch was begun.
    pub fn has_savepoints_of(&self, epoch: u64) -> bool {
        let clusters = std::fs::read_dir(self.dir.join("sp")).into_iter().flatten().flatten();
        clusters
            .map(|cluster| cluster.path().join(epoch.to_string()))
            .any(|folder| std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some()))
    }

    /// What ran goes on, exactly: nothing lost, nothing repeated, and some of it after the newest start.
    pub fn assert_exactly_once(&self, lives: usize) {
        let all = self.lives();
        assert_eq!(all.len(), lives, "{all:#?}");
        life::assert_exactly_once(&all);
        println!("nothing lost, nothing repeated");
    }

    /// What ran goes on from a checkpoint: nothing lost.
    pub fn assert_nothing_lost(&self) {
        let lives = self.lives();
        life::assert_nothing_lost(&lives);
        println!("nothing lost, {} repeated", life::repeated(&lives));
    }

    fn tell(&self) {
        let mut out = std::io::stderr();
        let _ = writeln!(out, "\n== what is there of {}", self.place.namespace);
        for arguments in [&["get", "pods", "--output", "wide"][..], &["get", "events", "--sort-by=.lastTimestamp"]] {
            let said = node::try_kubectl(&self.within(arguments)).unwrap_or_else(|error| error);
            let _ = writeln!(out, "{said}");
        }
        let prefix = format!("{}_", self.place.namespace);
        for pod in std::fs::read_dir(node::log().join("pods")).into_iter().flatten().flatten() {
            let name = pod.file_name().to_string_lossy().into_owned();
            let Some(uid) = name.strip_prefix(&prefix).and_then(|rest| rest.rsplit_once('_')).map(|(_, uid)| uid)
            else {
                continue;
            };
            for container in ["agent", "jobmanager", "taskmanager", "client", super::native::MAIN] {
                let lines = witness::log(&self.place.namespace, uid, container);
                let _ = writeln!(out, "\n== {container} of {name}, from its end");
                // Flink says much.
                let ours = |line: &&Line| line.says["level"].is_string() || line.word("message").contains("ERROR");
                let lines: Vec<&Line> = lines.iter().filter(ours).collect();
                for line in lines.iter().skip(lines.len().saturating_sub(40)) {
                    let _ = writeln!(out, "{} {}", line.at, line.says);
                }
            }
        }
        let _ = writeln!(out, "\n== lives\n{:#?}", self.lives());
    }
}

/// The checkpoints under a directory, as times of completion and paths.
fn checkpoints(under: &std::path::Path) -> Vec<(std::time::SystemTime, PathBuf)> {
    let entries = |dir: &std::path::Path| -> Vec<PathBuf> {
        std::fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
    };
    let of_jobs = entries(under).into_iter().flat_map(|job| entries(&job));
    of_jobs.filter_map(|dir| Some((std::fs::metadata(dir.join("_metadata")).ok()?.modified().ok()?, dir))).collect()
}

impl Drop for Application {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.tell();
            if std::env::var_os("SPTEST_KEEP").is_some() {
                return;
            }
        }
        let workloads = "deployment,statefulset,job";
        for arguments in [
            // Whoever would make new pods goes first.
            &["delete", workloads, "--all", "--cascade=orphan"][..],
            &["delete", "replicaset,controllerrevision", "--all", "--cascade=orphan"],
            &["delete", "pod", "--all", "--grace-period=1"],
            &["delete", "configmap", NAME, "--ignore-not-found"],
            &["delete", "namespace", &self.place.namespace, "--wait=false"],
        ] {
            if let Err(error) = node::try_kubectl(&self.within(arguments)) {
                let _ = writeln!(std::io::stderr(), "{error}");
            }
        }
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}
