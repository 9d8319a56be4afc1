//! What holds for any past, any terms and whatever points refer to: the pasts are those of the choice's own properties.

use proptest::prelude::*;
use proptest::sample::Index;

use super::*;
use crate::protocol::choose::tests::properties::situations;
use crate::protocol::choose::{Choice, Decision, choose, standing};

#[derive(Debug, Clone)]
struct Case {
    inventory: Inventory,
    terms: Terms,
    /// What points refer to, once they are read: other directories; some can't be read. The rest refers to nothing.
    needs: BTreeMap<String, Reading>,
}

fn case() -> impl Strategy<Value = Case> {
    let terms = (0..4_usize, any::<bool>(), any::<bool>()).prop_map(|(keep, checkpoints, aged)| Terms {
        keep,
        max_age: aged.then(|| SignedDuration::from_hours(10)),
        min_age: SignedDuration::from_hours(24),
        checkpoints,
        by_flink: false,
    });
    let needs = prop::collection::vec((any::<Index>(), prop::option::weighted(0.9, any::<Index>())), 0..6);
    let broken = prop::collection::vec(any::<Index>(), 0..2);
    let foreign = any::<bool>();
    (situations(), terms, needs, broken, foreign).prop_map(|(mut situation, terms, needs, broken, foreign)| {
        for epoch in situation.history.epochs.values_mut() {
            epoch.confirmed = epoch.progressed.is_some();
            if let Some(claim) = &mut epoch.claim {
                claim.directories.savepoint = SAVEPOINTS.into();
            }
        }
        for index in broken.iter().filter(|_| !situation.found.is_empty()) {
            let path = index.get(&situation.found).path.clone();
            situation.broken.insert(path, "a file is missing".into());
        }
        if foreign {
            situation.found.push(Found {
                path: format!("{SAVEPOINTS}/savepoint-ffffff-1"),
                checkpoint: false,
                job_id: None,
                job_prefix: Some("ffffff".into()),
                epoch: None,
                metadata: Metadata::Whole { checkpoint_id: 1, bytes: 1 },
                modified: None,
            });
        }
        situation.now = at(500);
        let jobs: BTreeSet<JobId> = situation.found.iter().filter_map(|found| found.job_id).collect();
        let folders: Vec<JobFolder> =
            jobs.into_iter().map(|job_id| JobFolder { path: format!("{CHECKPOINTS}/{job_id}"), job_id }).collect();
        let all = situation.found.iter().map(|found| &found.path).chain(folders.iter().map(|folder| &folder.path));
        let old = Measured { bytes: 1, changed: Some(at(1)), files: 1 };
        let all: Vec<String> = all.cloned().collect();
        let measured = all.iter().map(|path| (path.clone(), old)).collect();
        let mut read = BTreeMap::new();
        for (who, what) in needs.iter().filter(|_| !situation.found.is_empty()) {
            let who = who.get(&situation.found).path.clone();
            let reading = what.as_ref().map(|what| what.get(&all).clone());
            match (read.entry(who).or_insert_with(|| Reading::Needs(BTreeSet::new())), reading) {
                (Reading::Needs(needs), Some(directory)) => _ = needs.insert(directory),
                (known, None) => *known = Reading::Unreadable("forbidden".into()),
                (Reading::Unreadable(_), Some(_)) => {}
            }
        }
        let needs = read;
        Case { inventory: Inventory { situation, folders, measured, read: BTreeMap::new() }, terms, needs }
    })
}

impl Case {
    /// What a point refers to.
    fn reading(&self, path: &str) -> Reading {
        self.needs.get(path).cloned().unwrap_or_else(|| Reading::Needs(BTreeSet::new()))
    }

    /// Reads what the rules ask for until they are sure.
    fn settle(&self) -> Findings {
        let mut inventory = self.inventory.clone();
        loop {
            let findings = findings(&inventory, &self.terms);
            assert_eq!(findings.unmeasured, [""; 0]);
            if findings.unread.is_empty() {
                return findings;
            }
            for path in findings.unread {
                let reading = self.reading(&path);
                assert!(inventory.read.insert(path, reading).is_none(), "asked for twice");
            }
        }
    }

    fn deleted(&self) -> Vec<String> {
        let lines = self.settle().lines;
        let mut deleted: Vec<String> =
            lines.into_iter().filter(|line| line.verdict == Verdict::Delete).map(|line| line.path).collect();
        deleted.sort();
        deleted
    }
}

fn is_in(path: &str, deleted: &[String]) -> bool {
    deleted.iter().any(|gone| path == gone || path.starts_with(&format!("{gone}/")))
}

/// Recorded as given up and nothing deleted yet; `_metadata` gone; all of it gone.
fn stages(before: &Situation, deleted: &[String]) -> [Situation; 3] {
    let mut recorded = before.clone();
    recorded.history.pruned.extend(deleted.iter().cloned());
    for epoch in recorded.history.epochs.values_mut() {
        epoch.saved.retain(|saved| !is_in(&saved.point.path, deleted));
    }
    let mut begun = recorded.clone();
    for found in begun.found.iter_mut().filter(|found| is_in(&found.path, deleted)) {
        found.metadata = Metadata::Missing;
    }
    let mut gone = recorded.clone();
    gone.found.retain(|found| !is_in(&found.path, deleted));
    [recorded, begun, gone]
}

/// Whatever the next start may be told, and whichever policy holds then.
fn asked(situation: &Situation) -> Vec<Situation> {
    let mut all = Vec::new();
    for previous_if_broken in [false, true] {
        for request in [situation.history.request.clone(), None] {
            let mut one = situation.clone();
            (one.policy.previous_if_broken, one.history.request) = (previous_if_broken, request);
            all.push(one);
        }
    }
    all
}

