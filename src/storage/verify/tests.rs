//! Points in a real directory, damaged in every way.

mod real;

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::*;
use written::File;

#[path = "../../../tests/support/metadata.rs"]
#[allow(unreachable_pub, reason = "the tests of whole processes write the same")]
mod written;

/// A point with three files beside its `_metadata`, two of a `shared` directory, and parts of a third there.
struct Point {
    dir: TempDir,
}

impl Point {
    fn new() -> Self {
        let point = Self { dir: tempfile::tempdir().unwrap() };
        std::fs::create_dir_all(point.path("chk-7")).unwrap();
        std::fs::create_dir_all(point.path("shared")).unwrap();
        for (name, bytes) in [("chk-7/a", 10), ("chk-7/b", 20), ("chk-7/c", 0)] {
            std::fs::write(point.path(name), vec![1; bytes]).unwrap();
        }
        for (name, bytes) in [("shared/x", 30), ("shared/y", 40), ("shared/merged", 100)] {
            std::fs::write(point.path(name), vec![1; bytes]).unwrap();
        }
        let shared = |name: &str| format!("file:{}", point.path("shared").join(name).display());
        let (x, y, merged) = (shared("x"), shared("y"), shared("merged"));
        let files = [
            File::Beside("a", 10),
            File::Beside("b", 20),
            File::Beside("c", 0),
            File::At(&x, 30),
            // Several subtasks use one file.
            File::At(&x, 30),
            File::At(&y, 40),
            File::Within(&merged, 0, 50),
            File::Within(&merged, 50, 30),
        ];
        point.write(&written::metadata(7, &files));
        point
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, metadata: &[u8]) {
        std::fs::write(self.path("chk-7/_metadata"), metadata).unwrap();
    }

    fn metadata(&self) -> Vec<u8> {
        std::fs::read(self.path("chk-7/_metadata")).unwrap()
    }

    fn verify(&self) -> Report {
        verified(&self.path("chk-7"))
    }
}

fn run<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(work)
}

fn verified(directory: &Path) -> Report {
    let storage = Storage::default();
    let place = storage.place(&format!("file://{}", directory.display())).unwrap();
    let progress = RefCell::new(Report::default());
    run(verify(&storage, &place, &progress));
    progress.into_inner()
}

