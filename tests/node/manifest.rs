//! The objects of one application: a JobManager's pod as savepointd wants it, TaskManagers, and the least of rights.

use serde_json::{Value, json};

/// The name of the application, of its record and of its service account.
pub const NAME: &str = "orders";

/// RPC, blobs, REST, and the agent, which guards ask.
const PORTS: [u16; 4] = [6123, 6124, 8081, 9250];

/// Puts the binary where the Flink container finds it.
const INSTALL: [&str; 3] = ["/bin/savepointd", "install", "/savepointd/bin"];

/// What keeps the JobManager's pod running.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Controller {
    Recreate,
    RollingUpdate,
    StatefulSet,
    Job,
}

/// Where the agent is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Agent {
    /// Nowhere: Flink as it is without savepointd.
    None,
    /// Before the JobManager, as a native sidecar.
    Native,
    /// Beside the JobManager.
    Classic,
    /// Before a JobManager that no `run` stands before: its container has `drain` in its preStop hook, and its restore path from the record.
    WithoutRun,
}

/// What makes one application different from another.
#[derive(Debug, Clone)]
pub struct Shape {
    pub controller: Controller,
    pub flink: &'static str,
    pub agent: Agent,
    /// Whether a guard stands before each TaskManager.
    pub guarded: bool,
    /// The agent's settings, as `SAVEPOINTD_SECTION__KEY` has them behind the first underscore.
    pub settings: Vec<(&'static str, &'static str)>,
    /// Lines of Flink's configuration, besides the usual ones.
    pub flink_configuration: Vec<(&'static str, &'static str)>,
    /// `terminationGracePeriodSeconds`.
    pub grace: u64,
    /// A liveness probe of the JobManager's container, which fails when `ctl/sick` is there.
    pub liveness: bool,
    /// Flink's own high availability by Kubernetes.
    pub highly_available: bool,
}

impl Default for Shape {
    fn default() -> Self {
        Self {
            controller: Controller::Recreate,
            flink: "1.20.5",
            agent: Agent::Native,
            guarded: true,
            settings: Vec::new(),
            flink_configuration: Vec::new(),
            grace: 60,
            liveness: false,
            highly_available: false,
        }
    }
}

/// What both kinds of pods need to know of where they run.
#[derive(Debug, Clone)]
pub struct Place {
    pub namespace: String,
    /// The address of the JobManager's Service.
    pub address: String,
}

/// The rules of the agent's Role, by the verb and resource that each allows.
pub fn rules(namespace: &str) -> Vec<(&'static str, Value)> {
    let rule = |resource: &str, names: &[&str], verbs: &[&str]| {
        let mut rule = json!({ "apiGroups": [""], "resources": [resource], "verbs": verbs });
        if !names.is_empty() {
            rule["resourceNames"] = json!(names);
        }
        rule
    };
    vec![
        ("get configmaps", rule("configmaps", &[NAME], &["get"])),
        ("update configmaps", rule("configmaps", &[NAME], &["update"])),
        ("create configmaps", rule("configmaps", &[], &["create"])),
        ("get pods", rule("pods", &[], &["get"])),
        ("get namespaces", rule("namespaces", &[namespace], &["get"])),
        ("create events", rule("events", &[], &["create"])),
    ]
}

pub fn role(namespace: &str, without: Option<&str>) -> Value {
    let rules: Vec<Value> =
        rules(namespace).into_iter().filter(|(what, _)| Some(*what) != without).map(|(_, rule)| rule).collect();
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role",
        "metadata": { "name": NAME, "namespace": namespace }, "rules": rules,
    })
}

/// What Flink's own high availability by Kubernetes may do besides.
pub fn high_availability(namespace: &str) -> Vec<Value> {
    let name = "high-availability";
    let verbs = ["get", "list", "watch", "create", "update", "patch", "delete"];
    vec![
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role",
            "metadata": { "name": name, "namespace": namespace },
            "rules": [{ "apiGroups": [""], "resources": ["configmaps"], "verbs": verbs }],
        }),
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
            "metadata": { "name": name, "namespace": namespace },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name },
            "subjects": [{ "kind": "ServiceAccount", "name": NAME, "namespace": namespace }],
        }),
    ]
}