fn restored(choice: &Choice) -> Option<&str> {
    match &choice.decision {
        Decision::Restore(point) => Some(&point.path),
        Decision::Fresh | Decision::Resubmit | Decision::Hold | Decision::Refuse => None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_deleted_the_next_start_decides_the_same(case in case(), also_broken in any::<Index>()) {
        let deleted = case.deleted();
        let before = &case.inventory.situation;
        let staying: Vec<String> =
            before.found.iter().map(|found| found.path.clone()).filter(|path| !is_in(path, &deleted)).collect();
        for after in stages(before, &deleted) {
            for (before, after) in asked(before).iter().zip(asked(&after)) {
                let (expected, chosen) = (choose(before), choose(&after));
                // Going on with the rest of the line is for the policy only, and then within what stays.
                if restored(&expected).is_none_or(|path| !is_in(path, &deleted)) {
                    prop_assert_eq!(&chosen.decision, &expected.decision, "deleted: {:?}", &deleted);
                } else {
                    prop_assert!(before.policy.previous_if_broken != case.inventory.situation.policy.previous_if_broken);
                }
                // One more that stays turns out to be unusable.
                if !staying.is_empty() {
                    let path = also_broken.get(&staying);
                    let with = |situation: &Situation| {
                        let mut situation = situation.clone();
                        situation.broken.insert(path.clone(), "worse and worse".into());
                        choose(&situation)
                    };
                    let (expected, chosen) = (with(before), with(&after));
                    if restored(&expected).is_none_or(|path| !is_in(path, &deleted)) {
                        prop_assert_eq!(&chosen.decision, &expected.decision, "deleted: {:?}", &deleted);
                    } else {
                        prop_assert_ne!(chosen.decision, Decision::Fresh);
                    }
                }
            }
        }
    }

    #[test]
    fn nothing_goes_that_is_referred_to_newest_pinned_foreign_or_in_use(case in case()) {
        let deleted = case.deleted();
        let situation = &case.inventory.situation;
        let standing = standing(situation);
        for one in standing.iter().filter(|one| !is_in(&one.point.path, &deleted)) {
            match case.reading(&one.point.path) {
                Reading::Needs(directories) => {
                    for directory in &directories {
                        prop_assert!(!is_in(directory, &deleted), "{} needs {directory}", one.point.path);
                    }
                }
                Reading::Unreadable(_) => prop_assert!(deleted.is_empty(), "{} can't be read", one.point.path),
            }
        }
        let history = &situation.history;
        if let Some(pin) = history.request.as_ref().and_then(|request| request.pin.as_ref()) {
            prop_assert!(!is_in(pin, &deleted));
        }
        if let Some((number, epoch, based)) = history.newest_based(u64::MAX) {
            let folder = format!("{CHECKPOINTS}/{}", job(number));
            prop_assert!(!deleted.contains(&folder));
            let later = standing.iter().any(|one| one.in_line && one.point.epoch == Some(number));
            if let Some(base) = based.base.as_ref().filter(|_| !later || !epoch.confirmed) {
                prop_assert!(!is_in(&base.path, &deleted), "the base that is needed");
            }
        } else {
            prop_assert!(deleted.is_empty());
        }
        for path in &deleted {
            prop_assert!(path.starts_with(&format!("{SAVEPOINTS}/{CLUSTER}/")) || case.terms.checkpoints, "{path}");
        }
        let newest = standing.iter().find(|one| one.in_line);
        prop_assert!(newest.is_none_or(|newest| !is_in(&newest.point.path, &deleted)));
        // So many savepoints of the line are there to go back to, age apart.
        if case.terms.max_age.is_none() {
            let line: Vec<_> = standing.iter().filter(|one| one.in_line && !one.checkpoint).collect();
            let left = line.iter().filter(|one| !is_in(&one.point.path, &deleted)).count();
            prop_assert!(left >= line.len().min(case.terms.keep.max(1)), "{left} are left of {}", line.len());
        }
    }

    #[test]
    fn flink_is_given_what_the_store_would_delete_and_only_what_it_deletes_alone(case in case()) {
        let by_store = case.deleted();
        let by_flink = Case { terms: Terms { by_flink: true, ..case.terms }, ..case };
        for path in by_flink.deleted() {
            prop_assert!(by_store.contains(&path), "{path}");
            let found = by_flink.inventory.situation.found.iter().find(|found| found.path == path);
            prop_assert!(found.is_some_and(|found| !found.checkpoint && found.metadata != Metadata::Missing), "{path}");
            prop_assert_eq!(by_flink.reading(&path), Reading::Needs(BTreeSet::new()), "{}", path);
        }
    }

    #[test]
    fn a_prune_that_was_interrupted_is_brought_to_its_end_and_then_nothing_is_left_to_do(case in case()) {
        let deleted = case.deleted();
        let [recorded, begun, gone] = stages(&case.inventory.situation, &deleted);
        for situation in [recorded, begun] {
            let again = Case { inventory: Inventory { situation, ..case.inventory.clone() }, ..case.clone() };
            prop_assert_eq!(again.deleted(), deleted.clone(), "{:?}", again.settle().lines);
        }
        let mut inventory = Inventory { situation: gone, ..case.inventory.clone() };
        inventory.folders.retain(|folder| !deleted.contains(&folder.path));
        let again = Case { inventory, ..case };
        prop_assert_eq!(again.deleted(), Vec::<String>::new());
    }
}
