//! What people do: stop, cancel, pin, begin anew, give a path; and a job that ends by itself, at its end or for good.

use nix::sys::signal::{Signal, kill};

use super::on_each_flink;
use super::support::flink::{Cluster, START, STOP};
use super::support::{eventually, http};

on_each_flink!(
    on 1.20: each_end_of_a_job_has_its_next_start, a_bounded_job_finishes_and_is_not_run_again;
    on 2.3:;
    at_full_size: an_explicit_path_counts_when_it_is_new_and_a_pin_until_a_point_after_it,
);

fn each_end_of_a_job_has_its_next_start(version: &str) {
    let mut cluster = Cluster::with(version, &[("restart-strategy.type", "none")]);
    cluster.start_task_manager();

    // Stopped with a savepoint somewhere else: that is what the next start continues from.
    let (mut process, _) = cluster.run_confirmed();
    cluster.progress(100);
    let job_id = cluster.job_id();
    let elsewhere = cluster.dir.path().join("elsewhere");
    let body = format!(r#"{{"drain":false,"targetDirectory":"file://{}"}}"#, elsewhere.display());
    let (status, answer) = http::request("POST", cluster.rest, &format!("/jobs/{job_id}/stop"), &body).unwrap();
    assert_eq!(status, 202, "{answer}");
    let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
    let result = format!("/jobs/{job_id}/savepoints/{}", answer["request-id"].as_str().unwrap());
    let location = eventually("the savepoint", STOP, || {
        Some(http::json(cluster.rest, &result)?["operation"]["location"].as_str()?.to_owned())
    });
    assert_eq!(process.exit_code(STOP), 0, "{}", process.text());
    let expected = location.replace("file:/", "file:///");
    assert_eq!(cluster.ask("plan")["path"], expected.as_str());
    assert_eq!(cluster.ask("history")[0]["kind"], "manual");

    // Cancelled: nothing runs again by itself.
    let (mut process, restored) = cluster.run_confirmed();
    assert_eq!(restored, Some(expected.clone()));
    cluster.assert_exactly_once(&cluster.lives());
    let job_id = cluster.job_id();
    let (status, answer) = http::request("PATCH", cluster.rest, &format!("/jobs/{job_id}?mode=cancel"), "").unwrap();
    assert_eq!(status, 202, "{answer}");
    assert_eq!(process.exit_code(STOP), 0, "{}", process.text());
    assert_eq!(cluster.ask("plan")["decision"], "hold");
    let mut process = cluster.run();
    assert_eq!(process.exit_code(START), 77);
    let reason = process.find("Flink is not started").unwrap()["reason"].to_string();
    assert!(reason.contains("cancelled") && reason.contains("savepointd fresh"), "{reason}");

    // Until a person says from where.
    cluster.tell(&["pin", &expected]);
    let (mut process, restored) = cluster.run_confirmed();
    assert_eq!(restored, Some(expected));

    // Failed for good: from the newest point, as it may have been the world's fault.
    cluster.checkpoints(1);
    let job_id = cluster.job_id();
    cluster.control("throw", "");
    assert_eq!(process.exit_code(STOP), 1, "{}", process.text());
    let failed = process.find("the job came to its own end").unwrap();
    assert!(failed["how"] == "failed" && failed["reason"].as_str().unwrap().contains("throw"), "{failed}");
    assert_eq!(cluster.ask("history")[0]["ended"], "failed");
    let newest = cluster.ask("plan")["path"].as_str().unwrap().to_owned();
    assert!(newest.contains(&format!("/{job_id}/chk-")), "{newest}");
    let (process, restored) = cluster.run_confirmed();
    assert_eq!(restored, Some(newest));

    // Being stopped when SIGTERM comes: a second stop would destroy the first.
    cluster.control("slowsnap", "4000");
    let job_id = cluster.job_id();
    let (status, answer) = http::request("POST", cluster.rest, &format!("/jobs/{job_id}/stop"), &body).unwrap();
    assert_eq!(status, 202, "{answer}");
    eventually("a stop that Flink shows", STOP, || {
        let statistics = http::json(cluster.rest, &format!("/jobs/{job_id}/checkpoints"))?;
        let mut taken = statistics["history"].as_array()?.iter();
        taken.find(|one| one["checkpoint_type"] == "SYNC_SAVEPOINT" && one["status"] == "IN_PROGRESS").map(drop)
    });
    let outcome = cluster.stop(process);
    assert_eq!(outcome["outcome"], "ended", "{outcome}");
    let last = cluster.ask("history")[0]["path"].as_str().unwrap().to_owned();
    assert!(last.contains("/elsewhere/savepoint-"), "{last}");
    assert_eq!(cluster.ask("plan")["path"], last.as_str());
}

fn an_explicit_path_counts_when_it_is_new_and_a_pin_until_a_point_after_it(version: &str) {
    let mut cluster = Cluster::new(version);
    cluster.start_task_manager();
    let (process, _) = cluster.run_confirmed();
    cluster.progress(100);
    let first = cluster.stop(process)["point"].as_str().unwrap().to_owned();
    let (process, _) = cluster.run_confirmed();
    cluster.progress(100);
    let second = cluster.stop(process)["point"].as_str().unwrap().to_owned();

    // Pinned to the older one; crashes before its first checkpoint; the pin is still the base.
    cluster.tell(&["pin", &first]);
    cluster.control("slowsnap", "60000");
    for _ in 0..2 {
        let (mut process, restored) = cluster.run_confirmed();
        assert_eq!(restored.as_ref(), Some(&first));
        kill(cluster.job_manager(&process), Signal::SIGKILL).unwrap();
        assert_eq!(process.exit_code(STOP), 137);
    }
    cluster.uncontrol("slowsnap");
    // Given to Flink, new: counts. The same again: the newest point counts.
    cluster.flink_options = vec!["--fromSavepoint".to_owned(), second.clone()];
    let (process, restored) = cluster.run_confirmed();
    assert_eq!(restored, Some(second));
    let third = cluster.stop(process)["point"].as_str().unwrap().to_owned();
    let (process, restored) = cluster.run_confirmed();
    assert_eq!(restored, Some(third.clone()));
    cluster.stop(process);
    // Another one: counts, though the manifest's first is still the same option.
    cluster.flink_options = vec!["--fromSavepoint".to_owned(), third.clone()];
    let (process, restored) = cluster.run_confirmed();
    assert_eq!(restored, Some(third));
    cluster.stop(process);
    // Once with nothing, allowed by a person, though the manifest still names a path.
    cluster.tell(&["fresh"]);
    let (process, restored) = cluster.run_confirmed();
    assert_eq!(restored, None);
    cluster.progress(100);
    let last = cluster.stop(process)["point"].as_str().unwrap().to_owned();
    assert_eq!(cluster.ask("plan")["path"], last.as_str());
    assert!(cluster.lives().iter().all(|life| life.mismatches == 0 && life.jumps == 0), "{:#?}", cluster.lives());
}

fn a_bounded_job_finishes_and_is_not_run_again(version: &str) {
    let mut cluster = Cluster::new(version);
    cluster.start_task_manager();
    cluster.job_options = ["--count", "600", "--rate", "200"].map(str::to_owned).to_vec();
    let mut process = cluster.run();
    assert_eq!(process.exit_code(START), 0, "{}", process.text());
    assert_eq!(cluster.lives().last().unwrap().last, 599);
    assert_eq!(cluster.ask("plan")["decision"], "hold");
    assert_eq!(cluster.ask("history")[0]["ended"], "finished");
    let mut process = cluster.run();
    assert_eq!(process.exit_code(START), 77);
}
