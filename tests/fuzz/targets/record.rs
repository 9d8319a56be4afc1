//! The record and the marker, as they lie in a store where others may write.

use std::path::Path;

use savepointd::config::{Config, Flags};
use savepointd::protocol::entry::{Entry, Fact};
use savepointd::protocol::history::History;
use savepointd::record::marker::Marker;
use savepointd::record::{Append, Record, entry};
use savepointd::storage::{Options, Storage};

use super::same_again;

thread_local! {
    static RUNTIME: tokio::runtime::Runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
}

fn storage() -> Storage {
    Storage::new(Options::default(), std::iter::empty())
}

fn open(folder: &Path) -> Record {
    let mut flags = Flags::default();
    flags.push("--record", "record", format!("file://{}", folder.display()));
    let config = Config::load(None, std::iter::empty(), flags).unwrap();
    Record::open(&config.record, &storage(), None).unwrap()
}

fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).take(50)
}

pub fn record(bytes: &[u8]) {
    let known: Vec<Entry> = lines(bytes).filter_map(same_again).collect();
    let history = History::read(&known);
    if let Some((newest, _)) = history.newest_claim() {
        assert!(known.iter().any(|entry| entry.epoch == newest), "an epoch that nobody has claimed");
    }
    let folder = tempfile::tempdir().unwrap();
    for (number, line) in lines(bytes).enumerate() {
        std::fs::write(folder.path().join(format!("{:012}.json", number + 1)), line).unwrap();
    }
    let count = lines(bytes).count();
    RUNTIME.with(|runtime| runtime.block_on(written_on(folder.path(), &known, count)));
}

/// All of it is read, or it is damaged; and what is read stays as it is when more is written.
async fn written_on(folder: &Path, known: &[Entry], count: usize) {
    let Ok(mut before) = open(folder).load().await else {
        assert!(known.len() < count, "entries that can be read are no damage");
        return;
    };
    assert_eq!(before.entries, known);
    if known.iter().any(|entry| entry.epoch == u64::MAX) {
        return;
    }
    let more = entry(0, Fact::Unpinned);
    let first = before.entries.clone();
    assert_eq!(open(folder).append(&mut before, std::slice::from_ref(&more)).await.unwrap(), Append::Done);
    let after = open(folder).load().await.unwrap().entries;
    assert_eq!(after, [first, vec![more]].concat());
}

/// Each line after a file's name.
pub fn marker(bytes: &[u8]) {
    let folder = tempfile::tempdir().unwrap();
    let marker = folder.path().join("marker");
    std::fs::create_dir(&marker).unwrap();
    for line in lines(bytes) {
        let (name, content) = line.split_at(line.iter().position(|byte| *byte == b' ').unwrap_or(0));
        let name: String =
            String::from_utf8_lossy(name).chars().filter(|letter| !matches!(letter, '/' | '\0')).take(60).collect();
        if !matches!(name.as_str(), "" | "." | "..") {
            std::fs::write(marker.join(name), content).unwrap();
        }
    }
    let place = storage().place(&format!("file://{}", folder.path().display())).unwrap();
    let is_entry = |entry: &std::fs::DirEntry| entry.path().to_string_lossy().ends_with(".json");
    let names = std::fs::read_dir(&marker).unwrap().map(Result::unwrap).filter(is_entry).count();
    RUNTIME.with(|runtime| {
        runtime.block_on(async {
            match Marker::of(&place).load().await {
                Ok(entries) => {
                    // Only a folder without any is proof that there is no marker.
                    assert_eq!(entries.as_ref().map_or(0, Vec::len), names);
                    let _ = History::read(&entries.unwrap_or_default());
                }
                Err(error) => assert!(names > 0, "{error}"),
            }
        });
    });
}
