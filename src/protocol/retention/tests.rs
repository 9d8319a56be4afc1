//! Retention by example. A past is told epoch by epoch; what stands in the lines is what `prune` would say.

mod jobs;
mod properties;

use super::*;
use crate::protocol::choose::{IfFailed, Policy};
use crate::protocol::entry::{Attempt, Based, Claim, Directories, End, EndKind, Entry, Fact, Holder, Saved, VERSION};
use crate::protocol::history::History;
use crate::protocol::id::Id;
use crate::protocol::outcome::StopOutcome;
use crate::protocol::point::{Format, Found, Kind, Metadata, PointRef};

const CLUSTER: &str = "orders";
const SAVEPOINTS: &str = "s3://flink/savepoints";
const CHECKPOINTS: &str = "s3://flink/checkpoints";

fn job(epoch: u64) -> JobId {
    JobId::derived(CLUSTER, epoch)
}

fn savepoint(epoch: u64, id: u64) -> String {
    format!("{SAVEPOINTS}/{CLUSTER}/{epoch}/savepoint-{id}")
}

fn folder(epoch: u64) -> String {
    format!("{CHECKPOINTS}/{}", job(epoch))
}

fn checkpoint(epoch: u64, id: u64) -> String {
    format!("{}/chk-{id}", folder(epoch))
}

fn at(hour: i64) -> Timestamp {
    Timestamp::from_second(hour * 3_600).unwrap()
}

fn terms(keep: usize) -> Terms {
    Terms { keep, max_age: None, min_age: SignedDuration::from_hours(24), checkpoints: false, by_flink: false }
}

fn point(path: String, epoch: u64, id: u64) -> PointRef {
    PointRef { path, checkpoint_id: Some(id), epoch: Some(epoch) }
}

/// A cluster's past, and what storage holds.
#[derive(Debug, Clone, Default)]
struct Past {
    entries: Vec<Entry>,
    found: Vec<Found>,
    folders: Vec<JobFolder>,
    read: BTreeMap<String, Reading>,
    measured: BTreeMap<String, Measured>,
}

impl Past {
    fn fact(mut self, epoch: u64, fact: Fact) -> Self {
        let write_id = Id::from_bytes([u8::try_from(self.entries.len() + 1).unwrap(); 16]);
        self.entries.push(Entry { version: VERSION, write_id, at: at(1), epoch, fact });
        self
    }

    /// An epoch that Flink was seen to have started in, from this point.
    fn began(self, epoch: u64, base: Option<PointRef>) -> Self {
        let directories = Directories {
            savepoint: SAVEPOINTS.into(),
            flink_savepoint: None,
            checkpoint: CHECKPOINTS.into(),
            high_availability: None,
        };
        let holder = Holder {
            incarnation: Id::from_bytes([9; 16]),
            host: "host".into(),
            boot_id: "boot".into(),
            pid: 1,
            started: 1,
            pod: None,
        };
        let based = Based { base, reason: "test".into(), ..Based::default() };
        let claim = Claim { job_id: Some(job(epoch)), holder, directories, session: false, without_gate: false };
        self.fact(epoch, Fact::Claimed(claim))
            .fact(epoch, Fact::Based(based))
            .fact(epoch, Fact::Confirmed { job_id: job(epoch), restored: None })
    }

    fn found(mut self, path: &str, epoch: Option<u64>, metadata: Metadata) -> Self {
        self.found.push(Found {
            path: path.into(),
            checkpoint: false,
            job_id: None,
            job_prefix: Some(job(1).prefix()),
            epoch,
            metadata,
            modified: Some(at(1)),
        });
        self.measured.insert(path.into(), Measured { bytes: 100, changed: Some(at(1)), files: 2 });
        self
    }

    fn saved(self, epoch: u64, id: u64, kind: Kind) -> Self {
        let path = savepoint(epoch, id);
        let saved = Saved {
            job_id: job(epoch),
            job_name: None,
            point: point(path.clone(), epoch, id),
            kind,
            format: None,
            completed_at: at(i64::try_from(id).unwrap()),
            bytes: Some(100),
            duration_ms: None,
            predicted_ms: None,
            doubt: None,
            salvaged: false,
            drained: false,
        };
        self.fact(epoch, Fact::Saved(saved)).found(&path, Some(epoch), Metadata::Whole { checkpoint_id: id, bytes: 9 })
    }

