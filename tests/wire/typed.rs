//! What people type, and what they are told: errors with their way out, answers for programs, colours, completions.

use std::process::Command;

use serde_json::Value;

use crate::support::process::{Process, binary};
use crate::world::{LONG, World, entrypoint, how};

/// The binary with these words, and nothing of this process's configuration.
fn typed(words: &[&str]) -> Command {
    let mut command = Command::new(binary());
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("SAVEPOINTD_")) {
        command.env_remove(name);
    }
    command.args(words).env_remove("KUBERNETES_SERVICE_HOST").env("KUBECONFIG", "/nowhere/kubeconfig");
    command
}

fn told(words: &[&str]) -> (i32, String) {
    let output = typed(words).output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "", "{words:?}: an error is no answer");
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn each_error_names_the_thing_its_source_and_the_way_out() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).display().to_string();
    std::fs::write(at("broken.toml"), "[stop]\ngrace = \n").unwrap();
    std::fs::write(at("plan.json"), "{}").unwrap();
    std::fs::write(at("file"), "").unwrap();
    let (broken, nowhere, saved) = (at("broken.toml"), at("nowhere"), at("plan.json"));
    let in_a_file = format!("file://{}", at("file/record"));
    let cases: &[(&[&str], i32, &[&str])] = &[
        // Usage.
        (
            &["histroy"],
            64,
            &["error: unrecognized subcommand 'histroy'", "tip: a similar subcommand exists: 'history'"],
        ),
        (
            &["plan", "--ouput", "json"],
            64,
            &["unexpected argument '--ouput'", "tip: a similar argument exists: '--output'"],
        ),
        (&["plan", "--output", "xml"], 64, &["invalid value 'xml'", "[possible values: table, json]"]),
        (&["pin"], 64, &["<PATH>", "Usage: savepointd pin"]),
        (&["run", "/docker-entrypoint.sh"], 64, &["unexpected argument '/docker-entrypoint.sh'", "-- <CMD>"]),
        (&["prune", "--keep", "0"], 64, &["invalid value '0' for '--keep <N>'", "not in 1.."]),
        (&["savepoint", "--wait", "soon"], 64, &["invalid value 'soon'", "such as"]),
        // Configuration.
        (&["plan"], 78, &["savepointd: record: not set. Give its URL", "--record", "SAVEPOINTD_RECORD"]),
        (&["plan", "--record", "orders"], 78, &["savepointd: --record: expected", "found \"orders\""]),
        (&["plan", "--set", "stop.grase=30s"], 78, &["--set stop.grase: unknown, did you mean stop.grace?"]),
        (&["plan", "--set", "stop.grace"], 78, &["--set: expected KEY=VALUE, found \"stop.grace\""]),
        (&["plan", "--config", &nowhere], 78, &["can't read", &nowhere, "No such file"]),
        (&["plan", "--config", &broken], 78, &[&broken, "is not TOML", "line 2"]),
        // What is not there, or is something else.
        (
            &["history", "--record", "configmap://shop/orders"],
            75,
            &["no access to the Kubernetes API", "KUBECONFIG", "/nowhere/kubeconfig"],
        ),
        (
            &["history", "--record", "swift://bucket/orders"],
            78,
            &["savepointd: --record: expected a URL", "found \"swift://bucket/orders\""],
        ),
        (&["history", "--record", &in_a_file], 75, &["the record can't be read", &in_a_file]),
        (
            &["savepoint", "--record", "file:///nowhere/record"],
            75,
            &["no agent answers on", "kubectl exec", "control_socket"],
        ),
        (&["takeover", "--record", "file:///nowhere/record"], 77, &["no start is recorded yet"]),
        (&["plan", "--record", "file:///nowhere/record"], 77, &["no start is recorded yet", "savepointd plan -- CMD"]),
        (&["drain"], 75, &["nobody answers on /savepointd/run.sock", "No such file", "SAVEPOINTD_SOCKET"]),
        (
            &["inspect", "/nowhere/savepoint-1"],
            65,
            &["nothing is there: file:///nowhere/savepoint-1/_metadata", "savepoint-…"],
        ),
        (
            &["inspect", "viewfs://name/savepoint-1"],
            77,
            &["viewfs://name/savepoint-1", "this build of savepointd reads file, s3"],
        ),
        (&["plan", "--replay", &nowhere], 71, &["the saved plan", &nowhere, "can't be read", "No such file"]),
        (&["plan", "--replay", &saved], 71, &[&saved, "expected what `savepointd plan --output json` has printed"]),
        (&["inject", &nowhere], 71, &["the manifests in", &nowhere, "No such file"]),
        (&["install", "/proc/nowhere"], 71, &["the directory /proc/nowhere can't be made"]),
    ];
    for (words, code, expected) in cases {
        let (ended, said) = told(words);
        assert_eq!(ended, *code, "{words:?}: {said}");
        for part in *expected {
            assert!(said.contains(part), "{words:?}: {part:?} is not in\n{said}");
        }
        assert!(!said.contains('\u{1b}'), "{words:?}: no colour without a terminal");
    }
}