/// What the pods refer to.
pub fn foundation(namespace: &str) -> Vec<Value> {
    let ports = PORTS.map(|port| json!({ "name": format!("port-{port}"), "port": port }));
    vec![
        json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": namespace } }),
        json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": NAME, "namespace": namespace } }),
        role(namespace, None),
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
            "metadata": { "name": NAME, "namespace": namespace },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": NAME },
            "subjects": [{ "kind": "ServiceAccount", "name": NAME, "namespace": namespace }],
        }),
        json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": { "name": "jobmanager", "namespace": namespace },
            "spec": {
                "selector": { "component": "jobmanager" },
                "ports": ports,
            },
        }),
    ]
}

/// The JobManager's workload under this name; all of one application have the same record.
pub fn job_manager(place: &Place, shape: &Shape, name: &str) -> Value {
    let labels = json!({ "component": "jobmanager", "workload": name });
    let restart = if shape.controller == Controller::Job { "Never" } else { "Always" };
    let mut template = json!({
        "metadata": { "labels": labels },
        "spec": job_manager_pod(place, shape),
    });
    template["spec"]["restartPolicy"] = json!(restart);
    let metadata = json!({ "name": name, "namespace": place.namespace });
    let selector = json!({ "matchLabels": labels });
    let deployment = |strategy: Value| {
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata,
            "spec": { "replicas": 1, "strategy": strategy, "selector": selector, "template": template },
        })
    };
    match shape.controller {
        Controller::Recreate => deployment(json!({ "type": "Recreate" })),
        Controller::RollingUpdate => {
            deployment(json!({ "type": "RollingUpdate", "rollingUpdate": { "maxSurge": 1, "maxUnavailable": 0 } }))
        }
        Controller::StatefulSet => json!({
            "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": metadata,
            "spec": { "replicas": 1, "serviceName": "jobmanager", "selector": selector, "template": template },
        }),
        Controller::Job => json!({
            "apiVersion": "batch/v1", "kind": "Job", "metadata": metadata,
            "spec": { "backoffLimit": 6, "template": template },
        }),
    }
}

fn job_manager_pod(place: &Place, shape: &Shape) -> Value {
    let entrypoint = "/docker-entrypoint.sh standalone-job --job-classname SeqJob --out /data/out --ctl /data/ctl";
    let entrypoint: Vec<&str> = entrypoint.split(' ').collect();
    let mut main = flink(place, shape, "jobmanager");
    main["ports"] = json!(PORTS.map(|port| json!({ "containerPort": port })));
    if shape.liveness {
        main["livenessProbe"] = json!({
            "exec": { "command": ["/bin/sh", "-c", "! test -e /data/ctl/sick"] },
            "periodSeconds": 1, "failureThreshold": 2, "timeoutSeconds": 10, "terminationGracePeriodSeconds": 30,
        });
    }
    if shape.agent == Agent::None {
        main["command"] = json!(entrypoint);
        main["readinessProbe"] = json!({ "tcpSocket": { "port": 6123 }, "periodSeconds": 1 });
        return pod(shape, &json!([]), &json!([main]), &json!([data(place)]));
    }
    if shape.agent == Agent::WithoutRun {
        let (mode, others) = entrypoint.split_at(2);
        let script = format!("exec {} ${{POINT:+--fromSavepoint \"$POINT\"}} {}", mode.join(" "), others.join(" "));
        main["command"] = json!(["/bin/sh", "-c", script]);
        main["lifecycle"] = json!({ "preStop": { "exec": { "command": ["/savepointd/bin/savepointd", "drain"] } } });
        let point = json!({ "name": NAME, "key": "savepointPath", "optional": true });
        main["env"].as_array_mut().unwrap().push(json!({ "name": "POINT", "valueFrom": { "configMapKeyRef": point } }));
    } else {
        let mut command = vec!["/savepointd/bin/savepointd", "run", "--"];
        command.extend(entrypoint);
        main["command"] = json!(command);
    }
    main["readinessProbe"] = json!({ "httpGet": { "path": "/readyz", "port": 9250 }, "periodSeconds": 1 });
    let mounts = main["volumeMounts"].as_array_mut().unwrap();
    mounts.push(savepointd());
    let (mut before, mut beside) = (Vec::new(), vec![main]);
    let mut agent = agent(place, shape);
    if shape.agent == Agent::Classic {
        before.push(install());
        beside.push(agent);
    } else {
        agent["restartPolicy"] = json!("Always");
        // The kubelet starts no other container before this is done.
        agent["lifecycle"] = json!({ "postStart": { "exec": { "command": INSTALL } } });
        before.push(agent);
    }
    let volumes = json!([data(place), bin(), { "name": "control", "emptyDir": {} }, token()]);
    pod(shape, &json!(before), &json!(beside), &volumes)
}

