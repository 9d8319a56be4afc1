//! kube-apiserver and etcd on loopback, without anything else of a cluster.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use futures_util::stream::{self, StreamExt as _};
use hyper::Request;
use jiff::Timestamp;
use nix::time::{clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::super::support::{eventually_in_steps_of, free_port};
use super::LONG;

/// So many requests of the harness are under way at once.
const AT_ONCE: usize = 16;
const ACCOUNT: &str = "flink";

/// Dropped, it ends.
pub(super) struct ControlPlane {
    dir: TempDir,
    runtime: tokio::runtime::Runtime,
    client: kube::Client,
    url: String,
    parts: [Child; 2],
}

/// What agents asked for.
pub(super) struct Calls {
    pub(super) all: usize,
    pub(super) refused: usize,
    pub(super) most_in_a_second: usize,
    /// How many of which verb and resource.
    pub(super) kinds: BTreeMap<String, usize>,
}

impl ControlPlane {
    /// None: the programs are not there.
    pub(super) fn start() -> Option<Self> {
        let [etcd, api_server] = ["etcd", "kube-apiserver"].map(program);
        if !etcd.exists() || !api_server.exists() {
            return None;
        }
        let memory = Path::new("/dev/shm");
        let dir = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap();
        let [client, peer, port] = [free_port(), free_port(), free_port()];
        let url = format!("https://127.0.0.1:{port}");
        let made =
            Command::new("tests/node/pki.sh").arg(dir.path()).args([&url, "127.0.0.1", "10.96.0.1"]).output().unwrap();
        assert!(made.status.success(), "{made:?}");
        let path = |name: &str| dir.path().join(name).display().to_string();
        let [client, peer] = [client, peer].map(|port| format!("http://127.0.0.1:{port}"));
        let start = |program: &Path, log: &str, arguments: Vec<String>| {
            let log = std::fs::File::create(dir.path().join(log)).unwrap();
            let mut command = Command::new(program);
            command.args(arguments).stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap()
        };
        let etcd = start(
            &etcd,
            "etcd.log",
            vec![
                format!("--data-dir={}", path("etcd.data")),
                "--name=fleet".to_owned(),
                "--unsafe-no-fsync".to_owned(),
                format!("--listen-client-urls={client}"),
                format!("--advertise-client-urls={client}"),
                format!("--listen-peer-urls={peer}"),
                format!("--initial-advertise-peer-urls={peer}"),
                format!("--initial-cluster=fleet={peer}"),
            ],
        );
        let policy = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/node/etc/audit.yaml");
        let api_server = start(
            &api_server,
            "apiserver.log",
            vec![
                format!("--etcd-servers={client}"),
                "--bind-address=127.0.0.1".to_owned(),
                format!("--secure-port={port}"),
                "--advertise-address=127.0.0.1".to_owned(),
                "--endpoint-reconciler-type=none".to_owned(),
                "--service-cluster-ip-range=10.96.0.0/16".to_owned(),
                format!("--client-ca-file={}", path("ca.crt")),
                format!("--tls-cert-file={}", path("apiserver.crt")),
                format!("--tls-private-key-file={}", path("apiserver.key")),
                "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
                format!("--service-account-key-file={}", path("tokens.pub")),
                format!("--service-account-signing-key-file={}", path("tokens.key")),
                "--authorization-mode=RBAC".to_owned(),
                format!("--audit-policy-file={}", policy.display()),
                format!("--audit-log-path={}", path("audit.jsonl")),
            ],
        );
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        savepointd::tls::prepare();
        let kubeconfig = kube::config::Kubeconfig::read_from(dir.path().join("admin.kubeconfig")).unwrap();
        let client = runtime.block_on(async {
            let options = kube::config::KubeConfigOptions::default();
            let config = kube::Config::from_custom_kubeconfig(kubeconfig, &options).await.unwrap();
            kube::Client::try_from(config).unwrap()
        });
        let plane = Self { dir, runtime, client, url, parts: [etcd, api_server] };
        eventually_in_steps_of(Duration::from_millis(200), "the API server serves", LONG, || {
            // Its own roles come last.
            plane.try_ask("GET", "/apis/rbac.authorization.k8s.io/v1/clusterroles/cluster-admin", None).ok()
        });
        Some(plane)
    }

    fn try_ask(&self, method: &str, path: &str, body: Option<&Value>) -> kube::Result<Value> {
        self.runtime.block_on(ask(&self.client, method, path, body))
    }

    pub(super) fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        self.try_ask(method, path, body).unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    /// The same request for each of these, several at once.
    pub(super) fn ask_all(&self, method: &str, requests: Vec<(String, Option<Value>)>) {
        let client = &self.client;
        let asking = stream::iter(requests).map(|(path, body)| async move {
            ask(client, method, &path, body.as_ref()).await.unwrap_or_else(|error| panic!("{method} {path}: {error}"));
        });
        self.runtime.block_on(asking.buffer_unordered(AT_ONCE).collect::<Vec<()>>());
    }

    /// A namespace with a service account; gives the kubeconfig of whoever runs as that.
    pub(super) fn namespace(&self, name: &str) -> PathBuf {
        self.ask("POST", "/api/v1/namespaces", Some(&json!({ "metadata": { "name": name } })));
        let account = json!({ "metadata": { "name": ACCOUNT } });
        self.ask("POST", &format!("/api/v1/namespaces/{name}/serviceaccounts"), Some(&account));
        let binding = json!({
            "metadata": { "name": name },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin" },
            "subjects": [{ "kind": "ServiceAccount", "name": ACCOUNT, "namespace": name }],
        });
        self.ask("POST", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", Some(&binding));
        let token = format!("/api/v1/namespaces/{name}/serviceaccounts/{ACCOUNT}/token");
        let token = self.ask("POST", &token, Some(&json!({ "spec": { "expirationSeconds": 36_000 } })));
        let kubeconfig = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "fleet",
            "clusters": [{ "name": "fleet", "cluster": { "server": self.url, "certificate-authority": self.dir.path().join("ca.crt") } }],
            "users": [{ "name": ACCOUNT, "user": { "token": token["status"]["token"] } }],
            "contexts": [{ "name": "fleet", "context": { "cluster": "fleet", "user": ACCOUNT, "namespace": name } }],
        });
        let path = self.dir.path().join(format!("{name}.kubeconfig"));
        std::fs::write(&path, kubeconfig.to_string()).unwrap();
        path
    }

    /// A pod that a kubelet would run, had the node one: deleted, it is there until its grace is over.
    pub(super) fn pod(name: &str) -> Value {
        json!({
            "metadata": { "name": name },
            "spec": {
                "nodeName": "nowhere",
                "serviceAccountName": ACCOUNT,
                "automountServiceAccountToken": false,
                "terminationGracePeriodSeconds": 300,
                "containers": [{ "name": "jobmanager", "image": "flink" }],
            },
        })
    }

    pub(super) fn processor_time(&self) -> Duration {
        let of = |part: &Child| -> Duration {
            let clock = clock_getcpuclockid(Pid::from_raw(part.id().cast_signed())).unwrap();
            clock_gettime(clock).unwrap().into()
        };
        self.parts.iter().map(of).sum()
    }

    /// What the service account of a namespace has asked for since then.
    pub(super) fn calls_since(&self, begin: Timestamp, namespace: &str) -> Calls {
        let user = format!("system:serviceaccount:{namespace}:{ACCOUNT}");
        let text = std::fs::read_to_string(self.dir.path().join("audit.jsonl")).unwrap();
        let mut calls = Calls { all: 0, refused: 0, most_in_a_second: 0, kinds: BTreeMap::new() };
        let mut seconds: BTreeMap<i64, usize> = BTreeMap::new();
        for request in text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
            let at: Timestamp = request["requestReceivedTimestamp"].as_str().unwrap().parse().unwrap();
            if request["user"]["username"] != user.as_str() || at < begin {
                continue;
            }
            let code = request["responseStatus"]["code"].as_u64().unwrap_or(0);
            calls.all += 1;
            calls.refused += usize::from(code >= 400);
            *seconds.entry(at.as_second()).or_default() += 1;
            let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let kind = format!("{} {} {code}", word(&request["verb"]), word(&request["objectRef"]["resource"]));
            *calls.kinds.entry(kind).or_default() += 1;
        }
        calls.most_in_a_second = seconds.into_values().max().unwrap_or(0);
        calls
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        // Of the API server first: without etcd it would complain for long.
        for part in self.parts.iter_mut().rev() {
            let _ = part.kill();
            let _ = part.wait();
        }
    }
}

async fn ask(client: &kube::Client, method: &str, path: &str, body: Option<&Value>) -> kube::Result<Value> {
    let bytes = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
    let request = Request::builder().method(method).uri(path).header("content-type", "application/json");
    client.request(request.body(bytes).unwrap()).await
}

fn program(name: &str) -> PathBuf {
    let variable = |name: &str| std::env::var_os(name).map(PathBuf::from);
    let shared = || variable("XDG_CACHE_HOME").unwrap_or_else(|| variable("HOME").unwrap().join(".cache"));
    let cache = variable("SPTEST_CACHE").unwrap_or_else(|| shared().join("savepointd"));
    cache.join("node/bin").join(name)
}