/// The names in a JSON answer and what they hold; of a list, those of all its elements.
fn shape(value: &Value, name: &str, shapes: &mut std::collections::BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (field, value) in fields {
                shape(value, &format!("{name}.{field}"), shapes);
            }
        }
        Value::Array(elements) => {
            for element in elements {
                shape(element, &format!("{name}[]"), shapes);
            }
        }
        Value::Null => {}
        Value::Bool(_) => drop(shapes.insert(format!("{name}: boolean"))),
        Value::Number(_) => drop(shapes.insert(format!("{name}: number"))),
        Value::String(_) => drop(shapes.insert(format!("{name}: text"))),
    }
}

#[test]
fn programs_find_what_they_know_under_the_same_names() {
    let world = World::new();
    world.one_epoch();
    let process = world.up(&how());
    world.flink.checkpoint();
    let taken = world.json(&["savepoint", "--output", "json"]);
    let path = taken["path"].as_str().unwrap().to_owned();
    let drained = |words: &[&str]| world.json(words);
    let row = "[].base: text, [].bytes: number, [].checkpoint_id: number, [].completed_at: text, [].confirmed: boolean, \
               [].duration_ms: number, [].epoch: number, [].job_id: text, [].kind: text, [].outcome: text, [].path: text";
    for (words, expected) in [
        (&["history"] as &[&str], row),
        (
            &["plan"],
            ".candidates[].chosen: boolean, .candidates[].point.path: text, .decision: text, .path: text, .reason: text",
        ),
        (
            &["verify", &path],
            ".bytes: number, .checkpoint_id: number, .files: number, .path: text, .requests: number, .verdict: text, .version: number",
        ),
        (&["doctor"], "[].about: text, [].found: text, [].verdict: text"),
        (
            &["prune", "--dry-run"],
            ".dry_run: boolean, .outcomes[].bytes: number, .outcomes[].deleted: boolean, .outcomes[].path: text, .outcomes[].reason: text, .outcomes[].verdict: text, .outcomes[].what: text",
        ),
        (&["pin", &path], ".done: text"),
        (&["unpin"], ".done: text"),
        (&["fresh"], ".done: text"),
        (&["inspect", "--uid", "counter"], ".operator_id: text, .uid: text"),
    ] {
        let said = world.verb(&[words, &["--output", "json"]].concat());
        let answer: Value =
            serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{words:?}: {error}: {said:?}"));
        has(&answer, expected, words);
    }
    let names = ".bytes: number, .checkpoint_id: number, .completed_at: text, .duration_ms: number, .epoch: number, .format: text, .job_id: text, .kind: text, .path: text";
    has(&taken, names, &["savepoint"]);
    has(&drained(&["drain", "--output", "json"]), ".outcome: text, .reason: text", &["drain"]);
    drop(process);
}

/// New names may come; none may go or hold something else.
fn has(answer: &Value, expected: &str, words: &[&str]) {
    let mut found = std::collections::BTreeSet::new();
    shape(answer, "", &mut found);
    for one in expected.split(", ") {
        assert!(found.contains(one), "{words:?} has no {one:?}: {found:#?}");
    }
}