    fn stopped(self, epoch: u64) -> Self {
        self.fact(epoch, Fact::Stopped { outcome: StopOutcome::Savepoint, reason: "done".into(), took: None })
    }

    fn checkpoint(mut self, epoch: u64, id: u64) -> Self {
        self = self.found(&checkpoint(epoch, id), None, Metadata::Whole { checkpoint_id: id, bytes: 9 });
        let found = self.found.last_mut().unwrap();
        (found.checkpoint, found.job_id, found.job_prefix) = (true, Some(job(epoch)), None);
        self
    }

    fn folder(mut self, epoch: u64) -> Self {
        self.folders.push(JobFolder { path: folder(epoch), job_id: job(epoch) });
        self.measured.insert(folder(epoch), Measured { bytes: 5_000, changed: Some(at(1)), files: 3 });
        self
    }

    fn written(mut self, path: &str, at: Option<Timestamp>, files: u64) -> Self {
        self.measured.insert(path.into(), Measured { bytes: files * 10, changed: at, files });
        self
    }

    fn refers(mut self, path: &str, directories: &[&str]) -> Self {
        let needs = directories.iter().map(|directory| (*directory).to_owned()).collect();
        self.read.insert(path.into(), Reading::Needs(needs));
        self
    }

    fn unreadable(mut self, path: &str) -> Self {
        self.read.insert(path.into(), Reading::Unreadable("forbidden".into()));
        self
    }

    fn inventory(&self) -> Inventory {
        let mut history = History::read(&self.entries);
        history.cluster = Some(CLUSTER.into());
        let situation = Situation {
            unseen: None,
            cluster: CLUSTER.into(),
            epoch: history.highest_epoch() + 1,
            history,
            found: self.found.clone(),
            explicit: None,
            fixed_job_id: None,
            policy: Policy {
                fresh_without_history: true,
                previous_if_broken: false,
                trust_unverifiable: false,
                max_state_age: None,
                on_leftover: crate::protocol::ha::OnLeftover::Finish,
                if_failed: IfFailed { attempts: 3, previous: false, allow_non_restored_state: false },
            },
            broken: BTreeMap::new(),
            doubted: BTreeMap::new(),
            leftovers: None,
            now: at(100),
            session: false,
        };
        let (folders, measured) = (self.folders.clone(), self.measured.clone());
        Inventory { situation, folders, measured, read: self.read.clone() }
    }

    /// What is found once everything that the rules ask for was read; what the test does not speak of refers to nothing.
    fn findings(&self, terms: &Terms) -> Findings {
        let mut inventory = self.inventory();
        loop {
            let findings = findings(&inventory, terms);
            if findings.unread.is_empty() {
                assert_eq!(findings.unmeasured, [""; 0]);
                return findings;
            }
            for path in findings.unread {
                assert!(inventory.read.insert(path, Reading::Needs(BTreeSet::new())).is_none(), "asked for twice");
            }
        }
    }

    #[track_caller]
    fn deletes(&self, terms: &Terms, paths: &[String]) -> Findings {
        let findings = self.findings(terms);
        let deleted: Vec<&String> =
            findings.lines.iter().filter(|line| line.verdict == Verdict::Delete).map(|line| &line.path).collect();
        assert_eq!(deleted, paths.iter().collect::<Vec<_>>(), "{findings:#?}");
        for line in &findings.lines {
            assert!(!line.reason.is_empty(), "{line:?}");
        }
        findings
    }
}

#[track_caller]
fn says(findings: &Findings, path: &str, verdict: Verdict, words: &str) {
    let line = findings.lines.iter().find(|line| line.path == path);
    let line = line.unwrap_or_else(|| panic!("no line for {path} in {findings:#?}"));
    assert!(line.verdict == verdict && line.reason.contains(words), "{line:#?}");
}

/// Epochs 1 to `epochs`, each from the final savepoint of the one before; number `n` of epoch `n`.
fn cycles(epochs: u64) -> Past {
    (1..=epochs).fold(Past::default(), |past, epoch| {
        let base = (epoch > 1).then(|| point(savepoint(epoch - 1, epoch - 1), epoch - 1, epoch - 1));
        past.began(epoch, base).saved(epoch, epoch, Kind::Final).stopped(epoch)
    })
}

