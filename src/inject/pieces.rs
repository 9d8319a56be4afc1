//! What is put into pods: containers, volumes, variables, probes.

use serde_json::{Value, json};

use super::json::{self, Object, Shape};
use super::{DEFAULT_PORT, Options, Sidecar};

/// The agent's container, and the volume in which it meets `run`.
pub(super) const NAME: &str = "savepointd";
const INSTALL: &str = "savepointd-install";
/// Where the agent keeps the socket for people, which no other container has.
const CONTROL: &str = "savepointd-control";
/// The agent's own service account token, where no other container has one.
const TOKEN: &str = "savepointd-token";
const SHARED_PATH: &str = "/savepointd";
/// Where the image has the binary.
const IN_IMAGE: &str = "/bin/savepointd";
const CONTROL_PATH: &str = "/run/savepointd";
const TOKEN_PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// The user of Flink's images. The agent is the same one, so that both may read and write the same files.
const FLINK_USER: u64 = 9999;

/// What Pod Security calls restricted.
fn security(user: u64) -> Value {
    json!({
        "runAsNonRoot": true,
        "runAsUser": user,
        "allowPrivilegeEscalation": false,
        "readOnlyRootFilesystem": true,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    })
}

/// The user that a Flink container runs as, as far as the pod says.
pub(super) fn user(spec: &Object, container: &Object) -> u64 {
    let of = |object: &Object| json::at(object, &["securityContext"])?.get("runAsUser")?.as_u64();
    of(container).or_else(|| of(spec)).filter(|user| *user != 0).unwrap_or(FLINK_USER)
}

/// Copies the binary to where the Flink container finds it, before any other container starts.
pub(super) fn install(spec: &mut Object, options: &Options, user: u64) -> Result<(), Shape> {
    let mut container = take(json::list(spec, "initContainers")?, INSTALL);
    set(&mut container, "name", INSTALL);
    set(&mut container, "image", options.image.as_str());
    let [word, directory] = install_words();
    set(&mut container, "args", json!([word, directory]));
    set(&mut container, "securityContext", security(user));
    container.entry("resources").or_insert_with(|| json!({"requests": {"cpu": "10m", "memory": "16Mi"}}));
    mount(&mut container, &json!({"name": NAME, "mountPath": SHARED_PATH}))?;
    put_container(spec, "initContainers", container)?;
    volume(spec, json!({"name": NAME, "emptyDir": {}}))
}

fn install_words() -> [String; 2] {
    ["install".to_owned(), format!("{SHARED_PATH}/bin")]
}

/// The same by a native sidecar itself: the kubelet starts the next container only when this hook is done. A container less to start
/// is a second or more that a restart does not take.
fn install_by_hook(spec: &mut Object, agent: &mut Object) -> Result<(), Shape> {
    json::remove(json::list(spec, "initContainers")?, "name", INSTALL);
    let [word, directory] = install_words();
    let hook = json!({"exec": {"command": [IN_IMAGE, word, directory]}});
    set(json::object(agent, "lifecycle")?, "postStart", hook);
    Ok(())
}

/// What the agent of a cluster is told.
#[derive(Debug)]
pub(super) struct Agent<'a> {
    pub(super) options: &'a Options,
    pub(super) record: &'a str,
    pub(super) grace: u64,
    pub(super) handover: bool,
    pub(super) user: u64,
    /// Mounts of the Flink container in which there may be state: both have to see it in the same place.
    pub(super) state: Vec<Value>,
    /// Whether only the agent gets the service account token.
    pub(super) own_token: bool,
}

