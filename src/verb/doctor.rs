//! `doctor`: what will not work, and the way out of it.

use std::time::Duration;

use super::layout::wrapped;
use super::paint::{self, Tone, painted};
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
            print!("{}", shown(finding, paint::out()));
        }
    }
    let bad = findings.iter().any(|finding| finding.verdict == Verdict::Bad);
    Ok(if bad { Exit::Refused } else { Exit::Done })
}

fn shown(finding: &Finding, colored: bool) -> String {
    let (word, tone) = match finding.verdict {
        Verdict::Good => ("good    ", Tone::Good),
        Verdict::Doubtful => ("doubtful", Tone::Doubtful),
        Verdict::Bad => ("bad     ", Tone::Bad),
    };
    let fix = finding.fix.as_ref().map(|fix| wrapped(&format!("-> {fix}"), 10)).unwrap_or_default();
    format!("{}  {}\n{}{fix}", painted(word, tone, colored), finding.about, wrapped(&finding.found, 10))
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
        print!("{}", wrapped(&format!("a final savepoint of {} {advice}", advice::size(state)), 0));
    }
    if advice.fit == Fit::TooShort { Exit::Refused } else { Exit::Done }
}
