//! Flink's native mode: a client asks Flink for an application as `k8s/README.md` says, and Flink makes the pods of the shipped templates.

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::application::{Application, Pod, START, Started, eventually};
use super::manifest::Shape;
use super::{manifests, node, on_the_node};

on_the_node!(
    in_native_mode_a_deleted_pod_is_continued_exactly_and_its_deployment_stays,
    in_native_mode_a_killed_job_manager_restarts_in_place_and_leaves_no_zombie,
);

/// Flink's name for its container.
pub const MAIN: &str = "flink-main-container";
/// What Flink calls everything that it makes for this application.
const CLUSTER: &str = "orders";
/// Who the client and Flink are at the API server: what the shipped manifests make for the agent.
const ACCOUNT: &str = "orders-jobmanager-savepointd";
const IMAGE: &str = "localhost/flink:1.20.5";

/// A template as it is shipped, with the tests' images, state on the node in place of a volume claim, and the agent's container
/// under the name that it has in all of these tests.
fn template(app: &Application, name: &str) -> Value {
    let path = format!("{}/k8s/overlays/native/{name}.yaml", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    let text = text.replace("flink:1.20-java17", IMAGE).replace("savepointd:0.1.0", "localhost/savepointd:test");
    let mut pod = manifests::objects(&text).remove(0);
    let volumes = pod["spec"]["volumes"].as_array_mut().unwrap();
    let state = volumes.iter_mut().find(|volume| volume["name"] == "state").unwrap();
    *state = json!({
        "name": "state", "hostPath": { "path": format!("/srv/{}", app.place.namespace), "type": "Directory" },
    });
    for container in pod["spec"]["initContainers"].as_array_mut().unwrap() {
        if container["name"] == "savepointd" {
            container["name"] = json!("agent");
        }
    }
    pod
}

/// The command of `k8s/README.md`, with the job of these tests, and less memory and processor time.
fn run_application(namespace: &str) -> Vec<String> {
    let properties = [
        ("kubernetes.cluster-id", CLUSTER),
        ("kubernetes.namespace", namespace),
        ("kubernetes.container.image.ref", IMAGE),
        ("kubernetes.container.image.pull-policy", "Never"),
        ("kubernetes.service-account", ACCOUNT),
        ("kubernetes.entry.path", "/savepointd/bin/savepointd"),
        ("kubernetes.pod-template-file.jobmanager", "/templates/jobmanager.yaml"),
        ("kubernetes.pod-template-file.taskmanager", "/templates/taskmanager.yaml"),
        ("kubernetes.jobmanager.cpu.amount", "0.1"),
        ("kubernetes.jobmanager.cpu.limit-factor", "20"),
        ("kubernetes.taskmanager.cpu.amount", "0.1"),
        ("kubernetes.taskmanager.cpu.limit-factor", "20"),
        ("resourcemanager.previous-worker.recovery.timeout", "30s"),
        ("execution.checkpointing.dir", "file:///state/chk"),
        ("execution.checkpointing.savepoint-dir", "file:///state/sp"),
        ("execution.checkpointing.interval", "1s"),
        ("jobmanager.memory.process.size", "700m"),
        ("taskmanager.memory.process.size", "900m"),
        ("taskmanager.memory.managed.size", "32m"),
    ];
    let mut words: Vec<String> = "/docker-entrypoint.sh flink run-application --target kubernetes-application"
        .split(' ')
        .map(str::to_owned)
        .collect();
    words.extend(properties.map(|(key, value)| format!("-D{key}={value}")));
    let job = "--class SeqJob local:///opt/flink/usrlib/seqjob.jar --out /state/out --ctl /state/ctl";
    words.extend(job.split(' ').map(str::to_owned));
    words
}

/// Has a client in a pod ask Flink for the application, and waits until the job runs.
fn started(name: &str) -> (Application, Started) {
    let app = Application::prepare(name, Shape::default());
    let namespace = app.place.namespace.as_str();
    node::feed(&["apply", "--namespace", namespace], &manifests::objects(&manifests::kustomize("overlays/native")));
    let templates = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "templates" },
        "data": {
            "jobmanager.yaml": template(&app, "jobmanager").to_string(),
            "taskmanager.yaml": template(&app, "taskmanager").to_string(),
        },
    });
    let client = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "client" },
        "spec": {
            "serviceAccountName": ACCOUNT, "restartPolicy": "Never",
            "containers": [{
                "name": "client", "image": IMAGE, "imagePullPolicy": "Never", "command": run_application(namespace),
                "securityContext": { "runAsUser": 9999, "runAsGroup": 9999 },
                "volumeMounts": [{ "name": "templates", "mountPath": "/templates" }],
            }],
            "volumes": [{ "name": "templates", "configMap": { "name": "templates" } }],
        },
    });
    node::feed(&["apply", "--namespace", namespace], &[templates, client]);
    eventually("the client has ended", START, || {
        match app.json(&["get", "pod", "client"])["status"]["phase"].as_str() {
            Some("Failed") => panic!("{}", app.kubectl(&["logs", "client"])),
            phase => (phase == Some("Succeeded")).then_some(()),
        }
    });
    let started = app.started();
    assert_eq!(started.restored, None);
    app.progress(200);
    (app, started)
}

