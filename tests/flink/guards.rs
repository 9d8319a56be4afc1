//! TaskManagers behind guards: those that stay, those that are left behind, those that are told to end with the JobManager.

use nix::sys::signal::Signal;

use super::on_each_flink;
use super::support::flink::{Cluster, START, STOP};
use super::support::process::Process;
use super::support::{eventually, fake_flink};

on_each_flink!(
    on 1.20: a_task_manager_that_stays_is_exchanged_and_works_for_the_next_job_manager,
        a_task_manager_that_is_told_to_end_alone_leaves_a_checkpoint_behind;
    on 2.3: no_task_of_a_killed_job_manager_works_beside_the_next_job,
        the_final_savepoint_succeeds_when_all_are_told_to_end_at_the_same_instant,
);

/// Flink's own heartbeat: without guards 40 to 50 s pass before a TaskManager notices anything, and it never ends by itself.
const FLINKS_OWN: [(&str, &str); 3] =
    [("heartbeat.interval", ""), ("heartbeat.timeout", ""), ("cluster.registration.error-delay", "")];

/// The TaskManager's JVM.
fn jvm(guard: &Process) -> i32 {
    eventually("the TaskManager's process", START, || guard.child_with("TaskManagerRunner")).as_raw()
}

fn ended(pid: i32) -> Option<()> {
    (!fake_flink::is_alive(pid)).then_some(())
}

fn a_task_manager_that_stays_is_exchanged_and_works_for_the_next_job_manager(version: &str) {
    let cluster = Cluster::with(version, &FLINKS_OWN);
    let mut guard = cluster.guarded_task_manager();
    let (process, _) = cluster.run_confirmed();
    cluster.progress(200);
    let before = jvm(&guard);
    let outcome = cluster.stop(process);
    assert_eq!(outcome["outcome"], "savepoint", "{outcome}");
    let (process, restored) = cluster.run_confirmed();
    assert_eq!(restored.as_deref(), outcome["point"].as_str());
    assert_ne!(jvm(&guard), before, "{}", guard.text());
    let started = eventually("what was started", STOP, || {
        let log = guard.log();
        let started = log.iter().filter(|line| line["message"] == "the entrypoint is started");
        let programs = started.map(|line| line["program"].as_str().unwrap().rsplit('/').next().unwrap().to_owned());
        Some(programs.collect::<Vec<_>>()).filter(|programs| programs.len() > 1)
    });
    assert_eq!(started, ["taskmanager.sh", "java"], "the scripts had been through what they do");
    cluster.progress(100);
    cluster.stop(process);
    assert!(guard.find("killing the TaskManager").is_none(), "it had no tasks: {}", guard.text());
    guard.signal(Signal::SIGTERM);
    assert_eq!(guard.exit_code(STOP), 143);
    cluster.assert_exactly_once(&cluster.lives());
    cluster.assert_one_writer_at_a_time();
}

fn no_task_of_a_killed_job_manager_works_beside_the_next_job(version: &str) {
    let cluster = Cluster::with(version, &FLINKS_OWN);
    let guard = cluster.guarded_task_manager();
    // As in a pod: the agent outlives run.
    let agent = cluster.agent_apart();
    let mut process = cluster.run_apart();
    agent.logged("the restore is confirmed", START);
    cluster.checkpoints(1);
    let (old, job_manager) = (jvm(&guard), cluster.job_manager(&process).as_raw());
    process.signal(Signal::SIGKILL);
    assert_eq!(process.exit_code(STOP), 137);
    // Before anybody starts a JobManager again.
    eventually("the end of all that worked", STOP, || ended(old).and_then(|()| ended(job_manager)));
    let process = cluster.run_apart();
    eventually("the job runs again", START, || {
        let confirmed = agent.log().iter().filter(|line| line["message"] == "the restore is confirmed").count();
        (confirmed == 2).then_some(())
    });
    // The agent dies as well, as with its pod: the next one finds tasks that nobody has ended.
    cluster.progress(200);
    cluster.checkpoints(1);
    let old = jvm(&guard);
    drop(agent);
    drop(process);
    let agent = cluster.agent_apart();
    let mut process = cluster.run_apart();
    eventually("the end of all that worked", STOP, || ended(old));
    agent.logged("the restore is confirmed", START);
    cluster.progress(200);
    process.signal(Signal::SIGTERM);
    assert_eq!(process.exit_code(STOP), 143);
    assert_eq!(agent.find("stopped").unwrap()["outcome"], "savepoint", "{}", agent.text());
    cluster.assert_nothing_lost(&cluster.lives());
    cluster.assert_one_writer_at_a_time();
}

fn a_task_manager_that_is_told_to_end_alone_leaves_a_checkpoint_behind(version: &str) {
    // No other checkpoint comes in the meantime.
    let configuration = [FLINKS_OWN.as_slice(), &[("execution.checkpointing.interval", "1 h")]].concat();
    let mut cluster = Cluster::with(version, &configuration);
    cluster.settings = vec!["guard.checkpoint=1m".to_owned()];
    let mut guard = cluster.guarded_task_manager();
    let (process, _) = cluster.run_confirmed();
    cluster.progress(200);
    guard.signal(Signal::SIGTERM);
    assert_eq!(guard.exit_code(STOP), 143, "{}", guard.text());
    let taken = guard.find("a checkpoint was taken").unwrap_or_else(|| panic!("{}\n{}", guard.text(), process.text()));
    let name = format!("chk/{}/chk-{}/_metadata", cluster.job_id(), taken["checkpoint_id"]);
    assert!(cluster.dir.path().join(&name).exists(), "{name}");
    let guard = cluster.guarded_task_manager();
    eventually("the job goes on", START, || (cluster.lives().len() == 2).then_some(()));
    cluster.progress(100);
    cluster.stop(process);
    drop(guard);
    let lives = cluster.lives();
    cluster.assert_nothing_lost(&lives);
    assert!(lives[1].first > 1, "it began again from nothing: {lives:#?}");
}

fn the_final_savepoint_succeeds_when_all_are_told_to_end_at_the_same_instant(version: &str) {
    let cluster = Cluster::with(version, &FLINKS_OWN);
    let mut guard = cluster.guarded_task_manager();
    let (mut process, _) = cluster.run_confirmed();
    cluster.progress(200);
    cluster.control("slowsnap", "3000");
    // The worst order: the guard does not know of a stop yet.
    guard.signal(Signal::SIGTERM);
    process.signal(Signal::SIGTERM);
    assert_eq!(process.exit_code(STOP), 143, "{}", process.text());
    let outcome = process.find("stopped").unwrap();
    assert_eq!(outcome["outcome"], "savepoint", "{outcome}\n{}", guard.text());
    assert_eq!(guard.exit_code(STOP), 143, "{}", guard.text());
    let reason = guard.find("ending the TaskManager").unwrap()["reason"].clone();
    assert_eq!(reason, "the final state is durable");
    cluster.uncontrol("slowsnap");
    let guard = cluster.guarded_task_manager();
    let (process, _) = cluster.run_confirmed();
    cluster.progress(100);
    cluster.stop(process);
    drop(guard);
    cluster.assert_exactly_once(&cluster.lives());
}
