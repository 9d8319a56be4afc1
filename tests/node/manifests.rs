//! What is shipped, and what `inject` makes of it, is what a real API server takes; down to fields that it does not know.

use std::io::Write as _;
use std::process::{Command, Stdio};

use savepointd::inject::documents::{self, Document};
use serde_json::{Value, json};

use super::application::{START, eventually};
use super::support::process::binary;
use super::{node, on_the_node};

on_the_node!(
    every_overlay_and_component_is_taken_by_the_api_server_with_the_definitions_of_others,
    what_inject_makes_is_taken_by_the_api_server_and_stays_as_it_is,
);

const OVERLAYS: [&str; 7] = ["deployment", "rolling-update", "statefulset", "job", "session", "native", "operator"];
const PLAIN: [&str; 5] = ["deployment", "rolling-update", "statefulset", "job", "session"];
/// Components that no overlay has: `FOLDER/FILE`.
const COMPONENTS: [&str; 3] =
    ["pod-monitor/pod-monitor", "prometheus-rule/prometheus-rule", "network-policy/network-policy"];

/// A namespace, gone at the end.
struct Namespace(String);

impl Namespace {
    fn new(name: &str) -> Self {
        let name = format!("{name}-{:08x}", std::process::id());
        node::kubectl(&["create", "namespace", &name]);
        Self(name)
    }

    /// Has the API server do everything with these objects but keep them. Fields that it does not know are an error.
    fn try_out(&self, from: &str, objects: &[Value]) {
        // A pod names its service account, which has to be there before.
        let (accounts, others): (Vec<_>, Vec<_>) =
            objects.iter().cloned().partition(|object| object["kind"] == "ServiceAccount");
        if !accounts.is_empty() {
            node::feed(&["apply", "--namespace", &self.0], &accounts);
        }
        let others: Vec<Value> = others.into_iter().map(named).collect();
        let said = node::feed(
            &["apply", "--server-side", "--dry-run=server", "--validate=strict", "--namespace", &self.0],
            &others,
        );
        let taken = said.lines().filter(|line| line.contains("serverside-applied")).count();
        assert_eq!(taken, others.len(), "{from}: {said}");
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        node::kubectl(&["delete", "namespace", &self.0, "--wait=false"]);
    }
}

/// A pod template for Flink is a Pod without a name.
fn named(mut object: Value) -> Value {
    if object["kind"] == "Pod" && object["metadata"]["name"].is_null() {
        object["metadata"]["name"] = json!("template");
    }
    object
}

pub fn kustomize(folder: &str) -> String {
    let path = format!("{}/k8s/{folder}", env!("CARGO_MANIFEST_DIR"));
    node::kubectl(&["kustomize", &path])
}

pub fn objects(text: &str) -> Vec<Value> {
    documents::read(text).unwrap().iter().map(Document::value).filter(|value| !value.is_null()).collect()
}

fn inject(manifest: &str) -> String {
    let mut child = Command::new(binary())
        .args(["inject", "-", "--image", "localhost/savepointd:test"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(manifest.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// What other projects define, gone at the end.
struct Definitions(Vec<String>);

impl Definitions {
    fn install() -> Self {
        let files = node::definitions();
        for file in &files {
            // One of them is larger than what kubectl would note in an annotation.
            node::kubectl(&["apply", "--server-side", "--filename", file]);
        }
        let installed = Self(files);
        for file in &installed.0 {
            // `kubectl wait` takes a definition that says nothing of itself yet for a mistake.
            eventually("the definition is established", START, || {
                let definition = node::json(&["get", "--filename", file]);
                let conditions = definition["status"]["conditions"].as_array()?;
                let established = |one: &Value| one["type"] == "Established" && one["status"] == "True";
                conditions.iter().any(established).then_some(())
            });
        }
        installed
    }
}

impl Drop for Definitions {
    fn drop(&mut self) {
        for file in &self.0 {
            node::kubectl(&["delete", "--wait=false", "--filename", file]);
        }
    }
}

fn every_overlay_and_component_is_taken_by_the_api_server_with_the_definitions_of_others() {
    let _definitions = Definitions::install();
    for overlay in OVERLAYS {
        let namespace = Namespace::new(overlay);
        namespace.try_out(overlay, &objects(&kustomize(&format!("overlays/{overlay}"))));
    }
    let namespace = Namespace::new("components");
    for component in COMPONENTS {
        let path = format!("{}/k8s/components/{component}.yaml", env!("CARGO_MANIFEST_DIR"));
        namespace.try_out(component, &objects(&std::fs::read_to_string(path).unwrap()));
    }
    let namespace = Namespace::new("templates");
    let folder = format!("{}/k8s/overlays/native", env!("CARGO_MANIFEST_DIR"));
    namespace.try_out("native", &objects(&kustomize("base")));
    for template in ["jobmanager", "taskmanager"] {
        let text = std::fs::read_to_string(format!("{folder}/{template}.yaml")).unwrap();
        namespace.try_out(template, &objects(&text));
    }
}

fn what_inject_makes_is_taken_by_the_api_server_and_stays_as_it_is() {
    for plain in PLAIN {
        let namespace = Namespace::new(plain);
        let once = inject(&kustomize(&format!("flink/{plain}")));
        namespace.try_out(plain, &objects(&once));
        assert_eq!(inject(&once), once, "{plain}");
    }
}
