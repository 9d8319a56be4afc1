//! What Flink's checkpoint statistics say of durations and sizes (1.15 to 2.3). Flink serves them from a cache that is up to 3 s old,
//! and keeps the newest ten, unless `web.checkpoints.history` says otherwise.

use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;

use super::{Error, Flink};
use crate::protocol::estimate::{Measured, Sample};
use crate::protocol::id::JobId;
use crate::protocol::point::Format;

/// What Flink has measured.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Completed checkpoints and savepoints.
    pub samples: Vec<Sample>,
    /// Whether a checkpoint overtook data in flight (unaligned checkpoints).
    pub overtakes: bool,
}

#[derive(Debug, Deserialize)]
struct Answer {
    #[serde(default)]
    counts: Counts,
    /// The newest first.
    #[serde(default)]
    history: Vec<Taken>,
}

#[derive(Debug, Default, Deserialize)]
struct Counts {
    total: Option<usize>,
}

/// One entry of the history; what is not there yet, or not in this version, is null or missing.
#[derive(Debug, Deserialize)]
struct Taken {
    status: String,
    #[serde(default)]
    is_savepoint: bool,
    #[serde(default, rename = "savepointFormat")]
    format: Option<String>,
    #[serde(default)]
    checkpoint_type: String,
    /// Of what has not come to its end, numbers are -1.
    checkpointed_size: Option<i64>,
    state_size: Option<i64>,
    end_to_end_duration: Option<i64>,
    latest_ack_timestamp: Option<i64>,
    persisted_data: Option<i64>,
}

impl Taken {
    fn sample(&self) -> Option<Sample> {
        if self.status != "COMPLETED" {
            return None;
        }
        let number = |number: Option<i64>| number.and_then(|number| u64::try_from(number).ok());
        let state = number(self.state_size)?;
        let format = || match self.format.as_deref() {
            Some("NATIVE") => Format::Native,
            _ => Format::Canonical,
        };
        // The savepoint of a stop counts as any other: its statistics end before the job does.
        let measured = if self.is_savepoint { Measured::Savepoint(format()) } else { Measured::Checkpoint };
        let written = if self.is_savepoint { state } else { number(self.checkpointed_size).unwrap_or(state) };
        let took = Duration::from_millis(number(self.end_to_end_duration)?);
        let at = Timestamp::from_millisecond(self.latest_ack_timestamp?).ok()?;
        Some(Sample { measured, written, state, took, at, first: false })
    }

    fn overtakes(&self) -> bool {
        self.checkpoint_type == "UNALIGNED_CHECKPOINT" && self.persisted_data.is_some_and(|bytes| bytes > 0)
    }
}

impl Flink {
    /// Durations and sizes of the newest checkpoints and savepoints.
    ///
    /// # Errors
    /// If Flink does not answer, or with something else.
    pub async fn statistics(&self, job_id: JobId) -> Result<Statistics, Error> {
        let answer: Answer = self.get(&format!("/jobs/{job_id}/checkpoints")).await?;
        Ok(answer.into())
    }
}

impl From<Answer> for Statistics {
    fn from(answer: Answer) -> Self {
        let mut samples: Vec<Sample> = answer.history.iter().filter_map(Taken::sample).collect();
        // While the history holds everything that this job has taken since it was started.
        if answer.counts.total.is_some_and(|total| total <= answer.history.len())
            && let Some(oldest) = samples.last_mut()
        {
            oldest.first = true;
        }
        Self { samples, overtakes: answer.history.iter().any(Taken::overtakes) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_sizes_are_read_of_what_is_complete() {
        // From Flink 1.20.5.
        let text = r#"{"counts":{},"summary":{"state_size":{"p50":"NaN"}},"history":[
            {"className":"in_progress","id":9,"status":"IN_PROGRESS","is_savepoint":false,"savepointFormat":null,"trigger_timestamp":1,
             "latest_ack_timestamp":-1,"checkpointed_size":0,"state_size":0,"end_to_end_duration":17,"checkpoint_type":"CHECKPOINT"},
            {"className":"completed","id":8,"status":"COMPLETED","is_savepoint":true,"savepointFormat":"NATIVE","latest_ack_timestamp":1795404005362,
             "checkpointed_size":100,"state_size":500,"end_to_end_duration":2030,"persisted_data":0,"checkpoint_type":"SAVEPOINT"},
            {"className":"completed","id":7,"status":"COMPLETED","is_savepoint":false,"savepointFormat":null,"latest_ack_timestamp":1795404000000,
             "checkpointed_size":100,"state_size":500,"end_to_end_duration":30,"persisted_data":9,"checkpoint_type":"UNALIGNED_CHECKPOINT"},
            {"className":"failed","id":6,"status":"FAILED","is_savepoint":false,"latest_ack_timestamp":-1,"state_size":0,"end_to_end_duration":-1}]}"#;
        let statistics: Statistics = serde_json::from_str::<Answer>(text).unwrap().into();
        let at = |ms| Timestamp::from_millisecond(ms).unwrap();
        let sample = |measured, written, took, at| Sample {
            measured,
            written,
            state: 500,
            took: Duration::from_millis(took),
            at,
            first: false,
        };
        let expected = [
            sample(Measured::Savepoint(Format::Native), 500, 2_030, at(1_795_404_005_362)),
            sample(Measured::Checkpoint, 100, 30, at(1_795_404_000_000)),
        ];
        assert_eq!((statistics.samples.as_slice(), statistics.overtakes), (expected.as_slice(), true));
    }

    #[test]
    fn the_first_checkpoint_of_a_job_is_told_as_long_as_all_of_them_are_shown() {
        let one = |id: u32| {
            format!(
                r#"{{"id":{id},"status":"COMPLETED","latest_ack_timestamp":{id},"state_size":5,"end_to_end_duration":30}}"#
            )
        };
        for (total, expected) in [(2, [false, true]), (3, [false, false])] {
            let text = format!(r#"{{"counts":{{"total":{total}}},"history":[{},{}]}}"#, one(2), one(1));
            let statistics: Statistics = serde_json::from_str::<Answer>(&text).unwrap().into();
            let first: Vec<bool> = statistics.samples.iter().map(|sample| sample.first).collect();
            assert_eq!(first, expected);
        }
    }

    #[test]
    fn numbers_that_are_none_are_no_error() {
        let text =
            r#"{"history":[{"status":"FAILED","end_to_end_duration":-1,"state_size":-1,"checkpointed_size":-1}]}"#;
        let statistics: Statistics = serde_json::from_str::<Answer>(text).unwrap().into();
        assert_eq!(statistics, Statistics::default());
        assert_eq!(Statistics::from(serde_json::from_str::<Answer>("{}").unwrap()), Statistics::default());
    }
}
