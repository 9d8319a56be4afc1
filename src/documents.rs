//! Documents are held to the code: tables that are made of it, and tables that it is compared with.

#[path = "../tests/support/evidence.rs"]
pub(crate) mod evidence;
mod figures;
mod reliability;

use std::fs;
use std::path::{Path, PathBuf};

/// Set, the tables in documents are written anew in place of compared.
const WRITE: &str = "SPTEST_WRITE";

fn path(page: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(page)
}

/// A document's text.
pub(crate) fn text(page: &str) -> String {
    fs::read_to_string(path(page)).unwrap()
}

/// Asserts that the table between `<!-- made: NAME -->` and `<!-- end -->` is the one that is made of the code.
pub(crate) fn made<const N: usize>(page: &str, name: &str, head: [&str; N], rows: impl Iterator<Item = [String; N]>) {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let head = head.map(str::to_owned);
    let table: String = [line(&head), format!("|{}\n", "---|".repeat(N))]
        .into_iter()
        .chain(rows.map(|row| line(&row.map(|cell| cell.replace('|', "\\|")))))
        .collect();
    let text = text(page);
    let begin = format!("<!-- made: {name} -->\n");
    let (before, rest) = text.split_once(&begin).unwrap_or_else(|| panic!("{page} has no {begin}"));
    let (found, after) = rest.split_once("<!-- end -->").unwrap();
    if std::env::var_os(WRITE).is_some() {
        fs::write(path(page), format!("{before}{begin}\n{table}\n<!-- end -->{after}")).unwrap();
        return;
    }
    let way_out = format!("to make all tables anew: {WRITE}=1 cargo test --lib table -- --test-threads 1");
    assert_eq!(found.trim(), table.trim(), "{page} does not have the {name} as the code has them; {way_out}");
}

/// The cells of the first table behind the line `marker`, which may be its head; without the head.
pub(crate) fn table(text: &str, marker: &str) -> Vec<Vec<String>> {
    let behind = text.lines().skip_while(|line| *line != marker);
    let rows: Vec<Vec<String>> = behind
        .skip_while(|line| !line.starts_with('|'))
        .take_while(|line| line.starts_with('|'))
        .skip(2)
        .map(cells)
        .collect();
    assert!(!rows.is_empty(), "no table behind {marker:?}");
    rows
}

/// A bar within a cell is written with a backslash.
fn cells(line: &str) -> Vec<String> {
    let line = line.trim_matches('|').replace("\\|", "\0");
    line.split('|').map(|cell| cell.trim().replace('\0', "|")).collect()
}
