//! `plan`: what the next start would do, and why.

use crate::cli::Output;
use crate::exit::Exit;
use crate::people::Plan;

pub(super) fn print(plan: &Plan, output: Output) -> anyhow::Result<Exit> {
    if output == Output::Json {
        println!("{}", serde_json::to_string_pretty(plan)?);
        return Ok(Exit::Done);
    }
    match &plan.path {
        Some(path) => println!("{} {path}", plan.decision),
        None => println!("{}", plan.decision),
    }
    println!("  {}", plan.reason);
    if !plan.candidates.is_empty() {
        println!();
    }
    for candidate in &plan.candidates {
        let mark = if candidate.chosen { '*' } else { ' ' };
        println!("{mark} {}", candidate.point.path);
        println!("    {}", candidate.reason);
    }
    Ok(Exit::Done)
}
