//! Flink's versions, what happens to a job, and state backends, in one table: each cell is a stop, or an end of another kind,
//! and what the next start makes of it.
//!
//! At landing size each two of these three come together once; at full size each three. `SPTEST_MATRIX=1.16.3,2.2.1` has the full
//! size for these versions.

mod chain;
mod written;

use std::collections::VecDeque;
use std::fmt;
use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;

use super::support::evidence;
use chain::{Cell, Chain};

const LANDING: [&str; 4] = ["1.15.4", "1.17.2", "1.20.5", "2.3.0"];
const FULL: [&str; 9] = ["1.15.4", "1.16.3", "1.17.2", "1.18.1", "1.19.3", "1.20.5", "2.0.1", "2.2.1", "2.3.0"];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Backend {
    HashMap,
    RocksDb,
}

const BACKENDS: [Backend; 2] = [Backend::HashMap, Backend::RocksDb];

/// What happens to a job, in the order in which it happens to one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scenario {
    SlowStop,
    CleanStop,
    Crash,
    BrokenSavepoint,
    OperatorGone,
    OperatorGoneAllowed,
    OtherParallelism,
}

const SCENARIOS: [Scenario; 7] = [
    Scenario::SlowStop,
    Scenario::CleanStop,
    Scenario::Crash,
    Scenario::BrokenSavepoint,
    Scenario::OperatorGone,
    Scenario::OperatorGoneAllowed,
    Scenario::OtherParallelism,
];

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::SlowStop => "slow stop past the deadline",
            Self::CleanStop => "clean stop",
            Self::Crash => "crash",
            Self::BrokenSavepoint => "broken savepoint",
            Self::OperatorGone => "operator gone",
            Self::OperatorGoneAllowed => "operator gone, allowed",
            Self::OtherParallelism => "other parallelism",
        })
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::HashMap => "hashmap",
            Self::RocksDb => "rocksdb",
        })
    }
}

/// What happens one after the other to one job.
#[derive(Debug, Clone)]
struct Plan {
    version: &'static str,
    backend: Backend,
    scenarios: Vec<Scenario>,
}

/// Each version sees each scenario once, on the one backend or the other, by turns.
fn landing() -> Vec<Plan> {
    let on = |version: usize, backend: usize| {
        let of_this_turn = |(index, scenario)| ((version + index) % 2 == backend).then_some(scenario);
        SCENARIOS.into_iter().enumerate().filter_map(of_this_turn).collect()
    };
    plans(&LANDING, on)
}

fn full(versions: &[&'static str]) -> Vec<Plan> {
    plans(versions, |_, _| SCENARIOS.to_vec())
}

fn plans(versions: &[&'static str], scenarios: impl Fn(usize, usize) -> Vec<Scenario>) -> Vec<Plan> {
    let mut plans = Vec::new();
    for (i, version) in versions.iter().enumerate() {
        for (j, backend) in BACKENDS.into_iter().enumerate() {
            plans.push(Plan { version, backend, scenarios: scenarios(i, j) });
        }
    }
    plans
}

/// A line of the table; what is wrong in place of the cell.
type Row = (Plan, Scenario, Result<Cell, String>);

/// All of it, two jobs at a time; gives the lines in order.
fn run(plans: Vec<Plan>) -> Vec<Row> {
    let count = plans.len();
    let waiting = Mutex::new(plans.into_iter().enumerate().collect::<VecDeque<_>>());
    let done: Mutex<Vec<Vec<Row>>> = Mutex::new(vec![Vec::new(); count]);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let Some((index, plan)) = waiting.lock().unwrap().pop_front() else { break };
                    let rows = happen(&plan);
                    done.lock().unwrap()[index] = rows;
                }
            });
        }
    });
    done.into_inner().unwrap().into_iter().flatten().collect()
}

