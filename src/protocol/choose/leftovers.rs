//! What Flink's own high availability has left, weighed against the choice: it would win, whatever is injected.
//!
//! After a crash that is as it should be: Flink runs the job on from its newest completed checkpoint, which is the choice too.
//! Where it would be something else, either the job's clean-up was cut off after its final savepoint, and is finished first,
//! or a person has to look.

use super::super::entry::EndKind;
use super::super::ha::{Dealing, JobResult, Kept, Leftovers, OnLeftover, Stage};
use super::super::point::{Kind, PointRef, normalize, same};
use super::points::{Known, Points};
use super::{Choice, Decision, Situation, plain};

/// The choice, as what is left allows it.
pub(super) fn heed(situation: &Situation, points: &Points, choice: Choice) -> Choice {
    let Some(left) = &situation.leftovers else { return choice };
    let point = match &choice.decision {
        Decision::Restore(point) => Some(point.clone()),
        Decision::Fresh => None,
        Decision::Resubmit | Decision::Hold | Decision::Refuse => return choice,
    };
    let view = View { situation, points, left };
    let job_id = situation.fixed_job_id;
    let result = left.results.iter().find(|result| job_id.is_none_or(|job_id| result.job_id == job_id));
    match result {
        Some(result) if result.stage == Stage::Committed => plain(Decision::Refuse, &committed(result)),
        Some(result) => match point.filter(|point| view.ended_with(point)) {
            Some(point) => view.finish(choice, &point, Some(result)),
            None => plain(Decision::Refuse, &ended_otherwise(result, left)),
        },
        None if left.holds_a_job() => view.recovery(choice, point),
        None => choice,
    }
}

struct View<'a> {
    situation: &'a Situation,
    points: &'a Points,
    left: &'a Leftovers,
}

