//! Why the API server did not do what was asked, and what would help.

use std::time::Duration;

use serde::Deserialize;

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// A request to the API server that brought no usable answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Neither a service account nor a kubeconfig.
    #[error("there is no access to the Kubernetes API (a service account's token in a pod, KUBECONFIG elsewhere)")]
    Access(#[source] Cause),
    /// No connection, or it broke: whether the request was taken is open.
    #[error("{what}: no answer from the Kubernetes API")]
    Request {
        /// Method and path.
        what: String,
        /// What happened.
        #[source]
        source: Cause,
    },
    /// No answer in time: whether the request was taken is open.
    #[error("{what}: no answer from the Kubernetes API within {limit:?}")]
    Late {
        /// Method and path.
        what: String,
        /// How long was waited.
        limit: Duration,
    },
    /// The pod that this is said to be is not there, or is another one.
    #[error(
        "there is no pod {name} in namespace {namespace}{uid}. If this one is called otherwise, tell it by \
         SAVEPOINTD_POD__NAME, SAVEPOINTD_POD__NAMESPACE and SAVEPOINTD_POD__UID, from the fields metadata.name, \
         metadata.namespace and metadata.uid; if it was deleted by force, it has to end"
    )]
    NotThisPod {
        /// Where it should be.
        namespace: String,
        /// Its name.
        name: String,
        /// ` with the UID …`, where that is what is wrong.
        uid: String,
    },
    /// The API server said no.
    #[error("{what}: the Kubernetes API answered {code}: {message}{hint}")]
    Status {
        /// Method and path.
        what: String,
        /// The HTTP status.
        code: u16,
        /// Its words.
        message: String,
        /// What would help, as a further sentence; may be empty.
        hint: String,
    },
    /// The answer is not what the API server sends.
    #[error("{what}: the answer is not what the Kubernetes API sends")]
    Answer {
        /// Method and path.
        what: String,
        /// Where the JSON is wrong.
        #[source]
        source: serde_json::Error,
    },
}

/// The API's `Status` object, as far as it makes a difference.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Status {
    message: String,
}

impl Error {
    pub(super) fn status(what: String, code: u16, body: &[u8]) -> Self {
        let status: Status = serde_json::from_slice(body).unwrap_or_default();
        let message = if status.message.is_empty() {
            String::from_utf8_lossy(body).chars().take(500).collect()
        } else {
            status.message
        };
        let hint = if code == 403 { rule(&what) } else { String::new() };
        Self::Status { what, code, message, hint }
    }

    /// Whether the object is proven not to be there.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.code() == Some(404)
    }

    /// Whether somebody else changed the object first, or made it.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        self.code() == Some(409)
    }

    /// Whether the service account may not.
    #[must_use]
    pub fn is_forbidden(&self) -> bool {
        self.code() == Some(403)
    }

    /// Whether it may go better by itself.
    #[must_use]
    pub fn passes(&self) -> bool {
        match self {
            // 408, 410, 429 and a token that is just being rotated pass; what is forbidden, too large or invalid does not.
            Self::Status { code, .. } => *code >= 500 || matches!(code, 401 | 404 | 408 | 409 | 410 | 429),
            Self::Access(_)
            | Self::Request { .. }
            | Self::Late { .. }
            | Self::NotThisPod { .. }
            | Self::Answer { .. } => true,
        }
    }

    fn code(&self) -> Option<u16> {
        match self {
            Self::Status { code, .. } => Some(*code),
            _ => None,
        }
    }
}

/// The rule that a Role lacks for a request.
fn rule(what: &str) -> String {
    let Some((method, path)) = what.split_once(' ') else { return String::new() };
    let verb = match method {
        "GET" => "get",
        "PUT" => "update",
        _ => "create",
    };
    let mut parts = path.trim_start_matches("/api/v1/namespaces/").split('/');
    let namespace = parts.next().unwrap_or_default();
    let resource = parts.next().unwrap_or("namespaces");
    let name = parts.next().or_else(|| (resource == "namespaces").then_some(namespace));
    // `create` can't be limited to a name.
    let names = match name {
        Some(name) if resource != "pods" => format!(", resourceNames: [{name}]"),
        _ => String::new(),
    };
    format!(
        ". The agent's service account needs a Role in namespace {namespace} with the rule \
         {{apiGroups: [\"\"], resources: [{resource}]{names}, verbs: [{verb}]}}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_forbidden_names_the_rule_that_is_missing() {
        let of =
            |what: &str| Error::status(what.to_owned(), 403, br#"{"message": "configmaps is forbidden"}"#).to_string();
        for (what, rule) in [
            (
                "GET /api/v1/namespaces/flink/configmaps/orders",
                r#"{apiGroups: [""], resources: [configmaps], resourceNames: [orders], verbs: [get]}"#,
            ),
            (
                "PUT /api/v1/namespaces/flink/configmaps/orders",
                r#"{apiGroups: [""], resources: [configmaps], resourceNames: [orders], verbs: [update]}"#,
            ),
            (
                "POST /api/v1/namespaces/flink/configmaps",
                r#"{apiGroups: [""], resources: [configmaps], verbs: [create]}"#,
            ),
            ("GET /api/v1/namespaces/flink/pods/jm-1", r#"{apiGroups: [""], resources: [pods], verbs: [get]}"#),
            (
                "GET /api/v1/namespaces/flink",
                r#"{apiGroups: [""], resources: [namespaces], resourceNames: [flink], verbs: [get]}"#,
            ),
        ] {
            let text = of(what);
            assert!(text.contains(rule) && text.contains("configmaps is forbidden"), "{text}");
        }
        assert!(!Error::status("GET /x".to_owned(), 403, b"").passes());
        assert!(Error::status("GET /x".to_owned(), 429, b"slow down").passes());
    }
}
