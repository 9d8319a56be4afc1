//! What a start is asked for, from savepointd's configuration and Flink's own.

use jiff::{SignedDuration, Timestamp};

use crate::config::{Config, Handover, JobIdPolicy, OnBroken, OnFailed, OnLeftover, OnNoState, OnUnverifiable};
use crate::flink::setup::{Mode, Setup};
use crate::protocol::choose::{IfFailed, Policy};
use crate::protocol::entry::{Directories, Holder};
use crate::protocol::ha::{self, Places};
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
        ungated: None,
    }
}

/// What the configuration says about starts that can't go on as usual.
pub fn policy(config: &Config) -> Policy {
    Policy {
        fresh_without_history: config.restore.on_no_state == OnNoState::Fresh,
        previous_if_broken: config.restore.on_broken == OnBroken::Previous,
        trust_unverifiable: config.restore.on_unverifiable == OnUnverifiable::Trust,
        max_state_age: config.restore.max_state_age.and_then(|age| SignedDuration::try_from(age).ok()),
        on_leftover: match config.ha.on_leftover {
            OnLeftover::Finish => ha::OnLeftover::Finish,
            OnLeftover::Refuse => ha::OnLeftover::Refuse,
            OnLeftover::Recover => ha::OnLeftover::Recover,
        },
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
    let high_availability = if setup.is_highly_available() { Some(places(setup)?) } else { None };
    Ok(Directories { savepoint, flink_savepoint, checkpoint, high_availability })
}

/// Flink's default `high-availability.cluster-id`.
const DEFAULT_CLUSTER: &str = "/default";

fn ha_cluster(setup: &Setup) -> &str {
    setup.ha_cluster_id.as_deref().unwrap_or(DEFAULT_CLUSTER)
}

/// Where Flink's own high availability keeps its files.
fn places(setup: &Setup) -> Result<Places, String> {
    let cluster = ha_cluster(setup);
    let name = cluster.trim_matches('/');
    let root = setup.ha_storage_directory.as_deref().map(normalize).ok_or(
        "Flink runs with high availability, and where that keeps its files is not known: set high-availability.storageDir in Flink's \
         configuration",
    )?;
    let results = setup.ha_job_results.as_deref().map(normalize);
    let pointers = match setup.high_availability.as_deref().unwrap_or_default().to_ascii_lowercase().as_str() {
        "zookeeper" => {
            format!("ZooKeeper: {}/{name}", setup.ha_root.as_deref().unwrap_or("/flink").trim_end_matches('/'))
        }
        _ => format!(
            "ConfigMaps labelled app={},configmap-type=high-availability",
            setup.kubernetes_cluster_id.as_deref().unwrap_or(name)
        ),
    };
    Ok(Places {
        folder: format!("{root}/{name}"),
        results: results.unwrap_or_else(|| format!("{root}/job-result-store/{name}")),
        pointers,
    })
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
    if setup.is_highly_available() && setup.mode == Mode::Session {
        return Err("Flink's session cluster runs with high availability, and takes up its jobs again by itself; this build of \
                    savepointd protects applications under high availability, and session clusters without: remove \
                    high-availability.type from Flink's configuration"
            .to_owned());
    }
    Ok(())
}

/// Whose job ids a start uses.
///
/// # Errors
/// In words, if the job id given to Flink is none.
pub fn job_ids(config: &Config, setup: &Setup) -> Result<JobIds, String> {
    match &setup.job_id {
        // Under high availability Flink has one id for it, and what it knows of the job is kept under that.
        None if setup.is_highly_available() => Ok(JobIds::Fixed(ha::job_id(ha_cluster(setup)))),
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

    #[test]
    fn high_availability_keeps_its_files_below_the_cluster_id() {
        let setup = Setup {
            high_availability: Some("ZooKeeper".to_owned()),
            ha_storage_directory: Some("s3://flink/ha/".to_owned()),
            ha_cluster_id: Some("/orders".to_owned()),
            ..Setup::default()
        };
        let found = places(&setup).unwrap();
        assert_eq!(found.folder, "s3://flink/ha/orders");
        assert_eq!(found.results, "s3://flink/ha/job-result-store/orders");
        assert_eq!(found.pointers, "ZooKeeper: /flink/orders");
        let setup = Setup {
            high_availability: Some("kubernetes".to_owned()),
            ha_cluster_id: None,
            ha_job_results: Some("s3://flink/results".to_owned()),
            kubernetes_cluster_id: Some("orders".to_owned()),
            ..setup
        };
        let found = places(&setup).unwrap();
        assert_eq!((found.folder.as_str(), found.results.as_str()), ("s3://flink/ha/default", "s3://flink/results"));
        assert!(found.pointers.contains("app=orders"), "{found:?}");
        let nowhere = Setup { ha_storage_directory: None, ..setup };
        assert!(places(&nowhere).unwrap_err().contains("high-availability.storageDir"));
    }
}
