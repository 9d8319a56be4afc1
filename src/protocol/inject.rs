//! Puts the decision of a start into Flink's command line.
//!
//! Options go directly behind the mode word: anywhere later they might stand behind a token that Flink does not know and silently
//! become program arguments. What the user's own options say about the same things is taken out first, so that nothing stale wins:
//! of a repeated `--fromSavepoint` Flink takes the first, of a repeated `-D` the last.
//!
//! Native application mode knows `-D` alone, and, other than `standalone-job`, lets it say everything. Keys that were renamed are given
//! under both names, as the version is not known yet.

use super::native::Native;
use super::options::{Given, Launch, LaunchError, Mode, Name, launch};

const RESTORE_PATH_KEYS: [&str; 2] = ["execution.state-recovery.path", "execution.savepoint.path"];
const RETENTION_KEY: &str = "execution.checkpointing.externalized-checkpoint-retention";
const SHUTDOWN_KEY: &str = "execution.shutdown-on-application-finish";
const IGNORE_UNCLAIMED_KEYS: [&str; 2] =
    ["execution.state-recovery.ignore-unclaimed-state", "execution.savepoint.ignore-unclaimed-state"];
const CLAIM_MODE_KEYS: [&str; 2] = ["execution.state-recovery.claim-mode", "execution.savepoint-restore-mode"];
const JOB_ID_KEY: &str = "$internal.pipeline.job-id";

/// What a start puts into Flink's command line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Injection {
    /// The point to restore from; `None` starts fresh.
    pub restore: Option<String>,
    /// Lets Flink drop state that the program has no operator for. `false` leaves the user's own flag alone.
    pub allow_non_restored_state: bool,
    /// The job id of this start, 32 hexadecimal digits; `None` leaves the user's.
    pub job_id: Option<String>,
    /// Keeps checkpoints when the job is cancelled or the `JobManager` ends: without it they are deleted on SIGTERM.
    pub retention: bool,
    /// Keeps the `JobManager` up when the application is over, so that it ends when we say so.
    pub keep_running: bool,
    /// A restore path in Flink's configuration or `FLINK_PROPERTIES`, which no option can take back. It stops a fresh start.
    pub configured_path: Option<String>,
}

/// Why nothing can be injected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InjectError {
    /// The real command is hidden in a string for a shell.
    #[error(
        "can't add options to a command inside a shell string; give the command as a list, for example [\"/docker-entrypoint.sh\", \"standalone-job\", …], found: {}",
        argv.join(" ")
    )]
    ShellString {
        /// The command line as it was given.
        argv: Vec<String>,
    },
    /// Not a command line of an application cluster.
    #[error(
        "unknown command; supported are \"docker-entrypoint.sh standalone-job …\", \"standalone-job.sh start-foreground …\" and \"kubernetes-jobmanager.sh kubernetes-application …\", found: {}",
        argv.join(" ")
    )]
    Unsupported {
        /// The command line as it was given.
        argv: Vec<String>,
    },
    /// A fresh start was decided, but Flink would restore what its configuration names.
    #[error(
        "can't start fresh while Flink's configuration sets execution.state-recovery.path or execution.savepoint.path; remove it there: {path}"
    )]
    ConfiguredPath {
        /// The path in the configuration.
        path: String,
    },
    /// A session cluster has no restore path: each job that is submitted to it has its own.
    #[error("a session cluster restores nothing by itself: submit a job with {path} as its restore path")]
    Session {
        /// What was to be restored.
        path: String,
    },
    /// Flink would read the value as an option, or as none.
    #[error("not a value for {option}: {value:?}")]
    Value {
        /// The option that was to carry the value.
        option: &'static str,
        /// The value.
        value: String,
    },
}

/// The command line to run in place of `argv`.
///
/// Program arguments are left exactly as they are. Injecting the same twice changes nothing.
///
/// # Errors
///
/// [`InjectError`], when the decision can't be expressed in this command line. Nothing must be started then: Flink would start with
/// other state than was decided.
pub fn inject(argv: &[String], injection: &Injection) -> Result<Vec<String>, InjectError> {
    match Native::of(argv) {
        Some(native) => Ok(native.with(&inject_words(native.words(), injection)?)),
        None => inject_words(argv, injection),
    }
}

