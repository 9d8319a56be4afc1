//! Tells from what the job wrote whether anything was lost, or repeated that need not be.

use super::super::life::Life;

/// This value, and all before it, are in a durable point: no later life than these may write it again.
#[derive(Debug, Clone, Copy)]
pub struct Durable {
    lives: usize,
    value: u64,
}

impl Durable {
    /// All that these lives have written.
    pub fn all(lives: &[Life]) -> Self {
        Self { lives: lives.len(), value: lives.last().map_or(0, |life| life.last) }
    }

    pub fn is_of_as_many_lives_as(self, other: Self) -> bool {
        self.lives == other.lives
    }
}

/// What the job has written so far, and how much of it is durable.
#[derive(Debug, Default)]
pub struct Oracle {
    seen: usize,
    durable: Vec<Durable>,
}

impl Oracle {
    /// How many lives there were.
    pub fn seen(&self) -> usize {
        self.seen
    }

    pub fn durable(&mut self, durable: Durable) {
        self.durable.push(durable);
    }

    /// Judges what is new; gives how many values were written again.
    pub fn see(&mut self, lives: &[Life]) -> u64 {
        let mut repeated = 0;
        for (index, life) in lives.iter().enumerate() {
            assert_eq!((life.jumps, life.mismatches), (0, 0), "lost or wrong within a life: {lives:#?}");
            if index < self.seen {
                continue;
            }
            let next = index.checked_sub(1).map_or(0, |before| lives[before].last + 1);
            assert!(life.first <= next, "lost: {next} was the next value: {life:?} in {lives:#?}");
            let newer = self.durable.iter().find(|durable| durable.lives <= index && life.first <= durable.value);
            assert!(newer.is_none(), "went back too far: {newer:?}: {life:?} in {lives:#?}");
            repeated += next - life.first;
        }
        self.seen = lives.len();
        repeated
    }
}
