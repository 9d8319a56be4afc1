//! The configuration: defaults, one TOML file, the environment, flags; later ones win.
//!
//! The environment and the flags are handed in, so that nothing here depends on the process. `SAVEPOINTD_SECTION__KEY` sets
//! `section.key`; an empty variable counts as not set; `SAVEPOINTD_LOG` is short for `SAVEPOINTD_LOG__LEVEL`, and
//! `SAVEPOINTD_CONFIG` names the file where no flag does. All problems are reported at once.

mod env;
mod error;
mod flags;
mod keys;
mod reader;
mod schema;
mod secret;
mod sections;

use std::path::{Path, PathBuf};

use crate::storage::Options;
use sha2::{Digest, Sha256};

pub use error::{Error, Problem};
pub use flags::{Flags, Origin, Setting};
pub use keys::{KEYS, Key, KeyDefault};
use reader::Reader;
pub use schema::{
    DEFAULT_SOCKET, Exchange, Handover, JobIdPolicy, LogFormat, LogLevel, OnBroken, OnFailed, OnLeftover, OnNoState,
    OnUnverifiable, RecordKind, RecordUrl, Recovery, SavepointFormat, WithoutRun, directory_url,
    duration as parse_duration,
};
pub use secret::without_secrets;
pub use sections::{
    Admin, Checkpoint, Cluster, Flink, Guard, HighAvailability, Log, Pod, Restore, Retention, Savepoint,
    SessionCluster, Stop,
};

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
        let exchange = reader.get("guard.exchange", Exchange::parse);
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
        let guard = Guard { agent, settle: settle?, checkpoint: before?, recovery: recovery?, exchange: exchange? };
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
