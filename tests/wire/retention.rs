//! What is deleted, by the agent and by `prune`, and what never is: through crashes, refusing stores and references.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::support::eventually;
use crate::support::fake_flink::{url, write_point};
use crate::support::metadata::{File, metadata};
use crate::support::process::Process;
use crate::world::{LONG, Said, World, how};

pub fn path(url: &str) -> PathBuf {
    url.strip_prefix("file://").unwrap().into()
}

/// Epoch after epoch, each with a final savepoint; gives their directories, oldest first.
pub fn epochs(world: &World, count: usize) -> Vec<PathBuf> {
    (0..count).map(|_| path(&world.one_epoch())).collect()
}

pub fn prune(world: &World, arguments: &[&str]) -> Vec<Value> {
    let json = world.json(&[&["prune", "--output", "json"], arguments].concat());
    json["outcomes"].as_array().unwrap().clone()
}

#[track_caller]
pub fn about<'a>(outcomes: &'a [Value], path: &Path) -> &'a Value {
    let outcome = outcomes.iter().find(|one| one["path"] == url(path).as_str());
    outcome.unwrap_or_else(|| panic!("nothing about {} in {outcomes:#?}", path.display()))
}

#[test]
fn a_new_run_that_has_completed_a_checkpoint_deletes_what_is_not_kept_and_nothing_of_others() {
    let world = World::new();
    let points = epochs(&world, 4);
    let foreign = [
        world.path("savepoints/savepoint-abcdef-0123456789ab"),
        world.path("savepoints/payments/1/savepoint-abcdef-0123456789ab"),
        world.folder().join("by-hand/savepoint-abcdef-0123456789ab"),
    ];
    for point in &foreign {
        write_point(point, 1);
    }
    let process = world.up(&how().set("retention.keep=2"));
    assert!(points.iter().all(|point| point.exists()), "nothing goes before the first checkpoint");
    world.flink.checkpoint();
    let gone = |point: &Path| eventually("what is not kept is gone", LONG, || (!point.exists()).then_some(()));
    points[..2].iter().for_each(|point| gone(point));
    assert!(points[2..].iter().all(|point| point.join("_metadata").exists()));
    assert!(foreign.iter().all(|point| point.join("_metadata").exists()));
    eventually("an empty epoch's folder is gone", LONG, || (!world.folder().join("1").exists()).then_some(()));
    let paths: Vec<Value> = world.history().iter().map(|row| row["path"].clone()).collect();
    assert!(!paths.contains(&url(&points[0]).into()) && paths.contains(&url(&points[3]).into()), "{paths:?}");
    let pruned = process.logged("pruned", LONG);
    assert!(pruned["reason"].as_str().unwrap().contains("older than the 2 newest"), "{pruned}");
    let newest = world.stopped_with_savepoint(process);
    world.next_restores(&newest);
}

#[test]
fn a_dry_run_says_what_would_go_and_deletes_nothing() {
    let world = World::new();
    let said = world.verb(&["prune"]);
    assert_eq!(said.code, 77, "{said:?}");
    let points = epochs(&world, 3);
    let entries = world.entries().len();
    let outcomes = prune(&world, &["--dry-run", "--keep", "1"]);
    for (point, (verdict, reason)) in points.iter().rev().zip([
        ("keep", "the next start restores it"),
        ("delete", "older than the 1 newest"),
        ("delete", "older than the 1 newest"),
    ]) {
        let outcome = about(&outcomes, point);
        assert!(outcome["reason"].as_str().unwrap().contains(reason), "{outcome:#}");
        assert_eq!((&outcome["verdict"], &outcome["deleted"]), (&verdict.into(), &false.into()), "{outcome:#}");
        assert!(outcome["what"] == "savepoint" && outcome["bytes"].as_u64() > Some(1_000), "{outcome:#}");
    }
    assert!(points.iter().all(|point| point.join("_metadata").exists()));
    assert_eq!(world.entries().len(), entries);
    let said = world.verb(&["prune", "--keep", "1"]);
    assert!(said.code == 0 && said.out.contains("2 directories with") && said.out.contains("deleted"), "{said:?}");
    assert!(points[2].exists() && !points[0].exists() && !points[1].exists());
    assert!(prune(&world, &["--keep", "1"]).iter().all(|one| one["verdict"] == "keep"));
}

#[test]
fn what_is_pinned_stays() {
    let world = World::new();
    let points = epochs(&world, 3);
    assert_eq!(world.verb(&["pin", &url(&points[0])]).code, 0);
    prune(&world, &["--keep", "1"]);
    assert!(points[0].exists() && !points[1].exists() && points[2].exists());
    world.next_restores(&url(&points[0]));
    assert_eq!(world.verb(&["unpin"]).code, 0);
    world.next_restores(&url(&points[2]));
}