/// TaskManagers of their own, in as many pods as one job needs.
pub fn task_manager(place: &Place, shape: &Shape) -> Value {
    let labels = json!({ "component": "taskmanager" });
    let mut main = flink(place, shape, "taskmanager");
    let mut command = vec!["/docker-entrypoint.sh", "taskmanager"];
    let (mut before, mut volumes) = (Vec::new(), vec![data(place)]);
    if shape.guarded {
        command.splice(0..0, ["/savepointd/bin/savepointd", "guard", "--"]);
        main["volumeMounts"].as_array_mut().unwrap().push(savepointd());
        before.push(install());
        volumes.push(bin());
    }
    if shape.highly_available {
        volumes.push(token());
    }
    main["command"] = json!(command);
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": { "name": "taskmanager", "namespace": place.namespace },
        "spec": {
            "replicas": 1, "selector": { "matchLabels": labels },
            "template": {
                "metadata": { "labels": labels },
                "spec": pod(shape, &json!(before), &json!([main]), &json!(volumes)),
            },
        },
    })
}

fn pod(shape: &Shape, before: &Value, beside: &Value, volumes: &Value) -> Value {
    json!({
        "dnsPolicy": "Default", "enableServiceLinks": false,
        "serviceAccountName": if shape.agent == Agent::None { "default" } else { NAME },
        "automountServiceAccountToken": false,
        "terminationGracePeriodSeconds": shape.grace,
        "initContainers": before, "containers": beside, "volumes": volumes,
    })
}

fn flink(place: &Place, shape: &Shape, name: &str) -> Value {
    let mut lines = vec![
        ("state.checkpoints.dir", "file:///data/chk"),
        ("state.savepoints.dir", "file:///data/sp"),
        ("execution.checkpointing.interval", "1s"),
        ("jobmanager.memory.process.size", "700m"),
        ("taskmanager.memory.process.size", "900m"),
        ("taskmanager.memory.managed.size", "32m"),
    ];
    if !shape.guarded {
        // A TaskManager that stays notices the JobManager's change only by these.
        lines.extend([
            ("heartbeat.interval", "2000"),
            ("heartbeat.timeout", "6000"),
            ("cluster.registration.error-delay", "500"),
        ]);
    }
    lines.extend(&shape.flink_configuration);
    if shape.highly_available {
        lines.extend([
            ("high-availability.type", "kubernetes"),
            ("high-availability.storageDir", "file:///data/ha"),
            ("high-availability.cluster-id", NAME),
            // Else it is any free one, which no Service has.
            ("high-availability.jobmanager.port", "6123"),
            ("kubernetes.cluster-id", NAME),
            ("kubernetes.namespace", &place.namespace),
        ]);
    }
    let lines: Vec<String> = lines.iter().map(|(key, value)| format!("{key}: {value}")).collect();
    let mut mounts = vec![json!({ "name": "data", "mountPath": "/data" })];
    if shape.highly_available {
        mounts.push(token_mount());
    }
    json!({
        "name": name, "image": format!("localhost/flink:{}", shape.flink), "imagePullPolicy": "Never",
        "securityContext": { "runAsUser": 9999, "runAsGroup": 9999 },
        "env": [
            { "name": "JOB_MANAGER_RPC_ADDRESS", "value": place.address },
            { "name": "FLINK_PROPERTIES", "value": lines.join("\n") },
        ],
        "volumeMounts": mounts,
    })
}

