//! What containers said, from the node's logs, which stay when the pod is gone; and the API server's audit trail.

use std::path::Path;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::node;

/// A line of a container's log.
#[derive(Debug, Clone)]
pub struct Line {
    pub at: Timestamp,
    /// As it was logged; `{"message": line}` where it was not JSON.
    pub says: Value,
}

impl Line {
    pub fn is(&self, message: &str) -> bool {
        self.says["message"] == message
    }

    /// A field of it, as text; empty if it has none.
    pub fn word(&self, field: &str) -> &str {
        self.says[field].as_str().unwrap_or_default()
    }
}

/// Everything that a container said in all of its lives, by its pod's UID.
pub fn log(namespace: &str, uid: &str, container: &str) -> Vec<Line> {
    let Ok(pods) = std::fs::read_dir(node::log().join("pods")) else { return Vec::new() };
    let of_pod = |name: &str| name.starts_with(&format!("{namespace}_")) && name.ends_with(&format!("_{uid}"));
    let pod = pods.flatten().find(|entry| entry.file_name().to_str().is_some_and(of_pod));
    let Some(pod) = pod else { return Vec::new() };
    let Ok(lives) = std::fs::read_dir(pod.path().join(container)) else { return Vec::new() };
    let mut files: Vec<_> = lives.flatten().map(|entry| entry.path()).collect();
    files.sort();
    files.iter().flat_map(|file| lines(file)).collect()
}

/// Everything that the containers of this name said in a namespace.
pub fn logs(namespace: &str, container: &str) -> Vec<Line> {
    let pods = std::fs::read_dir(node::log().join("pods")).into_iter().flatten().flatten();
    let uid = |name: &str| name.strip_prefix(&format!("{namespace}_"))?.rsplit_once('_').map(|(_, uid)| uid.to_owned());
    let uids = pods.filter_map(|entry| uid(entry.file_name().to_str()?));
    uids.flat_map(|uid| log(namespace, &uid, container)).collect()
}

/// The container runtime writes `TIME stdout|stderr F|P TEXT`, and breaks long lines into parts.
fn lines(file: &Path) -> Vec<Line> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let mut lines = Vec::new();
    let mut parts = String::new();
    for line in text.lines() {
        let mut words = line.splitn(4, ' ');
        let (Some(at), _, Some(kind), text) = (words.next(), words.next(), words.next(), words.next()) else {
            continue;
        };
        parts.push_str(text.unwrap_or_default());
        if kind == "F" {
            let text = std::mem::take(&mut parts);
            let says = serde_json::from_str(&text).unwrap_or_else(|_| json!({ "message": text }));
            lines.push(Line { at: at.parse().unwrap(), says });
        }
    }
    lines
}

/// Requests to the API server.
pub mod audit {
    use jiff::Timestamp;
    use serde_json::Value;

    use super::super::manifest::NAME;
    use super::super::node;

    /// One request.
    #[derive(Debug, Clone)]
    pub struct Request {
        pub at: Timestamp,
        pub verb: String,
        pub resource: String,
        pub code: u64,
    }

    /// What the agents of a namespace asked for.
    pub fn of_agents(namespace: &str) -> Vec<Request> {
        let user = format!("system:serviceaccount:{namespace}:{NAME}");
        let text = std::fs::read_to_string(node::log().join("audit.jsonl")).unwrap();
        let lines = text.lines().filter(|line| line.contains(&user));
        let requests = lines.filter_map(|line| serde_json::from_str::<Value>(line).ok());
        requests
            .filter(|request| request["user"]["username"] == user.as_str())
            .map(|request| Request {
                at: request["requestReceivedTimestamp"].as_str().unwrap().parse().unwrap(),
                verb: request["verb"].as_str().unwrap().to_owned(),
                resource: request["objectRef"]["resource"].as_str().unwrap_or_default().to_owned(),
                code: request["responseStatus"]["code"].as_u64().unwrap_or(0),
            })
            .collect()
    }
}
