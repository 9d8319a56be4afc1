//! What Flink's own version means for what is asked of it. It is probed, never configured.

use serde::Deserialize;

use super::{Error, Flink};
use crate::protocol::jobs::Version;
use crate::report;

/// `GET /config`
#[derive(Debug, Deserialize)]
struct Dashboard {
    #[serde(rename = "flink-version")]
    version: String,
}

impl Flink {
    /// Flink's version, such as `1.20.5`.
    ///
    /// # Errors
    /// If Flink does not answer, or with something else.
    pub async fn version(&self) -> Result<String, Error> {
        Ok(self.get::<Dashboard>("/config").await?.version)
    }
}

/// What does not work with a Flink of this version; none if all does, or nothing can be told of it.
#[must_use]
pub fn shortcoming(version: &str) -> Option<String> {
    (Version::parse(version)? < Version(1, 15)).then(|| {
        format!(
            "Flink {version} takes no trigger id with a request for a savepoint, as 1.15 and newer do: a request whose answer \
             was lost could not be repeated, and a second one destroys the first. A final stop falls back to the newest \
             completed checkpoint, and what came after it is done again: upgrade Flink, or stop the job with `flink stop` \
             before its pod ends"
        )
    })
}

/// Why Flink does not take a request, with the way out where there is one.
pub(super) fn refusal(error: &Error) -> String {
    let said = report::chain(error);
    // Up to 1.19 a request with a field that is not known is refused, and the fields are those of 1.15.
    if said.contains("did not match expected format") {
        return format!("{said}: this Flink is older than 1.15, and its stop can't be repeated safely");
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_older_than_1_15_is_told_what_it_lacks() {
        for version in ["1.14.6", "1.9.3", "1.14-SNAPSHOT", "0.10.2"] {
            assert!(shortcoming(version).is_some_and(|said| said.contains(version)), "{version}");
        }
        for version in ["1.15.0", "1.20.5", "2.0-preview1", "2.3.0", "10.1.0", "", "unknown", "2"] {
            assert_eq!(shortcoming(version), None, "{version}");
        }
    }
}
