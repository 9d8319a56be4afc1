//! Flink's own high availability by Kubernetes.

use super::application::Application;
use super::manifest::Shape;
use super::on_the_node;

on_the_node!(; at_full_size: with_flink_1_a_deleted_pod_repeats_nothing_and_a_killed_job_manager_loses_nothing,
    with_flink_2_a_deleted_pod_repeats_nothing_and_a_killed_job_manager_loses_nothing,
);

fn with_flink_1_a_deleted_pod_repeats_nothing_and_a_killed_job_manager_loses_nothing() {
    deleted_and_killed("available", "1.20.5");
}

fn with_flink_2_a_deleted_pod_repeats_nothing_and_a_killed_job_manager_loses_nothing() {
    deleted_and_killed("available-2", "2.3.0");
}

fn deleted_and_killed(name: &str, flink: &'static str) {
    let app = Application::start(name, Shape { highly_available: true, flink, ..Shape::default() });
    let first = app.started().pod;
    app.progress(200);
    app.delete(&first, &[]);
    let stopped = app.stopped(&first);
    assert_eq!(stopped.word("outcome"), "savepoint", "{stopped:?}");
    assert!(!stopped.word("reason").contains("high availability"), "all was cleaned up: {stopped:?}");
    let second = app.started_but(&[&first]);
    assert_eq!(second.restored.as_deref(), Some(stopped.word("point")));
    app.progress(200);
    app.assert_exactly_once(2);

    // Flink recovers by itself, from its newest checkpoint.
    app.checkpoint();
    app.kill(&second.pod, "jobmanager");
    let restored = app.confirmed(&second.pod, 2).restored;
    assert!(restored.as_deref().is_some_and(|path| path.contains("/chk-")), "{restored:?}");
    app.progress(200);
    app.assert_nothing_lost();
}
