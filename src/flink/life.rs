//! What a JobManager that runs says of itself, where nobody could look before it started.

use serde::Deserialize;

use super::{Error, Flink};
use crate::flink::setup::{self, Setup};
use crate::protocol::id::JobId;

/// One line of `GET /jobmanager/config`. Secrets are masked there.
#[derive(Debug, Deserialize)]
struct Property {
    key: String,
    value: String,
}

/// `GET /jobs/:id`
#[derive(Debug, Deserialize)]
struct Details {
    #[serde(rename = "start-time")]
    start_time: i64,
}

impl Flink {
    /// What the JobManager's effective configuration says.
    ///
    /// # Errors
    /// If Flink does not answer, or with something else.
    pub async fn setup(&self) -> Result<Setup, Error> {
        let properties: Vec<Property> = self.get("/jobmanager/config").await?;
        let properties: Vec<_> = properties.into_iter().map(|Property { key, value }| (key, value)).collect();
        Ok(setup::effective(&properties))
    }

    /// When the job was submitted, by Flink's clock in milliseconds: with its id, what tells one life of a JobManager from another.
    ///
    /// # Errors
    /// If Flink does not answer, or with something else.
    pub async fn began(&self, job_id: JobId) -> Result<i64, Error> {
        Ok(self.get::<Details>(&format!("/jobs/{job_id}")).await?.start_time)
    }
}
