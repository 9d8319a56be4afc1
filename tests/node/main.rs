//! Level 5: real pods with a real Flink on a real Kubernetes node, and a job that checks itself record by record.
#![allow(unreachable_pub, reason = "a test binary has no outside")]
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a test fails by panicking, real processes need the real clock, and figures are printed"
)]

#[path = "../support/mod.rs"]
mod support;

mod application;
mod manifest;
mod node;
mod witness;

mod chaos;
mod contended;
mod denied;
mod downtime;
mod ended;
mod high_availability;
mod manifests;
mod native;
mod replaced;
mod steady;
mod whole;

/// Tests that have a node, or say that there is none. At landing size those are left out that others nearly cover. Those `in_rounds`
/// are repeated as often as is asked for, each time with an application of its own.
macro_rules! on_the_node {
    (in_rounds: $($name:ident),* $(,)? $(; at_full_size: $($full:ident),* $(,)?)?) => {
        mod on_the_node {
            $(#[test] fn $name() { crate::node::in_rounds(stringify!($name), super::$name); })*
            $($(#[test] #[ignore = "full size"] fn $full() { crate::node::in_rounds(stringify!($full), super::$full); })*)?
        }
    };
    ($($name:ident),* $(,)? $(; at_full_size: $($full:ident),* $(,)?)?) => {
        mod on_the_node {
            $(#[test] fn $name() { if crate::node::is_there() { super::$name(); } })*
            $($(#[test] #[ignore = "full size"] fn $full() { if crate::node::is_there() { super::$full(); } })*)?
        }
    };
}
use on_the_node;
