//! The choice of a start: which point, why, and why no other. Pure: the same situation gives the same choice, in a
//! pod, in `plan` and in a test.
//!
//! Points are ordered by (epoch, checkpoint id). Flink goes on counting across a restore, so within one line of
//! history the id only grows; clocks, modification times and what a stale JobManager still writes tell nothing. The
//! line is found backwards: from the newest epoch that Flink was allowed to start, through that epoch's base, to the
//! epoch that wrote the base, and so on.

mod explain;
mod leftovers;
mod points;
mod several;
mod unseen;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use points::{Damaged, Points, Step};
pub use points::{Standing, completed, passed_over, standing, unattributed};

use super::entry::EndKind;
use super::ha::{Dealing, Leftovers, OnLeftover};
use super::history::{Epoch, History};
use super::id::JobId;
use super::point::{Found, PointRef, normalize, same};
use unseen::by_record_alone;

/// What the configuration says about starts that can't go on as usual.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Policy {
    /// A cluster proven to have no history may begin with nothing.
    pub fresh_without_history: bool,
    /// An older point may be used if the newest is missing or broken.
    pub previous_if_broken: bool,
    /// A point that can't be verified may be used.
    #[serde(default)]
    pub trust_unverifiable: bool,
    /// Older state than this is refused.
    pub max_state_age: Option<SignedDuration>,
    /// What is done where Flink would recover something else by itself.
    #[serde(default)]
    pub on_leftover: OnLeftover,
    /// What is done about a point that Flink could not restore.
    pub if_failed: IfFailed,
}

/// What is done about a point that Flink could not restore.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct IfFailed {
    /// So many starts in a row may fail to restore it.
    pub attempts: u32,
    /// Then an older point may be used.
    pub previous: bool,
    /// Flink may leave out state that the program has no operator for: starts that failed without that do not count.
    pub allow_non_restored_state: bool,
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
    /// Points of which a closer look could not tell whether they are whole, and why not.
    #[serde(default)]
    pub doubted: BTreeMap<String, String>,
    /// What Flink's own high availability has left, if it is on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leftovers: Option<Leftovers>,
    /// Why a part of storage can't be seen by any listing; none if all of it was listed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unseen: Option<String>,
    /// The clock; only the age limit reads it.
    pub now: Timestamp,
    /// Whether a session cluster starts: it restores nothing by itself.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub session: bool,
}

/// What a start does.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "decision", rename_all = "snake_case")]
pub enum Decision {
    /// Start from this point.
    Restore(PointRef),
    /// Start with nothing.
    Fresh,
    /// Start a session cluster without jobs, some of which wait to be submitted again.
    Resubmit,
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
            Self::Resubmit => "resubmit",
            Self::Hold => "hold",
            Self::Refuse => "refuse",
        }
    }
}

/// A decision with its reasons.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Choice {
    /// What to do.
    pub decision: Decision,
    /// Why, and for a refusal the way out; in words.
    pub reason: String,
    /// The person's request that this start uses up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consumed: Option<super::id::Id>,
    /// What is done about that which Flink's own high availability has left.
    #[serde(default)]
    pub dealing: Dealing,
    /// Whether it begins from something older than the newest point of the line.
    #[serde(default)]
    pub goes_back: bool,
    /// Every point that was looked at, newest first.
    pub candidates: Vec<Candidate>,
}

/// One point that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
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
    if situation.session {
        let candidates = several::explain(&points, situation);
        return Choice { candidates, ..several::session(situation) };
    }
    let choice = leftovers::heed(situation, &points, decide(situation, &points));
    let mut choice = if_verified(situation, choice);
    choice.goes_back = points::goes_back(&points, situation, &choice.decision);
    choice.candidates = explain::explain(&points, situation, &choice);
    choice
}

impl Situation {
    /// Why it can't be told whether a point is whole.
    fn doubt(&self, path: &str) -> Option<&str> {
        self.doubted.iter().find(|(doubted, _)| same(doubted, path)).map(|(_, doubt)| doubt.as_str())
    }
}

