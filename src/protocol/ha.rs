//! Flink's own high availability, as far as storage tells of it.
//!
//! A JobManager under high availability takes its jobs up again by itself: a job that it still knows runs on from its newest
//! completed checkpoint, and a restore path that is given counts for nothing. What it knows stands in `ZooKeeper` or in `ConfigMap`s
//! as pointers to files in `high-availability.storageDir`; the files are what is looked at here. Without a pointer a file is
//! nothing to Flink, and a pointer without its file keeps Flink from starting, so that neither can lead to a wrong restore:
//! files that are taken for more than they are only make a start more careful (measured on Flink 1.20.5).

use serde::{Deserialize, Serialize};

use super::id::JobId;
use super::point::PointRef;

/// Where Flink's high availability keeps its files.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Places {
    /// `<storageDir>/<cluster-id>`: what the pointers point at.
    pub folder: String,
    /// The job result store: which jobs have come to their end.
    pub results: String,
    /// How a person finds the pointers, in words.
    pub pointers: String,
}

/// What lies there.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Leftovers {
    /// Where the files lie.
    pub folder: String,
    /// How a person finds the pointers to them, in words.
    pub pointers: String,
    /// Whether Flink 2 wrote them. After a clean-up it runs the job under another id, beside whatever else there is (2.3.0): a start
    /// can't count on that.
    #[serde(default)]
    pub of_flink_2: bool,
    /// Files that hold a job that Flink will run again.
    pub jobs: Vec<String>,
    /// The completed checkpoints that it refers to.
    pub kept: Vec<Kept>,
    /// Files that should tell of a completed checkpoint and can't be understood.
    pub unclear: Vec<String>,
    /// Entries of the job result store.
    pub results: Vec<JobResult>,
}

/// A completed checkpoint, or a savepoint that was restored, that Flink's high availability refers to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Kept {
    /// Its number.
    pub checkpoint_id: u64,
    /// Where it lies.
    pub path: String,
    /// The job that it is kept for, which need not be the one that wrote it.
    pub job_id: JobId,
}

/// An entry of the job result store.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct JobResult {
    /// The job.
    pub job_id: JobId,
    /// The file.
    pub file: String,
    /// How far it is.
    pub stage: Stage,
}

/// How far an entry of the job result store is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// `<job>_DIRTY.json`: the job has ended, and not everything of it is cleaned up. The next JobManager goes on with that.
    Dirty,
    /// The same, cut off by a kill while it was written: no JobManager starts (1.20.5: it ends with code 239).
    Torn,
    /// `<job>.json`: cleaned up, and kept because `job-result-store.delete-on-commit` is false. The job is not run again.
    Committed,
}

/// What is done about them where they are in the way of the chosen point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnLeftover {
    /// Let Flink finish the clean-up, where it is certain that the job had come to its end; else refuse.
    #[default]
    Finish,
    /// Refuse.
    Refuse,
    /// Let Flink go back to what it knows.
    Recover,
}

/// How a start deals with what is left.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dealing {
    /// Nothing is left.
    #[default]
    None,
    /// Flink itself recovers the point, or one of these others.
    Recovered(Vec<String>),
    /// The job is declared ended, which it is, and Flink cleans up what is left of it.
    Finish(JobId),
}

impl Leftovers {
    /// Whether Flink may recover a job.
    #[must_use]
    pub fn holds_a_job(&self) -> bool {
        !(self.jobs.is_empty() && self.kept.is_empty() && self.unclear.is_empty())
    }

    /// Whether a stop has to wait: something is left that Flink is about to clean up.
    #[must_use]
    pub fn is_being_cleaned_up(&self) -> bool {
        self.holds_a_job() || self.results.iter().any(|result| result.stage != Stage::Committed)
    }

    /// What Flink recovers, and what it recovers if the newest file was written and its pointer was not.
    #[must_use]
    pub fn newest(&self) -> Option<(&Kept, Option<&Kept>)> {
        let newest = self.kept.iter().max_by_key(|kept| kept.checkpoint_id)?;
        let before = self.kept.iter().filter(|kept| kept.checkpoint_id < newest.checkpoint_id);
        Some((newest, before.max_by_key(|kept| kept.checkpoint_id)))
    }

    /// How a person lets go of it, in words.
    #[must_use]
    pub fn way_out(&self) -> String {
        format!("while no JobManager runs, delete the pointers to it ({}) and {}", self.pointers, self.folder)
    }

    /// What is left, in words.
    #[must_use]
    pub fn describe(&self) -> String {
        let kept = self.newest().map(|(newest, _)| format!("checkpoint {} ({})", newest.checkpoint_id, newest.path));
        let jobs = (!self.jobs.is_empty()).then(|| "a job to run again".to_owned());
        let dirty = self.results.iter().find(|result| result.stage != Stage::Committed);
        let dirty = dirty.map(|result| format!("an unfinished clean-up ({})", result.file));
        [jobs, kept, dirty].into_iter().flatten().collect::<Vec<_>>().join(", ")
    }
}

impl Kept {
    /// The point.
    #[must_use]
    pub fn point(&self) -> PointRef {
        PointRef { path: self.path.clone(), checkpoint_id: Some(self.checkpoint_id), epoch: None }
    }
}

/// The id that Flink gives to the only job of an application under high availability: Java's hash of the cluster id, as its
/// configuration writes it. The same at each start (1.15 to 2.3).
#[must_use]
pub fn job_id(cluster_id: &str) -> JobId {
    let hash = cluster_id.encode_utf16().fold(0_i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(unit.into()));
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&i64::from(hash).to_be_bytes());
    JobId::from_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_job_id_is_the_one_that_flink_makes() {
        for (cluster, expected) in [
            ("/lab1", "0000000002c8e0f30000000000000000"),
            ("/a1205", "0000000055a1b4f80000000000000000"),
            ("/a230", "0000000002c32abd0000000000000000"),
            ("polygenelubricants", "ffffffff800000000000000000000000"),
        ] {
            assert_eq!(job_id(cluster).to_string(), expected, "{cluster}");
        }
    }

    #[test]
    fn the_newest_number_is_recovered() {
        let kept =
            |checkpoint_id| Kept { checkpoint_id, path: format!("s3://c/chk-{checkpoint_id}"), job_id: job_id("") };
        let left = Leftovers { kept: vec![kept(9), kept(11), kept(10)], ..Leftovers::default() };
        let (newest, before) = left.newest().unwrap();
        assert_eq!((newest.checkpoint_id, before.map(|kept| kept.checkpoint_id)), (11, Some(10)));
        assert!(Leftovers::default().newest().is_none());
    }
}
