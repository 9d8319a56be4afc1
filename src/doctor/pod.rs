//! What the own pod's specification says of how it will end: what dies with it, who cuts it short, who cuts its network.

use std::time::Duration;

use serde_json::Value;

use super::{Finding, Subject, Verdict};
use crate::protocol::entry::Directories;
use crate::protocol::estimate::Expected;
use crate::protocol::estimate::advice::seconds;
use crate::report;

pub(super) async fn check(subject: &Subject<'_>) -> Vec<Finding> {
    let Some(kubernetes) = subject.kubernetes else { return Vec::new() };
    let pod = match kubernetes.own_manifest().await {
        Ok(pod) => pod,
        // A person's machine is no pod.
        Err(error) if error.is_not_found() && subject.running.is_none() => return Vec::new(),
        Err(error) => {
            let found = format!("volumes, probes and proxies can't be looked at: {}", report::chain(&error));
            let fix = "let this service account get its own pod: README, \"In pods\"";
            return vec![Finding::trouble(Verdict::Doubtful, "the own pod", found, fix)];
        }
    };
    let needs = subject.running.and_then(|running| running.advice).map(|advice| advice.needs);
    let mut findings = volumes(&pod, subject.directories);
    findings.extend(probes(&pod, needs));
    findings.extend(mesh(&pod));
    findings
}

fn list<'a>(of: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    of[key].as_array().into_iter().flatten()
}

fn words(container: &Value) -> Vec<&str> {
    list(container, "command").chain(list(container, "args")).filter_map(Value::as_str).collect()
}

/// Flink's container: the one that `savepointd run` begins, else the only one.
fn main_container(pod: &Value) -> Option<&Value> {
    let containers: Vec<&Value> = list(&pod["spec"], "containers").collect();
    let is_run = |container: &&Value| {
        let words = words(container);
        words.first().is_some_and(|word| word.ends_with("savepointd")) && words.contains(&"run")
    };
    let only = if let [only] = containers.as_slice() { Some(*only) } else { None };
    containers.iter().copied().find(is_run).or(only)
}

/// Local directories that no lasting volume backs.
fn volumes(pod: &Value, directories: Option<&Directories>) -> Vec<Finding> {
    let Some(directories) = directories else { return Vec::new() };
    let named = [
        ("savepoint", Some(&directories.savepoint)),
        ("checkpoint", Some(&directories.checkpoint)),
        ("Flink's savepoint", directories.flink_savepoint.as_ref()),
    ];
    let local = named.into_iter().filter_map(|(name, url)| Some((name, url?.strip_prefix("file://")?)));
    local.filter_map(|(name, path)| volume(pod, &format!("{name} directory {path}"), path)).collect()
}

