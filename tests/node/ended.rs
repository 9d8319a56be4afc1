//! The JobManager's pod is ended in every way that Kubernetes knows, and while its helpers are away.

use super::application::{Application, Pod, STOP, Started, eventually};
use super::manifest::Shape;
use super::{node, on_the_node};

on_the_node!(
    in_rounds:
    a_grace_period_shorter_than_the_savepoint_ends_in_time_on_the_newest_checkpoint,
    an_eviction_takes_a_savepoint_and_is_named_in_the_event,
    a_pod_deleted_now_or_by_force_goes_on_from_durable_state,
    a_killed_job_manager_restarts_in_place_from_the_newest_checkpoint,
    a_liveness_failure_takes_a_savepoint_though_the_pod_is_not_deleted,
    an_agent_killed_in_the_midst_of_a_stop_leaves_a_savepoint_that_the_next_start_finds,
    an_api_server_away_during_stop_and_start_costs_only_time;
    at_full_size: a_kubelet_restarted_in_the_midst_of_a_stop_changes_nothing,
);

/// The new pod restored what the old one's stop came to, and nothing was lost; gives the kind of that point.
fn assert_goes_on(app: &Application, old: &Pod) -> Started {
    let new = app.started_but(&[old]);
    app.progress(200);
    assert!(new.restored.is_some(), "{new:?}");
    app.assert_nothing_lost();
    new
}

fn a_grace_period_shorter_than_the_savepoint_ends_in_time_on_the_newest_checkpoint() {
    let app = Application::start("short", Shape::default());
    let old = app.started().pod;
    app.checkpoint();
    app.control("slowsnap", "30000");
    app.delete(&old, &["--grace-period=8"]);
    let stopped = app.stopped(&old);
    app.uncontrol("slowsnap");
    assert_eq!((stopped.word("outcome"), &stopped.says["recorded"]), ("checkpoint", &true.into()), "{stopped:?}");
    // Said by an agent that still lived: nothing was killed.
    app.said(&old, "agent", "the entrypoint has ended");
    assert!(app.event("StoppedOnCheckpoint").contains("the pod is being deleted"));
    let new = assert_goes_on(&app, &old);
    assert_eq!(new.restored.as_deref(), Some(stopped.word("point")));
}

fn an_eviction_takes_a_savepoint_and_is_named_in_the_event() {
    let app = Application::start("evicted", Shape::default());
    let old = app.started().pod;
    app.progress(200);
    app.evict(&old);
    assert!(app.event("SavepointTaken").contains("EvictionByEvictionAPI"));
    assert_eq!(app.stopped(&old).word("outcome"), "savepoint");
    assert_goes_on(&app, &old);
    app.assert_exactly_once(2);
}

fn a_pod_deleted_now_or_by_force_goes_on_from_durable_state() {
    let app = Application::start("hasty", Shape::default());
    let first = app.started().pod;
    app.checkpoint();
    app.delete(&first, &["--now"]);
    let second = assert_goes_on(&app, &first).pod;
    app.checkpoint();
    app.delete(&second, &["--force", "--grace-period=0"]);
    assert_goes_on(&app, &second);
}

fn a_killed_job_manager_restarts_in_place_from_the_newest_checkpoint() {
    let app = Application::start("killed", Shape::default());
    let pod = app.started().pod;
    app.checkpoint();
    app.kill(&pod, "jobmanager");
    let restored = app.confirmed(&pod, 2).restored;
    assert!(restored.as_deref().is_some_and(|path| path.contains("/chk-")), "{restored:?}");
    app.progress(200);
    app.assert_nothing_lost();
    assert_eq!(app.job_managers(), [pod]);
}

fn a_liveness_failure_takes_a_savepoint_though_the_pod_is_not_deleted() {
    let app = Application::start("sick", Shape { liveness: true, ..Shape::default() });
    let pod = app.started().pod;
    app.progress(200);
    app.control("sick", "");
    let stopped = app.stopped(&pod);
    app.uncontrol("sick");
    assert_eq!(stopped.word("outcome"), "savepoint", "{stopped:?}");
    assert!(app.event("SavepointTaken").contains("the pod is not being deleted"));
    assert_eq!(app.confirmed(&pod, 2).restored.as_deref(), Some(stopped.word("point")));
    app.progress(200);
    app.assert_exactly_once(2);
    assert_eq!(app.job_managers(), [pod]);
}

fn an_agent_killed_in_the_midst_of_a_stop_leaves_a_savepoint_that_the_next_start_finds() {
    let app = Application::start("alone", Shape::default());
    let old = app.started();
    app.progress(200);
    app.control("slowsnap", "5000");
    app.delete(&old.pod, &[]);
    eventually("the savepoint has begun", STOP, || app.has_savepoints_of(old.epoch).then_some(()));
    app.kill(&old.pod, "agent");
    let stopped = app.said(&old.pod, "jobmanager", "stopped");
    app.uncontrol("slowsnap");
    assert_eq!(stopped.word("outcome"), "savepoint", "{stopped:?}");
    let new = assert_goes_on(&app, &old.pod);
    assert_eq!(new.restored.as_deref(), Some(stopped.word("point")));
    app.assert_exactly_once(2);
}

fn a_kubelet_restarted_in_the_midst_of_a_stop_changes_nothing() {
    let app = Application::start("kubelet", Shape::default());
    let old = app.started().pod;
    app.progress(200);
    app.control("slowsnap", "5000");
    app.delete(&old, &[]);
    app.said(&old, "agent", "stopping");
    node::part("restart", "kubelet");
    let stopped = app.stopped(&old);
    app.uncontrol("slowsnap");
    assert_eq!(stopped.word("outcome"), "savepoint", "{stopped:?}");
    let new = assert_goes_on(&app, &old);
    assert_eq!(new.restored.as_deref(), Some(stopped.word("point")));
    app.assert_exactly_once(2);
}

fn an_api_server_away_during_stop_and_start_costs_only_time() {
    let app = Application::start("api", Shape::default());
    let old = app.started().pod;
    app.progress(200);
    // Long enough for the new pod to come to its gate on a busy machine.
    app.control("slowsnap", "18000");
    app.delete(&old, &["--grace-period=60"]);
    let new = app.job_manager_but(&[&old]);
    app.said(&new, "jobmanager", "waiting at the gate; Flink is not started");
    // From here on nothing can be recorded, and the new pod can't learn that the old one is gone.
    let away = node::Paused::part("apiserver");
    let stopped = app.stopped(&old);
    app.uncontrol("slowsnap");
    assert_eq!((stopped.word("outcome"), &stopped.says["recorded"]), ("savepoint", &false.into()), "{stopped:?}");
    // Released because the marker has it, long before the deadline.
    app.said(&old, "agent", "the record is late: the marker says the outcome, and the next start reads it there");
    app.said(&old, "agent", "the entrypoint has ended");
    assert!(app.all_said(&new, "jobmanager", "the entrypoint is started").is_empty());
    drop(away);
    assert_eq!(app.confirmed(&new, 1).restored.as_deref(), Some(stopped.word("point")));
    app.progress(200);
    app.assert_exactly_once(2);
}
