//! `savepoint`: has the agent take one of the running job, and says where it lies.

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use super::layout::{size, visible};
use super::terminal;
use crate::cli::{self, Output};
use crate::config::Config;
use crate::exit::Exit;
use crate::people::{Answer, Request};
use crate::protocol::entry::Saved;
use crate::protocol::point::Format;

pub(super) async fn savepoint(cli: &cli::Savepoint, config: &Config) -> anyhow::Result<Exit> {
    let format = if cli.native { Format::Native } else { Format::Canonical };
    let begun = Instant::now();
    let answer = tokio::select! {
        answer = super::ask_quietly(Request::Savepoint { format }, config) => answer,
        () = patience(cli.wait) => {
            terminal::erase();
            super::complain("it is not complete yet, and goes on: savepointd history will show it");
            return Ok(Exit::Later);
        }
        () = terminal::redraw(|| format!("taking a savepoint: {} s", begun.elapsed().as_secs())) => return Ok(Exit::System),
    };
    terminal::erase();
    match answer? {
        Answer::Saved(saved) => print(&saved, cli.output),
        other => Ok(super::said(other, cli.output)),
    }
}

async fn patience(wait: Option<Duration>) {
    match wait {
        Some(wait) => tokio::time::sleep(wait).await,
        None => std::future::pending().await,
    }
}

fn print(saved: &Saved, output: Output) -> anyhow::Result<Exit> {
    let Saved { job_id, point, kind, format, completed_at, bytes, duration_ms, doubt, .. } = saved;
    match output {
        Output::Json => {
            let answer = json!({
                "path": point.path,
                "kind": kind,
                "format": format,
                "job_id": job_id,
                "epoch": point.epoch,
                "checkpoint_id": point.checkpoint_id,
                "completed_at": completed_at,
                "bytes": bytes,
                "duration_ms": duration_ms,
                "doubt": doubt,
            });
            println!("{}", serde_json::to_string_pretty(&answer)?);
        }
        Output::Table => {
            println!("{}", visible(&point.path));
            let number = |number: &Option<u64>| number.map_or_else(|| "?".to_owned(), |number| number.to_string());
            let format = if *format == Some(Format::Native) { "native" } else { "canonical" };
            println!(
                "  {format}, checkpoint {}, {}, taken in {} ms",
                number(&point.checkpoint_id),
                bytes.map_or_else(|| "?".to_owned(), size),
                number(duration_ms)
            );
        }
    }
    let Some(doubt) = doubt else { return Ok(Exit::Done) };
    super::complain(&format!("Flink has taken it, but it can't be verified: {doubt}"));
    Ok(Exit::Refused)
}