/// A point of which it can't be told whether it is whole is neither used nor passed over by itself.
fn if_verified(situation: &Situation, mut choice: Choice) -> Choice {
    let Decision::Restore(PointRef { path, .. }) = &choice.decision else { return choice };
    let Some(doubt) = situation.doubt(path) else { return choice };
    let why = &choice.reason;
    if situation.policy.trust_unverifiable {
        let trusted = "used all the same, as restore.on_unverifiable allows";
        choice.reason = format!("{why}; it can't be verified ({doubt}), and is {trusted}");
        return choice;
    }
    plain(
        Decision::Refuse,
        &format!(
            "{path} ({why}) can't be verified: {doubt}. To use what can't be verified: restore.on_unverifiable = \"trust\"; \
             or say which other point to use: savepointd pin PATH"
        ),
    )
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
    if let Some(explicit) = situation.explicit.as_deref().map(normalize) {
        let last = latest.and_then(|(_, _, based)| based.explicit.as_deref()).map(normalize);
        if !last.is_some_and(|last| same(&last, &explicit)) {
            let choice =
                points.by_path(situation, &explicit, "given to Flink as restore path, and new since the last start");
            return going_back(situation, points, choice);
        }
    }
    if let Some(why) = &situation.unseen {
        return by_record_alone(situation, points, latest, why);
    }
    match latest {
        None => without_history(situation, points),
        Some((number, epoch, _)) if epoch.is_several() => several::application(situation, number, epoch),
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

/// What came to its own end is not run again.
fn held(number: u64, epoch: &Epoch) -> Option<Choice> {
    let how = epoch.ended.as_ref()?.how;
    match how {
        EndKind::Finished | EndKind::Cancelled => Some(plain(
            Decision::Hold,
            &format!(
                "the job {} in epoch {number} and is not run again by itself. To run it again: savepointd fresh, or \
                 savepointd pin PATH",
                how.as_str()
            ),
        )),
        EndKind::Stopped | EndKind::Failed => None,
    }
}

fn go_on(situation: &Situation, points: &Points, number: u64, epoch: &Epoch) -> Choice {
    if let Some(held) = held(number, epoch) {
        return held;
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
    let mut passed_over = missing.map(|why| PassedOver { why, key: "restore.on_broken" });
    for (place, step) in line.iter().enumerate() {
        let Step::Point(point) = step else {
            return if place == 0 && passed_over.is_none() {
                plain(
                    Decision::Fresh,
                    &format!("epoch {number} began with nothing and completed no checkpoint or savepoint since"),
                )
            } else {
                nothing_left(number, passed_over)
            };
        };
        match points.trouble(situation, &point.path) {
            None => match points::failed(situation, &point.path) {
                None if is_drained(epoch, point) => return drained(number, point),
                None => return chosen(situation, point, number, passed_over),
                Some(why) if situation.policy.if_failed.previous => {
                    let why = format!("{}: {why}", point.path);
                    passed_over.get_or_insert(PassedOver { why, key: "restore.on_failed" });
                }
                Some(why) => return plain(Decision::Refuse, &halted(situation, point, &why)),
            },
            Some(why) if situation.policy.previous_if_broken => {
                let why = format!("{} can't be used: {why}", point.path);
                passed_over.get_or_insert(PassedOver { why, key: "restore.on_broken" });
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
    nothing_left(number, passed_over)
}

/// Whether the newest epoch's job came to its end with this point, by `savepoint.drain`. An epoch that went on from it was begun by a
/// person. One that nobody could record any more is what was asked for last.
fn is_drained(newest: &Epoch, point: &PointRef) -> bool {
    match newest.saved.iter().find(|saved| same(&saved.point.path, &point.path)) {
        Some(saved) => saved.drained,
        None => newest.attempt.as_ref().is_some_and(|attempt| {
            let folder = point.path.rsplit_once('/').map_or("", |(folder, _)| folder);
            attempt.drain && same(folder, &attempt.target)
        }),
    }
}

fn drained(epoch: u64, point: &PointRef) -> Choice {
    let path = &point.path;
    plain(
        Decision::Hold,
        &format!(
            "the job was drained when it was stopped in epoch {epoch} (savepoint.drain): as if its input had ended, its windows have \
             fired, and going on could give wrong results. To go on from there all the same: savepointd pin {path}; to begin \
             anew: savepointd fresh"
        ),
    )
}

/// Why the newest point is not used, and which key of the configuration allows an older one.
struct PassedOver {
    why: String,
    key: &'static str,
}

fn nothing_left(epoch: u64, passed_over: Option<PassedOver>) -> Choice {
    let why = passed_over.map(|passed| format!(" ({})", passed.why)).unwrap_or_default();
    plain(
        Decision::Refuse,
        &format!(
            "no whole point is left of the line that ends in epoch {epoch}{why}, and a job with a history does not begin with \
             nothing by itself. Say what to do: savepointd pin PATH, or savepointd fresh"
        ),
    )
}

fn halted(situation: &Situation, point: &PointRef, why: &str) -> String {
    let path = &point.path;
    let allow = if situation.policy.if_failed.allow_non_restored_state {
        ""
    } else {
        "let Flink leave out state that the program has no operator for: restore.allow_non_restored_state = true; or "
    };
    format!(
        "the newest point, {path}, is not tried again: {why}. Mend the program or the point, then: savepointd pin {path}; or \
         {allow}allow older points: restore.on_failed = \"previous\""
    )
}

fn chosen(situation: &Situation, point: &PointRef, epoch: u64, passed_over: Option<PassedOver>) -> Choice {
    let asked_for = || {
        let (number, _, based) = situation.history.newest_based(situation.epoch)?;
        let base = based.base.as_ref().filter(|base| same(&base.path, &point.path));
        base.filter(|_| situation.history.is_asked_for(number, based))
    };
    // What a person had asked for may be as old as it is, until something newer is complete.
    if let Some(limit) = situation.policy.max_state_age.filter(|_| asked_for().is_none()) {
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
        Some(PassedOver { why, key }) => {
            format!("newest point {line} that can be used, older than the newest known, as {key} allows: {why}")
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
        Decision::Resubmit | Decision::Hold | Decision::Refuse => return choice,
    };
    let later = points.all.iter().find(|candidate| {
        candidate.checkpoint && candidate.job_id == Some(job_id) && candidate.point.checkpoint_id > Some(from)
    });
    match later {
        None => choice,
        Some(later) => {
            let whose = if situation.leftovers.is_some() { "" } else { "remove --job-id from Flink's arguments, or " };
            plain(
                Decision::Refuse,
                &format!(
                    "going back to checkpoint id {from} under the fixed job id {job_id} would mix two histories in one folder: \
                     {} is there already. To do it: {whose}move that folder away",
                    later.point.path
                ),
            )
        }
    }
}

fn plain(decision: Decision, reason: &str) -> Choice {
    Choice {
        decision,
        reason: reason.to_owned(),
        consumed: None,
        dealing: Dealing::None,
        goes_back: false,
        candidates: Vec::new(),
    }
}

#[cfg(test)]
pub(super) mod tests;
