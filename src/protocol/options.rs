//! A Flink command line, read the way Flink reads it.
//!
//! `standalone-job` parses with commons-cli's `DefaultParser` and stops at the first token that it does not know: from there on
//! everything belongs to the program, even `--fromSavepoint`. Whoever adds or removes options has to draw that line exactly where
//! Flink draws it, so the parser's habits are kept: abbreviated long options, long options with one hyphen, attached values.
//!
//! The table is the union of what Flink 1.14 to 2.3 know. `-jars` is unknown before 1.19, `-h` and `-r` since 2.0; a program that
//! is given one of these as *its* first argument on such a version is the one case in which the line is drawn too late.

use std::path::Path;

/// The options of `standalone-job`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Name {
    /// `-c`, `--configDir`. Without effect from outside: the start script puts its own in front, and the first wins.
    ConfigDir,
    /// `-Dkey=value`, `-D key=value`.
    Dynamic,
    /// `-h`, `--host`: the RPC address, until Flink 1.20.
    Host,
    /// `-j`, `--job-classname`.
    JobClassname,
    /// `-jars`, `--jars`, since Flink 1.19.
    /// Takes every token up to the next option.
    Jars,
    /// `-jid`, `--job-id`.
    JobId,
    /// `-n`, `--allowNonRestoredState`.
    AllowNonRestoredState,
    /// `-r`, `--webui-port`: the REST port, until Flink 1.20.
    WebuiPort,
    /// `-s`, `--fromSavepoint`.
    FromSavepoint,
}

struct Spec {
    name: Name,
    short: &'static str,
    long: Option<&'static str>,
    /// How many values the option takes at most.
    values: usize,
}

const fn spec(name: Name, short: &'static str, long: Option<&'static str>, values: usize) -> Spec {
    Spec { name, short, long, values }
}

const SPECS: [Spec; 9] = [
    spec(Name::ConfigDir, "c", Some("configDir"), 1),
    spec(Name::Dynamic, "D", None, 2),
    spec(Name::Host, "h", Some("host"), 1),
    spec(Name::JobClassname, "j", Some("job-classname"), 1),
    spec(Name::Jars, "jars", Some("jars"), usize::MAX),
    spec(Name::JobId, "jid", Some("job-id"), 1),
    spec(Name::AllowNonRestoredState, "n", Some("allowNonRestoredState"), 0),
    spec(Name::WebuiPort, "r", Some("webui-port"), 1),
    spec(Name::FromSavepoint, "s", Some("fromSavepoint"), 1),
];

/// One option as it stands on a command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    name: Name,
    values: Vec<String>,
    tokens: Vec<String>,
    open: usize,
}

impl Given {
    fn new(spec: &Spec, token: String) -> Self {
        Self { name: spec.name, values: Vec::new(), tokens: vec![token], open: spec.values }
    }

    /// Like commons-cli: a `-D` splits at its first `=`, and one without may take its value from the next token.
    fn take(&mut self, value: &str) {
        if let (Name::Dynamic, [], Some((key, value))) = (self.name, self.values.as_slice(), value.split_once('=')) {
            self.values = vec![key.to_owned(), value.to_owned()];
            self.open = 0;
        } else {
            self.values.push(value.to_owned());
            self.open = self.open.saturating_sub(1);
        }
    }

    fn attached(mut self, value: &str) -> Self {
        self.take(value);
        self.open = 0;
        self
    }

    /// Which option this is.
    #[must_use]
    pub fn name(&self) -> Name {
        self.name
    }

    /// The value, if the option has one and it was given.
    #[must_use]
    pub fn value(&self) -> Option<&str> {
        self.values.first().map(String::as_str)
    }

    /// Key and value of a `-D`. As in Flink a key without a value is `true`.
    #[must_use]
    pub fn property(&self) -> Option<(&str, &str)> {
        let key = self.value().filter(|_| self.name == Name::Dynamic)?;
        Some((key, self.values.get(1).map_or("true", String::as_str)))
    }

    /// The tokens to write in order to say the same again.
    #[must_use]
    pub fn tokens(&self) -> &[String] {
        &self.tokens
    }
}

