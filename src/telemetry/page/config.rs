//! How to go on, and what is configured.

use super::html::Html;
use crate::config::{Origin, Setting};
use crate::telemetry::status::Status;

pub(super) fn commands(html: &mut Html, status: &Status) {
    html.raw("<section aria-labelledby=commands><h2 id=commands>Commands</h2><ul class=\"do lines\">");
    for command in &status.commands {
        html.element("<li><span>", command.purpose, "</span><code>").text(&command.line).raw("</code></li>");
    }
    html.raw("</ul></section>");
}

pub(super) fn configuration(html: &mut Html, status: &Status) {
    let (defaults, set): (Vec<&Setting>, Vec<_>) =
        status.configuration.iter().partition(|setting| setting.origin == Origin::Default);
    html.raw("<section aria-labelledby=configuration><h2 id=configuration>Configuration</h2>");
    table(html, &set, "What was set");
    html.element("<details><summary>Defaults: ", defaults.len(), "</summary>");
    table(html, &defaults, "What nobody has set");
    html.raw("</details></section>");
}

fn table(html: &mut Html, settings: &[&Setting], caption: &'static str) {
    html.raw("<table aria-label=\"").raw(caption);
    html.raw("\"><thead><tr><th scope=col>Key</th><th scope=col>Value</th><th scope=col>From</th></tr></thead><tbody>");
    for setting in settings {
        html.element("<tr><th scope=row>", setting.key, "</th><td class=set><code>").text(&setting.value);
        let (kind, name) = match &setting.origin {
            Origin::Default => ("default", ""),
            Origin::File(name) => ("file ", name.as_str()),
            Origin::Variable(name) => ("variable ", name.as_str()),
            Origin::Flag(name) => ("flag ", name.as_str()),
        };
        html.raw("</code></td><td class=from>").text(kind);
        if !name.is_empty() {
            html.element("<code>", name, "</code>");
        }
        html.raw("</td></tr>");
    }
    html.raw("</tbody></table>");
}
