use std::fs;
use std::time::Duration;

use super::*;

type Table<'a> = &'a [(&'a str, &'a str)];

/// A file that is gone with its test.
struct File(PathBuf);

impl File {
    fn new(text: &str) -> Self {
        use std::sync::atomic::{AtomicU32, Ordering};
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("savepointd-config-{}-{}.toml", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::write(&path, text).unwrap();
        Self(path)
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn env(table: Table<'_>) -> impl Iterator<Item = (String, String)> {
    table.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect::<Vec<_>>().into_iter()
}

fn flags(assignments: &[&str]) -> Flags {
    let mut flags = Flags::default();
    for assignment in assignments {
        flags.set(assignment).unwrap();
    }
    flags
}

fn load(table: Table<'_>) -> Result<Config, Error> {
    Config::load(None, env(table).chain(env(&[("SAVEPOINTD_RECORD", "file:///r")])), Flags::default())
}

fn problem(table: Table<'_>) -> String {
    load(table).unwrap_err().to_string()
}

#[test]
fn defaults_are_the_documented_ones() {
    let expected = Config {
        record: RecordUrl::parse("file:///r").unwrap(),
        cluster: Cluster { id: None },
        socket: "/savepointd/run.sock".into(),
        control_socket: "/run/savepointd/control.sock".into(),
        flink: Flink {
            url: "http://127.0.0.1:8081".to_owned(),
            url_is_set: false,
            ca: None,
            server_name: None,
            identity: None,
            user: None,
            job_id: JobIdPolicy::Derived,
            without_run: WithoutRun::Refuse,
        },
        savepoint: Savepoint { directory: None, format: SavepointFormat::Native, interval: None, drain: false },
        checkpoint: Checkpoint { directory: None },
        session: SessionCluster { parallel: 32 },
        stop: Stop { grace: Duration::from_secs(30), reserve: Duration::from_secs(3), linger: None },
        storage: Options { endpoint: None, region: None, namenode: None, ca: None, timeout: Duration::from_secs(5) },
        restore: Restore {
            on_no_state: OnNoState::Fresh,
            on_broken: OnBroken::Refuse,
            on_unverifiable: OnUnverifiable::Refuse,
            on_failed: OnFailed::Halt,
            attempts: 3,
            max_state_age: None,
            allow_non_restored_state: false,
        },
        retention: Retention { keep: 10, max_age: None },
        ha: HighAvailability { on_leftover: OnLeftover::Finish },
        handover: Handover::Wait,
        pod: Pod::default(),
        termination_log: "/dev/termination-log".into(),
        guard: Guard {
            agent: None,
            settle: Duration::from_secs(2),
            checkpoint: None,
            recovery: Recovery::Fast,
            exchange: Exchange::Jvm,
        },
        admin: Admin { address: Some("[::]:9250".parse().unwrap()) },
        log: Log { format: LogFormat::Json, level: LogLevel::Info },
    };
    assert_eq!(load(&[]).unwrap(), expected);
}

#[test]
fn later_layers_win_and_are_named() {
    let file = File::new(
        "record = 'file:///f'\nstop.grace = '1m'\n[savepoint]\ndrain = true\ndirectory = '/f'\n[log]\nlevel = 'warn'\n",
    );
    let variables = [
        ("SAVEPOINTD_CONFIG", file.0.to_str().unwrap()),
        ("SAVEPOINTD_STOP__GRACE", "2m"),
        ("SAVEPOINTD_SAVEPOINT__DIRECTORY", ""),
    ];
    let mut arguments = flags(&["stop.reserve=1s", "log.level=debug", "log.level=trace"]);
    arguments.push("--flink-url", "flink.url", "http://127.0.0.1:8081");
    let config = Config::load(None, env(&variables), arguments.clone()).unwrap();
    assert_eq!(config.record.as_str(), "file:///f");
    assert_eq!(config.savepoint.directory.as_deref(), Some("file:///f"));
    assert!(config.savepoint.drain && config.flink.url_is_set);
    assert_eq!(config.stop, Stop { grace: Duration::from_mins(2), reserve: Duration::from_secs(1), linger: None });
    assert_eq!(config.log.level, LogLevel::Trace);

    let settings = Config::explain(None, env(&variables), arguments).unwrap();
    let origin =
        |key| settings.iter().find(|setting| setting.key == key).map(|setting| setting.origin.clone()).unwrap();
    assert_eq!(origin("savepoint.drain"), Origin::File(file.0.display().to_string()));
    assert_eq!(origin("stop.grace"), Origin::Variable("SAVEPOINTD_STOP__GRACE".to_owned()));
    assert_eq!(origin("stop.reserve"), Origin::Flag("--set stop.reserve".to_owned()));
    assert_eq!(origin("flink.url"), Origin::Flag("--flink-url".to_owned()));
    assert_eq!(origin("log.format"), Origin::Default);
}

#[test]
fn what_looks_like_a_number_stays_a_string() {
    for id in
        ["00000000000000000000000000000000", "00000000000000000000000000000001", "12345", "true", "1e3", "0x10", "[a]"]
    {
        let result = load(&[("SAVEPOINTD_CLUSTER__ID", id)]);
        if id.starts_with('[') {
            assert!(result.unwrap_err().to_string().contains("found \"[a]\""));
        } else {
            assert_eq!(result.unwrap().cluster.id.as_deref(), Some(id));
        }
    }
    assert!(load(&[("SAVEPOINTD_SAVEPOINT__DRAIN", "True")]).unwrap().savepoint.drain);
}

#[test]
fn kubernetes_links_are_dropped_and_misspelt_keys_are_not() {
    load(&[
        ("SAVEPOINTD_PORT", "tcp://10.0.0.1:9250"),
        ("SAVEPOINTD_SERVICE_HOST", "10.0.0.1"),
        ("SAVEPOINTD_SERVICE_PORT", "9250"),
        ("SAVEPOINTD_PORT_9250_TCP_ADDR", "10.0.0.1"),
        ("UNRELATED", "x"),
    ])
    .unwrap();
    assert_eq!(
        problem(&[("SAVEPOINTD_FLINK__URLL", "x")]),
        "SAVEPOINTD_FLINK__URLL: unknown, did you mean SAVEPOINTD_FLINK__URL?"
    );
    assert_eq!(problem(&[("SAVEPOINTD_QUITE_OTHER_THING", "x")]), "SAVEPOINTD_QUITE_OTHER_THING: unknown");
}

#[test]
fn wrong_values_are_named_as_they_were_written() {
    for (name, value, expected) in [
        ("SAVEPOINTD_STOP__GRACE", "abc", "expected a duration such as \"30s\" or \"5m\", found \"abc\""),
        (
            "SAVEPOINTD_STOP__GRACE",
            "30",
            "expected a duration such as \"30s\" or \"5m\", found \"30\": add a unit, for example \"30s\"",
        ),
        ("SAVEPOINTD_STOP__GRACE", "-5s", "expected a duration such as \"30s\" or \"5m\", found \"-5s\""),
        ("SAVEPOINTD_STOP__GRACE", "0s", "expected a duration longer than zero, found \"0s\""),
        ("SAVEPOINTD_STOP__RESERVE", "30s", "expected less than stop.grace (default)"),
        ("SAVEPOINTD_CONTROL_SOCKET", "/savepointd/run.sock", "expected another path than socket (default)"),
        ("SAVEPOINTD_SOCKET", "run.sock", "expected an absolute path, found \"run.sock\""),
        ("SAVEPOINTD_SAVEPOINT__DRAIN", "yes", "expected true or false, found \"yes\""),
        ("SAVEPOINTD_SAVEPOINT__FORMAT", "avro", "expected \"native\" or \"canonical\", found \"avro\""),
        (
            "SAVEPOINTD_RESTORE__MAX_STATE_AGE",
            "old",
            "expected \"off\" or a duration such as \"30s\" or \"5m\", found \"old\"",
        ),
        ("SAVEPOINTD_ADMIN__ADDRESS", ":9250", "expected \"off\" or an address such as \"[::]:9250\", found \":9250\""),
        ("SAVEPOINTD_FLINK__URL", "jm:8081", "expected a URL such as \"http://127.0.0.1:8081\", found \"jm:8081\""),
        (
            "SAVEPOINTD_FLINK__SERVER_NAME",
            "10.0.0.1",
            "expected a host name such as \"jobmanager.flink.svc\", found \"10.0.0.1\"",
        ),
        (
            "SAVEPOINTD_FLINK__CERTIFICATE",
            "/c.pem",
            "is of no use without flink.key (SAVEPOINTD_FLINK__KEY): set both or neither",
        ),
        (
            "SAVEPOINTD_FLINK__PASSWORD_FILE",
            "/p",
            "is of no use without flink.user (SAVEPOINTD_FLINK__USER): set both or neither",
        ),
        ("SAVEPOINTD_FLINK__URL", "http://me:hunter2@jm", "expected a URL without user name and password"),
        ("SAVEPOINTD_FLINK__WITHOUT_RUN", "yes", "expected \"refuse\" or \"warn\" or \"cancel\", found \"yes\""),
        ("SAVEPOINTD_FLINK__RECOVERY", "slow", "expected \"fast\" or \"flink\", found \"slow\""),
        (
            "SAVEPOINTD_GUARD__SETTLE",
            "2",
            "expected a duration such as \"30s\" or \"5m\", found \"2\": add a unit, for example \"2s\"",
        ),
        ("SAVEPOINTD_GUARD__AGENT", "jm", "expected a host and a port such as \"jobmanager:9250\", found \"jm\""),
        (
            "SAVEPOINTD_LOG",
            "loud",
            "expected \"trace\" or \"debug\" or \"info\" or \"warn\" or \"error\", found \"loud\"",
        ),
        (
            "SAVEPOINTD_SAVEPOINT__DIRECTORY",
            "here",
            "expected an absolute path or a URL such as \"s3://bucket/path\", found \"here\"",
        ),
    ] {
        assert_eq!(problem(&[(name, value)]), format!("{name}: {expected}"));
    }
    let error = Config::load(None, env(&[]), flags(&["stop.grace=1", "stop.grade=1s"])).unwrap_err().to_string();
    let lines: Vec<_> = error.lines().collect();
    assert_eq!(lines.len(), 3, "{error}");
    assert_eq!(lines[0], "--set stop.grade: unknown, did you mean stop.grace?");
    assert!(lines[1].starts_with("record: not set. Give its URL"), "{error}");
    assert!(lines[2].starts_with("--set stop.grace: expected a duration"), "{error}");
    assert!(Flags::default().set("stop.grace").is_err());
}

#[test]
fn problems_of_a_file_name_file_and_key() {
    let file = File::new(
        "record = 'file:///r'\nstop.grace = 30\nstop.max = '1s'\nrestore = 'x'\n[socket]\nx = 1\n[recrod]\na = 1\n",
    );
    let error = Config::load(Some(&file.0), env(&[]), Flags::default()).unwrap_err().to_string();
    let path = file.0.display();
    for line in [
        format!("recrod in {path}: unknown, did you mean record?"),
        format!(
            "stop.grace in {path}: expected a duration such as \"30s\" or \"5m\", found \"30\": add a unit, for example \"30s\""
        ),
        format!("socket in {path}: expected a single value, found a table or a list"),
    ] {
        assert!(error.lines().any(|found| found == line), "{line}\nnot in\n{error}");
    }
    assert!(
        error.contains(&format!("stop.max in {path}: unknown"))
            && error.contains(&format!("restore in {path}: unknown")),
        "{error}"
    );

    let broken = File::new("record = \n");
    assert!(matches!(Config::load(Some(&broken.0), env(&[]), Flags::default()), Err(Error::Syntax { .. })));
    let missing = Config::load(Some(Path::new("/not/there.toml")), env(&[]), Flags::default()).unwrap_err();
    assert_eq!(missing.to_string(), "can't read /not/there.toml");
}

#[test]
fn a_client_needs_no_record() {
    let set = env(&[("SAVEPOINTD_GUARD__CHECKPOINT", "30s")]);
    assert_eq!(Client::load(None, set, Flags::default()).unwrap().guard.checkpoint, Some(Duration::from_secs(30)));
    let client =
        Client::load(None, env(&[("SAVEPOINTD_SOCKET", "/s"), ("SAVEPOINTD_LOG", "warn")]), Flags::default()).unwrap();
    assert_eq!((client.socket, client.log.level), (PathBuf::from("/s"), LogLevel::Warn));
}

#[test]
fn the_record_is_a_local_directory_or_a_config_map() {
    for (text, expected) in [
        ("file:///a/b", Ok("file:///a/b")),
        ("file:///a/b//", Ok("file:///a/b")),
        ("file:/a", Ok("file:///a")),
        ("configmap://ns/name", Ok("configmap://ns/name")),
        ("configmap://ns/na.me/", Ok("configmap://ns/na.me")),
        ("configmap:///name", Ok("configmap:///name")),
        ("configmap://ns", Err("expected a URL")),
        ("configmap://ns/", Err("expected a URL")),
        ("configmap://ns/Name", Err("expected a URL")),
        ("configmap://ns/a/b", Err("expected a URL")),
        ("configmap://-ns/a", Err("expected a URL")),
        ("s3://bucket/x", Ok("s3://bucket/x")),
        ("s3a://a.bucket_of/x y//", Ok("s3a://a.bucket_of/x y")),
        ("gs://bucket/x", Ok("gs://bucket/x")),
        ("abfss://c@a.dfs.core.windows.net/x", Ok("abfss://c@a.dfs.core.windows.net/x")),
        ("s3://bucket", Err("expected a URL")),
        ("s3:///x", Err("expected a URL")),
        ("abfss://c@a/x", Err("expected a URL")),
        ("viewfs://cluster/x", Err("expected a URL")),
        ("file:///", Err("expected a URL")),
        ("file://host/a", Err("expected a URL")),
        ("/a/b", Err("expected a URL")),
        ("http://x/y", Err("expected a URL")),
    ] {
        match (RecordUrl::parse(text), expected) {
            (Ok(url), Ok(expected)) => assert_eq!(url.as_str(), expected),
            (Err(message), Err(expected)) => assert!(message.starts_with(expected), "{message}"),
            (found, _) => panic!("{text}: {found:?}"),
        }
    }
    assert_eq!(RecordUrl::parse("file:///a%20b/").unwrap().kind(), &RecordKind::Directory("/a b".into()));
}

#[test]
fn directories_are_urls() {
    for (text, expected) in [
        ("/a/b/", Some("file:///a/b")),
        ("/", Some("file:///")),
        ("file:/a b", Some("file:///a b")),
        ("file:///a%20b/", Some("file:///a%20b")),
        ("s3://bucket/x/", Some("s3://bucket/x/")),
        ("hdfs:///x", Some("hdfs:///x")),
        ("file://host/a", None),
        ("file:a", None),
        ("a/b", None),
        ("C:\\x", None),
        ("s3://", None),
        ("", None),
    ] {
        assert_eq!(directory_url(text).ok().as_deref(), expected, "{text}");
    }
}

#[test]
fn durations_have_units() {
    for (text, seconds) in [("30s", 30), ("5m", 300), ("1h 30m", 5400), ("7d", 604_800), ("PT1M", 60), ("0s", 0)] {
        assert_eq!(schema::duration(text), Ok(Duration::from_secs(seconds)), "{text}");
    }
    for text in ["", "30", "1.5", "-1s", "1mo", "soon"] {
        assert!(schema::duration(text).is_err(), "{text}");
    }
}

#[test]
fn an_agents_address_has_host_and_port() {
    for text in ["jm:9250", "jm.ns.svc:1", "10.0.0.1:9250", "[fd00::1]:9250"] {
        assert_eq!(schema::host_and_port(text).as_deref(), Ok(text));
    }
    for text in ["", "jm", "jm:", ":9250", "jm:0", "jm:65536", "fd00::1:9250", "http://jm:9250", "a b:1"] {
        assert!(schema::host_and_port(text).is_err(), "{text}");
    }
}

#[test]
fn cluster_ids_are_safe_names() {
    let long = "x".repeat(101);
    for (id, fits) in
        [("a.B_c-1", true), (&long[1..], true), (&long, false), ("a/b", false), ("..", false), ("é", false)]
    {
        assert_eq!(schema::cluster_id(id).is_ok(), fits, "{id}");
    }
    let id = default_cluster_id("file:///var/lib/my job");
    assert_eq!(id.len(), "my-job-".len() + 8);
    assert!(id.starts_with("my-job-") && id != default_cluster_id("file:///var/other/my job"));
    assert!(schema::cluster_id(&default_cluster_id(&format!("file:///{long}"))).is_ok());
}
