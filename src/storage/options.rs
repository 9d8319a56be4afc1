//! How stores are reached, apart from credentials: those come by each store's own conventions.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::flink::setup::Setup;

/// How long a store may say nothing, unless told otherwise.
const TIMEOUT: Duration = Duration::from_secs(5);

/// How stores are reached.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct Options {
    /// The endpoint of what speaks S3; none is AWS's own.
    pub endpoint: Option<String>,
    /// The region of what speaks S3.
    pub region: Option<String>,
    /// Where the NameNodes of HDFS serve HTTP, with commas between them; none is where the URL says.
    pub namenode: Option<String>,
    /// A PEM file with the roots to trust in place of the system's.
    pub ca: Option<PathBuf>,
    /// How long a store may say nothing before it is asked again.
    pub timeout: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self { endpoint: None, region: None, namenode: None, ca: None, timeout: TIMEOUT }
    }
}

impl Options {
    /// What is not configured is taken from what Flink's own configuration says of the same store.
    #[must_use]
    pub fn or_of(&self, setup: &Setup) -> Self {
        Self {
            endpoint: self.endpoint.clone().or_else(|| setup.s3_endpoint.clone()),
            region: self.region.clone().or_else(|| setup.s3_region.clone()),
            ..self.clone()
        }
    }
}
