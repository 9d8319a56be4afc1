//! A place in a store: a directory or a file.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::stream::BoxStream;
use futures_util::{StreamExt as _, TryStreamExt as _};
use hyper::body::Bytes;
use jiff::Timestamp;
use object_store::path::Path;
use object_store::{GetOptions, GetRange, ObjectMeta, ObjectStore, ObjectStoreExt as _, PutMode};

use super::Error;
use super::error::{missing, no_bucket};
use crate::telemetry::metrics;
use crate::telemetry::words::Peer;

/// A store, and what is known of it.
#[derive(Debug)]
pub(super) struct Store {
    client: Arc<dyn ObjectStore>,
    shape: Shape,
    /// Whether its bucket was seen to exist.
    seen: AtomicBool,
    /// Whose credentials it is shown, in words.
    credentials: String,
}

/// What a store knows of directories.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// An object store knows none, only names with slashes.
    Flat,
    /// They are this machine's.
    Files,
    /// They are its own, and one that is empty can be deleted as a file can.
    Tree,
}

impl Store {
    pub(super) fn new(client: Arc<dyn ObjectStore>, shape: Shape, credentials: String) -> Self {
        Self { client, shape, seen: AtomicBool::new(shape != Shape::Flat), credentials }
    }
}

/// A place in a store.
#[derive(Debug, Clone)]
pub struct Place {
    store: Arc<Store>,
    path: Path,
    /// As [`normalize`](crate::protocol::point::normalize) gives it.
    url: String,
}

/// What came of [`Place::create`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Created {
    /// Durable, with this content.
    Done,
    /// The store says that something is there already. It may be what this very call wrote, if the reply to its first try was lost.
    Exists,
}

/// A file below a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its path from there.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// When it was last changed.
    pub changed: Option<Timestamp>,
}

impl Place {
    pub(super) fn new(store: Arc<Store>, path: Path, url: String) -> Self {
        Self { store, path, url }
    }

    /// Its URL, as [`normalize`](crate::protocol::point::normalize) gives it.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The place below this one.
    #[must_use]
    pub fn join(&self, name: &str) -> Self {
        Self { store: Arc::clone(&self.store), path: self.path.clone().join(name), url: format!("{}/{name}", self.url) }
    }

    fn error(&self, source: object_store::Error) -> Error {
        if !missing(&source, &self.url) {
            metrics::request_failed(Peer::Storage);
        }
        Error::Store { url: self.url.clone(), credentials: self.store.credentials.clone(), source }
    }

    /// What lies directly below: names of folders, and of objects. Nothing, if the place does not exist.
    ///
    /// # Errors
    /// If that can't be read.
    pub async fn children(&self) -> Result<(Vec<String>, Vec<String>), Error> {
        if self.store.shape == Shape::Files && self.store.client.head(&self.path).await.is_ok() {
            return Err(Error::NotADirectory(self.url.clone()));
        }
        let listing = self.store.client.list_with_delimiter(Some(&self.path)).await;
        let listing = listing.map_err(|source| self.listing_error(source))?;
        self.store.seen.store(true, Ordering::Relaxed);
        // HDFS lists a file as the one that is in its own place.
        if self.store.shape == Shape::Tree && listing.objects.iter().any(|object| object.location == self.path) {
            return Err(Error::NotADirectory(self.url.clone()));
        }
        let name = |path: &Path| path.filename().map(str::to_owned);
        let folders = listing.common_prefixes.iter().filter_map(name).collect();
        // Hadoop's file systems leave an object in a directory's own place.
        let objects = listing.objects.iter().map(|object| &object.location).filter(|location| **location != self.path);
        Ok((folders, objects.filter_map(name).collect()))
    }

    /// A listing of nothing is empty; if even that is not found, there is no bucket.
    fn listing_error(&self, source: object_store::Error) -> Error {
        if self.store.shape == Shape::Flat && no_bucket(&source) {
            Error::NoBucket(self.url.clone())
        } else {
            self.error(source)
        }
    }

    /// Proves that what is not found is not there: the answer to a question for an object is the same if there is no bucket.
    async fn prove_missing(&self) -> Result<(), Error> {
        if !self.store.seen.load(Ordering::Relaxed) {
            self.children().await?;
        }
        Ok(())
    }

