//! Storage as Flink left it: URLs to stores, listing what may be a restore point, looking at one closely.
//!
//! "Not there" and "can't be read" are never the same answer: only the first may let a job begin with nothing.

mod error;
mod look;
mod options;
mod place;
mod points;
pub mod verify;

use std::sync::Arc;

use object_store::local::LocalFileSystem;
use object_store::path::Path;

use crate::flink::setup::Setup;
use crate::protocol::point::normalize;
pub use error::Error;
pub use look::{look, newest_checkpoint, newest_savepoint};
pub use options::Options;
pub use place::{Created, Place};
pub use points::{cluster_folder, epoch_folder, list};

/// The stores that URLs lead to.
#[derive(Debug, Clone, Default)]
pub struct Storage {
    options: Options,
}

impl Storage {
    /// The stores, to be reached in this way.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self { options }
    }

    /// How they are reached.
    #[must_use]
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// The same stores, reached as Flink's own configuration says where savepointd's says nothing.
    #[must_use]
    pub fn or_of(&self, setup: &Setup) -> Self {
        let options = self.options.or_of(setup);
        if options == self.options { self.clone() } else { Self::new(options) }
    }

    /// The place that a URL names.
    ///
    /// # Errors
    /// If there is no store for the URL, or the URL names no path.
    pub fn place(&self, url: &str) -> Result<Place, Error> {
        let url = normalize(url);
        let Some(path) = url.strip_prefix("file:///") else { return Err(Error::Unsupported(url)) };
        let path = Path::parse(path).map_err(|source| Error::Path { url: url.clone(), source })?;
        // What is recorded must be there after a power cut too.
        Ok(Place::new(Arc::new(LocalFileSystem::new().with_fsync(true)), path, url))
    }
}
