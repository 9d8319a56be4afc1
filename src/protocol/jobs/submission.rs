//! How a job that waits is submitted again: the line for Flink's command line client, and the body for its REST API.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::super::id::JobId;
use super::super::point::Kind;
use super::super::shell;
use super::Waiting;

/// What only the submitter knows: the program.
const PROGRAM: &str = "<JAR> <ARGUMENTS>";

/// A Flink version, as far as it makes a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Version(pub u32, pub u32);

impl Version {
    /// From `flink-version` of `GET /config`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut numbers = text.split(['.', '-']);
        Some(Self(numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
    }
}

/// A job that waits, and how it is submitted again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Submission {
    /// Its name; another job may have the same.
    pub job_name: String,
    /// Under which id it ran last. It gets another one.
    pub job_id: JobId,
    /// In which epoch.
    pub epoch: u64,
    /// From where it goes on; none if that is not to be used.
    pub path: Option<String>,
    /// What made that.
    pub kind: Option<Kind>,
    /// Why this point, or why none.
    pub reason: String,
    /// The command line, with what only the submitter knows in angle brackets.
    pub line: Option<String>,
    /// The body of `POST /jars/:jarid/run`. The program's own fields (`entryClass`, `programArgsList`, `parallelism`) come beside these.
    pub body: Option<Value>,
}

impl Submission {
    /// How this job is submitted again to a Flink of this version; where nobody knows it, with what all versions take.
    #[must_use]
    pub fn of(waiting: &Waiting, version: Option<Version>, allow_non_restored_state: bool) -> Self {
        let path = waiting.point.as_ref().map(|point| point.path.clone());
        let shared =
            if waiting.name_is_shared { "; other jobs that wait have the same name, so go by the id" } else { "" };
        Self {
            job_name: waiting.job_name.clone(),
            job_id: waiting.job_id,
            epoch: waiting.epoch,
            line: path.as_deref().map(|path| line(path, version, allow_non_restored_state)),
            body: path.as_deref().map(|path| body(path, version, allow_non_restored_state)),
            path,
            kind: waiting.kind,
            reason: format!("{}{shared}", waiting.reason),
        }
    }
}

/// The option was renamed. Without it Flink restores as `NO_CLAIM` as well, unless its configuration says otherwise: a point that
/// Flink may delete is none.
fn line(path: &str, version: Option<Version>, allow_non_restored_state: bool) -> String {
    let mut words = vec!["flink", "run", "-d", "-s", path];
    match version {
        Some(version) if version >= Version(1, 20) => words.extend(["-claimMode", "NO_CLAIM"]),
        Some(version) if version >= Version(1, 15) => words.extend(["-restoreMode", "NO_CLAIM"]),
        _ => {}
    }
    if allow_non_restored_state {
        words.push("-n");
    }
    let words: Vec<String> = words.into_iter().map(str::to_owned).collect();
    format!("{} {PROGRAM}", shell::command(&words))
}

/// Before Flink 1.20 a field that it does not know is an error.
fn body(path: &str, version: Option<Version>, allow_non_restored_state: bool) -> Value {
    let mut body = json!({ "savepointPath": path, "allowNonRestoredState": allow_non_restored_state });
    let mode = match version {
        Some(version) if version >= Version(1, 20) => Some("claimMode"),
        Some(version) if version >= Version(1, 15) => Some("restoreMode"),
        _ => None,
    };
    if let (Some(mode), Some(body)) = (mode, body.as_object_mut()) {
        body.insert(mode.to_owned(), json!("NO_CLAIM"));
    }
    body
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::point::PointRef;

    fn waiting(path: Option<&str>) -> Waiting {
        Waiting {
            job_name: "orders".into(),
            job_id: JobId::from_bytes([1; 16]),
            epoch: 3,
            point: path.map(|path| PointRef { path: path.into(), checkpoint_id: Some(7), epoch: Some(3) }),
            kind: Some(Kind::Final),
            reason: "its newest point".into(),
            name_is_shared: false,
        }
    }

    #[test]
    fn each_version_is_told_in_its_own_words_not_to_delete_the_point() {
        let of =
            |version: Option<&str>| Submission::of(&waiting(Some("s3://b/a")), version.and_then(Version::parse), false);
        for (version, option, field) in [
            (Some("1.15.4"), " -restoreMode NO_CLAIM", Some("restoreMode")),
            (Some("1.19.3"), " -restoreMode NO_CLAIM", Some("restoreMode")),
            (Some("1.20.5"), " -claimMode NO_CLAIM", Some("claimMode")),
            (Some("2.4-SNAPSHOT"), " -claimMode NO_CLAIM", Some("claimMode")),
            (None, "", None),
        ] {
            let submission = of(version);
            assert_eq!(submission.line.unwrap(), format!("flink run -d -s s3://b/a{option} <JAR> <ARGUMENTS>"));
            let body = submission.body.unwrap();
            assert_eq!(body["savepointPath"], "s3://b/a");
            for known in ["restoreMode", "claimMode"] {
                assert_eq!(body.get(known).is_some(), field == Some(known), "{version:?}: {body}");
            }
        }
    }

    #[test]
    fn a_path_is_quoted_for_the_shell_and_none_gives_no_line() {
        let spaced = Submission::of(&waiting(Some("file:///a b")), None, true);
        assert_eq!(spaced.line.as_deref(), Some("flink run -d -s 'file:///a b' -n <JAR> <ARGUMENTS>"));
        let none = Submission::of(&Waiting { name_is_shared: true, ..waiting(None) }, None, false);
        assert!(none.line.is_none() && none.body.is_none() && none.reason.contains("by the id"), "{none:?}");
    }
}
