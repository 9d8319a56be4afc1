//! Why storage could not answer.

/// Why storage could not answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No store behind this scheme in this build.
    #[error("{0} can't be read by this build of savepointd, only file:/// URLs can")]
    Unsupported(String),
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
    /// The store said no, or nothing.
    #[error("{url} can't be read")]
    Store {
        /// What was asked for.
        url: String,
        /// The store's words.
        #[source]
        source: object_store::Error,
    },
}

impl Error {
    /// Whether it may go better by itself.
    #[must_use]
    pub fn passes(&self) -> bool {
        match self {
            Self::Store { source, .. } => !matches!(
                source,
                object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. }
            ),
            Self::Unsupported(_) | Self::Path { .. } | Self::NotADirectory(_) => false,
        }
    }

    /// Whether the store answered that the object itself is not there.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Store { source: object_store::Error::NotFound { .. }, .. })
    }
}
