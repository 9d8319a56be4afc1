//! README's table of figures is made of what the last run of the benchmarks wrote down (`tests/bench/figures.rs`).

use std::collections::BTreeSet;

use serde::Deserialize;

use super::{made, text};

const FILE: &str = "tests/bench/figures.jsonl";

/// When, of what and on what the figures after it were measured.
#[derive(Debug, Deserialize)]
struct Head {
    date: String,
    commit: String,
    flink: String,
    cores: u32,
    load: Option<f64>,
}

#[derive(Debug, Clone, Deserialize)]
struct Figure {
    name: String,
    value: f64,
    unit: String,
    spread: Option<[f64; 2]>,
    peer: Option<String>,
    peer_value: Option<f64>,
    ratio: Option<f64>,
    bar: Option<String>,
    held: Option<bool>,
}

impl Figure {
    fn amount(&self, value: f64) -> String {
        format!("{} {}", rounded(value), self.unit).trim_end().to_owned()
    }

    fn row(&self) -> [String; 4] {
        let spread = self.spread.filter(|[least, most]| rounded(*least) != rounded(*most));
        let spread = spread.map(|[least, most]| format!(" ({} to {})", rounded(least), rounded(most)));
        let beside = match (&self.peer, self.peer_value) {
            (Some(peer), Some(value)) => format!("{}: {peer}", self.amount(value)),
            (Some(peer), None) => peer.clone(),
            (None, _) => String::new(),
        };
        let ratio = self.ratio.map(|ratio| format!(" (ratio {ratio:.2})")).unwrap_or_default();
        let bar = match (&self.bar, self.held) {
            (Some(bar), Some(false)) => format!("{bar}: **missed**"),
            (Some(bar), _) => bar.clone(),
            (None, _) => String::new(),
        };
        [self.name.clone(), self.amount(self.value) + &spread.unwrap_or_default(), beside + &ratio, bar]
    }
}

/// As many digits as mean something.
fn rounded(value: f64) -> String {
    let digits = if value.abs() < 10.0 { 2 } else { usize::from(value.abs() < 100.0) };
    format!("{value:.digits$}")
}

/// The conditions, in words, and a row for each figure that has a bar or stands beside another one. What was measured again counts once.
fn table(lines: &str) -> (String, Vec<[String; 4]>) {
    let mut heads: Vec<Head> = Vec::new();
    let mut figures: Vec<Figure> = Vec::new();
    for line in lines.lines() {
        if let Ok(head) = serde_json::from_str(line) {
            heads.push(head);
            continue;
        }
        let mut figure: Figure = serde_json::from_str(line).unwrap();
        // What is usual needs no mention.
        if let Some(head) = heads.last().filter(|head| head.flink != heads[0].flink) {
            figure.name = format!("{} (Flink {})", figure.name, head.flink);
        }
        match figures.iter_mut().find(|known| known.name == figure.name) {
            Some(known) => *known = figure,
            None => figures.push(figure),
        }
    }
    let each = |what: fn(&Head) -> String| {
        let all: BTreeSet<String> = heads.iter().map(what).collect();
        all.into_iter().collect::<Vec<_>>().join(", ")
    };
    let load = heads.iter().filter_map(|head| head.load).fold(0.0, f64::max);
    let conditions = format!(
        "{}, commit {}, Flink {}, {} cores, load before it {}",
        each(|head| head.date.clone()),
        each(|head| head.commit.clone()),
        heads[0].flink,
        each(|head| head.cores.to_string()),
        rounded(load),
    );
    let shown = figures.iter().filter(|figure| figure.bar.is_some() || figure.peer.is_some());
    (conditions, shown.map(Figure::row).collect())
}

#[test]
fn the_table_of_figures_is_made_of_what_the_last_run_wrote_down() {
    let (conditions, rows) = table(&text(FILE));
    made("README.md", "figures", [conditions.as_str(), "savepointd", "beside it", "bar"], rows.into_iter());
}

#[test]
fn what_was_measured_again_counts_once_and_what_was_missed_is_shown() {
    let lines = r#"{"date":"2026-11-23","commit":"abc","flink":"1.20.5","cores":2,"load":0.25}
{"name":"a stop","value":150.0,"unit":"ms","spread":[140.0,160.0],"peer":"a poller","peer_value":145.0,"ratio":1.03,"bar":"at most 1.02","held":true}
{"name":"memory","value":3.0,"unit":"MiB","peer":null,"ratio":null,"bar":null,"held":null}
{"date":"2026-11-23","commit":"def","flink":"1.20.5","cores":2,"load":0.5}
{"name":"a stop","value":250.0,"unit":"ms","spread":null,"peer":"a poller","peer_value":145.0,"ratio":1.72,"bar":"at most 1.02","held":false}
{"date":"2026-11-23","commit":"def","flink":"2.3.0","cores":2,"load":0.5}
{"name":"a stop","value":5.0,"unit":"s","spread":[5.0,5.0],"peer":null,"peer_value":null,"ratio":null,"bar":"at most 10 s","held":true}"#;
    let (conditions, rows) = table(lines);
    assert_eq!(conditions, "2026-11-23, commit abc, def, Flink 1.20.5, 2 cores, load before it 0.50");
    assert_eq!(
        rows,
        [
            ["a stop", "250 ms", "145 ms: a poller (ratio 1.72)", "at most 1.02: **missed**"],
            ["a stop (Flink 2.3.0)", "5.00 s", "", "at most 10 s"],
        ]
    );
}
