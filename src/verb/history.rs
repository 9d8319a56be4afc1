//! `history`: the recorded points, newest first.

use crate::cli::Output;
use crate::exit::Exit;
use crate::people::Row;
use crate::protocol::entry::EndKind;
use crate::protocol::jobs::called;

pub(super) fn print(rows: &[Row], output: Output) -> anyhow::Result<Exit> {
    if output == Output::Json {
        println!("{}", serde_json::to_string_pretty(rows)?);
        return Ok(Exit::Done);
    }
    if rows.is_empty() {
        println!("no start and no restore point is recorded yet");
        return Ok(Exit::Done);
    }
    println!(
        "{:>5}  {:<10}  {:>5}  {:<20}  {:>9}  {:<10}  PATH",
        "EPOCH", "KIND", "ID", "COMPLETED", "BYTES", "OUTCOME"
    );
    for row in rows {
        let stopped = row.ended.map(EndKind::as_str).or_else(|| Some(row.outcome?.as_str()));
        let unrestored = || row.restore_failed.as_ref().map(|_| "unrestored");
        let dash = || "-".to_owned();
        println!(
            "{:>5}  {:<10}  {:>5}  {:<20}  {:>9}  {:<10}  {}",
            row.epoch,
            row.kind.map_or("-", |kind| kind.as_str()),
            row.checkpoint_id.map_or_else(dash, |id| id.to_string()),
            row.completed_at.map_or_else(dash, |at| format!("{at:.0}")),
            row.bytes.map_or_else(dash, |bytes| bytes.to_string()),
            stopped.or_else(unrestored).unwrap_or("-"),
            row.path.as_deref().unwrap_or("-"),
        );
        if let (Some(name), Some(job_id)) = (&row.job_name, row.job_id) {
            println!("{:>5}  of {}", "", called(name, job_id));
        }
        if row.salvaged {
            println!("{:>5}  salvaged: found whole in storage by the next start, as nobody had recorded it", "");
        }
        if let Some(doubt) = &row.doubt {
            println!("{:>5}  not verified when it was recorded: {doubt}", "");
        }
    }
    Ok(Exit::Done)
}
