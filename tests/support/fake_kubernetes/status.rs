//! Answers, and the Status objects of kube-apiserver 1.34 to the letter: people grep for them, and so may the product.

use serde_json::{Value, json};

use super::{Request, USER};

/// An answer, before it goes onto the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub content_type: &'static str,
    pub body: String,
    pub retry_after: Option<u32>,
}

impl Answer {
    pub(super) fn json(status: u16, body: &Value) -> Self {
        Self { status, content_type: "application/json", body: body.to_string(), retry_after: None }
    }

    fn text(status: u16, body: &str) -> Self {
        Self { status, content_type: "text/plain; charset=utf-8", body: body.to_owned(), retry_after: None }
    }

    fn failure(code: u16, reason: &str, message: &str, details: Value) -> Self {
        let mut status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": message, "reason": reason, "code": code,
        });
        if !details.is_null() {
            status["details"] = details;
        }
        Self::json(code, &status)
    }

    pub(super) fn not_found(resource: &str, name: &str) -> Self {
        let message = format!("{resource} \"{name}\" not found");
        Self::failure(404, "NotFound", &message, json!({ "name": name, "kind": resource }))
    }

    pub(super) fn already_exists(resource: &str, name: &str) -> Self {
        let message = format!("{resource} \"{name}\" already exists");
        Self::failure(409, "AlreadyExists", &message, json!({ "name": name, "kind": resource }))
    }

    pub(super) fn conflict(resource: &str, name: &str, why: &str) -> Self {
        let message = format!("Operation cannot be fulfilled on {resource} \"{name}\": {why}");
        Self::failure(409, "Conflict", &message, json!({ "name": name, "kind": resource }))
    }

    pub(super) fn too_long(kind: &str, name: &str, limit: usize) -> Self {
        let why = format!("Too long: may not be more than {limit} bytes");
        let causes = json!([{ "reason": "FieldValueTooLong", "message": why, "field": "[]" }]);
        let details = json!({ "name": name, "kind": kind, "causes": causes });
        Self::failure(422, "Invalid", &format!("{kind} \"{name}\" is invalid: []: {why}"), details)
    }

    pub(super) fn too_large(limit: usize) -> Self {
        let message = format!("Request entity too large: limit is {limit}");
        Self::failure(413, "RequestEntityTooLarge", &message, Value::Null)
    }

    pub(super) fn bad_request() -> Self {
        Self::failure(400, "BadRequest", "the object provided is unrecognized (must be of type ConfigMap)", Value::Null)
    }

    pub(super) fn resource_version_on_create() -> Self {
        Self::failure(500, "", "resourceVersion should not be set on objects to be created", Value::Null)
    }

    pub(super) fn method_not_allowed() -> Self {
        let message = "the server does not allow this method on the requested resource";
        Self::failure(405, "MethodNotAllowed", message, json!({}))
    }

    pub(super) fn unauthorized() -> Self {
        Self::failure(401, "Unauthorized", "Unauthorized", Value::Null)
    }

    /// What the authorizer says when no rule allows the request.
    pub(super) fn forbidden(request: &Request) -> Self {
        let Request { verb, resource, namespace, name, .. } = request;
        let what = name.as_ref().map_or_else(|| resource.clone(), |name| format!("{resource} \"{name}\""));
        let message = format!(
            "{what} is forbidden: User \"{USER}\" cannot {verb} resource \"{resource}\" in API group \"\" in the namespace \
             \"{namespace}\""
        );
        let details =
            name.as_ref().map_or_else(|| json!({ "kind": resource }), |name| json!({ "name": name, "kind": resource }));
        Self::failure(403, "Forbidden", &message, details)
    }

    /// What priority and fairness says: no Status, only text.
    pub(super) fn too_many_requests(retry_after: u32) -> Self {
        let answer = Self::text(429, "Too many requests, please try again later.\n");
        Self { retry_after: Some(retry_after), ..answer }
    }

    /// What the server says with this code when it is not the request's fault.
    pub(super) fn trouble(code: u16) -> Self {
        match code {
            401 => Self::unauthorized(),
            410 => Self::failure(410, "Expired", "The resourceVersion for the provided list is too old.", Value::Null),
            503 => Self::text(503, "service unavailable\n"),
            504 => {
                let message = "Timeout: request did not complete within requested timeout - context deadline exceeded";
                Self::failure(504, "Timeout", message, json!({}))
            }
            _ => {
                let cause = "etcdserver: request timed out";
                let details = json!({ "causes": [{ "message": cause }] });
                Self::failure(code, "InternalError", &format!("Internal error occurred: {cause}"), details)
            }
        }
    }
}
