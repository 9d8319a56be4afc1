//! Secrets are put wherever savepointd comes across any, a whole life goes by at the loudest level, and everything that it says is searched.

use std::fs;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::kubernetes::Pod;
use crate::support::http;
use crate::support::process::Process;
use crate::world::{How, LONG, World};

/// Each says where it was put.
const SECRETS: [&str; 14] = [
    "hunter2-password-file",
    "hunter2-user-of-endpoint",
    "hunter2-aws-key",
    "hunter2-aws-session",
    "hunter2-azure-key",
    "hunter2-google-key",
    "hunter2-flink-s3",
    "hunter2-flink-azure",
    "hunter2-flink-keystore",
    "hunter2-flink-properties",
    "hunter2-flink-option",
    "hunter2-token",
    "hunter2-program",
    "hunter2-variable",
];
/// The password as HTTP carries it (RFC 7617), less its end, which padding would change.
const BASIC: &str = "b3BlcmF0b3I6aHVudGVyMi1wYXNzd29yZC1maWxl";

fn seeded(world: &World, how: How) -> How {
    let password = world.path("password");
    fs::write(&password, "hunter2-password-file\n").unwrap();
    let google = world.path("google.json");
    fs::write(&google, r#"{"type":"service_account","private_key":"hunter2-google-key","client_email":"a@b"}"#)
        .unwrap();
    fs::write(world.path("kubeconfig.token"), "hunter2-token").unwrap();
    world.api().rotate("hunter2-token");
    world.configure(&[
        "s3.secret-key: hunter2-flink-s3",
        "fs.azure.account.key.a.blob.core.windows.net: hunter2-flink-azure",
        "security.ssl.rest.keystore-password: hunter2-flink-keystore",
    ]);
    let mut how = how
        .set("flink.user=operator")
        .set(&format!("flink.password_file={}", password.display()))
        .set("storage.endpoint=http://127.0.0.1:9")
        .set("log.level=trace")
        .env("AWS_ACCESS_KEY_ID", "AKIA")
        .env("AWS_SECRET_ACCESS_KEY", "hunter2-aws-key")
        .env("AWS_SESSION_TOKEN", "hunter2-aws-session")
        .env("AZURE_STORAGE_ACCOUNT_KEY", "hunter2-azure-key")
        .env("GOOGLE_APPLICATION_CREDENTIALS", google.to_str().unwrap())
        .env("FLINK_PROPERTIES", "s3.access-key: hunter2-flink-properties")
        .env("DATABASE_PASSWORD", "hunter2-variable")
        .env("SAVEPOINTD_POD__TERMINATION_LOG", world.path("last-words").to_str().unwrap());
    how.arguments.push("-Ds3.secret-key=hunter2-flink-option".to_owned());
    // Behind what Flink does not know everything is the program's.
    how.arguments.extend(["--topic", "x", "--password", "hunter2-program"].map(str::to_owned));
    fs::write(world.path("last-words"), "").unwrap();
    how
}

fn search(what: &str, text: &str) {
    for secret in SECRETS.iter().chain(&[BASIC]) {
        if let Some(at) = text.find(secret) {
            let from = text[..at].rfind('\n').map_or(0, |at| at + 1);
            panic!("{what} says {secret}: {}", &text[from..at + secret.len()]);
        }
    }
}

/// What the command is told as flags it takes from the environment here.
fn asked(world: &World, how: &How, words: &[&str]) -> String {
    let mut command = world.command(&[]);
    command.args(words).envs(how.env.iter().map(|(name, value)| (name, value)));
    for set in &how.sets {
        command.args(["--set", set]);
    }
    let output = command.output().unwrap();
    assert!(output.status.code().is_some_and(|code| code < 100), "{words:?}");
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

/// Everything that can be read while it runs, and that stays.
fn search_everything(world: &World, how: &How, process: &Process, port: Option<u16>) {
    for path in ["/", "/metrics", "/readyz", "/api/v1/status"] {
        if let Some((_, text)) = port.and_then(|port| http::get(port, path)) {
            search(path, &text);
        }
    }
    for words in [
        &["history", "--output", "json"] as &[&str],
        &["plan", "--output", "json"],
        &["plan"],
        &["doctor"],
        &["doctor", "--output", "json"],
        &["pin", "s3://nowhere/savepoint-1"],
        &["prune", "--dry-run"],
    ] {
        search(&words.join(" "), &asked(world, how, words));
    }
    search("the log", &process.text());
    search("the record", &Value::from(world.entries()).to_string());
    search("the ConfigMap", &world.api().config_map("orders").unwrap_or_default().to_string());
    search("Events", &Value::from(world.api().events()).to_string());
    search("the termination message", &fs::read_to_string(world.path("last-words")).unwrap());
    let marker = world.folder().join("marker");
    for entry in fs::read_dir(marker).into_iter().flatten() {
        search("the marker", &fs::read_to_string(entry.unwrap().path()).unwrap());
    }
}

#[test]
fn nothing_secret_is_said_by_anything_in_a_whole_life_at_the_loudest_level() {
    let world = World::in_kubernetes();
    let pod = Pod::new(&world, "jm-0");
    let how = seeded(&world, pod.how());
    let mut process = world.up(&how);
    // The seeds are where they should be: what is searched for is there to be found.
    assert!(world.started().argv.iter().any(|word| word.contains("hunter2-flink-option")));
    assert!(process.log().iter().any(|line| line["level"] == "TRACE"), "{}", process.text());
    asked(&world, &how, &["savepoint"]);
    search_everything(&world, &how, &process, Some(pod.admin));
    process.signal(Signal::SIGTERM);
    assert_eq!(process.exit_code(LONG), 143, "{}", process.text());
    search_everything(&world, &how, &process, None);
    // A value that is refused is shown, without what it should not have.
    for key in ["storage.endpoint", "flink.url", "record", "storage.namenode"] {
        let set = format!("{key}=http://a:hunter2-user-of-endpoint@127.0.0.1:9/?x=hunter2-token");
        let said = world.verb(&["history", "--set", &set]);
        assert_eq!(said.code, 78, "{said:?}");
        search(key, &(said.out + &said.err));
    }
    // And the other errors: a command that is not Flink's, and a start that is refused.
    let refused = world
        .run(&How { command: Some(vec!["sh".to_owned(), "-c".to_owned(), "x hunter2-program".to_owned()]), ..how });
    refused.logged("waiting at the gate; Flink is not started", LONG);
    let said = refused.text().replace("x hunter2-program", "the command that was refused is shown");
    search("the log of a refusal", &said);
}

#[test]
fn what_holds_a_secret_shows_none_to_debug() {
    let access = savepointd::flink::Access {
        user: Some(("operator".to_owned(), "hunter2-password-file".to_owned())),
        identity: Some("hunter2-flink-keystore".to_owned()),
        ..savepointd::flink::Access::to("http://127.0.0.1:1")
    };
    let variables = [("AWS_SECRET_ACCESS_KEY", "hunter2-aws-key"), ("AZURE_STORAGE_ACCOUNT_KEY", "hunter2-azure-key")];
    let environment = variables.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
    let storage = savepointd::storage::Storage::new(savepointd::storage::Options::default(), environment);
    let flink = savepointd::flink::Flink::new(savepointd::flink::Access { identity: None, ..access.clone() }).unwrap();
    search("Debug", &format!("{access:?} {access:#?} {storage:?} {flink:?} {:?}", storage.place("s3://bucket/path")));
}