#[track_caller]
fn broken(report: &Report) -> &str {
    match &report.verdict {
        Some(Verdict::Broken(why)) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_whole_point_is_whole_and_each_file_is_looked_at_once() {
    let point = Point::new();
    let report = point.verify();
    assert_eq!(report.verdict, Some(Verdict::Whole), "{report:?}");
    assert_eq!((report.checkpoint_id, report.version, report.files, report.checked), (Some(7), Some(3), 6, 6));
    assert_eq!(report.bytes, 200 + point.metadata().len() as u64);
    assert_eq!(report.read, point.metadata().len() as u64);
    assert!(report.completed_at.is_some());
}

#[test]
fn every_damage_of_a_file_is_told_with_its_name() {
    type Harm = fn(&Path);
    let harms: [(Harm, &str); 4] = [
        (|path| std::fs::remove_file(path).unwrap(), "is missing"),
        (|path| std::fs::write(path, "").unwrap(), "has only 0 of"),
        (|path| std::fs::write(path, vec![1; 99]).unwrap(), "has 99 bytes, but should have"),
        (
            |path| {
                std::fs::remove_file(path).unwrap();
                std::fs::create_dir(path).unwrap();
            },
            "is missing",
        ),
    ];
    for name in ["chk-7/a", "chk-7/b", "shared/x", "shared/y"] {
        for (harm, words) in harms {
            let point = Point::new();
            harm(&point.path(name));
            let report = point.verify();
            let why = broken(&report);
            assert!(why.contains(words) && why.contains(name), "{name}: {why}");
            assert_eq!(report.damages.len(), 1, "{report:?}");
        }
    }
    // Of a file that others use too it is only known how long it is at least.
    let point = Point::new();
    std::fs::write(point.path("shared/merged"), vec![1; 79]).unwrap();
    assert!(broken(&point.verify()).contains("merged has only 79 of 80 bytes"));
    std::fs::write(point.path("shared/merged"), vec![1; 900]).unwrap();
    assert_eq!(point.verify().verdict, Some(Verdict::Whole));
}

#[test]
fn metadata_cut_off_anywhere_is_broken() {
    let point = Point::new();
    let whole = point.metadata();
    for length in 0..whole.len() {
        point.write(&whole[..length]);
        let report = point.verify();
        assert!(matches!(report.verdict, Some(Verdict::Broken(_))), "at {length}: {:?}", report.verdict);
    }
    point.write(&[whole.as_slice(), b"x"].concat());
    broken(&point.verify());
}

#[test]
fn a_flipped_bit_in_what_holds_metadata_together_is_never_taken_for_whole() {
    let point = Point::new();
    let whole = point.metadata();
    // Names and numbers of operators, subtasks and key groups are what they are; a handle says where and how long a file is.
    let handle = [[6, 0, 1, b'a'].as_slice(), &10_u64.to_be_bytes()].concat();
    let begin = whole.windows(handle.len()).position(|bytes| bytes == handle).unwrap();
    for at in begin..begin + handle.len() {
        for bit in 0..8 {
            let mut damaged = whole.clone();
            damaged[at] ^= 1 << bit;
            point.write(&damaged);
            assert_ne!(point.verify().verdict, Some(Verdict::Whole), "byte {at}, bit {bit}");
        }
    }
    for at in 0..8 {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x40;
        point.write(&damaged);
        assert!(!matches!(point.verify().verdict, Some(Verdict::Whole | Verdict::Absent)), "byte {at}");
    }
}

#[test]
fn what_is_no_file_in_the_place_of_metadata_is_broken_and_nothing_is_absent() {
    let point = Point::new();
    std::fs::remove_file(point.path("chk-7/_metadata")).unwrap();
    assert_eq!(point.verify().verdict, Some(Verdict::Absent));
    std::fs::create_dir(point.path("chk-7/_metadata")).unwrap();
    std::fs::write(point.path("chk-7/_metadata/x"), "").unwrap();
    assert!(broken(&point.verify()).contains("_metadata is a directory"));
    assert_eq!(verified(&point.path("nowhere")).verdict, Some(Verdict::Absent));
}

#[test]
fn what_cant_be_seen_is_a_doubt_and_no_damage() {
    let point = Point::new();
    point.write(&written::metadata(7, &[File::Beside("a", 10), File::At("viewfs://cluster/x", 5)]));
    let report = point.verify();
    let Some(Verdict::Doubtful(why)) = &report.verdict else { panic!("{report:?}") };
    assert!(why.contains("viewfs://cluster/x"), "{why}");
    assert_eq!((report.unseen, report.checkpoint_id), (1, Some(7)));
    // What is seen to be damaged is not doubted.
    std::fs::remove_file(point.path("chk-7/a")).unwrap();
    broken(&point.verify());
}

#[test]
fn a_newer_flinks_metadata_is_a_doubt() {
    let point = Point::new();
    let mut newer = point.metadata();
    newer[7] = 9;
    point.write(&newer);
    let report = point.verify();
    let Some(Verdict::Doubtful(why)) = &report.verdict else { panic!("{report:?}") };
    assert!(why.contains("version 9"), "{why}");
    assert_eq!(report.checkpoint_id, Some(7));
}

#[test]
fn many_files_of_one_directory_take_one_request_for_a_thousand() {
    let dir = tempfile::tempdir().unwrap();
    let names: Vec<String> = (0..2_500).map(|n| format!("{n:08}")).collect();
    for name in &names {
        std::fs::write(dir.path().join(name), "1234").unwrap();
    }
    let files: Vec<File> = names.iter().map(|name| File::Beside(name, 4)).collect();
    std::fs::write(dir.path().join("_metadata"), written::metadata(1, &files)).unwrap();
    let report = verified(dir.path());
    assert_eq!(report.verdict, Some(Verdict::Whole));
    assert_eq!((report.files, report.requests), (2_500, 2 + 3));
}
