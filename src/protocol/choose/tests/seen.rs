//! What an epoch notes of the savepoints in Flink's default directory is as little as attribution needs.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::protocol::choose::points::attribute;

fn manual(n: u64, metadata: Metadata) -> Found {
    Found {
        path: format!("s3://flink/default/savepoint-{n}"),
        checkpoint: false,
        job_id: None,
        job_prefix: Some(JobId::derived(CLUSTER, 0).prefix()),
        epoch: None,
        metadata,
        modified: None,
    }
}

fn situation(base: Option<&PointRef>, seen: &[String], found: Vec<Found>) -> Situation {
    let past = epoch(1).based(base.cloned()).had_seen(seen);
    let claim = Claim {
        job_id: Some(past.job_id),
        holder: Holder {
            incarnation: Id::from_bytes([1; 16]),
            host: "pod".into(),
            boot_id: "boot".into(),
            pid: 1,
            started: 1,
            pod: None,
        },
        directories: Directories::default(),
        session: false,
        without_gate: false,
    };
    let facts = std::iter::once(Fact::Claimed(claim)).chain(past.facts);
    let entries: Vec<Entry> = facts
        .map(|fact| Entry { version: VERSION, write_id: Id::from_bytes([2; 16]), at: at(1), epoch: 1, fact })
        .collect();
    Situation {
        unseen: None,
        cluster: CLUSTER.to_owned(),
        epoch: 2,
        history: History::read(&entries),
        found,
        explicit: None,
        fixed_job_id: None,
        policy: Policy {
            fresh_without_history: true,
            previous_if_broken: false,
            trust_unverifiable: false,
            max_state_age: None,
            on_leftover: OnLeftover::Finish,
            if_failed: IfFailed { attempts: 3, previous: false, allow_non_restored_state: false },
        },
        broken: BTreeMap::new(),
        doubted: BTreeMap::new(),
        leftovers: None,
        now: at(2),
        session: false,
    }
}

fn any_metadata() -> impl Strategy<Value = Metadata> {
    prop_oneof![
        4 => (0..12_u64).prop_map(whole),
        1 => Just(Metadata::Missing),
        1 => Just(Metadata::Broken("wrong magic number".into())),
    ]
}

proptest! {
    /// Whatever lay there when the epoch began, whatever of it was being written then, and whatever came later: the epoch takes for
    /// its own what it would if it had noted everything.
    #[test]
    fn a_shorter_list_of_what_was_seen_attributes_the_same(
        before in vec((any_metadata(), any_metadata()), 0..8),
        later in vec(any_metadata(), 0..5),
        base in proptest::option::of(0..12_u64),
    ) {
        let base = base.map(|id| PointRef { path: manual_path(id), checkpoint_id: Some(id), epoch: None });
        let lay: Vec<Found> = (0..).zip(&before).map(|(n, (first, _))| manual(n, first.clone())).collect();
        let at_the_start = situation(base.as_ref(), &[], lay.clone());
        let all = unattributed(&at_the_start, None);
        let noted = unattributed(&at_the_start, base.as_ref());
        prop_assert_eq!(all.len(), lay.len());
        prop_assert!(noted.iter().all(|path| all.contains(path)));

        // What was whole stays as it is; what was not may have become so.
        let then = (0..).zip(before).map(|(n, (first, second))| match first {
            Metadata::Whole { .. } => manual(n, first),
            Metadata::Missing | Metadata::Broken(_) => manual(n, second),
        });
        let found: Vec<Found> = then.chain((100..).zip(later).map(|(n, metadata)| manual(n, metadata))).collect();
        let (full, short) =
            (situation(base.as_ref(), &all, found.clone()), situation(base.as_ref(), &noted, found.clone()));
        for one in &found {
            let id = one.checkpoint_id().unwrap_or(u64::MAX);
            prop_assert_eq!(attribute(&full, one, id), attribute(&short, one, id), "{:?}", one);
        }
    }
}

#[test]
fn what_is_not_above_the_base_is_not_noted() {
    let base = PointRef { path: manual_path(5), checkpoint_id: Some(5), epoch: None };
    let lay = vec![manual(1, whole(1)), manual(5, whole(5)), manual(6, whole(6)), manual(7, Metadata::Missing)];
    let situation = situation(Some(&base), &[], lay);
    assert_eq!(unattributed(&situation, Some(&base)), [manual_path(6), manual_path(7)]);
    assert_eq!(
        unattributed(&situation, None).len(),
        4,
        "a job that begins with nothing counts from the beginning again"
    );
}
