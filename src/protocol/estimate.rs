//! The estimate: how long the stop's savepoint and a checkpoint on demand will take, from what Flink and the record have measured.
//!
//! Flink's newest checkpoints tell the pace of this job, here and now; stops in the record tell what a stop takes besides; how fast
//! the state grows tells its size by now. Where little is known the range is wide, and the basis says so.

pub mod advice;
mod fit;
mod growth;

use std::time::Duration;

use jiff::Timestamp;

use super::entry::Saved;
use super::point::{Format, Kind};
use fit::{Act, Curve, Row};

/// The most that is ever expected: beyond it a number says nothing.
const LONGEST: Duration = Duration::from_secs(7 * 24 * 3_600);
/// The least: no request is answered sooner.
const SHORTEST: Duration = Duration::from_millis(10);
/// So many of the newest checkpoints count: the pace of long ago is not that of now.
const CHECKPOINTS: usize = 20;
/// So many of the newest savepoints of earlier epochs count.
const SAVEPOINTS: usize = 20;
/// A checkpoint that writes less of the state than this share is an increment.
const WHOLE: f64 = 0.8;

/// How long something is expected to take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Expected {
    /// As likely to take longer as to take less.
    pub likely: Duration,
    /// Hardly ever longer; never less than `likely`.
    pub at_most: Duration,
}

/// What is expected of a stop that begins now.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Prediction {
    /// Stop-with-savepoint in the configured format, from the request to the savepoint's completion.
    pub savepoint: Expected,
    /// A checkpoint on demand; none where the job has completed none yet.
    pub checkpoint: Option<Expected>,
    /// The state's size by now, where it is known.
    pub bytes: Option<u64>,
    /// What it rests on, in words.
    pub basis: String,
}

/// What was measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measured {
    /// A checkpoint, from its trigger to its completion.
    Checkpoint,
    /// A savepoint while the job went on.
    Savepoint(Format),
    /// Stop-with-savepoint, from the request to the answer that it is complete.
    Stop(Format),
}

/// One measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// Of what.
    pub measured: Measured,
    /// The bytes that were written for it.
    pub written: u64,
    /// The whole state's size; an incremental checkpoint writes less.
    pub state: u64,
    /// How long it took.
    pub took: Duration,
    /// When it was complete.
    pub at: Timestamp,
    /// Whether it is the first of a job that was just started.
    pub first: bool,
}

impl Sample {
    /// A savepoint that the record tells of; none where it does not tell size and time.
    #[must_use]
    pub fn recorded(saved: &Saved) -> Option<Self> {
        let format = saved.format?;
        let bytes = saved.bytes.filter(|_| !saved.salvaged)?;
        let measured = match saved.kind {
            Kind::Final => Measured::Stop(format),
            Kind::Periodic | Kind::Manual => Measured::Savepoint(format),
            Kind::Checkpoint => return None,
        };
        let took = Duration::from_millis(saved.duration_ms?);
        Some(Self { measured, written: bytes, state: bytes, took, at: saved.completed_at, first: false })
    }
}

/// All that an estimate rests on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Evidence {
    /// Checkpoints and savepoints that the running Flink tells of, in any order.
    pub here: Vec<Sample>,
    /// Savepoints that the record tells of, oldest first.
    pub before: Vec<Sample>,
    /// The size of the point that the job was restored from.
    pub base_bytes: Option<u64>,
    /// Whether checkpoints overtake data in flight, for which a savepoint has to wait.
    pub overtakes: bool,
}

/// What a stop with a savepoint in this format is expected to take, if it begins `now`; none where nothing is known.
#[must_use]
pub fn predict(evidence: &Evidence, format: Format, now: Timestamp) -> Option<Prediction> {
    let mut here: Vec<&Sample> = evidence.here.iter().collect();
    here.sort_by_key(|sample| sample.at);
    let here = newest(&here, CHECKPOINTS);
    let before: Vec<&Sample> = evidence.before.iter().collect();
    let before = newest(&before, SAVEPOINTS);

    let sizes: Vec<(Timestamp, u64)> = here.iter().map(|sample| (sample.at, sample.state)).collect();
    let last = before.last().map(|sample| sample.state);
    let size = growth::by(&sizes, now).or_else(|| evidence.base_bytes.or(last).map(growth::Size::standing))?;

    let rows: Vec<Row> = aged(here, false).chain(aged(before, true)).collect();
    let curve = Curve::through(&rows);
    let stops = rows.iter().filter(|row| row.act.is_stop()).count();
    let largest = rows.iter().map(|row| row.bytes).fold(0.0, f64::max);
    let canonical = format == Format::Canonical;
    let savepoint = {
        let bytes = megabytes(size.bytes);
        let likely = curve.at(bytes, Act::Stop(format));
        let kin = rows.iter().any(|row| row.act.is_canonical() == canonical && (canonical || row.bytes >= bytes / 4.0));
        let mut doubt = curve.doubt() * beyond(bytes, largest);
        doubt *= if stops == 0 { 1.5 } else { 1.0 };
        doubt *= if kin { 1.0 } else { 1.5 };
        // Alignment waits for data that checkpoints have stepped over, and nobody has measured how long.
        doubt *= if evidence.overtakes { 2.0 } else { 1.0 };
        expected(likely, doubt)
    };
    let checkpoint = increment(here).map(|share| {
        let bytes = megabytes(size.bytes) * share;
        expected(curve.at(bytes, if share < WHOLE { Act::Increment } else { Act::Checkpoint }), curve.doubt())
    });
    let basis = basis(evidence, here, before, stops, &size);
    Some(Prediction { savepoint, checkpoint, bytes: Some(size.bytes), basis })
}

