//! What Flink's own configuration says, learnt before Flink runs.
//!
//! The decision of a start has to know where checkpoints and savepoints lie and whether Flink itself will recover something. None of
//! that can be asked over REST before Flink runs, so the sources are read as Flink and its image's entrypoint read them. Only the
//! facts in [`Setup`] leave the container: everything else in that configuration may be a secret.

mod known;
mod properties;

use std::{
    io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::protocol::native::Native;
use crate::protocol::options::{self, Given, Launch, LaunchError, Name};
use known::{Known, disagreement};

/// Flink's default `jobmanager.rpc.port`.
pub const RPC_PORT: u16 = 6123;
/// Flink's default `rest.port`.
const REST_PORT: u16 = 8081;

const STANDARD_FILE: &str = "config.yaml";
const LEGACY_FILE: &str = "flink-conf.yaml";
const DEFAULT_DIRECTORY: &str = "/opt/flink/conf";

/// The facts that a start's decision needs. A field is `None` where nothing was configured and Flink's default applies.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Setup {
    /// What the command line starts.
    pub mode: Mode,
    /// The configuration file that was read; `None` where there is none.
    pub configuration: Option<PathBuf>,
    /// A second configuration file, which Flink ignores from 1.14 to 1.20 but which Flink 2 would read.
    pub ignored_configuration: Option<PathBuf>,
    /// Where checkpoints go, as written in the configuration.
    pub checkpoint_directory: Option<String>,
    /// Where savepoints go by default, as written in the configuration.
    pub savepoint_directory: Option<String>,
    /// The kind of high availability, as written. See [`Setup::is_highly_available`].
    pub high_availability: Option<String>,
    /// Where high availability keeps its files, as written.
    pub ha_storage_directory: Option<String>,
    /// What it tells clusters apart by.
    pub ha_cluster_id: Option<String>,
    /// The RPC port under high availability; `None` also where Flink picks any free port.
    pub ha_rpc_port: Option<u16>,
    /// Where it notes jobs that have ended, if not below its other files.
    pub ha_job_results: Option<String>,
    /// `ZooKeeper`'s path above the cluster's.
    pub ha_root: Option<String>,
    /// What Kubernetes' high availability names its `ConfigMap`s after.
    pub kubernetes_cluster_id: Option<String>,
    /// The job id that the user gave.
    pub job_id: Option<String>,
    /// The restore path that the user gave.
    pub explicit_path: Option<ExplicitPath>,
    /// The restore path that is left when all options are taken away; no injection can take back this one.
    pub configured_path: Option<String>,
    /// Whether Flink may drop state that the program has no operator for.
    pub allow_non_restored_state: bool,
    /// What becomes of checkpoints when a job ends, for example `RETAIN_ON_CANCELLATION`.
    pub retention: Option<String>,
    /// Whether the `JobManager` ends by itself when its application is over.
    pub shutdown_on_application_finish: Option<bool>,
    /// The first port that REST tries to bind; `None` also where Flink picks any free port.
    pub rest_port: Option<u16>,
    /// The address under which REST is reached.
    pub rest_address: Option<String>,
    /// The address that REST binds.
    pub rest_bind_address: Option<String>,
    /// Whether REST speaks TLS.
    pub rest_ssl: bool,
    /// Whether it then asks for a client certificate.
    #[serde(default)]
    pub rest_authentication: bool,
    /// Its cipher suites, where somebody says which.
    #[serde(default)]
    pub ssl_algorithms: Option<String>,
    /// The RPC address; `None` also where the image's entrypoint puts the container's own host name.
    pub rpc_address: Option<String>,
    /// The RPC port.
    pub rpc_port: Option<u16>,
    /// Where Flink reaches what speaks S3, as written; its credentials stay where they are.
    pub s3_endpoint: Option<String>,
    /// The region of what speaks S3.
    pub s3_region: Option<String>,
    /// What Flink replaces by random letters in the paths of data files, and takes out of those of `_metadata`.
    pub entropy_key: Option<String>,
}

impl Setup {
    /// Whether Flink recovers jobs by itself. It then ignores any restore path for a job that it still knows.
    #[must_use]
    pub fn is_highly_available(&self) -> bool {
        self.high_availability.as_deref().is_some_and(|kind| !kind.eq_ignore_ascii_case("none"))
    }

    /// The port whose being up tells that the `JobManager` is: RPC's, or REST's where RPC has any free one.
    #[must_use]
    pub fn telling_port(&self) -> u16 {
        if self.is_highly_available() {
            self.ha_rpc_port.or(self.rest_port).unwrap_or(REST_PORT)
        } else {
            self.rpc_port.unwrap_or(RPC_PORT)
        }
    }
}

/// What a command line starts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Application mode: `standalone-job`.
    StandaloneJob,
    /// Native application mode: `kubernetes-application`.
    KubernetesApplication,
    /// A session cluster.
    Session,
    /// Something else.
    #[default]
    Other,
}

