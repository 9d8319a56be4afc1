//! One cluster whose Flink and API server are scripted: what savepointd costs shows without what Flink costs.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use super::support::fake_flink::{FakeFlink, url};
use super::support::fake_kubernetes::{FakeKubernetes, NAMESPACE};
use super::support::free_port;
use super::support::process::binary;

/// The pod that all of it runs in.
pub(super) const POD: &str = "orders-0";
pub(super) const LONG: Duration = Duration::from_secs(120);

/// Writes down how it was started, as the scripted Flink wants it, and does nothing more.
pub(super) const ENTRYPOINT: &str = "#!/bin/sh\nread -r pid _ </proc/self/stat\nline=$pid\nfor word in \"$0\" \"$@\"; do line=\"$line\t$word\"; done\n\
     printf '%s\\n' \"$line\" >>\"$FAKE_DIR/starts\"\nexec sleep 100000\n";

/// The cluster.
pub(super) struct Scripted {
    pub(super) dir: TempDir,
    pub(super) flink: FakeFlink,
    pub(super) api: FakeKubernetes,
    pub(super) admin: u16,
    record: String,
    variables: Vec<(String, String)>,
}

impl Scripted {
    /// With its record in ConfigMap `orders`.
    pub(super) fn new() -> Self {
        let memory = std::path::Path::new("/dev/shm");
        // No disk is measured, where there is memory.
        let dir = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap();
        for name in ["conf", "checkpoints", "savepoints", "fake"] {
            fs::create_dir(dir.path().join(name)).unwrap();
        }
        let path = |name: &str| dir.path().join(name);
        let flink = FakeFlink::start(path("fake/starts"), path("checkpoints"));
        let api = FakeKubernetes::start();
        api.add_pod(POD, "10.0.0.1");
        api.kubeconfig(&path("kubeconfig"));
        let configuration = format!(
            "rest.port: {}\nstate.checkpoints.dir: {}\nstate.savepoints.dir: {}\n",
            flink.port,
            url(&path("checkpoints")),
            url(&path("savepoints"))
        );
        fs::write(path("conf/config.yaml"), configuration).unwrap();
        fs::write(path("docker-entrypoint.sh"), ENTRYPOINT).unwrap();
        fs::set_permissions(path("docker-entrypoint.sh"), fs::Permissions::from_mode(0o755)).unwrap();
        let record = format!("configmap://{NAMESPACE}/orders");
        Self { dir, flink, api, admin: free_port(), record, variables: Vec::new() }
    }

    /// With its record elsewhere, which these variables lead to.
    pub(super) fn recording_in(self, record: String, variables: Vec<(String, String)>) -> Self {
        Self { record, variables, ..self }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// `program` with this cluster's configuration.
    pub(super) fn prepare(&self, mut program: Command) -> Command {
        for (name, _) in std::env::vars() {
            if name.starts_with("SAVEPOINTD_") || name.starts_with("FLINK_") {
                program.env_remove(name);
            }
        }
        program
            .env_remove("KUBERNETES_SERVICE_HOST")
            .env("KUBECONFIG", self.path("kubeconfig"))
            .env("FLINK_CONF_DIR", self.path("conf"))
            .env("FAKE_DIR", self.path("fake"))
            .env("SAVEPOINTD_RECORD", &self.record)
            .env("SAVEPOINTD_CLUSTER__ID", "orders")
            .env("SAVEPOINTD_SOCKET", self.path("run.sock"))
            .env("SAVEPOINTD_CONTROL_SOCKET", self.path("control.sock"))
            .env("SAVEPOINTD_ADMIN__ADDRESS", format!("127.0.0.1:{}", self.admin))
            .env("SAVEPOINTD_GUARD__AGENT", format!("127.0.0.1:{}", self.admin))
            .env("SAVEPOINTD_POD__NAME", POD)
            .env("SAVEPOINTD_POD__NAMESPACE", NAMESPACE)
            .envs(self.variables.iter().cloned());
        program
    }

    pub(super) fn savepointd(&self, words: &[&str]) -> Command {
        let mut command = self.prepare(Command::new(binary()));
        command.args(words);
        command
    }

    /// What follows `run`, `plan` and the like.
    pub(super) fn entrypoint(&self) -> [String; 5] {
        let script = self.path("docker-entrypoint.sh").display().to_string();
        ["--", &script, "standalone-job", "--job-classname", "Job"].map(str::to_owned)
    }
}
