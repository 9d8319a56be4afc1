//! Effect by side by blow: the cells of the matrix, some at a time.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Mutex;
use std::time::Duration;

use crate::judge::Outcome;
use crate::life::Life;
use crate::support::trace::{Blow, Side, Strike};

const SIDES: [Side; 2] = [Side::Before, Side::After];
pub const BLOWS: [Blow; 3] = [Blow::Kill, Blow::Term, Blow::Freeze];
/// So many lives at the same time: mostly they wait.
const AT_ONCE: usize = 6;
/// An effect that hangs on how processes take turns may not come in a run, and a machine with too much to do may be late.
const TRIES: usize = 3;

/// One life, one blow.
#[derive(Debug, Clone)]
pub struct Cell {
    pub life: Life,
    pub strike: Strike,
}

/// What came of it; none: the effect never came.
#[derive(Debug, Clone)]
pub struct Result(pub Option<Outcome>);

impl Result {
    pub fn is_safe(&self) -> bool {
        self.0.as_ref().is_none_or(|outcome| outcome.problems.is_empty())
    }

    pub fn words(&self) -> String {
        self.0.as_ref().map_or_else(|| "did not come".to_owned(), Outcome::words)
    }
}

impl Cell {
    pub fn told((cell, result): &(Self, Result)) -> String {
        let Strike { effect, side, blow } = &cell.strike;
        let outcome = result.0.clone().unwrap_or_default();
        let problems = outcome.problems.join("; ");
        format!("{:?}, {blow:?} {side:?} {effect}: {problems}\n{}", cell.life, outcome.log)
    }

    fn result(&self) -> Result {
        for left in (0..TRIES).rev() {
            let lived = std::panic::catch_unwind(|| self.life.live(Some(&self.strike)));
            match lived {
                Ok(lived) if lived.outcome.is_only_late() && left > 0 => {}
                Ok(lived) if lived.struck => return Result(Some(lived.outcome)),
                Ok(_) => {}
                Err(cause) => {
                    let text = cause.downcast_ref::<String>().cloned().unwrap_or_default();
                    return Result(Some(Outcome { problems: vec![text], ..Outcome::default() }));
                }
            }
        }
        Result(None)
    }
}

/// All of them.
pub fn cells(life: Life, effects: &[String]) -> Vec<Cell> {
    effects.iter().flat_map(|effect| of(life, effect)).collect()
}

/// One for each effect.
pub fn rotated(life: Life, effects: &[String]) -> Vec<Cell> {
    let one = |effect: &String| {
        let mut hasher = DefaultHasher::new();
        effect.hash(&mut hasher);
        let all = of(life, effect);
        let at = usize::try_from(hasher.finish() % all.len() as u64).unwrap();
        all[at].clone()
    };
    effects.iter().map(one).collect()
}

fn of(life: Life, effect: &str) -> Vec<Cell> {
    // There is nothing after the end.
    let sides = SIDES.into_iter().filter(|side| *side == Side::Before || !effect.ends_with(" ends"));
    let strikes = sides.flat_map(|side| BLOWS.map(|blow| Strike { effect: effect.to_owned(), side, blow }));
    strikes.map(|strike| Cell { life, strike }).collect()
}

/// Lives them all.
pub fn at_once(cells: Vec<Cell>) -> Vec<(Cell, Result)> {
    let total = cells.len();
    let (waiting, done) = (Mutex::new(cells.into_iter().enumerate()), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for begin in 0..AT_ONCE {
            let (waiting, done) = (&waiting, &done);
            scope.spawn(move || {
                // Not all of them in step.
                std::thread::sleep(Duration::from_millis(300) * u32::try_from(begin).unwrap());
                loop {
                    let next = waiting.lock().unwrap().next();
                    let Some((index, cell)) = next else { return };
                    let result = cell.result();
                    let Strike { effect, side, blow } = &cell.strike;
                    let problems = result.0.as_ref().map(|outcome| outcome.problems.join("; ")).unwrap_or_default();
                    eprintln!("{}/{total} {blow:?} {side:?} {effect}: {} {problems}", index + 1, result.words());
                    done.lock().unwrap().push((index, (cell, result)));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap();
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, one)| one).collect()
}
