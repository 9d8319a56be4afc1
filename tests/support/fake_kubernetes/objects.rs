//! What the API server keeps: objects under their names, with uids and resource versions, and its rules for writing them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::status::Answer;

/// The most that the values of a ConfigMap may add up to.
const CONFIG_MAP_LIMIT: usize = 1 << 20;
/// The most that any request may hold.
pub(super) const REQUEST_LIMIT: usize = 3 << 20;

/// Where an object lies.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    resource: String,
    namespace: String,
    name: String,
}

impl Key {
    pub(super) fn new(resource: &str, namespace: &str, name: &str) -> Self {
        Self { resource: resource.to_owned(), namespace: namespace.to_owned(), name: name.to_owned() }
    }

    fn kind(&self) -> (&'static str, &'static str) {
        match self.resource.as_str() {
            "configmaps" => ("v1", "ConfigMap"),
            "pods" => ("v1", "Pod"),
            "namespaces" => ("v1", "Namespace"),
            _ => ("v1", "Event"),
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Objects {
    stored: BTreeMap<Key, Value>,
    revision: u64,
}

impl Objects {
    pub(super) fn get(&self, key: &Key) -> Option<Value> {
        self.stored.get(key).cloned()
    }

    pub(super) fn count(&self, resource: &str) -> usize {
        self.stored.keys().filter(|key| key.resource == resource).count()
    }

    pub(super) fn remove(&mut self, key: &Key) -> Option<Value> {
        self.revision += 1;
        self.stored.remove(key)
    }

    pub(super) fn create(
        &mut self,
        resource: &str,
        namespace: &str,
        mut object: Value,
        now: Timestamp,
    ) -> Result<Value, Box<Answer>> {
        let metadata = &mut object["metadata"];
        if let (None, Some(prefix)) = (metadata["name"].as_str(), metadata["generateName"].as_str()) {
            metadata["name"] = format!("{prefix}{:05}", self.revision).into();
        }
        let Some(name) = metadata["name"].as_str().map(str::to_owned) else {
            return Err(Box::new(Answer::bad_request()));
        };
        if metadata["resourceVersion"].as_str().is_some_and(|version| !version.is_empty()) {
            return Err(Box::new(Answer::resource_version_on_create()));
        }
        let key = Key::new(resource, namespace, &name);
        if self.stored.contains_key(&key) {
            return Err(Box::new(Answer::already_exists(resource, &name)));
        }
        check_size(&key, &object)?;
        self.revision += 1;
        let (api_version, kind) = key.kind();
        (object["apiVersion"], object["kind"]) = (api_version.into(), kind.into());
        let metadata = &mut object["metadata"];
        if resource != "namespaces" {
            metadata["namespace"] = namespace.into();
        }
        metadata["uid"] = format!("00000000-0000-4000-8000-{:012x}", self.revision).into();
        metadata["resourceVersion"] = self.revision.to_string().into();
        metadata["creationTimestamp"] = time(now).into();
        metadata["managedFields"] = json!([{
            "manager": "savepointd", "operation": "Update", "apiVersion": api_version, "time": time(now),
            "fieldsType": "FieldsV1", "fieldsV1": { "f:data": {} },
        }]);
        self.stored.insert(key, object.clone());
        Ok(object)
    }

    pub(super) fn replace(&mut self, key: &Key, mut object: Value) -> Result<Value, Box<Answer>> {
        let (resource, name) = (key.resource.as_str(), key.name.as_str());
        let Some(current) = self.stored.get(key) else { return Err(Box::new(Answer::not_found(resource, name))) };
        let given = |field: &str| object["metadata"][field].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        let kept = &current["metadata"];
        if let Some(uid) = given("uid").filter(|uid| *uid != kept["uid"]) {
            let why = format!("Precondition failed: UID in precondition: {uid}, UID in object meta: {}", kept["uid"]);
            return Err(Box::new(Answer::conflict(resource, name, &why)));
        }
        if given("resourceVersion").is_some_and(|version| version != kept["resourceVersion"]) {
            let why = "the object has been modified; please apply your changes to the latest version and try again";
            return Err(Box::new(Answer::conflict(resource, name, why)));
        }
        check_size(key, &object)?;
        // What a writer can't change.
        for field in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp", "managedFields"] {
            object["metadata"][field] = kept[field].clone();
        }
        for field in ["apiVersion", "kind"] {
            object[field] = current[field].clone();
        }
        // A write that changes nothing makes no new version.
        if object != *current {
            self.revision += 1;
            object["metadata"]["resourceVersion"] = self.revision.to_string().into();
            self.stored.insert(key.clone(), object.clone());
        }
        Ok(object)
    }
}

fn check_size(key: &Key, object: &Value) -> Result<(), Box<Answer>> {
    if key.resource != "configmaps" {
        return Ok(());
    }
    let values =
        [&object["data"], &object["binaryData"]].into_iter().filter_map(Value::as_object).flat_map(|map| map.values());
    let size: usize = values.filter_map(Value::as_str).map(str::len).sum();
    if size > CONFIG_MAP_LIMIT {
        return Err(Box::new(Answer::too_long(key.kind().1, &key.name, CONFIG_MAP_LIMIT)));
    }
    Ok(())
}

/// A time as Kubernetes writes it: in whole seconds.
pub(super) fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
