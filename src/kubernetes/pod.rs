//! Pods: the own one, whose end sets the deadline, and the one that holds an epoch.

use std::time::Duration;

use hyper::Method;
use jiff::Timestamp;
use serde::Deserialize;

use super::{Error, Kubernetes};
use crate::protocol::entry::PodRef;
use crate::protocol::grace::{Cause, Sight};

/// A pod, as far as it makes a difference.
#[derive(Debug, Clone, Deserialize)]
pub struct Pod {
    metadata: Metadata,
    #[serde(default)]
    spec: Spec,
    #[serde(default)]
    status: Status,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    uid: String,
    creation_timestamp: Option<Timestamp>,
    deletion_timestamp: Option<Timestamp>,
    deletion_grace_period_seconds: Option<u64>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Spec {
    termination_grace_period_seconds: Option<u64>,
    node_name: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Status {
    phase: Option<String>,
    #[serde(rename = "podIP")]
    pod_ip: Option<String>,
    conditions: Vec<Condition>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Condition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
    reason: Option<String>,
    message: Option<String>,
}

/// Whether a pod's containers may still run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Liveness {
    /// They can't: the pod is gone, another one has its name, or all of its containers have ended for good.
    Gone,
    /// They may; the text says what is known.
    Alive(String),
}

impl Kubernetes {
    /// This pod, for the record: who holds an epoch, since when, and where its agent is reached.
    ///
    /// # Errors
    /// If the pod can't be read.
    pub async fn own_pod(&self) -> Result<PodRef, Error> {
        let own = self.inner.own.get_or_try_init(|| async {
            let (namespace, name) = (self.namespace().await?, self.own_name());
            let pod: Pod = match self.get(&path(&namespace, &name)).await {
                Err(error) if error.is_not_found() => {
                    return Err(Error::NotThisPod { namespace, name, uid: String::new() });
                }
                answered => answered?,
            };
            let uid = self.inner.pod.uid.clone().unwrap_or_else(|| pod.metadata.uid.clone());
            if uid != pod.metadata.uid {
                return Err(Error::NotThisPod { namespace, name, uid: format!(" with the UID {uid}") });
            }
            let ip = self.inner.pod.ip.or_else(|| pod.status.pod_ip.as_deref()?.parse().ok());
            let address =
                ip.zip(self.inner.admin_port).map(|(ip, port)| std::net::SocketAddr::new(ip, port).to_string());
            let own = PodRef { namespace, name, uid, created: pod.metadata.creation_timestamp, address };
            Ok((own, pod.spec.termination_grace_period_seconds.map(Duration::from_secs)))
        });
        own.await.map(|(own, _)| own.clone())
    }

    /// How long this pod is given to end, usually; none while it was not read.
    #[must_use]
    pub fn own_grace(&self) -> Option<Duration> {
        self.inner.own.get().and_then(|(_, grace)| *grace)
    }

    /// Namespace and name of this pod, as far as they are known without asking.
    #[must_use]
    pub fn known_pod(&self) -> Option<(String, String)> {
        let own = self.inner.own.get().map(|(own, _)| (own.namespace.clone(), own.name.clone()));
        let told = || self.inner.pod.namespace.clone().zip(self.inner.pod.name.clone());
        own.or_else(told)
    }

    /// This pod as the API server shows it, for whoever looks at its specification.
    ///
    /// # Errors
    /// If the pod can't be read.
    pub async fn own_manifest(&self) -> Result<serde_json::Value, Error> {
        self.get(&path(&self.namespace().await?, &self.own_name())).await
    }

    /// Looks at this pod's end: what is left of it, by the API server's own clock, and why it ends.
    ///
    /// # Errors
    /// If the API server does not say.
    pub async fn own_end(&self) -> Result<(Sight, Cause), Error> {
        let path = path(&self.namespace().await?, &self.own_name());
        let answer = match self.call_at_once(&Method::GET, &path).await {
            Ok(answer) => answer,
            // A pod of that name was there, or is said to be: it was deleted by force. Else the name may be wrong.
            Err(error) if error.is_not_found() && self.is_known() => return Ok((Sight::Absent, Cause::Forced)),
            Err(error) => return Err(error),
        };
        let at = answer.at;
        let pod =
            Pod::deserialize(answer.body).map_err(|source| Error::Answer { what: format!("GET {path}"), source })?;
        let known = self.inner.pod.uid.as_ref().or_else(|| self.inner.own.get().map(|(own, _)| &own.uid));
        if known.is_some_and(|uid| *uid != pod.metadata.uid) {
            return Ok((Sight::Absent, Cause::Forced));
        }
        Ok((pod.sight(at), pod.cause()))
    }

