//! The past as a drawing: sizes of restore points above the line, what they took below it, and on it the lives of the JobManager.

use std::time::Duration;

use jiff::Timestamp;

use super::history::kind;
use super::html::Html;
use super::moment;
use crate::people::Row;
use crate::protocol::estimate::advice::{seconds, size};
use crate::protocol::point::{Kind, same};
use crate::telemetry::status::{Start, Status};

const LEFT: f64 = 6.0;
const WIDTH: f64 = 988.0;
/// The line.
const LINE: f64 = 108.0;
/// How high the largest point is, and how low the slowest.
const HIGH: f64 = 78.0;
const LOW: f64 = 34.0;
/// Below this an empty stretch of time would look like a long one.
const SHORTEST: f64 = 60.0;
/// What a label needs.
const LABEL: f64 = 70.0;

/// One restore point, placed.
#[derive(Debug, Clone, PartialEq)]
struct Mark {
    x: f64,
    up: f64,
    down: f64,
    kind: Option<Kind>,
    title: String,
}

/// One life of the JobManager, placed.
#[derive(Debug, Clone, PartialEq)]
struct Life {
    from: f64,
    to: f64,
    epoch: u64,
    /// Whether there is room for its number.
    labelled: bool,
}

/// The drawing, placed.
#[derive(Debug, Clone, Default, PartialEq)]
struct Layout {
    marks: Vec<Mark>,
    lives: Vec<Life>,
    ticks: Vec<(f64, String)>,
    largest: u64,
    slowest: u64,
}

#[expect(clippy::cast_precision_loss, reason = "a drawing is not that exact")]
fn second(at: Timestamp) -> f64 {
    at.as_millisecond() as f64 / 1_000.0
}

#[expect(clippy::cast_precision_loss, reason = "a drawing is not that exact")]
fn share(part: u64, whole: u64) -> f64 {
    part as f64 / whole.max(1) as f64
}

fn layout(rows: &[Row], starts: &[Start], now: Timestamp) -> Option<Layout> {
    let points: Vec<(&Row, Timestamp)> = rows.iter().filter_map(|row| Some((row, row.completed_at?))).collect();
    let times = points.iter().map(|(_, at)| *at).chain(starts.iter().map(|start| start.began));
    let first = times.min()?;
    let (from, to) = (second(first).min(second(now) - SHORTEST), second(now));
    let x = |at: Timestamp| LEFT + (second(at) - from) / (to - from) * (WIDTH - LEFT);
    let x = |at: Timestamp| x(at).clamp(LEFT, WIDTH);
    let largest = points.iter().filter_map(|(row, _)| row.bytes).max().unwrap_or(0);
    let slowest = points.iter().filter_map(|(row, _)| row.duration_ms).max().unwrap_or(0);
    let marks = points.iter().map(|(row, at)| Mark {
        x: x(*at),
        up: 6.0 + (HIGH - 6.0) * row.bytes.map_or(0.0, |bytes| share(bytes, largest)),
        down: row.duration_ms.map_or(0.0, |took| 2.0 + (LOW - 2.0) * share(took, slowest)),
        kind: row.kind,
        title: title(row, *at),
    });
    let mut lives = Vec::new();
    let (mut until, mut label) = (x(now), f64::INFINITY);
    // Newest first, so that where there is little room the newest have their numbers.
    for start in starts {
        let from = x(start.began);
        let to = start.ended.map_or(until, x).min(until);
        let labelled = label - from >= LABEL;
        label = if labelled { from } else { label };
        lives.push(Life { from, to, epoch: start.epoch, labelled });
        until = from;
    }
    let ticks = ticks(from, to).into_iter().map(|at| (x(at), tick(at, to - from))).collect();
    Some(Layout { marks: marks.collect(), lives, ticks, largest, slowest })
}

/// Round times, at most eight of them.
fn ticks(from: f64, to: f64) -> Vec<Timestamp> {
    const STEPS: [i64; 15] =
        [10, 30, 60, 300, 600, 1_800, 3_600, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800, 2_592_000, 31_536_000];
    #[expect(clippy::cast_possible_truncation, reason = "seconds of any calendar fit")]
    let (from, to) = (from as i64, to as i64);
    let step = STEPS.into_iter().find(|step| (to - from) / step < 8).unwrap_or(315_360_000);
    let first = from.div_euclid(step) + 1;
    let all = (first..=to.div_euclid(step)).take(8);
    all.filter_map(|number| Timestamp::from_second(number.saturating_mul(step)).ok()).collect()
}