fn inject_words(argv: &[String], injection: &Injection) -> Result<Vec<String>, InjectError> {
    let launch = launch(argv).map_err(|error| match error {
        LaunchError::ShellString => InjectError::ShellString { argv: argv.to_vec() },
        LaunchError::Unknown => InjectError::Unsupported { argv: argv.to_vec() },
    })?;
    let (ours, is_ours): (_, fn(&Given, &Injection) -> bool) = match launch.mode {
        Mode::StandaloneJob => (standalone(injection)?, is_standalone),
        Mode::KubernetesApplication => (native(injection)?, is_native),
        Mode::Session => return session(&launch, injection),
    };
    if let (None, Some(path)) = (&injection.restore, &injection.configured_path) {
        return Err(InjectError::ConfiguredPath { path: path.clone() });
    }
    let kept = launch.options.iter().filter(|given| !is_ours(given, injection)).flat_map(Given::tokens);
    Ok(launch.head.iter().cloned().chain(ours).chain(kept.chain(launch.program).cloned()).collect())
}

/// A session cluster restores nothing by itself, but jobs that are submitted over its REST API take its configuration for their default.
///
/// `jobmanager.sh` takes what comes first for a host name unless it is `-D` alone, so the option stands last, in two words (measured with
/// Flink 1.20.5, and the same in the scripts of 1.15 and 2.3).
fn session(launch: &Launch, injection: &Injection) -> Result<Vec<String>, InjectError> {
    if let Some(path) = &injection.restore {
        return Err(InjectError::Session { path: path.clone() });
    }
    let is_ours = |given: &Given| given.property().is_some_and(|(key, _)| injection.retention && key == RETENTION_KEY);
    let kept = launch.options.iter().filter(|given| !is_ours(given)).flat_map(Given::tokens);
    let ours = ["-D".to_owned(), format!("{RETENTION_KEY}=RETAIN_ON_CANCELLATION")];
    let (before, behind) = split_off(launch.program, injection, &ours);
    let ours = ours.iter().filter(|_| injection.retention);
    Ok(launch.head.iter().chain(kept).chain(before).chain(behind).chain(ours).cloned().collect())
}

/// What was put behind host and port already is not put there again.
fn split_off<'a>(program: &'a [String], injection: &Injection, ours: &[String]) -> (&'a [String], &'a [String]) {
    let at = program.windows(ours.len()).position(|words| injection.retention && words == ours);
    match at.and_then(|at| Some((program.get(..at)?, program.get(at + ours.len()..)?))) {
        Some(parts) => parts,
        None => (program, &[]),
    }
}

fn standalone(injection: &Injection) -> Result<Vec<String>, InjectError> {
    let mut tokens = Vec::new();
    for (option, value) in [("--fromSavepoint", &injection.restore), ("--job-id", &injection.job_id)] {
        if let Some(value) = value {
            tokens.extend([option.to_owned(), checked(option, value)?.clone()]);
        }
    }
    if injection.allow_non_restored_state {
        tokens.push("--allowNonRestoredState".to_owned());
    }
    tokens.extend(lifetime(injection));
    Ok(tokens)
}

fn is_standalone(given: &Given, injection: &Injection) -> bool {
    match given.name() {
        Name::FromSavepoint => true,
        Name::AllowNonRestoredState => injection.allow_non_restored_state,
        Name::JobId => injection.job_id.is_some(),
        Name::Dynamic => {
            given.property().is_some_and(|(key, _)| RESTORE_PATH_KEYS.contains(&key) || is_lifetime(key, injection))
        }
        _ => false,
    }
}

