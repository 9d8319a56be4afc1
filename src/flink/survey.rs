//! What a job is doing with checkpoints and savepoints, from Flink's statistics.

use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;

use super::{Error, Flink};
use crate::protocol::id::{JobId, TriggerId};
use crate::protocol::stop::{CheckpointReply, Newest, PostReply, Survey};
use crate::report;

/// `GET /jobs/:id/checkpoints`
#[derive(Debug, Deserialize)]
struct Statistics {
    latest: Latest,
    /// The newest ones, those that are under way among them. What has none is no answer: that nothing is under way must be said.
    history: Vec<One>,
}

#[derive(Debug, Deserialize)]
struct Latest {
    completed: Option<One>,
    savepoint: Option<One>,
}

#[derive(Debug, Deserialize)]
struct One {
    id: u64,
    status: String,
    #[serde(default)]
    is_savepoint: bool,
    /// `CHECKPOINT`, `SAVEPOINT`, `SYNC_SAVEPOINT`.
    #[serde(default)]
    checkpoint_type: String,
    /// By the JobManager's clock, which is this machine's.
    #[serde(default = "never")]
    trigger_timestamp: i64,
    #[serde(default = "never")]
    latest_ack_timestamp: i64,
    #[serde(default = "never")]
    end_to_end_duration: i64,
}

/// What Flink puts where there is nothing yet.
fn never() -> i64 {
    -1
}

impl One {
    fn is_complete(&self) -> bool {
        self.status == "COMPLETED"
    }
}

impl Statistics {
    fn survey(&self, now: Timestamp) -> Survey {
        let ago = |millis: i64| Duration::from_millis(u64::try_from(now.as_millisecond() - millis).unwrap_or_default());
        let known = || self.history.iter().chain(&self.latest.completed).chain(&self.latest.savepoint);
        let under_way = |stops: bool| {
            let mut those = self.history.iter().filter(|one| one.status == "IN_PROGRESS" && one.is_savepoint);
            those.find(|one| (one.checkpoint_type == "SYNC_SAVEPOINT") == stops).map(|one| ago(one.trigger_timestamp))
        };
        let newest = known().filter(|one| one.is_complete() && !one.is_savepoint).max_by_key(|one| one.id);
        Survey {
            newest: newest.map(|one| Newest {
                id: one.id,
                age: ago(one.latest_ack_timestamp),
                took: Duration::from_millis(u64::try_from(one.end_to_end_duration).unwrap_or_default()),
            }),
            highest: known().filter(|one| one.is_complete()).map(|one| one.id).max(),
            savepoint: under_way(false),
            stop: under_way(true),
        }
    }
}

impl Flink {
    /// What the job is doing with checkpoints and savepoints. Flink serves it from a cache that is up to 3 s old.
    ///
    /// # Errors
    /// If Flink does not answer, or with something else.
    pub async fn survey(&self, job_id: JobId) -> Result<Survey, Error> {
        let statistics: Statistics = self.get(&format!("/jobs/{job_id}/checkpoints")).await?;
        Ok(statistics.survey(Timestamp::now()))
    }

    /// Asks for a checkpoint, and says what the answer leaves open.
    pub async fn ask_for_checkpoint(&self, job_id: JobId, trigger_id: TriggerId) -> PostReply {
        match self.post_checkpoint(job_id, trigger_id).await {
            Ok(()) => PostReply::Accepted,
            // 404: there is no such request before Flink 1.17.
            Err(error) if error.is_refusal() || error.is_not_found() => PostReply::Refused(report::chain(&error)),
            Err(error) => PostReply::Lost(report::chain(&error)),
        }
    }

    /// Reads what came of it.
    pub async fn checkpoint_result(&self, job_id: JobId, trigger_id: TriggerId) -> CheckpointReply {
        match self.poll_checkpoint(job_id, trigger_id).await {
            Ok(None) => CheckpointReply::InProgress,
            Ok(Some(Ok(number))) => CheckpointReply::Completed(number),
            Ok(Some(Err(reason))) => CheckpointReply::Failed(reason),
            Err(error) if error.is_refusal() || error.is_not_found() => CheckpointReply::Failed(report::chain(&error)),
            Err(error) => CheckpointReply::Lost(report::chain(&error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_795_403_930_000;

    fn survey(text: &str) -> Survey {
        serde_json::from_str::<Statistics>(text).unwrap().survey(Timestamp::from_millisecond(NOW).unwrap())
    }

    /// As Flink 1.20.5 and 2.3.0 tell it.
    fn one(id: u64, kind: &str, status: &str, since: i64, took: i64) -> String {
        let (begin, end) = (NOW - since, if took < 0 { -1 } else { NOW - since + took });
        let is_savepoint = kind != "CHECKPOINT";
        format!(
            r#"{{"className":"x","id":{id},"status":"{status}","is_savepoint":{is_savepoint},"savepointFormat":null,
               "trigger_timestamp":{begin},"latest_ack_timestamp":{end},"end_to_end_duration":{took},"checkpoint_type":"{kind}"}}"#
        )
    }

    #[test]
    fn a_stop_and_a_savepoint_that_are_under_way_are_told_from_checkpoints_and_from_each_other() {
        let stop = one(6, "SYNC_SAVEPOINT", "IN_PROGRESS", 2_000, -1);
        let savepoint = one(5, "SAVEPOINT", "IN_PROGRESS", 3_000, -1);
        let checkpoint = one(4, "CHECKPOINT", "IN_PROGRESS", 4_000, -1);
        let former = one(3, "CHECKPOINT", "COMPLETED", 10_000, 1_500);
        let latest = format!(r#"{{"completed":{former},"savepoint":null,"failed":null,"restored":null}}"#);
        let all = survey(&format!(r#"{{"latest":{latest},"history":[{stop},{savepoint},{checkpoint},{former}]}}"#));
        assert_eq!((all.stop, all.savepoint), (Some(Duration::from_secs(2)), Some(Duration::from_secs(3))));
        let newest = Newest { id: 3, age: Duration::from_millis(8_500), took: Duration::from_millis(1_500) };
        assert_eq!((all.newest, all.highest), (Some(newest), Some(3)));
        let alone = survey(&format!(r#"{{"latest":{latest},"history":[{checkpoint},{former}]}}"#));
        assert_eq!((alone.stop, alone.savepoint), (None, None));
    }

    #[test]
    fn what_failed_is_no_point_and_what_has_ended_is_not_under_way() {
        let failed = one(9, "CHECKPOINT", "FAILED", 500, 100);
        let savepoint = one(8, "SAVEPOINT", "COMPLETED", 2_000, 100);
        let completed = one(7, "CHECKPOINT", "COMPLETED", 3_000, 100);
        let text =
            format!(r#"{{"counts":{{}},"latest":{{"completed":null}},"history":[{failed},{savepoint},{completed}]}}"#);
        let seen = survey(&text);
        assert_eq!((seen.newest.map(|newest| newest.id), seen.highest), (Some(7), Some(8)));
        assert_eq!((seen.stop, seen.savepoint), (None, None));
        assert_eq!(survey(r#"{"counts":{},"latest":{"completed":null},"history":[]}"#), Survey::default());
        for nothing in ["{}", r#"{"history":[]}"#, r#"{"latest":{}}"#, r#"{"errors":["Not found"]}"#] {
            assert!(serde_json::from_str::<Statistics>(nothing).is_err(), "{nothing} says that nothing is under way");
        }
    }
}
