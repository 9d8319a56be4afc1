//! Having Flink delete a savepoint, with its own credentials.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;

use super::{Error, Flink, wire};
use crate::protocol::id::TriggerId;
use crate::report;

/// How often the result is asked for.
const POLL: Duration = Duration::from_millis(100);
/// So many questions in a row without an answer, and Flink has ended.
const UNANSWERED: u32 = 20;

impl Flink {
    /// Has Flink delete a savepoint, and reads what came of it: a result that nobody reads keeps a JobManager from ending.
    ///
    /// # Errors
    /// In words, if Flink could not, or it is unknown whether it has.
    pub async fn dispose(&self, savepoint: &str) -> Result<(), String> {
        let body = json!({ "savepoint-path": savepoint });
        let triggered = self.call::<wire::Triggered>(Method::POST, "/savepoint-disposal", Some(&body)).await;
        let trigger_id = triggered.map_err(|error| report::chain(&error))?.request_id;
        let mut unanswered = 0;
        loop {
            match self.disposed(trigger_id).await {
                Ok(Some(result)) => return result,
                Ok(None) => unanswered = 0,
                Err(error) if unanswered == UNANSWERED => return Err(report::chain(&error)),
                Err(_) => unanswered += 1,
            }
            tokio::time::sleep(POLL).await;
        }
    }

    async fn disposed(&self, trigger_id: TriggerId) -> Result<Option<Result<(), String>>, Error> {
        Ok(self.get::<wire::Operation>(&format!("/savepoint-disposal/{trigger_id}")).await?.into_end())
    }
}
