//! Paths of names, such as `$.credential.access_token`: what kubeconfigs of Google's old `auth-provider` have, the one thing that kube
//! asks the crate of this name for. That one brings a parser generator and regular expressions with it, half a megabyte of the binary.
//!
//! `tests/wire/instead.rs` has examples.

use serde_json::Value;

/// A path that is more than names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsupported(String);

impl std::fmt::Display for Unsupported {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} is not a path of names alone, such as $.credential.access_token", self.0)
    }
}

impl std::error::Error for Unsupported {}

/// What a path leads to.
pub trait JsonPath {
    /// The value at the path, if there is one.
    ///
    /// # Errors
    /// If the path is more than names.
    fn query(&self, path: &str) -> Result<Vec<&Value>, Unsupported>;
}

impl JsonPath for Value {
    fn query(&self, path: &str) -> Result<Vec<&Value>, Unsupported> {
        let unsupported = || Unsupported(path.to_owned());
        let names = path.strip_prefix("$.").ok_or_else(unsupported)?;
        let plain = |name: &str| {
            !name.is_empty() && name.chars().all(|one| one.is_alphanumeric() || matches!(one, '_' | '-'))
        };
        if !names.split('.').all(plain) {
            return Err(unsupported());
        }
        Ok(names.split('.').try_fold(self, |value, name| value.get(name)).into_iter().collect())
    }
}
