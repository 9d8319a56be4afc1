//! The types that a value must parse into.
//!
//! Every parser answers with what it expected and what it found; the place is added by the caller.

use std::{fmt, net::SocketAddr, path::PathBuf, time::Duration};

use jiff::{Span, SpanRelativeTo};
use url::Url;

use super::keys::KEYS;
use super::secret::without_secrets;
use crate::storage;

/// Where `run` and the agent meet in a pod.
pub const DEFAULT_SOCKET: &str = "/savepointd/run.sock";

/// What a Unix socket's address holds on Linux, without its final zero, in bytes.
const SOCKET_PATH_LIMIT: usize = 107;

pub(super) fn is_known(key: &str) -> bool {
    KEYS.iter().any(|known| known.name == key)
}

pub(super) fn is_section(name: &str) -> bool {
    KEYS.iter().any(|key| key.name.split_once('.').is_some_and(|(section, _)| section == name))
}

/// The known key that `wrong` was most likely meant to be.
pub(super) fn nearest(wrong: &str) -> Option<&'static str> {
    KEYS.iter()
        .map(|key| (strsim::jaro_winkler(wrong, key.name), key.name))
        .max_by(|(left, _), (right, _)| left.total_cmp(right))
        .filter(|(likeness, _)| *likeness > 0.8)
        .map(|(_, key)| key)
}

fn expected(what: impl fmt::Display, found: &str) -> String {
    // What is no URL of the right form may still have a password in it.
    format!("expected {what}, found {:?}", without_secrets(found))
}

/// Where the record lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordUrl {
    text: String,
    kind: RecordKind,
}

/// The store behind a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordKind {
    /// `file:///absolute/path`, without a slash at its end.
    Directory(PathBuf),
    /// A prefix in an object store, such as `s3://bucket/orders`.
    ObjectStore,
    /// `configmap://NAMESPACE/NAME`, or `configmap:///NAME` in the pod's own namespace.
    ConfigMap {
        /// None: the pod's own.
        namespace: Option<String>,
        /// Its name.
        name: String,
    },
}

impl RecordUrl {
    /// The URL as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The store behind it.
    #[must_use]
    pub fn kind(&self) -> &RecordKind {
        &self.kind
    }

    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let wrong = || {
            expected(
                "a URL such as \"configmap://namespace/name\", \"s3://bucket/path\" or \"file:///var/lib/savepointd\"",
                text,
            )
        };
        let mut url = Url::parse(text).map_err(|_| wrong())?;
        if url.query().is_some() || url.fragment().is_some() {
            return Err(wrong());
        }
        if url.scheme() == "configmap" {
            return Self::config_map(text).ok_or_else(wrong);
        }
        if url.scheme() != "file" {
            // As it was written: a bucket's name is no host name, and nothing in the path is encoded.
            let text = text.trim_end_matches('/').to_owned();
            let fits = storage::is_below_a_bucket(&text);
            return if fits { Ok(Self { text, kind: RecordKind::ObjectStore }) } else { Err(wrong()) };
        }
        let path = url.path().trim_end_matches('/').to_owned();
        if url.has_host() || path.is_empty() {
            return Err(wrong());
        }
        url.set_path(&path);
        let path = url.to_file_path().map_err(|()| wrong())?;
        Ok(Self { text: url.into(), kind: RecordKind::Directory(path) })
    }

    fn config_map(text: &str) -> Option<Self> {
        let (namespace, name) = text.strip_prefix("configmap://")?.trim_end_matches('/').split_once('/')?;
        let fits = (namespace.is_empty() || is_dns_name(namespace, 63)) && is_dns_name(name, 253);
        fits.then(|| Self {
            text: format!("configmap://{namespace}/{name}"),
            kind: RecordKind::ConfigMap {
                namespace: Some(namespace).filter(|namespace| !namespace.is_empty()).map(str::to_owned),
                name: name.to_owned(),
            },
        })
    }
}

/// Whether Kubernetes takes it for an object's name (RFC 1123, lower case).
fn is_dns_name(text: &str, limit: usize) -> bool {
    let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    text.len() <= limit
        && text.split('.').all(|label| {
            let bytes = label.as_bytes();
            bytes.iter().all(|&byte| letter(byte) || byte == b'-')
                && bytes.first().is_some_and(|&byte| letter(byte))
                && bytes.last().is_some_and(|&byte| letter(byte))
        })
}

impl fmt::Display for RecordUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

/// A directory as Flink names it: a URL with a scheme, `file:///…` for a path. Nothing in it is encoded or decoded, as Flink does not.
///
/// # Errors
///
/// A text that says what was expected, if `text` is neither an absolute path nor a URL.
pub fn directory_url(text: &str) -> Result<String, String> {
    let wrong = || expected("an absolute path or a URL such as \"s3://bucket/path\"", text);
    let path = match text.split_once(':') {
        _ if text.starts_with('/') => text,
        Some(("file", rest)) => match rest.strip_prefix("//") {
            Some(path) if path.starts_with('/') => path,
            Some(_) => {
                return Err(expected("a file URL without a host, such as \"file:///path\"", text));
            }
            None if rest.starts_with('/') => rest,
            None => return Err(wrong()),
        },
        Some((_, rest)) if Url::parse(text).is_ok() && rest.starts_with("//") && rest.len() > 2 => {
            return Ok(text.to_owned());
        }
        _ => return Err(wrong()),
    };
    let trimmed = path.trim_matches('/');
    Ok(format!("file:///{trimmed}"))
}

