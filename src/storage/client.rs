//! Clients of stores: how each is made from the options and its own conventions for credentials.

use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::local::LocalFileSystem;
use object_store::{BackoffConfig, ObjectStore, RetryConfig};
use url::Url;

use super::environment::Environment;
use super::http::{Connector, client};
use super::scheme::{Bucket, Dialect, Web};
use super::webhdfs::WebHdfs;
use super::{Error, Options};

/// The client of one bucket. `url` is for messages.
pub(super) fn open(
    bucket: &Bucket,
    options: &Options,
    environment: &Environment,
    url: &str,
) -> Result<Arc<dyn ObjectStore>, Error> {
    let unusable = |source| Error::Store { url: url.to_owned(), credentials: credentials(bucket, environment), source };
    let connector = || Connector::new(options).map_err(|source| Error::Client { url: url.to_owned(), source });
    Ok(match bucket {
        // What is recorded must be there after a power cut too.
        Bucket::Files => Arc::new(LocalFileSystem::new().with_fsync(true)),
        Bucket::S3 { name, dialect } => {
            let builder = s3(name, *dialect, options, environment, url)?;
            let builder = builder.with_http_connector(connector()?).with_retry(retry(options));
            Arc::new(builder.build().map_err(unusable)?)
        }
        Bucket::Google { name } => {
            let builder = google(name, environment).with_http_connector(connector()?).with_retry(retry(options));
            Arc::new(builder.build().map_err(unusable)?)
        }
        Bucket::Hdfs { authority, web } => {
            let addresses = name_nodes(authority, *web, options).ok_or_else(|| Error::NoNameNode(url.to_owned()))?;
            let http = client(options).map_err(|source| Error::Client { url: url.to_owned(), source })?;
            Arc::new(WebHdfs::new(http, addresses, hadoop_user(environment).to_owned(), options.timeout))
        }
        Bucket::Azure { container, account, host } => {
            let builder = azure(container, account, host, environment);
            let builder = builder.with_http_connector(connector()?).with_retry(retry(options));
            Arc::new(builder.build().map_err(unusable)?)
        }
    })
}

/// Where the NameNodes of one HDFS serve HTTP: as configured, else where the URL says, else at the usual port.
fn name_nodes(authority: &str, web: Option<Web>, options: &Options) -> Option<Vec<Url>> {
    if let Some(configured) = &options.namenode {
        return configured.split(',').map(|address| Url::parse(address.trim()).ok()).collect();
    }
    let (scheme, usual) = if web == Some(Web::Tls) { ("https", 9871) } else { ("http", 9870) };
    let mut url = Url::parse(&format!("{scheme}://{authority}")).ok()?;
    if web.is_none() || url.port().is_none() {
        url.set_port(Some(usual)).ok()?;
    }
    Some(vec![url])
}

