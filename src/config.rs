//! The configuration: defaults, one TOML file, the environment, flags; later ones win.
//!
//! The environment and the flags are handed in, so that nothing here depends on the process. `SAVEPOINTD_SECTION__KEY` sets
//! `section.key`; an empty variable counts as not set; `SAVEPOINTD_LOG` is short for `SAVEPOINTD_LOG__LEVEL`, and
//! `SAVEPOINTD_CONFIG` names the file where no flag does. All problems are reported at once.

mod env;
mod error;
mod keys;
mod reader;
mod schema;
mod secret;

use std::{
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use crate::storage::Options;
use serde::Serialize;
use sha2::{Digest, Sha256};

pub use error::{Error, Problem};
pub use keys::{KEYS, Key, KeyDefault};
use reader::Reader;
pub use schema::{
    DEFAULT_SOCKET, Handover, JobIdPolicy, LogFormat, LogLevel, OnBroken, OnFailed, OnLeftover, OnNoState,
    OnUnverifiable, RecordKind, RecordUrl, Recovery, SavepointFormat, WithoutRun, directory_url,
    duration as parse_duration,
};

pub use secret::without_secrets;

/// The variable that names the configuration file where no flag does.
pub const FILE_VARIABLE: &str = "SAVEPOINTD_CONFIG";

/// The variable that names the image's entrypoint where this binary stands in its place. It is no key: what reads it reads no
/// configuration.
pub const ENTRYPOINT_VARIABLE: &str = "SAVEPOINTD_ENTRYPOINT";

/// Everything that the agent can be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Where the record lies.
    pub record: RecordUrl,
    /// Which cluster this is.
    pub cluster: Cluster,
    /// Where `run` and `drain` meet the agent.
    pub socket: PathBuf,
    /// Where people's verbs meet the agent.
    pub control_socket: PathBuf,
    /// How Flink is reached and named.
    pub flink: Flink,
    /// How savepoints are taken.
    pub savepoint: Savepoint,
    /// Where checkpoints are looked for.
    pub checkpoint: Checkpoint,
    /// How a cluster of several jobs is stopped.
    pub session: SessionCluster,
    /// How long a stop may take.
    pub stop: Stop,
    /// How stores are reached.
    pub storage: Options,
    /// What a start may choose.
    pub restore: Restore,
    /// Which savepoints are kept.
    pub retention: Retention,
    /// What a start does where Flink recovers by itself.
    pub ha: HighAvailability,
    /// What to do while another pod runs this cluster's JobManager.
    pub handover: Handover,
    /// The pod that this is.
    pub pod: Pod,
    /// What guards may ask for.
    pub guard: Guard,
    /// Where the kubelet looks for the container's last word.
    pub termination_log: PathBuf,
    /// What is served to the network.
    pub admin: Admin,
    /// What is logged, and how.
    pub log: Log,
}

/// What `run`, `guard`, `drain` and people's verbs need: they know no record, the agent does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// Where `run` and `drain` meet the agent.
    pub socket: PathBuf,
    /// Where people's verbs meet the agent.
    pub control_socket: PathBuf,
    /// How long a stop may take.
    pub stop: Stop,
    /// How a guard conducts itself.
    pub guard: Guard,
    /// Where the kubelet looks for the container's last word.
    pub termination_log: PathBuf,
    /// What is logged, and how.
    pub log: Log,
}

/// How a guard conducts itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guard {
    /// The JobManager's agent, `host:port`; `None` leaves it to Flink's own configuration.
    pub agent: Option<String>,
    /// How long a guard that is told to end waits for word that a stop has begun.
    pub settle: Duration,
    /// How long at most, where no stop is under way, it then waits for a checkpoint that it asks for. The agent takes none if it is not
    /// set there as well.
    pub checkpoint: Option<Duration>,
    /// How a TaskManager that stays comes to the next JobManager.
    pub recovery: Recovery,
}

