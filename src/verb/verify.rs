//! `verify`: proves a point whole.

use std::cell::RefCell;

use serde_json::json;

use super::layout::{size, visible, wrapped};
use super::paint::{self, Tone, painted};
use super::terminal;
use crate::cli::Output;
use crate::exit::Exit;
use crate::protocol::point::normalize;
use crate::report;
use crate::storage::verify::{Report, Verdict, verify as prove};
use crate::storage::{Options, Storage};

const WIDTH: usize = 40;

/// Verifies the point at `path` and says what came of it.
///
/// # Errors
/// If the answer can't be written.
pub async fn verify(options: Options, path: &str, output: Output) -> anyhow::Result<Exit> {
    let (storage, path) = (Storage::here(options), normalize(path));
    let progress = RefCell::new(Report::default());
    match storage.place(&path) {
        Ok(point) => {
            tokio::select! {
                () = prove(&storage, &point, &progress) => {}
                () = terminal::redraw(|| bar(&progress.borrow())) => {}
            }
            terminal::erase();
        }
        Err(error) => progress.borrow_mut().verdict = Some(Verdict::Doubtful(report::chain(&error))),
    }
    let report = progress.take();
    let (word, reason, exit) = match &report.verdict {
        Some(Verdict::Whole) => ("whole", None, Exit::Done),
        Some(Verdict::Absent) => ("broken", Some("it has no _metadata"), Exit::State),
        Some(Verdict::Broken(why)) => ("broken", Some(why.as_str()), Exit::State),
        Some(Verdict::Doubtful(why)) => ("unverifiable", Some(why.as_str()), Exit::Refused),
        Some(Verdict::Unreadable(why)) => ("unreadable", Some(why.as_str()), Exit::Later),
        None => ("unreadable", None, Exit::Later),
    };
    match output {
        Output::Json => {
            let answer = json!({
                "verdict": word,
                "path": path,
                "reason": reason,
                "version": report.version,
                "checkpoint_id": report.checkpoint_id,
                "files": report.files,
                "bytes": report.bytes,
                "requests": report.requests,
                "damages": report.damages,
            });
            println!("{}", serde_json::to_string_pretty(&answer)?);
        }
        Output::Table => print(&report, word, &path, reason),
    }
    Ok(exit)
}

fn print(report: &Report, word: &str, path: &str, reason: Option<&str>) {
    let tone = match word {
        "whole" => Tone::Good,
        "broken" => Tone::Bad,
        _ => Tone::Doubtful,
    };
    println!("{} {}", painted(word, tone, paint::out()), visible(path));
    if let (Some(id), Some(version)) = (report.checkpoint_id, report.version) {
        println!("  checkpoint {id}, format version {version}");
    }
    if report.version.is_some() {
        let Report { files, bytes, requests, .. } = report;
        println!("  {files} files besides _metadata, {}, {requests} requests", size(*bytes));
    }
    for damage in &report.damages {
        print!("{}", wrapped(&damage.to_string(), 2));
    }
    if let Some(reason) = reason.filter(|_| report.damages.is_empty()) {
        print!("{}", wrapped(reason, 2));
    }
}

fn bar(report: &Report) -> String {
    let Report { version, files, checked, read, .. } = report;
    if version.is_none() {
        return format!("reading _metadata: {} KiB", read / 1024);
    }
    let done = (checked * WIDTH).checked_div(*files).unwrap_or(WIDTH).min(WIDTH);
    format!("[{}{}] {checked} of {files} files", "=".repeat(done), " ".repeat(WIDTH - done))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_tells_how_far_it_is_and_fits_a_terminal() {
        assert_eq!(bar(&Report { read: 2_048_000, ..Report::default() }), "reading _metadata: 2000 KiB");
        let half = bar(&Report { version: Some(4), files: 10_000, checked: 5_000, ..Report::default() });
        assert_eq!(half, format!("[{}{}] 5000 of 10000 files", "=".repeat(20), " ".repeat(20)));
        let none = bar(&Report { version: Some(4), ..Report::default() });
        assert!(none.starts_with(&format!("[{}]", "=".repeat(40))), "{none}");
        let most = Report { version: Some(4), files: 99_999_999, checked: 99_999_999, ..Report::default() };
        assert!(bar(&most).len() < 80);
    }
}
