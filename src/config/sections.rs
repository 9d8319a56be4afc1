//! What each section of the configuration says.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use super::schema::{
    Exchange, JobIdPolicy, LogFormat, LogLevel, OnBroken, OnFailed, OnLeftover, OnNoState, OnUnverifiable, Recovery,
    SavepointFormat, WithoutRun,
};

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
    /// What is started when it is exchanged.
    pub exchange: Exchange,
}

/// Which cluster this is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cluster {
    /// Its id; `None` leaves it to [`super::default_cluster_id`].
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
