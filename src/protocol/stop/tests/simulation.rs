//! Whole stops against a model of Flink that does what was measured, with anything slow, lost or restarting.
//!
//! A stop-with-savepoint aborts whatever is being taken; when it is complete, the job is finished and its checkpoints are deleted. What
//! is aborted leaves nothing. A checkpoint that is asked for waits for what is being taken. After SIGTERM the JobManager goes on with
//! what is being taken for 5 s at most, after SIGKILL with nothing.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

const IN_FLIGHT: TriggerId = TriggerId::from_bytes([0xf1; 16]);
const ELSEWHERE: &str = "file:///elsewhere";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A stop-with-savepoint of this machine.
    Stop(TriggerId),
    /// A savepoint of ours.
    Savepoint,
    Checkpoint(TriggerId),
    OthersStop,
    OthersSavepoint,
}

#[derive(Debug, Clone)]
struct World {
    now: Moment,
    /// The number of the next checkpoint or savepoint.
    next: u64,
    checkpoint: Option<u64>,
    /// Path and number.
    savepoints: Vec<(String, u64)>,
    /// The savepoint with which the job was stopped, once it was.
    finished: Option<(String, u64)>,
    taking: Option<(Kind, Moment, Moment)>,
    queued: Option<TriggerId>,
    results: HashMap<TriggerId, Result<(String, u64), ()>>,
    /// The tasks restart then, once.
    restart: (Moment, Moment),
    periodic: Moment,
    /// Whether its statistics were read.
    surveyed: bool,
    weather: Weather,
}

/// What a case is made of.
#[derive(Debug, Clone)]
struct Weather {
    grace: u64,
    stop_takes: u64,
    checkpoint_takes: u64,
    prediction: Option<(u64, u64, Option<u64>)>,
    checkpoint: Option<u64>,
    /// What is in flight when the stop begins, since when and for how long.
    in_flight: Option<(usize, u64, u64)>,
    periodic_every: u64,
    restart: (u64, u64),
    /// Latencies; an answer that takes longer than it may is lost.
    latencies: Vec<u64>,
    on_demand: bool,
    survives: bool,
    record_fails: bool,
}

