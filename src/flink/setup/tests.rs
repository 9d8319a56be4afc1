use super::*;

type Table<'a> = &'a [(&'a str, &'a str)];

fn learn_from(line: &str, env: Table<'_>, files: Table<'_>) -> Result<Setup, SetupError> {
    let argv: Vec<_> = line.split_whitespace().map(str::to_owned).collect();
    let find =
        |table: Table<'_>, name: &str| table.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
    learn(&argv, &|name| find(env, name), &|path| {
        let text = find(files, path.to_str().unwrap()).ok_or(io::ErrorKind::NotFound)?;
        if text == "locked" { Err(io::ErrorKind::PermissionDenied.into()) } else { Ok(text) }
    })
}

fn path_of(setup: &Setup) -> Option<(&str, PathSource, &str)> {
    setup.explicit_path.as_ref().map(|path| (path.path.as_str(), path.source, path.origin.as_str()))
}

const ENTRYPOINT: &str = "/docker-entrypoint.sh standalone-job";
const STANDARD: &str = "/opt/flink/conf/config.yaml";
const LEGACY: &str = "/opt/flink/conf/flink-conf.yaml";

#[test]
fn every_fact_is_learnt_from_both_kinds_of_file() {
    let nested = "
execution:
  checkpointing:
    dir: file:///ck
    savepoint-dir: file:///sp
    externalized-checkpoint-retention: RETAIN_ON_CANCELLATION
  state-recovery.path: file:///old
  shutdown-on-application-finish: false
high-availability.type: kubernetes
rest: {port: 8082, address: jm, bind-address: 0.0.0.0}
security.ssl.rest.enabled: true
jobmanager.rpc: {address: jm, port: 6124}
s3.secret-key: hunter2
";
    let flat = "
state.checkpoints.dir: file:///ck
state.savepoints.dir: file:///sp
execution.checkpointing.externalized-checkpoint-retention: RETAIN_ON_CANCELLATION
execution.savepoint.path: file:///old
execution.shutdown-on-application-finish: false
high-availability: kubernetes
rest.port: 8082
rest.address: jm
rest.bind-address: 0.0.0.0
security.ssl.rest.enabled: true
jobmanager.rpc.address: jm
jobmanager.rpc.port: 6124
s3.secret-key: hunter2
";
    for (file, text, key) in
        [(STANDARD, nested, "execution.state-recovery.path"), (LEGACY, flat, "execution.savepoint.path")]
    {
        let setup = learn_from("/opt/flink/bin/standalone-job.sh start-foreground -j X", &[], &[(file, text)]).unwrap();
        let expected = Setup {
            mode: Mode::StandaloneJob,
            configuration: Some(file.into()),
            checkpoint_directory: Some("file:///ck".to_owned()),
            savepoint_directory: Some("file:///sp".to_owned()),
            high_availability: Some("kubernetes".to_owned()),
            explicit_path: Some(ExplicitPath {
                path: "file:///old".to_owned(),
                source: PathSource::Configuration,
                origin: format!("{key} in {file}"),
            }),
            configured_path: Some("file:///old".to_owned()),
            retention: Some("RETAIN_ON_CANCELLATION".to_owned()),
            shutdown_on_application_finish: Some(false),
            rest_port: Some(8082),
            rest_address: Some("jm".to_owned()),
            rest_bind_address: Some("0.0.0.0".to_owned()),
            rest_ssl: true,
            rpc_address: Some("jm".to_owned()),
            rpc_port: Some(6124),
            ..Setup::default()
        };
        assert_eq!(setup, expected);
        let sent = serde_json::to_string(&setup).unwrap();
        assert!(!sent.contains("hunter2"));
        assert_eq!(serde_json::from_str::<Setup>(&sent).unwrap(), setup);
    }
}

#[test]
fn the_explicit_path_is_the_one_that_flink_would_take() {
    let old = "execution.savepoint.path: conf";
    let new = "execution.state-recovery.path: conf";
    for (arguments, properties, file, expected) in [
        ("-s argv -Dexecution.savepoint.path=d", "", old, Some(("argv", PathSource::Argv, "--fromSavepoint"))),
        ("-s first -s second", "", "", Some(("first", PathSource::Argv, "--fromSavepoint"))),
        ("-D execution.savepoint.path=d", "", old, Some(("d", PathSource::Dynamic, "-Dexecution.savepoint.path"))),
        (
            "-Dexecution.savepoint.path=a -Dexecution.savepoint.path=b",
            "",
            "",
            Some(("b", PathSource::Dynamic, "-Dexecution.savepoint.path")),
        ),
        (
            "-Dexecution.savepoint.path=d",
            "",
            new,
            Some(("conf", PathSource::Configuration, "execution.state-recovery.path in /opt/flink/conf/config.yaml")),
        ),
        (
            "",
            "execution.savepoint.path: $P",
            old,
            Some(("p", PathSource::Configuration, "execution.savepoint.path in FLINK_PROPERTIES")),
        ),
        ("program -s argv", "", "", None),
    ] {
        let setup = learn_from(
            &format!("{ENTRYPOINT} {arguments}"),
            &[("FLINK_PROPERTIES", properties), ("P", "p")],
            &[(STANDARD, file)],
        );
        let setup = setup.unwrap();
        let configured = if properties.is_empty() { file.split_once(": ").map(|(_, path)| path) } else { Some("p") };
        assert_eq!(setup.configured_path.as_deref(), configured);
        assert_eq!(path_of(&setup), expected, "{arguments} {properties} {file}");
    }
}

