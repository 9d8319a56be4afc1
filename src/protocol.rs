//! The protocol without I/O: what a stop and a start do next, given what happened.
//!
//! Nothing in here reads a clock, a file or a socket. [`stop`] and [`start`] are state machines: whoever drives them asks
//! for the next [`Step`], carries it out, and says what came of it. Production and tests drive the same code.

pub mod choose;
pub mod confirm;
pub mod entry;
pub mod estimate;
pub mod failure;
pub mod fence;
pub mod grace;
pub mod ha;
pub mod history;
pub mod id;
pub mod inject;
pub mod jobs;
pub mod linger;
pub mod native;
pub mod options;
pub mod outcome;
pub mod periodic;
pub mod phase;
pub mod point;
pub mod retention;
pub mod salvage;
pub mod savepoint;
pub mod shell;
pub mod start;
pub mod stop;
pub mod time;

#[cfg(test)]
mod model;

use time::Moment;

/// What a state machine wants next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step<Effect, End> {
    /// Do this, and report what came of it; give up, and say so, at `until`.
    Do {
        /// What to do.
        effect: Effect,
        /// When the answer is not awaited any longer.
        until: Moment,
    },
    /// Nothing to do before this moment.
    Wait(Moment),
    /// It is over.
    Done(End),
}
