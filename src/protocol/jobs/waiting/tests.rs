//! Which jobs wait, epoch by epoch, against a plain model of each job's life.

use jiff::Timestamp;
use proptest::prelude::*;

use super::super::super::entry::{Based, End, EndKind, Entry, Fact, JobEvent, OfJob, Saved, VERSION};
use super::super::super::id::Id;
use super::*;

fn id(epoch: u64, n: u8) -> JobId {
    JobId::from_bytes([u8::try_from(epoch).unwrap() * 16 + n; 16])
}

fn path(epoch: u64, job_id: JobId, number: u64) -> String {
    format!("s3://flink/savepoints/c/{epoch}/{job_id}/savepoint-{number}")
}

/// A session cluster's past.
#[derive(Debug, Clone, Default)]
struct Session {
    entries: Vec<Entry>,
    found: Vec<Found>,
    broken: BTreeMap<String, String>,
}

impl Session {
    fn fact(mut self, epoch: u64, fact: Fact) -> Self {
        let write_id = Id::from_bytes([u8::try_from(self.entries.len() + 1).unwrap(); 16]);
        self.entries.push(Entry { version: VERSION, write_id, at: Timestamp::UNIX_EPOCH, epoch, fact });
        self
    }

    fn began(self, epoch: u64) -> Self {
        let reason = "a session cluster".to_owned();
        self.fact(epoch, Fact::Based(Based { reason, ..Based::default() }))
    }

    fn job(self, epoch: u64, n: u8, name: &str, event: JobEvent) -> Self {
        self.fact(epoch, Fact::Job(OfJob { job_id: id(epoch, n), job_name: name.into(), event }))
    }

    fn running(self, epoch: u64, n: u8, name: &str, from: Option<&str>) -> Self {
        let restored = from.map(|path| PointRef { path: path.into(), checkpoint_id: Some(1), epoch: None });
        self.job(epoch, n, name, JobEvent::Running { restored })
    }

    fn ended(self, epoch: u64, n: u8, name: &str, how: EndKind) -> Self {
        let end = End { job_id: id(epoch, n), how, savepoint: None, reason: String::new() };
        self.job(epoch, n, name, JobEvent::Ended(end))
    }

    fn saved(mut self, epoch: u64, n: u8, name: &str, number: u64) -> Self {
        let job_id = id(epoch, n);
        self = self.lies(epoch, n, number);
        let point = PointRef { path: path(epoch, job_id, number), checkpoint_id: Some(number), epoch: Some(epoch) };
        self.fact(
            epoch,
            Fact::Saved(Saved {
                job_id,
                job_name: Some(name.into()),
                point,
                kind: Kind::Final,
                format: None,
                completed_at: Timestamp::UNIX_EPOCH,
                bytes: None,
                duration_ms: None,
                predicted_ms: None,
                drained: false,
                doubt: None,
                salvaged: false,
            }),
        )
    }

    /// A savepoint in storage, whoever knows of it.
    fn lies(mut self, epoch: u64, n: u8, number: u64) -> Self {
        self.found.push(Found {
            path: path(epoch, id(epoch, n), number),
            checkpoint: false,
            job_id: Some(id(epoch, n)),
            job_prefix: None,
            epoch: Some(epoch),
            metadata: Metadata::Whole { checkpoint_id: number, bytes: 9 },
            modified: None,
        });
        self
    }

    fn checkpoint(mut self, epoch: u64, n: u8, number: u64) -> Self {
        self = self.lies(epoch, n, number);
        let last = self.found.last_mut().unwrap();
        last.path = format!("s3://flink/checkpoints/{}/chk-{number}", id(epoch, n));
        (last.checkpoint, last.epoch) = (true, None);
        self
    }

    fn all(&self, previous_if_broken: bool) -> Vec<Waiting> {
        let seen = Seen { found: &self.found, broken: &self.broken, previous_if_broken };
        waiting(&History::read(&self.entries), u64::MAX, Some(seen))
    }

    /// Names with the paths that they go on from.
    fn waits(&self) -> Vec<(String, Option<String>)> {
        self.all(false).into_iter().map(|one| (one.job_name, one.point.map(|point| point.path))).collect()
    }
}

fn waits(name: &str, epoch: u64, n: u8, number: u64) -> (String, Option<String>) {
    (name.to_owned(), Some(path(epoch, id(epoch, n), number)))
}

#[test]
fn a_job_waits_until_one_was_restored_from_exactly_its_point() {
    let stopped = Session::default().began(1).running(1, 1, "a", None).saved(1, 1, "a", 5).saved(1, 2, "b", 9);
    assert_eq!(stopped.waits(), [waits("a", 1, 1, 5), waits("b", 1, 2, 9)]);
    let from = path(1, id(1, 1), 5);
    // Restored, and nothing completed since: that point is still the newest state.
    let again = stopped.began(2).running(2, 1, "a", Some(&from));
    assert_eq!(again.waits(), [waits("a", 1, 1, 5), waits("b", 1, 2, 9)]);
    let now = waiting(&History::read(&again.entries), 2, None);
    let epoch = History::read(&again.entries).epochs.remove(&2);
    let names = |waiting: Vec<Waiting>| waiting.into_iter().map(|one| one.job_name).collect::<Vec<_>>();
    assert_eq!(names(still(now, epoch.as_ref())), ["b"], "of those that the running cluster lacks");
    let on = again.saved(2, 1, "a", 8);
    assert_eq!(on.waits(), [waits("a", 2, 1, 8), waits("b", 1, 2, 9)]);
}

