//! What listing, record and markers know of points, put together: which epoch wrote each, and in which line it lies.

use jiff::Timestamp;

use super::super::entry::Based;
use super::super::history::Epoch;
use super::super::id::JobId;
use super::super::point::{Found, Metadata, PointRef, normalize, same};
use super::{Choice, Decision, IfFailed, Situation, plain};

/// One step back in a line of history.
pub(super) enum Step {
    Point(PointRef),
    /// The line begins here, with nothing.
    Beginning,
}

pub(super) struct Known {
    pub(super) point: PointRef,
    pub(super) checkpoint: bool,
    pub(super) job_id: Option<JobId>,
}

/// A point whose `_metadata` is there and wrong.
pub(super) struct Damaged {
    pub(super) path: String,
    pub(super) why: String,
    pub(super) epoch: Option<u64>,
    /// From a checkpoint's name; a savepoint's name tells no number, and is taken for the newest.
    pub(super) checkpoint_id: Option<u64>,
}

/// What listing and record know of points, put together.
pub(super) struct Points {
    /// Whole ones, and recorded ones that the listing did not show (without checkpoint id if they are gone).
    pub(super) all: Vec<Known>,
    /// What looks like a point and can't be one.
    pub(super) damaged: Vec<Damaged>,
    /// Path of what has no `_metadata` yet.
    pub(super) half: Vec<String>,
}

impl Points {
    pub(super) fn of(situation: &Situation) -> Self {
        let mut points = Self { all: Vec::new(), damaged: Vec::new(), half: Vec::new() };
        for found in &situation.found {
            match &found.metadata {
                Metadata::Missing => points.half.push(found.path.clone()),
                Metadata::Broken(why) => {
                    let checkpoint_id =
                        found.path.rsplit_once("/chk-").and_then(|(_, n)| n.parse().ok()).unwrap_or(u64::MAX);
                    points.damaged.push(Damaged {
                        path: found.path.clone(),
                        why: why.clone(),
                        epoch: attribute(situation, found, checkpoint_id),
                        checkpoint_id: Some(checkpoint_id),
                    });
                }
                Metadata::Whole { checkpoint_id, .. } => points.all.push(Known {
                    point: PointRef {
                        path: found.path.clone(),
                        checkpoint_id: Some(*checkpoint_id),
                        epoch: attribute(situation, found, *checkpoint_id),
                    },
                    checkpoint: found.checkpoint,
                    job_id: found.job_id,
                }),
            }
        }
        points.all.sort_by(|a, b| {
            let key = |known: &Known| (known.point.epoch, known.point.checkpoint_id, !known.checkpoint);
            key(b).cmp(&key(a)).then_with(|| a.point.path.cmp(&b.point.path))
        });
        points.damaged.sort_by(|a, b| {
            let key = |damaged: &Damaged| (damaged.epoch, damaged.checkpoint_id);
            key(b).cmp(&key(a)).then_with(|| a.path.cmp(&b.path))
        });
        points.half.sort();
        points
    }

    /// The epochs that the line passes, newest first.
    pub(super) fn epochs_of_line(situation: &Situation, epoch: u64) -> Vec<(u64, &Based)> {
        let mut epochs = Vec::new();
        let mut next = Some(epoch);
        while let Some(number) = next {
            let Some(based) = situation.history.epochs.get(&number).and_then(|epoch| epoch.based.as_ref()) else {
                break;
            };
            epochs.push((number, based));
            // An epoch's base was written before it; anything else would never end.
            next = based.base.as_ref().and_then(|base| base.epoch).filter(|earlier| *earlier < number);
        }
        epochs
    }

    /// The line of history that ends in `epoch`, newest point first.
    pub(super) fn line(&self, situation: &Situation, epoch: u64) -> Vec<Step> {
        let mut line = Vec::new();
        let mut below = None;
        for (number, based) in Self::epochs_of_line(situation, epoch) {
            let base_id = based.base.as_ref().and_then(|base| base.checkpoint_id);
            for known in &self.all {
                let id = known.point.checkpoint_id;
                if known.point.epoch == Some(number) && id > base_id && below.is_none_or(|below| id < Some(below)) {
                    line.push(Step::Point(known.point.clone()));
                }
            }
            match &based.base {
                None => line.push(Step::Beginning),
                Some(base) => {
                    line.push(Step::Point(base.clone()));
                    below = base.checkpoint_id;
                }
            }
        }
        line
    }

