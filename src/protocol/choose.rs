//! The choice of a start: which point, why, and why no other. Pure: the same situation gives the same choice, in a
//! pod, in `plan` and in a test.
//!
//! Points are ordered by (epoch, checkpoint id). Flink goes on counting across a restore, so within one line of
//! history the id only grows; clocks, modification times and what a stale JobManager still writes tell nothing. The
//! line is found backwards: from the newest epoch that Flink was allowed to start, through that epoch's base, to the
//! epoch that wrote the base, and so on.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::entry::EndKind;
use super::history::{Epoch, History};
use super::id::JobId;
use super::point::{Found, Metadata, PointRef, normalize};

/// What the configuration says about starts that can't go on as usual.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// A cluster proven to have no history may begin with nothing.
    pub fresh_without_history: bool,
    /// An older point may be used if the newest is missing or broken.
    pub previous_if_broken: bool,
    /// Older state than this is refused.
    pub max_state_age: Option<SignedDuration>,
}

/// Everything that the choice rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Situation {
    /// The cluster's id.
    pub cluster: String,
    /// The epoch that is about to start; what it has written itself is not looked at.
    pub epoch: u64,
    /// Record and markers.
    pub history: History,
    /// What the directories hold.
    pub found: Vec<Found>,
    /// The restore path that the user gave to Flink, if any.
    pub explicit: Option<String>,
    /// A job id that every start shares, because the user gave it.
    pub fixed_job_id: Option<JobId>,
    /// The configuration's word.
    pub policy: Policy,
    /// Points that a closer look proved unusable, and why.
    pub broken: BTreeMap<String, String>,
    /// The clock; only the age limit reads it.
    pub now: Timestamp,
}

/// What a start does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "decision", rename_all = "snake_case")]
pub enum Decision {
    /// Start from this point.
    Restore(PointRef),
    /// Start with nothing.
    Fresh,
    /// Don't start: the job came to its own end, and only a person begins it again.
    Hold,
    /// Don't start: a person has to look.
    Refuse,
}

impl Decision {
    /// The word used in logs, metrics and `plan`.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Restore(_) => "restore",
            Self::Fresh => "fresh",
            Self::Hold => "hold",
            Self::Refuse => "refuse",
        }
    }
}

/// A decision with its reasons.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    /// What to do.
    pub decision: Decision,
    /// Why, and for a refusal the way out; in words.
    pub reason: String,
    /// The person's request that this start uses up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consumed: Option<super::id::Id>,
    /// Every point that was looked at, newest first.
    pub candidates: Vec<Candidate>,
}

/// One point that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// Which.
    pub point: PointRef,
    /// Whether it is the one.
    pub chosen: bool,
    /// Why, or why not.
    pub reason: String,
}

/// Chooses.
#[must_use]
pub fn choose(situation: &Situation) -> Choice {
    let points = Points::of(situation);
    let mut choice = decide(situation, &points);
    choice.candidates = points.explain(situation, &choice);
    choice
}

fn decide(situation: &Situation, points: &Points) -> Choice {
    let latest = situation.history.newest_based(situation.epoch);
    if let Some(request) = &situation.history.request {
        let mut choice = match &request.pin {
            Some(path) => points.by_path(situation, path, "pinned by a person"),
            None => plain(Decision::Fresh, "a fresh start was allowed by a person (`savepointd fresh`)"),
        };
        choice.consumed = Some(request.id);
        return going_back(situation, points, choice);
    }
    if let Some(explicit) = situation.explicit.as_deref().map(normalize) {
        let last = latest.and_then(|(_, _, based)| based.explicit.as_deref()).map(normalize);
        if last.as_deref() != Some(&explicit) {
            let choice =
                points.by_path(situation, &explicit, "given to Flink as restore path, and new since the last start");
            return going_back(situation, points, choice);
        }
    }
    if let Some((path, stranger)) = points.newer_than_known(situation) {
        return plain(
            Decision::Refuse,
            &format!(
                "{path} belongs to epoch {stranger}, but the record knows of no start after epoch {}: the record is older than the \
                 storage. Bring the record back, or say which point to use: savepointd pin PATH",
                latest.map_or(0, |(epoch, ..)| epoch),
            ),
        );
    }
    match latest {
        None => without_history(situation, points),
        Some((number, epoch, _)) => go_on(situation, points, number, epoch),
    }
}