#[test]
fn what_came_to_its_own_end_does_not_wait_and_what_failed_does() {
    let saved = Session::default().began(1).saved(1, 1, "a", 5);
    let from = path(1, id(1, 1), 5);
    let next = |how| saved.clone().began(2).running(2, 1, "a", Some(&from)).checkpoint(2, 1, 7).ended(2, 1, "a", how);
    assert_eq!(next(EndKind::Finished).waits(), []);
    assert_eq!(next(EndKind::Cancelled).waits(), []);
    let failed = next(EndKind::Failed).all(false);
    assert_eq!(failed.iter().map(|one| one.kind).collect::<Vec<_>>(), [Some(Kind::Checkpoint)]);
    // Another job of that name, which began with nothing, takes nothing away by ending.
    let fresh = saved.clone().began(2).running(2, 1, "a", None).ended(2, 1, "a", EndKind::Finished);
    assert_eq!(fresh.waits(), [waits("a", 1, 1, 5)]);
}

#[test]
fn what_nobody_recorded_is_found_by_its_folder_and_two_of_one_name_by_their_ids() {
    let killed = Session::default().began(1).running(1, 1, "a", None).lies(1, 1, 5).lies(1, 2, 6);
    assert_eq!(killed.waits(), [waits("", 1, 2, 6), waits("a", 1, 1, 5)]);
    let twins = Session::default().began(1).saved(1, 1, "a", 5).saved(1, 2, "a", 9);
    assert!(twins.all(false).iter().all(|one| one.name_is_shared) && twins.waits().len() == 2);
    // One of the two goes on; a third one of that name that began with nothing is none of them.
    let next = twins.clone().began(2).running(2, 1, "a", Some(&path(1, id(1, 2), 9))).saved(2, 1, "a", 11);
    assert_eq!(next.waits(), [waits("a", 1, 1, 5), waits("a", 2, 1, 11)]);
    let third = twins.began(2).running(2, 3, "a", None).saved(2, 3, "a", 2);
    assert_eq!(third.waits().len(), 3);
    // Of one alone its name is enough.
    let anew = Session::default().began(1).saved(1, 1, "a", 5).began(2).running(2, 1, "a", None).saved(2, 1, "a", 2);
    assert_eq!(anew.waits(), [waits("a", 2, 1, 2)]);
}

#[test]
fn nobody_goes_back_by_accident() {
    let mut two = Session::default().began(1).saved(1, 1, "a", 5).saved(1, 1, "a", 6);
    two.broken.insert(path(1, id(1, 1), 6), "a file is missing".to_owned());
    let refused = two.all(false);
    assert!(refused[0].point.is_none() && refused[0].reason.contains("a file is missing"), "{refused:?}");
    let allowed = two.all(true);
    assert_eq!(allowed[0].point.as_ref().map(|point| point.checkpoint_id), Some(Some(5)));
    assert!(allowed[0].reason.contains("restore.on_broken"), "{allowed:?}");
    // Recorded, and gone.
    let mut gone = Session::default().began(1).saved(1, 1, "a", 5);
    gone.found.clear();
    assert!(gone.all(true)[0].point.is_none());
    // It had completed a checkpoint, of which nothing is left.
    let lost = Session::default().began(1).running(1, 1, "a", None).all(true);
    assert!(lost[0].point.is_none() && lost[0].reason.contains("no point of it is there"), "{lost:?}");
}

#[derive(Debug, Clone, Copy)]
enum Life {
    Absent,
    /// Goes on from where it waits, if anywhere.
    GoesOn(Finish),
    Anew(Finish),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Finish {
    Saved,
    Unrecorded,
    Nothing,
    Cancelled,
}

fn life() -> impl Strategy<Value = Life> {
    let finish =
        || prop_oneof![Just(Finish::Saved), Just(Finish::Unrecorded), Just(Finish::Nothing), Just(Finish::Cancelled)];
    prop_oneof![Just(Life::Absent), finish().prop_map(Life::GoesOn), finish().prop_map(Life::Anew)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn each_job_waits_from_where_its_life_left_it(lives in proptest::collection::vec([life(), life(), life()], 1..6)) {
        let mut session = Session::default();
        let mut model: BTreeMap<String, String> = BTreeMap::new();
        for (epoch, lives) in (1..).zip(&lives) {
            session = session.began(epoch);
            for (n, life) in (0_u8..).zip(lives) {
                let name = format!("job{n}");
                let (from, finish) = match life {
                    Life::Absent => continue,
                    Life::GoesOn(finish) => (model.get(&name).cloned(), *finish),
                    Life::Anew(finish) => (None, *finish),
                };
                if from.is_none() && finish == Finish::Nothing {
                    // It has nothing to lose, so nobody notes it.
                    continue;
                }
                session = session.running(epoch, n, &name, from.as_deref());
                let newest = path(epoch, id(epoch, n), epoch * 10);
                match finish {
                    Finish::Saved => session = session.saved(epoch, n, &name, epoch * 10),
                    Finish::Unrecorded => session = session.lies(epoch, n, epoch * 10),
                    Finish::Nothing => {}
                    Finish::Cancelled => session = session.ended(epoch, n, &name, EndKind::Cancelled),
                }
                match finish {
                    Finish::Saved | Finish::Unrecorded => {
                        model.insert(name, newest);
                    }
                    Finish::Cancelled if from.is_some() => {
                        model.remove(&name);
                    }
                    Finish::Nothing | Finish::Cancelled => {}
                }
            }
        }
        let waits: BTreeMap<String, String> =
            session.waits().into_iter().map(|(name, path)| (name, path.unwrap_or_default())).collect();
        prop_assert_eq!(waits, model);
    }
}
