//! What is said over the sockets and to guards, and plans that were saved.

use savepointd::api::{
    Checkpointed, ClaimReply, ClaimRequest, Drained, Exited, Finish, Orders, Started, StopRequest, Tidings,
};
use savepointd::config::{Config, Flags};
use savepointd::people::{self, Answer, Request};
use savepointd::start::{plan, reach};

use super::same_again;

pub fn any(bytes: &[u8]) {
    same_again::<ClaimReply>(bytes);
    same_again::<Finish>(bytes);
    same_again::<Orders>(bytes);
    same_again::<Started>(bytes);
    same_again::<StopRequest>(bytes);
    same_again::<Exited>(bytes);
    same_again::<Drained>(bytes);
    same_again::<Tidings>(bytes);
    same_again::<Checkpointed>(bytes);
    same_again::<Request>(bytes);
    same_again::<Answer>(bytes);
    let Some(claim) = same_again::<ClaimRequest>(bytes) else { return };
    // What an agent makes of a claim before it reads anything else.
    let mut flags = Flags::default();
    flags.push("--record", "record", "file:///records/fuzzed");
    let config = Config::load(None, std::iter::empty(), flags).unwrap();
    if let Ok(directories) = plan::directories(&config, &claim.setup) {
        assert!(!directories.savepoint.is_empty() && !directories.checkpoint.is_empty(), "{directories:?}");
    }
    let _ = plan::supported(&claim.setup);
    let _ = plan::job_ids(&config, &claim.setup);
    let _ = reach::access(&config.flink, &claim.setup);
    super::command::injected(&claim.argv, "s3://flink/savepoint-1");
}

pub fn plan(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(plan) = people::replay(text) else { return };
    let again = people::replay(&serde_json::to_string(&plan).unwrap()).unwrap();
    assert_eq!(again, plan, "a replay of a replay is another plan");
    assert_eq!(plan.decision == "restore", plan.path.is_some(), "{} of {:?}", plan.decision, plan.path);
    if let Some(path) = &plan.path {
        assert!(
            text.contains(path.rsplit('/').next().unwrap_or_default()) || text.contains('\\'),
            "nobody names {path}"
        );
    }
}
