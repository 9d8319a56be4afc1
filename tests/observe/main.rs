//! What the person on call sees, judged by the real Prometheus: metrics, alerts, the dashboard's queries.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a test fails by panicking, and real processes need the real clock"
)]
#![allow(unreachable_pub, dead_code, reason = "the world of the wire tests offers more")]
#![allow(clippy::unused_self, reason = "what is done to a world reads best as its method")]

#[path = "../support/mod.rs"]
mod support;
#[path = "../wire/world.rs"]
mod world;

mod alerts;
mod cases;
mod dashboard;
mod manifests;
mod prometheus;
mod scraped;
