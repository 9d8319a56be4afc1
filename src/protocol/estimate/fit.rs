//! A curve through measurements: fixed costs and a cost for each byte, for stops and for the canonical format some more of each.
//!
//! Few and noisy measurements: so nothing is negative, what nothing was measured of is drawn to what is usual beside what was, and a
//! measurement far off counts less. The error that counts is the factor, not the seconds.

use super::super::point::Format;

/// The parts of a cost.
const PARTS: usize = 7;
/// What is usual where nothing was measured, in seconds for a megabyte.
const USUAL_PACE: f64 = 0.01;
/// Fixed costs that are usual.
const USUAL_FIXED: f64 = 0.1;
/// What is usual for a stop besides, for the tasks' own end.
const USUAL_STOP: f64 = 0.2;
/// What is usual for a first checkpoint besides.
const USUAL_FIRST: f64 = 0.3;
/// A stop that has nothing to write.
pub(super) const STOP_OF_NOTHING: f64 = USUAL_FIXED + USUAL_STOP;
/// A factor beyond this is an outlier's.
const OUTLIER: f64 = 1.35;
/// The spread (of the factor's logarithm) that is usual before it was seen.
const USUAL_SPREAD: f64 = 0.3;

/// What was measured, as far as its costs differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    /// A checkpoint of all the state.
    Checkpoint,
    /// The first checkpoint of a job that was just started: classes are loaded and connections made, which no later one waits for.
    First,
    /// An increment: beside its bytes it compacts, so that they tell little of the pace of a savepoint.
    Increment,
    /// A savepoint while the job went on.
    Savepoint(Format),
    /// Stop-with-savepoint.
    Stop(Format),
}

impl Act {
    pub(super) fn is_stop(self) -> bool {
        matches!(self, Self::Stop(_))
    }

    pub(super) fn is_canonical(self) -> bool {
        matches!(self, Self::Savepoint(Format::Canonical) | Self::Stop(Format::Canonical))
    }
}

/// One measurement.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    /// Millions of bytes.
    pub(super) bytes: f64,
    pub(super) seconds: f64,
    pub(super) act: Act,
    pub(super) weight: f64,
}

/// Fixed, for each byte, fixed of a stop, and for each byte of a stop, of the canonical format, of an increment; fixed of a first one.
fn parts(bytes: f64, act: Act) -> [f64; PARTS] {
    let only = |is: bool, value: f64| if is { value } else { 0.0 };
    let (stop, canonical) = (act.is_stop(), act.is_canonical());
    [
        1.0,
        bytes,
        only(stop, 1.0),
        only(stop, bytes),
        only(canonical, bytes),
        only(act == Act::Increment, bytes),
        only(act == Act::First, 1.0),
    ]
}

/// What was made of them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Curve {
    costs: [f64; PARTS],
    spread: f64,
}

impl Curve {
    pub(super) fn through(rows: &[Row]) -> Self {
        let usual = usual(rows);
        let mut costs = usual;
        for _ in 0..20 {
            costs = improved(rows, &usual, &costs);
        }
        let (mut spread, mut weights) = (USUAL_SPREAD.powi(2) * 2.0, 2.0);
        for row in rows {
            // The worst that an outlier says is that it is one.
            let off = (row.seconds / value(&costs, &parts(row.bytes, row.act))).ln().clamp(-1.0, 1.0);
            let weight = if row.act.is_stop() { row.weight * 2.0 } else { row.weight };
            spread += off.powi(2) * weight;
            weights += weight;
        }
        Self { costs, spread: (spread / weights).sqrt() }
    }

    /// Seconds for so many millions of bytes.
    pub(super) fn at(&self, bytes: f64, act: Act) -> f64 {
        value(&self.costs, &parts(bytes, act))
    }

    /// The factor that hardly any measurement is beyond.
    pub(super) fn doubt(&self) -> f64 {
        (self.spread * 2.0).exp().clamp(1.5, 4.0)
    }
}

