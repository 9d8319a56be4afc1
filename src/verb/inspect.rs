//! `inspect`: what a savepoint or checkpoint holds.

use std::cell::Cell;
use std::collections::BTreeMap;

use anyhow::Context as _;
use serde_json::json;

use crate::cli::Output;
use crate::exit::Exit;
use crate::flink::metadata::{Contents, File, Operator, ReadError};
use crate::flink::uid::operator_id;
use crate::protocol::point::normalize;
use crate::report;
use crate::storage::{Options, Storage, pull};

use super::layout::{size, visible};
use super::paint::{self, Tone, painted};
use super::{complain, terminal};

/// Prints what the point at `path` holds, or which operator `uid` means and whether the point has it.
///
/// # Errors
/// If the answer can't be written.
pub async fn inspect(options: Options, path: Option<&str>, uid: Option<&str>, output: Output) -> anyhow::Result<Exit> {
    let Some(path) = path else {
        let Some(uid) = uid else { return Ok(Exit::Usage) };
        print_id(uid, output)?;
        return Ok(Exit::Done);
    };
    let path = absolute(path)?;
    let contents = match contents(options, &path).await {
        Ok(contents) => contents,
        Err((why, exit)) => {
            complain(&why);
            return Ok(exit);
        }
    };
    match (uid, output) {
        (Some(uid), output) => look_up(&contents, uid, &path, output),
        (None, Output::Json) => {
            println!("{}", serde_json::to_string_pretty(&contents)?);
            Ok(Exit::Done)
        }
        (None, Output::Table) => {
            print(&contents, &path);
            Ok(Exit::Done)
        }
    }
}

/// A person's path may be relative to where they are.
fn absolute(path: &str) -> anyhow::Result<String> {
    if path.contains(':') {
        return Ok(normalize(path));
    }
    let absolute = std::path::absolute(path).with_context(|| path.to_owned())?;
    Ok(normalize(&absolute.display().to_string()))
}

async fn contents(options: Options, path: &str) -> Result<Contents, (String, Exit)> {
    let failed = |error: crate::storage::Error| match error {
        error if error.is_missing() => (
            format!(
                "nothing is there: {path}/_metadata. A savepoint's directory is called savepoint-…, a checkpoint's chk-…"
            ),
            Exit::State,
        ),
        error if error.passes() => (report::chain(&error), Exit::Later),
        error => (report::chain(&error), Exit::Refused),
    };
    let file = Storage::here(options).place(path).map_err(failed)?.join("_metadata");
    let bytes = Cell::new(0);
    let read = tokio::select! {
        read = pull(&file, |piece| bytes.set(bytes.get() + piece.len()), Contents::read) => read,
        () = terminal::redraw(|| format!("reading _metadata: {} KiB", bytes.get() / 1024)) => return Err((String::new(), Exit::System)),
    };
    terminal::erase();
    let read = read.map_err(failed)?;
    read.map_err(ReadError::Io).flatten().map_err(|error| {
        let exit = match &error {
            ReadError::Io(_) => Exit::Later,
            ReadError::Damaged { .. } => Exit::State,
            ReadError::Unknown { .. } => Exit::Refused,
        };
        (format!("{}: {}", file.url(), report::chain(&error)), exit)
    })
}

fn print_id(uid: &str, output: Output) -> anyhow::Result<()> {
    let id = operator_id(uid);
    match output {
        Output::Json => println!("{}", serde_json::to_string_pretty(&json!({ "uid": uid, "operator_id": id }))?),
        Output::Table => println!("{id}"),
    }
    Ok(())
}

fn look_up(contents: &Contents, uid: &str, path: &str, output: Output) -> anyhow::Result<Exit> {
    let id = operator_id(uid);
    let operator = contents.operators.iter().find(|operator| operator.id == id);
    match output {
        Output::Json => {
            let answer = json!({ "uid": uid, "operator_id": id, "found": operator.is_some(), "operator": operator });
            println!("{}", serde_json::to_string_pretty(&answer)?);
        }
        Output::Table => match operator {
            Some(operator) => {
                print_operators(std::slice::from_ref(operator));
                println!("is in {}", visible(path));
            }
            None => println!("{id} is not in {}", visible(path)),
        },
    }
    Ok(if operator.is_some() { Exit::Done } else { Exit::State })
}

