//! The whole application goes and comes back, and one that ran without savepointd is adopted.

use super::application::{Application, STOP, eventually};
use super::manifest::{Agent, Shape};
use super::{node, on_the_node};

on_the_node!(
    in_rounds:
    a_whole_application_deleted_and_applied_again_goes_on_exactly_with_guards,
    a_job_that_ran_without_savepointd_is_adopted_only_by_a_pin;
    at_full_size: a_whole_application_deleted_and_applied_again_loses_nothing_without_guards,
);

fn deleted_and_applied(name: &str, guarded: bool) -> Application {
    let app = Application::start(name, Shape { guarded, ..Shape::default() });
    let old = app.started();
    app.progress(200);
    app.checkpoint();
    node::feed(&["delete", "--wait=false"], &app.workloads());
    app.gone(&old.pod);
    eventually("the TaskManager is gone", STOP, || app.task_managers().is_empty().then_some(()));
    app.apply();
    let new = app.started_but(&[&old.pod]);
    assert!(new.restored.is_some(), "{new:?}");
    assert_eq!(new.epoch, old.epoch + 1);
    app.progress(200);
    println!("restored {:?}", new.restored);
    app
}

fn a_whole_application_deleted_and_applied_again_goes_on_exactly_with_guards() {
    deleted_and_applied("whole", true).assert_exactly_once(2);
}

fn a_whole_application_deleted_and_applied_again_loses_nothing_without_guards() {
    deleted_and_applied("unguarded", false).assert_nothing_lost();
}

fn a_job_that_ran_without_savepointd_is_adopted_only_by_a_pin() {
    let retention = ("execution.checkpointing.externalized-checkpoint-retention", "RETAIN_ON_CANCELLATION");
    let unprotected =
        Shape { agent: Agent::None, guarded: false, flink_configuration: vec![retention], ..Shape::default() };
    let mut app = Application::start("adopted", unprotected);
    let old = app.job_manager_but(&[]);
    app.progress(200);
    app.checkpoint();
    node::feed(&["delete", "--wait=false"], &app.workloads());
    app.gone(&old);

    app.shape.agent = Agent::Native;
    app.apply();
    let new = app.job_manager_but(&[&old]);
    let refused = app.event("StartRefused");
    println!("{refused}");
    assert!(app.all_said(&new, "jobmanager", "the entrypoint is started").is_empty());
    let newest = app.newest_checkpoint();
    assert!(app.said(&new, "jobmanager", "waiting at the gate; Flink is not started").word("reason").contains(&newest));
    app.ask(&new, &["pin", &newest]);
    assert_eq!(app.confirmed(&new, 1).restored, Some(newest));
    app.progress(200);
    app.assert_nothing_lost();
}
