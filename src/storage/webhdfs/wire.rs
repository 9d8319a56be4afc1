//! The JSON of WebHDFS, only the fields that are read.

use serde::Deserialize;

/// `GETFILESTATUS`
#[derive(Debug, Deserialize)]
pub(super) struct FileStatus {
    #[serde(rename = "FileStatus")]
    pub(super) status: Status,
}

/// `LISTSTATUS`
#[derive(Debug, Deserialize)]
pub(super) struct FileStatuses {
    #[serde(rename = "FileStatuses")]
    pub(super) statuses: Statuses,
}

#[derive(Debug, Deserialize)]
pub(super) struct Statuses {
    #[serde(rename = "FileStatus")]
    pub(super) status: Vec<Status>,
}

/// What a change came to, where that is told by `HttpFS`.
#[derive(Debug, Deserialize)]
pub(super) struct Done {
    #[serde(rename = "boolean")]
    pub(super) done: bool,
}

/// A file or a directory.
#[derive(Debug, Deserialize)]
pub(super) struct Status {
    /// Its name in the directory that is listed; empty for what is asked for itself.
    #[serde(rename = "pathSuffix")]
    pub(super) name: String,
    #[serde(rename = "type")]
    pub(super) kind: Kind,
    pub(super) length: u64,
    /// In milliseconds since 1970.
    #[serde(rename = "modificationTime")]
    pub(super) changed: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum Kind {
    File,
    Directory,
    /// A symbolic link, which Flink never makes.
    #[serde(other)]
    Other,
}

/// Why the NameNode or a DataNode does not do it.
#[derive(Debug, Deserialize)]
pub(super) struct Remote {
    #[serde(rename = "RemoteException")]
    pub(super) exception: Exception,
}

#[derive(Debug, Deserialize)]
pub(super) struct Exception {
    #[serde(rename = "exception")]
    pub(super) name: String,
    #[serde(default)]
    pub(super) message: String,
}
