//! What Flink's configuration says that would lose state, and whose folder the savepoints go to.

use super::{Finding, Subject, Verdict};
use crate::flink::setup::Setup;
use crate::protocol::entry::{Directories, Entry};
use crate::protocol::history::History;
use crate::record::marker::Marker;
use crate::{report, storage};

pub(super) async fn check(subject: &Subject<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let (Some(setup), Some(directories)) = (subject.setup, subject.directories) {
        findings.extend(entropy(setup, directories));
    }
    findings.extend(identity(subject).await);
    findings
}

/// With entropy in its path a savepoint is no folder any more.
fn entropy(setup: &Setup, directories: &Directories) -> Option<Finding> {
    let key = setup.entropy_key.as_deref().filter(|key| !key.is_empty())?;
    let directory = [Some(&directories.savepoint), directories.flink_savepoint.as_ref()];
    let directory = directory.into_iter().flatten().find(|directory| directory.contains(key))?;
    Some(Finding::trouble(
        Verdict::Doubtful,
        &format!("savepoint directory {directory}"),
        format!(
            "has the entropy key {key} in it: a savepoint's files are spread over many folders, so it can be neither moved nor deleted as one"
        ),
        format!("take {key} out of the savepoint directory, and leave it in that of checkpoints, where the load is"),
    ))
}

async fn identity(subject: &Subject<'_>) -> Option<Finding> {
    let directories = subject.directories?;
    let about = format!("cluster {}", subject.cluster);
    // That it can't be read is found where storage is looked at.
    let folder = storage::cluster_folder(subject.storage, directories, subject.cluster).ok()?;
    let marker = match Marker::of(&folder).load().await {
        Ok(marker) => marker?,
        Err(error) => {
            let fix = "see that it can be read: until then no start can tell whose savepoints these are";
            return Some(Finding::trouble(Verdict::Bad, &about, format!("its marker: {}", report::chain(&error)), fix));
        }
    };
    let record = subject.record.load().await.ok()?;
    Some(owner(&about, folder.url(), &record.entries, &marker))
}

/// Whether record and marker were begun by one and the same start.
fn owner(about: &str, folder: &str, record: &[Entry], marker: &[Entry]) -> Finding {
    let names = |entries: &[Entry]| {
        let history = History::read(entries);
        (history.cluster, history.record_id)
    };
    match (names(record), names(marker)) {
        // A record that was lost is rebuilt from the marker.
        ((_, None), _) => Finding::good(about, "the marker is there; the record is empty, and is rebuilt from it"),
        (record, marker) if record == marker => Finding::good(about, "record and marker name each other"),
        ((record, _), (marker, _)) => {
            let record = record.unwrap_or_default();
            let marker = marker.unwrap_or_default();
            let found = format!(
                "the marker in {folder} belongs to another record (the record is of cluster {record}, the marker of {marker}): two clusters \
                 share one id, or the record was begun anew beside old savepoints"
            );
            let fix = "give each cluster an id of its own: cluster.id (SAVEPOINTD_CLUSTER__ID); or give this one the record that it had";
            Finding::trouble(Verdict::Bad, about, found, fix)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::entry::Fact;
    use crate::protocol::id::Id;
    use crate::record::entry;

    fn created(cluster: &str, id: u8) -> Vec<Entry> {
        vec![entry(1, Fact::Created { cluster: cluster.to_owned(), record_id: Id::from_bytes([id; 16]) })]
    }

    #[test]
    fn an_id_that_two_clusters_share_is_found() {
        let of = |record: &[Entry], marker: &[Entry]| {
            owner("cluster orders", "s3://flink/sp/orders", record, marker).verdict
        };
        assert_eq!(of(&created("orders", 1), &created("orders", 1)), Verdict::Good);
        assert_eq!(of(&created("orders", 1), &created("orders", 2)), Verdict::Bad);
        assert_eq!(of(&created("orders", 1), &created("payments", 1)), Verdict::Bad);
        assert_eq!(of(&[], &created("orders", 1)), Verdict::Good, "a lost record is rebuilt");
    }

    #[test]
    fn entropy_in_the_savepoint_directory_is_found() {
        let setup = |key: Option<&str>| Setup { entropy_key: key.map(str::to_owned), ..Setup::default() };
        let directories = |savepoint: &str| Directories {
            savepoint: savepoint.to_owned(),
            flink_savepoint: None,
            checkpoint: "s3://flink/_entropy_/checkpoints".to_owned(),
            high_availability: None,
        };
        let spread = directories("s3://flink/_entropy_/sp");
        assert!(entropy(&setup(Some("_entropy_")), &spread).is_some_and(|finding| finding.fix.is_some()));
        assert_eq!(entropy(&setup(None), &spread), None);
        assert_eq!(entropy(&setup(Some("")), &spread), None);
        assert_eq!(entropy(&setup(Some("_entropy_")), &directories("s3://flink/sp")), None);
    }
}
