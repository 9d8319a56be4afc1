//! Storage as Flink left it: URLs to stores, listing what may be a restore point, looking at one closely.
//!
//! "Not there" and "can't be read" are never the same answer: only the first may let a job begin with nothing.

mod client;
mod environment;
mod error;
pub mod ha;
mod http;
mod look;
mod options;
mod place;
mod points;
mod pull;
mod scheme;
mod tree;
pub mod verify;
mod webhdfs;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use object_store::path::Path;

use crate::flink::setup::Setup;
use crate::protocol::point::normalize;
use environment::Environment;
pub use error::Error;
pub use look::{look, newest_checkpoint, newest_savepoint, savepoints_in};
pub use options::Options;
pub use place::{Created, Listed, Place};
use place::{Shape, Store};
pub use points::{cluster_folder, epoch_folder, job_folders, list};
pub use pull::{Pieces, pull};
use scheme::{Bucket, Location};

/// Whether a URL names a place below a bucket of an object store that this build can reach.
#[must_use]
pub fn is_below_a_bucket(url: &str) -> bool {
    scheme::locate(url).is_some_and(|location| location.bucket != Bucket::Files && !location.path.is_empty())
}

/// Whether a URL names anything in an object store, where a listing knows no directories.
fn is_in_a_bucket(url: &str) -> bool {
    let flat = |bucket: &Bucket| !matches!(bucket, Bucket::Files | Bucket::Hdfs { .. });
    scheme::locate(url).is_some_and(|location| flat(&location.bucket))
}

type Connections = HashMap<(Options, Bucket), Arc<Store>>;

/// The stores that URLs lead to.
#[derive(Debug, Clone, Default)]
pub struct Storage {
    options: Options,
    environment: Environment,
    /// Connections, and tokens that were got for them, are worth keeping.
    open: Arc<Mutex<Connections>>,
}

impl Storage {
    /// The stores, to be reached in this way, with the credentials that the environment tells of.
    #[must_use]
    pub fn new(options: Options, environment: impl Iterator<Item = (String, String)>) -> Self {
        Self { options, environment: Environment::of(environment), open: Arc::default() }
    }

    /// The stores, with the credentials that this process was given.
    #[must_use]
    pub fn here(options: Options) -> Self {
        // A variable that is no text is none of the stores'.
        let variables = std::env::vars_os();
        Self::new(
            options,
            variables.filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))),
        )
    }

    /// The endpoints that were given in place of the usual ones: there the same URL is another place.
    #[must_use]
    pub fn endpoints(&self) -> String {
        let variables = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AZURE_STORAGE_ENDPOINT", "STORAGE_EMULATOR_HOST"];
        let given = variables.iter().filter_map(|name| self.environment.get(name));
        self.options.endpoint.as_deref().into_iter().chain(given).collect::<Vec<_>>().join(" ")
    }

    /// How they are reached.
    #[must_use]
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// The same stores, reached as Flink's own configuration says where savepointd's says nothing.
    #[must_use]
    pub fn or_of(&self, setup: &Setup) -> Self {
        Self { options: self.options.or_of(setup), ..self.clone() }
    }

    /// The place that a URL names.
    ///
    /// # Errors
    /// If there is no store for the URL, or the URL names no path.
    pub fn place(&self, url: &str) -> Result<Place, Error> {
        let url = normalize(url);
        let Some(Location { bucket, path }) = scheme::locate(&url) else { return Err(Error::Unsupported(url)) };
        let path = Path::parse(path).map_err(|source| Error::Path { url: url.clone(), source })?;
        let store = self.store(bucket, &url)?;
        Ok(Place::new(store, path, url))
    }

    fn store(&self, bucket: Bucket, url: &str) -> Result<Arc<Store>, Error> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (self.options.clone(), bucket);
        if let Some(store) = open.get(&key) {
            return Ok(Arc::clone(store));
        }
        let bucket = &key.1;
        let client = client::open(bucket, &self.options, &self.environment, url)?;
        let credentials = client::credentials(bucket, &self.environment);
        let shape = match bucket {
            Bucket::Files => Shape::Files,
            Bucket::Hdfs { .. } => Shape::Tree,
            Bucket::S3 { .. } | Bucket::Google { .. } | Bucket::Azure { .. } => Shape::Flat,
        };
        let store = Arc::new(Store::new(client, shape, credentials));
        open.insert(key, Arc::clone(&store));
        Ok(store)
    }
}