/// Adds the sidecar.
pub(super) fn agent(spec: &mut Object, agent: &Agent<'_>) -> Result<(), Shape> {
    let native = agent.options.sidecar == Sidecar::Native;
    let (home, other) = if native { ("initContainers", "containers") } else { ("containers", "initContainers") };
    let mut former = take(json::list(spec, other)?, NAME);
    json::remove(json::list(spec, other)?, "name", NAME);
    let here = take(json::list(spec, home)?, NAME);
    if !here.is_empty() {
        former = here;
    }
    let mut container = former;
    set(&mut container, "name", NAME);
    set(&mut container, "image", agent.options.image.as_str());
    set(&mut container, "args", json!(["agent"]));
    if native {
        set(&mut container, "restartPolicy", "Always");
        install_by_hook(spec, &mut container)?;
    } else {
        container.shift_remove("restartPolicy");
        if let Some(Value::Object(lifecycle)) = container.get_mut("lifecycle") {
            lifecycle.shift_remove("postStart");
            if lifecycle.is_empty() {
                container.shift_remove("lifecycle");
            }
        }
        install(spec, agent.options, agent.user)?;
    }
    let port = agent.options.port;
    let field = |path: &str| json!({"fieldRef": {"fieldPath": path}});
    variable(&mut container, "SAVEPOINTD_RECORD", Some(json!({"value": agent.record})))?;
    variable(&mut container, "SAVEPOINTD_STOP__GRACE", Some(json!({"value": format!("{}s", agent.grace)})))?;
    variable(&mut container, "SAVEPOINTD_HANDOVER", agent.handover.then(|| json!({"value": "request"})))?;
    for (name, path) in [
        ("NAME", "metadata.name"),
        ("NAMESPACE", "metadata.namespace"),
        ("UID", "metadata.uid"),
        ("IP", "status.podIP"),
    ] {
        variable(&mut container, &format!("SAVEPOINTD_POD__{name}"), Some(json!({"valueFrom": field(path)})))?;
    }
    let address = (port != DEFAULT_PORT).then(|| json!({"value": format!("[::]:{port}")}));
    variable(&mut container, "SAVEPOINTD_ADMIN__ADDRESS", address)?;
    for (name, value) in &agent.options.settings {
        variable(&mut container, name, Some(json!({"value": value})))?;
    }
    set(&mut container, "ports", json!([{"name": NAME, "containerPort": port}]));
    let livez = json!({"path": "/livez", "port": port});
    // Of an earlier version; the kubelet would start no other container until it has asked, and `run` waits for the agent itself.
    container.shift_remove("startupProbe");
    set(
        &mut container,
        "livenessProbe",
        json!({"httpGet": livez, "periodSeconds": 10, "timeoutSeconds": 5, "failureThreshold": 6}),
    );
    set(&mut container, "securityContext", security(agent.user));
    container
        .entry("resources")
        .or_insert_with(|| json!({"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"memory": "256Mi"}}));
    for state in &agent.state {
        mount(&mut container, state)?;
    }
    mount(&mut container, &json!({"name": NAME, "mountPath": SHARED_PATH}))?;
    mount(&mut container, &json!({"name": CONTROL, "mountPath": CONTROL_PATH}))?;
    if agent.own_token {
        mount(&mut container, &json!({"name": TOKEN, "mountPath": TOKEN_PATH, "readOnly": true}))?;
    } else {
        json::remove(json::list(&mut container, "volumeMounts")?, "name", TOKEN);
    }
    put_container(spec, home, container)?;
    if json::list(spec, other)?.is_empty() {
        spec.shift_remove(other);
    }
    volume(spec, json!({"name": NAME, "emptyDir": {}}))?;
    volume(spec, json!({"name": CONTROL, "emptyDir": {"medium": "Memory"}}))?;
    if agent.own_token {
        volume(spec, json!({"name": TOKEN, "projected": token()}))?;
    } else {
        json::remove(json::list(spec, "volumes")?, "name", TOKEN);
    }
    Ok(())
}

/// What the kubelet would mount by itself into every container.
fn token() -> Value {
    json!({"sources": [
        {"serviceAccountToken": {"path": "token", "expirationSeconds": 3607}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": {"fieldPath": "metadata.namespace"}}]}},
    ]})
}

/// Lets a Flink container reach the binary and the agent, but not change them.
pub(super) fn share(container: &mut Object, grace: u64) -> Result<(), Shape> {
    variable(container, "SAVEPOINTD_STOP__GRACE", Some(json!({"value": format!("{grace}s")})))?;
    mount(container, &json!({"name": NAME, "mountPath": SHARED_PATH, "readOnly": true}))
}

/// Gives a guard those of the settings that it reads.
pub(super) fn guard(container: &mut Object, options: &Options) -> Result<(), Shape> {
    let reads = |name: &str| name.starts_with("SAVEPOINTD_GUARD__") || name == "SAVEPOINTD_FLINK__RECOVERY";
    for (name, value) in options.settings.iter().filter(|(name, _)| reads(name)) {
        variable(container, name, Some(json!({"value": value})))?;
    }
    Ok(())
}

/// The mounts of a Flink container whose volumes may outlive the pod.
pub(super) fn state(spec: &Object, container: &Object) -> Vec<Value> {
    const PASSING: [&str; 6] = ["emptyDir", "configMap", "secret", "downwardAPI", "projected", "image"];
    let passes = |name: &str| {
        // A volume that the pod does not name comes from a claim template.
        json::objects(spec, "volumes").any(|volume| {
            json::text(volume, &["name"]) == Some(name) && PASSING.iter().any(|kind| volume.contains_key(*kind))
        })
    };
    json::objects(container, "volumeMounts")
        .filter(|mount| json::text(mount, &["name"]).is_some_and(|name| !passes(name)))
        .map(|mount| Value::Object(mount.clone()))
        .collect()
}

/// Says when the pod is ready: when the gate is open and the RPC port is up.
pub(super) fn readiness(port: u16) -> Value {
    json!({"httpGet": {"path": "/readyz", "port": port}, "periodSeconds": 2, "timeoutSeconds": 5})
}

/// Sets, or with `None` takes away, a variable.
pub(super) fn variable(container: &mut Object, name: &str, value: Option<Value>) -> Result<(), Shape> {
    match value {
        None if !container.contains_key("env") => {}
        None => json::remove(json::list(container, "env")?, "name", name),
        Some(value) => {
            let mut entry = Object::new();
            set(&mut entry, "name", name);
            entry.extend(value.as_object().cloned().unwrap_or_default());
            json::put(json::list(container, "env")?, "name", Value::Object(entry));
        }
    }
    Ok(())
}

pub(super) fn set(object: &mut Object, field: &str, value: impl Into<Value>) {
    object.insert(field.to_owned(), value.into());
}

fn mount(container: &mut Object, mount: &Value) -> Result<(), Shape> {
    json::put(json::list(container, "volumeMounts")?, "mountPath", mount.clone());
    Ok(())
}

fn volume(spec: &mut Object, volume: Value) -> Result<(), Shape> {
    json::put(json::list(spec, "volumes")?, "name", volume);
    Ok(())
}

/// The container as it stands there, so that what people added to it stays.
fn take(list: &[Value], name: &str) -> Object {
    list.iter().find(|one| json::is(one, "name", name)).and_then(Value::as_object).cloned().unwrap_or_default()
}

fn put_container(spec: &mut Object, field: &str, container: Object) -> Result<(), Shape> {
    json::put(json::list(spec, field)?, "name", Value::Object(container));
    Ok(())
}