fn native(injection: &Injection) -> Result<Vec<String>, InjectError> {
    let mut tokens = Vec::new();
    let mut set = |keys: &[&str], value: &str| tokens.extend(keys.iter().map(|key| format!("-D{key}={value}")));
    if let Some(path) = &injection.restore {
        set(&RESTORE_PATH_KEYS, checked("execution.state-recovery.path", path)?);
        // A point that Flink may delete is none. `standalone-job` knows no other mode.
        set(&CLAIM_MODE_KEYS, "NO_CLAIM");
    }
    if injection.allow_non_restored_state {
        set(&IGNORE_UNCLAIMED_KEYS, "true");
    }
    if let Some(job_id) = &injection.job_id {
        set(&[JOB_ID_KEY], checked(JOB_ID_KEY, job_id)?);
    }
    tokens.extend(lifetime(injection));
    Ok(tokens)
}

fn is_native(given: &Given, injection: &Injection) -> bool {
    given.property().is_some_and(|(key, _)| {
        RESTORE_PATH_KEYS.contains(&key)
            || (injection.restore.is_some() && CLAIM_MODE_KEYS.contains(&key))
            || (injection.allow_non_restored_state && IGNORE_UNCLAIMED_KEYS.contains(&key))
            || (injection.job_id.is_some() && key == JOB_ID_KEY)
            || is_lifetime(key, injection)
    })
}

/// What keeps checkpoints and the `JobManager` until we say so.
fn lifetime(injection: &Injection) -> Vec<String> {
    let retention = injection.retention.then(|| format!("-D{RETENTION_KEY}=RETAIN_ON_CANCELLATION"));
    retention.into_iter().chain(injection.keep_running.then(|| format!("-D{SHUTDOWN_KEY}=false"))).collect()
}

fn is_lifetime(key: &str, injection: &Injection) -> bool {
    (injection.retention && key == RETENTION_KEY) || (injection.keep_running && key == SHUTDOWN_KEY)
}

