//! Level 3: real Flink on loopback, with a job that checks itself record by record.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a test fails by panicking, and real processes need the real clock"
)]

#[path = "../support/mod.rs"]
mod support;

mod crash;
mod cycle;
mod failures;
mod guards;
mod ha;
mod hdfs;
mod people;
mod prune;
mod s3;
mod savepoints;
mod sessions;
mod slow;
mod trouble;

/// The versions of the landing size. What hardly depends on the version lands `on` one of them, and in the full size on the other
/// as well.
macro_rules! on_each_flink {
    (oldest_too: $test:ident) => {
        on_each_flink!($test);
        mod flink_1_15 {
            #[test] fn $test() { super::$test("1.15.4"); }
        }
    };
    (on 1.20: $($former:ident),*; on 2.3: $($latter:ident),* $(,)?) => {
        mod flink_1_20 {
            $(#[test] fn $former() { super::$former("1.20.5"); })*
            $(#[test] #[ignore = "full size"] fn $latter() { super::$latter("1.20.5"); })*
        }
        mod flink_2_3 {
            $(#[test] #[ignore = "full size"] fn $former() { super::$former("2.3.0"); })*
            $(#[test] fn $latter() { super::$latter("2.3.0"); })*
        }
    };
    ($($test:ident),* $(,)?) => {
        mod flink_1_20 {
            $(#[test] fn $test() { super::$test("1.20.5"); })*
        }
        mod flink_2_3 {
            $(#[test] fn $test() { super::$test("2.3.0"); })*
        }
    };
}
use on_each_flink;
