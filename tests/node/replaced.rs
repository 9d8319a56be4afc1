//! The JobManager's pod is replaced, under each controller that may stand behind it: the job goes on exactly.

use super::application::{Application, Pod, START, Started, eventually};
use super::manifest::{Agent, Controller, Shape};
use super::{node, on_the_node};

// A Deployment's pod is deleted, too, where the steady state is watched.
on_the_node!(
    a_rolling_update_hands_over_and_the_job_never_runs_twice,
    a_deleted_pod_of_a_stateful_set_with_a_classic_sidecar_is_continued_exactly,
    a_deleted_pod_of_a_job_with_flink_2_is_continued_and_the_job_is_not_complete;
    at_full_size: a_deleted_pod_of_a_deployment_is_continued_exactly,
    a_deleted_pod_of_a_stateful_set_is_continued_exactly,
    a_deleted_pod_of_a_job_is_continued_and_the_job_is_not_complete,
    a_deleted_pod_with_a_classic_sidecar_is_continued_exactly,
    a_deleted_pod_with_flink_2_is_continued_exactly,
    a_deployment_scaled_to_zero_and_back_is_continued_exactly,
    a_restarted_deployment_is_continued_exactly,
    a_deleted_pod_that_lingers_is_continued_exactly_by_one_that_waits_already,
    a_deleted_pod_that_no_run_stands_before_is_drained_and_continued_exactly,
);

/// Replaces the pod by `replace`, as often as is asked for, and checks each time that the final savepoint is continued.
fn replaced(name: &str, shape: Shape, replace: impl Fn(&Application, &Pod)) -> Application {
    let app = Application::start(name, shape);
    let mut old = app.started();
    assert_eq!(old.restored, None);
    for cycle in 1..=node::cycles() {
        app.progress(200);
        replace(&app, &old.pod);
        old = assert_continued(&app, &old, cycle + 1);
    }
    node::went_through(name);
    app
}

fn assert_continued(app: &Application, old: &Started, lives: usize) -> Started {
    let (new, stopped) = app.assert_replaced(old, lives);

    // The job was at its end before the next JobManager was started; the old one only had to go.
    let began = app.said(&new.pod, "jobmanager", "the entrypoint is started");
    assert!(stopped.at < began.at, "{stopped:?} {began:?}");
    println!(
        "from the savepoint to the next JobManager's start: {} ms",
        began.at.duration_since(stopped.at).as_millis()
    );
    new
}

fn a_deleted_pod_of_a_deployment_is_continued_exactly() {
    replaced("delete", Shape::default(), |app, pod| app.delete(pod, &[]));
}

fn a_deleted_pod_with_a_classic_sidecar_is_continued_exactly() {
    let shape = Shape { agent: Agent::Classic, ..Shape::default() };
    replaced("classic", shape, |app, pod| app.delete(pod, &[]));
}

fn a_deleted_pod_with_flink_2_is_continued_exactly() {
    replaced("flink-2", Shape { flink: "2.3.0", ..Shape::default() }, |app, pod| app.delete(pod, &[]));
}

fn a_rolling_update_hands_over_and_the_job_never_runs_twice() {
    let shape =
        Shape { controller: Controller::RollingUpdate, settings: vec![("HANDOVER", "request")], ..Shape::default() };
    let app = replaced("rolling", shape, |app, _| {
        app.kubectl(&["rollout", "restart", "deployment", "jobmanager"]);
    });
    app.kubectl(&["rollout", "status", "deployment", "jobmanager", "--timeout=60s"]);
    assert!(!app.events("HandingOver").is_empty());
}

fn a_deleted_pod_of_a_stateful_set_is_continued_exactly() {
    let shape = Shape { controller: Controller::StatefulSet, ..Shape::default() };
    replaced("stateful", shape, |app, pod| app.delete(pod, &[]));
}

fn a_deleted_pod_of_a_stateful_set_with_a_classic_sidecar_is_continued_exactly() {
    let shape = Shape { controller: Controller::StatefulSet, agent: Agent::Classic, ..Shape::default() };
    replaced("stateful-classic", shape, |app, pod| app.delete(pod, &[]));
}

fn a_deleted_pod_of_a_job_is_continued_and_the_job_is_not_complete() {
    of_a_job("job", Shape { controller: Controller::Job, ..Shape::default() });
}

fn a_deleted_pod_of_a_job_with_flink_2_is_continued_and_the_job_is_not_complete() {
    of_a_job("job-flink-2", Shape { controller: Controller::Job, flink: "2.3.0", ..Shape::default() });
}

fn of_a_job(name: &str, shape: Shape) {
    let app = replaced(name, shape, |app, pod| app.delete(pod, &[]));
    let status = &app.json(&["get", "job", "jobmanager"])["status"];
    assert!(status["succeeded"].is_null() && status["completionTime"].is_null(), "{status:#}");
}

fn a_deployment_scaled_to_zero_and_back_is_continued_exactly() {
    replaced("scaled", Shape::default(), |app, pod| {
        app.kubectl(&["scale", "deployment", "jobmanager", "--replicas=0"]);
        app.gone(pod);
        app.kubectl(&["scale", "deployment", "jobmanager", "--replicas=1"]);
    });
}

fn a_restarted_deployment_is_continued_exactly() {
    let app = replaced("restarted", Shape::default(), |app, _| {
        app.kubectl(&["rollout", "restart", "deployment", "jobmanager"]);
    });
    eventually("one pod is left", START, || (app.job_managers().len() == 1).then_some(()));
}

fn a_deleted_pod_that_lingers_is_continued_exactly_by_one_that_waits_already() {
    let shape = Shape { settings: vec![("STOP__LINGER", "30s")], ..Shape::default() };
    replaced("lingering", shape, |app, pod| app.delete(pod, &[]));
}

fn a_deleted_pod_that_no_run_stands_before_is_drained_and_continued_exactly() {
    let settings = vec![("FLINK__WITHOUT_RUN", "cancel")];
    let agent = Agent::WithoutRun;
    let shape = Shape { controller: Controller::StatefulSet, agent, settings, ..Shape::default() };
    let app = Application::start("unwrapped", shape);
    let mut old = app.started();
    for cycle in 1..=node::cycles() {
        app.progress(200);
        app.delete(&old.pod, &[]);
        (old, _) = app.assert_replaced(&old, cycle + 1);
    }
    node::went_through("unwrapped");
    assert!(!app.events("StartedWithoutGate").is_empty());
    assert_eq!(app.events("StartedFromElsewhere"), Vec::<String>::new());
}
