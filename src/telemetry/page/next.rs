//! What the next start would do, and what a stop would take.

use super::html::Html;
use super::{ago, class};
use crate::protocol::estimate::advice::{seconds, size};
use crate::protocol::jobs::{Submission, called};
use crate::telemetry::status::{Expectation, Level, Next, Phase, Status};

pub(super) fn next(html: &mut Html, status: &Status) {
    let next = &status.next;
    html.raw("<section aria-labelledby=next><h2 id=next>Next start</h2>");
    if let Some(why) = &next.unknown {
        html.element("<p><b class=bad>Not known now.</b> ", why, "</p>");
    }
    if let Some(decision) = &next.decision {
        decided(html, next, decision);
        // Said once is enough.
        if status.headline.detail.as_ref() == Some(&next.reason) {
            html.raw(" for the reason above.</p>");
        } else {
            html.element("</p><p class=why>because: ", &next.reason, "</p>");
        }
    }
    submissions(html, if status.jobs_waiting.is_empty() { &next.jobs } else { &status.jobs_waiting });
    if let Some(at) = next.asked_at {
        html.element("<p class=mut>Record and storage were asked ", ago(status.at, at), ".</p>");
    }
    if !next.candidates.is_empty() {
        html.element("<details><summary>Looked at: ", next.candidates.len(), "</summary><ul>");
        for candidate in &next.candidates {
            html.raw(if candidate.chosen { "<li><b>" } else { "<li>" });
            html.element("<code>", &candidate.point.path, "</code>");
            html.raw(if candidate.chosen { "</b><br>" } else { "<br>" }).text(&candidate.reason).raw("</li>");
        }
        html.raw("</ul></details>");
    }
    html.raw("</section>");
}

/// Its paragraph is left open for the reason.
fn decided(html: &mut Html, next: &Next, decision: &str) {
    html.raw("<p>").raw(match decision {
        "restore" => "It <b>restores</b>",
        "fresh" => "It <b>begins with nothing</b>",
        "resubmit" => "It starts <b>without jobs</b>; they are to be submitted again",
        "hold" => "It <b>waits</b> for a person’s word",
        _ => "It is <b class=bad>refused</b>",
    });
    if let Some(path) = &next.path {
        html.element(" <code>", path, "</code>");
    }
}

fn submissions(html: &mut Html, jobs: &[Submission]) {
    if jobs.is_empty() {
        return;
    }
    html.raw("<ul class=do>");
    for job in jobs {
        html.element("<li>", called(&job.job_name, job.job_id), ", last in epoch ").text(job.epoch).raw(": ");
        html.text(&job.reason);
        if let Some(line) = &job.line {
            html.element("<code>", line, "</code>");
        }
        html.raw("</li>");
    }
    html.raw("</ul>");
}

/// What a stop would take, beside what it is given.
pub(super) fn stop(html: &mut Html, status: &Status) {
    if matches!(status.phase, Phase::Waiting | Phase::Ended) {
        return;
    }
    html.raw("<section aria-labelledby=stop><h2 id=stop>A stop, if it came now</h2>");
    let Some(expected) = &status.prediction else {
        html.raw(
            "<p class=mut>What it would take is not known: Flink has told nothing of checkpoints yet.</p></section>",
        );
        return;
    };
    let level = match expected.fit {
        "fits" => Level::Safe,
        "tight" => Level::Attention,
        _ => Level::Danger,
    };
    html.element("<p>Its savepoint <b>", &expected.advice, "</b>");
    if let Some(bytes) = expected.bytes {
        html.raw(", for ").text(size(bytes)).raw(" of state");
    }
    html.raw(".</p><figure class=\"").text(class(level)).raw("\">");
    bar(html, expected);
    let kept = std::time::Duration::try_from_secs_f64(expected.reserve_seconds).unwrap_or_default();
    html.raw("<figcaption><span><svg viewBox=\"0 0 8 8\" aria-hidden=true><rect class=likely width=8 height=8 /></svg>likely</span>");
    html.raw(
        "<span><svg viewBox=\"0 0 8 8\" aria-hidden=true><rect class=most width=8 height=8 /></svg>at most</span>",
    );
    html.raw("<span><svg viewBox=\"0 0 8 8\" aria-hidden=true><rect class=kept width=8 height=8 /></svg>");
    html.text(seconds(kept)).raw(" kept back for the record</span><span>").text(&expected.basis);
    html.raw("</span></figcaption></figure></section>");
}

const WIDTH: f64 = 1_000.0;

/// The grace as a bar that the savepoint fills, or does not fit into.
fn bar(html: &mut Html, expected: &Expectation) {
    let whole = expected.grace_seconds.max(expected.at_most_seconds + expected.reserve_seconds).max(0.001);
    let scale = |seconds: f64| format!("{:.1}", (seconds / whole * WIDTH).clamp(0.0, WIDTH));
    html.raw("<svg class=bar viewBox=\"0 0 1000 16\" preserveAspectRatio=none role=img aria-label=\"")
        .text(&expected.advice)
        .raw("\">");
    html.raw("<rect class=grace height=16 width=\"").text(scale(expected.grace_seconds)).raw("\"/>");
    html.raw("<rect class=kept height=16 x=\"").text(scale(expected.grace_seconds - expected.reserve_seconds));
    html.raw("\" width=\"").text(scale(expected.reserve_seconds.min(expected.grace_seconds))).raw("\"/>");
    html.raw("<rect class=most y=4 height=8 width=\"").text(scale(expected.at_most_seconds)).raw("\"/>");
    html.raw("<rect class=likely y=4 height=8 width=\"").text(scale(expected.likely_seconds)).raw("\"/></svg>");
}
