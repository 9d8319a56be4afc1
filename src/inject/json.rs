//! Reading and changing JSON objects of which nothing is certain.

use serde_json::{Map, Value};

pub(super) type Object = Map<String, Value>;

/// A field that is something else than Kubernetes lets it be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field} is not {expected}")]
pub(super) struct Shape {
    field: String,
    expected: &'static str,
}

impl Shape {
    pub(super) fn new(field: &str, expected: &'static str) -> Self {
        Self { field: field.to_owned(), expected }
    }
}

/// The object in this field; an empty one is made where there is none.
pub(super) fn object<'a>(parent: &'a mut Object, field: &str) -> Result<&'a mut Object, Shape> {
    let value = parent.entry(field).or_insert(Value::Null);
    if value.is_null() {
        *value = Value::Object(Map::new());
    }
    value.as_object_mut().ok_or_else(|| Shape::new(field, "a mapping"))
}

/// The list in this field; an empty one is made where there is none.
pub(super) fn list<'a>(parent: &'a mut Object, field: &str) -> Result<&'a mut Vec<Value>, Shape> {
    let value = parent.entry(field).or_insert(Value::Null);
    if value.is_null() {
        *value = Value::Array(Vec::new());
    }
    value.as_array_mut().ok_or_else(|| Shape::new(field, "a list"))
}

/// The object behind these fields.
pub(super) fn at<'a>(object: &'a Object, fields: &[&str]) -> Option<&'a Object> {
    fields.iter().try_fold(object, |object, field| object.get(*field)?.as_object())
}

/// The text behind these fields.
pub(super) fn text<'a>(object: &'a Object, fields: &[&str]) -> Option<&'a str> {
    let (last, before) = fields.split_last()?;
    at(object, before)?.get(*last)?.as_str()
}

/// The objects of the list in this field.
pub(super) fn objects<'a>(object: &'a Object, field: &str) -> impl Iterator<Item = &'a Object> + use<'a> {
    object.get(field).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object)
}

/// The texts of the list in this field; `None` if something in it is none.
pub(super) fn words(object: &Object, field: &str) -> Option<Vec<String>> {
    match object.get(field) {
        None | Some(Value::Null) => Some(Vec::new()),
        Some(Value::Array(list)) => list.iter().map(|word| word.as_str().map(str::to_owned)).collect(),
        Some(_) => None,
    }
}

/// Whether the element's field `key` says `name`.
pub(super) fn is(element: &Value, key: &str, name: &str) -> bool {
    element.get(key).and_then(Value::as_str) == Some(name)
}

/// Puts an element in the place of the one that agrees in `key`, or behind all others.
pub(super) fn put(list: &mut Vec<Value>, key: &str, element: Value) {
    let name = element.get(key).and_then(Value::as_str).unwrap_or_default();
    match list.iter().position(|other| is(other, key, name)).and_then(|at| list.get_mut(at)) {
        Some(place) => *place = element,
        None => list.push(element),
    }
}

/// Takes the elements away whose `key` says `name`.
pub(super) fn remove(list: &mut Vec<Value>, key: &str, name: &str) {
    list.retain(|element| !is(element, key, name));
}
