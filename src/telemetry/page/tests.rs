use super::*;
use crate::config::{Origin, Setting};
use crate::people::Row;
use crate::telemetry::status::tests::{row, status};
use crate::telemetry::status::{FlinkNow, JobNow, Next, Phase, headline};

fn told(mut status: Status) -> String {
    status.headline = headline(&status);
    page(&status, "nonce")
}

const HOSTILE: &str = "</code></style></title><script>alert(1)</script><img src=x onerror=alert(1)>\"'\u{202e}";

#[test]
fn the_answer_is_on_top_and_all_that_matters_below() {
    let text = told(status());
    let parts = [
        "<title>Safe: orders – savepointd</title>",
        "State is safe: the newest checkpoint is 3 min old, and the next start restores it.",
        ">Now</h2>",
        "checkpoint 31, <b>3 min ago</b>",
        ">Next start</h2>",
        "It <b>restores</b> <code>s3://flink/checkpoints/0c3f/chk-31</code>",
        "because: newest point of the line",
        ">Commands</h2>",
        "needs about 2 s, at most 5 s, you have 30 s",
        ">History</h2>",
        "<b>Epoch 2</b> began",
        "final savepoint 20",
        ">Configuration</h2>",
    ];
    let mut at = 0;
    for part in parts {
        at += text[at..].find(part).unwrap_or_else(|| panic!("{part} is not, or not in its place, in {text}"));
    }
    assert!(text.len() < 20_000, "{}", text.len());
}

#[test]
fn whatever_comes_from_outside_stays_text() {
    let mut status = status();
    let hostile = || HOSTILE.to_owned();
    status.cluster = Some(hostile());
    (status.record, status.gate, status.base) = (hostile(), hostile(), Some(hostile()));
    let job_id = status.job_id.unwrap();
    let job = JobNow { job_id, name: hostile(), state: "active", all_tasks_up: true };
    status.flink = Some(FlinkNow { answers: false, reason: Some(hostile()), jobs: vec![job] });
    status.newest.as_mut().unwrap().path = hostile();
    status.next.candidates[0].point.path = hostile();
    status.next.candidates[0].reason = hostile();
    status.next = Next { path: Some(hostile()), reason: hostile(), unknown: Some(hostile()), ..status.next };
    status.starts[0].trouble = Some(hostile());
    status.starts[1].reason = Some(hostile());
    status.starts[1].how = Some("nothing");
    let saved = row(3, HOSTILE);
    status.history.insert(0, Row { job_name: Some(hostile()), doubt: Some(hostile()), ..saved });
    status.commands = crate::telemetry::status::commands(&status, &crate::telemetry::status::Place::default());
    status.configuration = vec![Setting { key: "record", value: hostile(), origin: Origin::File(hostile()) }];
    let prediction = status.prediction.as_mut().unwrap();
    (prediction.advice, prediction.basis) = (hostile(), hostile());
    let text = told(status);
    assert!(!text.contains("<script") && !text.contains("<img") && !text.contains('\u{202e}'), "{text}");
    assert_eq!(text.matches("</style>").count(), 1);
    assert!(text.matches("&lt;script&gt;alert(1)").count() > 15, "{text}");
}

#[test]
fn nothing_is_fetched_run_or_sent_by_the_page() {
    let text = told(status());
    for forbidden in ["<script", " src=", "http-equiv", "<iframe", "<form", "@import", "url(", " style=", "javascript:"]
    {
        assert!(!text.contains(forbidden), "{forbidden}");
    }
    let links: Vec<&str> = text.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert_eq!(
        links.iter().filter(|link| !link.starts_with("data:")).copied().collect::<Vec<_>>(),
        [".", "api/v1/status", "metrics"]
    );
    let policy = policy("abc");
    assert!(policy.starts_with("default-src 'none'") && policy.contains("style-src 'nonce-abc'"), "{policy}");
    assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"), "{policy}");
}

#[test]
fn an_agent_that_knows_nothing_yet_says_so() {
    let mut status = status();
    (status.phase, status.gate) = (Phase::Waiting, "no run has asked yet".to_owned());
    (status.cluster, status.epoch, status.job_id, status.base) = (None, None, None, None);
    (status.started, status.confirmed, status.prediction) = (false, None, None);
    (status.flink, status.newest, status.next) = (None, None, Next::default());
    status.starts.clear();
    status.history.clear();
    let text = told(status);
    for part in [
        "No JobManager has asked to be started here yet.",
        "a cluster whose id is not known yet",
        "none is known",
        "No start and no restore point is recorded yet.",
    ] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
}

#[test]
fn values_show_who_set_them() {
    let mut status = status();
    let setting = |key, value: &str, origin| Setting { key, value: value.to_owned(), origin };
    status.configuration = vec![
        setting("record", "configmap:///orders", Origin::Variable("SAVEPOINTD_RECORD".to_owned())),
        setting("stop.grace", "30s", Origin::Default),
        setting("handover", "request", Origin::File("/etc/savepointd.toml".to_owned())),
        setting("stop.reserve", "2s", Origin::Flag("--set stop.reserve".to_owned())),
    ];
    let text = told(status);
    let (set, defaults) = text.split_once("<summary>Defaults: 1</summary>").unwrap();
    for part in ["variable <code>SAVEPOINTD_RECORD", "file <code>/etc/savepointd.toml", "flag <code>--set stop.reserve"]
    {
        assert!(set.contains(part), "{part} is not in {set}");
    }
    assert!(defaults.contains("stop.grace") && defaults.contains("default"), "{defaults}");
}

#[test]
fn what_a_stop_would_take_is_told_only_where_something_runs() {
    let unknown = Status { prediction: None, ..status() };
    assert!(told(unknown.clone()).contains("What it would take is not known"));
    assert!(!told(Status { phase: Phase::Waiting, ..unknown }).contains("A stop, if it came now"));
}

#[test]
fn a_refusal_is_explained_once() {
    let mut status = status();
    status.next.decision = Some("refuse".to_owned());
    (status.next.path, status.next.candidates) = (None, Vec::new());
    let text = told(status);
    assert!(text.contains("is <b class=bad>refused</b> for the reason above."), "{text}");
    assert_eq!(text.matches("newest point of the line").count(), 1, "{text}");
}
