//! How a job that no stop of ours ended came to its end, as Flink tells it.

use std::time::Duration;

use crate::flink::Flink;
use crate::protocol::entry::{End, EndKind};
use crate::protocol::id::JobId;
use crate::protocol::point::{PointRef, normalize};
use crate::protocol::stop::{JobState, JobsReply};

/// How a job came to its end, as Flink tells it; none if it has not, or Flink does not answer.
pub async fn read_end(flink: &Flink, job_id: JobId) -> Option<End> {
    /// Flink's checkpoint statistics are cached for up to 3 s, and may not show the last savepoint yet.
    const CACHE: Duration = Duration::from_millis(3_200);
    let JobsReply::Listed(jobs) = flink.jobs().await else { return None };
    let state = jobs.iter().find(|job| job.id == job_id)?.state;
    let end = |how, savepoint, reason| Some(End { job_id, how, savepoint, reason });
    match state {
        JobState::Initializing | JobState::Active => None,
        JobState::Cancelled => end(EndKind::Cancelled, None, String::new()),
        JobState::Failed => {
            let reason = flink.failure(job_id).await.ok().flatten().unwrap_or_default();
            end(EndKind::Failed, None, reason)
        }
        JobState::Finished => {
            let stopped = async || {
                let savepoint = flink.checkpoints(job_id).await.ok()?.latest.savepoint?;
                let path = normalize(&savepoint.external_path);
                let point = PointRef { path, checkpoint_id: Some(savepoint.id), epoch: None };
                (savepoint.checkpoint_type == "SYNC_SAVEPOINT").then_some(point)
            };
            let mut savepoint = stopped().await;
            if savepoint.is_none() {
                tokio::time::sleep(CACHE).await;
                savepoint = stopped().await;
            }
            let how = if savepoint.is_some() { EndKind::Stopped } else { EndKind::Finished };
            end(how, savepoint, String::new())
        }
    }
}