fn print(contents: &Contents, path: &str) {
    let Contents { version, checkpoint_id, bytes, operators, files } = contents;
    println!("{}", visible(path));
    println!(
        "checkpoint {checkpoint_id}, format version {version}: {} of state, {}, {}",
        size(*bytes),
        counted(operators.len(), "operator"),
        counted(files.len(), "file")
    );
    println!();
    print_operators(operators);
    if !files.is_empty() {
        println!();
        head(&format!("{:>8}  {:>10}  DIRECTORY", "FILES", "SIZE"));
    }
    for (directory, of_it) in directories(files) {
        let at_least = if of_it.at_least { '>' } else { ' ' };
        println!("{:>8} {at_least}{:>10}  {}", of_it.files, size(of_it.bytes), visible(directory));
    }
}

fn head(text: &str) {
    println!("{}", painted(text, Tone::Head, paint::out()));
}

fn print_operators(operators: &[Operator]) {
    head(&format!("{:<32}  {:>5}  {:>5}  {:>8}  UID OR NAME", "OPERATOR", "PAR.", "MAX", "SIZE"));
    for operator in operators {
        let Operator { id, name, uid, parallelism, max_parallelism, bytes } = operator;
        let called = uid.as_ref().or(name.as_ref()).map_or_else(|| "-".to_owned(), |name| shortened(name));
        println!("{id:<32}  {parallelism:>5}  {max_parallelism:>5}  {:>8}  {called}", size(*bytes));
    }
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Directory {
    files: usize,
    bytes: u64,
    /// Some files are only known to be no shorter.
    at_least: bool,
}

/// The files by where they lie: a large state has thousands.
fn directories(files: &[File]) -> BTreeMap<&str, Directory> {
    let mut directories: BTreeMap<&str, Directory> = BTreeMap::new();
    for file in files {
        let name = file.path.rsplit_once('/').map_or(".", |(directory, _)| directory);
        let directory = directories.entry(name).or_default();
        directory.files += 1;
        directory.bytes = directory.bytes.saturating_add(file.bytes);
        directory.at_least |= file.at_least;
    }
    directories
}

fn counted(count: usize, thing: &str) -> String {
    format!("{count} {thing}{}", if count == 1 { "" } else { "s" })
}

/// What of a name fits a terminal, and nothing that a terminal would obey.
fn shortened(name: &str) -> String {
    const WIDTH: usize = 20;
    let mut shown: String =
        name.chars().map(|char| if char.is_control() { '?' } else { char }).take(WIDTH + 1).collect();
    if let Some((end, _)) = shown.char_indices().nth(WIDTH) {
        shown.truncate(end);
        shown.pop();
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_name_is_cut_where_the_line_ends_and_no_control_character_is_shown() {
        assert_eq!(shortened("counter"), "counter");
        assert_eq!(shortened(&"ü".repeat(20)), "ü".repeat(20));
        assert_eq!(shortened(&"ü".repeat(21)), format!("{}…", "ü".repeat(19)));
        assert_eq!(shortened("a\u{1b}[31mb\n"), "a?[31mb?");
    }

    #[test]
    fn files_are_counted_where_they_lie() {
        let file = |path: &str, bytes, at_least| File { path: path.to_owned(), bytes, at_least };
        let files = [file("a", 1, false), file("b", 2, false), file("s3://bucket/shared/c", 4, true)];
        let found: Vec<_> = directories(&files).into_iter().collect();
        let own = Directory { files: 2, bytes: 3, at_least: false };
        let shared = Directory { files: 1, bytes: 4, at_least: true };
        assert_eq!(found, [(".", own), ("s3://bucket/shared", shared)]);
    }
}
