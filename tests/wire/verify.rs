//! `verify` and the point that a start depends on: whole, damaged, not to be told.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::refusals::refused;
use crate::support::fake_flink::{url, write_point};
use crate::support::fake_s3::FakeS3;
use crate::support::metadata::{File, metadata};
use crate::world::{LONG, Said, World, each, how};

const STATE: &str = "0a1b2c3d-state";

fn path(url: &str) -> PathBuf {
    PathBuf::from(url.trim_start_matches("file://"))
}

/// A way to damage the point in this directory, and the words that tell of it.
type Harm = (fn(&Path), &'static [&'static str]);

const HARMS: [Harm; 7] = [
    (|point| fs::remove_file(point.join(STATE)).unwrap(), &[STATE, "is missing"]),
    (|point| fs::write(point.join(STATE), [7; 999]).unwrap(), &[STATE, "only 999 of 1000 bytes"]),
    (|point| fs::write(point.join(STATE), [7; 1_001]).unwrap(), &[STATE, "has 1001 bytes"]),
    (|point| cut(point, 2), &["_metadata is damaged"]),
    (|point| cut(point, 20), &["_metadata is damaged"]),
    (|point| fs::write(point.join("_metadata"), "").unwrap(), &["_metadata is only 0 bytes long"]),
    (
        |point| {
            fs::remove_file(point.join("_metadata")).unwrap();
            fs::create_dir(point.join("_metadata")).unwrap();
        },
        &["_metadata is a directory"],
    ),
];

fn cut(point: &Path, bytes: usize) {
    let metadata = fs::read(point.join("_metadata")).unwrap();
    fs::write(point.join("_metadata"), &metadata[..metadata.len() - bytes]).unwrap();
}

#[test]
fn each_damage_of_the_newest_point_is_found_before_flink_starts() {
    each(&[0, 1, 2, 3, 4, 5, 6], |harm| {
        let (harm, words) = HARMS[*harm];
        let world = World::new();
        let older = world.one_epoch();
        let newest = world.one_epoch();
        harm(&path(&newest));
        let mut expected = vec![newest.as_str(), "savepointd pin PATH", "restore.on_broken"];
        expected.extend(words);
        refused(&world, &expected);
        let verified = world.verb(&["verify", &newest]);
        assert_eq!(verified.code, 65, "{verified:?}");
        // What is damaged can't be pinned either.
        assert_eq!(world.verb(&["pin", &newest]).code, 77);
        // The next one, where that is allowed.
        let next = world.up(&how().set("restore.on_broken=previous"));
        assert_eq!(world.told(), Some(older));
        drop(next);
    });
}

/// Lays out what real Flink wrote, with files of the right sizes.
fn lay_out(vector: &str, directory: &Path) -> Vec<(String, u64)> {
    let vector = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors").join(vector);
    fs::create_dir_all(directory).unwrap();
    fs::write(directory.join("_metadata"), fs::read(vector.join("_metadata")).unwrap()).unwrap();
    let expected: Value = serde_json::from_slice(&fs::read(vector.join("expected.json")).unwrap()).unwrap();
    let files = expected["files"].as_array().unwrap().iter().map(|file| {
        let (name, bytes) = (file["path"].as_str().unwrap().to_owned(), file["bytes"].as_u64().unwrap());
        fs::write(directory.join(&name), vec![0; usize::try_from(bytes).unwrap()]).unwrap();
        (name, bytes)
    });
    files.collect()
}