/// What the command line starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Application mode: `standalone-job`.
    StandaloneJob,
    /// Native application mode: `kubernetes-jobmanager.sh kubernetes-application`.
    KubernetesApplication,
    /// A session cluster: `jobmanager`, or native.
    Session,
}

/// A command line that starts a `JobManager`, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launch<'a> {
    /// Everything up to and including the mode word, wrappers such as `tini --` included.
    pub head: &'a [String],
    /// What is started.
    pub mode: Mode,
    /// Whether the image's `docker-entrypoint.sh` runs, which edits the configuration first.
    pub entrypoint: bool,
    /// The start script, unless the entrypoint's mode word stands for it.
    pub script: Option<&'a Path>,
    /// Flink's own options, in order.
    pub options: Vec<Given>,
    /// The program's arguments: from the first token that Flink does not know.
    pub program: &'a [String],
}

/// Why a command line can't be taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LaunchError {
    /// The command hides in one string for a shell.
    #[error("the command is a string for a shell (-c)")]
    ShellString,
    /// No known entrypoint, or one with another mode word.
    #[error("no JobManager entrypoint with a known mode word")]
    Unknown,
}

/// Takes a command line apart.
///
/// # Errors
///
/// [`LaunchError`], when it does not start a `JobManager` or when a shell stands between.
pub fn launch(argv: &[String]) -> Result<Launch<'_>, LaunchError> {
    let mut entrypoint = false;
    let mut shell = false;
    for (index, token) in argv.iter().enumerate() {
        if shell && is_command_flag(token) {
            return Err(LaunchError::ShellString);
        }
        shell = (shell && token.starts_with('-')) || is_shell(base(token));

        let word = argv.get(index + 1).map(String::as_str);
        let (mode, script) = match (base(token), word) {
            ("docker-entrypoint.sh", Some("standalone-job")) => (Mode::StandaloneJob, None),
            ("docker-entrypoint.sh", Some("jobmanager")) => (Mode::Session, None),
            // Anything else than a mode word is passed through, after the configuration was edited.
            ("docker-entrypoint.sh", _) => {
                entrypoint = true;
                continue;
            }
            ("standalone-job.sh", Some("start-foreground")) => (Mode::StandaloneJob, Some(Path::new(token))),
            ("jobmanager.sh", Some("start-foreground")) | ("kubernetes-jobmanager.sh", Some("kubernetes-session")) => {
                (Mode::Session, Some(Path::new(token)))
            }
            ("kubernetes-jobmanager.sh", Some("kubernetes-application")) => {
                (Mode::KubernetesApplication, Some(Path::new(token)))
            }
            ("standalone-job.sh" | "jobmanager.sh" | "kubernetes-jobmanager.sh", _) => {
                return Err(LaunchError::Unknown);
            }
            // An image's own script in front of Flink's takes the same words.
            (script, Some("standalone-job")) if index == 0 || script.strip_suffix(".sh").is_some() => {
                (Mode::StandaloneJob, None)
            }
            _ => continue,
        };
        let (head, rest) = argv.split_at_checked(index + 2).ok_or(LaunchError::Unknown)?;
        let (options, program) = split(rest);
        return Ok(Launch { head, mode, entrypoint: entrypoint || script.is_none(), script, options, program });
    }
    Err(LaunchError::Unknown)
}

fn base(token: &str) -> &str {
    token.rsplit('/').next().unwrap_or(token)
}

fn is_shell(name: &str) -> bool {
    matches!(name, "sh" | "bash" | "dash" | "ash" | "zsh" | "ksh" | "busybox")
}

/// `-c`, also among others, as in `bash -lc`.
fn is_command_flag(token: &str) -> bool {
    token.strip_prefix('-').is_some_and(|flags| !flags.starts_with('-') && flags.contains('c'))
}

fn split(arguments: &[String]) -> (Vec<Given>, &[String]) {
    let mut options: Vec<Given> = Vec::new();
    let mut program = arguments;
    while let Some((token, rest)) = program.split_first() {
        if token == "--" {
            break;
        }
        match options.last_mut().filter(|last| last.open > 0 && is_argument(token)) {
            Some(last) => {
                last.take(token);
                last.tokens.push(token.clone());
            }
            None => match recognise(token) {
                Some(found) => options.extend(found),
                None => break,
            },
        }
        program = rest;
    }
    (options, program)
}

