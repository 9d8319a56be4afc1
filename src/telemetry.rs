//! What the outside sees: logs, metrics, and the status with its page.

mod catalogue;
pub mod log;
pub mod metrics;
pub mod page;
pub mod status;
pub mod termination;
pub mod words;
