//! `prune`: each directory of this cluster, what becomes of it and why.

use crate::cli::Output;
use crate::exit::Exit;
use crate::protocol::retention::Verdict;
use crate::prune::{Outcome, Pruned};

pub(super) fn print(pruned: &Pruned, output: Output) -> anyhow::Result<Exit> {
    let exit = if pruned.failure().is_some() { Exit::Later } else { Exit::Done };
    if output == Output::Json {
        println!("{}", serde_json::to_string_pretty(pruned)?);
        return Ok(exit);
    }
    for one in &pruned.outcomes {
        let line = &one.line;
        let bytes = line.bytes.map_or_else(|| "-".to_owned(), |bytes| bytes.to_string());
        println!("{:<7}  {:<12}  {bytes:>12}  {}", word(one), line.what.as_str(), line.path);
        println!("         {}", one.failed.as_deref().unwrap_or(&line.reason));
    }
    let total = |which: &dyn Fn(&&Outcome) -> bool| {
        let of = || pruned.outcomes.iter().filter(which);
        (of().count(), of().filter_map(|one| one.line.bytes).sum::<u64>())
    };
    let (gone, bytes) = total(&|one| one.line.verdict == Verdict::Delete && one.failed.is_none());
    let (left, left_bytes) = total(&|one| one.line.verdict == Verdict::Report);
    let did = if pruned.dry_run { "would be deleted" } else { "deleted" };
    println!("{gone} directories with {bytes} bytes {did}; {left} with {left_bytes} bytes to look at");
    if let Some(why) = pruned.failure() {
        super::complain(&format!("not everything could be deleted, the next prune goes on: {why}"));
    }
    Ok(exit)
}

fn word(one: &Outcome) -> &'static str {
    match (one.line.verdict, one.deleted, &one.failed) {
        (_, true, _) => "deleted",
        (_, _, Some(_)) => "failed",
        (verdict, false, None) => verdict.as_str(),
    }
}
