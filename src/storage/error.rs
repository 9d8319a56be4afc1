//! Why storage could not answer.

use hyper::StatusCode;

use super::http::{Problem, Refused};
use super::webhdfs::Trouble;

/// Why storage could not answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No store behind this scheme in this build.
    #[error(
        "{0} can't be verified: this build of savepointd reads file, s3, s3a, s3p, swift, cosn, oss, gs, abfs, abfss, wasb, \
         wasbs, hdfs, webhdfs and swebhdfs"
    )]
    Unsupported(String),
    /// The store's address can't be known from the URL.
    #[error(
        "{0} can't be read: set storage.endpoint (SAVEPOINTD_STORAGE__ENDPOINT) to the endpoint at which this store speaks S3"
    )]
    NoEndpoint(String),
    /// The NameNode's address can't be known from the URL.
    #[error("{0} can't be read: set storage.namenode (SAVEPOINTD_STORAGE__NAMENODE) to where the NameNode serves HTTP")]
    NoNameNode(String),
    /// The URL names no place.
    #[error("{url} is not a usable path")]
    Path {
        /// The URL.
        url: String,
        /// What is wrong with it.
        #[source]
        source: object_store::path::Error,
    },
    /// Something else is in the directory's place.
    #[error("{0} should be a directory, but is a file")]
    NotADirectory(String),
    /// The bucket itself is not there, which is not the same as an empty one.
    #[error("{0} can't be read: its bucket or container does not exist")]
    NoBucket(String),
    /// No client can be made.
    #[error("{url} can't be read")]
    Client {
        /// What was asked for.
        url: String,
        /// Why.
        #[source]
        source: Problem,
    },
    /// The store said no, or nothing.
    #[error("{url} can't be read or written{credentials}")]
    Store {
        /// What was asked for.
        url: String,
        /// Whose credentials were shown, in words.
        credentials: String,
        /// The store's words.
        #[source]
        source: object_store::Error,
    },
}

/// Whether a store says that what this URL names is not there.
pub(super) fn missing(error: &object_store::Error, url: &str) -> bool {
    let refused = |refused: &Refused| refused.status == StatusCode::NOT_FOUND && refused.is_about(url);
    matches!(error, object_store::Error::NotFound { .. }) || Refused::behind(error).is_some_and(refused)
}

/// Whether a store says that not even a listing is there.
pub(super) fn no_bucket(error: &object_store::Error) -> bool {
    let refused = |refused: &Refused| refused.status == StatusCode::NOT_FOUND && refused.is_about_a_listing();
    Refused::behind(error).is_some_and(refused)
}

impl Error {
    /// Whether it may go better by itself.
    #[must_use]
    pub fn passes(&self) -> bool {
        use object_store::Error as Source;
        match self {
            Self::Store { source, .. } => {
                let for_good = matches!(
                    source,
                    Source::PermissionDenied { .. }
                        | Source::Unauthenticated { .. }
                        | Source::NotImplemented { .. }
                        | Source::NotSupported { .. }
                );
                !for_good && Refused::behind(source).is_none()
            }
            Self::Unsupported(_)
            | Self::NoEndpoint(_)
            | Self::NoNameNode(_)
            | Self::Path { .. }
            | Self::NotADirectory(_)
            | Self::NoBucket(_)
            | Self::Client { .. } => false,
        }
    }

    /// Whether nothing but another build of savepointd can reach the store.
    #[must_use]
    pub fn is_beyond_reach(&self) -> bool {
        match self {
            Self::Unsupported(_) => true,
            Self::Store { source, .. } => Trouble::behind(source).is_some_and(Trouble::is_for_another_build),
            _ => false,
        }
    }

    /// Whether the store answered that the object itself is not there.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Store { source, url, .. } if missing(source, url))
    }
}
