//! The real binary against a Flink that does what the test wants: every error, delay, lost reply and half body.
#![allow(missing_docs, missing_debug_implementations, unreachable_pub, dead_code, reason = "nobody else uses it")]
#![allow(
    clippy::pedantic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::allow_attributes,
    reason = "a test fails by a panic, and watches real processes in real time"
)]

#[path = "../support/mod.rs"]
mod support;

mod agent_death;
mod deadline;
mod ends;
mod faults;
mod processes;
mod refusals;
mod signals;
mod starts;
mod surface;
mod world;