fn short(name: &str) -> Option<&'static Spec> {
    SPECS.iter().find(|spec| spec.short == name)
}

fn short_char(name: char) -> Option<&'static Spec> {
    SPECS.iter().find(|spec| spec.short.chars().eq([name]))
}

/// Whether `name` is a long option or abbreviates at least one.
fn resembles_long(name: &str) -> bool {
    SPECS.iter().any(|spec| spec.long.is_some_and(|long| long.starts_with(name)))
}

/// The long option called `name`, or the only one that `name` abbreviates. Flink refuses an ambiguous one, so nothing follows it.
fn long(name: &str) -> Option<&'static Spec> {
    let mut candidates = SPECS.iter().filter(|spec| spec.long.is_some_and(|long| long.starts_with(name)));
    let first = candidates.next()?;
    if candidates.next().is_none() {
        return Some(first);
    }
    SPECS.iter().find(|spec| spec.long == Some(name))
}

/// `-hostNAME`: a long option behind one hyphen with its value attached.
fn long_prefix(text: &str) -> Option<(&'static Spec, &str)> {
    SPECS.iter().find_map(|spec| {
        let value = text.strip_prefix(spec.long?)?;
        (value.chars().count() > 1 && spec.values > 0).then_some((spec, value))
    })
}

/// A token that looks like an option is never the value of the option before it, unless it is a number.
fn is_argument(token: &str) -> bool {
    let Some(text) = token.strip_prefix('-').filter(|text| !text.is_empty()) else {
        return true;
    };
    let name = text.split_once('=').map_or(text, |(name, _)| name);
    let option = resembles_long(name.strip_prefix('-').unwrap_or(name))
        || (!token.starts_with("--") && long_prefix(text).is_some())
        || short(name).is_some()
        || name.chars().next().and_then(short_char).is_some();
    !option || token.parse::<f64>().is_ok()
}

fn recognise(token: &str) -> Option<Vec<Given>> {
    if let Some(text) = token.strip_prefix("--") {
        return long_form(text, token).map(|given| vec![given]);
    }
    let text = token.strip_prefix('-').filter(|text| !text.is_empty())?;
    let given = match text.split_once('=') {
        Some((name, value)) if name.chars().count() == 1 => {
            let spec = short(name).filter(|spec| spec.values > 0)?;
            Given::new(spec, token.to_owned()).attached(value)
        }
        None if short(text).is_some() => Given::new(short(text)?, token.to_owned()),
        None if resembles_long(text) => long_form(text, token)?,
        None if long_prefix(text).is_some() => {
            let (spec, value) = long_prefix(text)?;
            Given::new(spec, token.to_owned()).attached(value)
        }
        _ => match text.strip_prefix('D') {
            Some(property) => Given::new(short("D")?, token.to_owned()).attached(property),
            None if text.contains('=') => long_form(text, token)?,
            None => return concatenated(text),
        },
    };
    Some(vec![given])
}

fn long_form(text: &str, token: &str) -> Option<Given> {
    match text.split_once('=') {
        Some((name, value)) => {
            let spec = long(name).filter(|spec| spec.values > 0)?;
            Some(Given::new(spec, token.to_owned()).attached(value))
        }
        None => Some(Given::new(long(text)?, token.to_owned())),
    }
}

