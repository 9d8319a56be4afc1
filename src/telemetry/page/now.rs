//! What runs.

use super::html::Html;
use super::{ago, moment};
use crate::protocol::estimate::advice::size;
use crate::protocol::jobs::called;
use crate::telemetry::status::{FlinkNow, Point, Status};

pub(super) fn now(html: &mut Html, status: &Status) {
    html.raw("<section aria-labelledby=now><h2 id=now>Now</h2><dl>");
    if let Some(flink) = &status.flink {
        jobs(html, status, flink);
    } else {
        // The reason is the answer above.
        let word = status.gate.split(": ").next().unwrap_or_default();
        html.element("<dt>Gate</dt><dd>", word, "</dd>");
    }
    if let Some(outcome) = status.outcome {
        html.element("<dt>Outcome</dt><dd>", outcome.as_str(), "</dd>");
    }
    if status.started {
        let base = status.base.as_deref().unwrap_or("nothing: a fresh start");
        html.element("<dt>Restored</dt><dd><code>", base, "</code> ");
        html.raw(match status.confirmed {
            Some(_) => "<span class=nb>confirmed by Flink</span></dd>",
            None => "<span class=nb>not confirmed yet</span></dd>",
        });
    }
    html.raw("<dt>Newest point</dt><dd>");
    match &status.newest {
        Some(point) => newest(html, status, point),
        None => {
            html.raw("none is known");
        }
    }
    html.raw("</dd>");
    if status.guards > 0 {
        html.element("<dt>Guards</dt><dd>", status.guards, " TaskManagers listen</dd>");
    }
    html.raw("</dl></section>");
}

fn jobs(html: &mut Html, status: &Status, flink: &FlinkNow) {
    html.raw("<dt>Flink</dt><dd>");
    match &flink.reason {
        Some(reason) => html.element("<span class=bad>does not answer</span>: ", reason, "</dd>"),
        None if flink.jobs.is_empty() => html.raw("answers, and shows no job</dd>"),
        None => html.raw("answers</dd>"),
    };
    for job in &flink.jobs {
        html.raw("<dt>Job</dt><dd>");
        if !job.name.is_empty() {
            html.element("<b>", &job.name, "</b> ");
        }
        html.text(match (job.state, job.all_tasks_up) {
            ("active", true) => "all tasks run",
            ("active", false) => "not all tasks run",
            (state, _) => state,
        });
        html.element(" <code>", job.job_id, "</code></dd>");
    }
    if let (true, Some(job_id)) = (flink.jobs.is_empty(), status.job_id) {
        html.element("<dt>Job</dt><dd>", called("", job_id), "</dd>");
    }
}

fn newest(html: &mut Html, status: &Status, point: &Point) {
    html.text(super::history::kind(point.kind));
    if let Some(number) = point.checkpoint_id {
        html.raw(" ").text(number);
    }
    match point.completed_at {
        Some(at) => html.raw(", <b>").text(ago(status.at, at)).raw("</b> (").text(moment(at)).raw(")"),
        None => html.raw(", of unknown age"),
    };
    match point.bytes {
        Some(bytes) => html.raw(", ").text(size(bytes)),
        None => html.raw(", size not known"),
    };
    html.element("<br><code>", &point.path, "</code>");
}
