//! The record as a ConfigMap: one entry a line in the key `record`, changed as a whole by compare-and-swap on
//! `metadata.resourceVersion`.
//!
//! For people and scripts it also carries plain keys: `savepointPath`, `jobId`, `kind`, `completedAt`. The agent makes it
//! when there is something to write, without an owner, and asks Helm and Argo CD to keep it: it has to outlive the workload.
//! Keys, labels and annotations of others stay as they are.

use hyper::Method;
use serde_json::{Map, Value, json};

use super::compact::{self, compact};
use super::{Append, Error, Snapshot};
use crate::kubernetes::Kubernetes;
use crate::protocol::entry::Entry;
use crate::protocol::history::History;

/// The key that holds the entries.
const RECORD: &str = "record";
/// By this label, with this value, records are found among others.
const LABEL: &str = "app.kubernetes.io/managed-by";
const OURS: &str = "savepointd";

#[derive(Debug, Clone)]
pub(super) struct ConfigMap {
    kubernetes: Kubernetes,
    /// None: the pod's own.
    namespace: Option<String>,
    name: String,
}

impl ConfigMap {
    pub(super) fn new(kubernetes: Kubernetes, namespace: Option<String>, name: String) -> Self {
        Self { kubernetes, namespace, name }
    }

    pub(super) async fn refresh(&self, known: &mut Snapshot) -> Result<(), Error> {
        let namespace = self.namespace().await?;
        *known = match self.kubernetes.call(&Method::GET, &self.path(&namespace), None).await {
            Ok(answer) => self.read(answer.body)?,
            Err(error) if error.is_not_found() => Snapshot::default(),
            Err(error) => return Err(error.into()),
        };
        Ok(())
    }

    /// If the reply is lost, the next try finds the version changed, and whoever tries reads again and finds the entries.
    pub(super) async fn append(&self, known: &mut Snapshot, entries: &[Entry]) -> Result<Append, Error> {
        let namespace = self.namespace().await?;
        let after: Vec<Entry> = known.entries.iter().chain(entries).cloned().collect();
        let object = self.object(known, &namespace, entries, &after)?;
        let (method, path) = match &known.object {
            Some(_) => (Method::PUT, self.path(&namespace)),
            None => (Method::POST, folder(&namespace)),
        };
        match self.kubernetes.call(&method, &path, Some(&object)).await {
            Ok(answer) => {
                *known = self.read(answer.body)?;
                Ok(Append::Done)
            }
            // Gone meanwhile is changed, too: what is there now has to be read first.
            Err(error) if error.is_conflict() || (method == Method::PUT && error.is_not_found()) => {
                Ok(Append::Conflict)
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn namespace(&self) -> Result<String, Error> {
        match &self.namespace {
            Some(namespace) => Ok(namespace.clone()),
            None => Ok(self.kubernetes.namespace().await?),
        }
    }

    fn path(&self, namespace: &str) -> String {
        format!("{}/{}", folder(namespace), self.name)
    }

    fn read(&self, object: Value) -> Result<Snapshot, Error> {
        let mut entries = Vec::new();
        for (number, line) in lines(&object) {
            let entry = serde_json::from_str(line).map_err(|source| Error::Damaged {
                url: format!("line {number} of key {RECORD:?} in ConfigMap {}", self.name),
                source,
            })?;
            entries.push(entry);
        }
        Ok(Snapshot { entries, object: Some(object), ..Snapshot::default() })
    }

    /// The whole object, with the entries of `new` added: `after` is all of them.
    fn object(&self, known: &Snapshot, namespace: &str, new: &[Entry], after: &[Entry]) -> Result<Value, Error> {
        let damaged = |source| Error::Damaged { url: format!("ConfigMap {}", self.name), source };
        let mut object = known.object.clone().unwrap_or_else(|| self.empty(namespace));
        // Lines are kept as they were written: a newer savepointd may have put more into them than this one knows.
        let mut text: Vec<String> = lines(&object).map(|(_, line)| line.to_owned()).collect();
        for entry in new {
            text.push(serde_json::to_string(entry).map_err(damaged)?);
        }
        let sizes: Vec<usize> = text.iter().map(|line| line.len() + 1).collect();
        if sizes.iter().sum::<usize>() > compact::FULL {
            let keep = compact(after, &sizes);
            let kept = text.into_iter().zip(&keep).filter(|(_, keep)| **keep).map(|(line, _)| line);
            text = kept.collect();
            tracing::info!(entries = after.len(), kept = text.len(), "the record is compacted");
        }
        let mut record = text.join("\n");
        record.push('\n');
        // One that somebody else made has to be found, too; what they say of it stays.
        if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            let labels = metadata.entry("labels").or_insert_with(|| json!({}));
            if let Some(labels) = labels.as_object_mut() {
                labels.entry(LABEL).or_insert_with(|| OURS.into());
            }
        }
        let data = object.as_object_mut().map(|object| object.entry("data").or_insert_with(|| json!({})));
        // `data: null` is what some tools make of an empty ConfigMap.
        if let Some(data) = data {
            if !data.is_object() {
                *data = Value::Object(Map::new());
            }
            if let Some(data) = data.as_object_mut() {
                plain_keys(data, after);
                data.insert(RECORD.to_owned(), record.into());
            }
        }
        Ok(object)
    }

    fn empty(&self, namespace: &str) -> Value {
        json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": self.name,
                "namespace": namespace,
                "labels": { LABEL: OURS },
                "annotations": {
                    "helm.sh/resource-policy": "keep",
                    "argocd.argoproj.io/sync-options": "Prune=false,Delete=false",
                    "argocd.argoproj.io/compare-options": "IgnoreExtraneous",
                },
            },
        })
    }
}

fn folder(namespace: &str) -> String {
    format!("/api/v1/namespaces/{namespace}/configmaps")
}

/// The entries' lines with their numbers, which begin at 1.
fn lines(object: &Value) -> impl Iterator<Item = (usize, &str)> {
    let text = object.get("data").and_then(|data| data.get(RECORD)).and_then(Value::as_str).unwrap_or_default();
    text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()).map(|(index, line)| (index + 1, line))
}

/// What the next start would most likely restore, for people and scripts. The start itself looks into storage, too.
fn plain_keys(data: &mut Map<String, Value>, entries: &[Entry]) {
    let history = History::read(entries);
    let latest = history.newest_based(u64::MAX);
    let saved = latest.and_then(|(_, epoch, _)| epoch.saved.last());
    let base = latest.and_then(|(_, _, based)| based.base.as_ref());
    let path = match &history.request {
        Some(request) => request.pin.clone(),
        None => saved.map(|saved| &saved.point).or(base).map(|point| point.path.clone()),
    };
    let of_path =
        history.saved().map(|(_, saved)| saved).filter(|saved| Some(&saved.point.path) == path.as_ref()).last();
    let keys = [
        ("savepointPath", path.clone()),
        ("jobId", of_path.map(|saved| saved.job_id.to_string())),
        ("kind", of_path.map(|saved| saved.kind.as_str().to_owned())),
        ("completedAt", of_path.map(|saved| saved.completed_at.to_string())),
    ];
    for (key, value) in keys {
        match value {
            Some(value) => data.insert(key.to_owned(), value.into()),
            None => data.remove(key),
        };
    }
}