#[test]
fn a_damaged_savepoint_of_real_flink_is_refused_by_the_name_of_its_file() {
    each(&["1.15.4-native-hashmap", "1.20.5-native-rocksdb", "2.3.0-native-rocksdb"], |vector| {
        let world = World::new();
        let savepoint = world.path("savepoints/savepoint-abcdef-000000000001");
        let files = lay_out(vector, &savepoint);
        let whole = world.json(&["verify", "--output", "json", &url(&savepoint)]);
        assert_eq!((whole["verdict"].as_str(), whole["files"].as_u64()), (Some("whole"), Some(files.len() as u64)));
        assert_eq!(world.verb(&["pin", &url(&savepoint)]).code, 0);
        world.next_restores(&url(&savepoint));
        let (name, bytes) = files.iter().max_by_key(|(_, bytes)| bytes).unwrap();
        fs::write(savepoint.join(name), vec![0; usize::try_from(bytes - 1).unwrap()]).unwrap();
        refused(&world, &[name, "only", "bytes"]);
        fs::remove_file(savepoint.join(name)).unwrap();
        refused(&world, &[name, "is missing"]);
    });
}

#[test]
fn what_cant_be_verified_is_refused_unless_it_is_trusted() {
    let world = World::new();
    world.one_epoch();
    let newest = world.one_epoch();
    let file = path(&newest).join("_metadata");
    let mut newer = fs::read(&file).unwrap();
    newer[7] = 9;
    fs::write(&file, newer).unwrap();
    refused(&world, &[&newest, "format version 9", "restore.on_unverifiable = \"trust\"", "savepointd pin PATH"]);
    // It is not taken for broken, so no older one is taken in its place.
    let mut process = world.run(&how().set("restore.on_broken=previous"));
    assert_eq!(process.exit_code(LONG), 77, "{}", process.text());
    let verified = world.verb(&["verify", &newest]);
    assert!(verified.code == 77 && verified.out.contains("unverifiable"), "{verified:?}");
    let pinned = world.verb(&["pin", &newest]);
    assert!(pinned.code == 77 && pinned.err.contains("restore.on_unverifiable"), "{pinned:?}");
    let process = world.up(&how().set("restore.on_unverifiable=trust"));
    assert_eq!(world.told(), Some(newest));
    let trusted = world.entries().into_iter().rfind(|entry| entry["fact"]["what"] == "based").unwrap().to_string();
    assert!(trusted.contains("format version 9") && trusted.contains("restore.on_unverifiable"), "{trusted}");
    drop(process);
}

#[test]
fn verify_answers_by_exit_code_and_in_json() {
    let world = World::new();
    let point = world.path("savepoints/savepoint-abcdef-000000000001");
    write_point(&point, 7);
    // Flink's own name of it, and without any configuration.
    let verify = |path: &str| {
        let mut command = world.command(&[]);
        let output =
            command.env_remove("SAVEPOINTD_RECORD").args(["verify", "--output", "json", path]).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Said { code: output.status.code().unwrap(), out: text(&output.stdout), err: text(&output.stderr) }
    };
    let whole = verify(&format!("file:{}/_metadata", point.display()));
    assert_eq!((whole.code, whole.err.as_str()), (0, ""), "{whole:?}");
    let whole: Value = serde_json::from_str(&whole.out).unwrap();
    assert_eq!((&whole["verdict"], &whole["checkpoint_id"], &whole["files"]), (&"whole".into(), &7.into(), &1.into()));
    fs::write(point.join(STATE), "").unwrap();
    let broken = verify(&url(&point));
    assert_eq!(broken.code, 65, "{broken:?}");
    let broken: Value = serde_json::from_str(&broken.out).unwrap();
    let damage = &broken["damages"][0];
    assert!(damage["path"].as_str().unwrap().ends_with(STATE), "{broken:#}");
    assert_eq!(
        (&damage["wrong"], &damage["bytes"], &damage["expected"]),
        (&"shorter".into(), &0.into(), &1_000.into())
    );
    let table = world.verb(&["verify", &url(&point)]);
    assert!(table.out.contains("has only 0 of 1000 bytes"), "{table:?}");
    assert_eq!(verify(&url(&world.path("nowhere"))).code, 65);
    assert_eq!(verify("viewfs://cluster/savepoint-1").code, 77);
}

