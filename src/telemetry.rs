//! What the outside sees: logs, metrics, and the status with its page.

pub mod log;
pub mod metrics;
pub mod page;
pub mod status;
