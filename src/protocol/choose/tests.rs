//! Fixtures for the choice: a cluster's past is told epoch by epoch, and read the way a start reads it.

mod failures;
mod forks;
mod goes_back;
mod leftovers;
pub(in crate::protocol) mod properties;
mod savepoints;
mod seen;
mod situations;
mod unseen;

use super::*;
use crate::protocol::entry::{
    Attempt, Based, Claim, Directories, End, Entry, Fact, Holder, RestoreFailed, Saved, VERSION,
};
use crate::protocol::failure::FailureClass;
use crate::protocol::id::Id;
use crate::protocol::point::{Format, Kind, Metadata};

const CLUSTER: &str = "orders";

/// What an epoch left behind, in the record and in storage.
#[derive(Debug, Clone)]
struct Past {
    number: u64,
    job_id: JobId,
    facts: Vec<Fact>,
    found: Vec<Found>,
}

/// Epoch `number` was claimed; without more, Flink never started in it.
fn epoch(number: u64) -> Past {
    Past { number, job_id: JobId::derived(CLUSTER, number), facts: Vec::new(), found: Vec::new() }
}

fn checkpoint_path(epoch: u64, id: u64) -> String {
    format!("s3://flink/checkpoints/{}/chk-{id}", JobId::derived(CLUSTER, epoch))
}

fn savepoint_path(epoch: u64, id: u64) -> String {
    format!("s3://flink/savepoints/{CLUSTER}/{epoch}/savepoint-{id}")
}

fn manual_path(id: u64) -> String {
    format!("s3://flink/default/savepoint-{id}")
}

fn at(hour: i64) -> Timestamp {
    Timestamp::from_second(hour * 3_600).unwrap()
}

fn whole(id: u64) -> Metadata {
    Metadata::Whole { checkpoint_id: id, bytes: 100 }
}

impl Past {
    fn found(mut self, path: String, checkpoint: bool, metadata: Metadata) -> Self {
        let job_id = checkpoint.then_some(self.job_id);
        let epoch = (!checkpoint).then_some(self.number);
        let job_prefix = (!checkpoint).then(|| self.job_id.prefix());
        self.found.push(Found { path, checkpoint, job_id, job_prefix, epoch, metadata, modified: Some(at(1)) });
        self
    }

    fn fact(mut self, fact: Fact) -> Self {
        self.facts.push(fact);
        self
    }

    fn based(self, base: Option<PointRef>) -> Self {
        self.fact(Fact::Based(Based { base, reason: "test".into(), ..Based::default() }))
    }

    fn change_base(mut self, change: impl FnOnce(&mut Based)) -> Self {
        let based =
            self.facts.iter_mut().find_map(|fact| if let Fact::Based(based) = fact { Some(based) } else { None });
        change(based.unwrap());
        self
    }

    fn fresh(self) -> Self {
        self.based(None)
    }

    /// It restored from the checkpoint `id` of epoch `epoch`.
    fn restored_from(self, epoch: u64, id: u64) -> Self {
        self.based(Some(PointRef { path: checkpoint_path(epoch, id), checkpoint_id: Some(id), epoch: Some(epoch) }))
    }

    /// It restored from a point that is no epoch's.
    fn restored_from_elsewhere(self, path: &str, id: u64) -> Self {
        self.based(Some(PointRef { path: path.to_owned(), checkpoint_id: Some(id), epoch: None }))
    }

    /// The user had given this restore path to Flink.
    fn given(self, path: &str) -> Self {
        self.change_base(|based| based.explicit = Some(path.to_owned()))
    }

    /// A person had pinned what it restored from.
    fn by_pin(self) -> Self {
        self.change_base(|based| based.consumed = Some(Id::from_bytes([8; 16])))
    }

    fn base(&self) -> Option<PointRef> {
        self.facts.iter().find_map(|fact| if let Fact::Based(based) = fact { based.base.clone() } else { None })
    }

    /// Flink could not restore its base.
    fn failed(self) -> Self {
        self.failed_where(false)
    }

    /// The same, though state without an operator might be left out.
    fn failed_where(self, allow_non_restored_state: bool) -> Self {
        let (job_id, path) = (self.job_id, self.base().unwrap().path);
        let (class, reason) = (FailureClass::Incompatible, "Cannot map state of operator 0da0".into());
        self.fact(Fact::RestoreFailed(RestoreFailed { job_id, path, class, reason, allow_non_restored_state }))
    }

