//! savepointd's own configuration, and Flink's.

use std::io::Write as _;
use std::path::Path;

use savepointd::config::{self, Client, Config, Error, Flags};
use savepointd::flink::setup;

/// The file, then variables, each after a zero byte.
pub fn own(bytes: &[u8]) {
    let mut parts = bytes.split(|byte| *byte == 0);
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(parts.next().unwrap_or_default()).unwrap();
    let pair = |part: &[u8]| {
        let text = String::from_utf8_lossy(part);
        text.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()))
    };
    let variables: Vec<(String, String)> = parts.take(20).filter_map(pair).collect();
    let env = || variables.iter().cloned();
    let file = Some(file.path());
    let loaded = Config::load(file, env(), Flags::default());
    let _ = Client::load(file, env(), Flags::default());
    let _ = config::load_storage(file, env(), Flags::default());
    match loaded {
        Err(Error::Invalid { problems }) => assert!(!problems.is_empty(), "refused without a reason"),
        Err(_) => {}
        Ok(loaded) => {
            // What is shown as being in force is what is in force.
            let mut flags = Flags::default();
            let settings = Config::explain(file, env(), Flags::default()).unwrap();
            if settings.iter().any(|setting| setting.value.contains("***")) {
                return;
            }
            let given = settings.iter().filter(|setting| setting.origin != config::Origin::Default);
            given.for_each(|setting| flags.push("--set", setting.key, setting.value.clone()));
            assert_eq!(Config::load(None, std::iter::empty(), flags).unwrap(), loaded);
        }
    }
}

/// `config.yaml`, then `flink-conf.yaml` and `FLINK_PROPERTIES`, each after a zero byte.
pub fn flinks(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut parts = text.split('\0');
    let (standard, legacy, properties) = (parts.next(), parts.next(), parts.next().map(str::to_owned));
    let env = |name: &str| (name == "FLINK_PROPERTIES").then(|| properties.clone()).flatten();
    let read = |path: &Path| {
        let text = if path.ends_with("config.yaml") { standard } else { legacy };
        text.map(str::to_owned).ok_or_else(|| std::io::ErrorKind::NotFound.into())
    };
    for argv in [["/docker-entrypoint.sh", "standalone-job"], ["/opt/flink/bin/jobmanager.sh", "start-foreground"]] {
        let argv = argv.map(str::to_owned);
        let Ok(setup) = setup::learn(&argv, &env, &read) else { continue };
        let json = serde_json::to_string(&setup).unwrap();
        assert_eq!(
            serde_json::from_str::<setup::Setup>(&json).unwrap(),
            setup,
            "run says something else than it learnt"
        );
    }
    let _ = setup::look_up(None, true, &env, &read, ["jobmanager.rpc.address", "jobmanager.rpc.port"]);
}
