//! Where the compiler does not watch.

use crate::documents::pages::{files, root};

#[test]
fn unsafe_code_is_in_one_file_with_its_reason() {
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    assert!(manifest.contains("unsafe_code = \"deny\""), "the compiler refuses it everywhere else");
    let word = ["uns", "afe"].concat();
    let is_code = |line: &str| {
        let code = line.trim_start();
        !code.starts_with("//")
            && [format!("{word} {{"), format!("{word} fn"), format!("{word} impl"), format!("{word}(")]
                .iter()
                .any(|used| code.contains(used))
    };
    let mut found = Vec::new();
    for path in ["src", "tests"].iter().flat_map(|folder| files(&root().join(folder), "rs")) {
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let allowed = text.contains(&format!("{word}_code,")) || text.contains(&format!("allow({word}_code"));
        if lines.iter().any(|line| is_code(line)) || allowed {
            found.push(path.strip_prefix(root()).unwrap().display().to_string());
        }
        if path.ends_with("src/child.rs") {
            assert!(text.contains("reason = \"") && lines.iter().filter(|line| is_code(line)).count() == 1, "{text}");
        }
    }
    // The second is libFuzzer's entry, in no build but that of tests/fuzz.sh.
    assert_eq!(found, ["src/child.rs", "tests/fuzz/guided.rs"]);
}
