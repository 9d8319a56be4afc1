//! Why a job fails while it restores: a point that can't be restored fails the same way again, an outage does not.
//!
//! The words are Flink's own, measured on 1.15.4, 1.17.2, 1.20.5 and 2.3.0 (`failure/tests.rs`).

use serde::{Deserialize, Serialize};

/// What keeps a point from being restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureClass {
    /// The program can't take the state: another operator, type or maximum parallelism.
    Incompatible,
    /// The state can't be read: a file is missing or is not what it was.
    Unreadable,
    /// Named by a newer savepointd.
    #[serde(other)]
    Unknown,
}

impl FailureClass {
    /// The word used in logs and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Incompatible => "incompatible",
            Self::Unreadable => "unreadable",
            Self::Unknown => "unknown",
        }
    }
}

/// Why a job failed while it restored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What kept the point from being restored.
    pub class: FailureClass,
    /// Flink's own words.
    pub reason: String,
}

/// What says that the program can't take the state.
const INCOMPATIBLE: &[&str] = &["Failed to rollback to checkpoint/savepoint", "StateMigrationException"];

/// What keeps state from being read and passes by itself, or is no fault of the point.
const PASSES: &[&str] = &[
    "AccessDenied",
    "CancelTaskException",
    "ConnectException",
    "ConnectTimeoutException",
    "ConnectionClosedException",
    "ExpiredToken",
    "Forbidden",
    "HttpHostConnectException",
    "InterruptedException",
    "InterruptedIOException",
    "InvalidAccessKeyId",
    "No space left on device",
    "NoHttpResponseException",
    "NoRouteToHostException",
    "OutOfMemoryError",
    "Permission denied",
    "SSLException",
    "ServiceUnavailable",
    "SlowDown",
    "SocketException",
    "Status Code: 403",
    "Status Code: 429",
    "Status Code: 5",
    "TimeoutException",
    "Too many open files",
    "UnknownHostException",
];

/// What says that the state itself can't be read.
const UNREADABLE: &[&str] = &[
    "Cannot find checkpoint or savepoint file/directory",
    "Cannot find meta data file '_metadata'",
    "Could not restore keyed state backend",
    "Could not restore operator state backend",
    "Failed when trying to restore",
    "Unexpected magic number",
    "Unrecognized checkpoint version number",
];

/// The frame in which the JobManager reads `_metadata`: what it finds there may be a bare end of file.
const READING: &str = "at org.apache.flink.runtime.checkpoint.Checkpoints.loadCheckpointMetadata";

/// Longer words of Flink are cut off: they are kept in the record.
const LONGEST: usize = 600;

/// Why a job failed, by its Java stack trace; none if the point is not to blame.
#[must_use]
pub fn classify(stack_trace: &str) -> Option<Failure> {
    let causes: Vec<&str> = causes(stack_trace).collect();
    let about = |words: &[&str]| causes.iter().copied().find(|cause| words.iter().any(|word| cause.contains(word)));
    let root = causes.last().copied().unwrap_or_default();
    if let Some(cause) = about(INCOMPATIBLE) {
        return Some(Failure { class: FailureClass::Incompatible, reason: words(cause, root) });
    }
    if about(PASSES).is_some() {
        return None;
    }
    let read = || stack_trace.contains(READING).then_some("Flink can't read its _metadata");
    let cause = about(UNREADABLE).or_else(read)?;
    Some(Failure { class: FailureClass::Unreadable, reason: words(cause, root) })
}

/// What each exception in the chain of causes says, the outermost first. In the frames the names of classes mean nothing.
fn causes(stack_trace: &str) -> impl Iterator<Item = &str> {
    let said = stack_trace.lines().map(str::trim).filter(|line| !line.starts_with("at ") && !line.starts_with("... "));
    said.map(|line| line.strip_prefix("Caused by: ").unwrap_or(line)).filter(|line| !line.is_empty())
}

/// What went wrong, and in the end of what, without the wrappings.
fn words(cause: &str, root: &str) -> String {
    let mut cause = cause;
    for wrapping in ["java.util.concurrent.CompletionException: ", "java.lang.RuntimeException: "] {
        cause = cause.strip_prefix(wrapping).unwrap_or(cause);
    }
    let text = if root.contains(cause) || cause.contains(root) {
        cause.to_owned()
    } else {
        format!("{}: {root}", cause.trim_end_matches('.'))
    };
    text.chars().take(LONGEST).collect()
}

#[cfg(test)]
mod tests;
