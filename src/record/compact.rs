//! What a bounded record keeps: pure, from the entries alone.
//!
//! What goes is known elsewhere: points lie in storage, and the marker has every claim, base and end. Never dropped: the
//! record's first entry, the newest epochs and their newest points, the epochs and points that these restored from, what a person
//! asked for and has not got yet.

use std::collections::BTreeSet;

use crate::protocol::entry::{Entry, Fact};
use crate::protocol::history::History;
use crate::protocol::jobs;
use crate::protocol::point::{Kind, PointRef, same};

/// A record larger than this is compacted: half of the mebibyte that a ConfigMap may hold.
pub(super) const FULL: usize = 512 * 1024;
/// How large it may be afterwards, where that is possible, so that it is not compacted again with the next entry.
const AIM: usize = FULL / 2;
/// So many of the newest epochs are kept whole, where there is room.
const EPOCHS: usize = 10;
/// So many of the newest points of each of them: one with periodic savepoints may have thousands.
const POINTS: usize = 50;
/// So many of the newest prunes: those before have come to their end long ago, as each one goes on with what the former left. What a
/// prune leaves half-deleted has no `_metadata`, and is no restore point either way.
const PRUNES: usize = 50;

/// Which entries to keep; `sizes` are those of the entries, in bytes.
pub(super) fn compact(entries: &[Entry], sizes: &[usize]) -> Vec<bool> {
    let history = History::read(entries);
    let mut keep = Vec::new();
    let mut size = 0;
    // Epochs may be large, each for itself: then fewer of them have to do, in the end the newest alone.
    for epochs in (1..=EPOCHS).rev() {
        keep = what_must_stay(entries, &history, epochs);
        size = sizes.iter().zip(&keep).filter(|(_, keep)| **keep).map(|(size, _)| *size).sum();
        if size <= AIM {
            break;
        }
    }
    // Other points as far back as there is room: they are the history that people look at, and retention keeps what a person took
    // only as long as it is known.
    let saved = |entry: &Entry| match &entry.fact {
        Fact::Saved(saved) if !history.is_pruned(&saved.point.path) => Some(saved.kind),
        _ => None,
    };
    let points = || entries.iter().enumerate().rev().filter_map(|(index, entry)| Some((index, saved(entry)?)));
    let by_people = points().filter(|(_, kind)| *kind == Kind::Manual);
    let others = points().filter(|(_, kind)| *kind != Kind::Manual);
    for (index, _) in by_people.chain(others) {
        let (Some(keep), Some(more)) = (keep.get_mut(index), sizes.get(index)) else { continue };
        if !*keep && size + more <= AIM {
            *keep = true;
            size += more;
        }
    }
    keep
}

fn what_must_stay(entries: &[Entry], history: &History, epochs: usize) -> Vec<bool> {
    let mut newest: BTreeSet<u64> = history.epochs.keys().rev().take(epochs).copied().collect();
    // The newest one may only be claimed yet: what it will restore from is decided by the one before.
    newest.extend(history.newest_based(u64::MAX).map(|(number, ..)| number));
    let based: BTreeSet<&str> = newest
        .iter()
        .filter_map(|number| history.epochs.get(number)?.based.as_ref()?.base.as_ref())
        .map(|base| base.path.as_str())
        .chain(history.request.as_ref().and_then(|request| request.pin.as_deref()))
        .collect();
    // Jobs of a session that nobody has submitted again since, however long ago.
    let several = history.newest_based(u64::MAX).is_some_and(|(_, epoch, _)| epoch.is_several());
    let waiting = if several { jobs::waiting(history, u64::MAX, None) } else { Vec::new() };
    let waiting: Vec<PointRef> = waiting.into_iter().filter_map(|one| one.point).collect();
    let waits = |path: &str| waiting.iter().any(|point| same(&point.path, path));
    // How often in a row a point could not be restored is counted over all of these.
    let failed: BTreeSet<u64> = history.restore_failures().map(|(epoch, _)| epoch).collect();
    // As recent as the oldest of them: after so many epochs nothing is left of what was given up before.
    let begin = entries.iter().position(|entry| newest.contains(&entry.epoch)).unwrap_or(0);
    let prunes = entries.iter().enumerate().rev().filter_map(|(index, entry)| match &entry.fact {
        Fact::Pruned { path } => Some((index, path.clone())),
        _ => None,
    });
    let prunes: Vec<(usize, String)> = prunes.take(PRUNES).filter(|(index, _)| *index >= begin).collect();
    let first_prune = prunes.last().map_or(usize::MAX, |(index, _)| *index);
    // What was saved goes with its prune: without that it would be missed.
    let recent = History { pruned: prunes.into_iter().map(|(_, path)| path).collect(), ..History::default() };
    let points: BTreeSet<usize> = newest.iter().flat_map(|epoch| newest_points(entries, history, *epoch)).collect();
    let must_stay = |index: usize, entry: &Entry| match &entry.fact {
        Fact::Created { .. } => true,
        Fact::Pruned { .. } => index >= first_prune,
        Fact::Saved(saved) if history.is_pruned(&saved.point.path) => {
            index >= begin && recent.is_pruned(&saved.point.path)
        }
        Fact::Saved(saved) => {
            points.contains(&index) || based.contains(saved.point.path.as_str()) || waits(&saved.point.path)
        }
        Fact::Pinned { .. } | Fact::FreshAllowed | Fact::Unpinned => {
            history.request.as_ref().is_some_and(|request| request.id == entry.write_id)
        }
        Fact::RestoreFailed(_) | Fact::Based(_) if failed.contains(&entry.epoch) => true,
        _ => newest.contains(&entry.epoch),
    };
    entries.iter().enumerate().map(|(index, entry)| must_stay(index, entry)).collect()
}

