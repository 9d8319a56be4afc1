//! What is to come, what came of it: a table at the end, and everything that gives a failure again if there is one.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::io::Write as _;

use super::super::evidence;
use super::Step;

#[derive(Debug)]
pub struct Journal<F: Debug> {
    name: String,
    seed: u64,
    schedule: Vec<Step<F>>,
    /// How many have begun.
    begun: usize,
    /// For each fault, how often it came to what, and how much was repeated at most.
    table: BTreeMap<String, (BTreeMap<&'static str, u64>, u64)>,
}

const OUTCOMES: [&str; 4] = ["went on", "tasks restarted", "savepoint", "checkpoint"];

impl<F: Debug + Copy> Journal<F> {
    pub fn open(name: &str, seed: u64, schedule: Vec<Step<F>>) -> Self {
        Self { name: name.to_owned(), seed, schedule, begun: 0, table: BTreeMap::new() }
    }

    /// The next step, which begins now.
    pub fn next(&mut self) -> Option<Step<F>> {
        let step = *self.schedule.get(self.begun)?;
        self.begun += 1;
        println!("{}: {step:?}", self.begun);
        Some(step)
    }

    /// What came of the step that began last.
    pub fn came_to(&mut self, outcome: &'static str, repeated: u64) {
        println!("   {outcome}, {repeated} repeated");
        let fault = format!("{:?}", self.schedule[self.begun - 1].fault);
        let (outcomes, most) = self.table.entry(fault).or_default();
        *outcomes.entry(outcome).or_default() += 1;
        *most = repeated.max(*most);
    }

    pub fn close(&self) {
        let mut counts = vec![("faults", u64::try_from(self.begun).unwrap())];
        for (outcome, words) in
            OUTCOMES.into_iter().zip(["of no effect", "tasks restarted", "savepoints restored", "checkpoints restored"])
        {
            let times = |(outcomes, _): &(BTreeMap<&str, u64>, u64)| outcomes.get(outcome).copied().unwrap_or(0);
            counts.push((words, self.table.values().map(times).sum()));
        }
        evidence::keep(
            "random faults on real parts, nothing lost",
            &format!("{}, seed {}", self.name, self.seed),
            &counts,
        );
        println!("\n{}: {} faults by seed {}, nothing lost\n", self.name, self.begun, self.seed);
        println!("| fault | times | {} | repeated, most |", OUTCOMES.join(" | "));
        println!("|---|---|{}---|", "---|".repeat(OUTCOMES.len()));
        for (fault, (outcomes, most)) in &self.table {
            let counts = OUTCOMES.map(|outcome| outcomes.get(outcome).map_or_else(|| "-".to_owned(), u64::to_string));
            println!("| {fault} | {} | {} | {most} |", outcomes.values().sum::<u64>(), counts.join(" | "));
        }
    }
}

impl<F: Debug> Drop for Journal<F> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let mut out = std::io::stderr();
            let (name, seed, count) = (&self.name, self.seed, self.schedule.len());
            let _ = writeln!(out, "\n{name} again: SPTEST_SEED={seed} SPTEST_FAULTS={count}; it failed in the last of");
            for (index, step) in self.schedule.iter().take(self.begun).enumerate() {
                let _ = writeln!(out, "{}: {step:?}", index + 1);
            }
        }
    }
}