impl From<options::Mode> for Mode {
    fn from(mode: options::Mode) -> Self {
        match mode {
            options::Mode::StandaloneJob => Self::StandaloneJob,
            options::Mode::KubernetesApplication => Self::KubernetesApplication,
            options::Mode::Session => Self::Session,
        }
    }
}

/// A restore path that the user gave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExplicitPath {
    /// The path as it was written.
    pub path: String,
    /// What kind of place it stands in.
    pub source: PathSource,
    /// The place in words, for example `-Dexecution.savepoint.path`.
    pub origin: String,
}

/// Where a restore path comes from. It decides what an injection can take back: all but [`PathSource::Configuration`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PathSource {
    /// `--fromSavepoint`.
    Argv,
    /// `-D`.
    Dynamic,
    /// The configuration file or `FLINK_PROPERTIES`.
    Configuration,
}

/// Why the configuration can't be learnt. A start must not go on then: unknown directories are not empty ones.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// A file is there but can't be read.
    #[error("can't read Flink's configuration {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is not YAML. Nothing of its content is shown.
    #[error("Flink's configuration {} is broken: {problem}", path.display())]
    Broken {
        /// The file.
        path: PathBuf,
        /// Place and kind of the problem.
        problem: String,
    },
    /// Two files, of which Flink up to 1.20 reads one and Flink 2 the other, and they disagree about state.
    #[error("Flink's configurations {} and {} disagree about {key}; remove the one that your Flink does not read", legacy.display(), standard.display())]
    Ambiguous {
        /// What they disagree about.
        key: &'static str,
        /// The file that Flink up to 1.20 reads.
        legacy: PathBuf,
        /// The file that Flink 2 reads.
        standard: PathBuf,
    },
}

/// Learns the facts from a command line, its environment and the configuration that it will find.
///
/// Read are, in rising order of precedence: the configuration file, `FLINK_PROPERTIES` if the image's entrypoint runs, `-D` options,
/// other options. Program arguments are never looked at. `env` gives a variable's value, `read` a file's text.
///
/// The entrypoint can't apply `FLINK_PROPERTIES` to a configuration that is mounted read-only; that it can is assumed.
///
/// # Errors
///
/// [`SetupError`], when a file is there but its facts can't be known. A missing file is no error.
pub fn learn(
    argv: &[String],
    env: &dyn Fn(&str) -> Option<String>,
    read: &dyn Fn(&Path) -> io::Result<String>,
) -> Result<Setup, SetupError> {
    let native = Native::of(argv);
    let launch = options::launch(native.as_ref().map_or(argv, Native::words));
    let (mode, entrypoint, script) = match &launch {
        // Its configuration is a ConfigMap, which no entrypoint can write into.
        Ok(launch) if launch.mode == options::Mode::KubernetesApplication => (launch.mode.into(), false, launch.script),
        Ok(launch) => (launch.mode.into(), launch.entrypoint, launch.script),
        Err(error) => {
            (hidden_mode(argv, *error), argv.iter().any(|token| token.ends_with("docker-entrypoint.sh")), None)
        }
    };
    let given = launch.as_ref().map(|launch| launch.options.as_slice()).unwrap_or_default();

    let files = Files::find(&directories(script, env), read)?;
    let mut known = Known::default();
    let mut setup = Setup { mode, ..Setup::default() };
    files.apply(&mut known, &mut setup, entrypoint, env)?;
    setup.configured_path = known.restore_path();
    for (key, value) in given.iter().filter_map(Given::property) {
        known.set(key, value, PathSource::Dynamic, &format!("-D{key}"));
    }
    known.fill(&mut setup);
    if let Ok(launch) = &launch
        && launch.mode != options::Mode::KubernetesApplication
    {
        override_by_options(&mut setup, launch);
    }
    Ok(setup)
}

/// The facts in the effective configuration of a JobManager that runs.
#[must_use]
pub fn effective(properties: &[(String, String)]) -> Setup {
    let mut known = Known::default();
    known.set_all(properties, "the JobManager's configuration");
    let mut setup = Setup { mode: Mode::StandaloneJob, ..Setup::default() };
    known.fill(&mut setup);
    setup
}

/// The values that a TaskManager will find in its configuration for `keys`, `-D` options left aside. `script` is its start
/// script, where there is one; `entrypoint` says whether the image's entrypoint runs before it.
///
/// # Errors
///
/// [`SetupError`], when a file is there but can't be read.
pub fn look_up<const N: usize>(
    script: Option<&Path>,
    entrypoint: bool,
    env: &dyn Fn(&str) -> Option<String>,
    read: &dyn Fn(&Path) -> io::Result<String>,
    keys: [&str; N],
) -> Result<[Option<String>; N], SetupError> {
    let known = |entrypoint| {
        let mut known = Known::default();
        Files::find(&directories(script, env), read)?.apply(&mut known, &mut Setup::default(), entrypoint, env)?;
        Ok(known)
    };
    // The entrypoint writes over the JobManager's address even where it is told none, unless the file is mounted read-only.
    // A TaskManager that looks for its JobManager in its own container is nobody's wish: the file's address counts.
    let (file, known) = (known(false)?, known(entrypoint)?);
    Ok(keys.map(|key| known.value(&[key]).or_else(|| file.value(&[key]))))
}

