//! The status page: for whoever is on call, and has one minute. Made of a [`Status`] alone, on the server, without a script; one
//! file, for which nothing else is fetched.

mod config;
mod history;
mod html;
mod next;
mod now;
mod timeline;

use std::fmt;

use crate::telemetry::status::{Level, Status, age};
use html::Html;
use jiff::Timestamp;

/// What the browser may do with the page: draw it. `nonce` is what its style carries.
#[must_use]
pub fn policy(nonce: impl fmt::Display) -> String {
    format!(
        "default-src 'none'; style-src 'nonce-{nonce}'; img-src data:; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'"
    )
}

/// The page.
#[must_use]
pub fn page(status: &Status, nonce: impl fmt::Display) -> String {
    let mut html = Html::default();
    head(&mut html, status, nonce);
    header(&mut html, status);
    html.raw("<main>");
    answer(&mut html, status);
    html.raw("<div class=cards>");
    now::now(&mut html, status);
    next::next(&mut html, status);
    html.raw("</div>");
    config::commands(&mut html, status);
    next::stop(&mut html, status);
    history::history(&mut html, status);
    config::configuration(&mut html, status);
    html.raw("</main><footer>savepointd ").text(status.version);
    html.element(". All times are UTC. The record: <code>", &status.record, "</code></footer></body></html>\n");
    html.finish()
}

fn head(html: &mut Html, status: &Status, nonce: impl fmt::Display) {
    html.raw("<!doctype html>\n<html lang=en><head><meta charset=utf-8>");
    html.raw("<meta name=viewport content=\"width=device-width,initial-scale=1\"><title>");
    html.text(word(status.headline.level)).raw(": ").text(cluster(status)).raw(" – savepointd</title>");
    // A dot in the colour of the answer: many such pages may be open side by side.
    html.raw("<link rel=icon href=\"data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 8 8'%3E");
    html.raw(match status.headline.level {
        Level::Safe => "%3Ccircle cx='4' cy='4' r='4' fill='%230a8f50'/%3E",
        Level::Attention => "%3Ccircle cx='4' cy='4' r='4' fill='%23d08700'/%3E",
        Level::Unknown => "%3Ccircle cx='4' cy='4' r='3' fill='none' stroke='%234f74d9' stroke-width='2'/%3E",
        Level::Danger => "%3Crect width='8' height='8' fill='%23c9352b'/%3E",
    });
    html.raw("%3C/svg%3E\"><style nonce=\"").text(nonce).raw("\">");
    html.raw(include_str!("page/style.css")).raw("</style></head><body>");
}

fn header(html: &mut Html, status: &Status) {
    html.element("<header><b>", cluster(status), "</b>");
    html.element("<span>", status.phase.as_str(), "</span>");
    if let Some(epoch) = status.epoch {
        html.element("<span>epoch ", epoch, "</span>");
    }
    html.raw("<span>at ").text(moment(status.at)).raw(" UTC</span>");
    // Relative: the page may be read through a proxy.
    html.raw("<nav><a href=\".\">Read again</a><a href=\"api/v1/status\">JSON</a><a href=\"metrics\">Metrics</a></nav></header>");
}

fn answer(html: &mut Html, status: &Status) {
    let headline = &status.headline;
    html.raw("<section class=\"answer ").text(class(headline.level)).raw("\" aria-label=\"The answer\"><h1>");
    html.raw("<svg viewBox=\"0 0 16 16\" aria-hidden=true>").raw(match headline.level {
        Level::Safe => "<circle cx=8 cy=8 r=8 /><path d=\"M4.2 8.3l2.6 2.6 5-5.4\"/>",
        Level::Attention => "<path class=f d=\"M8 1l8 14H0z\"/><path d=\"M8 6v4m0 2v1\"/>",
        Level::Unknown => "<circle cx=8 cy=8 r=8 /><path d=\"M5.8 6.2C6 3 11 3.4 10.5 6.4 10.2 8 8 8 8 10m0 1.5v1\"/>",
        Level::Danger => "<rect width=16 height=16 rx=2 /><path d=\"M4.5 4.5l7 7m0-7l-7 7\"/>",
    });
    html.raw("</svg>").text(&headline.text).raw("</h1>");
    if let Some(detail) = &headline.detail {
        html.element("<p>", detail, "</p>");
    }
    html.raw("</section>");
}

fn cluster(status: &Status) -> &str {
    status.cluster.as_deref().unwrap_or("a cluster whose id is not known yet")
}

fn word(level: Level) -> &'static str {
    match level {
        Level::Safe => "Safe",
        Level::Attention => "Attention",
        Level::Unknown => "Unknown",
        Level::Danger => "Danger",
    }
}

fn class(level: Level) -> &'static str {
    match level {
        Level::Safe => "safe",
        Level::Attention => "attention",
        Level::Unknown => "unknown",
        Level::Danger => "danger",
    }
}

/// A time as people read it.
fn moment(at: Timestamp) -> impl fmt::Display {
    at.strftime("%d %b %H:%M:%S")
}

/// How long ago it was.
fn ago(now: Timestamp, at: Timestamp) -> String {
    format!("{} ago", age(now.duration_since(at).as_secs()))
}

#[cfg(test)]
mod tests;
