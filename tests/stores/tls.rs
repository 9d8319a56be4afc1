//! A store whose certificate only `storage.ca` vouches for.

use std::path::Path;
use std::process::{Command, Stdio};

use savepointd::report;
use savepointd::storage::{Created, Options, Storage};

use super::support::stores::Store;
use super::world::run;

/// An authority `ca.crt`, and what it vouches for at 127.0.0.1: `public.crt` with `private.key`.
fn certificates(directory: &Path) {
    std::fs::write(directory.join("names"), "subjectAltName=IP:127.0.0.1\n").unwrap();
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    for line in [
        format!("req -x509 {key} -keyout ca.key -out ca.crt -days 2 -subj /CN=authority"),
        format!("req {key} -keyout private.key -out request -subj /CN=store"),
        "x509 -req -in request -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile names -out public.crt"
            .to_owned(),
    ] {
        let mut command = Command::new("openssl");
        command.args(line.split(' ')).current_dir(directory).stdout(Stdio::null()).stderr(Stdio::null());
        assert!(command.status().unwrap().success(), "openssl {line}");
    }
}

#[test]
fn a_store_is_trusted_if_the_configured_roots_vouch_for_it_and_not_otherwise() {
    let dir = tempfile::tempdir().unwrap();
    certificates(dir.path());
    let store = Store::minio_by_tls(dir.path());
    let storage = |ca: Option<&str>| {
        let endpoint = Some(format!("https://127.0.0.1:{}", store.direct));
        let options = Options { endpoint, ca: ca.map(|name| dir.path().join(name)), ..Options::default() };
        Storage::new(options, store.variables.iter().cloned())
    };
    run(async {
        let place = storage(Some("ca.crt")).place("s3://state/x").unwrap();
        assert_eq!(place.create(b"x".to_vec()).await.unwrap(), Created::Done);
        let error = storage(None).place("s3://state/x").unwrap().stat().await.unwrap_err();
        assert!(report::chain(&error).contains("certificate"), "{error:?}");
    });
    for name in ["names", "missing"] {
        let error = storage(Some(name)).place("s3://state/x").unwrap_err();
        assert!(report::chain(&error).contains("SAVEPOINTD_STORAGE__CA"), "{error:?}");
    }
}