    /// What the record knows to have been durable and newer than everything that is left.
    pub(super) fn gap(&self, situation: &Situation, number: u64, epoch: &Epoch, line: &[Step]) -> Option<String> {
        let newest = match line.first() {
            Some(Step::Point(point)) => point.checkpoint_id,
            _ => None,
        };
        // Flink writes `_metadata` last and at once: one that can't be read is damage, not work in progress.
        let damaged =
            self.damaged.iter().find(|damaged| damaged.epoch == Some(number) && damaged.checkpoint_id > newest);
        if let Some(Damaged { path, why, .. }) = damaged {
            return Some(format!("the newest point, {path}, can't be used: {why}"));
        }
        // A savepoint that nobody could look at when it was recorded has no number; the last one recorded is the newest.
        let unlooked = epoch.saved.last().filter(|saved| {
            saved.point.checkpoint_id.is_none()
                && !self.all.iter().any(|known| same(&known.point.path, &saved.point.path))
        });
        let numbered = epoch.saved.iter().filter(|saved| saved.point.checkpoint_id > newest);
        if let Some(saved) = unlooked.or_else(|| numbered.max_by_key(|saved| saved.point.checkpoint_id)) {
            let path = &saved.point.path;
            let why = self.trouble(situation, path).unwrap_or_else(|| "it is not there any more".to_owned());
            return Some(format!("the newest recorded point, {path}, can't be used: {why}"));
        }
        match epoch.progressed {
            Some((job_id, id)) if newest < Some(id) => Some(format!(
                "epoch {number} (job {job_id}) had completed checkpoint {id}, but neither that nor a later point is there any more"
            )),
            _ => None,
        }
    }

    /// Why a point can't be used, as far as is known.
    pub(super) fn trouble(&self, situation: &Situation, path: &str) -> Option<String> {
        if let Some((_, why)) = situation.broken.iter().find(|(broken, _)| same(broken, path)) {
            return Some(why.clone());
        }
        if situation.history.is_pruned(path) {
            return Some("retention has given it up, and may have deleted a part of it".to_owned());
        }
        self.damaged.iter().find(|damaged| same(&damaged.path, path)).map(|damaged| damaged.why.clone())
    }

    pub(super) fn by_path(&self, situation: &Situation, path: &str, why: &str) -> Choice {
        let path = normalize(path);
        if let Some(trouble) = self.trouble(situation, &path) {
            return plain(Decision::Refuse, &format!("{path} is {why}, but can't be used: {trouble}"));
        }
        let known = self.all.iter().find(|known| same(&known.point.path, &path)).map(|known| known.point.clone());
        let recorded =
            || situation.history.saved().map(|(_, saved)| &saved.point).find(|point| same(&point.path, &path)).cloned();
        let point = known.or_else(recorded).unwrap_or_else(|| PointRef {
            path: path.clone(),
            checkpoint_id: None,
            epoch: None,
        });
        plain(Decision::Restore(point), why)
    }

    /// A point of an epoch in which Flink can't have started, as far as record and markers know.
    pub(super) fn newer_than_known(&self, situation: &Situation) -> Option<(&str, u64)> {
        let known = situation.history.newest_based(u64::MAX).map_or(0, |(epoch, ..)| epoch);
        let whole = self.all.iter().map(|known| (known.point.path.as_str(), known.point.epoch));
        // Damage tells of a start as well as a whole point does.
        let damaged = self.damaged.iter().map(|damaged| (damaged.path.as_str(), damaged.epoch));
        let mut attributed = whole.chain(damaged).filter_map(|(path, epoch)| Some((path, epoch?)));
        attributed.find(|(_, epoch)| *epoch > known && !situation.history.is_void(*epoch))
    }
}

/// Why a point is not tried again; none if Flink never failed to restore it, or not often enough.
pub(super) fn failed(situation: &Situation, path: &str) -> Option<String> {
    let IfFailed { attempts, allow_non_restored_state, .. } = situation.policy.if_failed;
    let failures = situation.history.failures(path, situation.epoch, allow_non_restored_state);
    let (epoch, last) = failures.first()?;
    let times = failures.len();
    (times >= attempts as usize).then(|| {
        let starts = if times == 1 { "one start".to_owned() } else { format!("{times} starts in a row") };
        format!("Flink could not restore it in {starts}, the last time in epoch {epoch}: {}", last.reason)
    })
}

/// A whole point of a known epoch, and how a start sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Which.
    pub point: PointRef,
    /// Whether it is a checkpoint.
    pub checkpoint: bool,
    /// Whether it lies in the line that the next start goes on.
    pub in_line: bool,
}

