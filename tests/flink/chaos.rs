//! Random faults strike an application under savepointd, one after the other: nothing is lost, nothing is repeated that was durable, no
//! start is refused that the fault does not explain, and each stop ends before its deadline.
//!
//! `SPTEST_SEED` and `SPTEST_FAULTS` give a schedule again, or another one.

mod disk;
mod fault;
mod judged;
mod loopback;

use super::support::chaos::torment;
use loopback::{Loopback, Shape};

/// At landing size; at full size `SPTEST_FAULTS` says how many.
const FAULTS: usize = 7;

const FILES: Shape = Shape { backend: "rocksdb", objects: false, embedded: false };
const OBJECTS: Shape = Shape { backend: "hashmap", objects: true, embedded: true };

#[test]
fn random_faults_lose_nothing_of_an_application_with_its_state_in_files() {
    torment(&mut Loopback::start(FILES), "rocksdb, files, agent apart", 20, FAULTS);
}

#[test]
fn random_faults_lose_nothing_of_an_application_with_its_state_in_an_object_store() {
    torment(&mut Loopback::start(OBJECTS), "hashmap, MinIO, embedded agent", 21, FAULTS);
}

#[test]
#[ignore = "full size"]
fn random_faults_lose_nothing_of_state_on_the_heap_in_files_with_an_embedded_agent() {
    let shape = Shape { backend: "hashmap", embedded: true, ..FILES };
    torment(&mut Loopback::start(shape), "hashmap, files, embedded agent", 22, FAULTS);
}

#[test]
#[ignore = "full size"]
fn random_faults_lose_nothing_of_state_on_disk_in_an_object_store_with_an_agent_apart() {
    let shape = Shape { backend: "rocksdb", embedded: false, ..OBJECTS };
    torment(&mut Loopback::start(shape), "rocksdb, MinIO, agent apart", 23, FAULTS);
}
