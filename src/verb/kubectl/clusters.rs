//! What records say of their clusters, for a list.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::super::layout::{Cell, Side, Table, size, span, wrapped};
use super::super::paint::Tone;
use super::json;
use crate::protocol::entry::{EndKind, Entry, Saved};
use crate::protocol::history::History;
use crate::protocol::id::JobId;
use crate::protocol::outcome::StopOutcome;
use crate::protocol::point::Kind;

/// What the agent writes onto every record that it makes.
pub(super) const SELECTOR: &str = "app.kubernetes.io/managed-by=savepointd";

/// One cluster, as its record has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Listed {
    /// The record's.
    pub(super) namespace: String,
    /// The record's.
    pub(super) name: String,
    /// The cluster's id.
    cluster: Option<String>,
    epoch: u64,
    /// The newest restore point.
    path: Option<String>,
    kind: Option<Kind>,
    job_id: Option<JobId>,
    checkpoint_id: Option<u64>,
    completed_at: Option<Timestamp>,
    bytes: Option<u64>,
    /// How the newest stop ended.
    outcome: Option<StopOutcome>,
    /// How the newest epoch's job ended by itself.
    ended: Option<EndKind>,
    /// How many jobs a cluster of several has run in its newest epoch.
    jobs: usize,
    /// What a person asked of the next start.
    request: Option<Request>,
    /// Who claimed the newest epoch.
    pub(super) holder: Option<Holder>,
    /// Why the record can't be read.
    damaged: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Request {
    Fresh,
    Pin(String),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Holder {
    pub(super) pod: String,
    pub(super) uid: String,
}

/// Every ConfigMap of the list that is a record, by namespace and name.
pub(super) fn clusters(list: &Value) -> Vec<Listed> {
    let mut clusters: Vec<Listed> = json::list(list, "/items").iter().filter_map(cluster).collect();
    clusters.sort_by(|left, right| (&left.namespace, &left.name).cmp(&(&right.namespace, &right.name)));
    clusters
}

fn cluster(object: &Value) -> Option<Listed> {
    let record = object.pointer("/data/record")?.as_str()?;
    let lines = record.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let entries: Result<Vec<Entry>, String> = lines
        .map(|(index, line)| {
            serde_json::from_str(line).map_err(|error| format!("line {} is not an entry: {error}", index + 1))
        })
        .collect();
    let damaged = entries.as_ref().err().cloned();
    let history = History::read(&entries.unwrap_or_default());
    let newest = newest(&history);
    let stopped = history.epochs.values().rev().find_map(|epoch| epoch.stopped.as_ref());
    let last = history.newest_based(u64::MAX).map(|(_, epoch, _)| epoch);
    let holder = history.newest_claim().and_then(|(_, claim)| claim.holder.pod.clone());
    Some(Listed {
        namespace: json::text(object, "/metadata/namespace").to_owned(),
        name: json::text(object, "/metadata/name").to_owned(),
        cluster: history.cluster.clone(),
        epoch: history.highest_epoch(),
        path: newest.map(|saved| saved.point.path.clone()),
        kind: newest.map(|saved| saved.kind),
        job_id: newest.map(|saved| saved.job_id),
        checkpoint_id: newest.and_then(|saved| saved.point.checkpoint_id),
        completed_at: newest.map(|saved| saved.completed_at),
        bytes: newest.and_then(|saved| saved.bytes),
        outcome: stopped.map(|(outcome, ..)| *outcome),
        ended: last.and_then(|epoch| epoch.ended.as_ref()).map(|end| end.how),
        jobs: last.map_or(0, |epoch| epoch.jobs.len()),
        request: history.request.as_ref().map(|request| match &request.pin {
            Some(path) => Request::Pin(path.clone()),
            None => Request::Fresh,
        }),
        holder: holder.map(|pod| Holder { pod: pod.name, uid: pod.uid }),
        damaged,
    })
}

/// The newest point that is recorded. Checkpoints that nobody has recorded yet are seen by the agent alone, in storage.
fn newest(history: &History) -> Option<&Saved> {
    let counts = |epoch: &u64| !history.is_void(*epoch);
    history.saved().filter(|(epoch, _)| counts(epoch)).last().map(|(_, saved)| saved)
}

pub(super) fn in_namespace(namespace: Option<&str>) -> String {
    namespace.map_or_else(|| "the context's namespace".to_owned(), |namespace| format!("namespace {namespace}"))
}

/// For people.
pub(super) fn table(clusters: &[Listed], now: Timestamp, namespaces: bool, colored: bool) -> String {
    let mut table = Table::new(&[
        ("CLUSTER", Side::Left),
        ("EPOCH", Side::Right),
        ("NEWEST", Side::Left),
        ("AGE", Side::Right),
        ("SIZE", Side::Right),
        ("LAST STOP", Side::Left),
    ]);
    for one in clusters {
        let dash = || "-".to_owned();
        let name = if namespaces { format!("{}/{}", one.namespace, one.name) } else { one.name.clone() };
        let age = |at: Timestamp| span(u64::try_from(now.duration_since(at).as_secs()).unwrap_or_default());
        let cells = vec![
            name.into(),
            one.epoch.to_string().into(),
            one.kind.map_or("-", Kind::as_str).into(),
            one.completed_at.map_or_else(dash, age).into(),
            one.bytes.map_or_else(dash, size).into(),
            last_stop(one),
        ];
        table.row(cells, below(one));
    }
    table.render(colored)
}

fn last_stop(one: &Listed) -> Cell {
    match (&one.damaged, one.ended, one.outcome) {
        (Some(_), ..) => Cell::toned("damaged", Tone::Bad),
        (None, Some(EndKind::Failed), _) => Cell::toned(EndKind::Failed.as_str(), Tone::Bad),
        (None, Some(ended), _) => ended.as_str().into(),
        (None, None, Some(outcome)) => super::super::stopped(outcome),
        (None, None, None) => "-".into(),
    }
}

fn below(one: &Listed) -> String {
    let mut text = one.path.as_ref().map(|path| format!("  {path}\n")).unwrap_or_default();
    if one.jobs > 0 {
        text += &wrapped(&format!("{} jobs, each with points of its own: kubectl savepoints history", one.jobs), 4);
    }
    match &one.request {
        Some(Request::Pin(path)) => text.extend(["    the next start restores what is pinned:\n    ", path, "\n"]),
        Some(Request::Fresh) => text += "    the next start begins with nothing, as a person said (fresh)\n",
        None => {}
    }
    if let Some(damage) = &one.damaged {
        text += &wrapped(&format!("the record is damaged: {damage}"), 4);
    }
    text
}

#[cfg(test)]
mod tests;