fn newest<'a, 'b>(samples: &'a [&'b Sample], count: usize) -> &'a [&'b Sample] {
    samples.get(samples.len().saturating_sub(count)..).unwrap_or(samples)
}

/// The share of the state that this job's checkpoints write; none where it has completed none.
fn increment(here: &[&Sample]) -> Option<f64> {
    let checkpoints = here.iter().rev().filter(|sample| sample.measured == Measured::Checkpoint && sample.state > 0);
    // The newest, as the first one after a restore is whole.
    let shares: Vec<f64> =
        checkpoints.take(5).map(|sample| megabytes(sample.written) / megabytes(sample.state)).collect();
    fit::median(&shares).map(|share| share.clamp(0.0, 1.0))
}

/// Measurements as the fit wants them, the newest with the most weight.
fn aged<'a>(samples: &'a [&Sample], earlier: bool) -> impl Iterator<Item = Row> + 'a {
    samples.iter().rev().zip(0_i32..).map(move |(sample, age)| {
        // Of an increment the fixed costs and the compaction tell more than the pace.
        let written = megabytes(sample.written) / megabytes(sample.state.max(1));
        let (act, share) = match sample.measured {
            Measured::Checkpoint if sample.first => (Act::First, written),
            Measured::Checkpoint if written < WHOLE => (Act::Increment, written),
            Measured::Checkpoint => (Act::Checkpoint, written),
            Measured::Savepoint(format) => (Act::Savepoint(format), written),
            // A stop of long ago still tells what a stop takes besides the writing, which no checkpoint does.
            Measured::Stop(format) => (Act::Stop(format), 1.0),
        };
        let aged = if earlier { 0.85_f64.powi(age) } else { 0.8_f64.powi(age) };
        Row {
            bytes: megabytes(sample.written),
            seconds: sample.took.max(Duration::from_millis(1)).as_secs_f64(),
            act,
            weight: aged * share.clamp(0.1, 1.0),
        }
    })
}

/// How much the doubt grows with a size that nobody has seen yet.
fn beyond(bytes: f64, largest: f64) -> f64 {
    if bytes > largest { (bytes / largest.max(1.0)).sqrt().clamp(1.0, 4.0) } else { 1.0 }
}

fn expected(likely: f64, doubt: f64) -> Expected {
    let bounded = |seconds: f64| Duration::try_from_secs_f64(seconds).unwrap_or(LONGEST).clamp(SHORTEST, LONGEST);
    let likely_seconds = bounded(likely);
    Expected { likely: likely_seconds, at_most: bounded(likely * doubt).max(likely_seconds) }
}

#[expect(clippy::cast_precision_loss, reason = "nobody counts single bytes of petabytes")]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

fn basis(evidence: &Evidence, here: &[&Sample], before: &[&Sample], stops: usize, size: &growth::Size) -> String {
    let checkpoints = here.iter().filter(|sample| sample.measured == Measured::Checkpoint).count();
    let savepoints = here.len() - checkpoints + before.len() - stops.min(before.len());
    let counted = |count: usize, one: &str| match count {
        0 => None,
        1 => Some(format!("1 {one}")),
        _ => Some(format!("{count} {one}s")),
    };
    let parts = [counted(stops, "stop"), counted(savepoints, "savepoint"), counted(checkpoints, "checkpoint")];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    let mut text = match parts.as_slice() {
        [] => "only the size is known".to_owned(),
        parts => format!("from {}", parts.join(", ")),
    };
    if stops == 0 && !parts.is_empty() {
        text += ", no stop was measured yet";
    }
    if increment(here).is_some_and(|share| share < WHOLE) {
        text += "; checkpoints are incremental, a savepoint writes everything";
    }
    if size.per_second > 0 {
        text.push_str("; the state grows by ");
        text.push_str(&advice::size(size.per_second));
        text.push_str(" a second");
    }
    if evidence.overtakes {
        text += "; checkpoints overtake data that a savepoint has to wait for";
    }
    text
}

#[cfg(test)]
mod tests;
