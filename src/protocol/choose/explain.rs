//! Why each point is the one, or is not: for people, who have to agree or to say otherwise.

use super::super::point::{PointRef, same};
use super::points::{Points, failed, newest_line};
use super::{Candidate, Choice, Decision, Situation};

/// Every point that was looked at, newest first.
pub(super) fn explain(points: &Points, situation: &Situation, choice: &Choice) -> Vec<Candidate> {
    let chosen = match &choice.decision {
        Decision::Restore(point) => Some(point.path.as_str()),
        Decision::Fresh | Decision::Resubmit | Decision::Hold | Decision::Refuse => None,
    };
    let latest = situation.history.newest_based(situation.epoch).map(|(number, ..)| number);
    let line = newest_line(points, situation);
    let view = View { points, situation, choice, line: &line, latest };
    let mut candidates: Vec<Candidate> = Vec::new();
    let mut add = |point: PointRef, reason: &dyn Fn(&PointRef) -> String| {
        if !candidates.iter().any(|one| same(&one.point.path, &point.path)) {
            let is_chosen = chosen.is_some_and(|chosen| same(chosen, &point.path));
            let reason = if is_chosen { choice.reason.clone() } else { reason(&point) };
            candidates.push(Candidate { point, chosen: is_chosen, reason });
        }
    };
    if let (Decision::Restore(point), false) =
        (&choice.decision, points.all.iter().any(|known| chosen.is_some_and(|chosen| same(chosen, &known.point.path))))
    {
        add(point.clone(), &|_| String::new());
    }
    for known in &points.all {
        add(known.point.clone(), &|point| view.of(point));
    }
    let nameless = |path: &String| PointRef { path: path.clone(), checkpoint_id: None, epoch: None };
    for damaged in &points.damaged {
        add(nameless(&damaged.path), &|_| damaged.why.clone());
    }
    for path in &points.half {
        add(nameless(path), &|_| "half-written: it has no _metadata".to_owned());
    }
    for (path, why) in &situation.broken {
        add(nameless(path), &|_| why.clone());
    }
    for point in &line {
        add(point.clone(), &|point| view.of(point));
    }
    let recorded = latest.and_then(|number| situation.history.epochs.get(&number));
    for saved in recorded.iter().flat_map(|epoch| epoch.saved.iter().rev()) {
        add(saved.point.clone(), &|_| "recorded, but not there any more".to_owned());
    }
    candidates
}

struct View<'a> {
    points: &'a Points,
    situation: &'a Situation,
    choice: &'a Choice,
    line: &'a [PointRef],
    latest: Option<u64>,
}

impl View<'_> {
    /// Why a point is not the one.
    fn of(&self, point: &PointRef) -> String {
        let place = self.line.iter().position(|one| same(&one.path, &point.path));
        let given_up = || failed(self.situation, &point.path).filter(|_| place.is_some());
        if let Some(why) = self.points.trouble(self.situation, &point.path).or_else(given_up) {
            return why;
        }
        if let Some(doubt) = self.situation.doubt(&point.path) {
            return format!("it can't be verified: {doubt}");
        }
        let number = number(point);
        match (place, self.line.first()) {
            (Some(0), _) => match &self.choice.decision {
                Decision::Restore(_) => format!("{number}, the newest point of the line; another one is asked for"),
                decision => {
                    format!("{number}, the newest point of the line; see why the start is a {}", decision.as_str())
                }
            },
            (Some(_), Some(newest)) => {
                format!("{number}, older than the newest point of the line, {}", self::number(newest))
            }
            _ => self.not_in_line(point),
        }
    }

    fn not_in_line(&self, point: &PointRef) -> String {
        let Some(number) = point.epoch else {
            return "not known to be of this cluster: neither its folder nor the record tells its epoch".to_owned();
        };
        let Some(epoch) = self.situation.history.epochs.get(&number) else {
            return format!("of epoch {number}, which the record does not know");
        };
        if let Some(reason) = &epoch.voided {
            return format!("of epoch {number}, which is void: {reason}");
        }
        let own = self::number(point);
        if let Some(base) = epoch.based.as_ref().and_then(|based| based.base.as_ref())
            && point.checkpoint_id <= base.checkpoint_id
        {
            return format!(
                "{own}, which is not above the epoch's base, {}: it was not restored from it",
                self::number(base)
            );
        }
        let epochs = self.latest.map(|latest| Points::epochs_of_line(self.situation, latest)).unwrap_or_default();
        let next = epochs.into_iter().rfind(|(later, _)| *later > number);
        match next.map(|(later, based)| (later, based.base.as_ref())) {
            Some((later, Some(base))) => {
                let earlier = if base.checkpoint_id < point.checkpoint_id { "an earlier" } else { "another" };
                format!("{own}, but epoch {later} went on from {earlier} point, {}", self::number(base))
            }
            Some((later, None)) => format!("{own}, but epoch {later} began with nothing"),
            None => format!("{own}, which the line does not pass"),
        }
    }
}

/// A point by its numbers; by its path where these are not known.
fn number(point: &PointRef) -> String {
    match (point.checkpoint_id, point.epoch) {
        (Some(id), Some(epoch)) => format!("number {id} of epoch {epoch}"),
        (Some(id), None) => format!("number {id} of no epoch ({})", point.path),
        (None, _) => point.path.clone(),
    }
}
