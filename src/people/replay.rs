//! A plan made again from what was saved of it, for incident reports.

use anyhow::Context as _;
use serde::Deserialize;

use super::{Plan, SITUATION, submissions};
use crate::protocol::choose::{Choice, Decision, Situation, choose};

/// What was saved of a plan, to be made again.
#[derive(Debug, Deserialize)]
struct Replayed {
    version: u32,
    situation: Situation,
}

/// Makes a saved plan again, from what it rested on alone.
///
/// # Errors
/// If the text is no plan with a situation that this build can read.
pub fn replay(text: &str) -> anyhow::Result<Plan> {
    #[derive(Deserialize)]
    struct Form {
        version: u32,
    }
    let what = "expected what `savepointd plan --output json` has printed, with the situation that the plan rests on";
    let Form { version } = serde_json::from_str(text).context(what)?;
    anyhow::ensure!(
        version <= SITUATION,
        "the situation has form {version}, and this build reads forms up to {SITUATION}: use the savepointd that saved it, or a newer one"
    );
    let Replayed { version, situation } = serde_json::from_str(text).context(what)?;
    let Choice { decision, reason, candidates, .. } = choose(&situation);
    let path = if let Decision::Restore(point) = &decision { Some(point.path.clone()) } else { None };
    let jobs = if decision == Decision::Resubmit { situation.waiting() } else { Vec::new() };
    let jobs = submissions(&jobs, situation.policy.if_failed.allow_non_restored_state);
    let (decision, situation) = (decision.as_str().to_owned(), Some(Box::new(situation)));
    Ok(Plan { decision, path, reason, candidates, jobs, version, situation })
}
