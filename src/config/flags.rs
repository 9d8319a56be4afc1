//! What the command line sets, and where each effective value comes from.

use serde::Serialize;

use super::env;
use super::error::{Error, Problem};

/// What the command line sets, in the order in which it does: of duplicates the later one counts.
#[derive(Debug, Clone, Default)]
pub struct Flags(pub(super) Vec<(String, String, String)>);

impl Flags {
    /// Takes the `KEY=VALUE` of a `--set`.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`], if there is no `=`. Whether the key exists turns out when the configuration is loaded.
    pub fn set(&mut self, assignment: &str) -> Result<(), Error> {
        let Some((key, value)) = assignment.split_once('=') else {
            let problem = Problem::new("--set", format!("expected KEY=VALUE, found {assignment:?}"));
            return Err(Error::Invalid { problems: vec![problem] });
        };
        self.0.push((key.trim().to_owned(), format!("--set {}", key.trim()), value.to_owned()));
        Ok(())
    }

    /// Takes the value of a flag of its own, such as `--record`, for a key.
    pub fn push(&mut self, flag: &str, key: &str, value: impl Into<String>) {
        self.0.push((key.to_owned(), flag.to_owned(), value.into()));
    }

    /// The same as environment variables, for a process elsewhere.
    #[must_use]
    pub fn variables(&self) -> Vec<(String, String)> {
        self.0.iter().map(|(key, _, value)| (env::variable(key), value.clone())).collect()
    }
}

/// One effective value and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Setting {
    /// The key.
    pub key: &'static str,
    /// The value as it was written, without passwords.
    pub value: String,
    /// What set it.
    #[serde(flatten)]
    pub origin: Origin,
}

/// What set a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "from", content = "name", rename_all = "snake_case")]
pub enum Origin {
    /// Nobody.
    Default,
    /// This file.
    File(String),
    /// This environment variable.
    Variable(String),
    /// This flag.
    Flag(String),
}
