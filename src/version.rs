//! Which build this is.

use std::sync::LazyLock;

/// The version, and the commit where whoever built it said so (`SAVEPOINTD_COMMIT`): nothing is asked of a repository while
/// building, so that the same sources give the same bytes.
static TEXT: LazyLock<String> = LazyLock::new(|| {
    let version = env!("CARGO_PKG_VERSION");
    let commit = option_env!("SAVEPOINTD_COMMIT").filter(|commit| !commit.is_empty());
    commit.map_or_else(|| version.to_owned(), |commit| format!("{version} ({commit})"))
});

/// As `--version` says it.
#[must_use]
pub fn text() -> &'static str {
    &TEXT
}
