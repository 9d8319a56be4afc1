//! Manifests that `inject` is given.

use savepointd::inject::{DEFAULT_PORT, Options, Sidecar, documents, inject};
use serde_json::Value;

fn options() -> Options {
    Options {
        image: "savepointd:1".to_owned(),
        record: None,
        sidecar: Sidecar::Native,
        grace: 60,
        entrypoint: vec!["/docker-entrypoint.sh".to_owned()],
        handover: None,
        port: DEFAULT_PORT,
        agent: None,
        job_managers: Vec::new(),
        task_managers: Vec::new(),
        rbac: true,
        settings: Vec::new(),
    }
}

pub fn any(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(before) = documents::read(text) else { return };
    let values =
        |documents: &[documents::Document]| documents.iter().map(documents::Document::value).collect::<Vec<Value>>();
    let Ok(injected) = inject(values(&before), &options()) else { return };
    let written = documents::write(&before, &injected.documents).unwrap();
    let read = documents::read(&written).unwrap_or_else(|error| panic!("{error}: {written}"));
    let is_said = |value: &Value| !value.is_null();
    let said = |documents: Vec<Value>| documents.into_iter().filter(is_said).collect::<Vec<_>>();
    assert_eq!(
        said(values(&read)),
        said(injected.documents.clone()),
        "what is written is not what was made: {written}"
    );
    let again = inject(injected.documents.clone(), &options()).unwrap();
    assert_eq!(again.documents, injected.documents, "doing it twice is not doing it once");
}
