//! The effective configuration, and the facts in it.

use std::collections::BTreeMap;

use super::{ExplicitPath, Mode, PathSource, Setup, properties::Properties};

// Newest name first: in Flink a new name wins over its deprecated ones, wherever each was set.
const CHECKPOINT_DIRECTORY: &[&str] = &["execution.checkpointing.dir", "state.checkpoints.dir"];
const SAVEPOINT_DIRECTORY: &[&str] =
    &["execution.checkpointing.savepoint-dir", "state.savepoints.dir", "savepoints.state.backend.fs.dir"];
const HIGH_AVAILABILITY: &[&str] = &["high-availability.type", "high-availability"];
const HA_STORAGE_DIRECTORY: &[&str] =
    &["high-availability.storageDir", "high-availability.zookeeper.storageDir", "recovery.zookeeper.storageDir"];
const HA_CLUSTER_ID: &[&str] = &[
    "high-availability.cluster-id",
    "high-availability.zookeeper.path.namespace",
    "recovery.zookeeper.path.namespace",
];
const HA_ROOT: &[&str] = &["high-availability.zookeeper.path.root", "recovery.zookeeper.path.root"];
const RESTORE_PATH: &[&str] = &["execution.state-recovery.path", "execution.savepoint.path"];
const IGNORE_UNCLAIMED: &[&str] =
    &["execution.state-recovery.ignore-unclaimed-state", "execution.savepoint.ignore-unclaimed-state"];
// Flink's two S3 file systems each take their own names beside the common ones.
const S3_ENDPOINT: &[&str] = &["s3.endpoint", "fs.s3a.endpoint", "s3a.endpoint", "presto.s3.endpoint"];
const S3_REGION: &[&str] = &["s3.region", "s3.endpoint.region", "fs.s3a.endpoint.region", "s3a.endpoint.region"];
const ENTROPY_KEY: &[&str] = &["s3.entropy.key"];
const REST_SSL: &[&str] = &["security.ssl.rest.enabled", "security.ssl.enabled"];

/// The first fact about state that two files both set, and differently.
pub(super) fn disagreement(legacy: &Properties, standard: &Properties) -> Option<&'static str> {
    let [mut left, mut right] = [Known::default(), Known::default()];
    left.set_all(legacy, "");
    right.set_all(standard, "");
    let facts = [
        CHECKPOINT_DIRECTORY,
        SAVEPOINT_DIRECTORY,
        HIGH_AVAILABILITY,
        HA_STORAGE_DIRECTORY,
        HA_CLUSTER_ID,
        RESTORE_PATH,
    ];
    facts.into_iter().find_map(|keys| {
        let (left, right) = (left.value(keys)?, right.value(keys)?);
        if left == right { None } else { keys.first().copied() }
    })
}

struct Property {
    value: String,
    source: PathSource,
    origin: String,
}

/// The effective configuration, each value with its origin.
#[derive(Default)]
pub(super) struct Known(BTreeMap<String, Property>);

impl Known {
    pub(super) fn set(&mut self, key: &str, value: &str, source: PathSource, origin: &str) {
        self.0.insert(key.to_owned(), Property { value: value.to_owned(), source, origin: origin.to_owned() });
    }

    pub(super) fn set_all(&mut self, properties: &[(String, String)], place: &str) {
        for (key, value) in properties {
            self.set(key, value, PathSource::Configuration, &format!("{key} in {place}"));
        }
    }

    /// The entrypoint writes the container's own host name over the RPC address, unless it is told one.
    pub(super) fn entrypoint(&mut self, runs: bool, rpc_address: Option<String>) {
        if runs {
            self.0.remove("jobmanager.rpc.address");
            self.set_all(
                rpc_address.map(|address| ("jobmanager.rpc.address".to_owned(), address)).as_slice(),
                "JOB_MANAGER_RPC_ADDRESS",
            );
        }
    }

    fn get(&self, keys: &[&str]) -> Option<&Property> {
        keys.iter().find_map(|key| self.0.get(*key)).filter(|property| !property.value.is_empty())
    }

    pub(super) fn value(&self, keys: &[&str]) -> Option<String> {
        self.get(keys).map(|property| property.value.clone())
    }

    /// The restore path in effect, so far.
    pub(super) fn restore_path(&self) -> Option<String> {
        self.value(RESTORE_PATH)
    }

    fn flag(&self, keys: &[&str]) -> Option<bool> {
        self.get(keys).map(|property| property.value.eq_ignore_ascii_case("true"))
    }

    fn port(&self, key: &str) -> Option<u16> {
        let value = self.value(&[key])?;
        value.split(['-', ',']).next()?.trim().parse().ok().filter(|port| *port > 0)
    }

    pub(super) fn fill(&self, setup: &mut Setup) {
        setup.checkpoint_directory = self.value(CHECKPOINT_DIRECTORY);
        setup.savepoint_directory = self.value(SAVEPOINT_DIRECTORY);
        setup.high_availability = self.value(HIGH_AVAILABILITY);
        setup.ha_storage_directory = self.value(HA_STORAGE_DIRECTORY);
        setup.ha_rpc_port = self.port("high-availability.jobmanager.port");
        setup.ha_cluster_id = self.value(HA_CLUSTER_ID);
        setup.ha_job_results = self.value(&["job-result-store.storage-path"]);
        setup.ha_root = self.value(HA_ROOT);
        setup.kubernetes_cluster_id = self.value(&["kubernetes.cluster-id"]);
        setup.job_id = self.value(&["$internal.pipeline.job-id"]);
        setup.explicit_path = self.get(RESTORE_PATH).map(|property| ExplicitPath {
            path: property.value.clone(),
            source: property.source,
            origin: property.origin.clone(),
        });
        // `standalone-job` overwrites this one with its flag, given or not.
        setup.allow_non_restored_state =
            setup.mode == Mode::KubernetesApplication && self.flag(IGNORE_UNCLAIMED) == Some(true);
        setup.retention = self.value(&["execution.checkpointing.externalized-checkpoint-retention"]);
        setup.shutdown_on_application_finish = self.flag(&["execution.shutdown-on-application-finish"]);
        setup.rest_port = match self.value(&["rest.bind-port"]) {
            Some(_) => self.port("rest.bind-port"),
            None => self.port("rest.port"),
        };
        setup.rest_address = self.value(&["rest.address"]);
        setup.rest_bind_address = self.value(&["rest.bind-address"]);
        setup.rest_ssl = self.flag(REST_SSL) == Some(true);
        setup.ssl_algorithms = self.value(&["security.ssl.algorithms"]);
        setup.rest_authentication = self.flag(&["security.ssl.rest.authentication-enabled"]) == Some(true);
        setup.rpc_address = self.value(&["jobmanager.rpc.address"]);
        setup.rpc_port = self.port("jobmanager.rpc.port");
        setup.s3_endpoint = self.value(S3_ENDPOINT);
        setup.s3_region = self.value(S3_REGION);
        setup.entropy_key = self.value(ENTROPY_KEY);
    }
}
