//! Which pod's agent answers for a cluster.

use serde_json::Value;

use super::json;

/// Where it runs, and what is to be run there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Agent {
    pub(super) namespace: String,
    pub(super) pod: String,
    pub(super) container: String,
    pub(super) binary: String,
}

/// Where the image has it.
const BINARY: &str = "/bin/savepointd";
/// As `inject` calls it.
const CONTAINER: &str = "savepointd";

/// The agent to ask: in the pod that was named, in the one that holds the newest epoch, else, where that is gone, in the newest pod
/// whose agent has this record: that one waits at the gate.
pub(super) fn agent(
    pods: &Value,
    namespace: &str,
    record: &str,
    holder: Option<(&str, &str)>,
    named: Option<&str>,
) -> Result<Agent, String> {
    let pods = json::list(pods, "/items");
    let name = |pod: &Value| json::text(pod, "/metadata/name").to_owned();
    let chosen = if let Some(named) = named {
        pods.iter().find(|pod| name(pod) == named)
    } else {
        let runs = || pods.iter().filter(|pod| json::text(pod, "/status/phase") == "Running");
        let holds = |pod: &&Value| holder == Some((&name(pod), json::text(pod, "/metadata/uid")));
        let has_record = |pod: &&Value| container(pod, namespace, record).is_some();
        let created = |pod: &&Value| json::text(pod, "/metadata/creationTimestamp").to_owned();
        runs().find(holds).or_else(|| runs().filter(has_record).max_by_key(created))
    };
    let Some(pod) = chosen else {
        let sought = match (named, holder) {
            (Some(named), _) => format!("there is no pod {named}"),
            (None, Some((holder, _))) => format!("pod {holder}, which ran it last, does not run"),
            (None, None) => "no pod is recorded to have run it".to_owned(),
        };
        return Err(format!(
            "{sought} in namespace {namespace}, and only an agent can answer for {record}: start one, or name its pod by --pod"
        ));
    };
    let container =
        container(pod, namespace, record).or_else(|| containers(pod).find(|one| json::text(one, "/name") == CONTAINER));
    let Some(container) = container else {
        return Err(format!("pod {} has no container that is savepointd's agent", name(pod)));
    };
    let binary = container.pointer("/command/0").and_then(Value::as_str).unwrap_or(BINARY);
    Ok(Agent {
        namespace: namespace.to_owned(),
        pod: name(pod),
        container: json::text(container, "/name").to_owned(),
        binary: binary.to_owned(),
    })
}

fn containers(pod: &Value) -> impl Iterator<Item = &Value> {
    json::list(pod, "/spec/initContainers").iter().chain(json::list(pod, "/spec/containers"))
}

/// The agent's container, known by the record that it is told.
fn container<'a>(pod: &'a Value, namespace: &str, record: &str) -> Option<&'a Value> {
    let urls = [format!("configmap:///{record}"), format!("configmap://{namespace}/{record}")];
    let is = |text: &str| urls.iter().any(|url| text.ends_with(url.as_str()));
    let told = |container: &&Value| {
        let by = |variable: &Value| {
            json::text(variable, "/name") == "SAVEPOINTD_RECORD" && is(json::text(variable, "/value"))
        };
        let words = || json::list(container, "/command").iter().chain(json::list(container, "/args"));
        let says = |what: &dyn Fn(&str) -> bool| words().filter_map(Value::as_str).any(what);
        json::list(container, "/env").iter().any(by) || (says(&is) && says(&|word| word == "agent"))
    };
    containers(pod).find(told)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(name: &str, created: u8, containers: &Value) -> Value {
        json!({
            "metadata": { "name": name, "uid": format!("uid-{name}"), "creationTimestamp": format!("2026-11-23T06:0{created}:00Z") },
            "spec": containers,
            "status": { "phase": "Running" },
        })
    }

    fn sidecar(record: &str) -> Value {
        json!({
            "initContainers": [{ "name": "agent", "args": ["agent"], "env": [{ "name": "SAVEPOINTD_RECORD", "value": record }] }],
            "containers": [{ "name": "main", "command": ["/savepointd/bin/savepointd", "run"] }],
        })
    }

    fn asked(
        pods: &[Value],
        holder: Option<(&str, &str)>,
        named: Option<&str>,
    ) -> Result<(String, String, String), String> {
        let list = json!({ "items": pods });
        agent(&list, "shop", "orders", holder, named).map(|agent| (agent.pod, agent.container, agent.binary))
    }

    fn is(pod: &str, container: &str, binary: &str) -> (String, String, String) {
        (pod.to_owned(), container.to_owned(), binary.to_owned())
    }

    #[test]
    fn the_holder_answers_and_where_it_is_gone_the_newest_pod_that_waits() {
        let ours = sidecar("configmap:///orders");
        let pods = [pod("a", 1, &ours), pod("b", 2, &ours), pod("other", 3, &sidecar("configmap:///payments"))];
        assert_eq!(asked(&pods, Some(("a", "uid-a")), None).unwrap(), is("a", "agent", BINARY));
        assert_eq!(asked(&pods, Some(("a", "of-an-earlier-pod")), None).unwrap(), is("b", "agent", BINARY));
        assert_eq!(asked(&pods, Some(("gone", "uid")), None).unwrap(), is("b", "agent", BINARY));
        assert_eq!(asked(&pods, Some(("a", "uid-a")), Some("b")).unwrap(), is("b", "agent", BINARY));
        let why = asked(&pods[2..], Some(("gone", "uid")), None).unwrap_err();
        assert!(why.contains("pod gone") && why.contains("--pod"), "{why}");
        let mut ended = pods[0].clone();
        ended["status"]["phase"] = "Succeeded".into();
        asked(&[ended], Some(("a", "uid-a")), None).unwrap_err();
    }

    #[test]
    fn the_container_is_known_by_its_record_or_by_its_name() {
        let by_argument = json!({ "containers": [
            { "name": "main", "command": ["run"] },
            { "name": "sp", "command": ["/opt/savepointd"], "args": ["agent", "--record=configmap://shop/orders"] },
        ] });
        assert_eq!(asked(&[pod("a", 1, &by_argument)], None, None).unwrap(), is("a", "sp", "/opt/savepointd"));
        let by_name = json!({ "containers": [{ "name": "main" }, { "name": "savepointd" }] });
        assert_eq!(asked(&[pod("a", 1, &by_name)], None, Some("a")).unwrap(), is("a", "savepointd", BINARY));
        let none = json!({ "containers": [{ "name": "main" }] });
        assert!(asked(&[pod("a", 1, &none)], None, Some("a")).unwrap_err().contains("no container"));
    }
}