fn without_history(situation: &Situation, points: &Points) -> Choice {
    let whole: Vec<_> = points.all.iter().filter(|point| point.point.checkpoint_id.is_some()).collect();
    if !whole.is_empty() {
        let list: Vec<&str> = whole.iter().map(|point| point.point.path.as_str()).collect();
        let list = list.join("\n  ");
        return plain(
            Decision::Refuse,
            &format!(
                "this cluster has no history yet, but its directories hold restore points. Say which one it continues \
                 from: savepointd pin PATH; or that it begins with nothing: savepointd fresh. Found:\n  {list}"
            ),
        );
    }
    if let Some(Damaged { path, why, .. }) = points.damaged.first() {
        return plain(
            Decision::Refuse,
            &format!(
                "this cluster has no history yet, but {path} looks like a restore point that is not whole ({why}). \
                 Say which point it continues from: savepointd pin PATH; or that it begins with nothing: savepointd fresh"
            ),
        );
    }
    if situation.policy.fresh_without_history {
        plain(Decision::Fresh, "first start: no record, no marker, and every directory is readable and holds no point")
    } else {
        plain(
            Decision::Refuse,
            "no record, no marker and no point: a first start is refused by restore.on_no_state = \"refuse\". \
             Allow it once: savepointd fresh",
        )
    }
}

fn go_on(situation: &Situation, points: &Points, number: u64, epoch: &Epoch) -> Choice {
    if let Some(end) = &epoch.ended {
        match end.how {
            EndKind::Finished | EndKind::Cancelled => {
                return plain(
                    Decision::Hold,
                    &format!(
                        "the job {} in epoch {number} and is not run again by itself. To run it again: savepointd fresh, \
                         or savepointd pin PATH",
                        end.how.as_str()
                    ),
                );
            }
            EndKind::Stopped | EndKind::Failed => {}
        }
    }
    let line = points.line(situation, number);
    let missing = points.gap(situation, number, epoch, &line);
    if let (Some(missing), false) = (&missing, situation.policy.previous_if_broken) {
        return plain(
            Decision::Refuse,
            &format!(
                "{missing}. Bring it back, or say which point to use: savepointd pin PATH; or allow older ones: \
                 restore.on_broken = \"previous\""
            ),
        );
    }
    let mut passed_over = missing;
    for (place, step) in line.iter().enumerate() {
        let Step::Point(point) = step else {
            return if place == 0 && passed_over.is_none() {
                plain(
                    Decision::Fresh,
                    &format!("epoch {number} began with nothing and completed no checkpoint or savepoint since"),
                )
            } else {
                nothing_whole(number)
            };
        };
        match points.trouble(situation, &point.path) {
            None => return chosen(situation, point, number, passed_over.as_deref()),
            Some(why) if situation.policy.previous_if_broken => {
                passed_over.get_or_insert_with(|| format!("{} can't be used: {why}", point.path));
            }
            Some(why) => {
                return plain(
                    Decision::Refuse,
                    &format!(
                        "the newest point, {}, can't be used: {why}. Repair it, or say which point to use: savepointd pin \
                         PATH; or allow older ones: restore.on_broken = \"previous\"",
                        point.path
                    ),
                );
            }
        }
    }
    nothing_whole(number)
}

fn nothing_whole(epoch: u64) -> Choice {
    plain(
        Decision::Refuse,
        &format!(
            "no whole point is left of the line that ends in epoch {epoch}, and a job with a history does not begin with \
             nothing by itself. Say what to do: savepointd pin PATH, or savepointd fresh"
        ),
    )
}

fn chosen(situation: &Situation, point: &PointRef, epoch: u64, passed_over: Option<&str>) -> Choice {
    if let Some(limit) = situation.policy.max_state_age {
        let age = completed(situation, &point.path).map(|at| situation.now.duration_since(at));
        let too_old = match age {
            None => Some("of unknown age".to_owned()),
            Some(age) if age > limit => Some(format!("{age:#} old")),
            Some(_) => None,
        };
        if let Some(age) = too_old {
            return plain(
                Decision::Refuse,
                &format!(
                    "the newest point, {}, is {age}, and restore.max_state_age is {limit:#}. To use it all the same: \
                     savepointd pin PATH",
                    point.path
                ),
            );
        }
    }
    let line = format!("of the line that ends in epoch {epoch}");
    let reason = match passed_over {
        None => format!("newest point {line}"),
        Some(why) => {
            format!("newest whole point {line}, older than the newest known, as restore.on_broken allows: {why}")
        }
    };
    plain(Decision::Restore(point.clone()), &reason)
}