    /// Flink confirmed that it had restored its base.
    fn confirmed(self) -> Self {
        let (job_id, restored) = (self.job_id, self.base());
        self.fact(Fact::Confirmed { job_id, restored })
    }

    /// These savepoints lay in Flink's default directory when it began.
    fn had_seen(self, paths: &[String]) -> Self {
        self.change_base(|based| based.seen = paths.to_vec())
    }

    /// All starts share one job id.
    fn under(mut self, job_id: JobId) -> Self {
        self.job_id = job_id;
        self
    }

    fn checkpoint(self, id: u64) -> Self {
        let path = format!("s3://flink/checkpoints/{}/chk-{id}", self.job_id);
        self.found(path, true, whole(id))
    }

    fn damaged_checkpoint(self, id: u64) -> Self {
        let path = checkpoint_path(self.number, id);
        self.found(path, true, Metadata::Broken("wrong magic number".into()))
    }

    fn half_written_checkpoint(self, id: u64) -> Self {
        let path = checkpoint_path(self.number, id);
        self.found(path, true, Metadata::Missing)
    }

    /// A savepoint in the epoch's own folder of which the record never heard.
    fn unrecorded_savepoint(self, id: u64) -> Self {
        let path = savepoint_path(self.number, id);
        self.found(path, false, whole(id))
    }

    /// A savepoint that the record knows and storage holds.
    fn saved(self, id: u64) -> Self {
        self.unrecorded_savepoint(id).lost(id)
    }

    /// A savepoint that the record knows and that is nowhere.
    fn lost(self, id: u64) -> Self {
        let point =
            PointRef { path: savepoint_path(self.number, id), checkpoint_id: Some(id), epoch: Some(self.number) };
        self.recorded(point)
    }

    fn recorded(self, point: PointRef) -> Self {
        let (job_id, kind) = (self.job_id, Kind::Final);
        let completed_at = at(10);
        self.fact(Fact::Saved(Saved {
            job_id,
            job_name: None,
            point,
            kind,
            format: None,
            completed_at,
            bytes: None,
            duration_ms: None,
            predicted_ms: None,
            doubt: None,
            salvaged: false,
            drained: false,
        }))
    }

    /// The savepoint of a stop that drained the job.
    fn drained(self, id: u64) -> Self {
        self.saved(id).by_draining()
    }

    /// Its savepoints were those of a stop that drained the job.
    fn by_draining(mut self) -> Self {
        for fact in &mut self.facts {
            if let Fact::Saved(saved) = fact {
                saved.drained = true;
            }
        }
        self
    }

    /// A stop that was to drain the job asked Flink for its savepoint.
    fn asked_to_drain(self) -> Self {
        let path = savepoint_path(self.number, 0);
        let (target, _) = path.rsplit_once('/').unwrap();
        let (job_id, trigger_id, format) = (self.job_id, Id::from_bytes([3; 16]), Format::Native);
        self.fact(Fact::Attempted(Attempt { job_id, trigger_id, target: target.to_owned(), format, drain: true }))
    }

    /// A savepoint that a person took into Flink's default directory.
    fn manual_savepoint(mut self, id: u64) -> Self {
        let path = manual_path(id);
        self = self.found(path, false, whole(id));
        self.found.last_mut().unwrap().epoch = None;
        self
    }

    /// Flink was seen to have completed this checkpoint.
    fn progressed(self, checkpoint_id: u64) -> Self {
        let job_id = self.job_id;
        self.fact(Fact::Progressed { job_id, checkpoint_id })
    }

    fn void(self) -> Self {
        self.fact(Fact::Voided { reason: "it ran from nothing".into() })
    }

    fn ended(self, how: EndKind, savepoint: Option<PointRef>) -> Self {
        let job_id = self.job_id;
        self.fact(Fact::Ended(End { job_id, how, savepoint, reason: String::new() }))
    }
}

/// A start that is about to choose.
#[derive(Debug, Clone)]
struct Case {
    situation: Situation,
}

/// The start that comes after these epochs.
fn after(past: Vec<Past>) -> Case {
    let number = past.iter().map(|past| past.number).max().unwrap_or(0) + 1;
    start(number, past)
}

