//! A TaskManager's JVM as Flink's start scripts had left it: what an exchange starts in place of the scripts.
//!
//! They end by `exec`, so that the child becomes the JVM. Before that they start up to three others (`BashJavaUtils`, Flink 1.20), which
//! compute the same command line again, and take longer than the TaskManager itself. Whatever is not the scripts' own work is a reason
//! to run them again: a variable that they do not set may be a credential that expires.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, io};

use nix::unistd::{Pid, geteuid};

/// What such a JVM runs, in an image and in native mode.
const CLASSES: [&str; 2] = [
    "org.apache.flink.runtime.taskexecutor.TaskManagerRunner",
    "org.apache.flink.kubernetes.taskmanager.KubernetesTaskExecutorRunner",
];
/// Variables that Flink's scripts, its image's entrypoint and bash itself set, by their beginnings.
const SCRIPTS_OWN: [&str; 13] = [
    "FLINK_",
    "_FLINK_",
    "JVM_ARGS",
    "JAVA_HOME",
    "JAVA_RUN",
    "DYNAMIC_PARAMETERS",
    "MAX_LOG_FILE_NUMBER",
    "ROOT_LOG_LEVEL",
    "HADOOP_",
    "INTERNAL_HADOOP_",
    "YARN_CONF_DIR",
    "HBASE_CONF_DIR",
    // An allocator that the image has.
    "LD_PRELOAD",
];
const BASHS_OWN: [&str; 4] = ["_", "PWD", "OLDPWD", "SHLVL"];
type Environment = BTreeMap<OsString, OsString>;

/// A command line with all that belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Jvm {
    program: PathBuf,
    words: Vec<OsString>,
    environment: Environment,
    directory: PathBuf,
}

impl Jvm {
    /// The TaskManager's JVM that this child of ours has become, if it can be started again by itself.
    pub(super) fn of(child: Pid) -> Option<Self> {
        let own = std::env::vars_os().collect();
        match seen(child) {
            Ok(seen) => seen.filter(|jvm| jvm.is_made_by_flinks_scripts_alone(&own)),
            Err(error) => {
                tracing::debug!(%error, "the TaskManager's process can't be looked at; its command is started anew");
                None
            }
        }
    }

    fn is_made_by_flinks_scripts_alone(&self, own: &Environment) -> bool {
        let is_scripts = |name: &OsString| {
            let name = name.to_string_lossy();
            BASHS_OWN.contains(&name.as_ref()) || SCRIPTS_OWN.iter().any(|begin| name.starts_with(begin))
        };
        let differs = |name: &&OsString| self.environment.get(*name) != own.get(*name);
        let mut differing = self.environment.keys().chain(own.keys()).filter(differs);
        self.program.file_name().is_some_and(|name| name == "java")
            && self.words.iter().any(|word| CLASSES.iter().any(|class| word == class))
            && differing.all(is_scripts)
    }

    /// What starts it.
    pub(super) fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        if let Some((name, arguments)) = self.words.split_first() {
            command.arg0(name).args(arguments);
        }
        command.env_clear().envs(&self.environment).current_dir(&self.directory);
        command
    }
}

/// What the kernel tells of a process. None of one that runs as another user, which scripts with the right to can bring about, or that
/// writes elsewhere (`env.stdout-err.redirect-to-file`).
fn seen(pid: Pid) -> io::Result<Option<Jvm>> {
    let of = |name: &str| PathBuf::from(format!("/proc/{pid}/{name}"));
    if fs::metadata(of(""))?.uid() != geteuid().as_raw() {
        return Ok(None);
    }
    for output in ["fd/1", "fd/2"] {
        if fs::read_link(of(output))? != fs::read_link(Path::new("/proc/self").join(output))? {
            return Ok(None);
        }
    }
    let (words, environment) = (strings(&fs::read(of("cmdline"))?), strings(&fs::read(of("environ"))?));
    Ok(Some(Jvm {
        program: fs::read_link(of("exe"))?,
        words,
        environment: environment.into_iter().filter_map(variable).collect(),
        directory: fs::read_link(of("cwd"))?,
    }))
}

