//! `history`: the recorded points, newest first.

use super::layout::{Cell, Side, Table, size, visible, wrapped};
use super::paint::{self, Tone};
use crate::cli::Output;
use crate::exit::Exit;
use crate::people::Row;
use crate::protocol::entry::EndKind;
use crate::protocol::jobs::called;

pub(super) fn print(rows: &[Row], output: Output) -> anyhow::Result<Exit> {
    match output {
        Output::Json => println!("{}", serde_json::to_string_pretty(rows)?),
        Output::Table if rows.is_empty() => println!("no start and no restore point is recorded yet"),
        Output::Table => print!("{}", table(rows, paint::out())),
    }
    Ok(Exit::Done)
}

fn table(rows: &[Row], colored: bool) -> String {
    let mut table = Table::new(&[
        ("EPOCH", Side::Right),
        ("KIND", Side::Left),
        ("ID", Side::Right),
        ("COMPLETED", Side::Left),
        ("SIZE", Side::Right),
        ("OUTCOME", Side::Left),
    ]);
    for row in rows {
        let dash = || "-".to_owned();
        let cells = vec![
            row.epoch.to_string().into(),
            row.kind.map_or("-", |kind| kind.as_str()).into(),
            row.checkpoint_id.map_or_else(dash, |id| id.to_string()).into(),
            row.completed_at.map_or_else(dash, |at| format!("{at:.0}")).into(),
            row.bytes.map_or_else(dash, size).into(),
            outcome(row),
        ];
        table.row(cells, below(row));
    }
    table.render(colored)
}

fn outcome(row: &Row) -> Cell {
    if let Some(ended) = row.ended {
        return Cell::toned(ended.as_str(), if ended == EndKind::Failed { Tone::Bad } else { Tone::Plain });
    }
    match (row.outcome, &row.restore_failed) {
        (Some(outcome), _) => super::stopped(outcome),
        (None, Some(_)) => Cell::toned("unrestored", Tone::Bad),
        (None, None) => "-".into(),
    }
}

/// What has no room in a column: the path, whole, and what is to be known of it.
fn below(row: &Row) -> String {
    let mut text = row.path.as_ref().map(|path| format!("       {}\n", visible(path))).unwrap_or_default();
    if let (Some(name), Some(job_id)) = (&row.job_name, row.job_id) {
        text += &wrapped(&format!("of {}", called(name, job_id)), 9);
    }
    if row.salvaged {
        text += &wrapped("salvaged: found whole in storage by the next start, as nobody had recorded it", 9);
    }
    if let Some(doubt) = &row.doubt {
        text += &wrapped(&format!("not verified when it was recorded: {doubt}"), 9);
    }
    if let Some(why) = row.restore_failed.as_ref().filter(|_| row.outcome.is_none()) {
        text += &wrapped(&format!("not restored by Flink: {}", why.lines().next().unwrap_or_default()), 9);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::outcome::StopOutcome;
    use crate::protocol::point::Kind;

    #[test]
    fn the_table_keeps_to_eighty_columns_and_paths_whole() {
        let long = format!("s3://flink/{}/savepoint-1", "a".repeat(90));
        let row = Row {
            epoch: 123_456,
            path: Some(long.clone()),
            kind: Some(Kind::Checkpoint),
            job_id: None,
            job_name: None,
            checkpoint_id: Some(1_234_567_890),
            completed_at: Some("2026-11-23T06:49:01.234Z".parse().unwrap()),
            bytes: Some(u64::MAX),
            duration_ms: None,
            predicted_ms: None,
            doubt: Some("the store said nothing in time ".repeat(5)),
            salvaged: true,
            base: None,
            confirmed: true,
            restore_failed: None,
            outcome: Some(StopOutcome::Superseded),
            ended: None,
        };
        let failed = Some("no such file ".repeat(9));
        let none = Row { path: None, kind: None, restore_failed: failed, outcome: None, ..row.clone() };
        let text = table(&[row, none], false);
        for line in text.lines().filter(|line| !line.contains(&long)) {
            assert!(line.chars().count() <= 80, "{line}");
        }
        assert!(text.contains(&format!("\n       {long}\n")), "{text}");
        assert!(text.contains("  2026-11-23T06:49:01Z  16383 PiB  superseded\n"), "{text}");
        assert!(text.contains("unrestored\n") && text.contains("not restored by Flink: no such file"), "{text}");
    }
}