/// For Flink's containers, which write nothing there.
fn savepointd() -> Value {
    json!({ "name": "savepointd", "mountPath": "/savepointd", "readOnly": true })
}

fn install() -> Value {
    json!({
        "name": "install", "image": "localhost/savepointd:test", "imagePullPolicy": "Never",
        "args": ["install", "/savepointd/bin"], "securityContext": restricted(),
        "volumeMounts": [{ "name": "savepointd", "mountPath": "/savepointd" }],
    })
}

fn agent(place: &Place, shape: &Shape) -> Value {
    let of_the_pod = |name: &str, field: &str| json!({ "name": format!("SAVEPOINTD_POD__{name}"), "valueFrom": { "fieldRef": { "fieldPath": field } } });
    let set = |name: &str, value: String| json!({ "name": format!("SAVEPOINTD_{name}"), "value": value });
    let mut env = vec![
        set("RECORD", format!("configmap://{}/{NAME}", place.namespace)),
        set("STOP__GRACE", format!("{}s", shape.grace)),
        of_the_pod("NAME", "metadata.name"),
        of_the_pod("NAMESPACE", "metadata.namespace"),
        of_the_pod("UID", "metadata.uid"),
        of_the_pod("IP", "status.podIP"),
    ];
    env.extend(shape.settings.iter().map(|(name, value)| set(name, (*value).to_owned())));
    json!({
        "name": "agent", "image": "localhost/savepointd:test", "imagePullPolicy": "Never",
        "args": ["agent"], "env": env, "securityContext": restricted(),
        "ports": [{ "name": "admin", "containerPort": 9250 }],
        "livenessProbe": { "httpGet": { "path": "/livez", "port": 9250 }, "periodSeconds": 10, "failureThreshold": 6 },
        "volumeMounts": [
            { "name": "data", "mountPath": "/data" },
            { "name": "savepointd", "mountPath": "/savepointd" },
            { "name": "control", "mountPath": "/run/savepointd" },
            token_mount(),
        ],
    })
}

fn restricted() -> Value {
    json!({
        "runAsUser": 9999, "runAsGroup": 9999, "runAsNonRoot": true, "readOnlyRootFilesystem": true,
        "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] },
        "seccompProfile": { "type": "RuntimeDefault" },
    })
}

fn data(place: &Place) -> Value {
    json!({ "name": "data", "hostPath": { "path": format!("/srv/{}", place.namespace), "type": "Directory" } })
}

fn bin() -> Value {
    json!({ "name": "savepointd", "emptyDir": {} })
}

fn token_mount() -> Value {
    json!({ "name": "token", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount", "readOnly": true })
}

/// The service account's token, for the agent alone, unless Flink needs one too.
fn token() -> Value {
    json!({ "name": "token", "projected": { "sources": [
        { "serviceAccountToken": { "path": "token", "expirationSeconds": 3600 } },
        { "configMap": { "name": "kube-root-ca.crt", "items": [{ "key": "ca.crt", "path": "ca.crt" }] } },
        { "downwardAPI": { "items": [{ "path": "namespace", "fieldRef": { "fieldPath": "metadata.namespace" } }] } },
    ] } })
}