/// Strings that end with a zero byte each.
fn strings(bytes: &[u8]) -> Vec<OsString> {
    let bytes = bytes.strip_suffix(&[0]).unwrap_or(bytes);
    bytes.split(|byte| *byte == 0).map(|string| OsString::from_vec(string.to_vec())).collect()
}

fn variable(text: OsString) -> Option<(OsString, OsString)> {
    let mut name = text.into_vec();
    let at = name.iter().position(|byte| *byte == b'=')?;
    let value = name.split_off(at + 1);
    name.pop();
    Some((OsString::from_vec(name), OsString::from_vec(value)))
}

#[cfg(test)]
mod tests {
    use std::process::Stdio;

    use super::*;

    fn variables(text: &str) -> Environment {
        text.split_whitespace().filter_map(|word| variable(word.into())).collect()
    }

    fn jvm(program: &str, line: &str, environment: &str) -> Jvm {
        Jvm {
            program: program.into(),
            words: line.split(' ').map(OsString::from).collect(),
            environment: variables(environment),
            directory: "/opt/flink".into(),
        }
    }

    const LINE: &str =
        "/usr/bin/java -Xmx1g org.apache.flink.runtime.taskexecutor.TaskManagerRunner --configDir /opt/flink/conf";

    #[test]
    fn only_what_flinks_scripts_alone_have_made_is_started_without_them() {
        let own = variables("PATH=/bin HOSTNAME=tm SHLVL=0 SECRET=s");
        let set = "PATH=/bin HOSTNAME=tm SHLVL=2 PWD=/opt SECRET=s _=/usr/bin/java JVM_ARGS=-Xmx1g FLINK_LIB_DIR=/opt/flink/lib";
        let native = LINE.replace(CLASSES[0], CLASSES[1]);
        for (program, line, environment, begins) in [
            ("/usr/lib/jvm/bin/java", LINE, set.to_owned(), true),
            ("/usr/lib/jvm/bin/java", native.as_str(), set.to_owned(), true),
            ("/usr/lib/jvm/bin/java", LINE, format!("{set} LD_PRELOAD=/usr/lib/libjemalloc.so"), true),
            // A script that waits for its child; something else that is a JVM.
            ("/bin/bash", LINE, set.to_owned(), false),
            ("/usr/lib/jvm/bin/java", "/usr/bin/java own.Main", set.to_owned(), false),
            // What somebody else's script has set, changed or taken away.
            ("/usr/lib/jvm/bin/java", LINE, format!("{set} TOKEN=expires"), false),
            ("/usr/lib/jvm/bin/java", LINE, set.replace("SECRET=s", "SECRET=t"), false),
            ("/usr/lib/jvm/bin/java", LINE, set.replace("SECRET=s", ""), false),
            ("/usr/lib/jvm/bin/java", LINE, format!("{set} FLINK_X=y"), true),
        ] {
            let jvm = jvm(program, line, &environment);
            assert_eq!(jvm.is_made_by_flinks_scripts_alone(&own), begins, "{jvm:?}");
        }
    }

    #[test]
    fn a_process_is_seen_as_it_was_started() {
        // It waits for its input.
        let mut command = Command::new("cat");
        command.args(["-", "", "a b"]).env_clear().env("A", "b=c\n").current_dir("/").stdin(Stdio::piped());
        let mut child = command.arg0("java").spawn().unwrap();
        let pid = Pid::from_raw(child.id().cast_signed());
        let jvm = seen(pid).unwrap().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(jvm.program.is_file(), "{jvm:?}");
        assert_eq!(jvm.words, ["java", "-", "", "a b"]);
        assert_eq!(jvm.environment, Environment::from([("A".into(), "b=c\n".into())]));
        assert_eq!(jvm.directory, Path::new("/"));
        let again = jvm.command();
        assert_eq!(again.get_args().collect::<Vec<_>>(), ["-", "", "a b"]);
        assert_eq!(again.get_current_dir(), Some(Path::new("/")));
        assert!(Jvm::of(pid).is_none());
        let mut elsewhere = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let there = seen(Pid::from_raw(elsewhere.id().cast_signed())).unwrap();
        elsewhere.kill().unwrap();
        elsewhere.wait().unwrap();
        assert_eq!(there, None);
    }
}
