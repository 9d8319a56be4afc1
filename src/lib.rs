//! Keeps Flink state through whatever Kubernetes does to a pod.
//!
//! **Stop**: signal → deadline → rung → savepoint → verify → record → release → exit.
//! **Start**: claim → read → list → choose → verify → inject → exec → confirm.
//!
//! Every file has its place in one of these two sentences. [`protocol`] holds both as state machines without I/O;
//! [`stop`] and [`start`] carry them out; [`agent`] is the daemon that decides, [`run`] the wrapper that obeys,
//! [`guard`] the same for TaskManagers.

pub mod agent;
pub mod api;
mod child;
pub mod cli;
pub mod clock;
pub mod cluster;
pub mod config;
pub mod doctor;
#[cfg(test)]
mod documents;
pub mod exit;
pub mod flink;
pub mod guard;
pub mod holder;
pub mod http;
pub mod inject;
pub mod kubernetes;
pub mod people;
pub mod protocol;
pub mod prune;
pub mod random;
pub mod record;
pub mod report;
pub mod run;
pub mod signals;
pub mod start;
pub mod stop;
pub mod storage;
pub mod telemetry;
pub mod tls;
pub mod verb;
pub mod version;
