//! HDFS by its REST API, WebHDFS: as a store like any other. Without Kerberos: who asks is told by a name.
//!
//! HDFS has no creation with content that is seen whole or not at all. So a file is written under a name of its own and then renamed,
//! which the NameNode does for one of several who want the same name.

mod call;
mod wire;

use std::fmt;
use std::sync::Arc;

use futures_util::stream::{self, BoxStream, StreamExt as _, TryStreamExt as _};
use http_body_util::BodyExt as _;
use jiff::Timestamp;
use object_store::path::Path;
use object_store::{
    Attributes, CopyOptions, Error, Extensions, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload,
    ObjectMeta, ObjectStore, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use reqwest::Method;

pub(super) use call::Trouble;
use call::{Call, NameNodes};
use wire::{Kind, Status};

use crate::random;

/// The store.
#[derive(Debug, Clone)]
pub(super) struct WebHdfs {
    name_nodes: Arc<NameNodes>,
}

impl fmt::Display for WebHdfs {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("WebHDFS")
    }
}

impl WebHdfs {
    /// HDFS behind these NameNodes' HTTP addresses, of which one is active, for a user.
    pub(super) fn new(
        http: reqwest::Client,
        addresses: Vec<url::Url>,
        user: String,
        patience: std::time::Duration,
    ) -> Self {
        Self { name_nodes: Arc::new(NameNodes::new(http, addresses, user, patience)) }
    }

    async fn status(&self, path: &Path) -> Result<ObjectMeta> {
        let call = Call::read(path, "GETFILESTATUS");
        let wire::FileStatus { status } = self.name_nodes.json(&call).await.map_err(|trouble| error(path, trouble))?;
        match status.kind {
            Kind::File => Ok(status.at(path.clone())),
            // A directory is no object.
            Kind::Directory | Kind::Other => Err(error(path, Trouble::NoFile)),
        }
    }

    /// What lies directly below a directory, or the file itself; none if there is neither.
    async fn children(&self, path: &Path) -> Result<Vec<Status>> {
        match self.name_nodes.json::<wire::FileStatuses>(&Call::read(path, "LISTSTATUS")).await {
            Ok(listing) => Ok(listing.statuses.status),
            Err(trouble) if trouble.is_missing() => Ok(Vec::new()),
            Err(trouble) => Err(error(path, trouble)),
        }
    }

    async fn list_all(self, prefix: Path) -> Result<BoxStream<'static, Result<ObjectMeta>>> {
        let mut files = Vec::new();
        let mut directories = vec![prefix];
        while let Some(directory) = directories.pop() {
            for status in self.children(&directory).await? {
                let path = status.path_in(&directory);
                match status.kind {
                    Kind::Directory => directories.push(path),
                    Kind::File => files.push(Ok(status.at(path))),
                    Kind::Other => {}
                }
            }
        }
        Ok(stream::iter(files).boxed())
    }

    async fn delete_one(&self, path: &Path) -> Result<()> {
        // Not recursive: a directory goes only when it is empty.
        let call =
            Call { query: vec![("recursive", "false".to_owned())], ..Call::change(Method::DELETE, path, "DELETE") };
        self.name_nodes.send(&call).await.map(drop).map_err(|trouble| error(path, trouble))
    }
}