#[test]
fn files_that_entropy_scatters_are_listed_from_above_unless_too_many_strangers_lie_there() {
    let name = |n: usize| format!("{:04x}/chk/job/shared/{n:08x}-state", n.wrapping_mul(40_503) % 65_536);
    let urls: Vec<String> = (0..2_000).map(|n| format!("s3a://state/flink/{}", name(n))).collect();
    let files: Vec<File> = urls.iter().map(|url| File::At(url, 5)).collect();
    let requests = |strangers: usize| {
        let mut objects = BTreeMap::from([("flink/chk/job/chk-7/_metadata".to_owned(), metadata(7, &files))]);
        objects.extend((0..2_000 + strangers).map(|n| (format!("flink/{}", name(n)), b"12345".to_vec())));
        let store = FakeS3::start(objects, &[]);
        let world = World::new();
        let mut command = world.command(&[]);
        command.envs(store.variables()).args(["verify", "--output", "json", "s3a://state/flink/chk/job/chk-7"]);
        let output = command.output().unwrap();
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((answer["verdict"].as_str(), answer["files"].as_u64()), (Some("whole"), Some(2_000)), "{answer:#}");
        assert_eq!(answer["requests"], store.requests().len());
        store.requests().len()
    };
    let alone = requests(0);
    assert!(alone <= 10, "{alone}");
    let among_many = requests(100_000);
    assert!((1_000..2_100).contains(&among_many), "{among_many}");
}

#[test]
fn ten_thousand_files_on_s3_take_at_most_fifty_requests() {
    let names: Vec<String> = (0..10_000).map(|n| format!("{n:08x}-state")).collect();
    let shared = |n: usize| format!("s3a://state/checkpoints/job/shared/{}", names[n]);
    let urls: Vec<String> = (0..5_000).map(shared).collect();
    let mut files: Vec<File> = names.iter().map(|name| File::Beside(name, 5)).take(5_000).collect();
    files.extend(urls.iter().map(|url| File::At(url, 5)));
    let mut objects = BTreeMap::new();
    let point = "checkpoints/job/chk-7";
    objects.insert(format!("{point}/_metadata"), metadata(7, &files));
    for name in &names[..5_000] {
        objects.insert(format!("{point}/{name}"), b"12345".to_vec());
    }
    // Other checkpoints' files lie there too.
    for name in &names {
        objects.insert(format!("checkpoints/job/shared/{name}"), b"12345".to_vec());
    }
    let verify = |objects: BTreeMap<String, Vec<u8>>, forbidden: &[&str]| {
        let store = FakeS3::start(objects, forbidden);
        let world = World::new();
        let mut command = world.command(&[]);
        command.envs(store.variables()).args(["verify", "--output", "json", &format!("s3a://state/{point}")]);
        let output = command.output().unwrap();
        let answer: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
        (output.status.code().unwrap(), answer, store.requests())
    };
    let (code, answer, requests) = verify(objects.clone(), &[]);
    assert_eq!((code, answer["verdict"].as_str()), (0, Some("whole")), "{answer:#}");
    assert_eq!(answer["files"], 10_000);
    eprintln!("10,000 files verified with {} requests", requests.len());
    assert!(requests.len() <= 50, "{}: {requests:#?}", requests.len());
    assert_eq!(answer["requests"], requests.len(), "it counts what it asks: {requests:#?}");
    // Of all of them the one that is not there is named.
    let mut damaged = objects.clone();
    damaged.remove(&format!("checkpoints/job/shared/{}", names[77]));
    let (code, answer, requests) = verify(damaged, &[]);
    assert_eq!((code, answer["damages"].as_array().unwrap().len()), (65, 1), "{answer:#}");
    assert!(answer["damages"][0]["path"].as_str().unwrap().ends_with(&names[77]), "{answer:#}");
    assert!(requests.len() <= 50, "{requests:#?}");
    // What is forbidden is not missing.
    let (code, answer, _) = verify(objects, &[&format!("{point}/_metadata")]);
    assert_eq!((code, answer["verdict"].as_str()), (77, Some("unverifiable")), "{answer:#}");
}
