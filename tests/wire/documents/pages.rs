//! The documents' text: blocks, tables, links.

use std::path::{Path, PathBuf};

/// A fenced block.
#[derive(Debug)]
pub struct Block {
    pub page: String,
    pub line: usize,
    pub language: String,
    pub text: String,
    pub note: Note,
}

/// What the comment before a block says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    None,
    Run(String),
    Output(String),
    Test(Vec<String>),
    Drawing,
}

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub fn text(page: &str) -> String {
    std::fs::read_to_string(root().join(page)).unwrap()
}

/// Every file below a folder of this kind that git would keep.
pub fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() {
            if !(name.starts_with('.') || name == "target") {
                found.extend(files(&path, extension));
            }
        } else if path.extension().is_some_and(|found| found == extension) {
            found.push(path);
        }
    }
    found.sort();
    found
}

pub fn pages() -> Vec<String> {
    let pages = files(root(), "md").into_iter().map(|path| path.strip_prefix(root()).unwrap().display().to_string());
    let pages: Vec<String> = pages.collect();
    assert!(pages.iter().any(|page| page == "README.md"), "{pages:?}");
    pages
}

/// Every fenced block of every page.
pub fn blocks() -> Vec<Block> {
    pages().iter().flat_map(|page| blocks_of(page)).collect()
}

fn blocks_of(page: &str) -> Vec<Block> {
    let (mut blocks, mut open, mut before) = (Vec::new(), None::<Block>, "");
    let text = text(page);
    for (index, line) in text.lines().enumerate() {
        match (&mut open, line.trim_start().strip_prefix("```")) {
            (None, Some(language)) => {
                let (page, language) = (page.to_owned(), language.to_owned());
                open = Some(Block { page, line: index + 1, language, text: String::new(), note: note(before) });
            }
            (Some(_), Some("")) => blocks.extend(open.take()),
            (Some(block), _) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
            (None, None) => {}
        }
        if !line.is_empty() {
            before = line;
        }
    }
    assert!(open.is_none(), "{page}: a block does not end");
    blocks
}

fn note(line: &str) -> Note {
    let Some(comment) = line.strip_prefix("<!-- ").and_then(|rest| rest.strip_suffix(" -->")) else {
        return Note::None;
    };
    match comment.split_once(": ") {
        Some(("run", name)) => Note::Run(name.to_owned()),
        Some(("output", name)) => Note::Output(name.to_owned()),
        Some(("test", names)) => Note::Test(names.split(", ").map(str::to_owned).collect()),
        None if comment == "drawing" => Note::Drawing,
        _ => Note::None,
    }
}

/// The texts of the blocks that are run under this name.
pub fn run(name: &str) -> Vec<String> {
    let blocks = blocks().into_iter().filter(|block| block.note == Note::Run(name.to_owned()));
    blocks.map(|block| block.text).collect()
}

/// The one block that is run under this name.
pub fn only(name: &str) -> String {
    let mut blocks = run(name);
    assert_eq!(blocks.len(), 1, "{name}");
    blocks.remove(0)
}

/// What a page says that the block of this name prints.
pub fn output(name: &str) -> String {
    let note = Note::Output(name.to_owned());
    blocks().into_iter().find(|block| block.note == note).unwrap().text
}

/// The rows of the table with this head.
pub fn rows(page: &str, head: &str) -> Vec<Vec<String>> {
    let rows: Vec<Vec<String>> = page
        .lines()
        .skip_while(|line| *line != head)
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .map(|line| {
            let line = line.trim_matches('|').replace("\\|", "\0");
            line.split('|').map(|cell| cell.trim().replace('\0', "|")).collect()
        })
        .collect();
    assert!(!rows.is_empty(), "no table {head:?}");
    rows
}

/// What stands in backticks.
pub fn quoted(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}
