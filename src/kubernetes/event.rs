//! Events on the own pod: what `kubectl describe pod` shows to the person on call.

use hyper::Method;
use jiff::Timestamp;
use serde_json::json;

use super::{Error, Kubernetes};

/// The `type` of an Event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// For information.
    Normal,
    /// Somebody should look.
    Warning,
}

/// What an Event's message may hold (the API server refuses more).
const LONGEST: usize = 1024;

impl Kubernetes {
    /// Leaves an Event on this pod.
    ///
    /// # Errors
    /// If the API server does not take it.
    pub async fn event(&self, severity: Severity, reason: &'static str, message: &str) -> Result<(), Error> {
        let own = self.own_pod().await?;
        let now = Timestamp::now();
        let second = Timestamp::from_second(now.as_second()).unwrap_or(now).to_string();
        let message: String = message.chars().take(LONGEST / 4).collect();
        let event = json!({
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": { "generateName": format!("{}.", own.name), "namespace": own.namespace },
            "involvedObject": {
                "apiVersion": "v1", "kind": "Pod", "name": own.name, "namespace": own.namespace, "uid": own.uid,
            },
            "type": match severity { Severity::Normal => "Normal", Severity::Warning => "Warning" },
            "reason": reason,
            "message": message,
            "source": { "component": "savepointd" },
            "reportingComponent": "savepointd",
            "reportingInstance": own.name,
            "firstTimestamp": second,
            "lastTimestamp": second,
            "count": 1,
        });
        let path = format!("/api/v1/namespaces/{}/events", own.namespace);
        self.call(&Method::POST, &path, Some(&event)).await.map(|_| ())
    }
}
