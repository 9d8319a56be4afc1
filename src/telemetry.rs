//! What the outside sees: logs and metrics.

mod catalogue;
pub mod log;
pub mod metrics;
pub mod termination;
pub mod words;