/// What Flink made to keep the JobManager's pod.
fn deployment(app: &Application) -> Value {
    app.json(&["get", "deployment", CLUSTER])["metadata"].clone()
}

/// The TaskManagers' pods; every one that Flink has made has a guard before it.
fn guarded(app: &Application) -> Vec<String> {
    let guarded = |pod: &Value| {
        let uid = pod["metadata"]["uid"].as_str().unwrap().to_owned();
        let name = pod["metadata"]["name"].as_str().unwrap().to_owned();
        let pod = Pod { name, uid, terminating: false, created: jiff::Timestamp::UNIX_EPOCH };
        !app.all_said(&pod, MAIN, "guarding").is_empty()
    };
    let pods = app.task_managers();
    assert!(!pods.is_empty() && pods.iter().all(guarded), "{pods:#?}");
    pods.iter().map(|pod| pod["metadata"]["uid"].as_str().unwrap().to_owned()).collect()
}

fn in_native_mode_a_deleted_pod_is_continued_exactly_and_its_deployment_stays() {
    let (app, old) = started("native");
    let (before, workers) = (deployment(&app), guarded(&app));
    app.delete(&old.pod, &[]);
    app.assert_replaced(&old, 2);
    // Flink deletes it when its application is over, which at the release it is.
    let after = deployment(&app);
    assert_eq!((&after["uid"], &after["deletionTimestamp"]), (&before["uid"], &Value::Null));
    assert_eq!(guarded(&app), workers, "the TaskManager stays");
    tell_downtime(&app);
}

fn in_native_mode_a_killed_job_manager_restarts_in_place_and_leaves_no_zombie() {
    let (app, old) = started("native-killed");
    let workers = guarded(&app);
    app.checkpoint();
    app.kill(&old.pod, MAIN);
    let new = app.confirmed(&old.pod, 2);
    assert!(new.restored.as_deref().is_some_and(|path| path.contains("/chk-")), "{new:?}");
    app.progress(200);
    app.assert_nothing_lost();
    assert_eq!(app.job_managers(), [old.pod]);
    assert_eq!(guarded(&app), workers, "the TaskManager stays");
    let lives = tell_downtime(&app);
    assert!(lives.len() > 1 && lives.windows(2).all(|pair| pair[0].1 < pair[1].0), "the old task wrote on: {lives:?}");
}

/// When each life of the writing task began, and when it wrote last. Says how long nothing was written between them.
fn tell_downtime(app: &Application) -> Vec<(SystemTime, SystemTime)> {
    let mut files: Vec<_> = std::fs::read_dir(app.out()).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let times = |file: &PathBuf| {
        let name = file.file_name().unwrap().to_str().unwrap();
        let began: u64 = name.split_once('-').unwrap().0.parse().unwrap();
        (UNIX_EPOCH + Duration::from_millis(began), std::fs::metadata(file).unwrap().modified().unwrap())
    };
    let lives: Vec<_> = files.iter().map(times).collect();
    for pair in lives.windows(2) {
        println!("nothing was written for {:?}", pair[1].0.duration_since(pair[0].1).unwrap_or_default());
    }
    lives
}