/// The points of the line that the next start goes on, newest first.
pub(super) fn newest_line(points: &Points, situation: &Situation) -> Vec<PointRef> {
    let Some((number, ..)) = situation.history.newest_based(situation.epoch) else { return Vec::new() };
    let steps = points.line(situation, number).into_iter();
    let points = steps.map_while(|step| match step {
        Step::Point(point) => Some(point),
        Step::Beginning => None,
    });
    points.collect()
}

/// Whether this leaves the newest point of the line that the start would go on, or what is known to be missing of it, behind.
pub(super) fn goes_back(points: &Points, situation: &Situation, decision: &Decision) -> bool {
    let line = newest_line(points, situation);
    let missing = || {
        let (number, epoch, _) = situation.history.newest_based(situation.epoch)?;
        points.gap(situation, number, epoch, &points.line(situation, number))
    };
    match (decision, line.first()) {
        (Decision::Restore(point), Some(newest)) => !same(&point.path, &newest.path) || missing().is_some(),
        (Decision::Fresh, Some(_)) => true,
        (Decision::Restore(_) | Decision::Fresh, None) => missing().is_some(),
        (Decision::Resubmit | Decision::Hold | Decision::Refuse, _) => false,
    }
}

/// Every point whose epoch is known and that nothing speaks against, newest first.
#[must_use]
pub fn standing(situation: &Situation) -> Vec<Standing> {
    let points = Points::of(situation);
    let line = newest_line(&points, situation);
    let in_line = |path: &str| line.iter().any(|point| point.path == path);
    let standing = points.all.iter().filter(|known| known.point.epoch.is_some());
    let standing = standing.filter(|known| points.trouble(situation, &known.point.path).is_none());
    standing
        .map(|known| Standing {
            point: known.point.clone(),
            checkpoint: known.checkpoint,
            in_line: in_line(&known.point.path),
        })
        .collect()
}

/// The points of the line that the next start passes over, if it may go back at all: damaged, gone, or such that Flink could not
/// restore them. What retention has given up is none of them.
#[must_use]
pub fn passed_over(situation: &Situation) -> Vec<String> {
    let points = Points::of(situation);
    let paths = newest_line(&points, situation).into_iter().map(|point| point.path);
    let unusable = |path: &String| points.trouble(situation, path).is_some() || failed(situation, path).is_some();
    paths.take_while(unusable).filter(|path| !situation.history.is_pruned(path)).collect()
}

/// When a point was complete, as far as that is known.
#[must_use]
pub fn completed(situation: &Situation, path: &str) -> Option<Timestamp> {
    let recorded =
        situation.history.saved().find(|(_, saved)| same(&saved.point.path, path)).map(|(_, saved)| saved.completed_at);
    recorded.or_else(|| situation.found.iter().find(|found| same(&found.path, path))?.modified)
}

/// Which epoch wrote a point: told by its folder, by its job id, or, for a savepoint that a person put into Flink's
/// default directory, by not having been there when the newest epoch began.
pub(super) fn attribute(situation: &Situation, found: &Found, checkpoint_id: u64) -> Option<u64> {
    let recorded =
        || situation.history.saved().find(|(_, saved)| same(&saved.point.path, &found.path)).map(|(epoch, _)| epoch);
    let by_job = || {
        let job_id = found.job_id?;
        job_id.epoch_of(&situation.cluster).or_else(|| situation.history.epoch_of_job(job_id))
    };
    let by_absence = || {
        let prefix = found.job_prefix.as_deref()?;
        let (number, epoch, based) = situation.history.newest_based(situation.epoch)?;
        let job_id = epoch.claim.as_ref()?.job_id?;
        let after = based.base.as_ref().and_then(|base| base.checkpoint_id);
        let ours = job_id.prefix() == prefix && Some(checkpoint_id) > after && !based.seen.contains(&found.path);
        ours.then_some(number)
    };
    found.epoch.or_else(recorded).or_else(by_job).or_else(by_absence)
}

/// Savepoints in Flink's default directory that might be this cluster's but whose epoch nothing tells; those whose number alone
/// tells that they are not of an epoch that begins with this base are left out, or the list would only grow.
#[must_use]
pub fn unattributed(situation: &Situation, base: Option<&PointRef>) -> Vec<String> {
    let after = base.and_then(|base| base.checkpoint_id);
    // The job id that this start uses; derived ones share their first digits.
    let prefix = situation.fixed_job_id.unwrap_or_else(|| JobId::derived(&situation.cluster, 0)).prefix();
    situation
        .found
        .iter()
        .filter(|found| found.epoch.is_none() && found.job_prefix.as_deref() == Some(&prefix))
        // Without a number yet it may come to have any.
        .filter(|found| found.checkpoint_id().is_none_or(|id| Some(id) > after))
        .map(|found| found.path.clone())
        .collect()
}