fn volume(pod: &Value, about: &str, path: &str) -> Option<Finding> {
    let fix = "put it into an object store, or on a PersistentVolumeClaim that Flink's containers mount";
    let bad = |found: String| Some(Finding::trouble(Verdict::Bad, about, found, fix));
    let Some(container) = main_container(pod) else {
        let found = "which container is Flink's can't be told, so neither whether a volume backs it";
        return Some(Finding::trouble(Verdict::Doubtful, about, found, fix));
    };
    let is_below = |mount: &&Value| {
        let at = mount["mountPath"].as_str().unwrap_or_default().trim_end_matches('/');
        path.strip_prefix(at).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let mounts = list(container, "volumeMounts").filter(is_below);
    let Some(mount) = mounts.max_by_key(|mount| mount["mountPath"].as_str().map_or(0, str::len)) else {
        return bad("lies in the container's own file system, which ends with the container".to_owned());
    };
    let name = &mount["name"];
    let volume = list(&pod["spec"], "volumes").find(|volume| volume["name"] == *name)?;
    let kind = volume.as_object()?.keys().find(|key| *key != "name")?.as_str();
    match kind {
        "emptyDir" | "ephemeral" | "configMap" | "secret" | "downwardAPI" | "projected" | "image" => {
            bad(format!("lies on the volume {name}, of kind {kind}, which ends with the pod"))
        }
        "hostPath" => {
            let found =
                format!("lies on the volume {name}, of kind {kind}: on another node the next pod finds nothing");
            Some(Finding::trouble(Verdict::Doubtful, about, found, fix))
        }
        _ => None,
    }
}

/// Probes that would restart a `JobManager` that waits, or that stops.
fn probes(pod: &Value, needs: Option<Expected>) -> Vec<Finding> {
    let Some(container) = main_container(pod) else { return Vec::new() };
    let probes = ["livenessProbe", "startupProbe"].into_iter().filter(|name| container[*name].is_object());
    probes.filter_map(|name| {
        let probe = &container[name];
        // The agent answers there whatever the JobManager does.
        if probe.pointer("/httpGet/path").is_some_and(|path| path == "/livez") {
            return None;
        }
        let number = |key: &str, usual: u64| probe[key].as_u64().unwrap_or(usual);
        let patience = Duration::from_secs(number("failureThreshold", 3).saturating_mul(number("periodSeconds", 10)));
        let about = format!("{name} of container {}", container["name"].as_str().unwrap_or_default());
        let ends = format!("it gives up after {}: it restarts a JobManager that waits at its gate for longer", seconds(patience));
        let late = needs.filter(|needs| name == "livenessProbe" && needs.at_most > patience);
        let (verdict, found) = match late {
            Some(needs) => {
                let takes = seconds(needs.at_most);
                (Verdict::Bad, format!("{ends}, and one that does not answer while it stops, which may take {takes}"))
            }
            None => (Verdict::Doubtful, ends),
        };
        let fix = "remove it (savepointd inject does), or have it ask the agent: httpGet /livez on the port of admin.address";
        Some(Finding::trouble(verdict, &about, found, fix))
    }).collect()
}

/// Proxies that end beside Flink, and take the network away while the savepoint is being written.
fn mesh(pod: &Value) -> Vec<Finding> {
    let proxies = list(&pod["spec"], "containers").filter_map(|container| {
        let name = container["name"].as_str()?;
        let waits = |variable: &str| {
            list(container, "env").any(|env| env["name"] == variable && env["value"] == "true")
        };
        let preparing = container.pointer("/lifecycle/preStop").is_some_and(Value::is_object);
        let fix = match name {
            "istio-proxy" if !waits("EXIT_ON_ZERO_ACTIVE_CONNECTIONS") => {
                "have Istio inject it as a native sidecar (istiod: ENABLE_NATIVE_SIDECARS=true; Kubernetes 1.29 and newer), or annotate the pods \
                 of JobManager and TaskManagers with proxy.istio.io/config: '{\"proxyMetadata\": {\"EXIT_ON_ZERO_ACTIVE_CONNECTIONS\": \"true\"}}'"
            }
            "linkerd-proxy" if !preparing => {
                "annotate the pods of JobManager and TaskManagers with config.beta.linkerd.io/proxy-enable-native-sidecar: \"true\" (Kubernetes \
                 1.29 and newer), or with config.alpha.linkerd.io/proxy-wait-before-exit-seconds: \"N\", N being the grace period"
            }
            _ => return None,
        };
        let found = "a plain container: it is told to end together with Flink, and cuts the network while the savepoint is being written";
        Some(Finding::trouble(Verdict::Bad, &format!("service mesh proxy {name}"), found, fix))
    });
    proxies.collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(main: &Value) -> Value {
        let mut main = main.clone();
        (main["name"], main["command"]) = ("flink".into(), json!(["/savepointd/bin/savepointd", "run", "--"]));
        json!({"spec": {
            "containers": [{"name": "agent", "args": ["agent"]}, main],
            "volumes": [
                {"name": "state", "persistentVolumeClaim": {"claimName": "state"}},
                {"name": "scratch", "emptyDir": {}},
                {"hostPath": {"path": "/data"}, "name": "node"},
            ],
        }})
    }

    fn mounting(name: &str, at: &str) -> Value {
        pod(&json!({"volumeMounts": [{"name": "scratch", "mountPath": "/"}, {"name": name, "mountPath": at}]}))
    }

    fn verdict(findings: &[Finding]) -> Option<Verdict> {
        assert!(findings.iter().all(|finding| finding.fix.is_some()), "{findings:?}");
        findings.first().map(|finding| finding.verdict)
    }

    #[test]
    fn what_dies_with_the_pod_is_no_place_for_state() {
        let directories = |savepoint: &str| Directories {
            savepoint: savepoint.to_owned(),
            flink_savepoint: None,
            checkpoint: "s3://flink/checkpoints".to_owned(),
            high_availability: None,
        };
        for (pod, url, expected) in [
            (mounting("state", "/state"), "file:///state/sp", None),
            (mounting("state", "/state/"), "file:///state", None),
            (mounting("state", "/state"), "file:///stateful/sp", Some(Verdict::Bad)),
            (mounting("scratch", "/state"), "file:///state/sp", Some(Verdict::Bad)),
            (mounting("node", "/state"), "file:///state/sp", Some(Verdict::Doubtful)),
            (pod(&json!({})), "file:///state/sp", Some(Verdict::Bad)),
            (pod(&json!({})), "s3://flink/sp", None),
            (json!({"spec": {"containers": [{"name": "a"}, {"name": "b"}]}}), "file:///sp", Some(Verdict::Doubtful)),
        ] {
            assert_eq!(verdict(&volumes(&pod, Some(&directories(url)))), expected, "{url} {pod}");
        }
        assert_eq!(volumes(&mounting("scratch", "/"), None), []);
    }

    #[test]
    fn a_probe_that_would_end_a_long_stop_is_found() {
        let needs = |at_most| {
            let at_most = Duration::from_secs(at_most);
            Some(Expected { likely: at_most / 2, at_most })
        };
        let tcp = json!({"tcpSocket": {"port": 6123}, "periodSeconds": 5, "failureThreshold": 4});
        for (main, needs, expected) in [
            (json!({}), needs(100), None),
            (json!({"livenessProbe": tcp}), needs(19), Some(Verdict::Doubtful)),
            (json!({"livenessProbe": tcp}), needs(21), Some(Verdict::Bad)),
            (json!({"livenessProbe": {"tcpSocket": {}}}), needs(31), Some(Verdict::Bad)),
            (json!({"livenessProbe": tcp}), None, Some(Verdict::Doubtful)),
            (json!({"startupProbe": tcp}), needs(100), Some(Verdict::Doubtful)),
            (json!({"livenessProbe": {"httpGet": {"path": "/livez", "port": 9250}}}), needs(100), None),
        ] {
            assert_eq!(verdict(&probes(&pod(&main), needs)), expected, "{main}");
        }
    }

    #[test]
    fn a_proxy_that_ends_beside_flink_is_found() {
        let with = |proxy: Value| json!({"spec": {"containers": [{"name": "flink"}, proxy]}});
        let patient = json!([{"name": "EXIT_ON_ZERO_ACTIVE_CONNECTIONS", "value": "true"}]);
        for (pod, expected) in [
            (with(json!({"name": "istio-proxy"})), Some(Verdict::Bad)),
            (with(json!({"name": "istio-proxy", "env": patient})), None),
            (with(json!({"name": "linkerd-proxy"})), Some(Verdict::Bad)),
            (with(json!({"name": "linkerd-proxy", "lifecycle": {"preStop": {"exec": {}}}})), None),
            (with(json!({"name": "log-shipper"})), None),
            (json!({"spec": {"initContainers": [{"name": "istio-proxy", "restartPolicy": "Always"}]}}), None),
        ] {
            assert_eq!(verdict(&mesh(&pod)), expected, "{pod}");
        }
    }
}