fn start(number: u64, past: Vec<Past>) -> Case {
    let mut entries = Vec::new();
    let mut found = Vec::new();
    let mut say = |epoch, fact| {
        let write_id = Id::from_bytes([u8::try_from(entries.len() % 200).unwrap() + 1; 16]);
        entries.push(Entry { version: VERSION, write_id, at: at(10), epoch, fact });
    };
    for past in past {
        let holder = Holder {
            incarnation: Id::from_bytes([9; 16]),
            host: "host".into(),
            boot_id: "boot".into(),
            pid: 1,
            started: 1,
            pod: None,
        };
        // An epoch of which only storage tells has no facts.
        if past.number < number && !past.facts.is_empty() {
            let directories = Directories::default();
            let claim = Claim { job_id: Some(past.job_id), holder, directories, session: false, without_gate: false };
            say(past.number, Fact::Claimed(claim));
        }
        for fact in past.facts {
            say(past.number, fact);
        }
        found.extend(past.found);
    }
    let policy = Policy {
        fresh_without_history: true,
        previous_if_broken: false,
        trust_unverifiable: false,
        max_state_age: None,
        on_leftover: OnLeftover::Finish,
        if_failed: IfFailed { attempts: 3, previous: false, allow_non_restored_state: false },
    };
    Case {
        situation: Situation {
            unseen: None,
            cluster: CLUSTER.into(),
            epoch: number,
            history: History::read(&entries),
            found,
            explicit: None,
            fixed_job_id: None,
            policy,
            broken: BTreeMap::new(),
            doubted: BTreeMap::new(),
            leftovers: None,
            now: at(20),
            session: false,
        },
    }
}

impl Case {
    fn change(mut self, change: impl FnOnce(&mut Situation)) -> Self {
        change(&mut self.situation);
        self
    }

    fn pinned(self, path: &str) -> Self {
        let request = crate::protocol::history::Request { id: Id::from_bytes([7; 16]), pin: Some(path.to_owned()) };
        self.change(|situation| situation.history.request = Some(request))
    }

    fn allowed_fresh(self) -> Self {
        let request = crate::protocol::history::Request { id: Id::from_bytes([7; 16]), pin: None };
        self.change(|situation| situation.history.request = Some(request))
    }

    fn given(self, path: &str) -> Self {
        self.change(|situation| situation.explicit = Some(path.to_owned()))
    }

    fn previous_if_broken(self) -> Self {
        self.change(|situation| situation.policy.previous_if_broken = true)
    }

    fn previous_if_failed(self) -> Self {
        self.change(|situation| situation.policy.if_failed.previous = true)
    }

    /// A closer look at this point showed that it can't be used.
    fn proven_broken(self, path: &str) -> Self {
        self.change(|situation| {
            situation.broken.insert(path.to_owned(), "a file is missing".into());
        })
    }

    fn choose(&self) -> Choice {
        let choice = choose(&self.situation);
        for candidate in &choice.candidates {
            assert!(!candidate.reason.is_empty(), "no reason: {candidate:?}");
        }
        let chosen: Vec<_> = choice.candidates.iter().filter(|candidate| candidate.chosen).collect();
        if let Decision::Restore(point) = &choice.decision {
            assert_eq!(chosen.iter().map(|chosen| &chosen.point.path).collect::<Vec<_>>(), [&point.path]);
        } else {
            assert!(chosen.is_empty(), "chosen without a restore: {chosen:?}");
        }
        choice
    }

    #[track_caller]
    fn decides(&self, decision: &str, words: &[&str]) -> Choice {
        let choice = self.choose();
        assert_eq!(choice.decision.as_str(), decision, "{choice:#?}");
        for word in words {
            assert!(choice.reason.contains(word), "{word:?} is not in {:?}", choice.reason);
        }
        choice
    }

    #[track_caller]
    fn restores(&self, path: &str, words: &[&str]) -> Choice {
        let choice = self.decides("restore", words);
        assert!(matches!(&choice.decision, Decision::Restore(point) if point.path == path), "{choice:#?}");
        choice
    }

    #[track_caller]
    fn begins_fresh(&self, words: &[&str]) -> Choice {
        self.decides("fresh", words)
    }

    #[track_caller]
    fn holds(&self, words: &[&str]) -> Choice {
        self.decides("hold", words)
    }

    #[track_caller]
    fn refuses(&self, words: &[&str]) -> Choice {
        self.decides("refuse", words)
    }
}

/// What the choice says about one candidate.
#[track_caller]
fn about<'a>(choice: &'a Choice, path: &str) -> &'a str {
    let candidate = choice.candidates.iter().find(|candidate| candidate.point.path == path);
    &candidate.unwrap_or_else(|| panic!("{path} is no candidate in {choice:#?}")).reason
}
