//! What all tests of whole processes share.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part of it")]
#![allow(clippy::unused_self, reason = "what is done to a cluster reads best as its method")]
#![allow(clippy::format_collect, clippy::format_push_string, clippy::option_option, reason = "short beats fast here")]

#[allow(clippy::print_stdout, reason = "what strikes, and what comes of it, is read while it goes on")]
pub mod chaos;
pub mod chromium;
pub mod evidence;
pub mod fake_agent;
pub mod fake_flink;
pub mod fake_kubernetes;
pub mod fake_s3;
pub mod fake_session;
pub mod flink;
pub mod ha;
pub mod http;
pub mod life;
pub mod many_files;
pub mod metadata;
pub mod process;
pub mod readme;
pub mod store_proxy;
pub mod stores;
pub mod tls_proxy;
pub mod trace;

use std::net::{TcpListener, UdpSocket};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Waits until `condition` gives something, looking again in short steps; panics with `what` after `limit`.
pub fn eventually<T>(what: &str, limit: Duration, condition: impl FnMut() -> Option<T>) -> T {
    eventually_in_steps_of(Duration::from_millis(10), what, limit, condition)
}

/// The same in longer steps, for what costs something to look at.
pub fn eventually_in_steps_of<T>(
    step: Duration,
    what: &str,
    limit: Duration,
    mut condition: impl FnMut() -> Option<T>,
) -> T {
    let begin = Instant::now();
    loop {
        if let Some(found) = condition() {
            return found;
        }
        assert!(begin.elapsed() < limit, "not within {limit:?}: {what}");
        std::thread::sleep(step);
    }
}

/// A port that was free a moment ago, below those that the kernel gives to connections: one of them might take it before it
/// is used. Between two starts of a cluster nobody listens at its ports: so long as this process lives, a UDP socket says to
/// others like it that they are taken.
pub fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    static TAKEN: Mutex<Vec<UdpSocket>> = Mutex::new(Vec::new());
    loop {
        let number = std::process::id().wrapping_mul(16).wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = u16::try_from(10_000 + number % 20_000).unwrap();
        let Ok(taken) = UdpSocket::bind(("127.0.0.1", port)) else { continue };
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            TAKEN.lock().unwrap().push(taken);
            return port;
        }
    }
}