fn value(costs: &[f64; PARTS], parts: &[f64; PARTS]) -> f64 {
    costs.iter().zip(parts).map(|(cost, part)| cost * part).sum::<f64>().max(1e-3)
}

/// What the costs are drawn to where too little was measured: the pace of the largest measurements tells the most.
fn usual(rows: &[Row]) -> [f64; PARTS] {
    let largest = rows.iter().map(|row| row.bytes).fold(0.0, f64::max);
    let paces = rows.iter().filter(|row| row.bytes > 0.0 && row.bytes >= largest / 2.0);
    let of_bytes = |row: &Row| match row.act {
        Act::First => (row.seconds - USUAL_FIXED - USUAL_FIRST).max(row.seconds / 4.0),
        _ => (row.seconds - USUAL_FIXED).max(row.seconds / 2.0),
    };
    let paces: Vec<f64> = paces.map(|row| of_bytes(row) / row.bytes).collect();
    // Of little state only the fixed costs can be seen.
    let pace = median(&paces).map_or(USUAL_PACE, |pace| if largest < 5.0 { pace.min(USUAL_PACE) } else { pace });
    let pace = pace.max(1e-6);
    [USUAL_FIXED, pace, USUAL_STOP, pace / 4.0, pace, pace, USUAL_FIRST]
}

/// How firmly each cost is drawn there.
const FIRMNESS: [f64; PARTS] = [0.1, 0.1, 0.2, 0.2, 0.05, 0.1, 0.2];

/// One step of least squares on the factors' logarithms, no cost negative.
fn improved(rows: &[Row], usual: &[f64; PARTS], costs: &[f64; PARTS]) -> [f64; PARTS] {
    // Scaled by what is usual, so that every cost is a number about one.
    let mut normal = [[0.0; PARTS]; PARTS];
    let mut right = [0.0; PARTS];
    for (at, firmness) in FIRMNESS.iter().enumerate() {
        if let (Some(cell), Some(goal)) = (normal.get_mut(at).and_then(|line| line.get_mut(at)), right.get_mut(at)) {
            *cell += firmness;
            *goal += firmness;
        }
    }
    for row in rows {
        let parts = parts(row.bytes, row.act);
        let now = value(costs, &parts);
        let off = (row.seconds / now).ln();
        let weight = row.weight / (1.0 + (off / OUTLIER.ln()).powi(2));
        let mut scaled = [0.0; PARTS];
        for ((scaled, part), usual) in scaled.iter_mut().zip(parts).zip(usual) {
            *scaled = part * usual / now;
        }
        let goal = 1.0 + off.clamp(-0.7, 0.7);
        for ((line, right), one) in normal.iter_mut().zip(&mut right).zip(scaled) {
            for (cell, other) in line.iter_mut().zip(scaled) {
                *cell += weight * one * other;
            }
            *right += weight * one * goal;
        }
    }
    let mut solved = [0.0; PARTS];
    for ((solved, cost), usual) in solved.iter_mut().zip(costs).zip(usual) {
        *solved = cost / usual;
    }
    for _ in 0..200 {
        for at in 0..PARTS {
            let (Some(line), Some(right)) = (normal.get(at), right.get(at)) else { continue };
            let others: f64 = line
                .iter()
                .zip(&solved)
                .enumerate()
                .map(|(other, (cell, cost))| if other == at { 0.0 } else { cell * cost })
                .sum();
            if let (Some(own), Some(cost)) = (line.get(at), solved.get_mut(at)) {
                *cost = ((right - others) / own).max(0.0);
            }
        }
    }
    let mut improved = [0.0; PARTS];
    for ((improved, solved), usual) in improved.iter_mut().zip(solved).zip(usual) {
        *improved = solved * usual;
    }
    improved
}

/// The middle one; none of none.
pub(super) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied()
}