/// The mode behind a shell string, as Flink's own native mode writes it.
fn hidden_mode(argv: &[String], error: LaunchError) -> Mode {
    let has = |word| error == LaunchError::ShellString && argv.iter().any(|token| token.contains(word));
    match () {
        () if has("kubernetes-application") => Mode::KubernetesApplication,
        () if has("kubernetes-session") => Mode::Session,
        () => Mode::Other,
    }
}

/// Where the start scripts look: what they are told, else beside themselves.
fn directories(script: Option<&Path>, env: &dyn Fn(&str) -> Option<String>) -> Vec<PathBuf> {
    let set = |name| env(name).filter(|value| !value.is_empty());
    if let Some(directory) = set("FLINK_CONF_DIR") {
        return vec![directory.into()];
    }
    let beside = script.and_then(Path::parent).and_then(Path::parent).map(|home| home.join("conf"));
    let home = set("FLINK_HOME").map(|home| Path::new(&home).join("conf"));
    beside.into_iter().chain(home).chain([DEFAULT_DIRECTORY.into()]).collect()
}

#[derive(Default)]
struct Files {
    standard: Option<(PathBuf, String)>,
    legacy: Option<(PathBuf, String)>,
}

impl Files {
    fn find(directories: &[PathBuf], read: &dyn Fn(&Path) -> io::Result<String>) -> Result<Self, SetupError> {
        let open = |path: PathBuf| match read(&path) {
            Ok(text) => Ok(Some((path, text))),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
            Err(source) => Err(SetupError::Unreadable { path, source }),
        };
        for directory in directories {
            let found =
                Self { standard: open(directory.join(STANDARD_FILE))?, legacy: open(directory.join(LEGACY_FILE))? };
            if found.standard.is_some() || found.legacy.is_some() {
                return Ok(found);
            }
        }
        Ok(Self::default())
    }

    /// Where both files are there, Flink up to 1.20 reads the legacy one: an image brings a `config.yaml` that says nothing about
    /// state, and a `flink-conf.yaml` beside it was mounted on purpose.
    fn apply(
        self,
        known: &mut Known,
        setup: &mut Setup,
        entrypoint: bool,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<(), SetupError> {
        let appended = env("FLINK_PROPERTIES").filter(|_| entrypoint).unwrap_or_default();
        let standard = self.standard.map(|(path, text)| match properties::standard(&text) {
            Ok(properties) => Ok((path, properties)),
            Err(problem) => Err(SetupError::Broken { path, problem }),
        });
        let standard = standard.transpose()?;
        let rpc_address = env("JOB_MANAGER_RPC_ADDRESS").filter(|address| !address.is_empty());

        let Some((path, text)) = self.legacy else {
            if let Some((path, properties)) = standard {
                known.set_all(&properties, &path.display().to_string());
                setup.configuration = Some(path);
            }
            known.entrypoint(entrypoint, rpc_address);
            known.set_all(&properties::variable(&appended, env), "FLINK_PROPERTIES");
            return Ok(());
        };
        // The entrypoint substitutes in the whole file, not only in what it appends.
        let expand = |text: &str| {
            if entrypoint { properties::substitute(text, env) } else { text.to_owned() }
        };
        let properties = properties::legacy(&expand(&text));
        if let Some((standard, others)) = standard {
            if let Some(key) = disagreement(&properties, &others) {
                return Err(SetupError::Ambiguous { key, legacy: path, standard });
            }
            setup.ignored_configuration = Some(standard);
        }
        known.set_all(&properties, &path.display().to_string());
        known.entrypoint(entrypoint, rpc_address);
        known.set_all(&properties::legacy(&expand(&appended)), "FLINK_PROPERTIES");
        setup.configuration = Some(path);
        Ok(())
    }
}

/// Options that are not `-D` win over all of the configuration; of a repeated one the first counts.
fn override_by_options(setup: &mut Setup, launch: &Launch<'_>) {
    for given in launch.options.iter().rev() {
        match (given.name(), given.value()) {
            (Name::AllowNonRestoredState, _) => setup.allow_non_restored_state = true,
            (Name::JobId, Some(id)) => setup.job_id = Some(id.to_owned()),
            (Name::Host, Some(host)) => setup.rpc_address = Some(host.to_owned()),
            (Name::WebuiPort, Some(port)) => {
                setup.rest_port = port.parse().ok().filter(|port| *port > 0);
            }
            (Name::FromSavepoint, Some(path)) => {
                setup.explicit_path = Some(ExplicitPath {
                    path: path.to_owned(),
                    source: PathSource::Argv,
                    origin: "--fromSavepoint".to_owned(),
                });
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
