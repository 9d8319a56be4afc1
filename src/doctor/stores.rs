//! Whether record and directories can be read, and written where savepointd writes; and whether their store keeps its word that
//! of several who create the same object one does.

use super::{Finding, Subject, Verdict};
use crate::config::RecordKind;
use crate::storage::{Created, Error, Place};
use crate::{random, report};

pub(super) async fn check(subject: &Subject<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let record = subject.config.record.as_str();
    let about = format!("record {record}");
    match subject.config.record.kind() {
        RecordKind::ConfigMap { .. } => {}
        RecordKind::Directory(_) | RecordKind::ObjectStore => match subject.storage.place(record) {
            Ok(place) => findings.extend(writable(&about, &place).await),
            Err(error) => findings.push(unreadable(&about, &error)),
        },
    }
    match subject.record.load().await {
        Ok(snapshot) => findings.push(Finding::good(&about, format!("holds {} entries", snapshot.entries.len()))),
        Err(error) if findings.is_empty() => {
            let fix = "see that it can be read and written by this pod: README, \"The record\"";
            findings.push(Finding::trouble(Verdict::Bad, &about, report::chain(&error), fix));
        }
        // Said already.
        Err(_) => {}
    }

    if let Some(missing) = &subject.missing {
        let fix = "set them in Flink's configuration: execution.checkpointing.savepoint-dir and execution.checkpointing.dir (before 1.20: \
                   state.savepoints.dir and state.checkpoints.dir); or savepoint.directory and checkpoint.directory here";
        findings.push(Finding::trouble(Verdict::Bad, "Flink's directories", missing, fix));
        return findings;
    }
    let Some(directories) = subject.directories else {
        let fix = "give its command line as for a start: savepointd doctor -- CMD";
        findings.push(Finding::trouble(
            Verdict::Doubtful,
            "Flink's directories",
            "not known before the first start",
            fix,
        ));
        return findings;
    };
    let savepoint = format!("savepoint directory {}", directories.savepoint);
    match subject.storage.place(&directories.savepoint) {
        // The marker is written there.
        Ok(place) => findings.extend(writable(&savepoint, &place.join(subject.cluster)).await),
        Err(error) => findings.push(unreadable(&savepoint, &error)),
    }
    let others =
        [("checkpoint", Some(&directories.checkpoint)), ("Flink's savepoint", directories.flink_savepoint.as_ref())];
    for (name, url) in others {
        let Some(url) = url else { continue };
        let about = format!("{name} directory {url}");
        let listed = async { subject.storage.place(url)?.children().await };
        findings.push(match listed.await {
            Ok(_) => Finding::good(&about, "can be read"),
            Err(error) => unreadable(&about, &error),
        });
    }
    findings
}

fn unreadable(about: &str, error: &Error) -> Finding {
    Finding::trouble(Verdict::Bad, about, report::chain(error), fix(error))
}

/// The way out of a store's error.
fn fix(error: &Error) -> &'static str {
    match error {
        Error::Unsupported(_) => "keep state where savepointd can read it",
        Error::NoEndpoint(_) => "set storage.endpoint (SAVEPOINTD_STORAGE__ENDPOINT)",
        Error::NoNameNode(_) => "set storage.namenode (SAVEPOINTD_STORAGE__NAMENODE)",
        Error::NoBucket(_) => "create the bucket or container, or correct its name",
        Error::Path { .. } | Error::NotADirectory(_) => "name another directory",
        Error::Client { .. } => "give the agent CA certificates: storage.ca (SAVEPOINTD_STORAGE__CA)",
        Error::Store { .. } if error.passes() => {
            "see that the store is up, and that its endpoint (storage.endpoint, SAVEPOINTD_STORAGE__ENDPOINT) can be reached"
        }
        Error::Store { .. } => "let these credentials list, read, create and delete what lies there, or give others",
    }
}

/// Tries it out, and leaves nothing behind.
async fn writable(about: &str, folder: &Place) -> Vec<Finding> {
    if let Err(error) = folder.children().await {
        return vec![unreadable(about, &error)];
    }
    let mut findings = vec![Finding::good(about, "can be read")];
    let id = random::id();
    let files = [folder.join(&format!("doctor-{id}-twice")), folder.join(&format!("doctor-{id}-race"))];
    let [twice, race] = &files;
    findings.push(match keeps_its_word(twice, race).await {
        Ok(true) => Finding::good(about, "can be written, and of several who create the same object one does"),
        Ok(false) => Finding::trouble(
            Verdict::Bad,
            about,
            "the store lets two create the same object: it ignores the condition under which they write, and two pods could both believe that they \
             hold the newest epoch",
            "use a store that honours conditional writes, or keep the record in a ConfigMap",
        ),
        Err(error) => unreadable(about, &error),
    });
    for file in &files {
        if let Err(error) = file.delete().await {
            let found = format!("{} can't be deleted: {}", file.url(), report::chain(&error));
            findings.push(Finding::trouble(
                Verdict::Doubtful,
                about,
                found,
                "delete it by hand; for prune and retention, let these credentials delete",
            ));
        }
    }
    findings
}

/// Whether the second of two is refused, one after the other and both at once, and the first one's content stays.
async fn keeps_its_word(twice: &Place, race: &Place) -> Result<bool, Error> {
    let content = |text: &str| text.as_bytes().to_vec();
    // A store may say of a first one, whose reply was lost on the way, that it exists: its content tells.
    twice.create(content("first")).await?;
    let second = twice.create(content("second")).await?;
    if second == Created::Done || twice.read().await? != content("first") {
        return Ok(false);
    }
    let (one, other) = futures_util::join!(race.create(content("one")), race.create(content("other")));
    let (one, other) = (one? == Created::Done, other? == Created::Done);
    let stored = race.read().await?;
    Ok(match (one, other) {
        (true, true) => false,
        (true, false) => stored == content("one"),
        (false, true) => stored == content("other"),
        // Both were told that the other had been quicker: careful, but not wrong.
        (false, false) => true,
    })
}
