//! What the next start makes of it, and what must hold whatever fell.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use crate::life::LATE;
use crate::support::fake_flink::number_of;
use crate::world::{How, World, in_directory, kill_hard};

/// Longer than a start takes.
const LONG: Duration = Duration::from_secs(30);

/// What a life came to, in words.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// What the stop is recorded as.
    pub stop: String,
    /// What the next start restored.
    pub restored: String,
    /// What must not be.
    pub problems: Vec<String>,
    /// What the processes said.
    pub log: String,
}

impl Outcome {
    /// Whether nothing is wrong but the time: what only a busy machine causes is not there when it is lived again.
    pub fn is_only_late(&self) -> bool {
        !self.problems.is_empty() && self.problems.iter().all(|problem| problem.contains(LATE))
    }

    /// How the stop was recorded, and what the next start restored.
    pub fn words(&self) -> String {
        let unsafe_ = if self.problems.is_empty() { "" } else { "UNSAFE: " };
        format!("{unsafe_}{}, {}", self.stop, self.restored)
    }
}

/// Asks whether the outcome of this epoch is in the record, or noted in the marker.
pub fn durable(world: &World, epoch: u64) -> impl Fn() -> bool + Send + Sync + use<> {
    let (record, marker) = (world.reader(), world.folder().join("marker"));
    move || {
        let entries = record().into_iter().chain(in_directory(&marker));
        let mut ends = entries.filter(|entry| entry["epoch"] == epoch && ["stopped", "ended"].contains(&what(entry)));
        ends.next().is_some()
    }
}

fn what(entry: &Value) -> &str {
    entry["fact"]["what"].as_str().unwrap_or_default()
}

/// Every complete point that lies there, and its number.
fn points(world: &World) -> Vec<(u64, String)> {
    let mut points = Vec::new();
    let mut directories = vec![world.path("savepoints"), world.path("checkpoints")];
    while let Some(directory) = directories.pop() {
        let within = fs::read_dir(&directory).into_iter().flatten().filter_map(Result::ok).map(|one| one.path());
        directories.extend(within.filter(|path| path.is_dir()));
        let url = format!("file://{}", directory.display());
        points.extend(number_of(&url).map(|number| (number, url)));
    }
    points.sort();
    points
}

/// Starts it once more, and sees what must hold.
pub fn next_start(world: &World, base: &str, how: &How, mut problems: Vec<String>, then: impl FnOnce()) -> Outcome {
    let newest = points(world).pop().map(|(_, url)| url).unwrap_or_default();
    let starts = world.flink.starts().len();
    let mut next = world.run(how);
    let confirmed = next.logged_within("the restore is confirmed", LONG);
    let started = world.flink.starts().len() > starts;
    let told = started.then(|| world.told()).flatten();
    if confirmed.is_none() {
        problems.push(format!("the next start does not run: {}", next.text()));
    }
    if told.as_deref() != Some(newest.as_str()) {
        problems.push(format!("restores {told:?} where {newest} is the newest"));
    }
    then();
    let history = world.verb(&["history", "--output", "json"]);
    if history.code != 0 {
        problems.push(format!("the record can't be read: {history:?}"));
    }
    let entries = world.entries();
    problems.extend(fenced(&entries));
    problems.extend(whole(&entries));
    kill_hard(&mut next);
    let stop = entries.iter().rfind(|entry| what(entry) == "stopped" && entry["epoch"] == 2);
    let stop = stop.and_then(|entry| entry["fact"]["outcome"].as_str()).unwrap_or("-").to_owned();
    Outcome { stop, restored: kind(&entries, told.as_deref(), base), problems, log: String::new() }
}

/// Nobody writes in the name of an epoch when a newer one is claimed, and none is claimed twice.
fn fenced(entries: &[Value]) -> Vec<String> {
    let (mut problems, mut newest) = (Vec::new(), 0);
    for entry in entries {
        let epoch = entry["epoch"].as_u64().unwrap_or_default();
        if what(entry) == "claimed" {
            if epoch <= newest {
                problems.push(format!("epoch {epoch} is claimed after {newest}"));
            }
            newest = epoch;
        } else if epoch != 0 && epoch < newest && entry["fact"]["salvaged"] != true {
            // What a start found it records in the name of the epoch that took it.
            problems.push(format!("{} of epoch {epoch} after {newest} was claimed", what(entry)));
        }
    }
    problems
}

/// Each savepoint that is recorded without a doubt, and not given up, is there.
fn whole(entries: &[Value]) -> Vec<String> {
    let path = |entry: &Value| entry["fact"]["path"].as_str().map(str::to_owned);
    let pruned: BTreeSet<String> = entries.iter().filter(|entry| what(entry) == "pruned").filter_map(path).collect();
    let saved = entries.iter().filter(|entry| what(entry) == "saved" && entry["fact"]["doubt"].is_null());
    let paths = saved.filter_map(|entry| entry["fact"]["point"]["path"].as_str());
    let kept = paths.filter(|path| path.contains("/savepoint-") && !pruned.contains(*path));
    let gone = kept.filter(|path| !PathBuf::from(path.trim_start_matches("file://")).join("_metadata").exists());
    gone.map(|path| format!("{path} is recorded and not there")).collect()
}

/// What kind of point it is.
fn kind(entries: &[Value], told: Option<&str>, base: &str) -> String {
    let Some(told) = told else { return "nothing".to_owned() };
    if told == base {
        return "base".to_owned();
    }
    if told.contains("/chk-") {
        return "checkpoint".to_owned();
    }
    let is_it = |entry: &&Value| what(entry) == "saved" && entry["fact"]["point"]["path"] == told;
    let found = entries.iter().rfind(is_it);
    let kind = found.and_then(|entry| entry["fact"]["kind"].as_str()).unwrap_or("unrecorded");
    kind.to_owned()
}
