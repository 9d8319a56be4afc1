//! What the running Flink says: whether its checkpoints outlive it, how long a stop will take, whose TaskManagers have guards.

use super::{Finding, Running, Subject, Verdict};
use crate::protocol::estimate::Prediction;
use crate::protocol::estimate::advice::{Advice, Fit, size};
use crate::report;

pub(super) async fn check(subject: &Subject<'_>) -> Vec<Finding> {
    let Some(running) = subject.running else {
        let (about, fix) = ("the running job", "ask again beside the agent while the job runs");
        let found = "not looked at: no JobManager runs here, so checkpointing, guards and the time that a stop takes are not known";
        return vec![Finding::trouble(Verdict::Doubtful, about, found, fix)];
    };
    let mut findings = vec![grace(running.prediction.as_ref(), running.advice)];
    if let Some(job_id) = running.job_id {
        let retains = running.flink.retains_checkpoints(job_id).await;
        findings.push(match retains {
            Ok(retains) => checkpointing(retains),
            Err(error) => unanswered(&report::chain(&error)),
        });
    }
    match running.flink.task_managers().await {
        Ok(task_managers) => findings.push(guards(running, task_managers)),
        Err(error) => findings.push(unanswered(&report::chain(&error))),
    }
    findings
}

fn unanswered(why: &str) -> Finding {
    let fix = "see that Flink's REST API answers: flink.url (SAVEPOINTD_FLINK__URL)";
    Finding::trouble(Verdict::Doubtful, "Flink", why, fix)
}

fn grace(prediction: Option<&Prediction>, advice: Option<Advice>) -> Finding {
    let about = "grace period";
    let (Some(prediction), Some(advice)) = (prediction, advice) else {
        let found = "how long a final savepoint takes is not known: no checkpoint was completed yet";
        return Finding::trouble(Verdict::Doubtful, about, found, "ask again after the first checkpoint");
    };
    let of = prediction.bytes.map(|bytes| format!(" of {}", size(bytes))).unwrap_or_default();
    let found = format!("a final savepoint{of} {} ({})", advice.found(), prediction.basis);
    match (advice.fix(), advice.fit) {
        (None, _) => Finding::good(about, found),
        (Some(fix), Fit::TooShort) => Finding::trouble(Verdict::Bad, about, found, fix),
        (Some(fix), _) => Finding::trouble(Verdict::Doubtful, about, found, fix),
    }
}

/// Whether a checkpoint is there when no savepoint could be taken; none where checkpointing is off.
fn checkpointing(retains: Option<bool>) -> Finding {
    let about = "checkpoints";
    match retains {
        None => Finding::trouble(
            Verdict::Doubtful,
            about,
            "checkpointing is off: after a crash, or a stop that ends too late, all work since the last savepoint is lost",
            "set execution.checkpointing.interval",
        ),
        Some(false) => Finding::trouble(
            Verdict::Doubtful,
            about,
            "the job's own code has Flink delete them when the job is cancelled or its JobManager ends in order",
            "remove the retention setting (externalized checkpoint cleanup) from the job's code: savepointd sets it",
        ),
        Some(true) => Finding::good(about, "are retained when the JobManager ends"),
    }
}

/// Each TaskManager without a guard ends with the first SIGTERM, while the savepoint still needs it.
fn guards(running: &Running, task_managers: usize) -> Finding {
    let about = "guards of TaskManagers";
    let guards = running.guards;
    let found = format!("{guards} guards, {task_managers} TaskManagers");
    if guards >= task_managers {
        return Finding::good(about, found);
    }
    let found = format!(
        "{found}: one without a guard ends while a final savepoint still needs it, and works on after its JobManager was killed"
    );
    let fix = "put `savepointd guard --` before their entrypoints (savepointd inject does), and let them reach the agent: guard.agent \
               (SAVEPOINTD_GUARD__AGENT)";
    Finding::trouble(Verdict::Doubtful, about, found, fix)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::flink::Flink;
    use crate::protocol::estimate::Expected;
    use crate::protocol::estimate::advice::Grantor;

    #[test]
    fn a_grace_that_is_too_short_is_found_with_the_number_that_is_enough() {
        let s = Duration::from_secs;
        let found = |likely, at_most| {
            let savepoint = Expected { likely: s(likely), at_most: s(at_most) };
            let prediction =
                Prediction { savepoint, checkpoint: None, bytes: Some(812 << 20), basis: "from 5 stops".to_owned() };
            grace(Some(&prediction), Some(Advice::on(savepoint, s(30), s(3), Grantor::Pod)))
        };
        let bad = found(74, 100);
        assert_eq!(bad.verdict, Verdict::Bad);
        assert_eq!(bad.found, "a final savepoint of 812 MiB needs about 74 s, you have 30 s (from 5 stops)");
        assert_eq!(bad.fix.as_deref(), Some("raise terminationGracePeriodSeconds to 120"));
        assert_eq!(found(20, 40).verdict, Verdict::Doubtful);
        assert_eq!(found(5, 10).verdict, Verdict::Good);
        assert_eq!(grace(None, None).verdict, Verdict::Doubtful);
    }

    #[test]
    fn checkpoints_that_nobody_takes_or_keeps_are_found() {
        assert_eq!(checkpointing(Some(true)).verdict, Verdict::Good);
        for doubtful in [None, Some(false)] {
            let finding = checkpointing(doubtful);
            assert!(finding.verdict == Verdict::Doubtful && finding.fix.is_some(), "{finding:?}");
        }
    }

    #[test]
    fn a_task_manager_without_a_guard_is_found() {
        let running = |guards| {
            let flink = Flink::new(crate::flink::Access::to("http://127.0.0.1:1")).unwrap();
            Running { flink, job_id: None, prediction: None, advice: None, guards }
        };
        assert_eq!(guards(&running(2), 2).verdict, Verdict::Good);
        let one = guards(&running(1), 2);
        assert_eq!(one.verdict, Verdict::Doubtful);
        assert!(one.found.starts_with("1 guards, 2 TaskManagers"), "{one:?}");
    }
}
