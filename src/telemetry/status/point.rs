//! What is known of the points that count.

use jiff::Timestamp;

use super::Point;
use crate::people::{Plan, Row};
use crate::protocol::choose::completed;
use crate::protocol::estimate::{Measured, Sample};
use crate::protocol::point::{Kind, same};

/// What tells of points.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// The recorded ones, newest first.
    pub rows: &'a [Row],
    /// What Flink has measured.
    pub measured: &'a [Sample],
    /// The clock.
    pub now: Timestamp,
}

/// The newest point: what the next start restores, unless a person or a policy has it restore another one.
#[must_use]
pub fn newest(plan: Option<&Plan>, known: Known) -> Option<Point> {
    let of = |path: &str, checkpoint_id: Option<u64>, epoch: Option<u64>| {
        Some(known.point(plan, path, checkpoint_id, epoch))
    };
    // Candidates are ordered, newest first; one that the choice has put before them is known by its missing number.
    let candidates = plan.map(|plan| plan.candidates.as_slice()).unwrap_or_default();
    let candidate = candidates
        .iter()
        .map(|candidate| (&candidate.point, candidate.chosen))
        .filter(|(point, _)| point.checkpoint_id.is_some() && point.epoch.is_some())
        .max_by_key(|(point, chosen)| (point.epoch, point.checkpoint_id, *chosen))
        .and_then(|(point, _)| of(&point.path, point.checkpoint_id, point.epoch));
    let row = || known.rows.iter().find_map(|row| of(row.path.as_deref()?, row.checkpoint_id, Some(row.epoch)));
    candidate.or_else(row)
}

/// The point that the next start restores.
#[must_use]
pub fn next_point(plan: &Plan, known: Known) -> Option<Point> {
    let path = plan.path.as_deref()?;
    let candidate = plan.candidates.iter().find(|candidate| candidate.chosen).map(|candidate| &candidate.point);
    let (number, epoch) = candidate.map_or((None, None), |point| (point.checkpoint_id, point.epoch));
    Some(known.point(Some(plan), path, number, epoch))
}

/// The newest of a plan's candidates of which nothing bad is known.
#[must_use]
pub fn usable(plan: &Plan) -> Option<String> {
    let situation = plan.situation.as_deref()?;
    let is_bad = |path: &str| situation.broken.keys().chain(situation.doubted.keys()).any(|bad| same(bad, path));
    let numbered =
        plan.candidates.iter().map(|candidate| &candidate.point).filter(|point| point.checkpoint_id.is_some());
    let there = |path: &str| situation.found.iter().any(|found| same(&found.path, path));
    let mut good = numbered.map(|point| point.path.as_str()).filter(|path| there(path) && !is_bad(path));
    good.next().map(str::to_owned)
}

impl Known<'_> {
    fn point(&self, plan: Option<&Plan>, path: &str, checkpoint_id: Option<u64>, epoch: Option<u64>) -> Point {
        let row = self.rows.iter().find(|row| row.path.as_deref().is_some_and(|other| same(other, path)));
        let situation = plan.and_then(|plan| plan.situation.as_deref());
        let found = situation.and_then(|situation| situation.found.iter().find(|found| same(&found.path, path)));
        let is_checkpoint = found.is_some_and(|found| found.checkpoint);
        let completed_at =
            row.and_then(|row| row.completed_at).or_else(|| situation.and_then(|situation| completed(situation, path)));
        let state = || {
            let newest = self.measured.iter().filter(|sample| sample.measured == Measured::Checkpoint);
            newest.max_by_key(|sample| sample.at).map(|sample| sample.state).filter(|_| is_checkpoint)
        };
        Point {
            path: path.to_owned(),
            kind: row.and_then(|row| row.kind).or_else(|| is_checkpoint.then_some(Kind::Checkpoint)),
            epoch: epoch.or_else(|| row.map(|row| row.epoch)),
            checkpoint_id: checkpoint_id.or_else(|| row.and_then(|row| row.checkpoint_id)),
            completed_at,
            age_seconds: completed_at.map(|at| self.now.duration_since(at).as_secs().max(0)),
            bytes: row.and_then(|row| row.bytes).or_else(state),
        }
    }
}