#[test]
fn the_newest_savepoints_stay_and_older_ones_go() {
    let past = cycles(5);
    let findings = past.deletes(&terms(3), &[savepoint(2, 2), savepoint(1, 1)]);
    says(&findings, &savepoint(5, 5), Verdict::Keep, "the next start restores it");
    says(&findings, &savepoint(3, 3), Verdict::Keep, "one of the 3 newest savepoints");
    says(&findings, &savepoint(2, 2), Verdict::Delete, "older than the 3 newest savepoints");
    past.deletes(&terms(5), &[]);
    past.deletes(&terms(0), &[savepoint(4, 4), savepoint(3, 3), savepoint(2, 2), savepoint(1, 1)]);
}

#[test]
fn age_takes_all_but_the_newest() {
    let old = Terms { max_age: Some(SignedDuration::from_hours(97)), ..terms(10) };
    // They were complete at the hour of their number, and now it is 100.
    cycles(5).deletes(&old, &[savepoint(2, 2), savepoint(1, 1)]);
    let all = Terms { max_age: Some(SignedDuration::from_secs(1)), ..terms(10) };
    cycles(3).deletes(&all, &[savepoint(2, 2), savepoint(1, 1)]);
}

#[test]
fn what_a_person_pinned_stays() {
    let past = cycles(4).fact(0, Fact::Pinned { path: savepoint(1, 1) });
    // The newest stays too: the pin may be taken back.
    let findings = past.deletes(&terms(1), &[savepoint(3, 3), savepoint(2, 2)]);
    says(&findings, &savepoint(1, 1), Verdict::Keep, "the next start restores it");
    says(&findings, &savepoint(4, 4), Verdict::Keep, "the newest savepoint");
}

#[test]
fn the_base_stays_until_the_new_run_has_completed_something() {
    let base = point(savepoint(2, 2), 2, 2);
    let running = cycles(3).began(4, Some(base));
    let findings = running.deletes(&terms(1), &[savepoint(1, 1)]);
    says(&findings, &savepoint(2, 2), Verdict::Keep, "the next start restores it");
    let checkpointed = running.checkpoint(4, 4).folder(4);
    // It went back to the second: the third is of a line that was left, and one of those stays as well.
    let findings = checkpointed.deletes(&terms(1), &[savepoint(1, 1)]);
    says(&findings, &savepoint(2, 2), Verdict::Keep, "the newest savepoint");
    says(&findings, &savepoint(3, 3), Verdict::Keep, "did not go on from");
}

#[test]
fn a_base_that_is_not_confirmed_stays() {
    let mut past = cycles(3).began(4, Some(point(savepoint(1, 1), 1, 1))).checkpoint(4, 9);
    past.entries.retain(|entry| entry.epoch != 4 || !matches!(entry.fact, Fact::Confirmed { .. }));
    let findings = past.deletes(&terms(1), &[savepoint(2, 2)]);
    says(&findings, &savepoint(1, 1), Verdict::Keep, "not confirmed");
}

#[test]
fn savepoints_of_others_are_not_even_spoken_of() {
    let foreign = format!("{SAVEPOINTS}/savepoint-123456-aaaaaaaaaaaa");
    let other_cluster = format!("{SAVEPOINTS}/payments/1/savepoint-1");
    let past = cycles(3)
        .found(&foreign, None, Metadata::Whole { checkpoint_id: 1, bytes: 9 })
        .found(&other_cluster, Some(1), Metadata::Missing)
        .found(&format!("{SAVEPOINTS}/savepoint-123456-bbbbbbbbbbbb"), None, Metadata::Missing);
    let findings = past.deletes(&terms(1), &[savepoint(2, 2), savepoint(1, 1)]);
    assert_eq!(findings.lines.len(), 3, "{findings:#?}");
}

#[test]
fn what_a_person_took_is_not_counted_away() {
    let past = cycles(3).saved(1, 10, Kind::Manual).began(4, Some(point(savepoint(3, 3), 3, 3)));
    let findings = past.findings(&terms(1));
    says(&findings, &savepoint(1, 10), Verdict::Keep, "a person took it");
}

#[test]
fn a_start_that_would_be_refused_stops_everything() {
    let lost = Saved {
        job_id: job(4),
        job_name: None,
        point: point(savepoint(4, 4), 4, 4),
        kind: Kind::Final,
        format: None,
        completed_at: at(4),
        bytes: None,
        duration_ms: None,
        predicted_ms: None,
        doubt: None,
        salvaged: false,
        drained: false,
    };
    let past = cycles(3).began(4, Some(point(savepoint(3, 3), 3, 3))).fact(4, Fact::Saved(lost));
    let findings = past.deletes(&terms(1), &[]);
    says(&findings, &savepoint(1, 1), Verdict::Keep, "the next start would be refused");
    Past::default()
        .found(&savepoint(1, 1), Some(1), Metadata::Whole { checkpoint_id: 1, bytes: 9 })
        .deletes(&terms(1), &[]);
}

