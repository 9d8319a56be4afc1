//! What a start is asked for, from savepointd's configuration and Flink's own.

use jiff::{SignedDuration, Timestamp};

use crate::config::{Config, Handover, JobIdPolicy, OnBroken, OnFailed, OnNoState, OnUnverifiable};
use crate::flink::setup::{Mode, Setup};
use crate::protocol::choose::{IfFailed, Policy};
use crate::protocol::entry::{Directories, Holder};
use crate::protocol::point::normalize;
use crate::protocol::start::{JobIds, Plan};
use crate::random;

/// The plan of a start under this configuration.
pub fn of(
    config: &Config,
    cluster: &str,
    holder: Holder,
    directories: Directories,
    setup: &Setup,
    job_ids: JobIds,
) -> Plan {
    Plan {
        cluster: cluster.to_owned(),
        holder,
        directories,
        explicit: setup.explicit_path.as_ref().map(|explicit| explicit.path.clone()),
        job_ids,
        policy: policy(config),
        now: Timestamp::now(),
        new_record_id: random::id(),
        session: setup.mode == Mode::Session,
        only_plan: false,
        running: false,
        ask_to_hand_over: config.handover == Handover::Request,
    }
}

/// What the configuration says about starts that can't go on as usual.
pub fn policy(config: &Config) -> Policy {
    Policy {
        fresh_without_history: config.restore.on_no_state == OnNoState::Fresh,
        previous_if_broken: config.restore.on_broken == OnBroken::Previous,
        trust_unverifiable: config.restore.on_unverifiable == OnUnverifiable::Trust,
        max_state_age: config.restore.max_state_age.and_then(|age| SignedDuration::try_from(age).ok()),
        if_failed: IfFailed {
            attempts: config.restore.attempts,
            previous: config.restore.on_failed == OnFailed::Previous,
            allow_non_restored_state: config.restore.allow_non_restored_state,
        },
    }
}

/// Where the points of a start lie: what the configuration says, else what Flink's own does.
///
/// # Errors
/// In words, if a directory is not known: that is not the same as holding nothing.
pub fn directories(config: &Config, setup: &Setup) -> Result<Directories, String> {
    let flink_savepoint = setup.savepoint_directory.as_deref().map(normalize);
    let savepoint = config.savepoint.directory.as_deref().map(normalize).or_else(|| flink_savepoint.clone()).ok_or(
        "no savepoint directory is known: set execution.checkpointing.savepoint-dir (before Flink 1.20: \
         state.savepoints.dir) in Flink's configuration, or savepoint.directory (SAVEPOINTD_SAVEPOINT__DIRECTORY)",
    )?;
    let checkpoint = config.checkpoint.directory.as_deref().or(setup.checkpoint_directory.as_deref());
    let checkpoint = checkpoint.map(|url| without_entropy(&normalize(url), setup)).ok_or(
        "no checkpoint directory is known: set execution.checkpointing.dir (before Flink 1.20: state.checkpoints.dir) in \
         Flink's configuration, or, if the job sets it in its code, checkpoint.directory \
         (SAVEPOINTD_CHECKPOINT__DIRECTORY)",
    )?;
    let flink_savepoint = flink_savepoint.filter(|other| *other != savepoint);
    Ok(Directories { savepoint, flink_savepoint, checkpoint })
}

/// Where a `_metadata` lies below a directory for whose data files Flink makes up random letters.
fn without_entropy(directory: &str, setup: &Setup) -> String {
    let marker = setup.entropy_key.as_deref().filter(|key| !key.is_empty());
    let Some((before, after)) = marker.and_then(|marker| directory.split_once(marker)) else {
        return directory.to_owned();
    };
    let after = if before.ends_with('/') { after.trim_start_matches('/') } else { after };
    format!("{before}{after}").trim_end_matches('/').to_owned()
}

/// Refuses what this build can't protect: better not started than started unwatched.
///
/// # Errors
/// In words, with the way out.
pub fn supported(setup: &Setup) -> Result<(), String> {
    if setup.rest_ssl {
        return Err("Flink's REST API uses TLS (security.ssl.rest.enabled), which this build of savepointd does not \
                    speak yet: switch it off, for example by binding the API to 127.0.0.1 (rest.bind-address)"
            .to_owned());
    }
    if setup.is_highly_available() {
        return Err(
            "Flink runs with high availability, whose own metadata wins over any point that is injected; this build \
                    of savepointd does not handle that yet: remove high-availability.type from Flink's configuration"
                .to_owned(),
        );
    }
    Ok(())
}

/// Whose job ids a start uses.
///
/// # Errors
/// In words, if the job id given to Flink is none.
pub fn job_ids(config: &Config, setup: &Setup) -> Result<JobIds, String> {
    match &setup.job_id {
        Some(given) => given.parse().map(JobIds::Fixed).map_err(|error| format!("the job id given to Flink: {error}")),
        None if config.flink.job_id == JobIdPolicy::Flink => Ok(JobIds::Flink),
        None if setup.mode == Mode::Session => Ok(JobIds::Flink),
        None => Ok(JobIds::Derived),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_lies_where_the_entropy_is_taken_out() {
        let setup = Setup { entropy_key: Some("_entropy_".to_owned()), ..Setup::default() };
        for (directory, expected) in [
            ("s3://b/_entropy_/chk", "s3://b/chk"),
            ("s3://b/x-_entropy_-y/chk", "s3://b/x--y/chk"),
            ("s3://b/chk/_entropy_", "s3://b/chk"),
            ("s3://b/chk", "s3://b/chk"),
        ] {
            assert_eq!(without_entropy(directory, &setup), expected);
            assert_eq!(without_entropy(directory, &Setup::default()), directory);
        }
    }
}