/// Values that are one word of a closed set.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name { $($(#[$doc])* $variant),+ }

        impl $name {
            /// The word as it stands in a configuration.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            pub(super) fn parse(text: &str) -> Result<Self, String> {
                match text {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(expected([$(concat!("\"", $word, "\"")),+].join(" or "), text)),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(self.as_str())
            }
        }
    };
}

words! {
    /// Whose job id a start uses.
    JobIdPolicy {
        /// Derived from cluster and epoch, so that checkpoint folders tell their epoch.
        Derived = "derived",
        /// Flink's own.
        Flink = "flink",
    }
}

words! {
    /// How a TaskManager that stays comes to the next JobManager.
    Recovery {
        /// Its guard exchanges it for a fresh one, which finds the next JobManager at once.
        Fast = "fast",
        /// As Flink does it: it waits until its heartbeat to the old JobManager times out.
        Flink = "flink",
    }
}

words! {
    /// What is started when a TaskManager is exchanged.
    Exchange {
        /// Its JVM as Flink's scripts had started it, where nothing but they had a part in that.
        Jvm = "jvm",
        /// The whole command, scripts included.
        Command = "command",
    }
}

words! {
    /// What is done about a JobManager that no `run` stands before.
    WithoutRun {
        /// Nothing: it is not ours.
        Refuse = "refuse",
        /// It is taken up and can be drained; where it runs from something else than the newest point, that is said.
        Warn = "warn",
        /// It is taken up and can be drained; where it runs from something else than the newest point, its job is cancelled.
        Cancel = "cancel",
    }
}

words! {
    /// The format of the final savepoint.
    SavepointFormat {
        /// Fast; bound to the state backend.
        Native = "native",
        /// Portable between state backends.
        Canonical = "canonical",
    }
}

words! {
    /// What to do where there is proven to be no history.
    OnNoState {
        /// Start with empty state.
        Fresh = "fresh",
        /// Wait for a person.
        Refuse = "refuse",
    }
}

words! {
    /// What to do when the newest point is missing or not whole.
    OnBroken {
        /// Wait for a person.
        Refuse = "refuse",
        /// Go back to the point before.
        Previous = "previous",
    }
}

words! {
    /// What to do with a point that can't be verified.
    OnUnverifiable {
        /// Wait for a person.
        Refuse = "refuse",
        /// Use it all the same.
        Trust = "trust",
    }
}

words! {
    /// What to do when Flink's own high availability would restore something else than the chosen point.
    OnLeftover {
        /// Let Flink finish the clean-up of a job that was stopped; else wait for a person.
        Finish = "finish",
        /// Wait for a person.
        Refuse = "refuse",
        /// Let Flink go back to what it knows.
        Recover = "recover",
    }
}

words! {
    /// What to do when Flink failed too often to restore the newest point.
    OnFailed {
        /// Wait for a person.
        Halt = "halt",
        /// Go back to the point before.
        Previous = "previous",
    }
}

words! {
    /// What to do while another pod runs this cluster's JobManager.
    Handover {
        /// Wait until it has ended.
        Wait = "wait",
        /// Ask it to stop with a savepoint and to hand over: what a rolling update needs.
        Request = "request",
    }
}

words! {
    /// The form of log lines.
    LogFormat {
        /// One JSON object to a line.
        Json = "json",
        /// For people.
        Text = "text",
    }
}

words! {
    /// The least severe level that is logged.
    #[derive(serde::Serialize, serde::Deserialize, clap::ValueEnum)]
    #[serde(rename_all = "snake_case")]
    LogLevel {
        /// Everything.
        Trace = "trace",
        /// What helps to find an error in savepointd.
        Debug = "debug",
        /// What a stop and a start do.
        Info = "info",
        /// What may need attention.
        Warn = "warn",
        /// What went wrong.
        Error = "error",
    }
}

pub(super) fn boolean(text: &str) -> Result<bool, String> {
    text.to_ascii_lowercase().parse().map_err(|_| expected("true or false", text))
}

pub(super) fn attempts(text: &str) -> Result<u32, String> {
    let fits = text.parse().ok().filter(|attempts| (1..=100).contains(attempts));
    fits.ok_or_else(|| expected("a number from 1 to 100", text))
}

/// A name as the downward API gives it.
pub(super) fn word(text: &str) -> Result<String, String> {
    let fits = !text.is_empty() && !text.contains(|letter: char| letter.is_whitespace() || letter == '/');
    if fits { Ok(text.to_owned()) } else { Err(expected("a name without blanks and slashes", text)) }
}

