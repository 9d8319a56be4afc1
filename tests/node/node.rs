//! The node: what `node.sh` does, as functions.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

use super::support::evidence;

/// Why there is no node, once it is known. A test that needs one asks this first, and is over if there is a reason.
fn missing() -> Option<&'static str> {
    static MISSING: OnceLock<Option<String>> = OnceLock::new();
    let look = || {
        let check = script("check.sh").output().unwrap();
        if !check.status.success() {
            return Some(String::from_utf8_lossy(&check.stderr).into_owned());
        }
        bring_up();
        None
    };
    MISSING.get_or_init(look).as_deref()
}

/// Whether the node is there. Where it can't be, that is said, and under `CI=true` it is a failure.
pub fn is_there() -> bool {
    let Some(reason) = missing() else { return true };
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{reason}");
    let _ = writeln!(std::io::stderr(), "SKIPPED: {reason}");
    false
}

/// How often a scenario is gone through: once, or as often as `SPTEST_NODE_CYCLES` says.
pub fn cycles() -> usize {
    std::env::var("SPTEST_NODE_CYCLES").ok().and_then(|text| text.parse().ok()).unwrap_or(1)
}

/// Repeats a scenario on the node.
pub fn in_rounds(name: &str, scenario: fn()) {
    if is_there() {
        for _ in 0..cycles() {
            scenario();
        }
        went_through(name);
    }
}

/// A scenario held in all its rounds.
pub fn went_through(scenario: &str) {
    let rounds = u64::try_from(cycles()).unwrap();
    evidence::keep("what Kubernetes does to a pod, on a real node", &scenario.replace('_', " "), &[("rounds", rounds)]);
}

/// Starts the node unless it is up; then it goes down with the test runner.
fn bring_up() {
    if node(&["exec", "true"]).output().unwrap().status.success() {
        return;
    }
    let images = checked(script("images.sh").args(["1.20.5", "2.3.0"]).stderr(Stdio::inherit()));
    let runner = std::os::unix::process::parent_id().to_string();
    checked(node(&["up", "--parent", &runner]).args(images.lines()));
}

/// The custom resource definitions of other projects, as files.
pub fn definitions() -> Vec<String> {
    checked(script("definitions.sh").stderr(Stdio::inherit())).lines().map(str::to_owned).collect()
}

fn script(name: &str) -> Command {
    Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/node").join(name))
}

fn node(arguments: &[&str]) -> Command {
    let mut command = script("node.sh");
    command.args(arguments);
    command
}

/// The directory of the running node.
fn run_directory() -> PathBuf {
    let variable = |name: &str| std::env::var_os(name).map(PathBuf::from);
    let of_the_user = || variable("XDG_CACHE_HOME").or_else(|| Some(variable("HOME")?.join(".cache"))).unwrap();
    let cache = || variable("SPTEST_CACHE").unwrap_or_else(|| of_the_user().join("savepointd"));
    variable("SPTEST_NODE").unwrap_or_else(|| cache().join("node/run"))
}

/// What is `/srv` for the pods.
pub fn data() -> PathBuf {
    run_directory().join("data")
}

/// What containers, parts and the API server said.
pub fn log() -> PathBuf {
    run_directory().join("log")
}

/// Runs a command to its success; gives what it printed.
fn checked(command: &mut Command) -> String {
    let output = command.output().unwrap();
    said(command, output).unwrap_or_else(|error| panic!("{error}"))
}

fn said(command: &Command, output: Output) -> Result<String, String> {
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    if output.status.success() {
        return Ok(text(output.stdout));
    }
    Err(format!("{command:?}: {}\n{}{}", output.status, text(output.stderr), text(output.stdout)))
}

/// What a command inside the node prints, or how it failed.
pub fn try_exec(arguments: &[&str]) -> Result<String, String> {
    let mut command = node(&["exec"]);
    let output = command.args(arguments).output().unwrap();
    said(&command, output)
}

/// A command inside the node.
pub fn exec(arguments: &[&str]) -> String {
    checked(node(&["exec"]).args(arguments))
}

/// What `kubectl` prints, or how it failed.
pub fn try_kubectl(arguments: &[&str]) -> Result<String, String> {
    let mut command = node(&["exec", "kubectl"]);
    let output = command.args(arguments).output().unwrap();
    said(&command, output)
}

/// What `kubectl` prints; it must succeed.
pub fn kubectl(arguments: &[&str]) -> String {
    try_kubectl(arguments).unwrap_or_else(|error| panic!("{error}"))
}

/// What `kubectl` prints, as JSON.
pub fn json(arguments: &[&str]) -> Value {
    let text = checked(node(&["exec", "kubectl"]).args(arguments).args(["--output", "json"]));
    serde_json::from_str(&text).unwrap()
}

/// `kubectl VERB --filename -` with these objects.
pub fn feed(verb: &[&str], objects: &[Value]) -> String {
    give(verb, &serde_json::json!({ "apiVersion": "v1", "kind": "List", "items": objects }))
}

/// A request as it is, where `kubectl` has no word for it.
pub fn post(path: &str, object: &Value) -> String {
    give(&["create", "--raw", path], object)
}

fn give(arguments: &[&str], input: &Value) -> String {
    let mut command = node(&["exec", "kubectl"]);
    command.args(arguments).args(["--filename", "-"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    said(&command, output).unwrap_or_else(|error| panic!("{error}"))
}

/// `pause`, `resume`, `kill`, `start` or `restart` for a part of the node.
pub fn part(verb: &str, part: &str) {
    checked(&mut node(&[verb, part]));
}

/// A part of the node that answers nobody, until it is dropped.
#[derive(Debug)]
pub struct Paused(&'static str);

impl Paused {
    pub fn part(name: &'static str) -> Self {
        let paused = Self(name);
        part("pause", name);
        paused
    }
}

impl Drop for Paused {
    fn drop(&mut self) {
        let _ = node(&["resume", self.0]).status();
    }
}

/// Containers that stand still, until they are dropped.
#[derive(Debug)]
pub struct Frozen(Vec<String>);

impl Frozen {
    pub fn containers(ids: Vec<String>) -> Self {
        let frozen = Self(ids);
        for id in &frozen.0 {
            exec(&["ctr", "task", "pause", id]);
        }
        frozen
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        for id in &self.0 {
            let _ = node(&["exec", "ctr", "task", "resume", id]).status();
        }
    }
}

/// The id of a container that runs, if it does.
pub fn running_container(pod: &Value, name: &str) -> Option<String> {
    let statuses = |key: &str| pod["status"][key].as_array().cloned().unwrap_or_default();
    let mut all = statuses("containerStatuses").into_iter().chain(statuses("initContainerStatuses"));
    let status = all.find(|status| status["name"] == name && status["state"]["running"].is_object())?;
    status["containerID"].as_str()?.strip_prefix("containerd://").map(str::to_owned)
}

/// The id of a container as the container runtime knows it.
pub fn container_id(pod: &Value, name: &str) -> String {
    let statuses = |key: &str| pod["status"][key].as_array().cloned().unwrap_or_default();
    let all = statuses("containerStatuses").into_iter().chain(statuses("initContainerStatuses"));
    let id = all
        .filter(|status| status["name"] == name)
        .find_map(|status| status["containerID"].as_str()?.strip_prefix("containerd://").map(str::to_owned));
    id.unwrap_or_else(|| panic!("no container {name} in {pod:#}"))
}