fn tick(at: Timestamp, range: f64) -> String {
    let form = match range {
        range if range < 300.0 => "%H:%M:%S",
        range if range < 86_400.0 => "%H:%M",
        range if range < 400_000.0 => "%d %b %H:%M",
        _ => "%d %b %Y",
    };
    at.strftime(form).to_string()
}

fn title(row: &Row, at: Timestamp) -> String {
    let number = row.checkpoint_id.map(|number| format!(" {number}")).unwrap_or_default();
    let bytes = row.bytes.map(|bytes| format!(", {}", size(bytes))).unwrap_or_default();
    let took = row.duration_ms.map(|took| format!(" in {}", seconds(Duration::from_millis(took)))).unwrap_or_default();
    format!("{}{number} of epoch {}, {}{bytes}{took}", kind(row.kind), row.epoch, moment(at))
}

/// The newest checkpoint is in no record while its job runs, and belongs into the drawing all the same.
fn rows(status: &Status) -> Vec<Row> {
    let mut rows = status.history.clone();
    let is_known = |path: &str| rows.iter().any(|row| row.path.as_deref().is_some_and(|other| same(other, path)));
    if let (Some(point), Some(row)) = (status.newest.as_ref().filter(|point| !is_known(&point.path)), rows.first()) {
        rows.push(Row {
            path: Some(point.path.clone()),
            kind: point.kind,
            epoch: point.epoch.unwrap_or(row.epoch),
            checkpoint_id: point.checkpoint_id,
            completed_at: point.completed_at,
            bytes: point.bytes,
            duration_ms: None,
            ..row.clone()
        });
    }
    rows
}

pub(super) fn timeline(html: &mut Html, status: &Status) {
    let Some(layout) = layout(&rows(status), &status.starts, status.at) else { return };
    html.raw("<figure><div class=\"scroll time\" tabindex=0 role=region aria-label=\"Timeline\">");
    html.raw("<svg viewBox=\"0 0 1000 172\" role=img aria-labelledby=\"tl-title tl-text\">");
    html.raw("<title id=tl-title>Restore points and restarts</title><desc id=tl-text>");
    html.text(layout.marks.len()).raw(" restore points and ").text(layout.lives.len());
    html.raw(" starts of the JobManager. The same is in the table below.</desc>");
    for (x, label) in &layout.ticks {
        html.raw("<path class=axis d=\"M").text(round(*x)).raw(" 24V152\"/><text y=168 x=").text(round(*x));
        html.raw(" text-anchor=").raw(if *x > WIDTH - LABEL { "end" } else { "middle" }).element(">", label, "</text>");
    }
    for life in &layout.lives {
        html.raw("<rect class=life rx=2 y=104 height=8 x=").text(round(life.from)).raw(" width=");
        html.text(round((life.to - life.from).max(1.5))).element("><title>epoch ", life.epoch, "</title></rect>");
        html.raw("<path class=restart d=\"M").text(round(life.from)).raw(" 18V152\"/>");
        if life.labelled {
            html.raw("<text y=13 x=").text(round(life.from.min(WIDTH - LABEL + LEFT))).raw(">");
            html.element("epoch ", life.epoch, "</text>");
        }
    }
    for mark in &layout.marks {
        let class = mark.kind.map_or("manual", Kind::as_str);
        let x = round((mark.x - 2.5).clamp(LEFT, WIDTH - 5.0));
        html.raw("<g><title>")
            .text(&mark.title)
            .raw("</title><rect class=")
            .text(class)
            .raw(" width=5 rx=1 x=")
            .text(&x);
        html.raw(" y=").text(round(LINE - 4.0 - mark.up)).raw(" height=").text(round(mark.up)).raw(" />");
        if mark.down > 0.0 {
            html.raw("<rect class=\"took ").text(class).raw("\" width=5 rx=1 y=112 x=").text(&x);
            html.raw(" height=").text(round(mark.down)).raw(" />");
        }
        html.raw("</g>");
    }
    html.raw("</svg></div><figcaption>");
    for (class, name) in
        [("final", "final"), ("periodic", "periodic"), ("manual", "manual"), ("checkpoint", "checkpoint")]
    {
        if layout.marks.iter().any(|mark| mark.kind.map_or("manual", Kind::as_str) == class) {
            html.raw("<span><svg viewBox=\"0 0 8 8\" aria-hidden=true><rect class=").text(class);
            html.raw(" x=1 y=1 width=6 height=6 /></svg>").text(name).raw("</span>");
        }
    }
    if layout.largest > 0 {
        html.element("<span>↑ size, up to ", size(layout.largest), "</span>");
    }
    if layout.slowest > 0 {
        html.element("<span>↓ time taken, up to ", seconds(Duration::from_millis(layout.slowest)), "</span>");
    }
    html.raw("<span><svg viewBox=\"0 0 8 8\" aria-hidden=true><path class=restart d=\"M4 0V8\"/></svg>start of the JobManager</span></figcaption></figure>");
}

