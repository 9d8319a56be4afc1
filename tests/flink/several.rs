//! An application whose program submits two jobs: both are saved, and one restore path is not for two.

use serde_json::Value;

use super::support::flink::{Cluster, START, STOP};
use super::support::{eventually, http};

mod flink_1_20 {
    #[test]
    #[ignore = "full size"]
    fn two_jobs_of_one_application_are_saved_and_flink_gives_both_the_same_path() {
        super::two_jobs_of_one_application_are_saved_and_flink_gives_both_the_same_path("1.20.5");
    }
}

mod flink_2_3 {
    #[test]
    #[ignore = "full size"]
    fn two_jobs_of_one_application_are_saved_and_flink_gives_both_the_same_path() {
        super::two_jobs_of_one_application_are_saved_and_flink_gives_both_the_same_path("2.3.0");
    }
}

/// What each job was restored from, as Flink tells it, once both run.
fn restored(cluster: &Cluster) -> Vec<Option<String>> {
    eventually("both jobs run", START, || {
        let overview = http::json(cluster.rest, "/jobs/overview")?;
        let jobs = overview["jobs"].as_array()?;
        let runs =
            |job: &Value| job["tasks"]["total"].as_u64() > Some(0) && job["tasks"]["running"] == job["tasks"]["total"];
        if jobs.len() != 2 || !jobs.iter().all(runs) {
            return None;
        }
        let of = |job: &Value| http::json(cluster.rest, &format!("/jobs/{}/checkpoints", job["jid"].as_str()?));
        let restored: Option<Vec<Value>> = jobs.iter().map(of).collect();
        let path = |one: Value| one["latest"]["restored"]["external_path"].as_str().map(str::to_owned);
        Some(restored?.into_iter().map(path).collect())
    })
}

fn two_jobs_of_one_application_are_saved_and_flink_gives_both_the_same_path(version: &str) {
    let mut cluster = Cluster::with(version, &[("taskmanager.numberOfTaskSlots", "2")]);
    cluster.settings.push("flink.job_id=flink".to_owned());
    cluster.job_options = ["--twin", "twin"].map(str::to_owned).to_vec();
    cluster.start_task_manager();
    let process = cluster.run();
    let with_state = || process.log().iter().filter(|line| line["message"] == "a job with state runs").count();
    eventually("both jobs with state", START, || (with_state() == 2).then_some(()));
    assert_eq!(restored(&cluster), [None, None]);
    let outcome = cluster.stop(process);
    let reason = "2 of 2 jobs saved with a savepoint";
    assert_eq!((&outcome["outcome"], &outcome["reason"]), (&"savepoint".into(), &reason.into()), "{outcome}");

    // One restore path, and two jobs that need one each: nothing is started.
    let mut process = cluster.run();
    assert_eq!(process.exit_code(START), 77, "{}", process.text());
    let refusal = process.find("Flink is not started").unwrap()["reason"].as_str().unwrap().to_owned();
    let rows = cluster.ask("history");
    let path_of = |name: &str| {
        let row = rows.as_array().unwrap().iter().find(|row| row["job_name"] == name).unwrap();
        row["path"].as_str().unwrap().to_owned()
    };
    let paths = [path_of("seqjob"), path_of("twin")];
    assert!(paths.iter().all(|path| refusal.contains(path)) && refusal.contains("one restore path"), "{refusal}");

    // Why: where a person pins one, each of the jobs begins with it, and it is said whose it is not.
    cluster.tell(&["pin", &paths[0]]);
    let process = cluster.run();
    let expected = paths[0].replacen("file:///", "file:/", 1);
    assert_eq!(restored(&cluster), [Some(expected.clone()), Some(expected)]);
    let warned = process.logged_within("a job runs from the state of another", STOP);
    let warned = warned.unwrap_or_else(|| panic!("{}", process.text()));
    assert!(warned["name"] == "twin" && warned["reason"].as_str().unwrap().contains("\"seqjob\""), "{warned}");
    cluster.stop(process);
}
