//! Older and newer savepointds on one record: vectors of each version, entries from the future, and an older binary before and after
//! this one.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::kubernetes::Pod;
use crate::support::eventually;
use crate::support::fake_flink::write_point;
use crate::support::process::Process;
use crate::world::{How, LONG, World, how};

/// Records as released versions wrote them: a folder for each, which is never changed again. In them `/w` is the cluster's directory.
fn vectors() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/records");
    let mut found: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.sort();
    assert!(!found.is_empty());
    found
}

fn moved(text: &str, from: &str, to: &str) -> String {
    text.replace(&format!("file://{from}/"), &format!("file://{to}/"))
}

/// Lays the vector's record and marker out in a world of its own, with the points that they tell of.
fn laid_out(vector: &Path) -> World {
    let world = World::new();
    let here = world.dir.path().to_str().unwrap();
    for name in ["record", "marker"] {
        let into = if name == "record" { world.record() } else { world.folder().join("marker") };
        fs::create_dir_all(&into).unwrap();
        for entry in fs::read_dir(vector.join(name)).unwrap() {
            let path = entry.unwrap().path();
            let text = moved(&fs::read_to_string(&path).unwrap(), "/w", here);
            fs::write(into.join(path.file_name().unwrap()), text).unwrap();
        }
    }
    for entry in world.entries() {
        let point = &entry["fact"]["point"];
        if let (Some(path), Some(number)) = (point["path"].as_str(), point["checkpoint_id"].as_u64()) {
            write_point(Path::new(path.strip_prefix("file://").unwrap()), number);
        }
    }
    world
}

fn told(world: &World) -> Value {
    json!({ "history": world.history(), "decision": world.plan()["decision"], "path": world.plan()["path"] })
}

#[test]
fn a_record_that_any_released_version_wrote_is_read_as_it_was_and_gone_on_from() {
    for vector in vectors() {
        let world = laid_out(&vector);
        let here = world.dir.path().to_str().unwrap();
        let expected = fs::read_to_string(vector.join("expected.json")).unwrap();
        let expected: Value = serde_json::from_str(&moved(&expected, "/w", here)).unwrap();
        assert_eq!(told(&world), expected, "{}", vector.display());
        let before = world.entries();
        let newest = expected["path"].as_str().unwrap();
        let process = world.up(&how());
        assert_eq!(world.told().as_deref(), Some(newest), "{}", vector.display());
        let stopped = world.stopped_with_savepoint(process);
        assert_eq!(world.entries()[..before.len()], before, "what was written stays as it is");
        world.next_restores(&stopped);
        // The marker alone will do as well.
        fs::remove_dir_all(world.record()).unwrap();
        world.next_restores(&stopped);
    }
}

/// A life with everything that a person and a job bring about.
fn lived() -> World {
    let world = World::new();
    let first = world.one_epoch();
    let process = world.up(&how());
    assert_eq!(world.verb(&["savepoint"]).code, 0);
    world.stopped_with_savepoint(process);
    assert_eq!(world.verb(&["pin", &first]).code, 0);
    let process = world.up(&how());
    world.flink.checkpoint();
    world.stopped_with_savepoint(process);
    for verb in ["fresh", "unpin", "takeover"] {
        assert_eq!(world.verb(&[verb]).code, 0, "{verb}");
    }
    world
}

/// What `SPTEST_RECORD` names becomes the vector of this version, before it is released.
#[test]
fn what_this_version_writes_is_what_its_vector_has() {
    let world = lived();
    let here = world.dir.path().to_str().unwrap().to_owned();
    if let Some(into) = std::env::var_os("SPTEST_RECORD").map(PathBuf::from) {
        for (name, from) in [("record", world.record()), ("marker", world.folder().join("marker"))] {
            fs::create_dir_all(into.join(name)).unwrap();
            for entry in fs::read_dir(from).unwrap() {
                let path = entry.unwrap().path();
                let text = moved(&fs::read_to_string(&path).unwrap(), &here, "/w");
                fs::write(into.join(name).join(path.file_name().unwrap()), text).unwrap();
            }
        }
        let text = format!("{:#}\n", told(&world));
        fs::write(into.join("expected.json"), moved(&text, &here, "/w")).unwrap();
    }
    let form = |entries: Vec<Value>| -> Vec<Vec<String>> {
        let names = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        entries
            .iter()
            .map(|entry| [names(entry), names(&entry["fact"]), vec![entry["fact"]["what"].to_string()]].concat())
            .collect()
    };
    let own = vectors().into_iter().find(|vector| vector.ends_with(env!("CARGO_PKG_VERSION")));
    let own = own.expect("tests/records has this version's");
    let mut known = form(laid_out(&own).entries());
    known.sort();
    known.dedup();
    for entry in form(world.entries()) {
        assert!(known.contains(&entry), "{entry:?} is not in the vector: other versions may meet it");
    }
}

/// The entry as a newer version might write it.
fn from_the_future(line: &str) -> String {
    let mut entry: Value = serde_json::from_str(line).unwrap();
    entry["invented_later"] = json!({ "deep": [1, { "a": null }] });
    entry["fact"]["invented_later"] = "kept".into();
    entry["version"] = 2.into();
    entry.to_string()
}

const UNKNOWN: &str = r#"{"version":2,"write_id":"ffffffffffffffffffffffffffffffff","at":"2026-11-22T10:00:00Z","epoch":1,"fact":{"what":"teleported","to":"mars"},"colour":"red"}"#;

