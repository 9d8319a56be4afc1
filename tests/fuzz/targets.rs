//! What is read that others wrote, each by production's own functions, and what has to hold for any bytes.

mod command;
mod configuration;
mod flink;
mod manifests;
mod messages;
mod record;
mod state;

use std::fmt::Debug;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// A reader under test.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    pub name: &'static str,
    /// Panics where something does not hold.
    pub check: fn(&[u8]),
    /// So many bytes it may need for an empty input.
    pub memory: u64,
    /// How much dearer it is than the others.
    pub costs: u32,
}

const fn target(name: &'static str, check: fn(&[u8]), memory: u64, costs: u32) -> Target {
    Target { name, check, memory, costs }
}

pub const TARGETS: &[Target] = &[
    target("metadata", state::metadata, 1 << 20, 1),
    target("completed-checkpoint", state::completed, 1 << 16, 1),
    target("record", record::record, 1 << 20, 5),
    target("marker", record::marker, 1 << 20, 5),
    target("flink", flink::answer, 1 << 20, 5),
    target("messages", messages::any, 1 << 18, 1),
    target("configuration", configuration::own, 1 << 20, 2),
    target("flink-configuration", configuration::flinks, 1 << 18, 1),
    target("manifests", manifests::any, 1 << 20, 3),
    target("plan", messages::plan, 1 << 18, 1),
    target("command", command::line, 1 << 22, 5),
    target("path", command::path, 1 << 20, 1),
];

/// What was read and is written again is read as the same.
fn same_again<T: Serialize + DeserializeOwned + PartialEq + Debug>(bytes: &[u8]) -> Option<T> {
    let value: T = serde_json::from_slice(bytes).ok()?;
    let text = serde_json::to_string(&value).unwrap();
    assert_eq!(serde_json::from_str::<T>(&text).unwrap(), value, "{text}");
    Some(value)
}
