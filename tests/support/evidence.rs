//! What a long run came to: a line for README's table of reliability, in the file that `SPTEST_EVIDENCE` names.

use std::io::Write as _;
use std::process::Command;

use serde_json::json;

/// Writes down what one part of something that takes long came to. A later line of the same part takes the place of an earlier one.
pub(crate) fn keep(what: &str, part: &str, counts: &[(&str, u64)]) {
    let Some(path) = std::env::var_os("SPTEST_EVIDENCE") else { return };
    let counts: Vec<_> = counts.iter().map(|(name, count)| json!([name, count])).collect();
    let line = json!({
        "date": jiff::Zoned::now().date().to_string(), "commit": commit(), "what": what, "part": part, "counts": counts,
    });
    let mut file = std::fs::File::options().create(true).append(true).open(path).unwrap();
    // One write: others may write to it, too.
    file.write_all(format!("{line}\n").as_bytes()).unwrap();
}

/// What the checkout stands at.
pub(crate) fn commit() -> String {
    let said =
        Command::new("git").args(["rev-parse", "--short", "HEAD"]).current_dir(env!("CARGO_MANIFEST_DIR")).output();
    said.map_or_else(|_| "unknown".to_owned(), |said| String::from_utf8_lossy(&said.stdout).trim().to_owned())
}
