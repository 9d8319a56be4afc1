//! Finds the objects that make pods.

use serde_json::{Map, Value};

use super::json::{self, Object, Shape};

/// The annotation of what Helm runs besides a release.
const HELM_HOOK: &str = "helm.sh/hook";

/// An object that makes pods.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Workload {
    /// The document, then the way through lists in it.
    path: Vec<usize>,
    template: &'static [&'static str],
    pub(super) kind: String,
    pub(super) name: String,
    pub(super) namespace: Option<String>,
}

impl Workload {
    /// `Deployment/orders`.
    pub(super) fn title(&self) -> String {
        format!("{}/{}", self.kind, self.name)
    }

    /// The whole object.
    pub(super) fn object<'a>(&self, documents: &'a [Value]) -> Option<&'a Object> {
        let (first, rest) = self.path.split_first()?;
        let document = documents.get(*first)?;
        rest.iter().try_fold(document, |value, index| value.get("items")?.get(index))?.as_object()
    }

    /// Its pod template: for a pod, itself.
    pub(super) fn pod<'a>(&self, documents: &'a [Value]) -> Option<&'a Object> {
        json::at(self.object(documents)?, self.template)
    }

    /// The same, to change it.
    pub(super) fn pod_mut<'a>(&self, documents: &'a mut [Value]) -> Result<&'a mut Object, Shape> {
        let broken = || Shape::new("the pod template", "a mapping");
        let (first, rest) = self.path.split_first().ok_or_else(broken)?;
        let document = documents.get_mut(*first).ok_or_else(broken)?;
        let object = rest.iter().try_fold(document, |value, index| value.get_mut("items")?.get_mut(index));
        let object = object.and_then(Value::as_object_mut).ok_or_else(broken)?;
        self.template.iter().try_fold(object, |object, field| json::object(object, field))
    }
}

/// Every object that makes pods, with these exceptions: what another object made (it would be overwritten), and Helm's hooks.
pub(super) fn find(documents: &[Value]) -> Vec<Workload> {
    let mut found = Vec::new();
    each(documents, &mut |object, path| {
        if let Some(template) = template(object)
            && !is_owned(object)
            && json::at(object, &["metadata", "annotations"])
                .is_none_or(|annotations| !annotations.contains_key(HELM_HOOK))
        {
            let text = |fields| json::text(object, fields);
            let name = text(&["metadata", "name"]);
            let generated = || text(&["metadata", "generateName"]).map(|name| name.trim_end_matches('-'));
            found.push(Workload {
                path: path.to_vec(),
                template,
                kind: text(&["kind"]).unwrap_or_default().to_owned(),
                name: name.or_else(generated).unwrap_or_default().to_owned(),
                namespace: text(&["metadata", "namespace"])
                    .filter(|namespace| !namespace.is_empty())
                    .map(str::to_owned),
            });
        }
    });
    found
}

/// Visits every object, those in lists too.
pub(super) fn each(documents: &[Value], visit: &mut dyn FnMut(&Object, &[usize])) {
    fn descend(value: &Value, path: &mut Vec<usize>, visit: &mut dyn FnMut(&Object, &[usize])) {
        let Some(object) = value.as_object() else { return };
        match items(object) {
            Some(items) => {
                for (index, item) in items.iter().enumerate() {
                    path.push(index);
                    descend(item, path, visit);
                    path.pop();
                }
            }
            None => visit(object, path),
        }
    }
    for (index, document) in documents.iter().enumerate() {
        descend(document, &mut vec![index], visit);
    }
}

/// Puts an object in the place of the one of the same kind, namespace and name, or behind all others.
pub(super) fn put(documents: &mut Vec<Value>, object: Value) {
    fn replace(value: &mut Value, object: &Value) -> bool {
        if value.as_object().is_some_and(|other| items(other).is_some()) {
            let items = value.get_mut("items").and_then(Value::as_array_mut);
            return items.into_iter().flatten().any(|item| replace(item, object));
        }
        let identity = |value: &Value| {
            let object = value.as_object()?;
            let text = |fields| json::text(object, fields).unwrap_or_default().to_owned();
            Some([text(&["kind"]), text(&["metadata", "namespace"]), text(&["metadata", "name"])])
        };
        let same = identity(value) == identity(object);
        if same {
            *value = object.clone();
        }
        same
    }
    if !documents.iter_mut().any(|document| replace(document, &object)) {
        documents.push(object);
    }
}

/// What `kubectl get` gives for many objects: `List`, or `DeploymentList` and the like.
fn items(object: &Map<String, Value>) -> Option<&Vec<Value>> {
    let is_list = json::text(object, &["kind"]).is_some_and(|kind| kind.ends_with("List"));
    object.get("items").and_then(Value::as_array).filter(|_| is_list)
}

fn template(object: &Object) -> Option<&'static [&'static str]> {
    let version = json::text(object, &["apiVersion"])?;
    let group = version.split_once('/').map_or("", |(group, _)| group);
    match (group, json::text(object, &["kind"])?) {
        ("apps", "Deployment" | "StatefulSet" | "ReplicaSet") | ("batch", "Job") => Some(&["spec", "template"]),
        ("batch", "CronJob") => Some(&["spec", "jobTemplate", "spec", "template"]),
        ("", "PodTemplate") => Some(&["template"]),
        ("", "Pod") => Some(&[]),
        _ => None,
    }
}

fn is_owned(object: &Object) -> bool {
    json::at(object, &["metadata"]).is_some_and(|metadata| {
        json::objects(metadata, "ownerReferences").any(|owner| owner.get("controller") == Some(&true.into()))
    })
}
