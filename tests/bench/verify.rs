//! How long it takes to prove a point with many files whole, on a real object store.

use std::time::Instant;

use super::support::many_files::{FILES, lay_out, verify};
use super::support::stores::{Store, installed};
use super::{bar, figure, median, millis};

const ROUNDS: usize = 5;

pub(super) fn measure() {
    if !installed() {
        return figure("left out: tests/stores.sh gets MinIO", String::new());
    }
    let store = Store::minio();
    lay_out(&store);
    let mut counts = Vec::new();
    let mut time = || {
        let begin = Instant::now();
        let (answer, requests) = verify(&store);
        assert_eq!(answer["verdict"], "whole", "{answer:#}");
        counts.push(requests);
        begin.elapsed()
    };
    let times: Vec<_> = (0..ROUNDS).map(|_| time()).collect();
    let most = counts.into_iter().max().unwrap_or_default();
    bar(&format!("{FILES} files on MinIO"), format!("{most} requests"), "at most 50", most <= 50);
    figure("from the start of `verify` to its answer", millis(median(&times)));
}
