//! Names and paths that others have chosen: one word of a command line, never an option; text on a page and in a log, never more.

use std::fs;

use serde_json::Value;

use crate::kubernetes::Pod;
use crate::support::fake_flink::{url, write_point};
use crate::support::http;
use crate::world::{LONG, World, each, how};

/// What may stand in a directory's name.
const NAMES: [&str; 7] = [
    "savepoint-a b",
    "savepoint-'q\" $(touch x) `y`; z",
    "-Dx=y",
    "--allowNonRestoredState",
    "savepoint-%2e%2e%2f%0a",
    "savepoint-<script>alert(1)</script>",
    "savepoint-..-*?",
];
/// What an object store has no name for: a directory with one of these can't be listed, which is no proof of anything.
const IMPOSSIBLE: [&str; 2] = ["savepoint-a\nrestore s3:", "savepoint-\u{1b}[2J\u{202e}"];

#[test]
fn a_pinned_path_of_any_name_is_one_word_behind_its_option_or_is_refused() {
    each(&NAMES, |name| {
        let world = World::new();
        world.one_epoch();
        let path = world.path("savepoints").join(name);
        write_point(&path, 40);
        let said = world.verb(&["pin", &url(&path)]);
        assert!(!said.out.contains('\u{1b}') && !said.err.contains('\u{1b}'), "{said:?}");
        if said.code != 0 {
            assert_ne!(*name, NAMES[0], "an ordinary name, but for its blank: {said:?}");
            assert_eq!(world.plan()["path"], world.newest()["path"], "{said:?}");
            return;
        }
        let process = world.up(&how());
        let argv = world.started().argv;
        let told = argv.iter().position(|word| word == "--fromSavepoint").map(|at| argv[at + 1].clone());
        assert_eq!(told, Some(url(&path)), "{argv:?}");
        assert!(!argv.iter().any(|word| word == name), "{argv:?}");
        drop(process);
    });
}

#[test]
fn what_has_the_form_of_an_option_is_never_a_path() {
    let world = World::new();
    world.one_epoch();
    for path in ["-Dx=y", "--allowNonRestoredState", "-", "--", ""] {
        let said = world.verb(&["pin", "--", path]);
        assert_ne!(said.code, 0, "{path:?}: {said:?}");
        let restoring = world.verb(&["verify", "--", path]);
        assert_ne!(restoring.code, 0, "{path:?}: {restoring:?}");
    }
    let before = world.newest()["path"].clone();
    let process = world.up(&how());
    assert_eq!(world.told().map(Value::from), Some(before));
    world.stopped_with_savepoint(process);
}

#[test]
fn a_record_that_somebody_else_wrote_into_makes_no_option_no_markup_and_no_escape() {
    let world = World::in_kubernetes();
    let pod = Pod::new(&world, "jm-0");
    let process = world.up(&pod.how());
    world.stopped_with_savepoint(process);
    pod_is_gone(&world);
    // The newest point's path is changed: in place of it stands what a shell, a browser or a terminal would obey.
    let evil = "--allowNonRestoredState\u{1b}[2J<script>alert(1)</script>";
    world.api().change_config_map("orders", |object| {
        let text = object["data"]["record"].as_str().unwrap();
        let line = |line: &str| {
            let mut entry: Value = serde_json::from_str(line).unwrap();
            if entry["fact"]["what"] == "saved" {
                entry["fact"]["point"]["path"] = evil.into();
            }
            format!("{entry}\n")
        };
        object["data"]["record"] = text.lines().map(line).collect::<String>().into();
    });
    let table = world.verb(&["history"]).out + &world.verb(&["plan"]).out;
    assert!(!table.contains('\u{1b}') && table.contains("--allowNonRestoredState"), "{table:?}");
    let next = Pod::new(&world, "jm-1");
    let waiting = world.run(&next.how());
    // Either the line that is damaged is refused, or what is in storage counts; the path is believed in no case.
    crate::support::eventually("a decision", LONG, || {
        waiting.find("waiting at the gate; Flink is not started").or_else(|| waiting.find("the restore is confirmed"))
    });
    let words: Vec<String> = world.flink.starts().into_iter().flat_map(|start| start.argv).collect();
    assert!(!words.iter().any(|word| word.contains("script") || word == "--allowNonRestoredState"), "{words:?}");
    let page = http::get(next.admin, "/").unwrap().1;
    assert!(!page.contains("<script") && !page.contains('\u{1b}'), "{page}");
    assert!(!waiting.text().contains('\u{1b}'), "{}", waiting.text());
}

fn pod_is_gone(world: &World) {
    world.api().remove_pod("jm-0");
}

#[test]
fn what_lies_in_the_savepoint_folder_under_any_name_is_no_savepoint_unless_flink_named_it() {
    let world = World::new();
    let newest = world.one_epoch();
    for name in NAMES {
        write_point(&world.folder().join("1").join(name), 50);
    }
    fs::create_dir_all(world.folder().join("1/..evil/../also")).unwrap();
    let plan = world.plan();
    let chosen = plan["path"].as_str().unwrap_or_default();
    assert!(chosen == newest || plan["decision"] == "refuse" || chosen.contains("/savepoint-"), "{plan:#}");
    assert!(!chosen.starts_with('-') && !chosen.contains("/-D"), "{plan:#}");
    for name in IMPOSSIBLE {
        let path = world.folder().join("1").join(name);
        write_point(&path, 60);
        let said = world.verb(&["plan"]);
        assert!(said.code == 75 && said.out.is_empty() && said.err.contains("can't be read"), "{said:?}");
        assert!(!said.err.contains('\u{1b}') && !said.err.contains('\u{202e}'), "{said:?}");
        fs::remove_dir_all(path).unwrap();
    }
    world.next_restores(chosen);
}
