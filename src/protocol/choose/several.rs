//! The start of a cluster that runs several jobs, or has run them: it restores nothing by itself, and says what waits.

use super::super::history::Epoch;
use super::super::jobs::{Seen, Waiting, called, waiting};
use super::super::point::{PointRef, same};
use super::points::Points;
use super::{Candidate, Choice, Decision, Situation, plain};

impl Situation {
    /// The jobs whose state is to be gone on with, if this cluster runs several.
    #[must_use]
    pub fn waiting(&self) -> Vec<Waiting> {
        let previous_if_broken = self.policy.previous_if_broken;
        let seen = Seen { found: &self.found, broken: &self.broken, previous_if_broken };
        waiting(&self.history, self.epoch, Some(seen))
    }
}

/// A session cluster starts without jobs. That is no loss: those that waited for it are named until they run again.
pub(super) fn session(situation: &Situation) -> Choice {
    if let Some(request) = situation.history.request.as_ref().filter(|request| request.pin.is_none()) {
        let reason = "a person allowed that nothing is gone on with (`savepointd fresh`): no job waits any longer";
        return Choice { consumed: Some(request.id), ..plain(Decision::Fresh, reason) };
    }
    let waiting = situation.waiting();
    let (good, bad): (Vec<&Waiting>, Vec<&Waiting>) = waiting.iter().partition(|one| one.point.is_some());
    let names =
        |some: &[&Waiting]| some.iter().map(|one| called(&one.job_name, one.job_id)).collect::<Vec<_>>().join(", ");
    let bad =
        if bad.is_empty() { String::new() } else { format!("; without a point that can be used: {}", names(&bad)) };
    match waiting.len() {
        0 => plain(Decision::Fresh, "a session cluster starts without jobs, and none with state waits for it"),
        _ => plain(
            Decision::Resubmit,
            &format!(
                "a session cluster starts without jobs; to be submitted again, each from its own point: {}{bad}",
                if good.is_empty() { "none".to_owned() } else { names(&good) }
            ),
        ),
    }
}

/// The start of an application whose newest epoch ran several jobs.
pub(super) fn application(situation: &Situation, number: u64, epoch: &Epoch) -> Choice {
    let waiting = situation.waiting();
    if waiting.is_empty() {
        return if epoch.jobs.is_empty() {
            plain(Decision::Fresh, &format!("epoch {number} was a session cluster's, and no job of it left any state"))
        } else {
            plain(
                Decision::Hold,
                &format!(
                    "the jobs of epoch {number} came to their own end and are not run again by themselves. To run them again: \
                     savepointd fresh"
                ),
            )
        };
    }
    let list = waiting.iter().map(|one| {
        let at = one.point.as_ref().map_or(one.reason.as_str(), |point| point.path.as_str());
        format!("\n  {}: {at}", called(&one.job_name, one.job_id))
    });
    plain(
        Decision::Refuse,
        &format!(
            "epoch {number} ran several jobs, and an application has one restore path, which Flink gives to every job that it \
             submits. Make each job an application of its own, or submit them to a session cluster; or say what this application \
             begins with: savepointd pin PATH, or savepointd fresh. They can go on from:{}",
            list.collect::<String>()
        ),
    )
}

/// Every point that was looked at, and for which job it stands.
pub(super) fn explain(points: &Points, situation: &Situation) -> Vec<Candidate> {
    let waiting = situation.waiting();
    let goes_on = |point: &PointRef| {
        waiting.iter().find(|one| one.point.as_ref().is_some_and(|own| same(&own.path, &point.path)))
    };
    let mut candidates: Vec<Candidate> = Vec::new();
    for known in &points.all {
        let point = known.point.clone();
        let of = match known.job_id {
            Some(job_id) => format!("of job {job_id}"),
            None => "of a job that its folder does not tell".to_owned(),
        };
        let (chosen, reason) = match (points.trouble(situation, &point.path), goes_on(&point)) {
            (Some(why), _) => (false, why),
            (None, Some(one)) => {
                (true, format!("{} goes on from it: {}", called(&one.job_name, one.job_id), one.reason))
            }
            (None, None) => (false, format!("{of}, which does not wait, or goes on from another one")),
        };
        candidates.push(Candidate { point, chosen, reason });
    }
    for one in &waiting {
        if let Some(point) =
            one.point.as_ref().filter(|point| !candidates.iter().any(|known| same(&known.point.path, &point.path)))
        {
            let reason = format!("{} goes on from it: {}", called(&one.job_name, one.job_id), one.reason);
            candidates.push(Candidate { point: point.clone(), chosen: true, reason });
        }
    }
    let nameless = |path: &String| PointRef { path: path.clone(), checkpoint_id: None, epoch: None };
    let damaged = points.damaged.iter().map(|damaged| (&damaged.path, damaged.why.clone()));
    let half = points.half.iter().map(|path| (path, "half-written: it has no _metadata".to_owned()));
    candidates.extend(damaged.chain(half).map(|(path, reason)| Candidate {
        point: nameless(path),
        chosen: false,
        reason,
    }));
    candidates
}
