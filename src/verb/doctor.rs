//! `doctor`: what will not work, and the way out of it.

use std::time::Duration;

use crate::cli::{Output, Planned};
use crate::doctor::{Finding, Verdict};
use crate::exit::Exit;
use crate::protocol::estimate::advice::{self, Advice, Fit, Grantor};

/// `stop.reserve` where nobody sets it: nothing of a cluster that is being planned is configured yet.
const RESERVE: Duration = Duration::from_secs(3);

pub(super) fn print(findings: &[Finding], output: Output) -> anyhow::Result<Exit> {
    if output == Output::Json {
        println!("{}", serde_json::to_string_pretty(findings)?);
    } else {
        for finding in findings {
            let word = match finding.verdict {
                Verdict::Good => "good",
                Verdict::Doubtful => "doubtful",
                Verdict::Bad => "bad",
            };
            println!("{word:<8}  {}\n          {}", finding.about, finding.found);
            if let Some(fix) = &finding.fix {
                println!("          -> {fix}");
            }
        }
    }
    let bad = findings.iter().any(|finding| finding.verdict == Verdict::Bad);
    Ok(if bad { Exit::Refused } else { Exit::Done })
}

/// The back of an envelope: no agent, no record, no Flink.
pub(super) fn plan(planned: &Planned, output: Output) -> Exit {
    let (state, throughput) = (planned.state_bytes.unwrap_or_default(), planned.throughput.unwrap_or_default());
    let needs = advice::envelope(state, throughput, planned.task_managers);
    let advice = Advice::on(needs, planned.grace, RESERVE, Grantor::Pod);
    if output == Output::Json {
        let answer = serde_json::json!({
            "likely_seconds": needs.likely.as_secs_f64(),
            "at_most_seconds": needs.at_most.as_secs_f64(),
            "grace_seconds": advice.has.as_secs(),
            "enough_seconds": advice.enough.as_secs(),
            "advice": advice.to_string(),
        });
        println!("{answer:#}");
    } else {
        println!("a final savepoint of {} {advice}", advice::size(state));
    }
    if advice.fit == Fit::TooShort { Exit::Refused } else { Exit::Done }
}
