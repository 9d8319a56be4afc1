//! The past: a drawing, and the same as a table.

use std::time::Duration;

use super::html::Html;
use super::{ago, moment, timeline};
use crate::people::Row;
use crate::protocol::estimate::advice::{seconds, size};
use crate::protocol::jobs::called;
use crate::protocol::point::Kind;
use crate::telemetry::status::{Start, Status};

/// So many rows are shown at once.
const SHOWN: usize = 20;

/// A kind as people say it.
pub(super) fn kind(kind: Option<Kind>) -> &'static str {
    match kind {
        Some(Kind::Final) => "final savepoint",
        Some(Kind::Periodic) => "periodic savepoint",
        Some(Kind::Manual) => "manual savepoint",
        Some(Kind::Checkpoint) => "checkpoint",
        None => "savepoint",
    }
}

pub(super) fn history(html: &mut Html, status: &Status) {
    html.raw("<section aria-labelledby=history><h2 id=history>History</h2>");
    if status.history_is_old {
        html.raw("<p class=bad>The record can’t be read just now: this is what was known before.</p>");
    }
    if status.history.is_empty() {
        html.raw("<p class=mut>No start and no restore point is recorded yet.</p></section>");
        return;
    }
    timeline::timeline(html, status);
    let (newest, older) = status.history.split_at(status.history.len().min(SHOWN));
    table(html, status, newest);
    if !older.is_empty() {
        html.element("<details><summary>Older: ", older.len() + status.history_left_out, "</summary>");
        table(html, status, older);
        if status.history_left_out > 0 {
            html.element("<p class=mut>Not shown: ", status.history_left_out, ".</p>");
        }
        html.raw("</details>");
    }
    html.raw("</section>");
}

fn table(html: &mut Html, status: &Status, rows: &[Row]) {
    html.raw("<table class=past><thead><tr><th scope=col>Restore point</th><th scope=col>Complete</th>");
    html.raw("<th scope=col class=n>Size</th><th scope=col class=n>Took</th></tr></thead><tbody>");
    let mut epoch = None;
    for row in rows {
        if epoch.replace(row.epoch) != Some(row.epoch) {
            end(html, status, row.epoch);
        }
        if row.path.is_some() {
            point(html, status, row);
        }
    }
    html.raw("</tbody></table>");
}

/// How an epoch went: above its points, as the newest comes first.
fn end(html: &mut Html, status: &Status, epoch: u64) {
    let Some(start) = status.starts.iter().find(|start| start.epoch == epoch) else { return };
    html.element("<tr><th scope=rowgroup colspan=4><b>Epoch ", epoch, "</b> began ").text(moment(start.began));
    match (ended(start), status.epoch == Some(epoch)) {
        (Some(how), _) => html.raw(", ").text(how),
        (None, true) => html.raw(", still this one"),
        (None, false) => html.raw(", ended without a word"),
    };
    if let Some(trouble) = &start.trouble {
        html.element(". <span class=bad>", trouble, "</span>");
    }
    html.raw("</th></tr>");
}

fn ended(start: &Start) -> Option<String> {
    let how = start.how?;
    let reason = start.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
    let at = start.ended.map(|at| format!(" {}", moment(at))).unwrap_or_default();
    Some(match how {
        "savepoint" => format!("stopped{at} with a savepoint"),
        "checkpoint" => format!("stopped{at} on a checkpoint{reason}"),
        "unchanged" => format!("stopped{at}, nothing had changed"),
        "nothing" => format!("stopped{at}, and nothing could be saved{reason}"),
        how => format!("{how}{at}{reason}"),
    })
}

fn point(html: &mut Html, status: &Status, row: &Row) {
    html.raw("<tr class=of><td>").text(kind(row.kind));
    if let Some(number) = row.checkpoint_id {
        html.raw(" ").text(number);
    }
    if let (Some(name), Some(job_id)) = (&row.job_name, row.job_id) {
        html.raw(" of ").text(called(name, job_id));
    }
    if row.salvaged {
        html.raw(", salvaged");
    }
    html.raw("</td><td>");
    if let Some(at) = row.completed_at {
        html.element("<span class=nb>", moment(at), "</span> ");
        html.element("<span class=\"mut nb\">", ago(status.at, at), "</span>");
    }
    html.raw("</td><td class=n>");
    if let Some(bytes) = row.bytes {
        html.text(size(bytes));
    }
    html.raw("</td><td class=n>");
    if let Some(took) = row.duration_ms {
        html.text(seconds(Duration::from_millis(took)));
        if let Some(predicted) = row.predicted_ms {
            html.element(
                "<span class=\"mut wide\"> of ",
                seconds(Duration::from_millis(predicted)),
                " predicted</span>",
            );
        }
    }
    html.element("</td></tr><tr><td colspan=4><code>", row.path.as_deref().unwrap_or_default(), "</code>");
    if let Some(doubt) = &row.doubt {
        html.element("<span class=bad>not verified when it was recorded: ", doubt, "</span>");
    }
    html.raw("</td></tr>");
}
