//! The real binary against a Flink that does what the test wants: every error, delay, lost reply and half body.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a test fails by panicking, and real processes need the real clock"
)]
#![allow(unreachable_pub, reason = "nobody else uses it")]
#![allow(clippy::print_stderr, reason = "a test that can't run here says so")]
#![allow(clippy::unused_self, reason = "what is done to a world reads best as its method")]

#[path = "../support/mod.rs"]
mod support;

mod agent_death;
mod browser;
mod credentials;
mod deadline;
mod documents;
mod ends;
mod estimate;
mod exchange;
mod failures;
mod faults;
mod guards;
mod inject;
mod inspect;
mod instead;
mod kubectl;
mod kubernetes;
mod ladder;
mod last_words;
mod leftovers;
mod load;
mod logs;
mod native;
mod page;
mod processes;
mod pruning;
mod refusals;
mod retention;
mod salvage;
mod savepoints;
mod security;
mod sessions;
mod signals;
mod starts;
mod surface;
mod tidings;
mod tls;
mod typed;
mod ungated;
mod unseen;
mod verify;
mod versions;
mod world;
