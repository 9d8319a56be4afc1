//! The objects beside the pods: who the agent is, what it may do, and where guards find it.

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::pieces::NAME;

/// The label by which the Service finds the pod of an agent.
pub(super) const LABEL: &str = "savepointd/agent";
/// How long a Service's name may be, and a label's value.
const NAME_LIMIT: usize = 63;

/// One cluster's names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Companions {
    /// Of all of them.
    pub(super) name: String,
    pub(super) namespace: Option<String>,
    pub(super) record: String,
    /// The agent's admin port.
    pub(super) port: u16,
}

/// `orders` becomes `orders-savepointd`, and a name that is too long or no host name becomes one, still one of its own.
pub(super) fn name(workload: &str) -> String {
    let plain = format!("{workload}-{NAME}");
    let fits = plain.len() <= NAME_LIMIT
        && plain.starts_with(|letter: char| letter.is_ascii_lowercase())
        && plain.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if fits {
        return plain;
    }
    let [a, b, c, d, ..]: [u8; 32] = Sha256::digest(workload.as_bytes()).into();
    let readable: String = workload
        .chars()
        .map(|letter| if letter.is_ascii_alphanumeric() { letter.to_ascii_lowercase() } else { '-' })
        .take(36)
        .collect();
    format!("flink-{}-{:08x}-{NAME}", readable.trim_matches('-'), u32::from_be_bytes([a, b, c, d]))
        .replacen("--", "-", 1)
}

impl Companions {
    fn metadata(&self) -> Value {
        let mut metadata = json!({"name": self.name, "labels": {"app.kubernetes.io/name": NAME}});
        if let (Some(namespace), Some(object)) = (&self.namespace, metadata.as_object_mut()) {
            object.shift_insert(1, "namespace".to_owned(), namespace.as_str().into());
        }
        metadata
    }

    pub(super) fn service_account(&self) -> Value {
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": self.metadata()})
    }

    /// Headless, and of pods that are not ready too: guards have to reach an agent whose pod waits or drains.
    pub(super) fn service(&self) -> Value {
        json!({
            "apiVersion": "v1", "kind": "Service", "metadata": self.metadata(),
            "spec": {
                "clusterIP": "None",
                "publishNotReadyAddresses": true,
                "selector": {LABEL: self.name},
                "ports": [{"name": NAME, "port": self.port, "targetPort": self.port}],
            },
        })
    }

    pub(super) fn role(&self) -> Value {
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": self.metadata(), "rules": self.rules(),
        })
    }

    pub(super) fn role_binding(&self, service_account: &str) -> Value {
        let mut subject = json!({"kind": "ServiceAccount", "name": service_account});
        if let (Some(namespace), Some(object)) = (&self.namespace, subject.as_object_mut()) {
            object.insert("namespace".to_owned(), namespace.as_str().into());
        }
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": self.metadata(),
            "subjects": [subject],
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": self.name},
        })
    }

    /// What an agent does at the API server.
    pub(super) fn rules(&self) -> Value {
        let mut rules = Vec::new();
        if let Some(name) = self.config_map() {
            rules.push(json!({"apiGroups": [""], "resources": ["configmaps"], "resourceNames": [name], "verbs": ["get", "update"]}));
            // What is yet to be made has no name that a rule could ask for.
            rules.push(json!({"apiGroups": [""], "resources": ["configmaps"], "verbs": ["create"]}));
        }
        for (resource, verb) in [("pods", "get"), ("namespaces", "get"), ("events", "create")] {
            rules.push(json!({"apiGroups": [""], "resources": [resource], "verbs": [verb]}));
        }
        rules.into()
    }

    /// The record's ConfigMap, if it is one.
    fn config_map(&self) -> Option<&str> {
        self.record.strip_prefix("configmap://")?.rsplit('/').next()
    }

    /// Whether the record lies where a Role beside the pods can't reach.
    pub(super) fn is_elsewhere(&self) -> bool {
        let other = self.record.strip_prefix("configmap://").and_then(|rest| rest.split('/').next());
        match (other, &self.namespace) {
            (Some("") | None, _) | (_, None) => false,
            (Some(other), Some(own)) => other != own,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_workload_gets_names_that_a_service_may_have() {
        assert_eq!(name("orders"), "orders-savepointd");
        let long = "a".repeat(200);
        for workload in ["7days", "orders.eu", "Ä", "", "-", &long, &"x-".repeat(60)] {
            let name = name(workload);
            let host = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
            assert!(
                name.len() <= NAME_LIMIT && host && name.starts_with("flink-") && name.ends_with("-savepointd"),
                "{name}"
            );
        }
        assert_ne!(name(&long), name(&"a".repeat(201)));
    }

    #[test]
    fn a_record_that_is_no_config_map_needs_no_rule() {
        let companions = |record: &str| Companions {
            name: "n".to_owned(),
            namespace: Some("ns".to_owned()),
            record: record.to_owned(),
            port: 9250,
        };
        assert!(!companions("file:///state/record").rules().to_string().contains("configmaps"));
        for (record, elsewhere) in
            [("configmap:///r", false), ("configmap://ns/r", false), ("configmap://other/r", true)]
        {
            let companions = companions(record);
            assert_eq!(companions.is_elsewhere(), elsewhere, "{record}");
            assert!(companions.rules().to_string().contains("\"resourceNames\":[\"r\"]"), "{record}");
        }
    }
}
