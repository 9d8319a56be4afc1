//! `inject` as people call it: files, pipes, exit codes; and the shipped manifests, which have to agree with it.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::process::binary;
use crate::world::Said;

const DEPLOYMENT: &str = "\
# Source: chart/templates/jobmanager.yaml
apiVersion: apps/v1
kind: Deployment
metadata: {name: orders}
spec:
  template:
    metadata: {labels: {app: orders}}
    spec:
      containers:
      - name: main
        image: flink:1.20
        args: [standalone-job, --job-classname, X]
";
const CONFIG_MAP: &str = "\
# a comment that stays
apiVersion: v1
kind: ConfigMap
metadata: {name: c, labels: &l {a: 'yes'}}
data:
  text: |
    --- no marker
      x
";

pub fn inject(arguments: &[&str], input: &str) -> Said {
    let mut command = Command::new(binary());
    command.arg("inject").args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("SAVEPOINTD_")) {
        command.env_remove(name);
    }
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    // One that refuses its flags reads nothing.
    let writer = std::thread::spawn(move || drop(stdin.write_all(input.as_bytes())));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Said { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
}

/// The documents by kind and name.
pub fn objects(text: &str) -> BTreeMap<String, Value> {
    let documents = savepointd::inject::documents::read(text).unwrap();
    let objects = documents.iter().map(savepointd::inject::documents::Document::value).filter(|value| !value.is_null());
    objects
        .map(|value| {
            (format!("{}/{}", value["kind"].as_str().unwrap(), value["metadata"]["name"].as_str().unwrap()), value)
        })
        .collect()
}

#[test]
fn it_is_a_filter_for_helm_and_kubectl() {
    let input = format!("---\n{CONFIG_MAP}---\n{DEPLOYMENT}");
    let said = inject(&[], &input);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.out.starts_with(&format!("---\n{CONFIG_MAP}---\n")), "others come out as they went in: {}", said.out);
    let kinds: Vec<String> = objects(&said.out).into_keys().collect();
    let name = "orders-savepointd";
    assert_eq!(
        kinds,
        [
            "ConfigMap/c".to_owned(),
            "Deployment/orders".to_owned(),
            format!("Role/{name}"),
            format!("RoleBinding/{name}"),
            format!("Service/{name}"),
            format!("ServiceAccount/{name}")
        ]
    );
    assert!(
        said.err.contains(
            "savepointd: Deployment/orders container main: terminationGracePeriodSeconds raised from 30 to 120"
        ),
        "{}",
        said.err
    );

    let again = inject(&["-"], &said.out);
    assert_eq!(
        (again.code, again.out.as_str(), again.err.as_str()),
        (0, said.out.as_str(), ""),
        "twice is once, and nothing is left to say"
    );
    let upgraded = inject(&["--image", "savepointd:next"], &said.out);
    assert_eq!(upgraded.out, said.out.replace(concat!("savepointd:", env!("CARGO_PKG_VERSION")), "savepointd:next"));
}

#[test]
fn files_and_json_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("m.yaml");
    std::fs::write(&file, DEPLOYMENT).unwrap();
    let from_file = inject(&[file.to_str().unwrap()], "");
    assert_eq!(from_file.code, 0, "{from_file:?}");
    let deployment = objects(DEPLOYMENT).remove("Deployment/orders").unwrap();
    let list = serde_json::json!({"apiVersion": "v1", "kind": "List", "items": [deployment]});
    let from_json = inject(&[], &format!("{list:#}"));
    assert_eq!(from_json.code, 0, "{from_json:?}");
    let items = savepointd::inject::documents::read(&from_json.out).unwrap()[0].value();
    assert_eq!(items["items"][0], objects(&from_file.out)["Deployment/orders"]);
    let missing = inject(&["/nowhere/m.yaml"], "");
    assert_eq!(
        (missing.code, missing.err.contains("/nowhere/m.yaml"), missing.out.as_str()),
        (71, true, ""),
        "{missing:?}"
    );
}

