//! Flink's REST API behind TLS, for whoever shows a certificate and knows a password.

use std::fs;

use nix::sys::signal::Signal;
use rcgen::ExtendedKeyUsagePurpose;

use crate::refusals::REFUSED;
use crate::support::eventually;
use crate::support::fake_flink::{Call, Fault};
use crate::support::tls_proxy::{Certified, Issuer, TlsProxy};
use crate::world::{How, LONG, World, how, signal};

const NAME: &str = "jobmanager.flink.svc";
const PASSWORD: &str = "hunter2";

/// The proxy before the world's Flink, and the settings that lead through it.
fn locked(world: &World) -> (TlsProxy, How) {
    let (servers, clients) = (Issuer::new(), Issuer::new());
    // The header for savepointd and the password, as any HTTP server wants it (RFC 7617).
    let basic = Some("Basic c2F2ZXBvaW50ZDpodW50ZXIy");
    let proxy = TlsProxy::before(world.flink.port, &servers, NAME, Some(&clients), basic);
    let Certified { certificate, key } = clients.issue("savepointd", ExtendedKeyUsagePurpose::ClientAuth);
    let mut how = how().set(&format!("flink.url=https://127.0.0.1:{}", proxy.port));
    how = how.set(&format!("flink.server_name={NAME}")).set("flink.user=savepointd");
    let files = [
        ("flink.ca", servers.pem()),
        ("flink.certificate", certificate),
        ("flink.key", key),
        ("flink.password_file", format!("{PASSWORD}\n")),
    ];
    for (setting, text) in files {
        let file = world.path(setting);
        fs::write(&file, text).unwrap();
        how = how.set(&format!("{setting}={}", file.display()));
    }
    world.configure(&["security.ssl.rest.enabled: true", "security.ssl.rest.authentication-enabled: true"]);
    (proxy, how)
}

#[test]
fn a_stop_and_a_start_go_on_as_in_the_clear_and_nothing_secret_is_said() {
    let world = World::new();
    let (_proxy, how) = locked(&world);
    let how = how.set("log.level=debug");
    let first = world.up(&how);
    let key = fs::read_to_string(world.path("flink.key")).unwrap();
    let secret = key.lines().nth(1).unwrap();
    let text = |text: String| {
        assert!(!text.contains(PASSWORD) && !text.contains(secret), "{text}");
    };
    first.signal(Signal::SIGTERM);
    let mut first = first;
    assert_eq!(first.exit_code(LONG), 143, "{}", first.text());
    text(first.text());
    assert_eq!(world.newest()["outcome"], "savepoint");
    let second = world.up(&how);
    assert_eq!(world.told().as_deref(), world.newest()["base"].as_str());
    world.stopped_with_savepoint(second);
}

#[test]
fn run_finishes_alone_through_the_same_door() {
    let world = World::new();
    let (_proxy, how) = locked(&world);
    let mut process = world.up(&how);
    world.flink.fault(Call::Jobs, &Fault::Hang, usize::MAX);
    let before = world.flink.count(Call::Jobs);
    process.signal(Signal::SIGTERM);
    process.logged("stopping", LONG);
    eventually("a look at the jobs", LONG, || (world.flink.count(Call::Jobs) > before).then_some(()));
    signal(process.agent().as_raw(), Signal::SIGKILL);
    world.flink.heal();
    assert_eq!(process.exit_code(LONG), 143, "{}", process.text());
    assert_eq!(process.logged("stopped", LONG)["outcome"], "savepoint", "{}", process.text());
}

#[test]
fn what_is_missing_is_said_at_the_gate_and_not_at_the_stop() {
    let world = World::new();
    let refused = |how: &How, words: &[&str]| {
        let mut process = world.run(how);
        assert_eq!(process.exit_code(LONG), REFUSED, "{}", process.text());
        let reason = process.logged("Flink is not started", LONG)["reason"].as_str().unwrap().to_owned();
        for word in words {
            assert!(reason.contains(word), "{word:?} is not in {reason:?}");
        }
    };
    let tls = "security.ssl.rest.enabled: true";
    world.configure(&[tls]);
    refused(&how(), &["flink.ca (SAVEPOINTD_FLINK__CA)", "keytool -exportcert"]);
    let file = world.path("ca.pem");
    let ca = how().set(&format!("flink.ca={}", file.display()));
    refused(&ca, &["flink.ca (SAVEPOINTD_FLINK__CA)", "ca.pem can't be read", "No such file"]);
    fs::write(&file, "no certificate").unwrap();
    refused(&ca, &["flink.ca", "no certificate is in it"]);
    fs::write(&file, Issuer::new().pem()).unwrap();
    world.configure(&[tls, "security.ssl.rest.authentication-enabled: true"]);
    refused(&ca, &["security.ssl.rest.authentication-enabled", "flink.certificate", "SAVEPOINTD_FLINK__KEY"]);
    world.configure(&[tls]);
    let clear = ca.set("flink.url=http://127.0.0.1:8081");
    refused(&clear, &["security.ssl.rest.enabled", "SAVEPOINTD_FLINK__URL", "https://"]);
    world.configure(&[tls, "security.ssl.algorithms: TLS_RSA_WITH_AES_128_CBC_SHA"]);
    let ca = how().set(&format!("flink.ca={}", file.display()));
    refused(&ca, &["security.ssl.algorithms", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"]);
    assert_eq!(world.flink.starts().len(), 0, "Flink was started");
}
