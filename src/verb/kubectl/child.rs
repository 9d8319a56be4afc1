//! kubectl as a child process.

use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};
use serde_json::Value;

use super::pods::Agent;
use crate::cli::kubectl::Place;
use crate::exit::Exit;

const NONE: &str = "kubectl can't be started, and has to be in the PATH";

#[derive(Debug)]
pub(super) struct Child {
    /// Before the verb: where, and as whom.
    before: Vec<String>,
    namespace: Vec<String>,
}

impl Child {
    pub(super) fn of(place: &Place) -> Self {
        let flag = |name: &str, value: Option<String>| value.map(|value| format!("--{name}={value}"));
        let kubeconfig = place.kubeconfig.as_ref().map(|path| path.display().to_string());
        let before = flag("context", place.context.clone()).into_iter().chain(flag("kubeconfig", kubeconfig)).collect();
        let namespace = flag("namespace", place.namespace.clone()).into_iter().collect();
        Self { before, namespace }
    }

    pub(super) fn with(self, namespace: &[&str]) -> Self {
        Self { namespace: namespace.iter().map(|word| (*word).to_owned()).collect(), ..self }
    }

    /// Objects with a label; what went wrong, kubectl has said.
    pub(super) fn list(&self, resource: &str, selector: &str) -> anyhow::Result<Result<Value, Exit>> {
        let mut command = self.command(&["get", resource, "--output=json"]);
        command.args(&self.namespace);
        if !selector.is_empty() {
            command.arg(format!("--selector={selector}"));
        }
        let output = command.stderr(Stdio::inherit()).output().context(NONE)?;
        if !output.status.success() {
            return Ok(Err(Exit::Later));
        }
        let list: Value = serde_json::from_slice(&output.stdout)
            .with_context(|| format!("what kubectl get {resource} --output=json printed is no JSON"))?;
        if !list.get("items").is_some_and(Value::is_array) {
            bail!("what kubectl get {resource} --output=json printed is no list");
        }
        Ok(Ok(list))
    }

    /// Has an agent's container run the binary with these words; its answer and its exit code are this one's.
    pub(super) fn exec(&self, agent: &Agent, words: &[&str]) -> anyhow::Result<Exit> {
        let mut command = self.command(&["exec"]);
        command.arg(format!("--namespace={}", agent.namespace)).arg(&agent.pod);
        command.args([&format!("--container={}", agent.container), "--", &agent.binary]).args(words);
        let status = command.status().context(NONE)?;
        let code = status.code().and_then(|code| u8::try_from(code).ok());
        Ok(code.map_or(Exit::System, Exit::Child))
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new("kubectl");
        command.args(&self.before).args(words).stdin(Stdio::null());
        command
    }
}