    /// Every file below, however deep. Nothing, if the place does not exist.
    pub fn list(&self) -> BoxStream<'static, Result<Listed, Error>> {
        let this = self.clone();
        let objects = self.store.client.list(Some(&self.path));
        let listed = objects.map(move |object| {
            let object = object.map_err(|source| this.listing_error(source))?;
            let location = object.location.as_ref();
            let below = location.strip_prefix(this.path.as_ref()).unwrap_or(location);
            let name = below.trim_start_matches('/').to_owned();
            Ok(Listed { name, bytes: object.size, changed: changed(&object) })
        });
        listed.boxed()
    }

    /// Size of the file and when it was last changed; none if there is no such file.
    ///
    /// # Errors
    /// If that can't be known.
    pub async fn stat(&self) -> Result<Option<(u64, Option<Timestamp>)>, Error> {
        match self.store.client.head(&self.path).await {
            Ok(head) => Ok(Some((head.size, changed(&head)))),
            Err(source) if missing(&source, &self.url) => self.prove_missing().await.map(|()| None),
            Err(source) => Err(self.error(source)),
        }
    }

    /// The file's bytes, as they come.
    ///
    /// # Errors
    /// If there is no such file, or no bucket ([`Error::is_missing`]), or it can't be read.
    pub async fn open(&self) -> Result<BoxStream<'static, Result<Bytes, Error>>, Error> {
        let opened = self.store.client.get(&self.path).await.map_err(|source| self.error(source))?;
        let this = self.clone();
        Ok(opened.into_stream().map_err(move |source| this.error(source)).boxed())
    }

    /// The whole of a small file.
    ///
    /// # Errors
    /// As for [`Place::open`].
    pub async fn read(&self) -> Result<Vec<u8>, Error> {
        let mut opened = self.open().await?;
        let mut all = Vec::new();
        while let Some(some) = opened.try_next().await? {
            all.extend_from_slice(&some);
        }
        Ok(all)
    }

    /// The first bytes of a file, at most `most`, which is not zero, with what [`Place::stat`] says: mostly by one request.
    ///
    /// # Errors
    /// If that can't be known.
    pub async fn beginning(&self, most: u64) -> Result<Option<Beginning>, Error> {
        let options = GetOptions { range: Some(GetRange::Bounded(0..most)), ..GetOptions::default() };
        match self.store.client.get_opts(&self.path, options).await {
            Ok(got) => {
                let (of, modified) = (got.meta.size, changed(&got.meta));
                let bytes = got.bytes().await.map_err(|source| self.error(source))?.to_vec();
                Ok(Some(Beginning { bytes, of, modified }))
            }
            Err(source) if missing(&source, &self.url) => self.prove_missing().await.map(|()| None),
            // An empty file has no first byte.
            Err(source) => match self.stat().await? {
                Some((0, modified)) => Ok(Some(Beginning { bytes: Vec::new(), of: 0, modified })),
                Some(_) => Err(self.error(source)),
                None => Ok(None),
            },
        }
    }

    /// Creates the file where none is: of several who try, one does.
    ///
    /// # Errors
    /// If the store does not take it, or it is unknown whether it has.
    pub async fn create(&self, content: Vec<u8>) -> Result<Created, Error> {
        match self.store.client.put_opts(&self.path, content.into(), PutMode::Create.into()).await {
            Ok(_) => Ok(Created::Done),
            Err(object_store::Error::AlreadyExists { .. }) => Ok(Created::Exists),
            Err(source) => Err(self.error(source)),
        }
    }

    /// Deletes the file, which need not be there.
    ///
    /// # Errors
    /// If it may still be there.
    pub async fn delete(&self) -> Result<(), Error> {
        match self.store.client.delete(&self.path).await {
            Ok(()) => Ok(()),
            Err(source) if missing(&source, &self.url) => Ok(()),
            Err(source) => Err(self.error(source)),
        }
    }

    pub(super) fn shape(&self) -> Shape {
        self.store.shape
    }

    /// The path of the directory on this machine, if it is one.
    pub(super) fn directory(&self) -> Option<std::path::PathBuf> {
        (self.store.shape == Shape::Files).then(|| format!("/{}", self.path).into())
    }
}

/// How a file begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beginning {
    /// Its first bytes.
    pub bytes: Vec<u8>,
    /// How many it has.
    pub of: u64,
    /// When it was last changed.
    pub modified: Option<Timestamp>,
}

fn changed(object: &ObjectMeta) -> Option<Timestamp> {
    Timestamp::from_second(object.last_modified.timestamp()).ok()
}
