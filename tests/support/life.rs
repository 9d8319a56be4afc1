//! What the self-checking job wrote, as the lives of its writing task.

use std::path::Path;

/// One life of the writing task, from its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Life {
    pub first: u64,
    pub last: u64,
    /// Values that do not follow from the one before.
    pub jumps: u64,
    /// Values whose counter does not follow from the state.
    pub mismatches: u64,
}

/// The lives in a directory, oldest first; those without a record left out.
pub fn lives(out: &Path) -> Vec<Life> {
    lives_begun_before(out, i64::MAX)
}

/// Those that began before this, in milliseconds of the epoch.
pub fn lives_begun_before(out: &Path, end: i64) -> Vec<Life> {
    let mut files: Vec<_> = std::fs::read_dir(out).unwrap().map(|entry| entry.unwrap().path()).collect();
    let begin = |file: &Path| file.file_name()?.to_str()?.split('-').next()?.parse::<i64>().ok();
    files.retain(|file| begin(file).is_some_and(|begin| begin < end));
    files.sort();
    files.iter().filter_map(|file| life(&std::fs::read_to_string(file).unwrap())).collect()
}

/// Every value was written once, in order, and the state agreed each time.
pub fn assert_exactly_once(lives: &[Life]) {
    let mut next = lives.first().map_or(0, |life| life.first);
    for life in lives {
        assert_eq!((life.first, life.jumps, life.mismatches), (next, 0, 0), "{lives:#?}");
        next = life.last + 1;
    }
}

/// No value was lost and the state agreed each time; what came after the last checkpoint may be there twice.
pub fn assert_nothing_lost(lives: &[Life]) {
    let mut next = 0;
    for life in lives {
        assert!(life.first <= next && life.jumps == 0 && life.mismatches == 0, "{lives:#?}");
        next = life.last + 1;
    }
}

/// How many values were written again.
pub fn repeated(lives: &[Life]) -> u64 {
    lives.windows(2).map(|pair| (pair[0].last + 1).saturating_sub(pair[1].first)).sum()
}

fn life(text: &str) -> Option<Life> {
    // The last line may be half-written when the task was killed.
    let whole = &text[..=text.rfind('\n')?];
    let mut life: Option<Life> = None;
    for line in whole.lines() {
        let value: u64 = line.split(' ').next()?.parse().ok()?;
        let mismatch = u64::from(!line.ends_with(" ok"));
        let life = life.get_or_insert(Life { first: value, last: value, jumps: 0, mismatches: 0 });
        life.jumps += u64::from(value != life.first && value != life.last + 1);
        life.mismatches += mismatch;
        life.last = value;
    }
    life
}