#[test]
fn what_a_newer_version_wrote_into_a_config_map_survives_reading_appending_and_compacting() {
    let world = World::in_kubernetes();
    let pod = Pod::new(&world, "jm-0");
    let process = world.up(&pod.how());
    let savepoint = world.stopped_with_savepoint(process);
    world.api().remove_pod("jm-0");
    let text = |world: &World| world.api().config_map("orders").unwrap()["data"]["record"].as_str().unwrap().to_owned();
    let mut lines: Vec<String> = text(&world).lines().map(from_the_future).collect();
    lines.push(UNKNOWN.to_owned());
    let mut newest = savepoint;
    for compacts in [false, true] {
        if compacts {
            // So much of what was pruned long ago that the next write leaves it out.
            let gone = |number: u32| {
                let path = format!("s3://gone/{number}/{}", "x".repeat(2_000));
                json!({ "version": 2, "write_id": format!("{number:032x}"), "at": "2026-11-22T10:00:00Z", "epoch": 0,
                    "fact": { "what": "pruned", "path": path } })
                .to_string()
            };
            lines.splice(1..1, (0..300).map(gone));
        }
        world.api().change_config_map("orders", |object| object["data"]["record"] = (lines.join("\n") + "\n").into());
        let pod = Pod::new(&world, "jm-1");
        let process = world.up(&pod.how());
        assert_eq!(world.told().as_deref(), Some(&*newest), "{compacts}");
        newest = world.stopped_with_savepoint(process);
        world.api().remove_pod("jm-1");
        let after = text(&world);
        let missing: Vec<&String> = lines.iter().filter(|line| !after.contains(line.as_str())).collect();
        assert_eq!(!missing.is_empty(), compacts, "{missing:#?}");
        assert!(missing.iter().all(|line| line.contains("s3://gone/")), "{missing:#?}");
        assert!(after.len() < 512 * 1024, "{} bytes", after.len());
        lines = after.lines().map(str::to_owned).collect();
    }
}

#[test]
fn what_a_newer_version_wrote_into_objects_survives_reading_appending_and_summing_up() {
    let world = World::new();
    let savepoint = world.one_epoch();
    let entries = world.entries().len();
    for number in 1..=entries {
        let path = world.record().join(format!("{number:012}.json"));
        fs::write(&path, from_the_future(&fs::read_to_string(&path).unwrap())).unwrap();
    }
    // So many that the next start sums them up.
    for number in entries + 1..=entries + 140 {
        let line = UNKNOWN.replace("ffffffffffffffffffffffffffffffff", &format!("{number:032x}"));
        fs::write(world.record().join(format!("{number:012}.json")), line).unwrap();
    }
    let process = world.up(&how());
    assert_eq!(world.told().as_deref(), Some(&*savepoint));
    world.flink.checkpoint();
    let summary = eventually("a summary", LONG, || {
        let names = fs::read_dir(world.record()).unwrap().map(|entry| entry.unwrap().path());
        names.filter(|path| path.to_string_lossy().ends_with(".summary.json")).max()
    });
    let summary: Value = serde_json::from_str(&fs::read_to_string(summary).unwrap()).unwrap();
    let kept = summary["entries"].as_array().unwrap();
    assert!(
        kept[..entries]
            .iter()
            .all(|entry| entry["invented_later"]["deep"][0] == 1 && entry["fact"]["invented_later"] == "kept")
    );
    assert!(
        kept.iter().filter(|entry| entry["fact"]["what"] == "teleported" && entry["colour"] == "red").count() == 140
    );
    world.stopped_with_savepoint(process);
}

/// `tests/older.sh` builds it, of a commit that is as old as a release might be.
fn older(how: How) -> How {
    let binary = std::env::var("SPTEST_OLDER").expect("SPTEST_OLDER names a binary, see tests/older.sh");
    let shell = ["sh", "-c", r#"older=$1; shift 2; exec "$older" "$@""#, "sh", &binary];
    How { before: shell.map(str::to_owned).to_vec(), ..how }
}

fn told_to_end(process: Process, world: &World) -> String {
    world.stopped_with_savepoint(process)
}

#[test]
#[ignore = "full size"]
fn an_older_version_is_waited_for_and_followed_and_takes_over_again_when_it_is_rolled_back_to() {
    let world = World::new();
    let first = told_to_end(world.up(&older(how())), &world);
    let newer = world.up(&how());
    assert_eq!(world.told(), Some(first), "rolled out");
    // Both at once: the older one waits while the newer one lives.
    let waits = world.run(&older(how().waits()));
    waits.logged("waiting at the gate; Flink is not started", LONG);
    let second = {
        let mut newer = newer;
        newer.signal(nix::sys::signal::Signal::SIGTERM);
        assert_eq!(newer.exit_code(LONG), 143, "{}", newer.text());
        newer.logged("stopped", LONG)["point"].as_str().unwrap().to_owned()
    };
    waits.logged("the restore is confirmed", LONG);
    assert_eq!(world.told(), Some(second), "rolled back");
    // And the newer one for the older.
    let next = world.run(&how().waits());
    next.logged("waiting at the gate; Flink is not started", LONG);
    let mut waits = waits;
    waits.signal(nix::sys::signal::Signal::SIGTERM);
    assert_eq!(waits.exit_code(LONG), 143, "{}", waits.text());
    let third = waits.logged("stopped", LONG)["point"].as_str().unwrap().to_owned();
    next.logged("the restore is confirmed", LONG);
    assert_eq!(world.told(), Some(third), "rolled out again");
    world.stopped_with_savepoint(next);
}
