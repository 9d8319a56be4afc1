//! What the job wrote between two starts, whichever of its tasks wrote it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The values of one start of the job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    pub first: u64,
    pub last: u64,
    /// Values that are missing between them, that are there twice, or whose counter does not follow from the state.
    pub wrong: u64,
}

/// The files in a directory; none if it is not there.
pub fn files(dir: &Path) -> BTreeSet<PathBuf> {
    std::fs::read_dir(dir).into_iter().flatten().map(|entry| entry.unwrap().path()).collect()
}

/// What is in these files; none if nothing is.
pub fn read(files: &BTreeSet<PathBuf>) -> Option<Written> {
    let mut values = Vec::new();
    let mut wrong = 0;
    for file in files {
        let text = std::fs::read_to_string(file).unwrap();
        // The last line may be half-written.
        for line in text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')) {
            values.push(line.split(' ').next().unwrap().parse::<u64>().unwrap());
            wrong += u64::from(!line.ends_with(" ok"));
        }
    }
    values.sort_unstable();
    let (first, last) = (*values.first()?, *values.last()?);
    wrong += values.windows(2).filter(|pair| pair[0] + 1 != pair[1]).count() as u64;
    Some(Written { first, last, wrong })
}
