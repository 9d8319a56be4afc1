//! What Flink's high availability has left in storage.

use std::collections::BTreeSet;

use serde_json::json;

use super::{Created, Error, Place, Storage};
use crate::flink::completed;
use crate::protocol::ha::{JobResult, Leftovers, Places, Stage};
use crate::protocol::id::JobId;

/// Flink up to 1.20 and Flink 2.
const JOBS: [&str; 2] = ["submittedJobGraph", OF_FLINK_2];
const OF_FLINK_2: &str = "submittedExecutionPlan";
/// What only Flink 2 writes into an entry of the job result store.
const APPLICATION: &str = "\"application-id\"";
const COMPLETED: &str = "completedCheckpoint";

/// Reads what is left.
///
/// # Errors
/// If a place can't be read: that is not the same as holding nothing.
pub async fn leftovers(storage: &Storage, places: &Places) -> Result<Leftovers, Error> {
    let (folder, pointers) = (places.folder.clone(), places.pointers.clone());
    let mut left = Leftovers { folder, pointers, ..Leftovers::default() };
    let folder = storage.place(&places.folder)?;
    let mut names = folder.children().await?.1;
    names.sort();
    for name in names {
        let file = folder.join(&name);
        if JOBS.iter().any(|prefix| name.starts_with(prefix)) {
            left.of_flink_2 |= name.starts_with(OF_FLINK_2);
            left.jobs.push(file.url().to_owned());
        } else if name.starts_with(COMPLETED) {
            // Where there is none any more, Flink has just replaced it by a newer one.
            let Some(beginning) = file.beginning(completed::HEAD).await? else { continue };
            match completed::parse(&beginning.bytes) {
                Some(kept) => left.kept.push(kept),
                None => left.unclear.push(file.url().to_owned()),
            }
        }
    }
    results(&storage.place(&places.results)?, &mut left).await?;
    Ok(left)
}

async fn results(folder: &Place, left: &mut Leftovers) -> Result<(), Error> {
    let names: BTreeSet<String> = folder.children().await?.1.into_iter().collect();
    for name in names {
        let Some(stem) = name.strip_suffix(".json") else { continue };
        let (stem, dirty) = stem.strip_suffix("_DIRTY").map_or((stem, false), |stem| (stem, true));
        let Ok(job_id) = stem.parse() else { continue };
        let file = folder.join(&name);
        let text = text(&file).await?;
        left.of_flink_2 |= text.contains(APPLICATION);
        let stage = match dirty {
            false => Stage::Committed,
            true if is_whole(&text) => Stage::Dirty,
            true => Stage::Torn,
        };
        left.results.push(JobResult { job_id, file: file.url().to_owned(), stage });
    }
    Ok(())
}

/// What an entry says.
async fn text(file: &Place) -> Result<String, Error> {
    match file.read().await {
        Ok(text) => Ok(String::from_utf8_lossy(&text).into_owned()),
        // Flink has just finished the clean-up.
        Err(error) if error.is_missing() => Ok("{}".to_owned()),
        Err(error) => Err(error),
    }
}

/// Whether an entry was written to its end.
fn is_whole(text: &str) -> bool {
    serde_json::from_str::<serde_json::Value>(text).is_ok()
}

/// Writes down that a job has come to its end, as its JobManager was about to: the next one cleans up what is left of it, as it
/// does after any clean-up that was cut off. It counts as cancelled, so that its retained checkpoints stay.
///
/// # Errors
/// If that can't be written.
pub async fn declare_ended(storage: &Storage, places: &Places, job_id: JobId) -> Result<(), Error> {
    let entry = storage.place(&places.results)?.join(&format!("{job_id}_DIRTY.json"));
    let result = json!({
        "result": { "id": job_id, "application-status": "CANCELED", "accumulator-results": {}, "net-runtime": 0 },
        "version": 1,
    });
    let result = result.to_string().into_bytes();
    if entry.create(result.clone()).await? == Created::Exists && !is_whole(&text(&entry).await?) {
        entry.delete().await?;
        entry.create(result).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const KEPT: &[u8] = include_bytes!("../../tests/vectors/completed-checkpoint-1.20.5");
    const JOB: &str = "0000000055a1b4f80000000000000000";

    fn world() -> (tempfile::TempDir, Storage, Places) {
        let dir = tempfile::tempdir().unwrap();
        let root = format!("file://{}", dir.path().display());
        let places = Places {
            folder: format!("{root}/a1205"),
            results: format!("{root}/job-result-store/a1205"),
            pointers: String::new(),
        };
        (dir, Storage::default(), places)
    }

    #[tokio::test]
    async fn what_flink_leaves_is_told_by_its_names() {
        let (dir, storage, places) = world();
        let left = leftovers(&storage, &places).await.unwrap();
        assert!(!left.is_being_cleaned_up() && left.results.is_empty(), "nothing was ever there");
        let folder = dir.path().join("a1205");
        fs::create_dir_all(folder.join("blob/job_1")).unwrap();
        for (name, content) in [
            ("submittedJobGraph23076cc158c0", b"x".as_slice()),
            ("submittedExecutionPlan4d191326591c", b"x"),
            ("completedCheckpointa8124f887818", KEPT),
            ("completedCheckpointa8124f887819", &KEPT[..100]),
            ("something-else", b"x"),
        ] {
            fs::write(folder.join(name), content).unwrap();
        }
        let left = leftovers(&storage, &places).await.unwrap();
        assert_eq!((left.jobs.len(), left.kept.len(), left.unclear.len()), (2, 1, 1), "{left:?}");
        assert_eq!(left.kept[0].job_id.to_string(), JOB);
        assert!(left.is_being_cleaned_up() && left.of_flink_2);
    }

    #[tokio::test]
    async fn an_entry_of_the_job_result_store_is_whole_torn_or_committed() {
        let (dir, storage, places) = world();
        let folder = dir.path().join("job-result-store/a1205");
        fs::create_dir_all(&folder).unwrap();
        let stage = async || leftovers(&storage, &places).await.unwrap().results.first().map(|result| result.stage);
        let dirty = folder.join(format!("{JOB}_DIRTY.json"));
        fs::write(&dirty, "").unwrap();
        assert_eq!(stage().await, Some(Stage::Torn));
        declare_ended(&storage, &places, JOB.parse().unwrap()).await.unwrap();
        assert_eq!(stage().await, Some(Stage::Dirty));
        fs::write(&dirty, "{}").unwrap();
        declare_ended(&storage, &places, JOB.parse().unwrap()).await.unwrap();
        assert_eq!(fs::read_to_string(&dirty).unwrap(), "{}", "what Flink wrote stays as it is");
        fs::remove_file(&dirty).unwrap();
        fs::write(folder.join(format!("{JOB}.json")), "{}").unwrap();
        assert_eq!(stage().await, Some(Stage::Committed));
        assert!(!leftovers(&storage, &places).await.unwrap().is_being_cleaned_up());
    }
}
