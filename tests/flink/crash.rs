//! kill -9 of everything, one after the other.

use std::time::Duration;

use nix::sys::signal::{Signal, kill};

use super::on_each_flink;
use super::support::eventually;
use super::support::flink::{Cluster, STOP};

on_each_flink!(
    on 1.20: the_job_survives_the_death_of_its_agent_and_of_run;
    on 2.3:;
    at_full_size: after_kill_9_of_the_job_manager_the_newest_checkpoint_is_restored,
);

fn after_kill_9_of_the_job_manager_the_newest_checkpoint_is_restored(version: &str) {
    // The first life with what the user's own configuration says, the second with what the job's own code says.
    let retention = ("execution.checkpointing.externalized-checkpoint-retention", "DELETE_ON_CANCELLATION");
    let mut cluster = Cluster::with(version, &[retention]);
    cluster.start_task_manager();
    for code_deletes in [false, true] {
        cluster.job_options =
            if code_deletes { vec!["--retention".to_owned(), "delete".to_owned()] } else { Vec::new() };
        let (mut process, _) = cluster.run_confirmed();
        cluster.checkpoints(2);
        let job_id = cluster.job_id();
        kill(cluster.job_manager(&process), Signal::SIGKILL).unwrap();
        assert_eq!(process.exit_code(STOP), 137);
        let plan = cluster.ask("plan");
        let path = plan["path"].as_str().unwrap();
        assert!(path.contains(&format!("/{job_id}/chk-")), "{plan}");
    }
    let (process, restored) = cluster.run_confirmed();
    assert!(restored.unwrap().contains("/chk-"));
    cluster.progress(200);
    let outcome = cluster.stop(process);
    assert_eq!(outcome["outcome"], "savepoint");
    // The TaskManager went on without a JobManager until its heartbeat timed out: those records are there twice.
    cluster.assert_nothing_lost(&cluster.lives());
}

fn the_job_survives_the_death_of_its_agent_and_of_run(version: &str) {
    let mut cluster = Cluster::new(version);
    cluster.start_task_manager();

    // The agent dies while the job runs: a new one takes the epoch up and takes the final savepoint.
    let (process, _) = cluster.run_confirmed();
    let first = process.agent();
    kill(first, Signal::SIGKILL).unwrap();
    eventually("a new agent", Duration::from_secs(20), || {
        process.child_with("savepointd agent").filter(|pid| *pid != first)
    });
    eventually("the new agent knows the job", Duration::from_secs(20), || {
        (process.log().iter().filter(|line| line["message"] == "the restore is confirmed").count() == 2).then_some(())
    });
    let outcome = cluster.stop(process);
    assert_eq!(
        (outcome["outcome"].as_str(), outcome["recorded"].as_bool()),
        (Some("savepoint"), Some(true)),
        "{outcome}"
    );

    // The agent dies while the savepoint is being taken: run goes on alone, and storage remembers.
    let (mut process, _) = cluster.run_confirmed();
    cluster.progress(100);
    cluster.control("slowsnap", "3000");
    process.signal(Signal::SIGTERM);
    let agent = process.agent();
    let savepoints = cluster.dir.path().join("sp");
    let epochs = || std::fs::read_dir(savepoints.join(cluster_folder(&cluster))).unwrap().count();
    // marker, 1, and 2 as soon as Flink has begun the savepoint
    eventually("the savepoint has begun", STOP, || (epochs() == 3).then_some(()));
    kill(agent, Signal::SIGKILL).unwrap();
    assert_eq!(process.exit_code(STOP), 143, "{}", process.text());
    assert!(process.find("finishing the stop without the agent").is_some(), "{}", process.text());
    assert_eq!(process.find("stopped").unwrap()["outcome"], "savepoint", "{}", process.text());
    cluster.uncontrol("slowsnap");
    cluster.assert_exactly_once(&cluster.lives());

    // run dies: nothing of it stays, and the next start goes on from the newest checkpoint.
    let (mut process, restored) = cluster.run_confirmed();
    assert!(restored.unwrap().contains("/2/savepoint-"), "the savepoint that only storage knew");
    cluster.checkpoints(1);
    let job_manager = cluster.job_manager(&process);
    process.signal(Signal::SIGKILL);
    assert_eq!(process.exit_code(STOP), 137);
    eventually("the JobManager dies with run", STOP, || kill(job_manager, None).is_err().then_some(()));
    let (process, restored) = cluster.run_confirmed();
    assert!(restored.unwrap().contains("/chk-"));
    cluster.progress(100);
    assert_eq!(cluster.stop(process)["outcome"], "savepoint");
    cluster.assert_nothing_lost(&cluster.lives());
}

fn cluster_folder(cluster: &Cluster) -> String {
    let mut entries = std::fs::read_dir(cluster.dir.path().join("sp")).unwrap().map(|entry| entry.unwrap().file_name());
    entries.find_map(|name| name.to_str().filter(|name| name.starts_with("record-")).map(str::to_owned)).unwrap()
}
