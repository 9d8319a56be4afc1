//! A TaskManager's command line: where its options go, and what its configuration says.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::flink::setup::{self, SetupError};
use crate::protocol::shell;

/// How long a TaskManager waits before it looks for its JobManager again. Flink's default are 10 s, which one that is up
/// before the new JobManager would sit out. A plain number: Flink up to 1.17 reads no unit here.
const RETRY: (&str, &str) = ("cluster.registration.error-delay", "500");
/// How long a TaskManager waits for a JobManager that does not come back; Flink's default are 50 s.
const PATIENCE: &str = "heartbeat.timeout";
/// A fresh TaskManager is up in less.
const SHORT: Duration = Duration::from_secs(10);
const RPC_ADDRESS_KEY: &str = "jobmanager.rpc.address";
const RPC_PORT_KEY: &str = "jobmanager.rpc.port";
/// Under high availability this one counts, where it is set: else Flink takes any free port, which nobody knows.
const HA_PORT_KEY: &str = "high-availability.jobmanager.port";
/// The script that native mode starts.
const NATIVE_SCRIPT: &str = "kubernetes-taskmanager.sh";

/// What is started, and where its JobManager is to be found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Prepared {
    pub(super) argv: Vec<String>,
    /// The host of the JobManager, where the configuration names it.
    pub(super) host: Option<String>,
    pub(super) rpc_port: u16,
    /// Whether the TaskManager finds the next JobManager by itself in about the time that a fresh one needs.
    pub(super) finds_soon: bool,
    /// Whether nothing but Flink's own scripts runs before the TaskManager's JVM.
    pub(super) by_flinks_scripts_alone: bool,
}

impl Prepared {
    /// Where nothing can be learnt.
    pub(super) fn as_it_is(argv: &[String]) -> Self {
        Self {
            argv: argv.to_vec(),
            host: None,
            rpc_port: setup::RPC_PORT,
            finds_soon: false,
            by_flinks_scripts_alone: false,
        }
    }
}

/// A command line that is recognised as a TaskManager's.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Launch {
    options: Vec<String>,
    begin: Begin,
    /// Whether the image's `docker-entrypoint.sh` runs, which edits the configuration first.
    entrypoint: bool,
    /// The start script, unless the entrypoint's mode word stands for it.
    script: Option<PathBuf>,
    /// Whether nothing else comes before that.
    alone: bool,
}

/// Where a TaskManager's options begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Begin {
    /// With the word of this number.
    Word(usize),
    /// At this place in the last word, a string for a shell.
    Text(usize),
}

fn launch(argv: &[String]) -> Option<Launch> {
    hidden(argv).or_else(|| plain(argv))
}

fn plain(argv: &[String]) -> Option<Launch> {
    let mut entrypoint = false;
    for (index, token) in argv.iter().enumerate() {
        let next = argv.get(index + 1).map(String::as_str);
        let (words, entrypoint, script) = match (token.rsplit('/').next().unwrap_or(token), next) {
            ("docker-entrypoint.sh", Some("taskmanager")) => (2, true, None),
            ("docker-entrypoint.sh", _) => {
                entrypoint = true;
                continue;
            }
            ("taskmanager.sh", Some("start-foreground")) => (2, entrypoint, Some(token.into())),
            (NATIVE_SCRIPT, _) => (1, entrypoint, Some(token.into())),
            _ => continue,
        };
        let begin = index + words;
        let options = argv.get(begin..).unwrap_or_default().to_vec();
        let alone = argv.iter().take(index).all(|word| word.ends_with("docker-entrypoint.sh"));
        return Some(Launch { options, begin: Begin::Word(begin), entrypoint, script, alone });
    }
    None
}

