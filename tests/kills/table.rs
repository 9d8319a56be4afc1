//! The table of the full size: `tests/kill-matrix.md`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::cells::{BLOWS, Cell, Result};
use crate::life::Life;
use crate::support::evidence::commit;
use crate::support::trace::Side;

#[derive(Debug, Default)]
pub struct Table {
    rows: Vec<(Life, String)>,
    results: BTreeMap<(Life, String), Vec<(Cell, Result)>>,
}

fn file() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/kill-matrix.md")
}

impl Table {
    /// The effects of the one that is committed.
    pub fn committed() -> Self {
        let text = std::fs::read_to_string(file()).unwrap_or_default();
        let (mut table, mut life) = (Self::default(), None);
        for line in text.lines() {
            if let Some(title) = line.strip_prefix("## ") {
                life = Life::ALL.into_iter().find(|life| life.title() == title);
            }
            let effect = line.strip_prefix("| `").and_then(|rest| rest.split_once("` |"));
            if let (Some(life), Some((effect, _))) = (life, effect) {
                table.rows.push((life, effect.to_owned()));
            }
        }
        table
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub fn has(&self, life: Life, effect: &str) -> bool {
        self.rows.iter().any(|(of, known)| *of == life && known == effect)
    }

    pub fn add(&mut self, life: Life, effects: &[String], results: Vec<(Cell, Result)>) {
        self.rows.extend(effects.iter().map(|effect| (life, effect.clone())));
        for (cell, result) in results {
            let key = (life, cell.strike.effect.clone());
            self.results.entry(key).or_default().push((cell, result));
        }
    }

    pub fn unsafe_cells(&self) -> Vec<String> {
        self.results.values().flatten().filter(|(_, result)| !result.is_safe()).map(Cell::told).collect()
    }

    pub fn write(&self) {
        std::fs::write(file(), self.text()).unwrap();
    }

    fn text(&self) -> String {
        let all = || self.results.values().flatten();
        let came = all().filter(|(_, result)| result.0.is_some()).count();
        let mut text = format!(
            "# The kill matrix\n\n\
             Made by `cargo nextest run --test kills --run-ignored only` on {}, commit {}.\n\n\
             Each row is an effect of agent, `run` or guard that somebody else can see, as a traced run of the real programs showed it.\n\
             Right before and right after it, the process got SIGKILL, got SIGTERM, or stood still for longer than its deadline\n\
             (SIGSTOP; then the pod's end, and where it was the agent of a pod, it went on when the next epoch ran).\n\
             Then came the next start. A cell says how the stop was recorded (-: not at all) and what the next start restored, which in each\n\
             was the newest point that was durable; an empty one was not lived in this run. It is safe if promises 1 to 7 held, as `tests/kills/judge.rs` has them.\n\n\
             {} effects, {} cells, {came} of them came about, {} unsafe.\n",
            jiff::Zoned::now().date(),
            commit(),
            self.rows.len(),
            all().count(),
            self.unsafe_cells().len(),
        );
        for life in Life::ALL {
            text += &format!("\n## {}\n\n| effect | ", life.title());
            text += &columns().map(|(blow, side)| format!("{blow}, {side} | ")).concat();
            text = format!("{}\n|---|---|---|---|---|---|---|\n", text.trim_end());
            for (_, effect) in self.rows.iter().filter(|(of, _)| *of == life) {
                let results = self.results.get(&(life, effect.clone())).map(Vec::as_slice).unwrap_or_default();
                text += &format!("| `{effect}` |");
                for blow in BLOWS {
                    for side in [Side::Before, Side::After] {
                        let here = |cell: &Cell| cell.strike.blow == blow && cell.strike.side == side;
                        let result = results.iter().find(|(cell, _)| here(cell));
                        text += &format!(" {} |", result.map_or(String::new(), |(_, result)| result.words()));
                    }
                }
                text.push('\n');
            }
        }
        text
    }
}

fn columns() -> [(&'static str, &'static str); 6] {
    let names = ["SIGKILL", "SIGTERM", "SIGSTOP"];
    std::array::from_fn(|at| (names[at / 2], ["before", "after"][at % 2]))
}