#[test]
fn what_is_refused_writes_nothing_and_says_why() {
    let nginx = DEPLOYMENT.replace("flink:1.20", "nginx").replace("standalone-job", "serve");
    let session =
        DEPLOYMENT.replace("[standalone-job, --job-classname, X]", "[kubernetes-jobmanager.sh, kubernetes-session]");
    let both = format!("{DEPLOYMENT}---\n{}", DEPLOYMENT.replace("name: orders", "name: refunds"));
    let hostile = "a: &a [*a]\n";
    for (arguments, input, code, hint) in [
        (&[] as &[&str], nginx.as_str(), 65, "no JobManager and no TaskManager"),
        (&[], session.as_str(), 65, "Deployment/orders container main: this is a native session cluster"),
        (&[], "", 65, "no JobManager and no TaskManager"),
        (&[], "- a\n- b\n", 65, "line 1"),
        (&[], hostile, 65, "line 1"),
        (&[], "\u{0}\u{1}", 65, "line 1"),
        (&[], "{\"kind\": ", 65, "line 1"),
        (&["--record", "configmap:///one"], both.as_str(), 64, "one record for each cluster"),
        (&["--jobmanager", "Deployment/other/main"], DEPLOYMENT, 64, "no such container"),
        (&["--jobmanager", "orders"], DEPLOYMENT, 64, "KIND/NAME/CONTAINER"),
        (&["--native-sidecar", "--classic-sidecar"], DEPLOYMENT, 64, "cannot be used"),
        (&["--grace", "120"], DEPLOYMENT, 64, "120s"),
        (&["--grace", "0s"], DEPLOYMENT, 64, "--grace"),
        (&["--entrypoint", " "], DEPLOYMENT, 64, "--entrypoint"),
        (&["--config", "/x"], DEPLOYMENT, 64, "--set"),
        (&["--set", "stop.grase=1s"], DEPLOYMENT, 78, "stop.grace"),
    ] {
        let said = inject(arguments, input);
        assert_eq!((said.code, said.out.as_str()), (code, ""), "{arguments:?} {said:?}");
        assert!(said.err.contains(hint), "{arguments:?} {said:?}");
    }
}

#[test]
fn flags_reach_the_manifests() {
    let said = inject(
        &[
            "--classic-sidecar",
            "--grace",
            "5m",
            "--handover",
            "wait",
            "--record",
            "file:///state/r",
            "--set",
            "savepoint.format=canonical",
            "--no-rbac",
            "--port",
            "9300",
        ],
        DEPLOYMENT,
    );
    assert_eq!(said.code, 0, "{said:?}");
    let spec = objects(&said.out)["Deployment/orders"].pointer("/spec/template/spec").unwrap().clone();
    assert_eq!(
        (&spec["containers"][1]["name"], &spec["terminationGracePeriodSeconds"]),
        (&"savepointd".into(), &300.into())
    );
    let env = spec["containers"][1]["env"].to_string();
    for part in ["file:///state/r", "SAVEPOINTD_SAVEPOINT__FORMAT", "canonical", "300s", "[::]:9300"] {
        assert!(env.contains(part), "{part}: {env}");
    }
    assert!(!env.contains("HANDOVER") && said.err.contains("a rolling update never ends"), "{said:?}");
    assert!(said.err.contains("needs a Role with these rules"), "{said:?}");
}

fn manifests(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("k8s").join(name)
}

/// What `kubectl kustomize` makes of a directory. It needs no cluster, but a kubectl.
pub fn kustomize(name: &str) -> Option<String> {
    match Command::new("kubectl").arg("kustomize").arg(manifests(name)).output() {
        Ok(output) => {
            assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
            Some(String::from_utf8(output.stdout).unwrap())
        }
        Err(error) => {
            assert!(std::env::var_os("CI").is_none(), "kubectl is missing: {error}");
            eprintln!("kubectl is missing, so {name} is not built: {error}");
            None
        }
    }
}