/// Where the newest points of an epoch stand that were not pruned.
fn newest_points(entries: &[Entry], history: &History, epoch: u64) -> Vec<usize> {
    let is_point = |entry: &Entry| {
        entry.epoch == epoch && matches!(&entry.fact, Fact::Saved(saved) if !history.is_pruned(&saved.point.path))
    };
    let newest = entries.iter().enumerate().rev().filter(|(_, entry)| is_point(entry));
    newest.take(POINTS).map(|(index, _)| index).collect()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::protocol::entry::{Based, RestoreFailed, Saved};
    use crate::protocol::failure::FailureClass;
    use crate::protocol::id::JobId;
    use crate::protocol::point::Kind;
    use crate::record::entry;

    fn path(epoch: u64) -> String {
        format!("s3://flink/savepoints/orders/{epoch}/savepoint-1")
    }

    fn based(epoch: u64, on: Option<u64>) -> Entry {
        let base = on.map(|on| PointRef { path: path(on), checkpoint_id: Some(on), epoch: Some(on) });
        let reason = "newest".to_owned();
        entry(epoch, Fact::Based(Based { base, reason, ..Based::default() }))
    }

    fn saved(epoch: u64) -> Entry {
        entry(
            epoch,
            Fact::Saved(Saved {
                job_id: JobId::derived("orders", epoch),
                job_name: None,
                point: PointRef { path: path(epoch), checkpoint_id: Some(epoch), epoch: Some(epoch) },
                kind: Kind::Final,
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
    }

    #[test]
    fn what_a_point_failed_of_stays_until_a_restore_is_confirmed() {
        let failed = |epoch| {
            let fact = RestoreFailed {
                job_id: JobId::derived("orders", epoch),
                path: path(1),
                class: FailureClass::Unreadable,
                reason: "x".repeat(500),
                allow_non_restored_state: false,
            };
            [based(epoch, Some(1)), entry(epoch, Fact::RestoreFailed(fact))]
        };
        let mut entries: Vec<Entry> = vec![based(1, None), saved(1)];
        entries.extend((2..=31).flat_map(failed));
        let count = |entries: &[Entry]| {
            let keep = compact(entries, &vec![AIM; entries.len()]);
            let kept = entries.iter().zip(keep).filter(|(_, keep)| *keep).map(|(entry, _)| entry);
            History::read(kept).failures(&path(1), u64::MAX, false).len()
        };
        assert_eq!(count(&entries), 30);
        let restored = Fact::Confirmed { job_id: JobId::derived("orders", 32), restored: None };
        entries.extend([based(32, Some(1)), entry(32, restored)]);
        assert_eq!(count(&entries), 0);
    }

    #[test]
    fn large_epochs_are_fewer() {
        let mut entries = Vec::new();
        for epoch in 1..=20 {
            let seen = (0..1_500).map(|n| format!("s3://flink/savepoints/savepoint-{n:06}-0123456789ab")).collect();
            let reason = "newest".to_owned();
            entries.push(entry(epoch, Fact::Based(Based { seen, reason, ..Based::default() })));
        }
        let sizes: Vec<usize> = entries.iter().map(|entry| serde_json::to_string(entry).unwrap().len() + 1).collect();
        let keep = compact(&entries, &sizes);
        let left: usize = sizes.iter().zip(&keep).filter(|(_, keep)| **keep).map(|(size, _)| *size).sum();
        assert!(left <= AIM && keep[19], "{left}");
    }

    #[test]
    fn thousands_of_periodic_savepoints_in_one_epoch_leave_the_newest_and_those_that_people_took() {
        let taken = |n: u64, kind| {
            let mut entry = saved(1);
            let Fact::Saved(saved) = &mut entry.fact else { panic!() };
            saved.kind = kind;
            saved.point = PointRef { path: format!("s3://a/{n}"), checkpoint_id: Some(n), epoch: Some(1) };
            entry
        };
        for pruned in [true, false] {
            let mut entries =
                vec![entry(1, Fact::Created { cluster: "orders".to_owned(), record_id: crate::random::id() })];
            entries.extend([based(1, None), taken(1, Kind::Manual)]);
            for n in 2..=2_000 {
                entries.push(taken(n, Kind::Periodic));
                if pruned && n > 10 {
                    entries.push(entry(1, Fact::Pruned { path: format!("s3://a/{}", n - 8) }));
                }
            }
            let sizes: Vec<usize> = entries.iter().map(|one| serde_json::to_string(one).unwrap().len() + 1).collect();
            let keep = compact(&entries, &sizes);
            let left: usize = sizes.iter().zip(&keep).filter(|(_, keep)| **keep).map(|(size, _)| *size).sum();
            assert!(left <= AIM, "{left}");
            let kept: Vec<&Entry> = entries.iter().zip(&keep).filter(|(_, keep)| **keep).map(|(one, _)| one).collect();
            let (before, after) = (History::read(&entries), History::read(kept));
            let numbers = |history: &History| -> Vec<u64> {
                history.saved().filter_map(|(_, saved)| saved.point.checkpoint_id).collect()
            };
            let (before, after) = (numbers(&before), numbers(&after));
            assert!(after.iter().all(|n| before.contains(n)), "what was given up has come back");
            assert!(after.contains(&1) && after.contains(&2_000));
            assert!(before.iter().rev().take(8).all(|n| after.contains(n)));
        }
    }

    #[test]
    fn what_is_new_pinned_or_referenced_stays_and_the_rest_makes_room() {
        let created = entry(1, Fact::Created { cluster: "orders".to_owned(), record_id: crate::random::id() });
        let pin = entry(0, Fact::Pinned { path: path(3) });
        let old_pin = entry(0, Fact::Pinned { path: path(2) });
        let mut entries = vec![created.clone(), old_pin.clone()];
        for epoch in 1..=2_000_u64 {
            // The newest one went back to the point of epoch 5.
            let on = if epoch == 2_000 { Some(5) } else { epoch.checked_sub(1).filter(|on| *on > 0) };
            entries.push(based(epoch, on));
            entries.push(saved(epoch));
        }
        entries.push(pin.clone());
        let sizes: Vec<usize> = entries.iter().map(|entry| serde_json::to_string(entry).unwrap().len() + 1).collect();
        assert!(sizes.iter().sum::<usize>() > FULL);
        let keep = compact(&entries, &sizes);
        let kept: Vec<&Entry> = entries.iter().zip(&keep).filter(|(_, keep)| **keep).map(|(entry, _)| entry).collect();
        let left: usize = sizes.iter().zip(&keep).filter(|(_, keep)| **keep).map(|(size, _)| *size).sum();
        assert!(left <= AIM, "{left}");
        assert!(kept.contains(&&created) && kept.contains(&&pin) && !kept.contains(&&old_pin));

        let (before, after) = (History::read(&entries), History::read(kept));
        assert_eq!(after.record_id, before.record_id);
        assert_eq!(after.request, before.request);
        assert_eq!(after.highest_epoch(), before.highest_epoch());
        for epoch in 1_991..=2_000 {
            assert_eq!(after.epochs[&epoch], before.epochs[&epoch]);
        }
        let points: BTreeSet<u64> = after.saved().map(|(epoch, _)| epoch).collect();
        assert!([3, 5, 1_990].iter().all(|epoch| points.contains(epoch)), "{points:?}");
        assert!(!points.contains(&4));
    }
}