/// Which cluster this is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cluster {
    /// Its id; `None` leaves it to [`default_cluster_id`].
    pub id: Option<String>,
}

/// How Flink is reached and named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flink {
    /// Flink's REST, without a slash at its end.
    pub url: String,
    /// Whether somebody set the URL. If not, the port may be learnt from Flink's own configuration.
    pub url_is_set: bool,
    /// The certificates, in PEM, that an `https://` URL may show.
    pub ca: Option<PathBuf>,
    /// The name that its certificate is issued for, where that is not the URL's host.
    pub server_name: Option<String>,
    /// The client's certificate and key, in PEM.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// Name, and the file with the password, for what stands before Flink.
    pub user: Option<(String, PathBuf)>,
    /// Whose job id a start uses.
    pub job_id: JobIdPolicy,
    /// What is done about a JobManager that no `run` stands before.
    pub without_run: WithoutRun,
}

/// How savepoints are taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Savepoint {
    /// Where they go, as a URL; `None` is Flink's own directory.
    pub directory: Option<String>,
    /// The format of the final one.
    pub format: SavepointFormat,
    /// How often one is taken while the job goes on; `None`: never.
    pub interval: Option<Duration>,
    /// Whether the final one emits the maximum watermark first.
    pub drain: bool,
}

/// Where checkpoints are looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Their directory as a URL; `None` is Flink's own.
    pub directory: Option<String>,
}

/// How a cluster of several jobs is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionCluster {
    /// How many jobs at the same time.
    pub parallel: usize,
}

/// How long a stop may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stop {
    /// From the signal to the deadline, where no pod tells it.
    pub grace: Duration,
    /// What is kept back of it to write the record; shorter than `grace`.
    pub reserve: Duration,
    /// How long the job may go on until the pod that replaces this one waits at its gate; `None`: not at all.
    pub linger: Option<Duration>,
}

/// What a start may choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Restore {
    /// What to do where there is proven to be no history.
    pub on_no_state: OnNoState,
    /// What to do when the newest point is missing or not whole.
    pub on_broken: OnBroken,
    /// What to do with a point that can't be verified: of a Flink that this build does not know, or where it may not look.
    pub on_unverifiable: OnUnverifiable,
    /// What to do when Flink could not restore the newest point.
    pub on_failed: OnFailed,
    /// How often in a row Flink may fail to restore a point before that is done.
    pub attempts: u32,
    /// State older than this is refused; `None` sets no limit.
    pub max_state_age: Option<Duration>,
    /// Lets Flink drop state that the program has no operator for.
    pub allow_non_restored_state: bool,
}

/// Which savepoints are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// So many.
    pub keep: usize,
    /// Those that are older go, the newest apart; `None` sets no limit.
    pub max_age: Option<Duration>,
}

/// What a start does where Flink recovers by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HighAvailability {
    /// What to do when Flink would restore something else than the chosen point.
    pub on_leftover: OnLeftover,
}

/// The pod that this is, as the downward API tells it. What is missing is found out where it can be.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pod {
    /// `metadata.name`; else the host name, which is the same unless the pod sets another.
    pub name: Option<String>,
    /// `metadata.namespace`; else the service account's.
    pub namespace: Option<String>,
    /// `metadata.uid`; else what the API server says of the pod of that name.
    pub uid: Option<String>,
    /// `status.podIP`.
    pub ip: Option<IpAddr>,
}

/// What is served to the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Admin {
    /// Where metrics and status are served; `None` serves nothing.
    pub address: Option<SocketAddr>,
}

/// What is logged, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Log {
    /// The form of a line.
    pub format: LogFormat,
    /// The least severe level.
    pub level: LogLevel,
}

/// What the command line sets, in the order in which it does: of duplicates the later one counts.
#[derive(Debug, Clone, Default)]
pub struct Flags(Vec<(String, String, String)>);