fn weather() -> impl Strategy<Value = Weather> {
    let expected = (100_u64..40_000, 0_u64..20_000, proptest::option::of(50_u64..9_000));
    let timing = (500_u64..30_000, 100_u64..40_000, 20_u64..12_000, proptest::option::of(expected));
    let before =
        (proptest::option::of(0_u64..60_000), proptest::option::of((0_usize..3, 0_u64..9_000, 10_u64..20_000)));
    let meanwhile = (1_000_u64..60_000, (0_u64..40_000, 0_u64..6_000));
    let latency = prop_oneof![8 => 0_u64..40, 1 => 40_u64..900, 1 => 900_u64..12_000];
    (timing, before, meanwhile, proptest::collection::vec(latency, 12..40), any::<[bool; 3]>()).prop_map(
        |(
            (grace, stop_takes, checkpoint_takes, prediction),
            (checkpoint, in_flight),
            (periodic_every, restart),
            latencies,
            flags,
        )| Weather {
            grace,
            stop_takes,
            checkpoint_takes,
            prediction,
            checkpoint,
            in_flight,
            periodic_every,
            restart,
            latencies,
            on_demand: flags[0],
            survives: flags[1],
            record_fails: flags[2],
        },
    )
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

impl World {
    fn new(weather: Weather) -> Self {
        let at = |after: u64| START.plus(millis(after));
        let taking = weather.in_flight.map(|(which, since, takes)| {
            let kind = [Kind::Savepoint, Kind::OthersStop, Kind::OthersSavepoint][which];
            (kind, START.minus(millis(since)), at(takes))
        });
        Self {
            now: START,
            next: 7,
            checkpoint: weather.checkpoint.map(|_| 6),
            savepoints: vec![(format!("{TARGET}/savepoint-3"), 3)],
            finished: None,
            taking,
            queued: None,
            results: HashMap::new(),
            restart: (at(weather.restart.0), at(weather.restart.0 + weather.restart.1)),
            periodic: at(weather.periodic_every),
            surveyed: false,
            weather,
        }
    }

    fn is_up(&self) -> bool {
        self.now < self.restart.0 || self.now >= self.restart.1
    }

    fn begin(&mut self, kind: Kind, takes: u64) {
        self.taking = Some((kind, self.now, self.now.plus(millis(takes))));
    }

    /// What is being taken comes to nothing.
    fn abort(&mut self) {
        if let Some((kind, ..)) = self.taking.take() {
            match kind {
                Kind::Stop(id) | Kind::Checkpoint(id) => drop(self.results.insert(id, Err(()))),
                Kind::Savepoint => drop(self.results.insert(IN_FLIGHT, Err(()))),
                Kind::OthersStop | Kind::OthersSavepoint => {}
            }
        }
        if let Some(id) = self.queued.take() {
            self.results.insert(id, Err(()));
        }
    }

    fn complete(&mut self, kind: Kind) {
        let number = self.next;
        self.next += 1;
        let folder = if matches!(kind, Kind::OthersStop | Kind::OthersSavepoint) { ELSEWHERE } else { TARGET };
        let point = (format!("{folder}/savepoint-{number}"), number);
        match kind {
            Kind::Checkpoint(id) => {
                self.checkpoint = Some(number);
                self.results.insert(id, Ok((String::new(), number)));
            }
            Kind::Savepoint => {
                self.savepoints.push(point.clone());
                self.results.insert(IN_FLIGHT, Ok(point));
            }
            Kind::OthersSavepoint => self.savepoints.push(point),
            Kind::Stop(_) | Kind::OthersStop => {
                self.savepoints.push(point.clone());
                if let Kind::Stop(id) = kind {
                    self.results.insert(id, Ok(point.clone()));
                }
                (self.finished, self.checkpoint) = (Some(point), None);
                self.abort();
            }
        }
    }

    /// Lets time pass.
    fn until(&mut self, moment: Moment) {
        while self.finished.is_none() {
            let done = self.taking.map(|(_, _, at)| at);
            let restarts = Some(self.restart.0).filter(|at| *at > self.now && self.taking.is_some());
            let next = [done, restarts, Some(self.periodic)].into_iter().flatten().min().unwrap();
            if next > moment {
                break;
            }
            self.now = self.now.max(next);
            if restarts == Some(next) {
                self.abort();
            } else if let Some((kind, ..)) = self.taking.filter(|(_, _, at)| *at == next) {
                self.taking = None;
                self.complete(kind);
                if let Some(id) = self.queued.take().filter(|_| self.finished.is_none()) {
                    self.begin(Kind::Checkpoint(id), self.weather.checkpoint_takes);
                }
            } else {
                if self.taking.is_none() && self.is_up() {
                    self.checkpoint = Some(self.next);
                    self.next += 1;
                }
                self.periodic = self.periodic.plus(millis(self.weather.periodic_every));
            }
        }
        self.now = self.now.max(moment);
    }

    fn survey(&self) -> Survey {
        let since = |stops: bool| {
            let (kind, since, _) = self.taking?;
            let fits = match kind {
                Kind::Stop(_) | Kind::OthersStop => stops,
                Kind::Savepoint | Kind::OthersSavepoint => !stops,
                Kind::Checkpoint(_) => false,
            };
            fits.then(|| self.now.since(since))
        };
        let age = millis(self.weather.checkpoint.unwrap_or_default()) + self.now.since(START);
        let newest = |id| Newest { id, age, took: millis(self.weather.checkpoint_takes) };
        let highest = self.savepoints.iter().map(|(_, number)| *number).max().max(self.checkpoint);
        Survey { newest: self.checkpoint.map(newest), highest, savepoint: since(false), stop: since(true) }
    }

    /// What Flink and storage do with it. Nothing that Flink is asked is answered by a JobManager that is gone.
    fn carry_out(&mut self, effect: &Effect, deadline: Deadline) -> Event {
        let point = |path: &str, number| {
            let point = PointRef { path: path.to_owned(), checkpoint_id: Some(number), epoch: None };
            Event::Searched(Search::Found(Secured { point, ..secured(path) }))
        };
        match effect {
            Effect::ReadJobs if self.finished.is_some() => job(JobState::Finished, false, true),
            Effect::ReadJobs => job(JobState::Active, self.is_up(), true),
            Effect::Survey(_) => Event::Surveyed(Some(self.survey())),
            Effect::PostCheckpoint(..) if !self.weather.on_demand => {
                Event::CheckpointPosted(PostReply::Refused("404".to_owned()))
            }
            Effect::PostCheckpoint(_, id) => {
                if !self.results.contains_key(id) && self.queued != Some(*id) && !self.is_taking(Kind::Checkpoint(*id))
                {
                    if self.finished.is_some() || !self.is_up() {
                        self.results.insert(*id, Err(()));
                    } else if self.taking.is_some() {
                        self.queued = Some(*id);
                    } else {
                        self.begin(Kind::Checkpoint(*id), self.weather.checkpoint_takes);
                    }
                }
                Event::CheckpointPosted(PostReply::Accepted)
            }
            Effect::PollCheckpoint(_, id) => Event::CheckpointPolled(match self.results.get(id) {
                None => CheckpointReply::InProgress,
                Some(Ok((_, number))) => CheckpointReply::Completed(*number),
                Some(Err(())) => CheckpointReply::Failed(String::new()),
            }),
            Effect::Note(_) => Event::Noted,
            Effect::Post(attempt) => {
                let id = attempt.trigger_id;
                if !self.results.contains_key(&id) && !self.is_taking(Kind::Stop(id)) {
                    assert!(!matches!(self.taking, Some((Kind::Stop(_), ..))), "two stops of ours in flight");
                    assert!(
                        !self.surveyed || !matches!(self.taking, Some((Kind::OthersStop, ..))),
                        "destroys somebody else's stop"
                    );
                    assert!(self.now < deadline.cutoff().plus(REQUEST), "asks for a savepoint when its time is over");
                    self.abort();
                    if self.finished.is_some() || !self.is_up() {
                        self.results.insert(id, Err(()));
                    } else {
                        self.begin(Kind::Stop(id), self.weather.stop_takes);
                    }
                }
                Event::Posted(PostReply::Accepted)
            }
            Effect::Poll(attempt) => match self.results.get(&attempt.trigger_id) {
                None => Event::Polled(PollReply::InProgress),
                Some(Ok((path, _))) => Event::Polled(PollReply::Completed(path.clone())),
                Some(Err(())) => failed(true),
            },
            Effect::Search(above) => {
                let known = format!("{TARGET}/savepoint-3");
                let ours = self.savepoints.iter().filter(|(path, _)| path.starts_with(TARGET) && *path != known);
                let newest = ours.filter(|(_, number)| Some(*number) > *above).max_by_key(|(_, number)| *number);
                newest.map_or_else(nothing, |(path, number)| point(path, *number))
            }
            Effect::Verify(path) => {
                let (path, number) = self.savepoints.iter().find(|(one, _)| one == path).expect("what Flink named");
                point(path, *number)
            }
            Effect::FindCheckpoint => self
                .checkpoint
                .map_or_else(nothing, |number| point(&format!("file:///checkpoints/chk-{number}"), number)),
            Effect::ReadEnd(_) => {
                let path = self.finished.as_ref().map(|(path, _)| path.as_str());
                end(EndKind::Stopped, path)
            }
            Effect::Record(_) if self.weather.record_fails => Event::Recorded(RecordReply::Failed("away".to_owned())),
            Effect::Record(_) => recorded(),
            Effect::Mark(_) => Event::Marked(true),
            Effect::LookAtLeftovers => Event::Left(None),
        }
    }

    fn is_taking(&self, kind: Kind) -> bool {
        self.taking.is_some_and(|(taking, ..)| taking == kind)
    }

    /// The newest point that the next start finds.
    fn newest(&self, told: Option<&str>) -> u64 {
        let listed = |path: &str| path.starts_with(TARGET) || Some(path) == told;
        let savepoints = self.savepoints.iter().filter(|(path, _)| listed(path)).map(|(_, number)| *number);
        savepoints.chain(self.checkpoint).max().unwrap_or_default()
    }
}

/// What it means that there was no answer in time.
fn no_answer(effect: &Effect) -> Event {
    let late = || "late".to_owned();
    match effect {
        Effect::ReadJobs => unreachable(),
        Effect::Survey(_) => Event::Surveyed(None),
        Effect::PostCheckpoint(..) => Event::CheckpointPosted(PostReply::Lost(late())),
        Effect::PollCheckpoint(..) => Event::CheckpointPolled(CheckpointReply::Lost(late())),
        Effect::Note(_) => Event::Noted,
        Effect::Post(_) => Event::Posted(PostReply::Lost(late())),
        Effect::Poll(_) => Event::Polled(PollReply::Lost(late())),
        Effect::Search(_) | Effect::Verify(_) | Effect::FindCheckpoint => Event::Searched(Search::Unreadable(late())),
        Effect::ReadEnd(_) => Event::End(None),
        Effect::Record(_) => Event::Recorded(RecordReply::Failed(late())),
        Effect::Mark(_) => Event::Marked(false),
        Effect::LookAtLeftovers => Event::Left(Some(late())),
    }
}

fn plan_in(weather: &Weather) -> Plan {
    let prediction = weather.prediction.map(|(likely, more, checkpoint)| Prediction {
        savepoint: Expected { likely: millis(likely), at_most: millis(likely + more) },
        checkpoint: checkpoint.map(|takes| Expected { likely: millis(takes), at_most: millis(takes * 2) }),
        bytes: Some(0),
        basis: String::new(),
    });
    let ours = weather.in_flight.is_some_and(|(which, ..)| which == 0);
    let in_flight =
        ours.then(|| InFlight { attempt: attempt(IN_FLIGHT), kind: crate::protocol::point::Kind::Periodic });
    let deadline = Deadline::after(START, millis(weather.grace), RESERVE);
    Plan { deadline, checkpoints_survive: weather.survives, prediction, in_flight, ..plan() }
}

/// Drives a stop to its end, and the JobManager to its own; gives what the stop came to, and whether the job had ended before.
fn play(weather: &Weather) -> (World, Release, bool) {
    let plan = plan_in(weather);
    let deadline = plan.deadline;
    let (mut world, mut stop) = (World::new(weather.clone()), Stop::begin(plan));
    let mut latencies = weather.latencies.iter().cycle();
    let release = loop {
        let now = world.now;
        match stop.next(now) {
            Step::Done(release) => break release,
            Step::Wait(until) => world.until(until),
            Step::Do { effect, until } => {
                let latency = millis(*latencies.next().unwrap());
                let asks = matches!(effect, Effect::Post(_) | Effect::PostCheckpoint(..));
                assert!(!asks || now < deadline.cutoff(), "asks for something when the time for it is over");
                let event = if now.plus(latency) <= until {
                    // Half way it is done.
                    world.until(now.plus(latency / 2));
                    let event = world.carry_out(&effect, deadline);
                    world.surveyed |= matches!(event, Event::Surveyed(_));
                    world.until(now.plus(latency));
                    event
                } else {
                    // Done or not: no answer comes.
                    if latency.as_millis().is_multiple_of(2) {
                        world.carry_out(&effect, deadline);
                    }
                    world.until(until);
                    no_answer(&effect)
                };
                stop.on(event, world.now);
            }
        }
    };
    assert!(world.now <= deadline.record_until(), "{:?} is after {deadline:?}", world.now);
    let ended = world.finished.is_some();
    if release.kill {
        world.taking = None;
    } else {
        world.queued = None;
        world.periodic = Moment(u64::MAX);
        let end = world.now.plus(Duration::from_secs(5)).min(deadline.at);
        world.until(end);
        if !weather.survives && world.finished.is_none() {
            world.checkpoint = None;
        }
    }
    (world, release, ended)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_stop_leaves_an_older_state_than_there_was_when_it_began(weather in weather()) {
        let before = World::new(weather.clone()).newest(None);
        let (world, release, ended_before) = play(&weather);
        let told = release.point.as_ref().map(|point| point.path.as_str());
        // How the job was stopped by somebody else is recorded with it.
        let ended = world.finished.as_ref().map(|(path, _)| path.as_str()).filter(|_| release.outcome == StopOutcome::Ended);
        let after = world.newest(told.or(ended));
        // Where Flink could not be asked, nobody can tell where somebody else's stop has left the state.
        let elsewhere = world.finished.as_ref().is_some_and(|(path, _)| path.starts_with(ELSEWHERE));
        if elsewhere && (ended_before || !world.surveyed) {
            return Ok(());
        }
        prop_assert!(after >= before, "{} is older than {}: {:?}\n{:?}", after, before, release, world);
        if release.outcome == StopOutcome::Savepoint {
            prop_assert!(world.finished.is_some(), "the job is not at its end: {:?}\n{:?}", release, world);
        }
        if let Some(number) = release.point.as_ref().and_then(|point| point.checkpoint_id) {
            prop_assert!(after >= number, "what is recorded is there, or something newer: {:?}\n{:?}", release, world);
        }
    }
}
