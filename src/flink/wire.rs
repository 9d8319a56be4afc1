//! The JSON of Flink's REST API (1.15 to 2.3), only the fields that are read. Unknown fields are ignored.

use serde::{Deserialize, Deserializer};

use crate::protocol::confirm::Restored;
use crate::protocol::id::{JobId, TriggerId};
use crate::protocol::stop::{Job, JobState, PollReply};

/// `GET /jobs/overview`
#[derive(Debug, Deserialize)]
pub(super) struct Overview {
    pub(super) jobs: Vec<OverviewJob>,
}

#[derive(Debug, Deserialize)]
pub(super) struct OverviewJob {
    jid: JobId,
    #[serde(default)]
    name: String,
    state: String,
    tasks: Tasks,
}

#[derive(Debug, Deserialize)]
struct Tasks {
    total: u32,
    running: u32,
    finished: u32,
}

impl From<OverviewJob> for Job {
    fn from(job: OverviewJob) -> Self {
        let up = job.tasks.running + job.tasks.finished;
        Self {
            id: job.jid,
            name: job.name,
            state: match job.state.as_str() {
                "INITIALIZING" => JobState::Initializing,
                "FINISHED" => JobState::Finished,
                "CANCELED" => JobState::Cancelled,
                "FAILED" => JobState::Failed,
                // CREATED, RUNNING, RESTARTING, FAILING, CANCELLING, SUSPENDED, RECONCILING, and what may come.
                _ => JobState::Active,
            },
            all_tasks_up: job.state == "RUNNING" && job.tasks.total > 0 && up == job.tasks.total,
            any_task_up: up > 0,
        }
    }
}

/// `POST /jobs/:id/stop`
#[derive(Debug, Deserialize)]
pub(super) struct Triggered {
    #[serde(rename = "request-id")]
    pub(super) request_id: TriggerId,
}

/// `GET /jobs/:id/savepoints/:trigger`
#[derive(Debug, Deserialize)]
pub(super) struct Operation {
    status: OperationStatus,
    operation: Option<OperationResult>,
}

#[derive(Debug, Deserialize)]
struct OperationStatus {
    id: String,
}

#[derive(Debug, Deserialize)]
struct OperationResult {
    location: Option<String>,
    #[serde(rename = "failure-cause")]
    failure: Option<FailureCause>,
}

#[derive(Debug, Deserialize)]
struct FailureCause {
    class: String,
    #[serde(rename = "stack-trace", default)]
    stack_trace: String,
}

/// Words in Flink's causes that say: the tasks were not ready, and may be in a moment.
const TRANSIENT: [&str; 7] = [
    "Not all required tasks are currently running",
    "is currently not executing",
    "UnavailableDispatcherOperationException",
    "Checkpoint Coordinator is suspending",
    "Checkpoint Coordinator is shutting down",
    "Trigger checkpoint failure",
    "FlinkJobNotFoundException",
];

impl Operation {
    pub(super) fn into_reply(self) -> PollReply {
        match (self.status.id.as_str(), self.operation) {
            ("IN_PROGRESS", _) => PollReply::InProgress,
            (_, Some(OperationResult { location: Some(location), .. })) => PollReply::Completed(location),
            (_, Some(OperationResult { failure: Some(failure), .. })) => PollReply::Failed {
                transient: TRANSIENT.iter().any(|words| failure.stack_trace.contains(words)),
                reason: root_cause(&failure.stack_trace).unwrap_or(failure.class),
            },
            (status, _) => PollReply::Lost(format!("the result is {status}, with neither location nor cause")),
        }
    }
}

impl Operation {
    /// Whether what has no result but its end went well; nothing while it goes on.
    pub(super) fn into_end(self) -> Option<Result<(), String>> {
        match (self.status.id.as_str(), self.operation) {
            ("IN_PROGRESS", _) => None,
            (_, Some(OperationResult { failure: Some(failure), .. })) => {
                Some(Err(root_cause(&failure.stack_trace).unwrap_or(failure.class)))
            }
            ("COMPLETED", _) => Some(Ok(())),
            (status, _) => Some(Err(format!("the result is {status}, without a cause"))),
        }
    }
}