#[test]
fn a_point_that_is_referred_to_stays_and_so_does_what_it_refers_to_itself() {
    let shared = format!("{}/shared", savepoint(1, 1));
    // Scheme names of one store differ: Flink writes the one that it was given.
    let alias = savepoint(2, 2).replace("s3://", "s3a://");
    let past = cycles(5).refers(&savepoint(5, 5), &[&alias]).refers(&savepoint(2, 2), &[&shared]);
    let findings = past.deletes(&terms(1), &[savepoint(4, 4), savepoint(3, 3)]);
    says(&findings, &savepoint(2, 2), Verdict::Keep, &format!("but {} refers to it", savepoint(5, 5)));
    says(&findings, &savepoint(1, 1), Verdict::Keep, &format!("but {} refers to it", savepoint(2, 2)));
}

#[test]
fn nothing_goes_while_a_point_that_stays_cannot_be_read() {
    let findings = cycles(4).unreadable(&savepoint(3, 3)).deletes(&terms(2), &[]);
    says(&findings, &savepoint(1, 1), Verdict::Keep, "can't be read: forbidden");
    // Of what goes itself nobody has to know.
    cycles(4).unreadable(&savepoint(1, 1)).deletes(&terms(2), &[savepoint(2, 2), savepoint(1, 1)]);
}

#[test]
fn nothing_is_read_where_nothing_would_go() {
    let past = cycles(3);
    assert_eq!(findings(&past.inventory(), &terms(3)).unread, [""; 0]);
    let asked = findings(&past.inventory(), &terms(2));
    assert_eq!(asked.unread, [savepoint(2, 2), savepoint(3, 3)]);
    assert!(asked.lines.iter().all(|line| line.verdict == Verdict::Keep), "not before it is known: {asked:#?}");
}

#[test]
fn half_written_savepoints_go_when_nobody_works_on_them() {
    let half = savepoint(1, 7);
    let past = || cycles(3).found(&half, Some(1), Metadata::Missing);
    let findings = past().deletes(&terms(9), std::slice::from_ref(&half));
    says(&findings, &half, Verdict::Delete, "half-written");
    let young = past().written(&half, Some(at(99)), 2).deletes(&terms(9), &[]);
    says(&young, &half, Verdict::Keep, "written within the last 24h");
    let ageless = past().written(&half, None, 2).deletes(&terms(9), &[]);
    says(&ageless, &half, Verdict::Keep, "nobody knows");
    past().written(&half, None, 0).deletes(&terms(9), std::slice::from_ref(&half));
    let unmeasured = Past { measured: BTreeMap::new(), ..past() };
    let asked = super::findings(&unmeasured.inventory(), &terms(9));
    assert!(asked.unmeasured.contains(&half), "{asked:#?}");
}

#[test]
fn half_written_savepoints_of_an_attempt_without_outcome_stay() {
    let half = savepoint(4, 7);
    let attempt = Attempt {
        job_id: job(4),
        trigger_id: Id::from_bytes([3; 16]),
        target: "x".into(),
        format: Format::Native,
        drain: false,
    };
    let past = cycles(3).began(4, Some(point(savepoint(3, 3), 3, 3))).fact(4, Fact::Attempted(attempt)).found(
        &half,
        Some(4),
        Metadata::Missing,
    );
    says(&past.deletes(&terms(9), &[]), &half, Verdict::Keep, "under way");
    let empty = past.clone().written(&half, None, 0);
    says(&empty.deletes(&terms(9), &[]), &half, Verdict::Keep, "under way");
    past.saved(4, 4, Kind::Final).stopped(4).deletes(&terms(9), &[half]);
}