/// The command as Flink's native mode writes it: `bash -c "kubernetes-taskmanager.sh …"`. Its configuration is a `ConfigMap`, which
/// no entrypoint can write into.
fn hidden(argv: &[String]) -> Option<Launch> {
    let (text, before) = argv.split_last()?;
    if !before.last()?.starts_with('-') {
        return None;
    }
    text.match_indices(NATIVE_SCRIPT).find_map(|(at, _)| {
        let begin = at + NATIVE_SCRIPT.len();
        let (head, options) = text.split_at_checked(begin)?;
        let script = head.rsplit([' ', '\t']).next().filter(|word| word.rsplit('/').next() == Some(NATIVE_SCRIPT))?;
        (options.is_empty() || options.starts_with([' ', '\t'])).then(|| Launch {
            options: shell::readable(options),
            begin: Begin::Text(begin),
            entrypoint: false,
            script: Some(script.into()),
            alone: is_flinks_own(before) && head.strip_prefix("exec ").unwrap_or(head) == script,
        })
    })
}

/// Whether these words before a shell's string are a shell with its option, at most behind the image's entrypoint.
fn is_flinks_own(before: &[String]) -> bool {
    let shell = match before.split_first() {
        Some((first, rest)) if first.ends_with("docker-entrypoint.sh") => rest,
        _ => before,
    };
    matches!(shell, [shell, _] if shell.ends_with("bash"))
}

impl Launch {
    /// Puts an option before the others.
    fn add(&self, option: String, argv: &mut Vec<String>) {
        match self.begin {
            Begin::Word(index) => argv.insert(index, option),
            Begin::Text(at) => {
                if let Some(text) = argv.last_mut() {
                    text.insert_str(at, &format!(" {option}"));
                }
            }
        }
    }
}

/// The value of the last `-Dkey=value` or `-D key=value`: of repeated ones Flink takes that.
fn dynamic<'a>(options: &'a [String], key: &str) -> Option<&'a str> {
    let mut found = None;
    let mut tokens = options.iter();
    while let Some(token) = tokens.next() {
        let property = match token.strip_prefix("-D") {
            Some("") => tokens.next().map(String::as_str),
            attached => attached,
        };
        if let Some((name, value)) = property.and_then(|property| property.split_once('='))
            && name == key
        {
            found = Some(value);
        }
    }
    found
}

/// Learns what the child's configuration says, and lets the child look for its JobManager more often, where nobody said how
/// often it should. A command line that is not recognised stays as it is.
///
/// # Errors
/// [`SetupError`], if the configuration is there but can't be read.
pub(super) fn prepare(
    argv: &[String],
    fast: bool,
    env: &dyn Fn(&str) -> Option<String>,
    read: &dyn Fn(&Path) -> io::Result<String>,
) -> Result<Prepared, SetupError> {
    let mut argv = argv.to_vec();
    let launch = launch(&argv);
    let script = launch.as_ref().and_then(|launch| launch.script.as_deref());
    let entrypoint = launch.as_ref().is_some_and(|launch| launch.entrypoint);
    let keys = [RPC_ADDRESS_KEY, RPC_PORT_KEY, RETRY.0, PATIENCE, HA_PORT_KEY];
    let [address, port, retry, patience, ha_port] = setup::look_up(script, entrypoint, env, read, keys)?;
    let options = launch.as_ref().map(|launch| launch.options.as_slice()).unwrap_or_default();
    let given = |key, configured: Option<String>| dynamic(options, key).map(str::to_owned).or(configured);
    let host = given(RPC_ADDRESS_KEY, address);
    let rpc_port = given(HA_PORT_KEY, ha_port)
        .or_else(|| given(RPC_PORT_KEY, port))
        .and_then(|port| port.parse().ok())
        .unwrap_or(setup::RPC_PORT);
    let patience = given(PATIENCE, patience);
    let finds_soon = patience.as_deref().and_then(duration).is_some_and(|patience| patience <= SHORT);
    let is_set = given(RETRY.0, retry).is_some();
    let by_flinks_scripts_alone = launch.as_ref().is_some_and(|launch| launch.alone);
    if let Some(launch) = launch.filter(|_| fast && !is_set) {
        launch.add(format!("-D{}={}", RETRY.0, RETRY.1), &mut argv);
    }
    Ok(Prepared { argv, host, rpc_port, finds_soon, by_flinks_scripts_alone })
}

