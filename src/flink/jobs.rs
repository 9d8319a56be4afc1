//! What a job's checkpoints are worth to its stop and to its next start, and how many TaskManagers there are.

use reqwest::StatusCode;

use super::{Checkpoints, Error, Flink, wire};
use crate::protocol::confirm::Restored;
use crate::protocol::id::JobId;

impl Flink {
    /// Whether a cancelled or suspended job's checkpoints are kept; none if checkpointing is off.
    ///
    /// # Errors
    /// If Flink does not answer, or with something else; for a job that knows no checkpoints, such as a batch job, with 404.
    pub async fn retains_checkpoints(&self, job_id: JobId) -> Result<Option<bool>, Error> {
        let config: wire::CheckpointConfig = self.get(&format!("/jobs/{job_id}/checkpoints/config")).await?;
        Ok(config.retains())
    }

    /// Whether the job's checkpoints survive an ordinary end of the JobManager; none for a job that knows no checkpoints, such as a
    /// batch job.
    ///
    /// # Errors
    /// If Flink does not answer, or with something else.
    pub async fn retention(&self, job_id: JobId) -> Result<Option<bool>, Error> {
        match self.retains_checkpoints(job_id).await {
            Ok(retains) => Ok(Some(retains.unwrap_or(true))),
            Err(Error::Status { status: StatusCode::NOT_FOUND, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// How many TaskManagers have registered.
    ///
    /// # Errors
    /// If Flink does not answer, or with something else.
    pub async fn task_managers(&self) -> Result<usize, Error> {
        Ok(self.get::<wire::TaskManagers>("/overview").await?.number)
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
