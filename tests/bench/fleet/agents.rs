//! Many clusters, each with a run and an agent of its own in a pod of its own.

use std::fs;
use std::ops::Range;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use jiff::Timestamp;
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use tempfile::TempDir;

use super::super::rest::memory_mib;
use super::super::scripted::ENTRYPOINT;
use super::super::support::fake_flink::{FakeFlink, Stopping, url};
use super::super::support::free_port;
use super::super::support::process::{Process, binary};
use super::LONG;
use super::control_plane::ControlPlane;

/// So many are started at once: a start asks Flink ten times a second until it is confirmed.
const WAVE: usize = 20;

pub(super) struct Fleet<'a> {
    control_plane: &'a ControlPlane,
    pub(super) namespace: String,
    members: Vec<Member>,
    _dir: TempDir,
}

struct Member {
    name: String,
    run: Process,
    flink: FakeFlink,
}

impl<'a> Fleet<'a> {
    pub(super) fn start(control_plane: &'a ControlPlane, size: usize, savepoints: Range<u64>) -> Self {
        let memory = Path::new("/dev/shm");
        let dir = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap();
        let namespace = format!("fleet-{size}");
        let kubeconfig = control_plane.namespace(&namespace);
        let pods =
            (0..size).map(|n| (format!("/api/v1/namespaces/{namespace}/pods"), Some(ControlPlane::pod(&name(n)))));
        control_plane.ask_all("POST", pods.collect());
        let entrypoint = dir.path().join("docker-entrypoint.sh");
        fs::write(&entrypoint, ENTRYPOINT).unwrap();
        fs::set_permissions(&entrypoint, fs::Permissions::from_mode(0o755)).unwrap();
        let mut members = Vec::new();
        let span = savepoints.end - savepoints.start;
        for wave in (0..size).collect::<Vec<_>>().chunks(WAVE) {
            let first = members.len();
            for &n in wave {
                let home = dir.path().join(name(n));
                let member = Member::start(&home, &name(n), &namespace, &kubeconfig, &entrypoint);
                // Spread evenly, and the same in each run.
                let after = savepoints.start + (n as u64 * 7_919) % span;
                member.flink.stops(&[Stopping::After(Duration::from_millis(after))]);
                members.push(member);
            }
            for member in &members[first..] {
                member.run.logged("the restore is confirmed", LONG);
            }
        }
        Self { control_plane, namespace, members, _dir: dir }
    }

    /// Of an agent and its run together, in the middle: private and resident.
    pub(super) fn memory_mib(&self) -> (f64, f64) {
        let of = |what: &str| {
            let each = self.members.iter().map(|member| {
                let own = |pid: Pid| memory_mib(pid, what);
                own(member.run.pid()) + own(member.run.agent())
            });
            super::middle(&each.collect::<Vec<_>>())
        };
        (of("Anonymous:"), of("Rss:"))
    }

    pub(super) fn delete_pods(&self) {
        let pods = self
            .members
            .iter()
            .map(|member| (format!("/api/v1/namespaces/{}/pods/{}", self.namespace, member.name), None));
        self.control_plane.ask_all("DELETE", pods.collect());
    }

    pub(super) fn terminate(&self) {
        self.members.iter().for_each(|member| member.run.signal(Signal::SIGTERM));
    }

    /// Waits for the end of all; gives how long each took until its outcome was recorded, in seconds, least first.
    pub(super) fn stopped(&mut self, began: Timestamp) -> Vec<f64> {
        let mut took: Vec<f64> = Vec::new();
        for member in &mut self.members {
            assert_eq!(member.run.exit_code(LONG), 143, "{}: {}", member.name, member.run.text());
            let stopped = member.run.find("stopped").unwrap_or_else(|| panic!("{}", member.run.text()));
            assert_eq!(stopped["outcome"], "savepoint", "{stopped}");
            let at: Timestamp = stopped["timestamp"].as_str().unwrap().parse().unwrap();
            took.push(at.duration_since(began).as_secs_f64());
        }
        took.sort_by(f64::total_cmp);
        took
    }

    /// How many records name a final savepoint.
    pub(super) fn landed(&self) -> usize {
        let maps = self.control_plane.ask("GET", &format!("/api/v1/namespaces/{}/configmaps", self.namespace), None);
        let maps = maps["items"].as_array().unwrap();
        maps.iter().filter(|map| map["data"]["kind"] == "final" && map["data"]["savepointPath"].is_string()).count()
    }
}

impl Member {
    fn start(home: &Path, name: &str, namespace: &str, kubeconfig: &Path, entrypoint: &Path) -> Self {
        for folder in ["conf", "checkpoints", "savepoints", "fake"] {
            fs::create_dir_all(home.join(folder)).unwrap();
        }
        let flink = FakeFlink::start(home.join("fake/starts"), home.join("checkpoints"));
        let configuration = format!(
            "rest.port: {}\nstate.checkpoints.dir: {}\nstate.savepoints.dir: {}\n",
            flink.port,
            url(&home.join("checkpoints")),
            url(&home.join("savepoints"))
        );
        fs::write(home.join("conf/config.yaml"), configuration).unwrap();
        let mut command = Command::new(binary());
        command
            .env_remove("KUBERNETES_SERVICE_HOST")
            .env("KUBECONFIG", kubeconfig)
            .env("FLINK_CONF_DIR", home.join("conf"))
            .env("FAKE_DIR", home.join("fake"))
            .env("SAVEPOINTD_RECORD", format!("configmap://{namespace}/{name}"))
            .env("SAVEPOINTD_SOCKET", home.join("run.sock"))
            .env("SAVEPOINTD_CONTROL_SOCKET", home.join("control.sock"))
            .env("SAVEPOINTD_ADMIN__ADDRESS", format!("127.0.0.1:{}", free_port()))
            .env("SAVEPOINTD_POD__NAME", name)
            .env("SAVEPOINTD_POD__NAMESPACE", namespace);
        command.args(["run", "--agent", "--"]).arg(entrypoint).args(["standalone-job", "--job-classname", "Job"]);
        Self { name: name.to_owned(), run: Process::start(&mut command), flink }
    }
}

fn name(n: usize) -> String {
    format!("orders-{n}")
}
