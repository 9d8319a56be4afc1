//! The first sentence: whether state is safe, and what happens next.

use super::{Headline, Level, Next, Phase, Point, Status, age};
use crate::protocol::outcome::StopOutcome;
use crate::protocol::point::Kind;

/// The answer to the first question of whoever is on call.
#[must_use]
pub fn headline(status: &Status) -> Headline {
    let said = match status.phase {
        Phase::Waiting => at_the_gate(&status.gate),
        Phase::Starting => starting(status),
        Phase::Running => running(status),
        Phase::Stopping => stopping(status),
        Phase::Ended => ended(status),
    };
    let unanswered = status.flink.as_ref().filter(|flink| !flink.answers);
    match (status.phase, unanswered) {
        (Phase::Running, Some(flink)) => Headline {
            level: said.level.max(Level::Attention),
            text: format!("Flink does not answer. {}", said.text),
            detail: Some(flink.reason.clone().into_iter().chain(said.detail).collect::<Vec<_>>().join(". ")),
        },
        _ => said,
    }
}

fn say(level: Level, text: impl Into<String>, detail: Option<&str>) -> Headline {
    Headline { level, text: text.into(), detail: detail.filter(|text| !text.is_empty()).map(str::to_owned) }
}

fn at_the_gate(gate: &str) -> Headline {
    match gate.split_once(": ") {
        Some(("refuse", reason)) => {
            say(Level::Danger, "Flink is not started: a person has to say how it goes on.", Some(reason))
        }
        Some(("hold", reason)) => {
            say(Level::Attention, "Flink is not started: its job had come to its own end.", Some(reason))
        }
        Some(("waiting", reason)) => say(Level::Attention, "Flink is not started yet: the start waits.", Some(reason)),
        Some(("superseded", reason)) => {
            say(Level::Attention, "A newer start has taken the job over: Flink is not started here.", Some(reason))
        }
        Some(("restore" | "fresh" | "resubmit", _)) => say(Level::Attention, "Flink is about to be started.", None),
        _ => say(Level::Attention, "No JobManager has asked to be started here yet.", None),
    }
}

fn starting(status: &Status) -> Headline {
    let from = match &status.base {
        Some(path) => format!("It is to restore {path}"),
        None => "It is to begin with nothing".to_owned(),
    };
    let detail = format!("{from}; Flink has not confirmed yet what it restored.");
    say(Level::Attention, "Flink is starting.", Some(&detail))
}

fn stopping(status: &Status) -> Headline {
    let left = status.stop_seconds_left.map(|left| format!("The container is killed in {left:.0} s at the latest. "));
    let detail = format!("{}{}", left.unwrap_or_default(), newest(status).unwrap_or_default());
    say(Level::Attention, "A stop is under way: the final savepoint is being taken.", Some(&detail))
}

fn newest(status: &Status) -> Option<String> {
    let point = status.newest.as_ref()?;
    Some(format!("Until then the newest restore point is a {}, {}.", name(point), old(point)))
}

fn ended(status: &Status) -> Headline {
    let because = status.ended_because.as_deref();
    match status.outcome {
        Some(StopOutcome::Savepoint) => say(Level::Safe, "Stopped: the final savepoint is durable.", because),
        Some(StopOutcome::Unchanged) => {
            say(Level::Safe, "Stopped: nothing had changed since the last restore point.", because)
        }
        Some(StopOutcome::Ended) => say(Level::Safe, "Stopped: the job had come to its own end.", because),
        Some(StopOutcome::Checkpoint) => {
            say(Level::Attention, "Stopped without a savepoint: the newest checkpoint counts.", because)
        }
        Some(StopOutcome::Superseded) => {
            say(Level::Attention, "Stopped: a newer start has taken the job over.", because)
        }
        Some(StopOutcome::Nothing) => say(
            Level::Danger,
            "Stopped, and nothing could be saved: work since the last restore point is lost.",
            because,
        ),
        None => say(Level::Attention, "The JobManager has ended.", because),
    }
}

fn running(status: &Status) -> Headline {
    let next = &status.next;
    if let Some(why) = &next.unknown {
        let told = next
            .decision
            .is_some()
            .then(|| format!("{why}. What is shown below was true before.", why = why.trim_end_matches('.')));
        let text = "It can't be told now what the next start would do.";
        return say(Level::Unknown, text, told.as_deref().or(Some(why)));
    }
    let waiting = status.jobs_waiting.len();
    if waiting > 0 {
        let text =
            format!("{} to be submitted again, each from its own point.", several(waiting, "job waits", "jobs wait"));
        return say(Level::Attention, text, None);
    }
    match next.decision.as_deref() {
        Some("restore") => restored(status, next),
        Some("resubmit") => resubmitted(next),
        Some("fresh") if next.requested => {
            say(Level::Attention, "The next start begins with nothing, as a person has asked.", None)
        }
        Some("fresh") => {
            say(Level::Attention, "Nothing is saved yet: a restart now would begin with nothing.", Some(&next.reason))
        }
        Some("hold") => say(Level::Attention, "The next start would wait for a person's word.", Some(&next.reason)),
        Some(_) => say(Level::Danger, "The next start would be refused.", Some(&next.reason)),
        None => say(Level::Unknown, "Record and storage are still being asked. Read this again.", None),
    }
}

fn restored(status: &Status, next: &Next) -> Headline {
    let point = next.point.as_ref().or(status.newest.as_ref());
    let newest = status.newest.as_ref();
    let text = match (point, newest) {
        (Some(point), Some(newest)) if next.requested && point.path != newest.path => format!(
            "State is safe, and a person has pinned an older point: the next start restores a {}, {}; the newest is {}.",
            name(point),
            old(point),
            old(newest)
        ),
        (Some(point), _) => {
            format!("State is safe: the newest {} is {}, and the next start restores it.", name(point), old(point))
        }
        (None, _) => "State is safe: the next start restores the newest point.".to_owned(),
    };
    let pinned = next.requested && point.map(|point| &point.path) != newest.map(|point| &point.path);
    match &status.prediction {
        Some(prediction) if prediction.fit != "fits" => {
            let detail = format!("But a final savepoint {}.", prediction.advice);
            say(Level::Attention, text, Some(&detail))
        }
        _ => say(if pinned { Level::Attention } else { Level::Safe }, text, None),
    }
}

fn resubmitted(next: &Next) -> Headline {
    let lost: Vec<&str> = next.jobs.iter().filter(|job| job.path.is_none()).map(|job| job.job_name.as_str()).collect();
    let all = several(next.jobs.len(), "job", "jobs");
    if lost.is_empty() {
        let text = format!("State is safe: after a restart, {all} can be submitted again, each from its newest point.");
        return say(Level::Safe, text, None);
    }
    let text = format!("{} of {all} could not go on from any point after a restart.", lost.len());
    say(Level::Danger, text, Some(&lost.join(", ")))
}

fn several(count: usize, one: &str, many: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {many}") }
}

fn name(point: &Point) -> &'static str {
    if point.kind == Some(Kind::Checkpoint) { "checkpoint" } else { "savepoint" }
}

fn old(point: &Point) -> String {
    point.age_seconds.map_or_else(|| "of unknown age".to_owned(), |seconds| format!("{} old", age(seconds)))
}