/// Two histories in one checkpoint folder can't be told apart by number: going back under a job id that stays the same
/// would make the wrong one look newest (measured on Flink 1.20.5).
fn going_back(situation: &Situation, points: &Points, choice: Choice) -> Choice {
    let Some(job_id) = situation.fixed_job_id else { return choice };
    let from = match &choice.decision {
        Decision::Restore(point) => point.checkpoint_id.unwrap_or(0),
        Decision::Fresh => 0,
        Decision::Hold | Decision::Refuse => return choice,
    };
    let later = points.all.iter().find(|candidate| {
        candidate.checkpoint && candidate.job_id == Some(job_id) && candidate.point.checkpoint_id > Some(from)
    });
    match later {
        None => choice,
        Some(later) => plain(
            Decision::Refuse,
            &format!(
                "going back to checkpoint id {from} under the fixed job id {job_id} would mix two histories in one folder: \
                 {} is there already. Remove --job-id from Flink's arguments, or move that folder away",
                later.point.path
            ),
        ),
    }
}

fn plain(decision: Decision, reason: &str) -> Choice {
    Choice { decision, reason: reason.to_owned(), consumed: None, candidates: Vec::new() }
}

/// One step back in a line of history.
enum Step {
    Point(PointRef),
    /// The line begins here, with nothing.
    Beginning,
}

struct Known {
    point: PointRef,
    checkpoint: bool,
    job_id: Option<JobId>,
}

/// A point whose `_metadata` is there and wrong.
struct Damaged {
    path: String,
    why: String,
    epoch: Option<u64>,
    /// From a checkpoint's name; a savepoint's name tells no number, and is taken for the newest.
    checkpoint_id: Option<u64>,
}

/// What listing and record know of points, put together.
struct Points {
    /// Whole ones, and recorded ones that the listing did not show (without checkpoint id if they are gone).
    all: Vec<Known>,
    /// What looks like a point and can't be one.
    damaged: Vec<Damaged>,
    /// Path of what has no `_metadata` yet.
    half: Vec<String>,
}

