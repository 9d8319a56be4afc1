//! Recognises what a container runs, and puts a wrapper before it.

use serde_json::Value;

use super::json::{self, Object};
use crate::protocol::options::{LaunchError, Mode, launch};

/// Where the init container puts the binary.
pub(super) const BINARY: &str = "/savepointd/bin/savepointd";
/// What Flink calls the container in the pods that it creates itself.
const NATIVE_CONTAINER: &str = "flink-main-container";

/// How it starts a JobManager in them.
const NATIVE_SCRIPT: &str = "kubernetes-jobmanager.sh";

/// What a container is to Flink.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    JobManager,
    TaskManager,
}

impl Role {
    fn verb(self) -> &'static str {
        match self {
            Self::JobManager => "run",
            Self::TaskManager => "guard",
        }
    }
}

/// What a container runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Runs {
    /// Flink, as this.
    Flink(Role),
    /// Whatever Flink puts there when it creates the pod.
    Native,
    /// A JobManager that can't be protected, and why.
    Unprotected(String),
    /// Perhaps Flink, and why that can't be said.
    Unclear(String),
    /// Something else.
    Other,
}

/// Recognises what a container runs. An image's own ENTRYPOINT is not in a manifest: `entrypoint` is assumed.
pub(super) fn recognise(container: &Object, entrypoint: &[String]) -> Runs {
    let (Some(command), Some(arguments)) = (json::words(container, "command"), json::words(container, "args")) else {
        return Runs::Other;
    };
    let explicit: Vec<String> = command.iter().chain(&arguments).cloned().collect();
    if let Some(role) = wrapped(&explicit) {
        return Runs::Flink(role);
    }
    if explicit.is_empty() && json::text(container, &["name"]) == Some(NATIVE_CONTAINER) {
        return Runs::Native;
    }
    let assumed: Vec<String> = entrypoint.iter().chain(&arguments).cloned().collect();
    let argv = if command.is_empty() { &assumed } else { &explicit };
    match of(argv) {
        Runs::Other => {}
        known => return known,
    }
    let image = json::text(container, &["image"]).unwrap_or_default();
    if !looks_like_flink(image) || argv.iter().any(|word| matches!(word.as_str(), "history-server" | "help")) {
        return Runs::Other;
    }
    Runs::Unclear(if explicit.is_empty() {
        format!(
            "neither command nor args say what image {image} runs: give what it does, its ENTRYPOINT and CMD, \
             as the container's command, or name the container with --jobmanager or --taskmanager and both with --entrypoint"
        )
    } else if command.is_empty() {
        format!(
            "image {image} looks like Flink's, but the args {} do not: if they are a JobManager's or a TaskManager's, name the \
             container with --jobmanager or --taskmanager, and the image's ENTRYPOINT with --entrypoint",
            arguments.join(" ")
        )
    } else {
        format!(
            "image {image} looks like Flink's, but the command {} does not: if it is a JobManager's or a TaskManager's, \
             name the container with --jobmanager or --taskmanager",
            explicit.join(" ")
        )
    })
}

/// Why a `JobManager`'s command line could not be told what to restore; `None` if it can.
pub(super) fn objection(container: &Object, entrypoint: &[String]) -> Option<String> {
    let command = json::words(container, "command")?;
    let arguments = json::words(container, "args")?;
    if json::text(container, &["name"]) == Some(NATIVE_CONTAINER) && command.is_empty() && arguments.is_empty() {
        return None;
    }
    let head = if command.is_empty() { entrypoint.to_vec() } else { command };
    let argv: Vec<String> = head.into_iter().chain(arguments).collect();
    if wrapped(&argv).is_some() {
        return None;
    }
    match of(&argv) {
        Runs::Unprotected(reason) => Some(reason),
        Runs::Flink(Role::JobManager) => None,
        _ => Some(format!("no JobManager's command line: {}", argv.join(" "))),
    }
}

