//! `completions` and `complete`: what a shell asks.

use crate::cli::complete::{candidates, script};
use crate::cli::{Shell, help};
use crate::exit::Exit;

pub(super) fn print(shell: Shell) -> Exit {
    print!("{}", script(shell));
    Exit::Done
}

pub(super) fn complete(words: &[String]) -> Exit {
    for candidate in candidates(&help::command(), words) {
        println!("{}\t{}", candidate.word, candidate.about);
    }
    Exit::Done
}