/// The innermost cause of a Java stack trace, one line.
pub(super) fn root_cause(stack_trace: &str) -> Option<String> {
    let first = stack_trace.lines().next();
    let last = stack_trace.lines().filter_map(|line| line.trim_start().strip_prefix("Caused by: ")).next_back();
    let line = last.or(first)?.trim();
    (!line.is_empty()).then(|| line.chars().take(500).collect())
}

/// `GET /jobs/:id/checkpoints/:trigger`
#[derive(Debug, Deserialize)]
pub(super) struct OnDemand {
    status: OperationStatus,
    operation: Option<OnDemandResult>,
}

#[derive(Debug, Deserialize)]
struct OnDemandResult {
    #[serde(rename = "checkpointId")]
    checkpoint_id: Option<u64>,
    // Not as for savepoints.
    #[serde(rename = "failureCause")]
    failure: Option<FailureCause>,
}

impl OnDemand {
    /// The checkpoint's number, or why there is none; nothing while it is being taken.
    pub(super) fn result(self) -> Option<Result<u64, String>> {
        match (self.status.id.as_str(), self.operation) {
            ("IN_PROGRESS", _) => None,
            (_, Some(OnDemandResult { failure: Some(failure), .. })) => {
                Some(Err(root_cause(&failure.stack_trace).unwrap_or(failure.class)))
            }
            (_, Some(OnDemandResult { checkpoint_id: Some(id), .. })) => Some(Ok(id)),
            (status, _) => Some(Err(format!("the result is {status}, with neither a number nor a cause"))),
        }
    }
}

/// `GET /jobs/:id/checkpoints`
#[derive(Debug, Deserialize)]
pub struct Checkpoints {
    /// The newest of each kind.
    pub latest: Latest,
}

/// The newest of each kind.
#[derive(Debug, Deserialize)]
pub struct Latest {
    /// The newest completed checkpoint; it may be discarded already.
    pub completed: Option<Completed>,
    /// The newest savepoint.
    pub savepoint: Option<Savepoint>,
    /// What the job restored from.
    pub(super) restored: Option<RestoredPoint>,
}

/// A completed checkpoint.
#[derive(Debug, Deserialize)]
pub struct Completed {
    /// Its number.
    pub id: u64,
    /// Where it lies.
    pub external_path: Option<String>,
}

