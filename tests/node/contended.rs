//! Two JobManagers with one record: only one of them runs.

use super::application::{Application, START, STOP, eventually};
use super::manifest::{self, Shape};
use super::{node, on_the_node};

on_the_node!(
    in_rounds:
    a_second_job_manager_waits_unready_and_says_so,
    a_frozen_holder_is_taken_over_and_what_it_says_later_does_not_count,
);

/// A second workload with the same record.
fn add_another(app: &Application) {
    node::feed(&["apply"], &[manifest::job_manager(&app.place, &app.shape, "another")]);
}

fn a_second_job_manager_waits_unready_and_says_so() {
    let app = Application::start("two", Shape::default());
    let first = app.started().pod;
    add_another(&app);
    let second = app.job_manager_but(&[&first]);
    let why = app.event("StartWaiting");
    assert!(why.contains(&first.name) && why.contains("another pod"), "{why}");
    app.progress(200);
    let ready = app.json(&["get", "pod", &second.name])["status"]["conditions"].clone();
    let ready = ready.as_array().unwrap().iter().find(|one| one["type"] == "Ready").unwrap()["status"].clone();
    assert_eq!(ready, "False");
    assert!(app.all_said(&second, "jobmanager", "the entrypoint is started").is_empty());
    app.assert_exactly_once(1);

    // When the first one goes for good, the second one goes on with its savepoint.
    app.kubectl(&["delete", "deployment", "jobmanager", "--wait=false"]);
    let stopped = app.stopped(&first);
    assert_eq!(app.confirmed(&second, 1).restored.as_deref(), Some(stopped.word("point")));
    app.progress(200);
    app.assert_exactly_once(2);
}

fn a_frozen_holder_is_taken_over_and_what_it_says_later_does_not_count() {
    let app = Application::start("frozen", Shape::default());
    let stale = app.started();
    app.checkpoint();
    let frozen = app.freeze(&stale.pod, &["agent", "jobmanager"]);
    add_another(&app);
    let heir = app.job_manager_but(&[&stale.pod]);
    app.event("StartWaiting");
    app.ask(&heir, &["takeover"]);
    let started = app.confirmed(&heir, 1);
    assert!(started.restored.as_deref().is_some_and(|path| path.contains("/chk-")), "{started:?}");
    assert_eq!(started.epoch, stale.epoch + 1);
    app.progress(200);
    drop(frozen);

    // It wakes up, is told to end, and has nothing to say any more. Its JobManager may be gone by then: the heir's agent has
    // told it to look at the record.
    app.kubectl(&["delete", "deployment", "jobmanager", "--wait=false"]);
    eventually("the zombie is ended", STOP, || {
        let zombies = app.all_said(&stale.pod, "agent", "this JobManager is a zombie; killing it");
        let stops = app.all_said(&stale.pod, "agent", "stopped");
        assert!(stops.iter().all(|stopped| stopped.word("outcome") != "savepoint"), "{stops:?}");
        (zombies.len() + stops.len() > 0).then_some(())
    });
    app.gone(&stale.pod);
    app.progress(200);
    let history = app.history(&heir);
    let of_stale = |row: &&serde_json::Value| row["epoch"] == stale.epoch && row["kind"] == "final";
    assert_eq!(history.iter().find(of_stale), None, "{history:#?}");

    app.delete(&heir, &[]);
    let last = app.stopped(&heir);
    assert_eq!(last.word("outcome"), "savepoint", "{last:?}");
    let next = app.started_but(&[&stale.pod, &heir]);
    assert_eq!(next.restored.as_deref(), Some(last.word("point")));
    app.progress(200);
    app.assert_nothing_lost();
    eventually("one pod is left", START, || (app.job_managers().len() == 1).then_some(()));
}
