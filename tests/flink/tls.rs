//! Real Flink whose REST API speaks TLS, and only to whoever shows a certificate that its truststore knows.

use std::fs;
use std::path::Path;
use std::process::Command;

use rcgen::ExtendedKeyUsagePurpose;

use super::on_each_flink;
use super::support::flink::{Cluster, STOP};
use super::support::tls_proxy::{Certified, Issuer};

on_each_flink!(on 1.20:; on 2.3: a_stop_and_a_start_over_mutual_tls_lose_nothing);

const NAME: &str = "jobmanager.flink.svc";
const PASSWORD: &str = "changeit";

/// The JDK's own tool, which makes what Flink reads.
fn keytool(store: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new("keytool");
    command.args(arguments).args(["-storetype", "PKCS12", "-storepass", PASSWORD, "-keystore"]).arg(store);
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

fn a_stop_and_a_start_over_mutual_tls_lose_nothing(version: &str) {
    let keys = tempfile::Builder::new().prefix("savepointd-keys-").tempdir().unwrap();
    let path = |name: &str| keys.path().join(name);
    let (own, trusted) = (path("own.p12"), path("trusted.p12"));
    let san = format!("san=dns:{NAME}");
    keytool(&own, &["-genkeypair", "-alias", "rest", "-keyalg", "RSA", "-dname", "CN=jobmanager", "-ext", &san]);
    fs::write(path("ca.pem"), keytool(&own, &["-exportcert", "-rfc", "-alias", "rest"])).unwrap();
    let issuer = Issuer::new();
    fs::write(path("issuer.pem"), issuer.pem()).unwrap();
    let file = path("issuer.pem").display().to_string();
    keytool(&trusted, &["-importcert", "-noprompt", "-alias", "clients", "-file", &file]);
    let Certified { certificate, key } = issuer.issue("savepointd", ExtendedKeyUsagePurpose::ClientAuth);
    fs::write(path("certificate.pem"), certificate).unwrap();
    fs::write(path("key.pem"), key).unwrap();

    let (own, trusted) = (own.display().to_string(), trusted.display().to_string());
    let mut cluster = Cluster::with(
        version,
        &[
            ("security.ssl.rest.enabled", "true"),
            ("security.ssl.rest.authentication-enabled", "true"),
            ("security.ssl.rest.keystore", &own),
            ("security.ssl.rest.keystore-password", PASSWORD),
            ("security.ssl.rest.key-password", PASSWORD),
            ("security.ssl.rest.truststore", &trusted),
            ("security.ssl.rest.truststore-password", PASSWORD),
        ],
    );
    let set = |key: &str, name: &str| format!("flink.{key}={}", path(name).display());
    cluster.settings = vec![set("ca", "ca.pem"), set("certificate", "certificate.pem"), set("key", "key.pem")];
    cluster.settings.push(format!("flink.server_name={NAME}"));
    cluster.start_task_manager();

    let (process, _) = cluster.run_confirmed();
    cluster.progress(100);
    let stopped = cluster.stop(process);
    assert_eq!(stopped["outcome"], "savepoint", "{stopped}");
    let (mut process, restored) = cluster.run_confirmed();
    assert_eq!(restored.as_deref(), stopped["point"].as_str());
    cluster.progress(100);
    process.signal(nix::sys::signal::Signal::SIGTERM);
    assert_eq!(process.exit_code(STOP), 143, "{}", process.text());
    cluster.assert_exactly_once(&cluster.lives());
}
