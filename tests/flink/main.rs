//! Level 3: real Flink on loopback, with a job that checks itself record by record.
#![allow(unreachable_pub, reason = "a test binary has no outside")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a test fails by panicking, real processes need the real clock, and tables are printed"
)]

#[path = "../support/mod.rs"]
mod support;

mod chaos;
mod crash;
mod cycle;
mod demo;
mod failures;
mod guards;
mod ha;
mod hdfs;
mod kills;
mod matrix;
mod old;
mod people;
mod prune;
mod s3;
mod savepoints;
mod sessions;
mod several;
mod slow;
mod tls;
mod trouble;

/// The versions of the landing size, besides the matrix. What hardly depends on the version lands `on` one of them, and in the full
/// size on the other as well; what the matrix nearly covers is for the full size alone.
macro_rules! on_each_flink {
    (at_full_size_oldest_too: $test:ident) => {
        mod flink_1_15 {
            #[test] #[ignore = "full size"] fn $test() { super::$test("1.15.4"); }
        }
        on_each_flink!(on 1.20:; on 2.3:; at_full_size: $test);
    };
    (
        on 1.20: $($former:ident),* $(,)?; on 2.3: $($latter:ident),* $(,)?
        $(; at_full_size: $($full:ident),* $(,)?)?
    ) => {
        mod flink_1_20 {
            $(#[test] fn $former() { super::$former("1.20.5"); })*
            $(#[test] #[ignore = "full size"] fn $latter() { super::$latter("1.20.5"); })*
            $($(#[test] #[ignore = "full size"] fn $full() { super::$full("1.20.5"); })*)?
        }
        mod flink_2_3 {
            $(#[test] #[ignore = "full size"] fn $former() { super::$former("2.3.0"); })*
            $(#[test] fn $latter() { super::$latter("2.3.0"); })*
            $($(#[test] #[ignore = "full size"] fn $full() { super::$full("2.3.0"); })*)?
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