#[test]
fn what_is_damaged_is_reported_and_does_not_count() {
    let past = cycles(4).found(&savepoint(2, 8), Some(2), Metadata::Broken("bad magic".into()));
    let findings = past.deletes(&terms(2), &[savepoint(2, 2), savepoint(1, 1)]);
    says(&findings, &savepoint(2, 8), Verdict::Report, "bad magic");
    let mut inventory = cycles(4).inventory();
    inventory.situation.broken.insert(savepoint(3, 3), "a file is missing".into());
    for path in [savepoint(4, 4), savepoint(2, 2)] {
        inventory.read.insert(path, Reading::Needs(BTreeSet::new()));
    }
    let findings = super::findings(&inventory, &terms(2));
    says(&findings, &savepoint(3, 3), Verdict::Report, "a file is missing");
    says(&findings, &savepoint(2, 2), Verdict::Keep, "one of the 2");
    says(&findings, &savepoint(1, 1), Verdict::Delete, "older");
}

#[test]
fn what_an_interrupted_prune_left_goes_first_of_all() {
    let given_up = |past: Past| past.fact(5, Fact::Pruned { path: savepoint(1, 1) });
    // However many may stay: it may not be whole any more.
    let findings = given_up(cycles(4)).deletes(&terms(9), &[savepoint(1, 1)]);
    says(&findings, &savepoint(1, 1), Verdict::Delete, "did not come to its end");
    let mut half = given_up(cycles(4)).written(&savepoint(1, 1), Some(at(99)), 1);
    half.found[0].metadata = Metadata::Missing;
    half.deletes(&terms(9), &[savepoint(1, 1)]);
    // Unless a person wants it all the same.
    given_up(cycles(4)).fact(0, Fact::Pinned { path: savepoint(1, 1) }).deletes(&terms(9), &[]);
}

#[test]
fn checkpoint_folders_that_are_left_over_go_only_by_the_verb_and_when_they_are_old() {
    let past = || cycles(3).folder(1).folder(3).checkpoint(1, 0);
    let by_verb = Terms { checkpoints: true, ..terms(1) };
    let findings = past().deletes(&terms(9), &[]);
    says(&findings, &folder(1), Verdict::Keep, "it holds chk-0");
    let findings = past().deletes(&terms(1), &[savepoint(2, 2), savepoint(1, 1)]);
    says(&findings, &folder(1), Verdict::Report, "prune --checkpoints");
    says(&findings, &folder(3), Verdict::Keep, "of epoch 3, which is in use");
    assert_eq!(findings.lines.last().unwrap().bytes, Some(5_000));
    past().deletes(&by_verb, &[savepoint(2, 2), savepoint(1, 1), folder(1)]);
    let young = past().written(&folder(1), Some(at(99)), 3).deletes(&by_verb, &[savepoint(2, 2), savepoint(1, 1)]);
    says(&young, &folder(1), Verdict::Keep, "written within");
    let referred = past().refers(&savepoint(3, 3), &[&format!("{}/shared", folder(1))]);
    let referred = referred.deletes(&by_verb, &[savepoint(2, 2), savepoint(1, 1)]);
    says(&referred, &folder(1), Verdict::Keep, "refers to it");
}

#[test]
fn the_folders_that_hold_the_newest_points_stay_where_a_job_only_ever_crashed() {
    let mut past = Past::default();
    for epoch in 1..=5 {
        let base = (epoch > 1).then(|| point(checkpoint(epoch - 1, epoch - 1), epoch - 1, epoch - 1));
        past = past.began(epoch, base).checkpoint(epoch, epoch).folder(epoch);
    }
    let by_verb = Terms { checkpoints: true, ..terms(2) };
    let findings = past.deletes(&by_verb, &[folder(1), folder(2), folder(3)]);
    says(&findings, &folder(4), Verdict::Keep, "it holds chk-4: one of the 2 newest points");
}

#[test]
fn folders_and_savepoints_of_unknown_epochs_are_only_reported() {
    let mut past = cycles(3).folder(2);
    past.entries.retain(|entry| entry.epoch != 2);
    past.found.retain(|found| found.epoch != Some(2));
    let past = past.found(&savepoint(2, 2), Some(2), Metadata::Whole { checkpoint_id: 2, bytes: 9 });
    let findings = past.deletes(&Terms { checkpoints: true, ..terms(1) }, &[]);
    says(&findings, &savepoint(2, 2), Verdict::Report, "the record does not know");
    says(&findings, &folder(2), Verdict::Report, "as far as the record knows");
}

#[test]
fn the_savepoint_of_a_job_that_ended_stays() {
    let end = End { job_id: job(3), how: EndKind::Finished, savepoint: None, reason: String::new() };
    let past = cycles(3).fact(3, Fact::Ended(end));
    past.deletes(&terms(1), &[savepoint(2, 2), savepoint(1, 1)]);
}