#[async_trait::async_trait]
impl ObjectStore for WebHdfs {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        if options.mode != PutMode::Create {
            return Err(not_implemented("put over what is there"));
        }
        let draft = Path::from(format!("{location}.draft-{}", random::id()));
        let write = Call {
            query: vec![("overwrite", "true".to_owned())],
            content: Some(payload.into()),
            ..Call::change(Method::PUT, &draft, "CREATE")
        };
        self.name_nodes.send(&write).await.map_err(|trouble| error(location, trouble))?;
        let rename = Call {
            query: vec![("destination", format!("/{location}")), ("renameoptions", "NONE".to_owned())],
            // Done and not answered, the second time would find the draft gone.
            repeatable: false,
            ..Call::change(Method::PUT, &draft, "RENAME")
        };
        match self.name_nodes.renamed(&rename).await {
            Ok(true) => Ok(PutResult { e_tag: None, version: None, extensions: Extensions::default() }),
            Ok(false) => {
                let _ = self.delete_one(&draft).await;
                // Where it is not there, something else is wrong, and the answer says so.
                self.status(location).await?;
                Err(Error::AlreadyExists {
                    path: location.to_string(),
                    source: "it was there before the file was renamed".into(),
                })
            }
            Err(trouble) => {
                // What is left of it is nothing to anybody; if it was renamed after all, it is not there any more.
                let _ = self.delete_one(&draft).await;
                Err(error(location, trouble))
            }
        }
    }

    async fn put_multipart_opts(&self, _: &Path, _: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        Err(not_implemented("put in parts"))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let meta = self.status(location).await?;
        let wanted = options.range.as_ref().map(|range| range.as_range(meta.size)).transpose();
        let range = wanted
            .map_err(|source| Error::Generic { store: "WebHDFS", source: Box::new(source) })?
            .unwrap_or(0..meta.size);
        let payload = if options.head || range.is_empty() {
            stream::empty().boxed()
        } else {
            let call = Call {
                query: vec![("offset", range.start.to_string()), ("length", (range.end - range.start).to_string())],
                ..Call::read(location, "OPEN")
            };
            let response = self.name_nodes.send(&call).await.map_err(|trouble| error(location, trouble))?;
            let location = location.clone();
            let response: hyper::Response<reqwest::Body> = response.into();
            let content = response.into_body().into_data_stream();
            content.map_err(move |source| error(&location, Trouble::broken(source))).boxed()
        };
        let payload = GetResultPayload::Stream(payload);
        Ok(GetResult { payload, meta, range, attributes: Attributes::default(), extensions: Extensions::default() })
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let this = self.clone();
        let delete = move |path: Path| {
            let this = this.clone();
            async move { this.delete_one(&path).await.map(|()| path) }
        };
        locations.and_then(delete).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        stream::once(self.clone().list_all(prefix.cloned().unwrap_or_default())).try_flatten().boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let directory = prefix.cloned().unwrap_or_default();
        let mut result =
            ListResult { common_prefixes: Vec::new(), objects: Vec::new(), extensions: Extensions::default() };
        for status in self.children(&directory).await? {
            let path = status.path_in(&directory);
            match status.kind {
                Kind::Directory => result.common_prefixes.push(path),
                Kind::File => result.objects.push(status.at(path)),
                Kind::Other => {}
            }
        }
        Ok(result)
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> Result<()> {
        Err(not_implemented("copy"))
    }
}

impl Status {
    fn path_in(&self, directory: &Path) -> Path {
        // A file that is listed itself has no name below itself.
        if self.name.is_empty() { directory.clone() } else { directory.clone().join(self.name.as_str()) }
    }

    fn at(&self, location: Path) -> ObjectMeta {
        let changed = Timestamp::from_millisecond(self.changed).unwrap_or_default();
        #[expect(clippy::disallowed_types, reason = "what becomes of what the trait wants")]
        let last_modified = std::time::SystemTime::from(changed).into();
        ObjectMeta { location, last_modified, size: self.length, e_tag: None, version: None }
    }
}

fn not_implemented(operation: &str) -> Error {
    Error::NotImplemented { operation: operation.to_owned(), implementer: "WebHDFS".to_owned() }
}

/// Trouble as every store tells of it.
fn error(path: &Path, trouble: Trouble) -> Error {
    let class = trouble.class();
    let (path, source) = (path.to_string(), Box::new(trouble));
    match class {
        call::Class::Missing => Error::NotFound { path, source },
        call::Class::Exists => Error::AlreadyExists { path, source },
        call::Class::Forbidden => Error::PermissionDenied { path, source },
        call::Class::Unauthenticated => Error::Unauthenticated { path, source },
        call::Class::Wrong => Error::NotSupported { source },
        call::Class::Passing => Error::Generic { store: "WebHDFS", source },
    }
}