/// A completed savepoint.
#[derive(Debug, Deserialize)]
pub struct Savepoint {
    /// Its number.
    pub id: u64,
    /// Where it lies.
    pub external_path: String,
    /// `SYNC_SAVEPOINT` for the savepoint of a stop.
    #[serde(default)]
    pub checkpoint_type: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct RestoredPoint {
    id: u64,
    #[serde(default, deserialize_with = "nullable")]
    external_path: String,
}

impl From<RestoredPoint> for Restored {
    fn from(point: RestoredPoint) -> Self {
        Self { id: point.id, path: point.external_path }
    }
}

fn nullable<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// `GET /jobs/:id/checkpoints/config`
#[derive(Debug, Deserialize)]
pub(super) struct CheckpointConfig {
    interval: i64,
    externalization: Externalization,
}

#[derive(Debug, Deserialize)]
struct Externalization {
    enabled: bool,
    delete_on_cancellation: bool,
}

impl CheckpointConfig {
    pub(super) fn retains(&self) -> Option<bool> {
        // Flink shows "off" as the largest interval there is.
        (self.interval != i64::MAX)
            .then_some(self.externalization.enabled && !self.externalization.delete_on_cancellation)
    }
}

/// `GET /overview`
#[derive(Debug, Deserialize)]
pub(super) struct TaskManagers {
    #[serde(rename = "taskmanagers")]
    pub(super) number: usize,
}

/// `GET /jobs/:id/exceptions`
#[derive(Debug, Deserialize)]
pub(super) struct Exceptions {
    #[serde(rename = "root-exception")]
    root_exception: Option<String>,
    #[serde(rename = "exceptionHistory")]
    history: Option<ExceptionHistory>,
}

#[derive(Debug, Deserialize)]
struct ExceptionHistory {
    #[serde(default)]
    entries: Vec<ExceptionEntry>,
}

#[derive(Debug, Deserialize)]
struct ExceptionEntry {
    stacktrace: Option<String>,
}

impl Exceptions {
    /// The stack traces, newest first.
    pub(super) fn stack_traces(self) -> Vec<String> {
        let history = self.history.map(|history| history.entries).unwrap_or_default();
        let traces: Vec<String> = history.into_iter().filter_map(|entry| entry.stacktrace).collect();
        // Flink 2 has the history alone; before, the newest may not have got there yet.
        if traces.is_empty() { self.root_exception.into_iter().collect() } else { traces }
    }
}

/// The messages of an error answer: `{"errors": [..]}`, or what came in its place.
pub(super) fn errors(body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Errors {
        errors: Vec<String>,
    }
    let text = match serde_json::from_slice::<Errors>(body) {
        Ok(Errors { errors }) => errors.join("; "),
        Err(_) => String::from_utf8_lossy(body).into_owned(),
    };
    text.lines().next().unwrap_or_default().chars().take(500).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_result_gives_its_innermost_cause_and_whether_it_may_pass() {
        let text = r#"{"status":{"id":"COMPLETED"},"operation":{"failure-cause":{"class":"java.util.concurrent.CompletionException",
            "stack-trace":"java.util.concurrent.CompletionException: x\n\tat a\nCaused by: org.apache.flink.runtime.checkpoint.CheckpointException: Checkpoint triggering task Source: seq (1/1) is not being executed at the moment. Aborting checkpoint. Failure reason: Not all required tasks are currently running.\n\tat b",
            "serialized-throwable":"rO0"}}}"#;
        let reply = serde_json::from_str::<Operation>(text).unwrap().into_reply();
        let PollReply::Failed { reason, transient } = reply else { panic!("{reply:?}") };
        assert!(transient);
        assert!(
            reason.starts_with("org.apache.flink.runtime.checkpoint.CheckpointException: Checkpoint triggering task"),
            "{reason}"
        );
    }

    #[test]
    fn a_job_is_known_by_its_name_where_flink_gives_one() {
        let job = |text: &str| Job::from(serde_json::from_str::<OverviewJob>(text).unwrap());
        let id = "000102030405060708090a0b0c0d0e0f";
        let tasks = r#""state":"RUNNING","tasks":{"total":2,"running":1,"finished":1}"#;
        let named = job(&format!(r#"{{"jid":"{id}","name":"orders","start-time":1,{tasks}}}"#));
        assert!(named.name == "orders" && named.all_tasks_up && named.state == JobState::Active, "{named:?}");
        assert_eq!(job(&format!(r#"{{"jid":"{id}",{tasks}}}"#)).name, "");
    }

    #[test]
    fn a_result_without_location_and_cause_is_not_a_result() {
        let text = r#"{"status":{"id":"COMPLETED"},"operation":null}"#;
        let reply = serde_json::from_str::<Operation>(text).unwrap().into_reply();
        assert!(matches!(reply, PollReply::Lost(_)), "{reply:?}");
    }

    #[test]
    fn a_checkpoint_on_demand_is_being_taken_completed_or_failed() {
        let result = |text: &str| serde_json::from_str::<OnDemand>(text).unwrap().result();
        assert_eq!(result(r#"{"status":{"id":"IN_PROGRESS"},"operation":null}"#), None);
        let completed = r#"{"status":{"id":"COMPLETED"},"operation":{"checkpointId":5,"failureCause":null}}"#;
        assert_eq!(result(completed), Some(Ok(5)));
        let failed = r#"{"status":{"id":"COMPLETED"},"operation":{"checkpointId":null,"failureCause":{"class":"x.Y","stack-trace":"x.Y: z"}}}"#;
        assert_eq!(result(failed), Some(Err("x.Y: z".to_owned())));
        assert!(matches!(result(r#"{"status":{"id":"COMPLETED"},"operation":null}"#), Some(Err(_))));
    }

    #[test]
    fn statistics_without_data_are_read() {
        // Percentiles without data are the text "NaN"; nothing of the summary is read.
        let text = r#"{"counts":{"restored":1},"summary":{"state_size":{"p50":"NaN"}},"latest":{"completed":null,"savepoint":null,
            "failed":null,"restored":{"id":4,"restore_timestamp":1,"is_savepoint":true,"external_path":"file:/s/x"}},"history":[]}"#;
        let checkpoints: Checkpoints = serde_json::from_str(text).unwrap();
        assert_eq!(
            checkpoints.latest.restored.map(Restored::from),
            Some(Restored { id: 4, path: "file:/s/x".to_owned() })
        );
    }
}
