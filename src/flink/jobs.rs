//! What a stop of several jobs asks of each, and what a session cluster's agent asks of the cluster.

use reqwest::StatusCode;

use super::{Checkpoints, Error, Flink, wire};
use crate::protocol::confirm::Restored;
use crate::protocol::id::JobId;

impl Flink {
    /// Whether the job's checkpoints survive an ordinary end of the JobManager; none for a job that knows no checkpoints, such as a
    /// batch job.
    ///
    /// # Errors
    /// If Flink does not answer, or with something else.
    pub async fn retention(&self, job_id: JobId) -> Result<Option<bool>, Error> {
        match self.get::<wire::CheckpointConfig>(&format!("/jobs/{job_id}/checkpoints/config")).await {
            Ok(config) => Ok(Some(config.retains().unwrap_or(true))),
            Err(Error::Status { status: StatusCode::NOT_FOUND, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What a running job's state rests on: what it was restored from, and whether it has completed a checkpoint since. None for a job
    /// that knows no checkpoints.
    ///
    /// # Errors
    /// If Flink does not answer, or with something else.
    pub async fn rests_on(&self, job_id: JobId) -> Result<Option<(Option<Restored>, bool)>, Error> {
        match self.checkpoints(job_id).await {
            Ok(Checkpoints { latest }) => Ok(Some((latest.restored.map(Restored::from), latest.completed.is_some()))),
            Err(Error::Status { status: StatusCode::NOT_FOUND, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
