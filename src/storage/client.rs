//! Clients of stores: how each is made from the options and its own conventions for credentials.

use std::ffi::OsString;
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::client::HttpConnector;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::local::LocalFileSystem;
use object_store::{BackoffConfig, ObjectStore, RetryConfig};

use super::http::Connector;
use super::scheme::{Bucket, Dialect};
use super::{Error, Options};

/// The client of one bucket. `url` is for messages.
pub(super) fn open(bucket: &Bucket, options: &Options, url: &str) -> Result<Arc<dyn ObjectStore>, Error> {
    let unusable = |source| Error::Store { url: url.to_owned(), credentials: credentials(bucket), source };
    let connector = || Connector::new(options).map_err(|source| Error::Client { url: url.to_owned(), source });
    Ok(match bucket {
        // What is recorded must be there after a power cut too.
        Bucket::Files => Arc::new(LocalFileSystem::new().with_fsync(true)),
        Bucket::S3 { name, dialect } => {
            let builder = s3(name, *dialect, options, url)?;
            Arc::new(with_connector_s3(builder, connector()?, options).build().map_err(unusable)?)
        }
        Bucket::Google { name } => {
            let builder = google(name).with_http_connector(connector()?).with_retry(retry(options));
            Arc::new(builder.build().map_err(unusable)?)
        }
        Bucket::Azure { container, account, host } => {
            let builder = azure(container, account, host);
            let builder = builder.with_http_connector(connector()?).with_retry(retry(options));
            Arc::new(builder.build().map_err(unusable)?)
        }
    })
}

fn with_connector_s3(builder: AmazonS3Builder, connector: impl HttpConnector, options: &Options) -> AmazonS3Builder {
    builder.with_http_connector(connector).with_retry(retry(options))
}

/// A few times and soon: whoever asks has a deadline, and asks again.
fn retry(options: &Options) -> RetryConfig {
    RetryConfig {
        backoff: BackoffConfig {
            init_backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(1),
            base: 2.0,
        },
        max_retries: 3,
        // One that says nothing is asked once more at most.
        retry_timeout: options.timeout,
    }
}

fn s3(name: &str, dialect: Dialect, options: &Options, url: &str) -> Result<AmazonS3Builder, Error> {
    let mut builder = AmazonS3Builder::from_env().with_bucket_name(name);
    let mut endpoint = options.endpoint.clone();
    if dialect != Dialect::Plain {
        endpoint = endpoint.or_else(|| variable("AWS_ENDPOINT_URL_S3")).or_else(|| variable("AWS_ENDPOINT_URL"));
        if endpoint.is_none() {
            return Err(Error::NoEndpoint(url.to_owned()));
        }
    }
    if let Some(endpoint) = endpoint {
        // Flink's file systems take a bare host as well.
        let endpoint = if endpoint.contains("://") { endpoint } else { format!("https://{endpoint}") };
        builder = match (dialect, endpoint.split_once("://")) {
            (Dialect::Host, Some((scheme, host))) => {
                builder.with_endpoint(format!("{scheme}://{name}.{host}")).with_virtual_hosted_style_request(true)
            }
            _ => builder.with_endpoint(endpoint).with_virtual_hosted_style_request(false),
        };
    }
    if let Some(region) = &options.region {
        builder = builder.with_region(region);
    }
    Ok(builder)
}

fn google(name: &str) -> GoogleCloudStorageBuilder {
    let builder = GoogleCloudStorageBuilder::from_env().with_bucket_name(name);
    match variable("STORAGE_EMULATOR_HOST") {
        Some(host) => {
            let base = if host.contains("://") { host } else { format!("http://{host}") };
            builder.with_base_url(base.trim_end_matches('/')).with_skip_signature(true)
        }
        None => builder,
    }
}

fn azure(container: &str, account: &str, host: &str) -> MicrosoftAzureBuilder {
    let builder = MicrosoftAzureBuilder::from_env().with_container_name(container).with_account(account);
    match variable("AZURE_STORAGE_ENDPOINT").or_else(|| variable("AZURE_ENDPOINT")) {
        Some(_) => builder,
        None => builder.with_endpoint(format!("https://{host}")),
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Whose credentials a store is shown, in words, by what its library looks for; nothing for this machine's files.
pub(super) fn credentials(bucket: &Bucket) -> String {
    credentials_by(bucket, &|name| std::env::var_os(name))
}

fn credentials_by(bucket: &Bucket, env: &dyn Fn(&str) -> Option<OsString>) -> String {
    let set = |name: &&&str| env(name).is_some_and(|value| !value.is_empty());
    let (names, otherwise): (&[&str], &str) = match bucket {
        Bucket::Files => return String::new(),
        Bucket::S3 { .. } => (
            &[
                "AWS_ACCESS_KEY_ID",
                "AWS_WEB_IDENTITY_TOKEN_FILE",
                "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
                "AWS_CONTAINER_CREDENTIALS_FULL_URI",
            ],
            "the instance's role",
        ),
        Bucket::Google { .. } => (
            &[
                "STORAGE_EMULATOR_HOST",
                "GOOGLE_SERVICE_ACCOUNT",
                "GOOGLE_SERVICE_ACCOUNT_KEY",
                "GOOGLE_APPLICATION_CREDENTIALS",
            ],
            "the metadata server",
        ),
        Bucket::Azure { .. } => (
            &[
                "AZURE_STORAGE_ACCOUNT_KEY",
                "AZURE_STORAGE_SAS_TOKEN",
                "AZURE_CLIENT_SECRET",
                "AZURE_FEDERATED_TOKEN_FILE",
            ],
            "the managed identity",
        ),
    };
    match names.iter().find(set) {
        Some(name) => format!(" with the credentials of {name}"),
        None => format!(" with the credentials of {otherwise}, as none of {} is set", names.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_can_say_which_credentials_were_found() {
        let s3 = Bucket::S3 { name: "state".to_owned(), dialect: Dialect::Plain };
        let web = |name: &str| (name == "AWS_WEB_IDENTITY_TOKEN_FILE").then(|| "/token".into());
        assert_eq!(credentials_by(&s3, &web), " with the credentials of AWS_WEB_IDENTITY_TOKEN_FILE");
        let none = credentials_by(&s3, &|_| None);
        assert!(
            none.starts_with(" with the credentials of the instance's role, as none of AWS_ACCESS_KEY_ID,"),
            "{none}"
        );
        assert_eq!(credentials_by(&Bucket::Files, &|_| None), "");
    }

    #[test]
    fn a_store_whose_endpoint_nobody_knows_is_not_looked_for_at_amazon() {
        let open = |options: &Options| {
            let bucket = Bucket::S3 { name: "state".to_owned(), dialect: Dialect::Host };
            open(&bucket, options, "oss://state/a").map(|store| store.to_string())
        };
        let error = open(&Options::default()).unwrap_err();
        assert!(!error.passes());
        assert!(error.to_string().contains("SAVEPOINTD_STORAGE__ENDPOINT"), "{error}");
        let endpoint = Some("oss-eu-central-1.aliyuncs.com".to_owned());
        assert!(open(&Options { endpoint, ..Options::default() }).is_ok());
    }
}