#[test]
fn colours_are_there_when_they_are_asked_for_and_only_then() {
    let world = World::new();
    world.one_epoch();
    let plain = world.verb(&["history"]).out;
    assert!(!plain.contains('\u{1b}'), "{plain:?}");
    let colored = world.verb(&["history", "--color", "always"]).out;
    assert!(
        colored.contains("\u{1b}[1mEPOCH\u{1b}[0m") && colored.contains("\u{1b}[32msavepoint\u{1b}[0m"),
        "{colored:?}"
    );
    assert_eq!(world.verb(&["history", "--color", "never"]).out, plain);
    let json = world.verb(&["history", "--color", "always", "--output", "json"]).out;
    assert!(!json.contains('\u{1b}'), "{json:?}");
}

#[test]
fn a_table_fits_eighty_columns_but_for_its_paths() {
    let world = World::new();
    world.one_epoch();
    world.one_epoch();
    for words in [&["history"] as &[&str], &["plan"], &["prune", "--dry-run", "--keep", "1"], &["doctor"]] {
        let said = world.verb(words);
        assert!(!said.out.is_empty(), "{said:?}");
        for line in said.out.lines().filter(|line| !line.contains("file:/")) {
            assert!(line.chars().count() <= 80, "{words:?}: {line:?}");
        }
    }
}

/// What bash offers for this line.
fn offered(line: &str) -> Vec<String> {
    let script = r#"
        source <(savepointd completions bash)
        read -ra COMP_WORDS <<< "$LINE"
        if [[ $LINE == *' ' ]]; then COMP_WORDS+=(''); fi
        COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
        $(complete -p savepointd | sed 's/.*-F \([^ ]*\).*/\1/')
        printf '%s\n' "${COMPREPLY[@]}"
    "#;
    let directory = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(binary(), directory.path().join("savepointd")).unwrap();
    let path = format!("{}:{}", directory.path().display(), std::env::var("PATH").unwrap());
    let output =
        Command::new("bash").args(["--norc", "-c", script]).env("PATH", path).env("LINE", line).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

#[test]
fn bash_completes_verbs_flags_values_and_keys() {
    for (line, expected) in [
        ("savepointd hi", &["history"] as &[&str]),
        ("savepointd plan --out", &["--output"]),
        ("savepointd plan --output ", &["table", "json"]),
        ("savepointd --set restore.on_b", &["restore.on_broken="]),
        ("savepointd verify ", &[]),
        ("savepointd run -- ./doc", &[]),
    ] {
        assert_eq!(offered(line), expected, "{line}");
    }
    for shell in ["zsh", "fish"] {
        let output = typed(&["completions", shell]).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && text.contains("savepointd"), "{text}");
        // Where there is such a shell, it takes it.
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &text).unwrap();
        if let Ok(checked) = Command::new(shell).arg("-n").arg(file.path()).output() {
            assert!(checked.status.success(), "{checked:?}");
        }
    }
}

#[test]
fn commands_beside_a_run_with_its_own_agent_find_it_by_the_record() {
    let world = World::new();
    // On a laptop nobody configures sockets.
    let plainly = |arguments: &[&str]| {
        let mut command = world.command(&[]);
        command.env_remove("SAVEPOINTD_SOCKET").env_remove("SAVEPOINTD_CONTROL_SOCKET").args(arguments);
        command
    };
    let script = entrypoint().display().to_string();
    let process =
        Process::start(&mut plainly(&["run", "--agent", "--", &script, "standalone-job", "--job-classname", "Job"]));
    process.logged("the restore is confirmed", LONG);
    // Only the agent knows of the running job.
    let found = |said: std::process::Output| String::from_utf8(said.stdout).unwrap().contains("guards of TaskManagers");
    assert!(found(plainly(&["doctor"]).output().unwrap()));
    world.stopped_with_savepoint(process);
    assert!(!found(plainly(&["doctor"]).output().unwrap()));
}