impl Flags {
    /// Takes the `KEY=VALUE` of a `--set`.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`], if there is no `=`. Whether the key exists turns out when the configuration is loaded.
    pub fn set(&mut self, assignment: &str) -> Result<(), Error> {
        let Some((key, value)) = assignment.split_once('=') else {
            let problem = Problem::new("--set", format!("expected KEY=VALUE, found {assignment:?}"));
            return Err(Error::Invalid { problems: vec![problem] });
        };
        self.0.push((key.trim().to_owned(), format!("--set {}", key.trim()), value.to_owned()));
        Ok(())
    }

    /// Takes the value of a flag of its own, such as `--record`, for a key.
    pub fn push(&mut self, flag: &str, key: &str, value: impl Into<String>) {
        self.0.push((key.to_owned(), flag.to_owned(), value.into()));
    }

    /// The same as environment variables, for a process elsewhere.
    #[must_use]
    pub fn variables(&self) -> Vec<(String, String)> {
        self.0.iter().map(|(key, _, value)| (env::variable(key), value.clone())).collect()
    }
}

/// One effective value and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Setting {
    /// The key.
    pub key: &'static str,
    /// The value as it was written, without passwords.
    pub value: String,
    /// What set it.
    #[serde(flatten)]
    pub origin: Origin,
}

/// What set a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "from", content = "name", rename_all = "snake_case")]
pub enum Origin {
    /// Nobody.
    Default,
    /// This file.
    File(String),
    /// This environment variable.
    Variable(String),
    /// This flag.
    Flag(String),
}

/// The environment variable that sets a key.
#[must_use]
pub fn variable(key: &str) -> String {
    env::variable(key)
}

impl Config {
    /// Loads the configuration. `file` is the file of the flag `--config`; without one the variable [`FILE_VARIABLE`] names it.
    ///
    /// # Errors
    ///
    /// [`Error`], if the file can't be read, or for every key and value that is wrong.
    pub fn load(file: Option<&Path>, env: impl Iterator<Item = (String, String)>, flags: Flags) -> Result<Self, Error> {
        let mut reader = Reader::open(file, env, flags)?;
        let config = Self::read(&mut reader);
        reader.finish(config)
    }

    /// All effective values with their places, in the order of the documentation. Values are not checked.
    ///
    /// # Errors
    ///
    /// [`Error`], if the file can't be read, or for every key that does not exist.
    pub fn explain(
        file: Option<&Path>,
        env: impl Iterator<Item = (String, String)>,
        flags: Flags,
    ) -> Result<Vec<Setting>, Error> {
        let reader = Reader::open(file, env, flags)?;
        let setting = |key: &Key| {
            let value = without_secrets(&reader.text(key.name)?);
            Some(Setting { key: key.name, value, origin: reader.origin(key.name) })
        };
        let settings = KEYS.iter().filter_map(setting).collect();
        reader.finish(Some(settings))
    }

