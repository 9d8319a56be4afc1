//! What the outside sees: logs and metrics.

pub mod log;
pub mod metrics;
