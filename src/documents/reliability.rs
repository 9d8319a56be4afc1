//! README's table of reliability is made of what the long runs wrote down (`tests/support/evidence.rs`).

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::{made, text};

const FILE: &str = "tests/evidence.jsonl";

/// What one part of something came to.
#[derive(Debug, Deserialize)]
struct Line {
    date: String,
    commit: String,
    what: String,
    part: String,
    counts: Vec<(String, u64)>,
}

/// A row for each thing, in the order in which they came first: the newest line of each of its parts, summed up.
fn table(lines: &str) -> Vec<[String; 4]> {
    let mut order: Vec<String> = Vec::new();
    let mut parts: BTreeMap<(String, String), Line> = BTreeMap::new();
    for line in lines.lines() {
        let line: Line = serde_json::from_str(line).unwrap();
        if !order.contains(&line.what) {
            order.push(line.what.clone());
        }
        parts.insert((line.what.clone(), line.part.clone()), line);
    }
    order.iter().map(|what| row(what, parts.values().filter(|line| line.what == *what))).collect()
}

fn row<'a>(what: &str, parts: impl Iterator<Item = &'a Line>) -> [String; 4] {
    let (mut counts, mut names): (Vec<(String, u64)>, Vec<&str>) = Default::default();
    let (mut dates, mut commits): (BTreeSet<&str>, BTreeSet<&str>) = Default::default();
    for line in parts {
        names.push(&line.part);
        dates.insert(&line.date);
        commits.insert(&line.commit);
        for (name, count) in &line.counts {
            match counts.iter_mut().find(|(known, _)| known == name) {
                Some((_, sum)) => *sum += count,
                None => counts.push((name.clone(), *count)),
            }
        }
    }
    let counts: Vec<String> = counts.into_iter().map(|(name, sum)| format!("{} {name}", grouped(sum))).collect();
    let commits: Vec<&str> = commits.into_iter().collect();
    let when = match (dates.first(), dates.last()) {
        (Some(first), Some(last)) if first != last => format!("{first} to {last}"),
        (Some(first), _) => (*first).to_owned(),
        (None, _) => String::new(),
    };
    [what.to_owned(), names.join(", "), counts.join(", "), format!("{when}, {}", commits.join(", "))]
}

/// With a comma after each three digits.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let first = digits.len() % 3;
    let (head, rest) = digits.split_at(first);
    let groups = rest.as_bytes().chunks(3).map(|group| String::from_utf8_lossy(group).into_owned());
    let all: Vec<String> = [head.to_owned()].into_iter().filter(|head| !head.is_empty()).chain(groups).collect();
    all.join(",")
}

#[test]
fn the_table_of_reliability_is_made_of_what_the_long_runs_wrote_down() {
    let rows = table(&text(FILE));
    made("README.md", "reliability", ["what was done", "with", "what it came to", "when, commit"], rows.into_iter());
}

#[test]
fn what_was_done_again_counts_once_and_parts_are_summed_up() {
    let lines = r#"{"date":"2026-11-22","commit":"abc","what":"faults","part":"seed 1","counts":[["faults",900],["lost",0]]}
{"date":"2026-11-22","commit":"abc","what":"cycles","part":"1.20.5","counts":[["stops",20]]}
{"date":"2026-11-23","commit":"def","what":"faults","part":"seed 2","counts":[["faults",1100],["lost",0]]}
{"date":"2026-11-23","commit":"def","what":"cycles","part":"1.20.5","counts":[["stops",30]]}"#;
    assert_eq!(
        table(lines),
        [
            ["faults", "seed 1, seed 2", "2,000 faults, 0 lost", "2026-11-22 to 2026-11-23, abc, def"],
            ["cycles", "1.20.5", "30 stops", "2026-11-23, def"],
        ]
    );
}
