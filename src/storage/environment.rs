//! The environment variables by which stores are told of credentials and endpoints, as their own tools read them.

use std::collections::BTreeMap;

/// Those variables that some store's library knows.
#[derive(Clone, Default)]
pub(super) struct Environment(BTreeMap<String, String>);

impl Environment {
    /// Takes what may concern a store. An empty variable counts as not set.
    pub(super) fn of(variables: impl Iterator<Item = (String, String)>) -> Self {
        let concerns = |name: &str| {
            ["AWS_", "AZURE_", "GOOGLE_"].iter().any(|prefix| name.starts_with(prefix))
                || ["STORAGE_EMULATOR_HOST", "MSI_ENDPOINT", "HADOOP_USER_NAME"].contains(&name)
        };
        Self(variables.filter(|(name, value)| concerns(name) && !value.is_empty()).collect())
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// All that start with `prefix`, in lower case: so each library names its options.
    pub(super) fn options(&self, prefix: &str) -> impl Iterator<Item = (String, &str)> {
        let options = self.0.iter().filter(move |(name, _)| name.starts_with(prefix));
        options.map(|(name, value)| (name.to_ascii_lowercase(), value.as_str()))
    }
}

impl std::fmt::Debug for Environment {
    /// Values are secrets.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_set().entries(self.0.keys()).finish()
    }
}
