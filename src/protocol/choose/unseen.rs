//! The choice where a part of storage can't be seen by any listing: what the record alone knows to be newest, and never nothing.

use super::super::entry::{Based, EndKind};
use super::super::history::Epoch;
use super::super::outcome::StopOutcome;
use super::super::point::{PointRef, same};
use super::points::{Points, Step, failed};
use super::{Choice, Decision, Situation, chosen, drained, halted, held, is_drained, plain};

/// Chooses by the record, as far as it tells what was durable when the newest epoch ended. `why` part of storage can't be seen.
pub(super) fn by_record_alone(
    situation: &Situation,
    points: &Points,
    latest: Option<(u64, &Epoch, &Based)>,
    why: &str,
) -> Choice {
    let refuse = |what: &str| {
        let way = "Say which point to use: savepointd pin PATH; or that the job begins with nothing: savepointd fresh";
        plain(Decision::Refuse, &format!("{what}, and {why}, so nobody knows what else is there. {way}"))
    };
    let Some((number, epoch, based)) = latest else { return refuse("this cluster has no history yet") };
    if let Some(held) = held(number, epoch) {
        return held;
    }
    let point = match last_word(number, epoch, based) {
        Ok(point) => point,
        Err(what) => return refuse(&what),
    };
    // What can be seen beside it may contradict.
    if let Some(Step::Point(seen)) = points.line(situation, number).first()
        && seen.epoch == Some(number)
        && !same(&seen.path, &point.path)
        && point.checkpoint_id.is_none_or(|id| seen.checkpoint_id > Some(id))
    {
        return refuse(&format!("{} may be newer than {}, the newest that the record knows", seen.path, point.path));
    }
    if let Some(trouble) = points.trouble(situation, &point.path) {
        return refuse(&format!("{}, the newest point that the record knows, can't be used: {trouble}", point.path));
    }
    if is_drained(epoch, point) {
        return drained(number, point);
    }
    if let Some(failure) = failed(situation, &point.path) {
        return plain(Decision::Refuse, &halted(situation, point, &failure));
    }
    let mut choice = chosen(situation, point, number, None);
    if matches!(choice.decision, Decision::Restore(_)) {
        choice.reason = format!("{}, by the record alone, as restore.on_unverifiable allows: {why}", choice.reason);
    }
    choice
}

/// The newest state that an epoch left, if the record is sure of it.
fn last_word<'a>(number: u64, epoch: &'a Epoch, based: &'a Based) -> Result<&'a PointRef, String> {
    let stopped = epoch.stopped.as_ref().map(|(outcome, ..)| *outcome);
    let ended = epoch.ended.as_ref().map(|end| end.how);
    let final_word =
        matches!(stopped, Some(StopOutcome::Savepoint | StopOutcome::Checkpoint)) || ended == Some(EndKind::Stopped);
    match (epoch.saved.last(), &based.base) {
        (Some(saved), _) if final_word => Ok(&saved.point),
        (Some(saved), _) => Err(format!(
            "epoch {number} saved {}, but did not end with it as far as the record knows",
            saved.point.path
        )),
        (None, _) if epoch.progressed.is_some() => {
            Err(format!("epoch {number} completed checkpoints that the record does not name"))
        }
        (None, Some(base)) => Ok(base),
        (None, None) => Err(format!("epoch {number} began with nothing")),
    }
}
