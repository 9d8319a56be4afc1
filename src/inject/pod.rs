//! Changes one pod template.

use serde_json::Value;

use super::cluster::{self, Cluster};
use super::json::{self, Object, Shape};
use super::pieces::{self, Agent};
use super::role::{self, Role};
use super::target::Member;
use super::{Handover, Options, Sidecar, companions};

/// Changes the pod of one Flink container; gives what a person should know.
pub(super) fn edit(
    documents: &mut [Value],
    member: &Member,
    clusters: &[Cluster],
    options: &Options,
) -> Result<Vec<String>, Shape> {
    let mut notes = Vec::new();
    let kind = member.workload.kind.as_str();
    let given = member.workload.object(documents).cloned().unwrap_or_default();
    let before = member.workload.pod(documents).cloned().unwrap_or_default();
    let spec_before = json::at(&before, &["spec"]).cloned().unwrap_or_default();
    let container_before = flink_container(&spec_before, member).cloned().unwrap_or_default();
    let needs_kubernetes = cluster::flink_uses_kubernetes(member, &container_before, documents);

    let pod = member.workload.pod_mut(documents)?;
    let cluster = clusters.iter().find(|cluster| cluster.is_of(member));
    if let Some(cluster) = cluster {
        let labels = json::object(json::object(pod, "metadata")?, "labels")?;
        pieces::set(labels, companions::LABEL, cluster.companions.name.as_str());
    }
    let spec = json::object(pod, "spec")?;
    let grace = grace(spec, options, &mut notes)?;
    spec.entry("enableServiceLinks").or_insert(Value::Bool(false));
    let user = pieces::user(&spec_before, &container_before);
    if cluster.is_none() {
        pieces::install(spec, options, user)?;
    }

    if let Some(cluster) = cluster {
        if let Some(other) = on_port(&spec_before, options.port) {
            notes.push(format!(
                "container {other} has port {} too, which is the agent's: choose another with --port",
                options.port
            ));
        }
        service_account(spec, cluster, member, &mut notes);
        let own_token = own_token(spec, member, needs_kubernetes);
        if own_token {
            pieces::set(spec, "automountServiceAccountToken", false);
        }
        pieces::agent(
            spec,
            &Agent {
                options,
                record: &cluster.companions.record,
                grace,
                handover: handover(&given, kind, options, &mut notes),
                user,
                state: pieces::state(&spec_before, &container_before),
                own_token,
            },
        )?;
        if options.sidecar == Sidecar::Classic && matches!(kind, "Job" | "CronJob") {
            notes.push(
                "a Job does not complete as long as a classic sidecar runs; use --native-sidecar if it is to end"
                    .to_owned(),
            );
        }
        if given
            .get("spec")
            .and_then(|spec| spec.get("replicas"))
            .and_then(Value::as_u64)
            .is_some_and(|replicas| replicas > 1)
        {
            notes.push("several replicas, of which only one runs at a time; the others wait, unready".to_owned());
        }
    }
    let container = flink_container_mut(spec, member)?;
    role::wrap(container, member.role, &options.entrypoint);
    pieces::share(container, grace)?;
    match member.role {
        Role::JobManager => probes(container, options, &mut notes),
        Role::TaskManager => {
            let labels = json::at(&before, &["metadata", "labels"]).cloned().unwrap_or_default();
            match cluster::agent_of(member, &labels, clusters, options) {
                Ok(agent) => {
                    let agent = serde_json::json!({ "value": agent });
                    pieces::variable(container, "SAVEPOINTD_GUARD__AGENT", Some(agent))?;
                }
                Err(_) if has_variable(container, "SAVEPOINTD_GUARD__AGENT") => {}
                Err(why) => notes.push(why),
            }
            pieces::guard(container, options)?;
        }
    }
    if json::at(container, &["lifecycle", "preStop"]).is_some() {
        notes.push(
            "its preStop hook runs before savepointd hears of the end, and its time is lost to the final savepoint; remove it if it \
             stops the job"
                .to_owned(),
        );
    }
    if member.native {
        notes.push(format!(
            "Flink sets the command of this container: set kubernetes.entry.path to {} for it",
            role::BINARY
        ));
    }
    Ok(notes)
}