fn round(number: f64) -> String {
    format!("{number:.1}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn at(ago: i64) -> Timestamp {
        Timestamp::from_second(NOW - ago).unwrap()
    }

    fn row(ago: i64, bytes: Option<u64>, duration_ms: Option<u64>) -> Row {
        Row { completed_at: Some(at(ago)), bytes, duration_ms, ..crate::telemetry::status::tests::row(1, "s3://b/a") }
    }

    fn start(epoch: u64, began: i64, ended: Option<i64>) -> Start {
        Start { epoch, began: at(began), ended: ended.map(at), ..crate::telemetry::status::tests::start(epoch) }
    }

    #[test]
    fn the_largest_and_the_slowest_reach_the_edge_and_nothing_leaves_the_drawing() {
        let rows =
            [row(0, Some(100), Some(5)), row(500, Some(50), Some(10)), row(1_000, None, None), row(-9, Some(1), None)];
        let starts = [start(3, 10, None), start(2, 600, Some(20)), start(1, 1_000, None)];
        let layout = layout(&rows, &starts, at(0)).unwrap();
        let close = |left: f64, right: f64| (left - right).abs() < 0.001;
        assert!(close(layout.marks[0].up, HIGH) && close(layout.marks[1].down, LOW), "{layout:?}");
        assert!(close(layout.marks[2].x, LEFT) && close(layout.marks[2].down, 0.0), "{layout:?}");
        assert!(layout.marks.iter().all(|mark| (LEFT..=WIDTH).contains(&mark.x)), "a clock that goes ahead");
        assert!(close(layout.lives[0].to, WIDTH), "it still runs");
        assert!(layout.lives[1].to < layout.lives[0].from, "between them nothing ran");
        assert!(
            close(layout.lives[2].to, layout.lives[1].from),
            "what ended without a word ran at most until the next one"
        );
    }

    #[test]
    fn labels_leave_each_other_room_and_the_newest_has_one() {
        let starts: Vec<Start> = (0..50).map(|n| start(50 - n, i64::try_from(n).unwrap() * 60, None)).collect();
        let lives = layout(&[], &starts, at(0)).unwrap().lives;
        let labelled: Vec<f64> = lives.iter().filter(|life| life.labelled).map(|life| life.from).collect();
        assert!(lives[0].labelled && labelled.len() > 5, "{labelled:?}");
        assert!(labelled.windows(2).all(|two| two[0] - two[1] >= LABEL), "{labelled:?}");
    }

    #[test]
    fn ticks_are_round_and_few_for_any_stretch_of_time() {
        for range in [60.0, 100.0, 1_000.0, 10_000.0, 100_000.0, 1e6, 1e7, 1e8, 1e9] {
            let to = second(at(0));
            let ticks = ticks(to - range, to);
            assert!((1..=8).contains(&ticks.len()), "{range}: {ticks:?}");
            assert!(ticks.iter().all(|at| at.as_second() % 10 == 0 && second(*at) <= to), "{range}: {ticks:?}");
        }
        assert!(layout(&[], &[], at(0)).is_none());
    }
}
