//! What all tests of whole processes share.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part of it")]
#![allow(clippy::unused_self, reason = "what is done to a cluster reads best as its method")]
#![allow(clippy::format_collect, clippy::format_push_string, clippy::option_option, reason = "short beats fast here")]

pub mod fake_flink;
pub mod fake_kubernetes;
pub mod flink;
pub mod http;
pub mod process;

use std::time::{Duration, Instant};

/// Waits until `condition` gives something, looking again in short steps; panics with `what` after `limit`.
pub fn eventually<T>(what: &str, limit: Duration, mut condition: impl FnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(found) = condition() {
            return found;
        }
        assert!(begin.elapsed() < limit, "not within {limit:?}: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