    /// Whether the containers of that pod may still run.
    ///
    /// # Errors
    /// If the API server does not say.
    pub async fn liveness(&self, of: &PodRef) -> Result<Liveness, Error> {
        match self.get::<Pod>(&path(&of.namespace, &of.name)).await {
            Ok(pod) => Ok(pod.liveness(of)),
            Err(error) if error.is_not_found() => Ok(Liveness::Gone),
            Err(error) => Err(error),
        }
    }

    fn is_known(&self) -> bool {
        self.inner.pod.uid.is_some() || self.inner.own.get().is_some()
    }

    fn own_name(&self) -> String {
        let host = || nix::unistd::gethostname().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        self.inner.pod.name.clone().unwrap_or_else(host)
    }
}

fn path(namespace: &str, name: &str) -> String {
    format!("/api/v1/namespaces/{namespace}/pods/{name}")
}

impl Pod {
    fn sight(&self, answered_at: Option<Timestamp>) -> Sight {
        Sight::Present {
            deletion: self.metadata.deletion_timestamp,
            deletion_grace: self.metadata.deletion_grace_period_seconds.map(Duration::from_secs),
            answered_at,
            usual_grace: self.spec.termination_grace_period_seconds.map(Duration::from_secs),
        }
    }

    fn cause(&self) -> Cause {
        let target = self.status.conditions.iter().find(|one| one.kind == "DisruptionTarget" && one.status == "True");
        match target {
            Some(Condition { reason: Some(reason), message, .. }) => {
                Cause::Disrupted { reason: reason.clone(), message: message.clone().unwrap_or_default() }
            }
            _ if self.metadata.deletion_timestamp.is_some() => Cause::Deleted,
            _ => Cause::Unknown,
        }
    }

    fn liveness(&self, of: &PodRef) -> Liveness {
        if self.metadata.uid != of.uid {
            return Liveness::Gone;
        }
        if matches!(self.status.phase.as_deref(), Some("Succeeded" | "Failed")) {
            return Liveness::Gone;
        }
        let node = self.spec.node_name.as_deref().map(|node| format!(" on node {node}")).unwrap_or_default();
        Liveness::Alive(match self.metadata.deletion_timestamp {
            Some(at) => format!("pod {}{node} is being ended, until {at} at the latest", of.name),
            None => format!("pod {}{node} runs it", of.name),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of() -> PodRef {
        PodRef { namespace: "ns".into(), name: "jm-0".into(), uid: "a".into(), created: None, address: None }
    }

    fn pod(text: &str) -> Pod {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn a_pod_lives_until_it_is_gone_or_its_containers_have_ended_for_good() {
        for (text, alive) in [
            (r#"{"metadata":{"uid":"a"},"status":{"phase":"Running"}}"#, true),
            (r#"{"metadata":{"uid":"a"}}"#, true),
            (
                r#"{"metadata":{"uid":"a","deletionTimestamp":"2026-11-22T10:00:00Z"},"status":{"phase":"Running"}}"#,
                true,
            ),
            (r#"{"metadata":{"uid":"a"},"status":{"phase":"Unknown"}}"#, true),
            (r#"{"metadata":{"uid":"a"},"status":{"phase":"Failed"}}"#, false),
            (r#"{"metadata":{"uid":"a"},"status":{"phase":"Succeeded"}}"#, false),
            (r#"{"metadata":{"uid":"b"},"status":{"phase":"Running"}}"#, false),
        ] {
            assert_eq!(pod(text).liveness(&of()) != Liveness::Gone, alive, "{text}");
        }
    }

    #[test]
    fn why_a_pod_ends_is_read_from_its_condition() {
        let evicted = r#"{"metadata":{"uid":"a","deletionTimestamp":"2026-11-22T10:00:00Z"},"status":{"conditions":[
            {"type":"Ready","status":"True"},
            {"type":"DisruptionTarget","status":"True","reason":"EvictionByEvictionAPI","message":"Eviction API: evicting"}]}}"#;
        assert_eq!(
            pod(evicted).cause(),
            Cause::Disrupted { reason: "EvictionByEvictionAPI".into(), message: "Eviction API: evicting".into() }
        );
        assert_eq!(
            pod(r#"{"metadata":{"uid":"a","deletionTimestamp":"2026-11-22T10:00:00Z"}}"#).cause(),
            Cause::Deleted
        );
        assert_eq!(pod(r#"{"metadata":{"uid":"a"}}"#).cause(), Cause::Unknown);
    }
}
