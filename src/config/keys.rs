//! Every key: its default, what may be set, who goes by it, and what it means. The README's table is made of this.

use KeyDefault::{Value, Words};

use super::schema::DEFAULT_SOCKET;

/// One key of the configuration.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// As `section.key`.
    pub name: &'static str,
    /// What applies where nobody sets it.
    pub default: KeyDefault,
    /// What may be set, in words.
    pub values: &'static str,
    /// Who goes by it, in words: `agent` and `commands` read all of the configuration, others their own part.
    pub readers: &'static str,
    /// What it means, as Markdown.
    pub meaning: &'static str,
}

/// What applies where nobody sets a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyDefault {
    /// This value.
    Value(&'static str),
    /// What these words say, as Markdown.
    Words(&'static str),
}

impl Key {
    /// The default that stands in the configuration as if it had been set.
    pub(super) fn value(&self) -> Option<&'static str> {
        match self.default {
            Value(value) => Some(value),
            Words(_) => None,
        }
    }
}

const fn key(
    name: &'static str,
    default: KeyDefault,
    values: &'static str,
    readers: &'static str,
    meaning: &'static str,
) -> Key {
    Key { name, default, values, readers, meaning }
}

/// All of them, in the order of the documentation.
pub const KEYS: &[Key] = &[
    key(
        "record",
        Words("required"),
        "URL",
        "agent",
        "where the record lies: `configmap://NAMESPACE/NAME` (`configmap:///NAME`: the pod's own namespace), `s3://BUCKET/PATH` or another store, or `file:///PATH`",
    ),
    key(
        "cluster.id",
        Words("from the record's URL, in a ConfigMap with the namespace's UID"),
        "name",
        "agent",
        "tells the cluster from every other one; outlives pods, workloads and names",
    ),
    key(
        "socket",
        Value(DEFAULT_SOCKET),
        "path",
        "agent, run, drain",
        "where `run` meets the agent; `run --agent` uses a private directory",
    ),
    key(
        "control_socket",
        Value("/run/savepointd/control.sock"),
        "path",
        "agent, commands",
        "where the commands meet the agent",
    ),
    key(
        "flink.url",
        Value("http://127.0.0.1:8081"),
        "URL",
        "agent",
        "Flink's REST API; where nobody sets it, the port comes from Flink's configuration",
    ),
    key(
        "flink.ca",
        Words("none"),
        "path",
        "agent",
        "a PEM file with the certificates to trust where `flink.url` is `https://`: Flink's own, or that of its issuer; nothing else is trusted",
    ),
    key(
        "flink.server_name",
        Words("the URL's host"),
        "host name",
        "agent",
        "the name in Flink's certificate, where the URL has another, such as 127.0.0.1",
    ),
    key(
        "flink.certificate",
        Words("none"),
        "path",
        "agent",
        "a PEM file with the client certificate that Flink asks for (`security.ssl.rest.authentication-enabled`)",
    ),
    key("flink.key", Words("none"), "path", "agent", "a PEM file with its key"),
    key(
        "flink.user",
        Words("none"),
        "name",
        "agent",
        "the name for a proxy before Flink that asks for one (HTTP basic authentication)",
    ),
    key("flink.password_file", Words("none"), "path", "agent", "a file with its password"),
    key(
        "flink.job_id",
        Value("derived"),
        "`derived`, `flink`",
        "agent",
        "whose job id a start uses: one made of cluster and epoch, or Flink's own",
    ),
    key(
        "flink.recovery",
        Value("fast"),
        "`fast`, `flink`",
        "guard",
        "how a TaskManager that stays comes to the next JobManager: exchanged at once for a fresh one, or as Flink does it, after its heartbeat's timeout",
    ),
    key(
        "flink.without_run",
        Value("refuse"),
        "`refuse`, `warn`, `cancel`",
        "agent",
        "a JobManager whose entrypoint can't be wrapped: refused, or adopted as it runs, where a job that runs from something else than the newest point is told of or cancelled",
    ),
    key(
        "savepoint.directory",
        Words("Flink's own"),
        "URL or path",
        "agent",
        "where savepoints go, as `<directory>/<cluster>/<epoch>/`",
    ),
    key("savepoint.format", Value("native"), "`native`, `canonical`", "agent", "the format of the final savepoint"),
    key(
        "savepoint.interval",
        Value("off"),
        "duration, `off`",
        "agent",
        "so often a savepoint is taken while the job goes on",
    ),
    key(
        "savepoint.drain",
        Value("false"),
        "`true`, `false`",
        "agent",
        "emit the maximum watermark before the final savepoint: for a job's last stop",
    ),
    key("checkpoint.directory", Words("Flink's own"), "URL or path", "agent", "only if the job's code sets another"),
    key(
        "session.parallel",
        Value("32"),
        "1 to 1000",
        "agent",
        "of a cluster that runs several jobs, so many are stopped at the same time",
    ),
    key("stop.grace", Value("30s"), "duration", "agent, guard", "from the signal to the kill, where no pod tells it"),
    key(
        "stop.reserve",
        Value("3s"),
        "duration",
        "agent, guard",
        "kept back of it, for the record and the JobManager's end; shorter than `stop.grace`",
    ),
    key(
        "stop.linger",
        Value("off"),
        "duration",
        "agent",
        "how long the job may go on after SIGTERM until its pod's replacement waits at the gate",
    ),
    key(
        "storage.endpoint",
        Words("Flink's own, else the store's"),
        "URL",
        "agent, verify",
        "where to reach what speaks S3. Flink's (`s3.endpoint`) is not known yet when the record is opened: for a record in such a store say it here",
    ),
    key(
        "storage.region",
        Words("Flink's own, else the store's"),
        "name",
        "agent, verify",
        "the region of what speaks S3",
    ),
    key(
        "storage.namenode",
        Words("port 9870 of the URL's host"),
        "URLs",
        "agent, verify",
        "where HDFS's NameNodes serve HTTP, or a gateway that takes a user's name (HttpFS, Knox); those of a name service with commas between them: the active one is found",
    ),
    key(
        "storage.ca",
        Words("the system's"),
        "path",
        "agent, verify",
        "a PEM file with the roots to trust in place of the system's",
    ),
    key(
        "storage.timeout",
        Value("5s"),
        "duration",
        "agent, verify",
        "how long a store may say nothing before it is asked again, or given up",
    ),
    key(
        "restore.on_no_state",
        Value("fresh"),
        "`fresh`, `refuse`",
        "agent",
        "proven to have no history: begin with nothing, or wait for a person",
    ),
    key(
        "restore.on_broken",
        Value("refuse"),
        "`refuse`, `previous`",
        "agent",
        "the newest point is not whole, or gone: wait for a person, or go back to the point before",
    ),
    key(
        "restore.on_unverifiable",
        Value("refuse"),
        "`refuse`, `trust`",
        "agent",
        "the newest point can't be verified (a newer Flink's format, a file that may not be read, a store that this build can't reach): wait for a person, or use it all the same",
    ),
    key(
        "restore.on_failed",
        Value("halt"),
        "`halt`, `previous`",
        "agent",
        "Flink failed too often to restore the newest point: wait for a person, or go back to the point before",
    ),
    key(
        "restore.attempts",
        Value("3"),
        "1 to 100",
        "agent",
        "so many starts in a row may fail to restore a point before that is done",
    ),
    key("restore.max_state_age", Value("off"), "duration, `off`", "agent", "older state is refused"),
    key(
        "restore.allow_non_restored_state",
        Value("false"),
        "`true`, `false`",
        "agent",
        "passed to Flink: state that the program has no operator for may be left out",
    ),
    key(
        "retention.keep",
        Value("10"),
        "1 or more",
        "agent",
        "savepoints that are kept; older ones are deleted when a new run has completed its first checkpoint, and after each savepoint by the clock",
    ),
    key(
        "retention.max_age",
        Value("off"),
        "duration, `off`",
        "agent",
        "savepoints older than this go, the newest apart",
    ),
    key(
        "ha.on_leftover",
        Value("finish"),
        "`finish`, `refuse`, `recover`",
        "agent",
        "Flink's own high availability would go back behind the final savepoint: have Flink finish its clean-up first, wait for a person, or let it recover what it knows",
    ),
    key(
        "handover",
        Value("wait"),
        "`wait`, `request`",
        "agent",
        "another pod runs this cluster's JobManager: wait for its end, or ask it to stop and to hand over",
    ),
    key(
        "pod.name",
        Words("the host name"),
        "name",
        "agent",
        "the pod that this is, by the downward API: `metadata.name`",
    ),
    key("pod.namespace", Words("the service account's"), "name", "agent", "its `metadata.namespace`"),
    key("pod.uid", Words("what the API server says"), "name", "agent", "its `metadata.uid`"),
    key("pod.ip", Words("none"), "IP address", "agent", "its `status.podIP`"),
    key(
        "pod.termination_log",
        Value("/dev/termination-log"),
        "path",
        "agent, run",
        "where the outcome is left in one line for `kubectl describe pod`, if the kubelet has made that file (`terminationMessagePath`)",
    ),
    key("guard.agent", Words("port 9250 of `jobmanager.rpc.address`"), "host:port", "guard", "the JobManager's agent"),
    key(
        "guard.settle",
        Value("2s"),
        "duration",
        "guard",
        "how long a guard that is told to end waits for word that a stop has begun",
    ),
    key(
        "guard.checkpoint",
        Value("off"),
        "duration, `off`",
        "agent, guard",
        "how long it then waits, where none has, for a checkpoint that it asks for (Flink 1.17+). Set it for agent and guards",
    ),
    key(
        "guard.exchange",
        Value("jvm"),
        "`jvm`, `command`",
        "guard",
        "what is started when a TaskManager is exchanged for a fresh one: its JVM as Flink's scripts had started it, where nothing but they had a part in that, or the whole command",
    ),
    key(
        "admin.address",
        Value("[::]:9250"),
        "address, `off`",
        "agent",
        "where metrics, probes, the status and what guards ask are served",
    ),
    key(
        "log.format",
        Value("json"),
        "`json`, `text`",
        "agent, run, guard",
        "the form of log lines, which go to standard error",
    ),
    key(
        "log.level",
        Value("info"),
        "`trace`, `debug`, `info`, `warn`, `error`",
        "agent, run, guard",
        "the least severe level that is logged; `SAVEPOINTD_LOG` says the same",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Client, Config, Flags, load_storage};
    use crate::documents;

    #[test]
    fn the_readmes_table_has_every_key() {
        let rows = KEYS.iter().map(|key| {
            let default = match key.default {
                Value(value) => format!("`{value}`"),
                Words(words) => words.to_owned(),
            };
            [format!("`{}`", key.name), default, key.values.to_owned(), key.readers.to_owned(), key.meaning.to_owned()]
        });
        documents::made("README.md", "configuration", ["key", "default", "values", "for", "meaning"], rows);
    }

    #[test]
    fn whoever_goes_by_a_key_reads_it() {
        for key in KEYS {
            let variables = || {
                let record = ("SAVEPOINTD_RECORD".to_owned(), "file:///r".to_owned());
                let wrong = (crate::config::env::variable(key.name), "no such/value ".to_owned());
                [record, wrong].into_iter()
            };
            let agent = Config::load(None, variables(), Flags::default()).is_err();
            let client = Client::load(None, variables(), Flags::default()).is_err();
            let storage = load_storage(None, variables(), Flags::default()).is_err();
            let said = |reader: &str| key.readers.split(", ").any(|one| one == reader);
            assert!(agent, "{}: the agent takes anything for it", key.name);
            assert_eq!(storage, said("verify"), "{}", key.name);
            assert_eq!(client, said("run") || said("guard") || said("drain") || said("commands"), "{}", key.name);
        }
    }

    #[test]
    fn the_words_that_may_be_set_are_those_that_are_taken() {
        for key in KEYS {
            let load = |value: &str| {
                let record = ("SAVEPOINTD_RECORD".to_owned(), "file:///r".to_owned());
                let set = (crate::config::env::variable(key.name), value.to_owned());
                Config::load(None, [record, set].into_iter(), Flags::default())
            };
            for word in key.values.split('`').skip(1).step_by(2) {
                assert!(load(word).is_ok(), "{} = {word}: {:?}", key.name, load(word));
            }
            if let Value(value) = key.default {
                assert!(load(value).is_ok(), "{} = {value}", key.name);
            }
        }
    }
}