    fn read(reader: &mut Reader) -> Option<Self> {
        // Each is read before any is missed, so that all problems are found.
        let record = reader.required(
            "record",
            "not set. Give its URL, such as configmap://flink/orders or file:///var/lib/savepointd/orders, by --record, \
             SAVEPOINTD_RECORD or the configuration file",
            RecordUrl::parse,
        );
        let id = reader.optional("cluster.id", schema::cluster_id);
        let client = Client::read(reader);
        let linger = reader.get("stop.linger", |text| schema::unless_off(text, schema::positive_duration));
        let flink = flink(reader);
        let savepoints = reader.optional("savepoint.directory", directory_url);
        let format = reader.get("savepoint.format", SavepointFormat::parse);
        let interval = reader.get("savepoint.interval", |text| schema::unless_off(text, schema::positive_duration));
        let drain = reader.get("savepoint.drain", schema::boolean);
        let checkpoints = reader.optional("checkpoint.directory", directory_url);
        let parallel = reader.get("session.parallel", schema::at_once);
        let on_no_state = reader.get("restore.on_no_state", OnNoState::parse);
        let on_broken = reader.get("restore.on_broken", OnBroken::parse);
        let on_unverifiable = reader.get("restore.on_unverifiable", OnUnverifiable::parse);
        let on_failed = reader.get("restore.on_failed", OnFailed::parse);
        let attempts = reader.get("restore.attempts", schema::attempts);
        let max_state_age =
            reader.get("restore.max_state_age", |text| schema::unless_off(text, schema::positive_duration));
        let allow_non_restored_state = reader.get("restore.allow_non_restored_state", schema::boolean);
        let storage = storage_options(reader);
        let keep = reader.get("retention.keep", schema::count);
        let max_age = reader.get("retention.max_age", |text| schema::unless_off(text, schema::positive_duration));
        let on_leftover = reader.get("ha.on_leftover", OnLeftover::parse);
        let handover = reader.get("handover", Handover::parse);
        let pod = Pod {
            name: reader.optional("pod.name", schema::word),
            namespace: reader.optional("pod.namespace", schema::word),
            uid: reader.optional("pod.uid", schema::word),
            ip: reader.optional("pod.ip", schema::ip),
        };
        let address = reader.get("admin.address", |text| schema::unless_off(text, schema::address));
        let client = client?;
        Some(Self {
            record: record?,
            cluster: Cluster { id },
            socket: client.socket,
            control_socket: client.control_socket,
            flink: flink?,
            savepoint: Savepoint { directory: savepoints, format: format?, interval: interval?, drain: drain? },
            checkpoint: Checkpoint { directory: checkpoints },
            session: SessionCluster { parallel: parallel? },
            stop: Stop { linger: linger?, ..client.stop },
            storage: storage?,
            restore: Restore {
                on_no_state: on_no_state?,
                on_broken: on_broken?,
                on_unverifiable: on_unverifiable?,
                on_failed: on_failed?,
                attempts: attempts?,
                max_state_age: max_state_age?,
                allow_non_restored_state: allow_non_restored_state?,
            },
            retention: Retention { keep: keep?, max_age: max_age? },
            ha: HighAvailability { on_leftover: on_leftover? },
            handover: handover?,
            pod,
            guard: client.guard,
            termination_log: client.termination_log,
            admin: Admin { address: address? },
            log: client.log,
        })
    }
}

/// Loads how stores are reached, for those who need no record, from the same sources as [`Config::load`]. Values of other keys
/// are not checked.
///
/// # Errors
///
/// As for [`Config::load`].
pub fn load_storage(
    file: Option<&Path>,
    env: impl Iterator<Item = (String, String)>,
    flags: Flags,
) -> Result<Options, Error> {
    let mut reader = Reader::open(file, env, flags)?;
    let options = storage_options(&mut reader);
    reader.finish(options)
}

fn flink(reader: &mut Reader) -> Option<Flink> {
    let url = reader.get("flink.url", schema::flink_url);
    let ca = reader.optional("flink.ca", schema::absolute_path);
    let server_name = reader.optional("flink.server_name", schema::host);
    let certificate = reader.optional("flink.certificate", schema::absolute_path);
    let key = reader.optional("flink.key", schema::absolute_path);
    let user = reader.optional("flink.user", schema::word);
    let password = reader.optional("flink.password_file", schema::absolute_path);
    let job_id = reader.get("flink.job_id", JobIdPolicy::parse);
    let without_run = reader.get("flink.without_run", WithoutRun::parse);
    let mut both = |left: bool, right: bool, keys: (&str, &str)| {
        if left != right {
            let (given, missing) = if left { keys } else { (keys.1, keys.0) };
            let variable = env::variable(missing);
            reader.conflict(given, &format!("is of no use without {missing} ({variable}): set both or neither"));
        }
    };
    both(certificate.is_some(), key.is_some(), ("flink.certificate", "flink.key"));
    both(user.is_some(), password.is_some(), ("flink.user", "flink.password_file"));
    Some(Flink {
        url: url?,
        url_is_set: reader.is_set("flink.url"),
        ca,
        server_name,
        identity: certificate.zip(key),
        user: user.zip(password),
        job_id: job_id?,
        without_run: without_run?,
    })
}