/// A duration as Flink writes it: a number, of milliseconds if nothing else is said. Of the units those that a timeout may
/// have.
fn duration(text: &str) -> Option<Duration> {
    let unit = text.trim_start_matches(|letter: char| letter.is_ascii_digit());
    let number: u64 = text.strip_suffix(unit)?.parse().ok()?;
    match unit.trim() {
        "" | "ms" | "milli" | "millis" | "millisecond" | "milliseconds" => Some(Duration::from_millis(number)),
        "s" | "sec" | "secs" | "second" | "seconds" => Some(Duration::from_secs(number)),
        "m" | "min" | "minute" | "minutes" => number.checked_mul(60).map(Duration::from_secs),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDED: &str = "-Dcluster.registration.error-delay=500";

    fn words(line: &str) -> Vec<String> {
        line.split(' ').map(|word| word.replace('_', " ")).collect()
    }

    fn prepared(line: &str, file: &str, env: &[(&str, &str)]) -> Prepared {
        let env = |name: &str| {
            let set = env.iter().chain([&("FLINK_CONF_DIR", "/c")]).find(|(known, _)| *known == name);
            set.map(|(_, value)| (*value).to_owned())
        };
        let read = |path: &Path| match path.to_str() {
            Some("/c/config.yaml") => Ok(file.to_owned()),
            _ => Err(io::ErrorKind::NotFound.into()),
        };
        prepare(&words(line), true, &env, &read).unwrap()
    }

    #[test]
    fn the_retry_stands_behind_the_mode_word_unless_somebody_set_it() {
        for (line, file, env, added) in [
            ("/docker-entrypoint.sh taskmanager", "", "", Some(2)),
            ("tini -g -- /docker-entrypoint.sh taskmanager -Da=b", "", "", Some(5)),
            ("/opt/flink/bin/taskmanager.sh start-foreground -Da=b", "", "", Some(2)),
            ("/docker-entrypoint.sh bin/taskmanager.sh start-foreground", "", "", Some(3)),
            ("kubernetes-taskmanager.sh -Da=b", "", "", Some(1)),
            ("/docker-entrypoint.sh taskmanager", "cluster.registration.error-delay: 1 s", "", None),
            ("/docker-entrypoint.sh taskmanager", "", "cluster.registration.error-delay: 7", None),
            ("/x/taskmanager.sh start-foreground", "", "cluster.registration.error-delay: 7", Some(2)),
            ("/docker-entrypoint.sh taskmanager -D cluster.registration.error-delay=1", "", "", None),
            ("/docker-entrypoint.sh taskmanager -Dcluster.registration.error-delay=1", "", "", None),
            ("bash kubernetes-taskmanager.sh_-Da=b", "", "", None),
            ("taskmanager.sh start", "", "", None),
            ("sleep 1", "", "", None),
        ] {
            let argv = prepared(line, file, &[("FLINK_PROPERTIES", env)]).argv;
            let mut expected = words(line);
            if let Some(at) = added {
                expected.insert(at, ADDED.to_owned());
            }
            assert_eq!(argv, expected);
        }
    }

    #[test]
    fn in_native_mode_the_retry_stands_in_the_shells_string() {
        let before = ["/docker-entrypoint.sh", "bash", "-c"];
        for (text, expected) in [
            ("kubernetes-taskmanager.sh", "kubernetes-taskmanager.sh +"),
            // The dollar is Flink's own: it quotes values, not keys.
            (
                "kubernetes-taskmanager.sh -Dweb.tmpdir='/a b' -D$internal.pipeline.job-id='1' -D x=1b ",
                "kubernetes-taskmanager.sh + -Dweb.tmpdir='/a b' -D$internal.pipeline.job-id='1' -D x=1b ",
            ),
            ("exec /x/kubernetes-taskmanager.sh -Da=b", "exec /x/kubernetes-taskmanager.sh + -Da=b"),
            (
                "kubernetes-taskmanager.sh -D$a=b -Dcluster.registration.error-delay='1 s'",
                "kubernetes-taskmanager.sh -D$a=b -Dcluster.registration.error-delay='1 s'",
            ),
            ("own-kubernetes-taskmanager.sh", "own-kubernetes-taskmanager.sh"),
            ("kubernetes-taskmanager.sh.old -Da=b", "kubernetes-taskmanager.sh.old -Da=b"),
        ] {
            let argv = |text: String| before.into_iter().map(str::to_owned).chain([text]).collect::<Vec<_>>();
            let read = |_: &Path| Err(io::ErrorKind::NotFound.into());
            let prepared = prepare(&argv(text.to_owned()), true, &|_| None, &read).unwrap();
            assert_eq!(prepared.argv, argv(expected.replace('+', ADDED)));
        }
        let line = "bash -c kubernetes-taskmanager.sh_-Djobmanager.rpc.address='a'_-D$b='c'_-D_jobmanager.rpc.port=7001_-Dheartbeat.timeout='5_s'";
        let prepared = prepared(line, "jobmanager.rpc.address: file\n", &[("JOB_MANAGER_RPC_ADDRESS", "variable")]);
        assert_eq!((prepared.host.as_deref(), prepared.rpc_port, prepared.finds_soon), (Some("a"), 7001, true));
    }

    #[test]
    fn what_else_runs_before_flinks_scripts_is_seen() {
        for (line, alone) in [
            ("/docker-entrypoint.sh taskmanager", true),
            ("/docker-entrypoint.sh bin/taskmanager.sh start-foreground", true),
            ("/opt/flink/bin/taskmanager.sh start-foreground", true),
            ("kubernetes-taskmanager.sh -Da=b", true),
            ("bash -c kubernetes-taskmanager.sh_-Da=b", true),
            ("/docker-entrypoint.sh bash -c exec_kubernetes-taskmanager.sh_-Da=b", true),
            ("/docker-entrypoint.sh bash -c kinit_&&_kubernetes-taskmanager.sh", false),
            ("/own.sh bash -c kubernetes-taskmanager.sh", false),
            ("/own.sh /docker-entrypoint.sh taskmanager", false),
            ("/own.sh taskmanager", false),
            ("sleep 1", false),
        ] {
            assert_eq!(prepared(line, "", &[]).by_flinks_scripts_alone, alone, "{line}");
        }
    }

    #[test]
    fn a_short_heartbeat_finds_the_next_job_manager_soon() {
        for (timeout, soon) in [
            ("", false),
            ("50000", false),
            ("50 s", false),
            ("1 min", false),
            ("6000", true),
            ("6s", true),
            ("10 s", true),
            ("10001 ms", false),
            ("1 d", false),
            ("soon", false),
        ] {
            let file = if timeout.is_empty() { String::new() } else { format!("heartbeat.timeout: {timeout}\n") };
            assert_eq!(prepared("/docker-entrypoint.sh taskmanager", &file, &[]).finds_soon, soon, "{timeout}");
        }
        let line = "/docker-entrypoint.sh taskmanager -Dheartbeat.timeout=5000";
        assert!(prepared(line, "heartbeat.timeout: 50000\n", &[]).finds_soon);
    }

    #[test]
    fn the_job_manager_is_where_the_task_manager_will_look_for_it() {
        let file = "jobmanager.rpc.address: file\njobmanager.rpc.port: 7000\n";
        let script = "/x/taskmanager.sh start-foreground";
        let image = "/docker-entrypoint.sh taskmanager";
        for (line, file, env, host, port) in [
            (script, file, &[] as &[(&str, &str)], Some("file"), 7000),
            (script, "", &[], None, 6123),
            (script, file, &[("JOB_MANAGER_RPC_ADDRESS", "variable")], Some("file"), 7000),
            (image, file, &[("JOB_MANAGER_RPC_ADDRESS", "variable")], Some("variable"), 7000),
            // Mounted read-only, the file keeps its address; written over, the TaskManager would look for itself.
            (image, file, &[], Some("file"), 7000),
            (script, "high-availability.jobmanager.port: 6200\n", &[], None, 6200),
            (image, file, &[("FLINK_PROPERTIES", "jobmanager.rpc.address: property")], Some("property"), 7000),
            (
                "/docker-entrypoint.sh taskmanager -Djobmanager.rpc.address=a -D jobmanager.rpc.address=b",
                file,
                &[],
                Some("b"),
                7000,
            ),
        ] {
            let prepared = prepared(line, file, env);
            assert_eq!((prepared.host.as_deref(), prepared.rpc_port), (host, port), "{line} {env:?}");
        }
    }
}
