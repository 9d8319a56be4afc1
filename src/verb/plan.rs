//! `plan`: what the next start would do, and why.

use std::path::Path;

use anyhow::Context as _;

use super::layout::{visible, wrapped};
use super::paint::{self, Tone, painted};
use crate::cli::Output;
use crate::exit::Exit;
use crate::people::{self, Plan};
use crate::protocol::jobs::{Submission, called};

/// Makes a saved plan again.
pub(super) fn replay(file: &Path, output: Output) -> anyhow::Result<Exit> {
    let of = |what: &str| format!("the saved plan {} can't be {what}", file.display());
    let text = std::fs::read_to_string(file).with_context(|| of("read"))?;
    print(&people::replay(&text).with_context(|| of("made again"))?, output)
}

pub(super) fn print(plan: &Plan, output: Output) -> anyhow::Result<Exit> {
    match output {
        Output::Json => println!("{}", serde_json::to_string_pretty(plan)?),
        Output::Table => print!("{}", table(plan, paint::out())),
    }
    Ok(Exit::Done)
}

fn table(plan: &Plan, colored: bool) -> String {
    let path = plan.path.as_deref().map(|path| format!(" {}", visible(path))).unwrap_or_default();
    let tone = match plan.decision.as_str() {
        "restore" => Tone::Good,
        "refuse" => Tone::Bad,
        _ => Tone::Doubtful,
    };
    let decision = format!("{}{path}\n{}", painted(&plan.decision, tone, colored), wrapped(&plan.reason, 2));
    let blank = if plan.candidates.is_empty() { "" } else { "\n" };
    let candidates = plan.candidates.iter().map(|candidate| {
        let mark = if candidate.chosen { '*' } else { ' ' };
        format!("{mark} {}\n{}", visible(&candidate.point.path), wrapped(&candidate.reason, 4))
    });
    let jobs = plan.jobs.iter().map(job);
    let some = if plan.jobs.is_empty() { "" } else { "\n" };
    [decision, some.to_owned()].into_iter().chain(jobs).chain([blank.to_owned()]).chain(candidates).collect()
}

/// How one job is submitted again. The line is printed whole: somebody will copy it.
fn job(job: &Submission) -> String {
    let how = match (&job.line, &job.body) {
        (Some(line), Some(body)) => {
            format!("    {}\n    POST /jars/<JAR ID>/run {body}\n", visible(line))
        }
        _ => wrapped(&job.reason, 4),
    };
    format!("  {}, last in epoch {}\n{how}", visible(&called(&job.job_name, job.job_id)), job.epoch)
}

#[cfg(test)]
mod tests {
    use super::super::layout::WIDTH;
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
        let text = table(&plan, false);
        for line in text.lines().filter(|line| !line.contains(&long)) {
            assert!(line.chars().count() <= WIDTH, "{line}");
        }
        assert!(text.contains(&format!("\n* {long}\n    number 4")) && text.contains("\n  s3://b\n"), "{text}");
        let colored = table(&Plan { decision: "refuse".to_owned(), ..plan }, true);
        assert!(colored.starts_with("\u{1b}[1m\u{1b}[31mrefuse\u{1b}[0m s3://"), "{colored}");
    }
}
