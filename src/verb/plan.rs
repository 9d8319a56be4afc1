//! `plan`: what the next start would do, and why.

use std::path::Path;

use anyhow::Context as _;

use crate::cli::Output;
use crate::exit::Exit;
use crate::people::{self, Plan};
use crate::protocol::jobs::{Submission, called};

/// What fits on a terminal. A path is printed whole: somebody will copy it.
const WIDTH: usize = 80;

/// Makes a saved plan again.
pub(super) fn replay(file: &Path, output: Output) -> anyhow::Result<Exit> {
    let what = || format!("the saved plan {}", file.display());
    let text = std::fs::read_to_string(file).with_context(what)?;
    print(&people::replay(&text).with_context(what)?, output)
}

pub(super) fn print(plan: &Plan, output: Output) -> anyhow::Result<Exit> {
    match output {
        Output::Json => println!("{}", serde_json::to_string_pretty(plan)?),
        Output::Table => print!("{}", table(plan)),
    }
    Ok(Exit::Done)
}

fn table(plan: &Plan) -> String {
    let path = plan.path.as_deref().map(|path| format!(" {path}")).unwrap_or_default();
    let decision = format!("{}{path}\n{}", plan.decision, wrapped(&plan.reason, 2));
    let blank = if plan.candidates.is_empty() { "" } else { "\n" };
    let candidates = plan.candidates.iter().map(|candidate| {
        let mark = if candidate.chosen { '*' } else { ' ' };
        format!("{mark} {}\n{}", candidate.point.path, wrapped(&candidate.reason, 4))
    });
    let jobs = plan.jobs.iter().map(job);
    let some = if plan.jobs.is_empty() { "" } else { "\n" };
    [decision, some.to_owned()].into_iter().chain(jobs).chain([blank.to_owned()]).chain(candidates).collect()
}

/// How one job is submitted again. The line is printed whole: somebody will copy it.
fn job(job: &Submission) -> String {
    let how = match (&job.line, &job.body) {
        (Some(line), Some(body)) => format!("    {line}\n    POST /jars/<JAR ID>/run {body}\n"),
        _ => wrapped(&job.reason, 4),
    };
    format!("  {}, last in epoch {}\n{how}", called(&job.job_name, job.job_id), job.epoch)
}

/// The words in lines of at most [`WIDTH`] characters; a longer word has a line of its own.
fn wrapped(text: &str, indent: usize) -> String {
    let blank = " ".repeat(indent);
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        let width = |line: &String| line.chars().count() + 1 + word.chars().count();
        match lines.last_mut().filter(|line| width(line) <= WIDTH) {
            Some(line) => line.extend([" ", word]),
            None => lines.push(format!("{blank}{word}")),
        }
    }
    lines.into_iter().map(|line| line + "\n").collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::choose::Candidate;
    use crate::protocol::point::PointRef;

    #[test]
    fn the_table_keeps_to_eighty_columns_and_paths_whole() {
        let long = format!("s3://flink/{}/savepoint-1", "a".repeat(90));
        let point = |path: &str| PointRef { path: path.to_owned(), checkpoint_id: Some(1), epoch: Some(1) };
        let reason = "number 4 of epoch 1, older than the newest point of the line, ".repeat(4) + &long;
        let candidate = |path: &str, chosen| Candidate { point: point(path), chosen, reason: reason.clone() };
        let plan = Plan {
            decision: "restore".to_owned(),
            path: Some(long.clone()),
            reason: reason.clone(),
            candidates: vec![candidate(&long, true), candidate("s3://b", false)],
            jobs: Vec::new(),
            version: people::SITUATION,
            situation: None,
        };
        let text = table(&plan);
        for line in text.lines().filter(|line| !line.contains(&long)) {
            assert!(line.chars().count() <= WIDTH, "{line}");
        }
        assert!(text.contains(&format!("\n* {long}\n    number 4")) && text.contains("\n  s3://b\n"), "{text}");
    }
}