fn happen(plan: &Plan) -> Vec<Row> {
    let mut chain = None;
    let mut rows: Vec<Row> = Vec::new();
    for scenario in &plan.scenarios {
        let cell = if rows.last().is_some_and(|(_, _, cell)| cell.is_err()) {
            Err("not reached".to_owned())
        } else {
            let cell = || {
                let slow_first = plan.scenarios.first() == Some(&Scenario::SlowStop);
                chain.get_or_insert_with(|| Chain::begin(plan.version, plan.backend, slow_first)).cell(*scenario)
            };
            catch_unwind(AssertUnwindSafe(cell)).map_err(|panic| said(panic.as_ref()))
        };
        let row = (plan.clone(), *scenario, cell);
        // The whole takes long.
        let _ = writeln!(std::io::stderr(), "{}", line(&row));
        rows.push(row);
    }
    if let (Some(chain), Some((_, _, last @ Ok(_)))) = (chain, rows.last_mut())
        && let Err(panic) = catch_unwind(AssertUnwindSafe(|| chain.end()))
    {
        *last = Err(said(panic.as_ref()));
    }
    rows
}

fn said(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
}

/// A line of the table.
fn line((plan, scenario, cell): &Row) -> String {
    let head = format!("| {} | {} | {scenario} |", plan.version, plan.backend);
    match cell {
        Ok(Cell { outcome, restored, lost, repeated, wrong }) => {
            format!("{head} {outcome} | {restored} | {lost} | {repeated} | {wrong} |")
        }
        Err(_) => format!("{head} FAILED | | | | |"),
    }
}

fn assert_holds(plans: Vec<Plan>) -> Vec<Row> {
    let rows = run(plans);
    println!("| Flink | state | what happens | outcome | restored from | lost | repeated | wrong |");
    println!("|---|---|---|---|---|---|---|---|");
    let mut wrong = Vec::new();
    for row in &rows {
        println!("{}", line(row));
        wrong.extend(row.2.as_ref().err().map(|reason| format!("{} {reason}", line(row))));
    }
    assert!(wrong.is_empty(), "{} of {} cells:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
    rows
}

#[test]
fn at_landing_size_each_pair_comes_together_and_each_version_sees_everything() {
    let cells: Vec<(&str, Backend, Scenario)> = landing()
        .into_iter()
        .flat_map(|plan| plan.scenarios.into_iter().map(move |scenario| (plan.version, plan.backend, scenario)))
        .collect();
    assert_eq!(cells.len(), LANDING.len() * SCENARIOS.len());
    for version in LANDING {
        for scenario in SCENARIOS {
            assert!(cells.iter().any(|cell| (cell.0, cell.2) == (version, scenario)), "{version} {scenario}");
        }
        for backend in BACKENDS {
            assert!(cells.iter().any(|cell| (cell.0, cell.1) == (version, backend)), "{version} {backend}");
        }
    }
    for backend in BACKENDS {
        for scenario in SCENARIOS {
            assert!(cells.iter().any(|cell| (cell.1, cell.2) == (backend, scenario)), "{backend} {scenario}");
        }
    }
}

#[test]
fn each_pair_of_version_scenario_and_backend_holds() {
    drop(assert_holds(landing()));
}

#[test]
#[ignore = "full size"]
fn each_version_scenario_and_backend_holds() {
    let asked = std::env::var("SPTEST_MATRIX").ok();
    let is_asked_for =
        |version: &&str| asked.as_deref().is_none_or(|asked| asked.split(',').any(|one| one == *version));
    let versions: Vec<&'static str> = FULL.into_iter().filter(is_asked_for).collect();
    assert!(!versions.is_empty(), "SPTEST_MATRIX names none of {FULL:?}");
    let rows = assert_holds(full(&versions));
    for version in versions {
        let cells =
            rows.iter().filter(|(plan, ..)| plan.version == version).filter_map(|(_, _, cell)| cell.as_ref().ok());
        let (mut count, mut lost, mut wrong) = (0, 0, 0);
        for cell in cells {
            (count, lost, wrong) = (count + 1, lost + cell.lost, wrong + cell.wrong);
        }
        let what = "each version of Flink, state backend, and what may happen to a job";
        evidence::keep(what, version, &[("cells", count), ("records lost", lost), ("records wrong", wrong)]);
    }
}