/// `-nsPATH`: short options in one token. They get tokens of their own, so that one can be taken out.
fn concatenated(text: &str) -> Option<Vec<Given>> {
    let mut found = Vec::new();
    let mut rest = text.chars();
    while let Some(letter) = rest.next() {
        let spec = short_char(letter)?;
        let mut given = Given::new(spec, format!("-{letter}"));
        let value = rest.as_str();
        if spec.values > 0 && !value.is_empty() {
            given.take(value);
            given.tokens.push(value.to_owned());
            found.push(given);
            break;
        }
        found.push(given);
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn the_line_is_drawn_where_flink_draws_it() {
        for (arguments, options, program) in [
            ("", 0, ""),
            ("--job-classname X --myarg v --fromSavepoint P", 1, "--myarg v --fromSavepoint P"),
            ("-j X --restoreMode NO_CLAIM -s P", 1, "--restoreMode NO_CLAIM -s P"),
            ("--fromSavepoint=P -Da=b -D c=d program", 3, "program"),
            ("-sP -s=P -fromSavepoint P -fromSavepoint=P --fromSave P", 5, ""),
            ("-n -s P -- -s Q", 2, "-- -s Q"),
            ("-rm claim", 1, "claim"),
            ("--jars a.jar b.jar -j X arg", 2, "arg"),
            ("-D flag value rest", 1, "rest"),
            ("-s -n", 2, ""),
            ("-s", 1, ""),
            ("--job", 0, "--job"),
            ("--hostname h", 0, "--hostname h"),
            ("-nsP arg", 2, "arg"),
            ("-nx arg", 0, "-nx arg"),
            ("- -s P", 0, "- -s P"),
            ("--allowNonRestoredState=true -s P", 0, "--allowNonRestoredState=true -s P"),
        ] {
            let arguments = words(arguments);
            let (found, rest) = split(&arguments);
            assert_eq!((found.len(), rest), (options, words(program).as_slice()), "{arguments:?}");
        }
    }

    #[test]
    fn values_are_found_in_every_spelling() {
        for spelling in [
            "-s P",
            "-sP",
            "-s=P",
            "--fromSavepoint P",
            "--fromSavepoint=P",
            "--from P",
            "-fromSavepoint P",
            "-nsP",
            "-ns P",
        ] {
            let arguments = words(spelling);
            let (found, _) = split(&arguments);
            let path = found.iter().find(|given| given.name() == Name::FromSavepoint).and_then(Given::value);
            assert_eq!(path, Some("P"), "{spelling}");
        }
        for (spelling, property) in [
            ("-Dk=v=w", ("k", "v=w")),
            ("-D k=v=w", ("k", "v=w")),
            ("-D=k=v", ("k", "v")),
            ("-Dk", ("k", "true")),
            ("-D k v", ("k", "v")),
            ("-Dk=", ("k", "")),
        ] {
            let arguments = words(spelling);
            let (found, _) = split(&arguments);
            assert_eq!(found.first().and_then(Given::property), Some(property), "{spelling}");
        }
    }

    #[test]
    fn launches_are_recognised_behind_wrappers() {
        for (line, head, mode, entrypoint) in [
            ("/docker-entrypoint.sh standalone-job -n", 2, Mode::StandaloneJob, true),
            ("tini -g -- /docker-entrypoint.sh standalone-job", 5, Mode::StandaloneJob, true),
            ("gosu flink bash /opt/flink/bin/standalone-job.sh start-foreground -n", 5, Mode::StandaloneJob, false),
            ("docker-entrypoint.sh standalone-job.sh start-foreground", 3, Mode::StandaloneJob, true),
            ("/docker-entrypoint.sh jobmanager", 2, Mode::Session, true),
            ("/own-entrypoint standalone-job -n", 2, Mode::StandaloneJob, true),
            ("tini -- /own/entry.sh standalone-job", 4, Mode::StandaloneJob, true),
            ("kubernetes-jobmanager.sh kubernetes-application -Da=b", 2, Mode::KubernetesApplication, false),
        ] {
            let argv = words(line);
            let launch = launch(&argv).unwrap();
            assert_eq!((launch.head.len(), launch.mode, launch.entrypoint), (head, mode, entrypoint), "{line}");
        }
    }

    #[test]
    fn what_can_not_be_taken_apart_says_why() {
        for (line, error) in [
            ("bash -c standalone-job.sh\u{a0}start-foreground", LaunchError::ShellString),
            ("/docker-entrypoint.sh bash -lc kubernetes-jobmanager.sh", LaunchError::ShellString),
            ("sh -e -c /docker-entrypoint.sh standalone-job", LaunchError::ShellString),
            ("/docker-entrypoint.sh taskmanager", LaunchError::Unknown),
            ("standalone-job.sh start", LaunchError::Unknown),
            ("/docker-entrypoint.sh", LaunchError::Unknown),
            ("", LaunchError::Unknown),
        ] {
            assert_eq!(launch(&words(line)), Err(error), "{line}");
        }
    }
}