impl Points {
    fn of(situation: &Situation) -> Self {
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

    /// The line of history that ends in `epoch`, newest point first.
    fn line(&self, situation: &Situation, epoch: u64) -> Vec<Step> {
        let mut line = Vec::new();
        let (mut epoch, mut below) = (Some(epoch), None);
        while let Some(number) = epoch {
            let Some(based) = situation.history.epochs.get(&number).and_then(|epoch| epoch.based.as_ref()) else {
                break;
            };
            let base_id = based.base.as_ref().and_then(|base| base.checkpoint_id);
            for known in &self.all {
                let id = known.point.checkpoint_id;
                if known.point.epoch == Some(number) && id > base_id && below.is_none_or(|below| id < Some(below)) {
                    line.push(Step::Point(known.point.clone()));
                }
            }
            match &based.base {
                None => {
                    line.push(Step::Beginning);
                    break;
                }
                Some(base) => {
                    line.push(Step::Point(base.clone()));
                    below = base.checkpoint_id;
                    // An epoch's base was written before it; anything else would never end.
                    epoch = base.epoch.filter(|earlier| *earlier < number);
                }
            }
        }
        line
    }

    /// What the record knows to have been durable and newer than everything that is left.
    fn gap(&self, situation: &Situation, number: u64, epoch: &Epoch, line: &[Step]) -> Option<String> {
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
            saved.point.checkpoint_id.is_none() && !self.all.iter().any(|known| known.point.path == saved.point.path)
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
    fn trouble(&self, situation: &Situation, path: &str) -> Option<String> {
        if let Some(why) = situation.broken.get(path) {
            return Some(why.clone());
        }
        self.damaged.iter().find(|damaged| damaged.path == path).map(|damaged| damaged.why.clone())
    }

    fn by_path(&self, situation: &Situation, path: &str, why: &str) -> Choice {
        let path = normalize(path);
        if let Some(trouble) = self.trouble(situation, &path) {
            return plain(Decision::Refuse, &format!("{path} is {why}, but can't be used: {trouble}"));
        }
        let known = self.all.iter().find(|known| known.point.path == path).map(|known| known.point.clone());
        let recorded =
            || situation.history.saved().map(|(_, saved)| &saved.point).find(|point| point.path == path).cloned();
        let point = known.or_else(recorded).unwrap_or_else(|| PointRef {
            path: path.clone(),
            checkpoint_id: None,
            epoch: None,
        });
        plain(Decision::Restore(point), why)
    }

    /// A point of an epoch in which Flink can't have started, as far as record and markers know.
    fn newer_than_known(&self, situation: &Situation) -> Option<(&str, u64)> {
        let known = situation.history.newest_based(u64::MAX).map_or(0, |(epoch, ..)| epoch);
        let whole = self.all.iter().map(|known| (known.point.path.as_str(), known.point.epoch));
        // Damage tells of a start as well as a whole point does.
        let damaged = self.damaged.iter().map(|damaged| (damaged.path.as_str(), damaged.epoch));
        let mut attributed = whole.chain(damaged).filter_map(|(path, epoch)| Some((path, epoch?)));
        attributed.find(|(_, epoch)| *epoch > known && !situation.history.is_void(*epoch))
    }

    fn explain(&self, situation: &Situation, choice: &Choice) -> Vec<Candidate> {
        let chosen = match &choice.decision {
            Decision::Restore(point) => Some(point.path.as_str()),
            Decision::Fresh | Decision::Hold | Decision::Refuse => None,
        };
        let latest = situation.history.newest_based(situation.epoch).map(|(number, ..)| number);
        let line: Vec<String> = latest
            .map(|number| self.line(situation, number))
            .unwrap_or_default()
            .into_iter()
            .filter_map(|step| match step {
                Step::Point(point) => Some(point.path),
                Step::Beginning => None,
            })
            .collect();
        let mut candidates: Vec<Candidate> = Vec::new();
        for known in &self.all {
            let point = known.point.clone();
            let reason = if chosen == Some(point.path.as_str()) {
                choice.reason.clone()
            } else if let Some(why) = self.trouble(situation, &point.path) {
                why
            } else if line.contains(&point.path) {
                "older than the newest point".to_owned()
            } else {
                why_not_in_line(situation, &point)
            };
            candidates.push(Candidate { chosen: chosen == Some(point.path.as_str()), point, reason });
        }
        let nameless = |path: &String, reason: String| Candidate {
            point: PointRef { path: path.clone(), checkpoint_id: None, epoch: None },
            chosen: false,
            reason,
        };
        candidates.extend(self.damaged.iter().map(|damaged| nameless(&damaged.path, damaged.why.clone())));
        candidates.extend(self.half.iter().map(|path| nameless(path, "half-written: it has no _metadata".to_owned())));
        let unseen = situation.broken.iter().filter(|(path, _)| !candidates.iter().any(|one| one.point.path == **path));
        let unseen: Vec<_> = unseen.map(|(path, why)| nameless(path, why.clone())).collect();
        candidates.extend(unseen);
        if let Decision::Restore(point) = &choice.decision
            && !candidates.iter().any(|candidate| candidate.chosen)
        {
            candidates.insert(0, Candidate { point: point.clone(), chosen: true, reason: choice.reason.clone() });
        }
        candidates
    }
}

fn completed(situation: &Situation, path: &str) -> Option<Timestamp> {
    let recorded =
        situation.history.saved().find(|(_, saved)| saved.point.path == path).map(|(_, saved)| saved.completed_at);
    recorded.or_else(|| situation.found.iter().find(|found| found.path == path)?.modified)
}

fn why_not_in_line(situation: &Situation, point: &PointRef) -> String {
    let Some(number) = point.epoch else { return "not known to be of this cluster".to_owned() };
    let Some(epoch) = situation.history.epochs.get(&number) else {
        return format!("of epoch {number}, which the record does not know");
    };
    if let Some(reason) = &epoch.voided {
        return format!("of epoch {number}, which is void: {reason}");
    }
    match epoch.based.as_ref().and_then(|based| based.base.as_ref()) {
        Some(base) if point.checkpoint_id <= base.checkpoint_id => {
            format!("its number is not above that of epoch {number}'s base, {}: it was not restored from it", base.path)
        }
        _ => format!("of epoch {number}, but the cluster went on from an earlier point"),
    }
}

/// Which epoch wrote a point: told by its folder, by its job id, or, for a savepoint that a person put into Flink's
/// default directory, by not having been there when the newest epoch began.
fn attribute(situation: &Situation, found: &Found, checkpoint_id: u64) -> Option<u64> {
    let recorded =
        || situation.history.saved().find(|(_, saved)| saved.point.path == found.path).map(|(epoch, _)| epoch);
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

/// Savepoints in Flink's default directory that might be this cluster's but whose epoch nothing tells.
#[must_use]
pub fn unattributed(situation: &Situation) -> Vec<String> {
    // The job id that this start uses; derived ones share their first digits.
    let prefix = situation.fixed_job_id.unwrap_or_else(|| JobId::derived(&situation.cluster, 0)).prefix();
    situation
        .found
        .iter()
        .filter(|found| found.epoch.is_none() && found.job_prefix.as_deref() == Some(&prefix))
        .map(|found| found.path.clone())
        .collect()
}

#[cfg(test)]
mod tests;
