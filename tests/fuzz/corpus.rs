//! The committed inputs: those of `corpus/`, and what real Flink wrote.

use std::path::{Path, PathBuf};

/// Every input of a target, by its file.
pub fn of(target: &str) -> Vec<(String, Vec<u8>)> {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let mut found = files(&tests.join("fuzz/corpus").join(target));
    let vectors = tests.join("vectors");
    match target {
        "metadata" => found.extend(children(&vectors).into_iter().map(|vector| vector.join("_metadata"))),
        "completed-checkpoint" => found.extend(files(&vectors.join("completed-checkpoint-1.20.5"))),
        _ => {}
    }
    found.retain(|path| path.is_file());
    found.into_iter().map(|path| (path.display().to_string(), std::fs::read(&path).unwrap())).collect()
}

fn children(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    found.sort();
    found
}

fn files(folder: &Path) -> Vec<PathBuf> {
    if folder.is_file() { vec![folder.to_owned()] } else { children(folder) }
}