impl View<'_> {
    /// Flink runs a job again by itself: from what?
    fn recovery(&self, choice: Choice, point: Option<PointRef>) -> Choice {
        if let Some(file) = self.left.unclear.first() {
            return self.refuse(&format!("{file} should tell what it recovers, and can't be understood"));
        }
        let other = |kept: &&Kept| self.situation.fixed_job_id.is_some_and(|job_id| job_id != kept.job_id);
        if let Some(kept) = self.left.kept.iter().find(other) {
            return self.refuse(&format!(
                "it holds job {}, which is not the one that this start runs: both would run",
                kept.job_id
            ));
        }
        let newest = self.left.newest();
        let recovered = match newest {
            Some((kept, _)) => Some(self.known(kept)),
            // It has completed no checkpoint since it was started, and restores what it was started from.
            None => match self.situation.history.newest_based(self.situation.epoch) {
                Some((_, _, based)) => based.base.clone(),
                None => return self.refuse("it holds a job that the record knows nothing of"),
            },
        };
        let or = newest.and_then(|(_, before)| before).map(|before| before.path.clone());
        let agrees = match (&point, &recovered) {
            (None, None) => true,
            (Some(point), Some(recovered)) => same(&point.path, &recovered.path),
            _ => false,
        };
        if agrees {
            return recover(choice, or, "Flink's own high availability recovers it");
        }
        if let Some((point, (kept, _))) = point.as_ref().zip(newest)
            && choice.consumed.is_none()
            && self.is_on_the_way(point, kept)
        {
            let why = format!(
                "{} came after it, but no checkpoint was completed since, and Flink's own high availability recovers that one",
                point.path
            );
            return recover(Choice { decision: Decision::Restore(self.known(kept)), ..choice }, or, &why);
        }
        if let Some(point) = point.as_ref().filter(|point| self.ended_with(point)) {
            return match (self.situation.policy.on_leftover, recovered) {
                (OnLeftover::Recover, Some(recovered)) => {
                    let why = format!("older than the newest known, {}, as ha.on_leftover allows", point.path);
                    recover(Choice { decision: Decision::Restore(recovered), ..choice }, or, &why)
                }
                _ => self.finish(choice, point, None),
            };
        }
        let chosen = point.map_or_else(|| "nothing".to_owned(), |point| point.path);
        let recovered = recovered.map_or_else(|| "nothing".to_owned(), |point| point.path);
        self.refuse(&format!("it would restore {recovered}, where {chosen} is to be restored"))
    }

    fn refuse(&self, why: &str) -> Choice {
        plain(
            Decision::Refuse,
            &format!(
                "Flink's own high availability takes up a job again by itself, whatever it is given: {why}. Left of it is {}. To let \
                 go of that: {}; or say that Flink is right: savepointd pin PATH",
                self.left.describe(),
                self.left.way_out()
            ),
        )
    }

    /// The point, with its epoch, where that is known.
    fn known(&self, kept: &Kept) -> PointRef {
        let known = self.points.all.iter().find(|known| same(&known.point.path, &kept.path));
        known.map_or_else(|| kept.point(), |known| known.point.clone())
    }

    /// Whether Flink passes a newer point over because the job had not come to its next checkpoint: it may have been completing
    /// one, whose `_metadata` it writes first, and it recovers from no savepoint that was taken on the way. Nothing that came after
    /// the checkpoint was committed, so that nothing is there twice.
    fn is_on_the_way(&self, point: &PointRef, kept: &Kept) -> bool {
        let all = &self.points.all;
        let Some(recovered) = all.iter().find(|known| same(&known.point.path, &kept.path)) else { return false };
        let Some(newest) = all.iter().find(|known| same(&known.point.path, &point.path)) else { return false };
        let newer = |known: &&Known| known.point.checkpoint_id > Some(kept.checkpoint_id);
        let checkpoints =
            all.iter().filter(|known| known.checkpoint && known.job_id == Some(kept.job_id)).filter(newer);
        let given = self.situation.explicit.as_deref().is_some_and(|given| same(&normalize(given), &point.path));
        recovered.checkpoint
            && recovered.point.checkpoint_id.is_some()
            && newer(&newest)
            && recovered.point.epoch == newest.point.epoch
            // With two of them it ran on without this high availability.
            && checkpoints.count() <= 1
            && !given
            && !self.ended_with(point)
    }

    /// Whether a point is the final savepoint of a job: after it, the job was at its end.
    fn ended_with(&self, point: &PointRef) -> bool {
        let history = &self.situation.history;
        let is_it = |path: &str| same(path, &point.path);
        let recorded = history.saved().find(|(_, saved)| is_it(&saved.point.path)).map(|(_, saved)| saved.kind);
        let of_a_request = || {
            let epoch = self.situation.found.iter().find(|found| is_it(&found.path))?.epoch?;
            history.epochs.get(&epoch)?.attempt.as_ref()
        };
        let by_a_person = history.epochs.values().filter_map(|epoch| epoch.ended.as_ref()).any(|end| {
            end.how == EndKind::Stopped && end.savepoint.as_ref().is_some_and(|savepoint| is_it(&savepoint.path))
        });
        by_a_person || recorded.map_or_else(|| of_a_request().is_some(), |kind| kind == Kind::Final)
    }

    /// The job had come to its end, and its JobManager was cut off before all of it was cleaned up.
    fn finish(&self, choice: Choice, point: &PointRef, result: Option<&JobResult>) -> Choice {
        let job_id = self.situation.fixed_job_id.or_else(|| Some(result?.job_id));
        let job_id = job_id.or_else(|| Some(self.left.newest()?.0.job_id));
        let left = self.left.describe();
        if let Some(job_id) = job_id.filter(|_| self.may_finish(result)) {
            let reason = format!(
                "{}; its JobManager was killed before Flink's own high availability was cleaned up ({left}), which is finished \
                 first",
                choice.reason
            );
            return Choice { reason, dealing: Dealing::Finish(job_id), ..choice };
        }
        // Flink 2 runs the job under another id after its clean-up.
        let by_flink = if self.left.of_flink_2 {
            ""
        } else {
            "let Flink finish the clean-up: ha.on_leftover = \"finish\"; or do it yourself: "
        };
        let reason = format!(
            "the job was stopped with {}, but its JobManager was killed before Flink's own high availability was cleaned up, which \
             would go back behind that. Left of it is {left}. To go on: {by_flink}{}",
            point.path,
            self.left.way_out()
        );
        plain(Decision::Refuse, &reason)
    }

    /// A clean-up that Flink itself has begun it goes on with, allowed or not. After one, Flink 2.3 runs the job under another id.
    fn may_finish(&self, result: Option<&JobResult>) -> bool {
        let begun = result.is_some_and(|result| result.stage == Stage::Dirty);
        !self.left.of_flink_2 && (begun || self.situation.policy.on_leftover == OnLeftover::Finish)
    }
}

fn recover(choice: Choice, or: Option<String>, why: &str) -> Choice {
    let reason = format!("{}; {why}", choice.reason);
    Choice { reason, dealing: Dealing::Recovered(or.into_iter().collect()), ..choice }
}

fn committed(result: &JobResult) -> String {
    let JobResult { job_id, file, .. } = result;
    format!(
        "Flink's job result store says that job {job_id} has ended, and Flink would end at once, without running it: {file}. To run \
         it again, delete that file; Flink keeps it because job-result-store.delete-on-commit is false"
    )
}

fn ended_otherwise(result: &JobResult, left: &Leftovers) -> String {
    let JobResult { job_id, file, stage } = result;
    let torn = if *stage == Stage::Torn { ", and no JobManager starts as long as it is cut off like this" } else { "" };
    format!(
        "Flink's job result store says that job {job_id} has ended{torn}: {file}. No final savepoint of it is known: it may have \
         finished, been cancelled, or failed. Say what to do: look at that file, then delete it, and {}; the newest point is \
         restored then",
        left.way_out()
    )
}
