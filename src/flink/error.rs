//! Why Flink did not answer as it should, and what that leaves open.

use reqwest::StatusCode;

/// A request to Flink that brought no usable answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The HTTP client can't be set up.
    #[error("can't set up the HTTP client")]
    Client(#[source] reqwest::Error),
    /// What is configured can't be used.
    #[error("{0}")]
    Access(String),
    /// No connection, or it broke: whether Flink took the request is open.
    #[error("{what}: no answer from Flink")]
    Request {
        /// Method and path.
        what: String,
        /// What happened.
        #[source]
        source: reqwest::Error,
    },
    /// The answer has no end that is worth waiting for.
    #[error("{what}: the answer is longer than any of Flink's")]
    TooLong {
        /// Method and path.
        what: String,
    },
    /// Flink answered with an error.
    #[error("{what}: Flink answered {status}: {errors}")]
    Status {
        /// Method and path.
        what: String,
        /// The HTTP status.
        status: StatusCode,
        /// Flink's words.
        errors: String,
    },
    /// Flink, or something else on its port, answered with what is not Flink's JSON.
    #[error("{what}: the answer is not what Flink sends")]
    Answer {
        /// Method and path.
        what: String,
        /// Where the JSON is wrong.
        #[source]
        source: serde_json::Error,
    },
}

impl Error {
    /// Whether Flink answered with 404.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Status { status: StatusCode::NOT_FOUND, .. })
    }

    /// Whether Flink has certainly not taken the request, and will not take the same one later either.
    ///
    /// 408 and 429 ask to come again; 5xx leaves open what happened.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::Status { status, .. } => {
                status.is_client_error()
                    && !matches!(
                        *status,
                        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS | StatusCode::NOT_FOUND
                    )
            }
            Self::Client(_) | Self::Access(_) | Self::Request { .. } | Self::TooLong { .. } | Self::Answer { .. } => {
                false
            }
        }
    }
}