#[test]
fn the_file_is_found_where_the_scripts_look() {
    let script = "/x/bin/standalone-job.sh start-foreground";
    for (line, env, file) in [
        (ENTRYPOINT, &[("FLINK_CONF_DIR", "/c"), ("FLINK_HOME", "/h")] as Table<'_>, "/c/config.yaml"),
        (ENTRYPOINT, &[("FLINK_HOME", "/h")], "/h/conf/flink-conf.yaml"),
        (ENTRYPOINT, &[], STANDARD),
        (script, &[], "/x/conf/config.yaml"),
        (script, &[("FLINK_HOME", "/h")], "/x/conf/config.yaml"),
        (script, &[], LEGACY),
    ] {
        let setup = learn_from(line, env, &[(file, "state.savepoints.dir: file:///sp\n")]).unwrap();
        assert_eq!(setup.configuration, Some(file.into()), "{line} {env:?}");
        assert_eq!(setup.savepoint_directory.as_deref(), Some("file:///sp"));
    }
    assert_eq!(learn_from(ENTRYPOINT, &[("FLINK_CONF_DIR", "/c")], &[(STANDARD, "")]).unwrap().configuration, None);
}

#[test]
fn only_the_entrypoint_reads_flink_properties() {
    let env = [
        ("FLINK_PROPERTIES", "state.savepoints.dir: file:///new\nstate.savepoints.dir: file:///${N}\n"),
        ("N", "n"),
        ("FLINK_HOME", "/opt/flink"),
    ];
    for file in [STANDARD, LEGACY] {
        let files = [(file, "state.savepoints.dir: file:///old\nstate.checkpoints.dir: file:///$N\n")];
        let setup = learn_from("tini -- /docker-entrypoint.sh jobmanager", &env, &files).unwrap();
        assert_eq!((setup.mode, setup.savepoint_directory.as_deref()), (Mode::Session, Some("file:///n")));
        assert_eq!(
            setup.checkpoint_directory.as_deref(),
            Some(if file == LEGACY { "file:///n" } else { "file:///$N" })
        );
        let setup = learn_from("standalone-job.sh start-foreground", &env, &files).unwrap();
        assert_eq!(setup.savepoint_directory.as_deref(), Some("file:///old"));
    }
}

#[test]
fn two_files_are_fine_unless_they_disagree_about_state() {
    let legacy = "state.checkpoints.dir: file:///ck\nrest.port: 1\n";
    let both = |standard| learn_from(ENTRYPOINT, &[], &[(STANDARD, standard), (LEGACY, legacy)]);
    let setup = both("rest: {port: 2}").unwrap();
    assert_eq!((setup.configuration, setup.ignored_configuration), (Some(LEGACY.into()), Some(STANDARD.into())));
    assert_eq!(setup.rest_port, Some(1));
    let error = both("execution.checkpointing.dir: file:///other").unwrap_err().to_string();
    assert!(error.contains("disagree about execution.checkpointing.dir"), "{error}");
}

#[test]
fn options_win_over_the_configuration() {
    let id = "00000000000000000000000000000000";
    let line =
        format!("{ENTRYPOINT} -n --job-id={id} -r 9 -h me -Drest.bind-port=7 -Dhigh-availability=NONE arg -jid other");
    let setup = learn_from(&line, &[], &[(STANDARD, "rest.port: 8")]).unwrap();
    assert!(setup.allow_non_restored_state && !setup.is_highly_available());
    assert_eq!(
        (setup.job_id.as_deref(), setup.rest_port, setup.rpc_address.as_deref()),
        (Some(id), Some(9), Some("me"))
    );
    let setup = learn_from(&format!("{ENTRYPOINT} -D$internal.pipeline.job-id={id} -Drest.port=0"), &[], &[]).unwrap();
    assert_eq!((setup.job_id.as_deref(), setup.rest_port), (Some(id), None));
    let setup = learn_from(&format!("{ENTRYPOINT} -Drest.bind-port=8090-8099"), &[], &[]).unwrap();
    assert_eq!(setup.rest_port, Some(8090));
}

#[test]
fn the_entrypoint_replaces_the_rpc_address() {
    let files = [(STANDARD, "jobmanager.rpc.address: localhost")];
    for (env, expected) in [(&[] as Table<'_>, None), (&[("JOB_MANAGER_RPC_ADDRESS", "jm")], Some("jm"))] {
        assert_eq!(learn_from(ENTRYPOINT, env, &files).unwrap().rpc_address.as_deref(), expected);
    }
}

#[test]
fn unclaimed_state_is_configurable_only_in_native_mode() {
    let option = "-Dexecution.state-recovery.ignore-unclaimed-state=true";
    let native = learn_from(&format!("kubernetes-jobmanager.sh kubernetes-application {option}"), &[], &[]).unwrap();
    assert!(native.allow_non_restored_state && native.mode == Mode::KubernetesApplication);
    assert!(!learn_from(&format!("{ENTRYPOINT} {option}"), &[], &[]).unwrap().allow_non_restored_state);
}

#[test]
fn native_mode_is_read_out_of_the_shells_string() {
    let id = "00000000000000000000000000000001";
    let string =
        format!("kubernetes-jobmanager.sh kubernetes-application -Drest.port=7 '-D$internal.pipeline.job-id={id}'");
    let argv = ["/docker-entrypoint.sh", "bash", "-c", &string].map(str::to_owned);
    let env = |name: &str| (name == "FLINK_PROPERTIES").then(|| "state.savepoints.dir: file:///never".to_owned());
    let file = "state.savepoints.dir: file:///sp\njobmanager.rpc.address: orders.default";
    let setup = learn(&argv, &env, &|path| {
        (path == Path::new(LEGACY)).then(|| file.to_owned()).ok_or_else(|| io::ErrorKind::NotFound.into())
    });
    let setup = setup.unwrap();
    assert_eq!(
        (setup.mode, setup.rest_port, setup.job_id.as_deref()),
        (Mode::KubernetesApplication, Some(7), Some(id))
    );
    assert_eq!(setup.savepoint_directory.as_deref(), Some("file:///sp"));
    assert_eq!(setup.rpc_address.as_deref(), Some("orders.default"));
}

#[test]
fn other_commands_are_told_apart() {
    for (line, mode) in [
        ("bash -c kubernetes-jobmanager.sh\u{2007}kubernetes-application", Mode::KubernetesApplication),
        ("/docker-entrypoint.sh taskmanager", Mode::Other),
        ("", Mode::Other),
    ] {
        assert_eq!(learn_from(line, &[], &[]).unwrap().mode, mode, "{line}");
    }
}

#[test]
fn a_file_that_can_not_be_known_is_an_error() {
    let error = |text| learn_from(ENTRYPOINT, &[], &[(STANDARD, text)]).unwrap_err().to_string();
    assert_eq!(error("locked"), format!("can't read Flink's configuration {STANDARD}"));
    assert!(error("a: [").starts_with(&format!("Flink's configuration {STANDARD} is broken: line ")));
}

#[test]
fn high_availability_is_known_by_where_it_keeps_its_files() {
    let newer = "
high-availability:
  type: zookeeper
  storageDir: s3://flink/ha
  cluster-id: /orders
  jobmanager.port: 6200-6210
  zookeeper.path.root: /teams/a
job-result-store.storage-path: s3://flink/results
kubernetes.cluster-id: orders
";
    let older = "
high-availability: zookeeper
high-availability.zookeeper.storageDir: s3://flink/ha
high-availability.zookeeper.path.namespace: /orders
high-availability.jobmanager.port: 6200-6210
high-availability.zookeeper.path.root: /teams/a
job-result-store.storage-path: s3://flink/results
kubernetes.cluster-id: orders
";
    for (file, text) in [(STANDARD, newer), (LEGACY, older)] {
        let setup = learn_from("/opt/flink/bin/standalone-job.sh start-foreground -j X", &[], &[(file, text)]).unwrap();
        let expected = Setup {
            mode: Mode::StandaloneJob,
            configuration: Some(file.into()),
            high_availability: Some("zookeeper".to_owned()),
            ha_storage_directory: Some("s3://flink/ha".to_owned()),
            ha_cluster_id: Some("/orders".to_owned()),
            ha_rpc_port: Some(6200),
            ha_root: Some("/teams/a".to_owned()),
            ha_job_results: Some("s3://flink/results".to_owned()),
            kubernetes_cluster_id: Some("orders".to_owned()),
            ..Setup::default()
        };
        assert_eq!(setup, expected);
        assert_eq!(setup.telling_port(), 6200);
    }
    let any = Setup { high_availability: Some("kubernetes".to_owned()), ..Setup::default() };
    assert_eq!((any.telling_port(), Setup::default().telling_port()), (8081, 6123));
}