pub(super) fn host(text: &str) -> Result<String, String> {
    match url::Host::parse(text) {
        Ok(url::Host::Domain(name)) => Ok(name),
        _ => Err(expected("a host name such as \"jobmanager.flink.svc\"", text)),
    }
}

pub(super) fn ip(text: &str) -> Result<std::net::IpAddr, String> {
    text.parse().map_err(|_| expected("an IP address", text))
}

/// How many savepoints are kept.
pub(super) fn at_once(text: &str) -> Result<usize, String> {
    let fits = text.parse().ok().filter(|count| (1..=1_000).contains(count));
    fits.ok_or_else(|| expected("a number from 1 to 1000", text))
}

pub(super) fn count(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|count| *count > 0).ok_or_else(|| expected("a whole number from 1 upwards", text))
}

/// Days and weeks are allowed and exact: a day has 24 hours.
///
/// # Errors
///
/// A text that says what was expected.
pub fn duration(text: &str) -> Result<Duration, String> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return Err(format!(
            "expected a duration such as \"30s\" or \"5m\", found {text:?}: add a unit, for example \"{text}s\""
        ));
    }
    let parse = || {
        let span: Span = text.parse().ok()?;
        let exact = span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
        Duration::try_from(exact).ok()
    };
    parse().ok_or_else(|| expected("a duration such as \"30s\" or \"5m\"", text))
}

pub(super) fn positive_duration(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err(expected("a duration longer than zero", text)),
        duration => Ok(duration),
    }
}

/// `off`, or what `parse` reads.
pub(super) fn unless_off<T>(text: &str, parse: impl FnOnce(&str) -> Result<T, String>) -> Result<Option<T>, String> {
    match text {
        "off" => Ok(None),
        _ => parse(text).map(Some).map_err(|problem| problem.replacen("expected ", "expected \"off\" or ", 1)),
    }
}

pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| expected("an address such as \"[::]:9250\"", text))
}

/// A host and a port, not resolved: names may point elsewhere tomorrow.
pub(super) fn host_and_port(text: &str) -> Result<String, String> {
    let fits = text.rsplit_once(':').is_some_and(|(host, port)| {
        let is_v6 = host.starts_with('[') && host.ends_with(']');
        let host_fits = !host.is_empty() && !host.contains(['/', '@', ' ']) && (is_v6 || !host.contains(':'));
        host_fits && port.parse::<u16>().is_ok_and(|port| port > 0)
    });
    if fits { Ok(text.to_owned()) } else { Err(expected("a host and a port such as \"jobmanager:9250\"", text)) }
}

pub(super) fn socket(text: &str) -> Result<PathBuf, String> {
    if !text.starts_with('/') {
        return Err(expected("an absolute path", text));
    }
    if text.len() > SOCKET_PATH_LIMIT {
        return Err(expected(
            format_args!("a path of at most {SOCKET_PATH_LIMIT} bytes, the limit for a Unix socket"),
            text,
        ));
    }
    Ok(text.into())
}

pub(super) fn absolute_path(text: &str) -> Result<PathBuf, String> {
    if text.starts_with('/') { Ok(text.into()) } else { Err(expected("an absolute path", text)) }
}

/// A store's endpoint, without a slash at its end.
pub(super) fn endpoint(text: &str) -> Result<String, String> {
    let wrong = || expected("a URL such as \"https://minio.example.com:9000\"", text);
    let url = Url::parse(text).map_err(|_| wrong())?;
    let fits = matches!(url.scheme(), "http" | "https") && url.has_host() && url.query().is_none();
    let plain = url.fragment().is_none() && url.username().is_empty() && url.password().is_none();
    if fits && plain { Ok(url.as_str().trim_end_matches('/').to_owned()) } else { Err(wrong()) }
}

/// Several endpoints, with commas between them.
pub(super) fn endpoints(text: &str) -> Result<String, String> {
    let endpoints: Result<Vec<String>, String> = text.split(',').map(|one| endpoint(one.trim())).collect();
    endpoints
        .map(|endpoints| endpoints.join(","))
        .map_err(|_| expected("URLs such as \"http://namenode-1:9870,http://namenode-2:9870\"", text))
}

pub(super) fn cluster_id(text: &str) -> Result<String, String> {
    let fits = (1..=100).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    // Both would leave the cluster's own folder.
    if fits && text != "." && text != ".." {
        return Ok(text.to_owned());
    }
    Err(expected("1 to 100 letters, digits, '.', '_' or '-'", text))
}

/// Flink's REST, without a slash at its end.
pub(super) fn flink_url(text: &str) -> Result<String, String> {
    let wrong = || expected("a URL such as \"http://127.0.0.1:8081\"", text);
    let url = Url::parse(text).map_err(|_| wrong())?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("expected a URL without user name and password".to_owned());
    }
    match url.scheme() {
        "http" | "https" if url.query().is_none() && url.fragment().is_none() => {
            Ok(url.as_str().trim_end_matches('/').to_owned())
        }
        _ => Err(wrong()),
    }
}
