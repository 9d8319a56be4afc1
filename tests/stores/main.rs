//! Level 4: the contracts of places, record and marker on real object stores, with faults on the wire.
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

#[path = "../support/mod.rs"]
mod support;

mod contract;
mod doctor;
mod faults;
mod hdfs;
mod many;
mod prune;
mod tls;
mod world;
