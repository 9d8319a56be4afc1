//! What an object store lists of a record: its entries, and summaries of those that came first.
//!
//! `<n>.summary.json` has what is kept of the entries up to number n, in one object, so that a record that grows for years is read by a
//! handful of requests. Entries never change, so a summary says nothing new and nobody has to win a race for it: the newest one counts, and
//! what it covers is not read any more. Objects are deleted one summary later, when whoever lists sees two that cover them.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::compact::{self, compact};
use crate::protocol::entry::Entry;

/// With so many entries after the newest summary there is to be another one.
pub(super) const MANY: usize = 128;

/// The content of a summary.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Summary {
    /// For readers that may come.
    version: u32,
    /// As they were written: a newer savepointd may have put more into them than this one knows.
    pub(super) entries: Vec<Value>,
}

impl Summary {
    /// Of entries, and of each the line that it was read from.
    pub(super) fn of(entries: &[Entry], lines: &[String]) -> serde_json::Result<Self> {
        let sizes: Vec<usize> = lines.iter().map(|line| line.len() + 1).collect();
        let keep = if sizes.iter().sum::<usize>() > compact::FULL {
            compact(entries, &sizes)
        } else {
            vec![true; entries.len()]
        };
        let kept = lines.iter().zip(keep).filter(|(_, keep)| *keep);
        let entries = kept.map(|(line, _)| serde_json::from_str(line)).collect::<serde_json::Result<_>>()?;
        Ok(Self { version: 1, entries })
    }
}

/// The numbers in a listing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Listed {
    /// Of the newest summary; 0 where there is none.
    pub(super) summed: u64,
    /// Of entries that it does not cover.
    pub(super) later: Vec<u64>,
    /// What the summary before the newest covers, that one apart: nobody reads it any more.
    pub(super) spent: Vec<String>,
}

/// The number of an entry that is not there, though later ones are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Missing(pub(super) u64);

impl Listed {
    /// What lies in the record's folder. One entry that is missing between others was taken away by somebody: what it said can't be
    /// known. A record without summaries that lost its beginning lost what makes it one, and is rebuilt from the marker.
    pub(super) fn of(names: &[String]) -> Result<Self, Missing> {
        let mut summaries: Vec<u64> = names.iter().filter_map(|name| summed(name)).collect();
        let mut entries: Vec<u64> = names.iter().filter_map(|name| number(name)).collect();
        summaries.sort_unstable();
        entries.sort_unstable();
        let newest = summaries.pop().unwrap_or(0);
        let before = summaries.pop().unwrap_or(0);
        let spent_entries = entries.iter().filter(|number| **number <= before).map(|number| name(*number));
        let spent = spent_entries.chain(summaries.iter().map(|number| summary_name(*number))).collect();
        let later: Vec<u64> = entries.into_iter().filter(|number| *number > newest).collect();
        let begin = (newest > 0).then_some(newest);
        let all: Vec<u64> = begin.into_iter().chain(later.iter().copied()).collect();
        let gap = all.windows(2).find_map(|pair| match pair {
            [one, next] if *next != one + 1 => Some(Missing(one + 1)),
            _ => None,
        });
        gap.map_or(Ok(Self { summed: newest, later, spent }), Err)
    }
}

pub(super) fn name(number: u64) -> String {
    format!("{number:012}.json")
}

pub(super) fn summary_name(number: u64) -> String {
    format!("{number:012}.summary.json")
}

fn number(name: &str) -> Option<u64> {
    name.strip_suffix(".json")?.parse().ok()
}

fn summed(name: &str) -> Option<u64> {
    name.strip_suffix(".summary.json")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(entries: &[u64], summaries: &[u64]) -> Result<Listed, Missing> {
        let names = entries.iter().map(|n| name(*n)).chain(summaries.iter().map(|n| summary_name(*n)));
        Listed::of(&names.collect::<Vec<_>>())
    }

    #[test]
    fn what_the_newest_summary_covers_is_not_read_and_what_the_one_before_covers_is_spent() {
        assert_eq!(listed(&[3, 1, 2], &[]), Ok(Listed { later: vec![1, 2, 3], ..Listed::default() }));
        assert_eq!(listed(&[1, 2, 3, 4], &[3]), Ok(Listed { summed: 3, later: vec![4], spent: vec![] }));
        let spent = vec![name(1), name(2), summary_name(2)];
        let expected = Listed { summed: 6, later: vec![7], spent };
        assert_eq!(listed(&[1, 2, 5, 6, 7], &[6, 4, 2]), Ok(expected));
        assert_eq!(listed(&[], &[6]), Ok(Listed { summed: 6, ..Listed::default() }));
    }

    #[test]
    fn a_gap_is_damage_where_it_is_read_and_nowhere_else() {
        assert_eq!(listed(&[1, 3], &[]), Err(Missing(2)));
        assert_eq!(listed(&[1, 5, 7], &[4]), Err(Missing(6)));
        assert_eq!(listed(&[1, 2, 6], &[4]), Err(Missing(5)));
        assert!(listed(&[1, 3, 5], &[4]).is_ok());
        assert!(listed(&[2, 3], &[]).is_ok(), "it lost its beginning");
    }

    #[test]
    fn before_summaries_were_known_they_were_no_entries() {
        assert_eq!(number(&summary_name(7)), None);
    }
}
