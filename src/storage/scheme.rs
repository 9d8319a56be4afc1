//! Which store a URL means: one table of schemes, as Flink's file systems understand them.

/// What a URL names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Location {
    pub(super) bucket: Bucket,
    /// The path in it, without slashes around it.
    pub(super) path: String,
}

/// The part of a store that one client reaches.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Bucket {
    /// This machine's files.
    Files,
    /// Whatever speaks S3.
    S3 {
        /// The bucket's name; dots are allowed, as it never becomes part of a host name that TLS checks, where that can be helped.
        name: String,
        dialect: Dialect,
    },
    /// Google Cloud Storage.
    Google {
        /// The bucket's name.
        name: String,
    },
    /// HDFS, by the HTTP address of its NameNode.
    Hdfs {
        /// The URL's host and port: the NameNode's for RPC, or a name service; empty for Hadoop's default.
        authority: String,
        /// Whether these are the ones of the NameNode's HTTP server; and whether that speaks TLS.
        web: Option<Web>,
    },
    /// Azure's blobs, also where they are named as files of a data lake.
    Azure { container: String, account: String, host: String },
}

/// How a URL names a NameNode's HTTP server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Web {
    Plain,
    Tls,
}

/// What is particular about a store that speaks S3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Dialect {
    /// AWS, and all that stand in its place.
    Plain,
    /// One whose endpoint nobody knows but the configuration.
    Endpoint,
    /// The same, which moreover wants the bucket as a part of the host name.
    Host,
}

/// What a URL names; none if no store is known for it.
pub(super) fn locate(url: &str) -> Option<Location> {
    let (scheme, rest) = url.split_once("://")?;
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let name = || (!authority.is_empty()).then(|| authority.to_owned());
    let bucket = match scheme {
        "file" if authority.is_empty() => Bucket::Files,
        "s3" | "s3a" | "s3p" | "s3n" => Bucket::S3 { name: name()?, dialect: Dialect::Plain },
        "cosn" => Bucket::S3 { name: name()?, dialect: Dialect::Endpoint },
        "oss" => Bucket::S3 { name: name()?, dialect: Dialect::Host },
        // `container.service`: the service is a name in Hadoop's configuration.
        "swift" => Bucket::S3 { name: authority.rsplit_once('.')?.0.to_owned(), dialect: Dialect::Endpoint },
        "hdfs" => Bucket::Hdfs { authority: authority.to_owned(), web: None },
        "webhdfs" => Bucket::Hdfs { authority: name()?, web: Some(Web::Plain) },
        "swebhdfs" => Bucket::Hdfs { authority: name()?, web: Some(Web::Tls) },
        "gs" => Bucket::Google { name: name()? },
        "abfs" | "abfss" | "wasb" | "wasbs" => {
            let (container, host) = authority.split_once('@')?;
            let (account, _) = host.split_once('.')?;
            if container.is_empty() || account.is_empty() {
                return None;
            }
            // Both names reach the same blobs; what is asked here is answered by the blob service.
            let host = host.replacen(".dfs.", ".blob.", 1);
            Bucket::Azure { container: container.to_owned(), account: account.to_owned(), host }
        }
        _ => return None,
    };
    Some(Location { bucket, path: path.trim_matches('/').to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn s3(name: &str, dialect: Dialect) -> Bucket {
        Bucket::S3 { name: name.to_owned(), dialect }
    }

    fn hdfs(authority: &str, web: Option<Web>) -> Bucket {
        Bucket::Hdfs { authority: authority.to_owned(), web }
    }

    #[test]
    fn every_scheme_finds_its_store() {
        let azure = || Bucket::Azure {
            container: "state".to_owned(),
            account: "acme".to_owned(),
            host: "acme.blob.core.windows.net".to_owned(),
        };
        for (url, bucket, path) in [
            ("file:///a/b", Bucket::Files, "a/b"),
            ("s3://state/a/b", s3("state", Dialect::Plain), "a/b"),
            ("s3a://state/a/b", s3("state", Dialect::Plain), "a/b"),
            ("s3p://a.dotted.name/a/", s3("a.dotted.name", Dialect::Plain), "a"),
            ("s3://state", s3("state", Dialect::Plain), ""),
            ("cosn://state-1250000000/a", s3("state-1250000000", Dialect::Endpoint), "a"),
            ("oss://state/a", s3("state", Dialect::Host), "a"),
            ("swift://my.state.service/a", s3("my.state", Dialect::Endpoint), "a"),
            ("gs://state/a/b", Bucket::Google { name: "state".to_owned() }, "a/b"),
            ("hdfs://namenode:8020/a/b", hdfs("namenode:8020", None), "a/b"),
            ("hdfs:///a", hdfs("", None), "a"),
            ("webhdfs://namenode:9870/a", hdfs("namenode:9870", Some(Web::Plain)), "a"),
            ("swebhdfs://namenode/a", hdfs("namenode", Some(Web::Tls)), "a"),
            ("abfss://state@acme.dfs.core.windows.net/a/b", azure(), "a/b"),
            ("abfs://state@acme.dfs.core.windows.net/a", azure(), "a"),
            ("wasbs://state@acme.blob.core.windows.net/a", azure(), "a"),
        ] {
            assert_eq!(locate(url), Some(Location { bucket, path: path.to_owned() }), "{url}");
        }
    }

    #[test]
    fn what_is_no_store_is_not_taken_for_one() {
        for url in [
            "maprfs:///a",
            "webhdfs:///a",
            "file://host/a",
            "s3:///a",
            "s3:/bucket/a",
            "gs://",
            "abfss://acme.dfs.core.windows.net/a",
            "abfss://@acme.dfs.core.windows.net/a",
            "abfss://state@acme/a",
            "swift://state/a",
            "a/b",
            "",
        ] {
            assert_eq!(locate(url), None, "{url}");
        }
    }
}