/// Raises the time that a pod has to end to what a savepoint may need.
fn grace(spec: &mut Object, options: &Options, notes: &mut Vec<String>) -> Result<u64, Shape> {
    const FIELD: &str = "terminationGracePeriodSeconds";
    const KUBERNETES_DEFAULT: u64 = 30;
    let given = match spec.get(FIELD) {
        None | Some(Value::Null) => KUBERNETES_DEFAULT,
        Some(value) => value.as_u64().ok_or_else(|| Shape::new(FIELD, "a number of seconds"))?,
    };
    if given < options.grace {
        notes.push(format!("{FIELD} raised from {given} to {}: a final savepoint takes its time", options.grace));
        pieces::set(spec, FIELD, options.grace);
    }
    Ok(given.max(options.grace))
}

fn service_account(spec: &mut Object, cluster: &Cluster, member: &Member, notes: &mut Vec<String>) {
    let name = cluster.service_account.as_str();
    let given = json::text(spec, &["serviceAccountName"])
        .or_else(|| json::text(spec, &["serviceAccount"]))
        .unwrap_or("default");
    if given == name {
        return;
    }
    notes.push(if member.native {
        format!("Flink sets the ServiceAccount: set kubernetes.jobmanager.service-account to one that has the rights of Role {name}")
    } else {
        format!(
            "the pod's ServiceAccount was {given} and is {name} now; what {given} brought (pull secrets, a cloud identity) has to be \
             given to it, or the pod a ServiceAccount of its own"
        )
    });
    spec.shift_remove("serviceAccount");
    pieces::set(spec, "serviceAccountName", name);
}

/// Whether only the agent gets the service account token: not where somebody said otherwise, or where others may need it.
fn own_token(spec: &Object, member: &Member, needs_kubernetes: bool) -> bool {
    let ours = |container: &Object| json::text(container, &["name"]).is_some_and(|name| name.starts_with(pieces::NAME));
    let mut containers = json::objects(spec, "containers").chain(json::objects(spec, "initContainers"));
    let alone =
        containers.all(|container| ours(container) || json::text(container, &["name"]) == Some(&member.container));
    match spec.get("automountServiceAccountToken").and_then(Value::as_bool) {
        Some(mounted) => !mounted,
        None => alone && !needs_kubernetes,
    }
}

/// With a rolling update the old pod goes only when the new one is ready, so the new one has to ask it.
fn handover(workload: &Object, kind: &str, options: &Options, notes: &mut Vec<String>) -> bool {
    let rolling = kind == "Deployment" && json::text(workload, &["spec", "strategy", "type"]) != Some("Recreate");
    if rolling && options.handover == Some(Handover::Wait) {
        notes.push(
            "a rolling update never ends with --handover wait: the new pod waits for the old one, which goes only when the new one \
             is ready; set strategy.type to Recreate"
                .to_owned(),
        );
    }
    options.handover.map_or(rolling, |handover| handover == Handover::Request)
}

/// No probe may depend on a decision: a `JobManager` that waits at the gate is alive.
fn probes(container: &mut Object, options: &Options, notes: &mut Vec<String>) {
    for probe in ["livenessProbe", "startupProbe"] {
        if container.shift_remove(probe).is_some_and(|probe| !probe.is_null()) {
            notes.push(format!("{probe} removed: it would restart a JobManager that waits until it may start"));
        }
    }
    let ready = pieces::readiness(options.port);
    let former = container.insert("readinessProbe".to_owned(), ready.clone());
    if former.is_some_and(|former| !former.is_null() && former != ready) {
        notes.push("readinessProbe replaced: the agent knows when the gate is open and the RPC port up".to_owned());
    }
}

fn flink_container<'a>(spec: &'a Object, member: &Member) -> Option<&'a Object> {
    json::objects(spec, "containers").find(|container| json::text(container, &["name"]) == Some(&member.container))
}

fn flink_container_mut<'a>(spec: &'a mut Object, member: &Member) -> Result<&'a mut Object, Shape> {
    let list = json::list(spec, "containers")?;
    let container = list.iter_mut().find(|container| json::is(container, "name", &member.container));
    container.and_then(Value::as_object_mut).ok_or_else(|| Shape::new("containers", "a list of containers"))
}

fn on_port(spec: &Object, port: u16) -> Option<String> {
    json::objects(spec, "containers").find_map(|container| {
        let name = json::text(container, &["name"]).filter(|name| *name != pieces::NAME)?;
        json::objects(container, "ports")
            .any(|one| one.get("containerPort") == Some(&port.into()))
            .then(|| name.to_owned())
    })
}

fn has_variable(container: &Object, name: &str) -> bool {
    json::objects(container, "env").any(|variable| json::text(variable, &["name"]) == Some(name))
}