#[test]
fn a_prune_that_is_killed_halfway_leaves_nothing_that_looks_whole_and_the_next_one_ends_it() {
    let world = World::new();
    let points = epochs(&world, 3);
    // Large enough that it takes a while.
    for n in 0..20_000 {
        fs::write(points[1].join(format!("state-{n}")), "x").unwrap();
    }
    let mut process = Process::start(world.command(&[]).args(["prune", "--keep", "1"]));
    let metadata = points[1].join("_metadata");
    eventually("its _metadata is gone", LONG, || (!metadata.exists()).then_some(()));
    process.signal(Signal::SIGKILL);
    assert_eq!(process.exit_code(LONG), 137);
    assert!(points[1].exists(), "it was over before it was killed");
    assert!(points[0].join("_metadata").exists(), "one goes after the other");
    let given_up = world.entries().iter().filter(|entry| entry["fact"]["what"] == "pruned").count();
    assert_eq!(given_up, 1);
    world.next_restores(&url(&points[2]));
    let running = world.up(&how());
    assert_eq!(world.told(), Some(url(&points[2])));
    let newest = world.stopped_with_savepoint(running);
    let outcomes = prune(&world, &[]);
    let again = about(&outcomes, &points[1]);
    assert!(again["deleted"] == true && again["reason"].as_str().unwrap().contains("earlier prune"), "{again:#}");
    assert!(!points[1].exists() && points[0].exists());
    world.next_restores(&newest);
}

#[test]
fn half_written_savepoints_go_when_they_are_old_enough() {
    let world = World::new();
    let points = epochs(&world, 2);
    let half = points[0].with_file_name("savepoint-abcdef-000000000000");
    fs::create_dir(&half).unwrap();
    fs::write(half.join("state"), "x").unwrap();
    let outcomes = prune(&world, &[]);
    let young = about(&outcomes, &half);
    assert_eq!((&young["what"], &young["verdict"]), (&"half_written".into(), &"keep".into()), "{young:#}");
    assert!(half.exists());
    let outcomes = prune(&world, &["--min-age", "0s"]);
    assert_eq!(about(&outcomes, &half)["deleted"], true);
    assert!(!half.exists() && points[0].exists());
}

#[test]
fn checkpoints_of_earlier_epochs_go_by_the_verb_alone_and_not_while_a_point_refers_into_them() {
    let world = World::new();
    let process = world.up(&how());
    let folder = world.path("checkpoints").join(world.flink.job_id());
    let mut points = vec![path(&world.stopped_with_savepoint(process))];
    points.extend(epochs(&world, 2));
    fs::create_dir_all(folder.join("shared")).unwrap();
    let shared = folder.join("shared/5e1f");
    fs::write(&shared, vec![1; 5_000]).unwrap();
    // As after a restore in claim mode: what is kept needs a file of an earlier job.
    let whole = fs::read(points[2].join("_metadata")).unwrap();
    fs::write(points[2].join("_metadata"), metadata(3, &[File::At(&url(&shared), 5_000)])).unwrap();

    let outcomes = prune(&world, &["--min-age", "0s"]);
    let left = about(&outcomes, &folder);
    assert_eq!((&left["verdict"], &left["bytes"]), (&"report".into(), &5_000.into()), "{left:#}");
    let by_verb = ["--checkpoints", "--min-age", "0s"];
    let outcomes = prune(&world, &by_verb);
    let referred = about(&outcomes, &folder);
    let why = referred["reason"].as_str().unwrap();
    assert!(referred["verdict"] == "keep" && why.contains(&url(&points[2])) && why.contains("refers to it"), "{why}");
    assert!(shared.exists());

    fs::write(points[2].join("_metadata"), whole).unwrap();
    let young = prune(&world, &["--checkpoints"]);
    assert!(about(&young, &folder)["reason"].as_str().unwrap().contains("written within"), "{young:#?}");
    // Of one that can't be read nobody knows what it needs.
    let older = points[1].join("_metadata");
    let mut unknown = fs::read(&older).unwrap();
    let known = unknown.clone();
    for (version, words) in [(8, "can't be read"), (99, "is damaged")] {
        unknown[7] = version;
        fs::write(&older, &unknown).unwrap();
        let outcomes = prune(&world, &by_verb);
        let unread = about(&outcomes, &folder)["reason"].as_str().unwrap();
        assert!(unread.contains("may refer to it") && unread.contains(words) && shared.exists(), "{unread}");
    }
    fs::write(&older, known).unwrap();
    assert_eq!(about(&prune(&world, &by_verb), &folder)["deleted"], true);
    assert!(!folder.exists());
    assert!(points.iter().all(|point| point.exists()));
}

#[test]
fn a_store_that_takes_no_deletions_is_named_and_the_job_runs_on() {
    let world = World::new();
    let points = epochs(&world, 3);
    let chmod = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    chmod(world.dir.path(), 0o755);
    chmod(&world.record(), 0o777);
    for point in &points {
        chmod(point, 0o555);
    }
    // Root may do anything.
    let before: Vec<String> = if nix::unistd::geteuid().is_root() {
        ["setpriv", "--reuid=9999", "--clear-groups"].map(str::to_owned).to_vec()
    } else {
        Vec::new()
    };
    let output = world.command(&before).args(["prune", "--keep", "1"]).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let said = Said { code: output.status.code().unwrap(), out: text(&output.stdout), err: text(&output.stderr) };
    assert!(said.code == 75 && said.err.contains("not everything could be deleted"), "{said:?}");
    assert!(said.out.contains(&url(&points[1])), "{said:?}");
    assert!(points.iter().all(|point| point.join("_metadata").exists()));
    let given_up = world.entries().iter().filter(|entry| entry["fact"]["what"] == "pruned").count();
    assert_eq!(given_up, 1, "one shows that the store refuses");
    world.next_restores(&url(&points[2]));
    let running = world.up(&how());
    world.stopped_with_savepoint(running);
    for point in &points {
        chmod(point, 0o755);
    }
    prune(&world, &["--keep", "2"]);
    assert!(!points[0].exists() && !points[1].exists() && points[2].exists());
}
