//! Random faults strike an application on the node, one after the other. The same judge as on loopback: `tests/flink/chaos.rs`.

mod fault;
mod pods;

use super::on_the_node;
use super::support::chaos::torment;
use pods::Pods;

on_the_node!(random_faults_on_a_node_lose_nothing);

/// At landing size; at full size `SPTEST_FAULTS` says how many.
const FAULTS: usize = 3;

fn random_faults_on_a_node_lose_nothing() {
    torment(&mut Pods::start(), "rocksdb, hostPath, native sidecar, Deployment", 40, FAULTS);
}
