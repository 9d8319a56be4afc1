//! `prune`: each directory of this cluster, what becomes of it and why.

use super::layout::{Cell, Side, Table, size, visible, wrapped};
use super::paint::{self, Tone};
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
    print!("{}", table(pruned, paint::out()));
    if let Some(why) = pruned.failure() {
        super::complain(&format!("not everything could be deleted, the next prune goes on: {why}"));
    }
    Ok(exit)
}

fn table(pruned: &Pruned, colored: bool) -> String {
    let mut table = Table::new(&[("VERDICT", Side::Left), ("WHAT", Side::Left), ("SIZE", Side::Right)]);
    for one in &pruned.outcomes {
        let line = &one.line;
        let bytes = line.bytes.map_or_else(|| "-".to_owned(), size);
        let why = wrapped(one.failed.as_deref().unwrap_or(&line.reason), 4);
        table.row(
            vec![verdict(one), line.what.as_str().into(), bytes.into()],
            format!("  {}\n{why}", visible(&line.path)),
        );
    }
    let total = |which: &dyn Fn(&&Outcome) -> bool| {
        let of = || pruned.outcomes.iter().filter(which);
        (of().count(), size(of().filter_map(|one| one.line.bytes).sum::<u64>()))
    };
    let (gone, bytes) = total(&|one| one.line.verdict == Verdict::Delete && one.failed.is_none());
    let (left, left_bytes) = total(&|one| one.line.verdict == Verdict::Report);
    let did = if pruned.dry_run { "would be deleted" } else { "deleted" };
    let sum = format!("{gone} directories with {bytes} {did}; {left} with {left_bytes} to look at");
    let rows = if pruned.outcomes.is_empty() { String::new() } else { table.render(colored) };
    rows + &wrapped(&sum, 0)
}

fn verdict(one: &Outcome) -> Cell {
    match (one.line.verdict, one.deleted, &one.failed) {
        (_, true, _) => Cell::toned("deleted", Tone::Doubtful),
        (_, _, Some(_)) => Cell::toned("failed", Tone::Bad),
        (Verdict::Delete, false, None) => Cell::toned(Verdict::Delete.as_str(), Tone::Doubtful),
        (Verdict::Report, false, None) => Cell::toned(Verdict::Report.as_str(), Tone::Doubtful),
        (verdict, false, None) => verdict.as_str().into(),
    }
}
