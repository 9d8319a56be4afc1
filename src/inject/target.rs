//! Which containers are to be changed.

use std::str::FromStr;

use serde_json::Value;

use super::json::{self, Object};
use super::role::{self, Role, Runs};
use super::workload::{self, Workload};
use super::{Options, Refusal, pieces};

/// A container that a person names: `Deployment/orders/main`; without its last part the only container there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    kind: String,
    name: String,
    container: Option<String>,
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts: Vec<&str> = text.split('/').collect();
        match parts.as_slice() {
            [kind, name] if !kind.is_empty() && !name.is_empty() => {
                Ok(Self { kind: (*kind).to_owned(), name: (*name).to_owned(), container: None })
            }
            [kind, name, container] if parts.iter().all(|part| !part.is_empty()) => Ok(Self {
                kind: (*kind).to_owned(),
                name: (*name).to_owned(),
                container: Some((*container).to_owned()),
            }),
            _ => Err("expected KIND/NAME/CONTAINER, such as Deployment/orders/main".to_owned()),
        }
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}/{}", self.kind, self.name)?;
        self.container.iter().try_for_each(|container| write!(formatter, "/{container}"))
    }
}

/// One container that runs Flink.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) workload: Workload,
    pub(super) container: String,
    pub(super) role: Role,
    /// Whether Flink itself fills this pod template.
    pub(super) native: bool,
}

impl Member {
    pub(super) fn title(&self) -> String {
        format!("{} container {}", self.workload.title(), self.container)
    }
}

/// What there is to change.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) members: Vec<Member>,
    pub(super) notes: Vec<String>,
}

pub(super) fn find(documents: &[Value], options: &Options) -> Result<Found, Refusal> {
    let mut found = Found::default();
    let mut problems = Vec::new();
    let mut used: Vec<&Target> = Vec::new();
    for workload in workload::find(documents) {
        let spec = workload.pod(documents).and_then(|pod| json::at(pod, &["spec"]));
        let containers: Vec<&Object> = spec.into_iter().flat_map(|spec| json::objects(spec, "containers")).collect();
        let foreign = |container: &&&Object| json::text(container, &["name"]) != Some(pieces::NAME);
        let alone = containers.iter().filter(foreign).count() == 1;
        let before = found.members.len();
        for container in containers.iter().filter(foreign) {
            let Some(name) = json::text(container, &["name"]) else { continue };
            let title = format!("{} container {name}", workload.title());
            let named = |targets: &[Target]| -> Option<usize> {
                targets.iter().position(|target| {
                    target.kind.eq_ignore_ascii_case(&workload.kind)
                        && target.name == workload.name
                        && target.container.as_ref().map_or(alone, |container| container == name)
                })
            };
            let (as_job_manager, as_task_manager) = (named(&options.job_managers), named(&options.task_managers));
            used.extend(as_job_manager.and_then(|at| options.job_managers.get(at)));
            used.extend(as_task_manager.and_then(|at| options.task_managers.get(at)));
            let runs = role::recognise(container, &options.entrypoint);
            let native = runs == Runs::Native;
            let role = match (as_job_manager, as_task_manager, runs) {
                (Some(_), _, _) => match role::objection(container, &options.entrypoint) {
                    Some(reason) => {
                        problems.push(format!("{title}: {reason}"));
                        continue;
                    }
                    None => Role::JobManager,
                },
                (None, Some(_), _) => Role::TaskManager,
                (None, None, Runs::Flink(role)) => role,
                (None, None, Runs::Unprotected(reason)) => {
                    problems.push(format!("{title}: {reason}"));
                    continue;
                }
                (None, None, Runs::Native) => {
                    problems.push(format!(
                        "{title}: a pod template of Flink's native mode, but of what? Say --jobmanager or --taskmanager {}",
                        workload.title()
                    ));
                    continue;
                }
                (None, None, Runs::Unclear(reason)) => {
                    found.notes.push(format!("{title}: {reason} (it is {}/{name})", workload.title()));
                    continue;
                }
                (None, None, Runs::Other) => continue,
            };
            found.members.push(Member { workload: workload.clone(), container: name.to_owned(), role, native });
        }
        if found.members.len() > before + 1 {
            problems.push(format!(
                "{}: several containers run Flink in one pod, which savepointd can't protect",
                workload.title()
            ));
        }
    }
    workload::each(documents, &mut |object, _| {
        if json::text(object, &["kind"]) == Some("FlinkDeployment") {
            let name = json::text(object, &["metadata", "name"]).unwrap_or_default();
            found.notes.push(format!(
                "FlinkDeployment/{name}: the operator makes its pods; it is left as it is, see k8s/overlays/operator for what it needs"
            ));
        }
    });
    let targets = options.job_managers.iter().chain(&options.task_managers);
    let unused: Vec<String> = targets
        .filter(|target| !used.contains(target))
        .map(|target| format!("{target}: no such container among the documents; is it KIND/NAME/CONTAINER?"))
        .collect();
    if !unused.is_empty() {
        return Err(Refusal::Usage(unused));
    }
    if problems.is_empty() && found.members.is_empty() {
        let mut nothing = found.notes;
        nothing.push(
            "no JobManager and no TaskManager was found; name them with --jobmanager and --taskmanager".to_owned(),
        );
        return Err(Refusal::Documents(nothing));
    }
    if problems.is_empty() { Ok(found) } else { Err(Refusal::Documents(problems)) }
}
