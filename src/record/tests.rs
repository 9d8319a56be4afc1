//! The contract, on a directory.

use tempfile::TempDir;

use super::marker::Marker;
use super::*;
use crate::protocol::entry::{Claim, Directories, End, EndKind, Saved};
use crate::protocol::id::JobId;
use crate::protocol::outcome::StopOutcome;
use crate::protocol::point::{Kind, PointRef};
use crate::storage::Storage;

fn place() -> (TempDir, String) {
    let dir = tempfile::tempdir().unwrap();
    let url = format!("file://{}/record", dir.path().display());
    (dir, url)
}

fn open(url: &str) -> Result<Record, Error> {
    let env = [("SAVEPOINTD_RECORD".to_owned(), url.to_owned())];
    let config = crate::config::Config::load(None, env.into_iter(), crate::config::Flags::default()).unwrap();
    Record::open(&config.record, &Storage::default(), None)
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn claim() -> Fact {
    let holder = crate::holder::current(crate::random::id());
    Fact::Claimed(Claim {
        job_id: None,
        holder,
        directories: Directories::default(),
        session: false,
        without_gate: false,
    })
}

#[test]
fn what_is_not_there_is_empty_and_what_was_added_is_read_in_order() {
    let (_dir, url) = place();
    run(async {
        let record = open(&url).unwrap();
        assert!(record.load().await.unwrap().entries.is_empty());
        for epoch in 1..=12 {
            assert_eq!(record.say(epoch, claim()).await, RecordReply::Done);
        }
        let read = open(&url).unwrap().load().await.unwrap();
        assert_eq!(read.entries.iter().map(|entry| entry.epoch).collect::<Vec<_>>(), (1..=12).collect::<Vec<_>>());
        assert_eq!(record.load().await.unwrap().entries, read.entries);
    });
}

#[test]
fn of_two_that_append_after_the_same_load_one_wins() {
    let (_dir, url) = place();
    run(async {
        let (one, other) = (open(&url).unwrap(), open(&url).unwrap());
        let mut seen_by_one = one.load().await.unwrap();
        let mut seen_by_other = other.load().await.unwrap();
        assert_eq!(one.append(&mut seen_by_one, &[entry(1, claim())]).await.unwrap(), Append::Done);
        assert_eq!(other.append(&mut seen_by_other, &[entry(1, claim())]).await.unwrap(), Append::Conflict);
        assert_eq!(other.load().await.unwrap().entries, seen_by_one.entries);
    });
}

#[test]
fn an_entry_whose_reply_was_lost_is_added_once() {
    let (_dir, url) = place();
    run(async {
        let (writer, other) = (open(&url).unwrap(), open(&url).unwrap());
        let entry = entry(1, claim());
        // The first write lands, its reply does not; meanwhile somebody else adds something.
        assert_eq!(writer.append(&mut Snapshot::default(), std::slice::from_ref(&entry)).await.unwrap(), Append::Done);
        assert_eq!(writer.append(&mut Snapshot::default(), std::slice::from_ref(&entry)).await.unwrap(), Append::Done);
        assert_eq!(other.say(0, Fact::Unpinned).await, RecordReply::Done);
        assert_eq!(writer.add(&[entry]).await, RecordReply::Done);
        assert_eq!(other.load().await.unwrap().entries.len(), 2);
    });
}

#[test]
fn a_stale_epoch_adds_nothing_and_people_always_can() {
    let (_dir, url) = place();
    run(async {
        let (stale, newer) = (open(&url).unwrap(), open(&url).unwrap());
        assert_eq!(stale.say(1, claim()).await, RecordReply::Done);
        assert_eq!(newer.say(2, claim()).await, RecordReply::Done);
        let reply = stale.say(1, Fact::Voided { reason: "late".to_owned() }).await;
        assert!(matches!(reply, RecordReply::Superseded(_)), "{reply:?}");
        assert_eq!(stale.say(0, Fact::FreshAllowed).await, RecordReply::Done);
        assert_eq!(newer.load().await.unwrap().entries.len(), 3);
    });
}

#[test]
fn a_damaged_entry_is_an_error_that_names_it_and_no_empty_record() {
    let (dir, url) = place();
    run(async {
        let record = open(&url).unwrap();
        assert_eq!(record.say(1, claim()).await, RecordReply::Done);
        let file = dir.path().join("record/000000000001.json");
        for damage in ["", "{", "null", r#"{"version":1}"#] {
            std::fs::write(&file, damage).unwrap();
            let error = open(&url).unwrap().load().await.unwrap_err();
            assert!(!error.passes());
            assert!(error.to_string().contains("000000000001.json"), "{error}");
        }
        std::fs::remove_file(&file).unwrap();
        std::fs::remove_dir(dir.path().join("record")).unwrap();
        std::fs::write(dir.path().join("record"), "").unwrap();
        assert!(open(&url).unwrap().load().await.is_err(), "a file in the directory's place");
    });
}

#[test]
fn a_record_with_a_gap_is_damaged_and_the_missing_entry_is_named() {
    let (dir, url) = place();
    run(async {
        let record = open(&url).unwrap();
        for epoch in 1..=3 {
            assert_eq!(record.say(epoch, claim()).await, RecordReply::Done);
        }
        std::fs::remove_file(dir.path().join("record/000000000002.json")).unwrap();
        let error = open(&url).unwrap().load().await.unwrap_err();
        assert!(!error.passes());
        assert!(error.to_string().contains("000000000002.json is missing"), "{error}");
    });
}

#[test]
fn a_record_that_is_deleted_under_a_reader_is_read_as_gone() {
    let (dir, url) = place();
    run(async {
        let record = open(&url).unwrap();
        assert_eq!(record.say(1, claim()).await, RecordReply::Done);
        assert_eq!(record.load().await.unwrap().entries.len(), 1);
        std::fs::remove_dir_all(dir.path().join("record")).unwrap();
        assert!(record.load().await.unwrap().entries.is_empty());
    });
}

#[test]
fn of_a_marker_only_what_is_new_is_read_again_and_one_in_its_place_whole() {
    let (dir, url) = place();
    run(async {
        let folder = Storage::default().place(&url).unwrap();
        let marker = Marker::of(&folder);
        let created = || entry(1, Fact::Created { cluster: "orders".to_owned(), record_id: crate::random::id() });
        let first = [created(), entry(1, claim()), entry(2, claim())];
        for entry in &first {
            marker.keep(entry).await.unwrap();
        }
        assert_eq!(marker.load().await.unwrap().unwrap(), first);

        // Whoever read this again would say that it is damaged.
        let files = dir.path().join("record/marker");
        std::fs::write(files.join("1-claimed.json"), "not an entry").unwrap();
        let third = entry(3, claim());
        marker.keep(&third).await.unwrap();
        assert_eq!(marker.load().await.unwrap().unwrap(), [first.as_slice(), &[third]].concat());
        assert!(Marker::of(&folder).load().await.is_err());

        std::fs::remove_dir_all(&files).unwrap();
        assert_eq!(marker.load().await.unwrap(), None);
        let other = [created(), entry(1, claim())];
        for entry in &other {
            marker.keep(entry).await.unwrap();
        }
        assert_eq!(marker.load().await.unwrap().unwrap(), other);
    });
}

#[test]
fn the_marker_keeps_what_must_not_be_lost_and_its_first_word_stays() {
    let (_dir, url) = place();
    run(async {
        let marker = Marker::of(&Storage::default().place(&url).unwrap());
        assert_eq!(marker.load().await.unwrap(), None);
        let created = entry(1, Fact::Created { cluster: "orders".to_owned(), record_id: crate::random::id() });
        let end = End {
            job_id: JobId::derived("orders", 11),
            how: EndKind::Finished,
            savepoint: None,
            reason: String::new(),
        };
        let kept = [created, entry(2, claim()), entry(11, Fact::Ended(end))];
        for entry in &kept {
            marker.keep(entry).await.unwrap();
        }
        marker.keep(&kept[1]).await.unwrap();
        // Somebody else who was given the same number is not let go.
        let begun = marker.keep(&entry(2, claim())).await.unwrap_err();
        assert!(matches!(&begun, Error::Begun(url) if url.ends_with("2-claimed.json")) && begun.passes(), "{begun}");
        marker.keep(&entry(2, Fact::Confirmed { job_id: JobId::derived("orders", 2), restored: None })).await.unwrap();
        assert_eq!(marker.load().await.unwrap().unwrap(), kept);

        // Only while the record can't be told.
        let stopped = entry(11, Fact::Stopped { outcome: StopOutcome::Ended, reason: "so".to_owned(), took: None });
        marker.keep(&stopped).await.unwrap();
        assert_eq!(marker.load().await.unwrap().unwrap(), kept);
        marker.note(&stopped).await.unwrap();
        assert_eq!(marker.load().await.unwrap().unwrap(), [kept.as_slice(), &[stopped]].concat());
    });
}

#[test]
fn the_marker_has_room_for_a_final_savepoint_beside_the_one_that_was_in_flight() {
    let (_dir, url) = place();
    run(async {
        let marker = Marker::of(&Storage::default().place(&url).unwrap());
        let saved = |checkpoint_id, kind, job_name: Option<&str>| {
            let point = PointRef {
                path: format!("s3://a/{checkpoint_id}"),
                checkpoint_id: Some(checkpoint_id),
                epoch: Some(2),
            };
            entry(
                2,
                Fact::Saved(Saved {
                    job_id: JobId::derived("orders", 2),
                    job_name: job_name.map(str::to_owned),
                    point,
                    kind,
                    format: None,
                    completed_at: Timestamp::UNIX_EPOCH,
                    bytes: None,
                    duration_ms: None,
                    predicted_ms: None,
                    doubt: None,
                    salvaged: false,
                    drained: false,
                }),
            )
        };
        let mut noted = Vec::new();
        for name in [None, Some("of several")] {
            noted.extend([saved(7, Kind::Periodic, name), saved(8, Kind::Final, name)]);
        }
        for entry in &noted {
            marker.note(entry).await.unwrap();
        }
        let kept = marker.load().await.unwrap().unwrap();
        assert_eq!(kept.len(), noted.len(), "{kept:?}");
        assert!(noted.iter().all(|entry| kept.contains(entry)), "{kept:?}");
    });
}

fn names(dir: &TempDir) -> Vec<String> {
    let entries = std::fs::read_dir(dir.path().join("record")).unwrap();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Writes so much that the record is summed up, as often as that is asked for.
async fn grow(record: &Record, times: usize) -> Vec<Entry> {
    let mut all = Vec::new();
    for _ in 0..times {
        let more: Vec<Entry> = (0..summary::MANY).map(|_| entry(1, Fact::Left)).collect();
        assert_eq!(record.add(&more).await, RecordReply::Done);
        record.tidy().await;
        all.extend(more);
    }
    all
}

#[test]
fn a_record_that_grows_keeps_a_bounded_number_of_files_and_what_newer_builds_wrote() {
    let (dir, url) = place();
    run(async {
        let record = open(&url).unwrap();
        let mut all = grow(&record, 1).await;
        assert_eq!(names(&dir).len(), summary::MANY + 1, "nothing is deleted before the next one");
        let next = format!("record/{}", summary::name(record.known().await.objects.last() + 1));
        let newer = r#"{"version":9,"write_id":"000102030405060708090a0b0c0d0e0f","at":"2026-11-23T00:00:00Z","epoch":1,"fact":{"what":"new","said":7},"more":[1]}"#;
        std::fs::write(dir.path().join(next), newer).unwrap();
        all.push(serde_json::from_str(newer).unwrap());
        all.extend(grow(&record, 4).await);
        assert_eq!(names(&dir).len(), summary::MANY + 2);
        assert_eq!(record.load().await.unwrap().entries, all);
        assert_eq!(open(&url).unwrap().load().await.unwrap().entries, all);
        let summaries = names(&dir).into_iter().filter(|name| name.contains("summary"));
        for name in summaries {
            let text = std::fs::read_to_string(dir.path().join("record").join(name)).unwrap();
            assert!(text.contains(newer), "as it was written");
        }
    });
}

#[test]
fn who_knows_only_what_was_deleted_long_ago_reads_again_before_writing() {
    let (dir, url) = place();
    run(async {
        let (stale, other) = (open(&url).unwrap(), open(&url).unwrap());
        assert_eq!(stale.say(1, claim()).await, RecordReply::Done);
        grow(&other, 3).await;
        assert!(!names(&dir).contains(&summary::name(2)), "it could be created again");
        stale.known.lock().await.objects.at = None;
        assert_eq!(stale.say(0, Fact::FreshAllowed).await, RecordReply::Done);
        let read = other.load().await.unwrap().entries;
        assert_eq!(read.last().unwrap().fact, Fact::FreshAllowed);
        assert_eq!(read.len(), 3 * summary::MANY + 2);
    });
}

#[test]
fn a_summary_that_is_damaged_is_an_error_that_names_it() {
    let (dir, url) = place();
    run(async {
        let record = open(&url).unwrap();
        grow(&record, 1).await;
        let name = names(&dir).into_iter().find(|name| name.contains("summary")).unwrap();
        let file = dir.path().join("record").join(&name);
        let text = std::fs::read(&file).unwrap();
        std::fs::write(&file, &text[..text.len() - 9]).unwrap();
        let error = open(&url).unwrap().load().await.unwrap_err();
        assert!(!error.passes() && error.to_string().contains(&name), "{error}");
    });
}