fn of(argv: &[String]) -> Runs {
    match launch(argv) {
        Ok(launch) if launch.mode == Mode::Session && launch.script.is_some_and(|script| script.ends_with(NATIVE_SCRIPT)) => {
            Runs::Unprotected(
                "this is a native session cluster's JobManager; of session clusters this version of savepointd protects those that \
                 start by docker-entrypoint.sh jobmanager, or jobmanager.sh start-foreground"
                    .to_owned(),
            )
        }
        Ok(_) => Runs::Flink(Role::JobManager),
        Err(_) if is_task_manager(argv) => Runs::Flink(Role::TaskManager),
        Err(LaunchError::ShellString) if argv.iter().any(|word| mentions_job_manager(word)) => Runs::Unprotected(
            "the JobManager's command is a string for a shell, to which no option can be added safely; give it as a list, \
             for example [\"/docker-entrypoint.sh\", \"standalone-job\", …]"
                .to_owned(),
        ),
        Err(_) => Runs::Other,
    }
}

/// Directly, or in a string for a shell: a guard need not understand the command behind it.
fn is_task_manager(argv: &[String]) -> bool {
    let words: Vec<&str> = argv.iter().flat_map(|word| word.split_whitespace()).collect();
    words.iter().zip(words.iter().skip(1).chain([&""])).any(|(word, next)| match word.rsplit('/').next() {
        Some("kubernetes-taskmanager.sh") => true,
        Some("taskmanager.sh") => *next == "start-foreground",
        Some("docker-entrypoint.sh") => *next == "taskmanager",
        _ => false,
    }) || argv.get(1).is_some_and(|word| word == "taskmanager")
}

fn mentions_job_manager(word: &str) -> bool {
    ["standalone-job", "jobmanager.sh", "docker-entrypoint.sh jobmanager"].iter().any(|name| word.contains(name))
}

/// The last part of the name: a registry or a folder may be called anything. Operators and exporters are no clusters.
fn looks_like_flink(image: &str) -> bool {
    let name = image.rsplit('/').next().unwrap_or_default();
    let name = name.split([':', '@']).next().unwrap_or_default();
    name.contains("flink") && !["operator", "exporter"].iter().any(|other| name.contains(other))
}

/// The role in which a command line is wrapped already, by us or by hand.
fn wrapped(argv: &[String]) -> Option<Role> {
    let (program, rest) = argv.split_first()?;
    let ours = program.rsplit('/').next() == Some("savepointd") && rest.iter().any(|word| word == "--");
    [Role::JobManager, Role::TaskManager]
        .into_iter()
        .find(|role| ours && rest.first().is_some_and(|verb| verb == role.verb()))
}

