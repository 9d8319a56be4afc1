//! Points that a changed program can't restore.

use super::on_each_flink;
use super::support::flink::{Cluster, START};

on_each_flink!(
    on 1.20:;
    on 2.3:;
    at_full_size: a_program_that_was_rolled_back_is_not_given_its_successors_state_for_ever,
);

fn a_program_that_was_rolled_back_is_not_given_its_successors_state_for_ever(version: &str) {
    let mut cluster = Cluster::new(version);
    cluster.settings = vec!["restore.attempts=2".to_owned()];
    cluster.start_task_manager();
    let (process, _) = cluster.run_confirmed();
    cluster.progress(100);
    let first = cluster.stop(process)["point"].as_str().unwrap().to_owned();

    // The state of one operator is declared otherwise: its task fails to restore, and Flink tries again and again.
    cluster.job_options = ["--count-type", "text"].map(str::to_owned).to_vec();
    let mut process = cluster.run();
    assert_eq!(process.exit_code(START), 65, "{}", process.text());
    let failed = process.find("Flink can't restore the point").unwrap();
    assert_eq!((&failed["path"], &failed["class"]), (&first.as_str().into(), &"incompatible".into()), "{failed}");
    assert!(failed["reason"].as_str().unwrap().contains("StateMigrationException"), "{failed}");

    // The operator has another uid; a person lets Flink leave its former state out.
    cluster.job_options = ["--uid", "successor"].map(str::to_owned).to_vec();
    cluster.settings.push("restore.allow_non_restored_state=true".to_owned());
    let (process, restored) = cluster.run_confirmed();
    assert_eq!(restored.as_ref(), Some(&first));
    let second = cluster.stop(process)["point"].as_str().unwrap().to_owned();

    // Rolled back: Flink does not even begin with what the successor has left. Before 2.0 its JobManager ends by itself.
    (cluster.job_options, cluster.settings) = (Vec::new(), cluster.settings[..1].to_vec());
    // A start counts only if Flink could be asked before.
    let mut counted = 0;
    for _ in 0..6 {
        let mut process = cluster.run();
        let code = process.exit_code(START);
        assert!(code == 65 || code == 2, "{code}: {}", process.text());
        if let Some(failed) = process.find("Flink can't restore the point") {
            assert_eq!(
                (&failed["path"], &failed["class"]),
                (&second.as_str().into(), &"incompatible".into()),
                "{failed}"
            );
            counted += 1;
        }
        if counted == 2 {
            break;
        }
    }
    let mut process = cluster.run();
    assert_eq!(process.exit_code(START), 77);
    let refusal = process.find("Flink is not started").unwrap();
    let reason = refusal["reason"].as_str().unwrap();
    for words in ["Cannot map checkpoint/savepoint state for operator", "2 starts in a row", "savepointd pin", &second]
    {
        assert!(reason.contains(words), "{words:?} is not in {reason}");
    }

    // The policy allows the point before it.
    cluster.settings.push("restore.on_failed=previous".to_owned());
    let before = cluster.lives();
    let (process, restored) = cluster.run_confirmed();
    assert_eq!(restored, Some(first));
    cluster.progress(100);
    cluster.stop(process);
    let lives = cluster.lives();
    let (own, last) = (lives.first().unwrap(), lives.last().unwrap());
    assert!(lives.len() > before.len() && last.first == own.last + 1 && last.mismatches == 0, "{lives:#?}");
}
