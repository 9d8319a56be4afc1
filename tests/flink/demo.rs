//! The first thing that the README asks for: its demo, with what it prints.

use std::path::Path;
use std::process::Command;

/// What an example and a run have in common: the words without figures.
fn words(text: &str) -> Vec<String> {
    let lines = text.lines().map(|line| line.split_whitespace().filter(|word| !word.contains(char::is_numeric)));
    lines.map(|line| line.collect::<Vec<_>>().join(" ")).filter(|line| !line.is_empty()).collect()
}

#[test]
#[ignore = "full size"]
fn the_demo_shows_what_the_readme_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = std::fs::read_to_string(root.join("README.md")).unwrap();
    let (_, example) = readme.split_once("```text\nFlink 1.20.5, one job").unwrap();
    let (example, _) = example.split_once("```").unwrap();
    let output = Command::new(root.join("tests/demo.sh")).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let (_, said) = said.split_once("Flink 1.20.5, one job").unwrap();
    assert_eq!(words(said), words(example), "{said}");
    assert!(said.ends_with("  lost 0, repeated 0, wrong 0\n") && example.ends_with("  lost 0, repeated 0, wrong 0\n"));
}