/// Puts the wrapper before what a container runs. The arguments stay where they are, so that a change of them stays a change of them.
/// A wrapper that stands there already stays as it is, and so does a container whose command Flink sets itself.
pub(super) fn wrap(container: &mut Object, role: Role, entrypoint: &[String]) {
    let command = json::words(container, "command").unwrap_or_default();
    let arguments = json::words(container, "args").unwrap_or_default();
    let native =
        command.is_empty() && arguments.is_empty() && json::text(container, &["name"]) == Some(NATIVE_CONTAINER);
    let explicit: Vec<String> = command.iter().chain(&arguments).cloned().collect();
    if native || wrapped(&explicit).is_some() {
        return;
    }
    let behind = if command.is_empty() { entrypoint.to_vec() } else { command };
    let words = [BINARY, role.verb(), "--"].map(str::to_owned).into_iter().chain(behind);
    let command = Value::from(words.collect::<Vec<_>>());
    // Before the arguments, where people look for it.
    let at = container.keys().position(|key| key == "args");
    match at {
        Some(at) if !container.contains_key("command") => {
            container.shift_insert(at, "command".to_owned(), command);
        }
        _ => {
            container.insert("command".to_owned(), command);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn container(value: &Value) -> Object {
        value.as_object().unwrap().clone()
    }

    fn entrypoint() -> Vec<String> {
        vec!["/docker-entrypoint.sh".to_owned()]
    }

    fn runs(value: &Value) -> Runs {
        recognise(&container(value), &entrypoint())
    }

    #[test]
    fn job_managers_and_task_managers_are_recognised_by_what_they_run() {
        let job_manager = Runs::Flink(Role::JobManager);
        let task_manager = Runs::Flink(Role::TaskManager);
        for (value, expected) in [
            (json!({"args": ["standalone-job", "--job-classname", "X"]}), &job_manager),
            (json!({"command": ["/docker-entrypoint.sh"], "args": ["standalone-job"]}), &job_manager),
            (json!({"command": ["tini", "--", "/docker-entrypoint.sh", "standalone-job"]}), &job_manager),
            (json!({"args": ["/opt/flink/bin/standalone-job.sh", "start-foreground"]}), &job_manager),
            (json!({"command": ["/own-entrypoint.sh", "standalone-job"]}), &job_manager),
            (json!({"args": ["jobmanager"]}), &job_manager),
            (json!({"command": ["/opt/flink/bin/jobmanager.sh", "start-foreground"]}), &job_manager),
            (json!({"command": [BINARY, "run", "--on-refusal", "exit", "--", "anything"]}), &job_manager),
            (json!({"args": ["taskmanager"]}), &task_manager),
            (json!({"args": ["taskmanager", "-Dk=v"]}), &task_manager),
            (json!({"command": ["/docker-entrypoint.sh", "taskmanager"]}), &task_manager),
            (json!({"command": ["sh", "-c", "exec /opt/flink/bin/taskmanager.sh start-foreground"]}), &task_manager),
            (json!({"args": ["bash", "-c", "kubernetes-taskmanager.sh -Dk=v"]}), &task_manager),
            (json!({"command": ["/x/savepointd", "guard", "--"], "args": ["x"]}), &task_manager),
            (json!({"name": "flink-main-container", "image": "flink"}), &Runs::Native),
            (json!({"image": "nginx", "args": ["serve"]}), &Runs::Other),
            (json!({"image": "flink:1.20", "args": ["history-server"]}), &Runs::Other),
            (json!({"image": "flink.example/flink/exporter", "args": ["x"]}), &Runs::Other),
            (
                json!({"image": "apache/flink-kubernetes-operator:1.13", "command": ["/docker-entrypoint.sh", "operator"]}),
                &Runs::Other,
            ),
            (json!({"image": "flink", "args": "standalone-job"}), &Runs::Other),
            (json!({"image": "flink", "args": [1]}), &Runs::Other),
        ] {
            assert_eq!(runs(&value), *expected, "{value}");
        }
    }

    #[test]
    fn what_can_not_be_recognised_or_protected_says_so_with_the_way_out() {
        for (value, hint) in [
            (json!({"image": "acme/flink-job:7"}), "--entrypoint"),
            (json!({"image": "acme/flink-job@sha256:1", "args": ["prod"]}), "--entrypoint"),
            (json!({"image": "flink:1", "command": ["/start.sh"]}), "--jobmanager"),
        ] {
            let Runs::Unclear(text) = runs(&value) else { panic!("{value}") };
            assert!(text.contains(hint), "{text}");
        }
        for (value, hint) in [
            (json!({"command": ["kubernetes-jobmanager.sh", "kubernetes-session"]}), "native session cluster"),
            (json!({"command": ["sh", "-c", "/docker-entrypoint.sh standalone-job -j X"]}), "give it as a list"),
        ] {
            let Runs::Unprotected(text) = runs(&value) else { panic!("{value}") };
            assert!(text.contains(hint), "{text}");
        }
    }

    #[test]
    fn a_wrapper_is_put_before_the_command_once() {
        for (before, after) in [
            (
                json!({"name": "m", "args": ["standalone-job"], "image": "x"}),
                json!({"name": "m", "command": [BINARY, "run", "--", "/docker-entrypoint.sh"], "args": ["standalone-job"], "image": "x"}),
            ),
            (
                json!({"command": ["/docker-entrypoint.sh", "standalone-job"]}),
                json!({"command": [BINARY, "run", "--", "/docker-entrypoint.sh", "standalone-job"]}),
            ),
            (
                json!({"command": null, "args": ["x"]}),
                json!({"command": [BINARY, "run", "--", "/docker-entrypoint.sh"], "args": ["x"]}),
            ),
            (json!({"name": "flink-main-container"}), json!({"name": "flink-main-container"})),
            (
                json!({"command": [BINARY, "run", "--on-refusal", "exit", "--", "x"]}),
                json!({"command": [BINARY, "run", "--on-refusal", "exit", "--", "x"]}),
            ),
        ] {
            let mut object = container(&before);
            for _ in 0..2 {
                wrap(&mut object, Role::JobManager, &entrypoint());
                assert_eq!(Value::Object(object.clone()).to_string(), after.to_string());
            }
        }
    }
}