/// As whom Hadoop's clients would ask; the user of Flink's own image, where nobody says.
fn hadoop_user(environment: &Environment) -> &str {
    environment.get("HADOOP_USER_NAME").unwrap_or("flink")
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

fn s3(
    name: &str,
    dialect: Dialect,
    options: &Options,
    environment: &Environment,
    url: &str,
) -> Result<AmazonS3Builder, Error> {
    let mut builder = AmazonS3Builder::new().with_bucket_name(name);
    for (key, value) in environment.options("AWS_") {
        if let Ok(key) = key.parse() {
            builder = builder.with_config(key, value);
        }
    }
    let elsewhere = || environment.get("AWS_ENDPOINT_URL_S3").or_else(|| environment.get("AWS_ENDPOINT_URL"));
    let Some(endpoint) = options.endpoint.as_deref().or_else(elsewhere) else {
        return if dialect == Dialect::Plain {
            Ok(region(builder, options))
        } else {
            Err(Error::NoEndpoint(url.to_owned()))
        };
    };
    // Flink's file systems take a bare host as well.
    let (scheme, host) = endpoint.split_once("://").unwrap_or(("https", endpoint));
    let host = host.trim_end_matches('/');
    let in_host = dialect == Dialect::Host;
    let endpoint = if in_host { format!("{scheme}://{name}.{host}") } else { format!("{scheme}://{host}") };
    // The one for S3 alone would win over this.
    let builder = builder.with_config(AmazonS3ConfigKey::S3Endpoint, endpoint.as_str()).with_endpoint(endpoint);
    Ok(region(builder.with_virtual_hosted_style_request(in_host), options))
}

fn region(builder: AmazonS3Builder, options: &Options) -> AmazonS3Builder {
    match &options.region {
        Some(region) => builder.with_region(region),
        None => builder,
    }
}

fn google(name: &str, environment: &Environment) -> GoogleCloudStorageBuilder {
    let mut builder = GoogleCloudStorageBuilder::new().with_bucket_name(name);
    for (key, value) in environment.options("GOOGLE_") {
        if let Ok(key) = key.parse() {
            builder = builder.with_config(key, value);
        }
    }
    match environment.get("STORAGE_EMULATOR_HOST") {
        Some(host) => {
            let (scheme, host) = host.split_once("://").unwrap_or(("http", host));
            let base = format!("{scheme}://{}", host.trim_end_matches('/'));
            // Without any token it would ask the metadata server for one, signed or not.
            builder.with_base_url(&base).with_skip_signature(true).with_bearer_token("emulator")
        }
        None => builder,
    }
}

fn azure(container: &str, account: &str, host: &str, environment: &Environment) -> MicrosoftAzureBuilder {
    let mut builder = MicrosoftAzureBuilder::new().with_endpoint(format!("https://{host}"));
    for (key, value) in environment.options("AZURE_") {
        if let Ok(key) = key.parse() {
            builder = builder.with_config(key, value);
        }
    }
    if let Some(endpoint) = environment.get("MSI_ENDPOINT") {
        builder = builder.with_msi_endpoint(endpoint);
    }
    builder.with_container_name(container).with_account(account)
}

/// Whose credentials a store is shown, in words, by what its library looks for; nothing for this machine's files.
pub(super) fn credentials(bucket: &Bucket, environment: &Environment) -> String {
    let (names, otherwise): (&[&str], &str) = match bucket {
        Bucket::Files => return String::new(),
        Bucket::Hdfs { .. } => {
            return format!(" as user {:?}, whom HADOOP_USER_NAME names", hadoop_user(environment));
        }
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
    match names.iter().find(|name| environment.get(name).is_some()) {
        Some(name) => format!(" with the credentials of {name}"),
        None => format!(" with the credentials of {otherwise}, as none of {} is set", names.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(name: &str, value: &str) -> Environment {
        Environment::of([(name.to_owned(), value.to_owned())].into_iter())
    }

    #[test]
    fn an_error_can_say_which_credentials_were_found() {
        let s3 = Bucket::S3 { name: "state".to_owned(), dialect: Dialect::Plain };
        let found = credentials(&s3, &environment("AWS_WEB_IDENTITY_TOKEN_FILE", "/token"));
        assert_eq!(found, " with the credentials of AWS_WEB_IDENTITY_TOKEN_FILE");
        let none = credentials(&s3, &environment("AWS_ACCESS_KEY_ID", ""));
        assert!(
            none.starts_with(" with the credentials of the instance's role, as none of AWS_ACCESS_KEY_ID,"),
            "{none}"
        );
        assert_eq!(credentials(&Bucket::Files, &Environment::default()), "");
    }

    #[test]
    fn a_store_whose_endpoint_nobody_knows_is_not_looked_for_at_amazon() {
        let open = |options: &Options, environment: &Environment| {
            let bucket = Bucket::S3 { name: "state".to_owned(), dialect: Dialect::Host };
            open(&bucket, options, environment, "oss://state/a").map(|store| store.to_string())
        };
        let error = open(&Options::default(), &Environment::default()).unwrap_err();
        assert!(!error.passes());
        assert!(error.to_string().contains("SAVEPOINTD_STORAGE__ENDPOINT"), "{error}");
        let options = Options { endpoint: Some("oss.example.com".to_owned()), ..Options::default() };
        assert!(open(&options, &Environment::default()).is_ok());
        assert!(open(&Options::default(), &environment("AWS_ENDPOINT_URL", "https://oss.example.com")).is_ok());
    }

    #[test]
    fn a_name_node_is_asked_where_it_serves_http() {
        let asked = |authority: &str, web, configured: Option<&str>| {
            let options = Options { namenode: configured.map(str::to_owned), ..Options::default() };
            let addresses = name_nodes(authority, web, &options)?;
            Some(addresses.iter().map(Url::to_string).collect::<Vec<_>>())
        };
        let one = |url: &str| Some(vec![url.to_owned()]);
        assert_eq!(asked("namenode:8020", None, None), one("http://namenode:9870/"));
        assert_eq!(asked("namenode:50070", Some(Web::Plain), None), one("http://namenode:50070/"));
        assert_eq!(asked("namenode", Some(Web::Tls), None), one("https://namenode:9871/"));
        assert_eq!(asked("", None, None), None);
        let two = asked("service", None, Some("http://one:9870, https://two:9871/gateway"));
        assert_eq!(two, Some(vec!["http://one:9870/".to_owned(), "https://two:9871/gateway".to_owned()]));
    }

    #[test]
    fn secrets_are_not_shown() {
        let shown = format!("{:?}", environment("AWS_SECRET_ACCESS_KEY", "hush"));
        assert!(shown.contains("AWS_SECRET_ACCESS_KEY") && !shown.contains("hush"), "{shown}");
    }
}
