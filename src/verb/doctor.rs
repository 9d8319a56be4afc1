//! `doctor`: what will not work, and the way out of it.

use crate::cli::Output;
use crate::doctor::{Finding, Verdict};
use crate::exit::Exit;

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