fn storage_options(reader: &mut Reader) -> Option<Options> {
    let endpoint = reader.optional("storage.endpoint", schema::endpoint);
    let region = reader.optional("storage.region", schema::word);
    let namenode = reader.optional("storage.namenode", schema::endpoints);
    let ca = reader.optional("storage.ca", schema::absolute_path);
    let timeout = reader.get("storage.timeout", schema::positive_duration);
    Some(Options { endpoint, region, namenode, ca, timeout: timeout? })
}

impl Client {
    /// Loads what does not need a record, from the same sources as [`Config::load`]. Values of other keys are not checked.
    ///
    /// # Errors
    ///
    /// As for [`Config::load`].
    pub fn load(file: Option<&Path>, env: impl Iterator<Item = (String, String)>, flags: Flags) -> Result<Self, Error> {
        let mut reader = Reader::open(file, env, flags)?;
        let client = Self::read(&mut reader);
        reader.finish(client)
    }

    fn read(reader: &mut Reader) -> Option<Self> {
        let socket = reader.get("socket", schema::socket);
        let control_socket = reader.get("control_socket", schema::socket);
        let grace = reader.get("stop.grace", schema::positive_duration);
        let reserve = reader.get("stop.reserve", schema::duration);
        let agent = reader.optional("guard.agent", schema::host_and_port);
        let settle = reader.get("guard.settle", schema::duration);
        let before = reader.get("guard.checkpoint", |text| schema::unless_off(text, schema::positive_duration));
        let recovery = reader.get("flink.recovery", Recovery::parse);
        let termination_log = reader.get("pod.termination_log", schema::absolute_path);
        let format = reader.get("log.format", LogFormat::parse);
        let level = reader.get("log.level", LogLevel::parse);
        let (socket, control_socket) = (socket?, control_socket?);
        let stop = Stop { grace: grace?, reserve: reserve?, linger: None };
        if stop.reserve >= stop.grace {
            reader.conflict("stop.reserve", &format!("expected less than {}", reader.place("stop.grace")));
        }
        if socket == control_socket {
            reader.conflict("control_socket", &format!("expected another path than {}", reader.place("socket")));
        }
        let guard = Guard { agent, settle: settle?, checkpoint: before?, recovery: recovery? };
        Some(Self {
            socket,
            control_socket,
            stop,
            guard,
            termination_log: termination_log?,
            log: Log { format: format?, level: level? },
        })
    }
}

/// This process's environment. A variable of ours that is no text is wrong and stays so; others' may be what they like.
pub fn environment() -> impl Iterator<Item = (String, String)> {
    let text = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
    std::env::vars_os().map(move |(name, value)| (text(name), text(value)))
}

/// Every key, in the order of the documentation.
pub fn keys() -> impl Iterator<Item = &'static str> {
    KEYS.iter().map(|key| key.name)
}

/// The cluster id for a record without one: readable, and different for different records.
#[must_use]
pub fn default_cluster_id(record_url: &str) -> String {
    let name = record_url.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    let name: String = name
        .chars()
        .map(|letter| if letter.is_ascii_alphanumeric() || matches!(letter, '.' | '_' | '-') { letter } else { '-' })
        .take(91)
        .collect();
    let [a, b, c, d, ..]: [u8; 32] = Sha256::digest(record_url.as_bytes()).into();
    format!("{name}-{:08x}", u32::from_be_bytes([a, b, c, d]))
}

#[cfg(test)]
mod tests;
