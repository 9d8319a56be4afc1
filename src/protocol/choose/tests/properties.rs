//! What holds for any past: histories are simulated as Flink would write them, and the simulation keeps the truth (which
//! point descends from which), which the choice has to find again from names and numbers alone.

use proptest::prelude::*;
use proptest::sample::Index;

use super::*;

/// How an epoch got its base.
#[derive(Debug, Clone)]
enum Begin {
    /// From the newest point of the line; older by so many if a policy allowed that then.
    GoOn { skip: usize },
    /// From any point that ever was.
    Pin(Index),
    /// With nothing, by a person's word.
    Fresh,
    /// It died before its base was durable.
    Never,
    /// A point was injected, and Flink ran from nothing.
    Void,
    /// The newest point of the line was injected, and Flink could not restore it.
    Failed,
}

#[derive(Debug, Clone)]
struct Life {
    begin: Begin,
    points: Vec<Make>,
    /// After it began, JobManagers of older epochs went on for a while.
    zombies: Vec<(Index, Make)>,
    progress_noted: bool,
    confirmed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Make {
    Checkpoint,
    Saved,
    Unrecorded,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Fate {
    Whole,
    Gone,
    Damaged,
    Half,
    /// It looks whole, but a file that it names is missing.
    Hollow,
}

#[derive(Debug, Clone)]
enum Request {
    Nobody,
    Pin(Index),
    Explicit(Index),
    Fresh,
}

#[derive(Debug, Clone)]
struct Story {
    lives: Vec<Life>,
    fates: Vec<Fate>,
    request: Request,
    previous: bool,
    previous_if_failed: bool,
    attempts: u32,
}

fn make() -> impl Strategy<Value = Make> {
    prop_oneof![3 => Just(Make::Checkpoint), 1 => Just(Make::Saved), 1 => Just(Make::Unrecorded)]
}

fn life() -> impl Strategy<Value = Life> {
    let begin = prop_oneof![
        6 => (0..3_usize).prop_map(|skip| Begin::GoOn { skip: skip.saturating_sub(1) }),
        2 => any::<Index>().prop_map(Begin::Pin),
        1 => Just(Begin::Fresh),
        1 => Just(Begin::Never),
        1 => Just(Begin::Void),
        3 => Just(Begin::Failed),
    ];
    let points = prop::collection::vec(make(), 0..4);
    let zombies = prop::collection::vec((any::<Index>(), make()), 0..2);
    (begin, points, zombies, any::<bool>(), any::<bool>()).prop_map(
        |(begin, points, zombies, progress_noted, confirmed)| {
            // What can't be restored completes nothing.
            let points = if matches!(begin, Begin::Failed) { Vec::new() } else { points };
            Life { begin, points, zombies, progress_noted, confirmed }
        },
    )
}

fn story() -> impl Strategy<Value = Story> {
    let fate = prop_oneof![
        6 => Just(Fate::Whole),
        1 => Just(Fate::Gone),
        1 => Just(Fate::Damaged),
        1 => Just(Fate::Half),
        1 => Just(Fate::Hollow)
    ];
    let request = prop_oneof![
        6 => Just(Request::Nobody),
        1 => any::<Index>().prop_map(Request::Pin),
        1 => any::<Index>().prop_map(Request::Explicit),
        1 => Just(Request::Fresh)
    ];
    let policy = (any::<bool>(), any::<bool>(), 1..=2_u32);
    (prop::collection::vec(life(), 0..7), prop::collection::vec(fate, 32), request, policy).prop_map(
        |(lives, fates, request, (previous, previous_if_failed, attempts))| Story {
            lives,
            fates,
            request,
            previous,
            previous_if_failed,
            attempts,
        },
    )
}

#[derive(Debug, Clone)]
struct Made {
    point: PointRef,
    make: Make,
    fate: Fate,
    /// The points before it, oldest first: what its state contains.
    ancestors: Vec<usize>,
    of_void: bool,
}

#[derive(Debug)]
struct Truth {
    made: Vec<Made>,
    /// What the newest epoch's state came from, oldest first.
    line: Vec<usize>,
    /// The newest epoch that counts, if any.
    latest: Option<u64>,
    progress_noted: bool,
    /// How often in a row each point could not be restored.
    failures: BTreeMap<String, u32>,
    case: Case,
}

/// A JobManager, with what its state came from.
struct Job {
    past: Past,
    line: Vec<usize>,
    next_id: u64,
    void: bool,
}

impl Job {
    fn write(&mut self, all: &mut Vec<Made>, make: Make, fate: Fate) {
        let (epoch, id) = (self.past.number, self.next_id);
        self.next_id += 1;
        let (checkpoint, path) = match make {
            Make::Checkpoint => (true, checkpoint_path(epoch, id)),
            Make::Saved | Make::Unrecorded => (false, savepoint_path(epoch, id)),
        };
        let point = PointRef { path: path.clone(), checkpoint_id: Some(id), epoch: Some(epoch) };
        let mut past = self.past.clone();
        if make == Make::Saved {
            past = past.recorded(point.clone());
        }
        self.past = match fate {
            Fate::Whole | Fate::Hollow => past.found(path, checkpoint, whole(id)),
            Fate::Damaged => past.found(path, checkpoint, Metadata::Broken("bad".into())),
            Fate::Half => past.found(path, checkpoint, Metadata::Missing),
            Fate::Gone => past,
        };
        all.push(Made { point, make, fate, ancestors: self.line.clone(), of_void: self.void });
        self.line.push(all.len() - 1);
    }
}

fn tell(story: &Story) -> Truth {
    let mut made: Vec<Made> = Vec::new();
    let mut jobs: Vec<Job> = Vec::new();
    let mut unbased = Vec::new();
    let (mut latest, mut progress_noted) = (None::<usize>, false);
    let mut failures = BTreeMap::new();
    let mut fates = story.fates.iter().copied().cycle();
    for (life, number) in story.lives.iter().zip(1..) {
        let newest_line = latest.map(|job| jobs[job].line.clone()).unwrap_or_default();
        let eligible: Vec<usize> = (0..made.len()).filter(|one| !made[*one].of_void).collect();
        let line = match &life.begin {
            Begin::Never => {
                unbased.push(epoch(number).fact(Fact::Unknown));
                continue;
            }
            Begin::GoOn { skip } => {
                newest_line[..newest_line.len().saturating_sub(*skip).max(newest_line.len().min(1))].to_vec()
            }
            Begin::Void | Begin::Failed => newest_line.clone(),
            Begin::Pin(_) if eligible.is_empty() => Vec::new(),
            Begin::Pin(index) => {
                let one = *index.get(&eligible);
                made[one].ancestors.iter().copied().chain([one]).collect()
            }
            Begin::Fresh => Vec::new(),
        };
        let base = line.last().map(|one| made[*one].point.clone());
        let void = matches!(life.begin, Begin::Void) && base.is_some();
        let next_id = if void { 1 } else { base.as_ref().and_then(|base| base.checkpoint_id).unwrap_or(0) + 1 };
        let mut past = epoch(number).based(base.clone());
        if matches!(life.begin, Begin::Pin(_)) {
            past = past.by_pin();
        }
        if let Some(base) = &base {
            let count = failures.entry(base.path.clone()).or_default();
            match life.begin {
                Begin::Failed => {
                    *count += 1;
                    past = past.failed();
                }
                Begin::Pin(_) => *count = 0,
                _ => {}
            }
        }
        if life.confirmed && !void && !matches!(life.begin, Begin::Failed) {
            past = past.confirmed();
            // Whatever Flink restored: that it can is shown.
            failures.clear();
        }
        let past = if void { past.void() } else { past };
        let line = if void { Vec::new() } else { line };
        jobs.push(Job { past, line, next_id, void });
        let own = jobs.len() - 1;
        for make in &life.points {
            jobs[own].write(&mut made, *make, fates.next().unwrap());
        }
        if !void {
            latest = Some(own);
            progress_noted = life.progress_noted && !life.points.is_empty();
            if progress_noted {
                let first = jobs[own].next_id - life.points.len() as u64;
                jobs[own].past = jobs[own].past.clone().progressed(first);
            }
        }
        for (index, make) in &life.zombies {
            if own > 0 {
                let zombie = index.index(own);
                jobs[zombie].write(&mut made, *make, fates.next().unwrap());
            }
        }
    }
    let (line, number) = latest.map_or((Vec::new(), None), |job| (jobs[job].line.clone(), Some(jobs[job].past.number)));
    let past: Vec<Past> = jobs.into_iter().map(|job| job.past).chain(unbased).collect();
    let mut case = start(story.lives.len() as u64 + 1, past);
    case.situation.policy.previous_if_broken = story.previous;
    (case.situation.policy.if_failed.attempts, case.situation.policy.if_failed.previous) =
        (story.attempts, story.previous_if_failed);
    let eligible: Vec<&Made> = made.iter().filter(|made| !made.of_void).collect();
    case = match &story.request {
        Request::Fresh => case.allowed_fresh(),
        Request::Pin(index) if !eligible.is_empty() => case.pinned(&index.get(&eligible).point.path),
        Request::Explicit(index) if !eligible.is_empty() => case.given(&index.get(&eligible).point.path),
        Request::Pin(_) | Request::Explicit(_) | Request::Nobody => case,
    };
    Truth { made, line, latest: number, progress_noted, failures, case }
}

#[derive(Debug, Clone, Copy)]
enum Requested<'a> {
    Nothing,
    Path(&'a str),
    Fresh,
}

impl Truth {
    /// Chooses as a start does: what a closer look proves unusable is chosen again without.
    fn settle(&self) -> (Choice, Case) {
        let mut case = self.case.clone();
        loop {
            let choice = case.choose();
            let Decision::Restore(point) = &choice.decision else { return (choice, case) };
            let made = self.made.iter().find(|made| made.point.path == point.path).unwrap();
            if made.fate == Fate::Whole {
                return (choice, case);
            }
            let before = case.situation.broken.insert(point.path.clone(), "not whole".into());
            assert_eq!(before, None, "chosen again although it was proven broken");
        }
    }

    fn requested(&self) -> Requested<'_> {
        let situation = &self.case.situation;
        match (&situation.history.request, &situation.explicit) {
            (Some(request), _) => request.pin.as_deref().map_or(Requested::Fresh, Requested::Path),
            (None, Some(explicit)) => Requested::Path(explicit),
            (None, None) => Requested::Nothing,
        }
    }

    /// The whole points of the line, newest first.
    fn whole_line(&self) -> Vec<&Made> {
        self.line.iter().rev().map(|one| &self.made[*one]).filter(|made| made.fate == Fate::Whole).collect()
    }

    /// Whether Flink could not restore this point as often as may be.
    fn is_given_up(&self, made: &Made) -> bool {
        let attempts = self.case.situation.policy.if_failed.attempts;
        made.fate != Fate::Damaged && self.failures.get(&made.point.path).is_some_and(|count| *count >= attempts)
    }
}

/// What a start may come upon, whatever the past: for whoever else has to do with it.
pub(in crate::protocol) fn situations() -> impl Strategy<Value = Situation> {
    story().prop_map(|story| tell(&story).case.situation)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_start_never_begins_with_nothing_and_never_goes_back_by_itself(story in story()) {
        let truth = tell(&story);
        let (choice, _) = truth.settle();
        let whole = truth.whole_line();
        let usable: Vec<&&Made> = whole.iter().filter(|made| !truth.is_given_up(made)).collect();
        let newer_than_usable = truth
            .line
            .iter()
            .rev()
            .map(|one| &truth.made[*one])
            .take_while(|made| made.fate != Fate::Whole || truth.is_given_up(made));
        let halts = !story.previous_if_failed && newer_than_usable.into_iter().any(|made| truth.is_given_up(made));
        match (truth.requested(), &choice.decision) {
            (Requested::Fresh, decision) => prop_assert_eq!(decision, &Decision::Fresh),
            (Requested::Path(path), Decision::Restore(point)) => prop_assert_eq!(&point.path, path),
            (Requested::Path(path), decision) => {
                prop_assert_eq!(decision, &Decision::Refuse);
                let fate = truth.made.iter().find(|made| made.point.path == path).map(|made| made.fate);
                prop_assert_ne!(fate, Some(Fate::Whole));
            }
            (Requested::Nothing, Decision::Restore(point)) => {
                // Promises 2 and 5: the newest point of the line that is whole and may be tried, and nothing but the line.
                prop_assert_eq!(Some(&point.path), usable.first().map(|made| &made.point.path), "{:#?}", choice);
                prop_assert!(!halts, "given up, and passed over in silence: {choice:#?}");
                let newer: Vec<&Made> = truth
                    .line
                    .iter()
                    .map(|one| &truth.made[*one])
                    .filter(|made| made.point.checkpoint_id > point.checkpoint_id)
                    .collect();
                if newer.iter().any(|made| made.fate == Fate::Whole && truth.is_given_up(made)) {
                    prop_assert!(choice.reason.contains("older than the newest known"), "{}", choice.reason);
                }
                let newer: Vec<&Made> = newer.into_iter().filter(|made| !truth.is_given_up(made)).collect();
                if !story.previous {
                    let known = |made: &Made| made.make == Make::Saved || matches!(made.fate, Fate::Damaged | Fate::Hollow);
                    let latest = |made: &&Made| made.point.epoch == truth.latest;
                    prop_assert!(!newer.iter().copied().filter(latest).any(known), "went back in silence: {choice:#?}");
                } else if newer.iter().any(|made| made.fate == Fate::Damaged && made.point.epoch == truth.latest) {
                    prop_assert!(choice.reason.contains("older than the newest known"), "{}", choice.reason);
                }
            }
            (Requested::Nothing, Decision::Fresh) => {
                // Promise 1.
                prop_assert!(whole.is_empty(), "{choice:#?}");
                prop_assert!(!truth.progress_noted);
                prop_assert!(truth.line.iter().all(|one| truth.made[*one].make != Make::Saved));
                prop_assert!(truth.line.iter().all(|one| truth.made[*one].point.epoch == truth.latest));
            }
            (Requested::Nothing, decision) => {
                prop_assert_eq!(decision, &Decision::Refuse);
                // Fail closed, but not without need.
                let lossless = truth.line.iter().all(|one| truth.made[*one].fate == Fate::Whole);
                prop_assert!(truth.latest.is_none() || !lossless || halts || usable.is_empty(), "{choice:#?}");
                prop_assert!(!story.previous || usable.is_empty() || halts, "{choice:#?}");
            }
        }
    }

    #[test]
    fn the_order_of_a_listing_makes_no_difference(story in story(), order in any::<prop::sample::Selector>()) {
        let truth = tell(&story);
        let (choice, mut case) = truth.settle();
        let mut found = std::mem::take(&mut case.situation.found);
        while let Some(one) = order.try_select(0..found.len()) {
            case.situation.found.push(found.swap_remove(one));
        }
        prop_assert_eq!(case.choose(), choice);
    }

    #[test]
    fn every_point_that_storage_showed_is_explained_once(story in story()) {
        let truth = tell(&story);
        let (choice, case) = truth.settle();
        for found in &case.situation.found {
            let named = choice.candidates.iter().filter(|candidate| candidate.point.path == found.path).count();
            prop_assert_eq!(named, 1, "{}", &found.path);
        }
        let chosen = choice.candidates.iter().filter(|candidate| candidate.chosen).count();
        prop_assert_eq!(chosen, usize::from(matches!(choice.decision, Decision::Restore(_))));
    }
}
