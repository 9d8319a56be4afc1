//! Of a cluster that runs several jobs nothing goes that any of them goes on from, or that is its newest savepoint.

use proptest::prelude::*;

use super::super::super::entry::{JobEvent, OfJob};
use super::*;

const NAMES: [&str; 3] = ["a", "b", "c"];

fn id(epoch: u64, n: usize) -> JobId {
    JobId::from_bytes([u8::try_from(epoch).unwrap() * 16 + u8::try_from(n).unwrap(); 16])
}

fn own(epoch: u64, n: usize) -> String {
    format!("{SAVEPOINTS}/{CLUSTER}/{epoch}/{}/savepoint-1", id(epoch, n))
}

impl Past {
    fn of_job(self, epoch: u64, n: usize, event: JobEvent) -> Self {
        self.fact(epoch, Fact::Job(OfJob { job_id: id(epoch, n), job_name: NAMES[n].into(), event }))
    }

    fn job_saved(mut self, epoch: u64, n: usize) -> Self {
        let saved = Saved {
            job_id: id(epoch, n),
            job_name: Some(NAMES[n].into()),
            point: point(own(epoch, n), epoch, epoch * 10),
            kind: Kind::Final,
            format: None,
            completed_at: at(i64::try_from(epoch).unwrap()),
            bytes: Some(100),
            duration_ms: None,
            predicted_ms: None,
            drained: false,
            doubt: None,
            salvaged: false,
        };
        let whole = Metadata::Whole { checkpoint_id: epoch * 10, bytes: 9 };
        self = self.fact(epoch, Fact::Saved(saved)).found(&own(epoch, n), Some(epoch), whole);
        self.found.last_mut().unwrap().job_id = Some(id(epoch, n));
        self
    }
}

fn in_session(past: &Past) -> Inventory {
    let mut inventory = past.inventory();
    inventory.situation.session = true;
    inventory.situation.now = at(1_000_000);
    for found in &past.found {
        inventory.read.insert(found.path.clone(), Reading::Needs(BTreeSet::new()));
    }
    inventory
}

fn deleted(inventory: &Inventory, keep: usize, max_age: Option<SignedDuration>) -> Vec<String> {
    let terms = Terms { keep, max_age, min_age: SignedDuration::ZERO, checkpoints: false, by_flink: false };
    let lines = findings(inventory, &terms).lines;
    lines.into_iter().filter(|line| line.verdict == Verdict::Delete).map(|line| line.path).collect()
}

#[test]
fn the_newest_savepoint_of_a_job_stays_however_many_others_have_newer_ones() {
    let mut past = Past::default().began(1, None).job_saved(1, 0).job_saved(1, 1);
    for epoch in 2..=5 {
        past = past.began(epoch, None).job_saved(epoch, 1);
    }
    let gone = deleted(&in_session(&past), 2, Some(SignedDuration::from_secs(1)));
    assert_eq!(gone, [own(4, 1), own(3, 1), own(2, 1), own(1, 1)], "the others are too old");
    let gone = deleted(&in_session(&past), 2, None);
    assert_eq!(gone, [own(3, 1), own(2, 1), own(1, 1)]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_goes_each_job_waits_as_before_and_keeps_its_newest_savepoint(
        lives in proptest::collection::vec(proptest::array::uniform3(0_u8..4), 1..7),
        keep in 1_usize..3,
        aged in any::<bool>(),
    ) {
        let mut past = Past::default();
        let mut newest = [const { None::<String> }; 3];
        for (epoch, lives) in (1..).zip(&lives) {
            past = past.began(epoch, None);
            for (n, life) in lives.iter().enumerate() {
                let from = newest[n].clone().filter(|_| *life > 1);
                let restored = from.map(|path| point(path, epoch, 1));
                if *life == 0 || (restored.is_none() && *life > 1) {
                    continue;
                }
                past = past.of_job(epoch, n, JobEvent::Running { restored });
                if *life != 2 {
                    past = past.job_saved(epoch, n);
                    newest[n] = Some(own(epoch, n));
                }
            }
        }
        let inventory = in_session(&past);
        let gone = deleted(&inventory, keep, aged.then_some(SignedDuration::from_secs(1)));
        for path in newest.iter().flatten() {
            prop_assert!(!gone.contains(path), "{path} of {gone:?}");
        }
        let mut after = inventory.situation.clone();
        after.found.retain(|found| !gone.contains(&found.path));
        after.history.pruned.extend(gone.iter().cloned());
        let points = |situation: &Situation| -> Vec<_> {
            situation.waiting().into_iter().map(|one| (one.job_name, one.point.map(|point| point.path))).collect()
        };
        prop_assert_eq!(points(&after), points(&inventory.situation));
    }
}
