//! What a person does beside a cluster that runs.

use super::desk::Desk;
use super::pages;
use crate::world::{LONG, World, how};

pub const RUN: &[&str] = &["looked_at"];

#[test]
fn a_deleted_pod_is_looked_at() {
    let world = World::new();
    let Some(desk) = Desk::with(&world, &["kubectl"]) else { return };
    let mut process = world.up(&how());
    std::fs::write(desk.path.join("pod"), process.pid().to_string()).unwrap();
    let [delete, rest] =
        pages::only("looked_at").splitn(2, '\n').map(str::to_owned).collect::<Vec<_>>().try_into().unwrap();
    desk.run(&world, &delete);
    assert_eq!(process.exit_code(LONG), 143);
    // The next pod, or nobody: the record says it either way.
    let said = desk.run(&world, &format!("export SAVEPOINTD_RECORD=file://{}\n{rest}", world.record().display()));
    assert!(said.lines().any(|line| line.contains(" final ")) && said.contains("/savepoint-"), "{said}");
    let events = desk.calls();
    let reason = events.lines().find_map(|call| call.split_once("reason=")).unwrap().1.trim();
    assert!(pages::text("src/agent/events.rs").contains(&format!("\"{reason}\"")), "{reason}");
    let base = pages::text("k8s/flink/deployment/jobmanager.yaml");
    assert!(base.contains("component: jobmanager") && base.contains("name: orders-jobmanager"));
}