/// Lists whose order means nothing are put in order: by name, or by mount path.
fn in_order(value: &mut Value) {
    match value {
        Value::Array(list) => {
            list.iter_mut().for_each(in_order);
            let key = |one: &Value| {
                Some(format!("{}{}", one["name"].as_str()?, one["mountPath"].as_str().unwrap_or_default()))
            };
            if list.iter().all(|one| key(one).is_some()) {
                list.sort_by_key(key);
            }
        }
        Value::Object(object) => object.values_mut().for_each(in_order),
        _ => {}
    }
}

pub fn agree(injected: &str, shipped: &str, what: &str) {
    let ordered = |text: &str| {
        let mut objects = objects(text);
        objects.values_mut().for_each(in_order);
        objects
    };
    let (injected, shipped) = (ordered(injected), ordered(shipped));
    assert_eq!(injected.keys().collect::<Vec<_>>(), shipped.keys().collect::<Vec<_>>(), "{what}");
    for (name, object) in &injected {
        assert_eq!(*object, shipped[name], "{what}: {name}\n{object:#}\n{:#}", shipped[name]);
    }
}

#[test]
fn the_shipped_overlays_are_what_inject_makes_of_the_plain_manifests() {
    for name in ["deployment", "rolling-update", "statefulset", "job"] {
        let (Some(plain), Some(shipped)) =
            (kustomize(&format!("flink/{name}")), kustomize(&format!("overlays/{name}")))
        else {
            return;
        };
        let injected = inject(&[], &plain.replace("image: flink\n", "image: flink:1.20-java17\n"));
        assert_eq!(injected.code, 0, "{name}: {injected:?}");
        agree(&injected.out, &shipped, name);
        let again = inject(&[], &shipped);
        assert_eq!(again.code, 0, "{name}: {again:?}");
        agree(&again.out, &shipped, "inject changes nothing in what is shipped");
    }
}

/// The shipped file's text.
fn shipped(name: &str) -> String {
    std::fs::read_to_string(manifests(name)).unwrap()
}

#[test]
fn the_shipped_pod_templates_are_what_inject_makes_of_the_plain_ones() {
    let plain = format!("{}---\n{}", shipped("flink/native/jobmanager.yaml"), shipped("flink/native/taskmanager.yaml"));
    let named = ["--jobmanager", "Pod/orders-jobmanager", "--taskmanager", "Pod/orders-taskmanager"];
    let said = inject(&named, &plain);
    assert_eq!(said.code, 0, "{said:?}");
    let mut templates = objects(&said.out);
    templates.retain(|name, _| name.starts_with("Pod/"));
    for (object, file) in [("Pod/orders-jobmanager", "jobmanager"), ("Pod/orders-taskmanager", "taskmanager")] {
        assert_eq!(templates[object], objects(&shipped(&format!("overlays/native/{file}.yaml")))[object], "{object}");
    }

    // The operator names image and account itself, and knows no name of a template.
    let operator = &objects(&shipped("overlays/operator/flink-deployment.yaml"))["FlinkDeployment/orders"]["spec"];
    for (object, field) in [("Pod/orders-jobmanager", "jobManager"), ("Pod/orders-taskmanager", "taskManager")] {
        let template = templates.get_mut(object).unwrap();
        let spec = template["spec"].as_object_mut().unwrap();
        spec.remove("serviceAccountName");
        spec["containers"][0].as_object_mut().unwrap().remove("image");
        let other = &operator[field]["podTemplate"];
        assert_eq!(
            (&template["spec"], &template["metadata"]["labels"]),
            (&other["spec"], &other["metadata"]["labels"]),
            "{object}"
        );
    }
    for overlay in ["overlays/native", "overlays/operator"] {
        kustomize(overlay);
    }
}