fn checked<'a>(option: &'static str, value: &'a String) -> Result<&'a String, InjectError> {
    if value.is_empty() || value.starts_with('-') {
        return Err(InjectError::Value { option, value: value.clone() });
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    const JOB_ID: &str = "00000000000000000000000000000001";

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    fn restore() -> Injection {
        Injection { restore: Some("file:///sp/1".to_owned()), ..Injection::default() }
    }

    fn everything() -> Injection {
        Injection {
            allow_non_restored_state: true,
            job_id: Some(JOB_ID.to_owned()),
            retention: true,
            keep_running: true,
            ..restore()
        }
    }

    #[test]
    fn the_decision_stands_directly_behind_the_mode_word() {
        for (before, injection, after) in [
            (
                "/docker-entrypoint.sh standalone-job",
                restore(),
                "/docker-entrypoint.sh standalone-job --fromSavepoint file:///sp/1",
            ),
            (
                "/docker-entrypoint.sh standalone-job -j X --arg v",
                restore(),
                "/docker-entrypoint.sh standalone-job --fromSavepoint file:///sp/1 -j X --arg v",
            ),
            (
                "tini -- /opt/flink/bin/standalone-job.sh start-foreground -j X",
                everything(),
                "tini -- /opt/flink/bin/standalone-job.sh start-foreground --fromSavepoint file:///sp/1 --job-id 00000000000000000000000000000001 --allowNonRestoredState -Dexecution.checkpointing.externalized-checkpoint-retention=RETAIN_ON_CANCELLATION -Dexecution.shutdown-on-application-finish=false -j X",
            ),
        ] {
            assert_eq!(inject(&words(before), &injection), Ok(words(after)));
        }
    }

    #[test]
    fn nothing_stale_is_left() {
        let head = "/docker-entrypoint.sh standalone-job";
        for (stale, injection, left) in [
            ("-s old", Injection::default(), ""),
            ("--fromSavepoint=old -j X", Injection::default(), "-j X"),
            (
                "-sold -fromSavepoint old -D execution.savepoint.path=old -Dexecution.state-recovery.path=old -Da=b",
                Injection::default(),
                "-Da=b",
            ),
            ("-nsold", Injection::default(), "-n"),
            ("--job-id j -n", Injection::default(), "--job-id j -n"),
            (
                "-Dexecution.shutdown-on-application-finish=true",
                Injection::default(),
                "-Dexecution.shutdown-on-application-finish=true",
            ),
            ("-j X -s old -x -s mine", Injection::default(), "-j X -x -s mine"),
        ] {
            assert_eq!(
                inject(&words(&format!("{head} {stale}")), &injection),
                Ok(words(&format!("{head} {left}"))),
                "{stale}"
            );
        }
        let argv = words(&format!(
            "{head} -jid old -n -D execution.shutdown-on-application-finish=true -Dexecution.checkpointing.externalized-checkpoint-retention=DELETE_ON_CANCELLATION"
        ));
        assert_eq!(inject(&argv, &everything()), inject(&words(head), &everything()));
    }

    #[test]
    fn a_session_cluster_is_told_to_retain_and_nothing_else() {
        let ours = "-D execution.checkpointing.externalized-checkpoint-retention=RETAIN_ON_CANCELLATION";
        let injection = Injection { keep_running: true, retention: true, ..Injection::default() };
        for (before, after) in [
            ("/docker-entrypoint.sh jobmanager", "/docker-entrypoint.sh jobmanager"),
            ("bin/jobmanager.sh start-foreground -D a=b", "bin/jobmanager.sh start-foreground -D a=b"),
            (
                "bin/jobmanager.sh start-foreground host 8081 -D a=b",
                "bin/jobmanager.sh start-foreground host 8081 -D a=b",
            ),
            (
                "docker-entrypoint.sh jobmanager -D execution.checkpointing.externalized-checkpoint-retention=NONE -D a=b",
                "docker-entrypoint.sh jobmanager -D a=b",
            ),
        ] {
            let once = inject(&words(before), &injection).unwrap();
            assert_eq!(once, words(&format!("{after} {ours}")));
            assert_eq!(inject(&once, &injection), Ok(once));
        }
        assert!(
            inject(&words("docker-entrypoint.sh jobmanager"), &Injection { retention: true, ..restore() }).is_err()
        );
    }

    /// All command lines of up to three pieces: enough to hold every order of what is ours, what is Flink's and what is the program's.
    #[test]
    fn for_every_command_line_the_program_is_untouched_and_twice_is_once() {
        const HEADS: [&str; 4] = [
            "/docker-entrypoint.sh standalone-job",
            "/x/bin/standalone-job.sh start-foreground",
            "tini -- docker-entrypoint.sh standalone-job",
            "gosu flink bash standalone-job.sh start-foreground",
        ];
        const PIECES: [&str; 12] = [
            "",
            "-s P",
            "--fromSavepoint=P",
            "-n",
            "-jid J",
            "-D execution.savepoint.path=P",
            "-Dexecution.shutdown-on-application-finish=true",
            "-Dk=v",
            "-j X",
            "-nsP",
            "--jars a,b -j X",
            "-r 8082",
        ];
        const PROGRAMS: [&str; 5] = [
            "",
            "run -s P --fromSavepoint Q -n",
            "--unknown --job-id J",
            "-- -s P",
            "--restoreMode CLAIM -Dexecution.savepoint.path=P",
        ];
        for head in HEADS {
            for (first, second, third) in
                PIECES.iter().flat_map(|a| PIECES.iter().flat_map(move |b| PIECES.iter().map(move |c| (a, b, c))))
            {
                for program in PROGRAMS {
                    let argv = words(&format!("{head} {first} {second} {third} {program}"));
                    for injection in [Injection::default(), restore(), everything()] {
                        let once = inject(&argv, &injection).unwrap();
                        assert_eq!(inject(&once, &injection).as_ref(), Ok(&once), "{argv:?}");
                        assert!(once.starts_with(&words(head)), "{argv:?}");
                        assert!(once.ends_with(&words(program)), "{argv:?} became {once:?}");
                        let parsed = launch(&once).unwrap();
                        assert_eq!(parsed.program, words(program), "{argv:?} became {once:?}");
                        let paths: Vec<_> =
                            parsed.options.iter().filter(|given| given.name() == Name::FromSavepoint).collect();
                        assert_eq!(paths.len(), usize::from(injection.restore.is_some()), "{once:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn native_mode_is_told_by_properties_in_the_shells_string() {
        let native = |string: &str| {
            vec!["/docker-entrypoint.sh".to_owned(), "bash".to_owned(), "-c".to_owned(), string.to_owned()]
        };
        let script = "kubernetes-jobmanager.sh kubernetes-application";
        let path = "-Dexecution.state-recovery.path=file:///sp/1 -Dexecution.savepoint.path=file:///sp/1 \
                    -Dexecution.state-recovery.claim-mode=NO_CLAIM -Dexecution.savepoint-restore-mode=NO_CLAIM";
        let rest = "-Dexecution.state-recovery.ignore-unclaimed-state=true -Dexecution.savepoint.ignore-unclaimed-state=true \
                    '-D$internal.pipeline.job-id=00000000000000000000000000000001' \
                    -Dexecution.checkpointing.externalized-checkpoint-retention=RETAIN_ON_CANCELLATION \
                    -Dexecution.shutdown-on-application-finish=false";
        for (before, injection, after) in [
            (String::new(), restore(), format!("{script} {path}")),
            (" -Dk=v".to_owned(), everything(), format!("{script} {path} {rest} -Dk=v")),
            (
                " -Dexecution.savepoint.path=old '-D$internal.pipeline.job-id=x' -Dexecution.savepoint-restore-mode=CLAIM".to_owned(),
                everything(),
                format!("{script} {path} {rest}"),
            ),
            (" -Dexecution.savepoint.path=old \"-Dk=$\"".replace('$', "v w"), Injection::default(), format!("{script} '-Dk=v w'")),
            (" -Dexecution.savepoint-restore-mode=CLAIM".to_owned(), Injection::default(), format!("{script} -Dexecution.savepoint-restore-mode=CLAIM")),
        ] {
            let once = inject(&native(&format!("{script}{before}")), &injection);
            assert_eq!(once, Ok(native(&after)), "{before}");
            assert_eq!(inject(&once.unwrap(), &injection), Ok(native(&after)), "twice is once");
        }
        let direct = inject(&words(&format!("{script} -Dk=v")), &restore()).unwrap();
        assert_eq!(direct, words(&format!("{script} {path} -Dk=v")));
        for hidden in
            ["kubernetes-jobmanager.sh kubernetes-application $MORE", "kubernetes-jobmanager.sh kubernetes-session"]
        {
            assert!(matches!(inject(&native(hidden), &restore()), Err(InjectError::ShellString { .. })), "{hidden}");
        }
    }

    #[test]
    fn what_can_not_be_injected_is_refused_with_advice() {
        let text = |line: &str, injection: &Injection| inject(&words(line), injection).unwrap_err().to_string();
        assert!(
            text("bash -c x", &restore())
                .starts_with("can't add options to a command inside a shell string; give the command as a list")
        );
        assert!(text("/docker-entrypoint.sh jobmanager", &restore()).contains("a session cluster restores nothing"));
        assert!(text("java -jar x.jar", &restore()).contains("standalone-job.sh start-foreground"));

        let configured = Injection { configured_path: Some("file:///old".to_owned()), ..Injection::default() };
        assert!(text("/docker-entrypoint.sh standalone-job", &configured).starts_with("can't start fresh while"));
        let overridden = Injection { restore: Some("file:///new".to_owned()), ..configured };
        assert!(inject(&words("/docker-entrypoint.sh standalone-job"), &overridden).is_ok());
        let hyphen = Injection { restore: Some("-n".to_owned()), ..Injection::default() };
        assert!(text("/docker-entrypoint.sh standalone-job", &hyphen).starts_with("not a value for --fromSavepoint"));
    }
}
