//! Random ids.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::protocol::id::Id;

/// An id that nobody else has: 128 random bits from the kernel.
#[must_use]
pub fn id() -> Id {
    static FALLBACK: AtomicU64 = AtomicU64::new(0);
    let mut bytes = [0; 16];
    if getrandom::fill(&mut bytes).is_err() {
        // A kernel without randomness: time, process and a counter still make an id that no one else makes.
        let clock = jiff::Timestamp::now().as_nanosecond().to_be_bytes();
        bytes.copy_from_slice(&clock);
        let own = u64::from(std::process::id()) << 32 | FALLBACK.fetch_add(1, Ordering::Relaxed);
        for (byte, own) in bytes.iter_mut().zip(own.to_be_bytes()) {
            *byte ^= own;
        }
    }
    Id::from_bytes(bytes)
}

/// A number by chance.
#[must_use]
pub fn byte() -> u8 {
    let mut byte = [0; 1];
    let _ = getrandom::fill(&mut byte);
    let [byte] = byte;
    byte
}

/// Between a half and one and a half of `pause`, so that many that wait do not all ask at once.
#[must_use]
pub fn jitter(pause: std::time::Duration) -> std::time::Duration {
    pause / 2 + pause * u32::from(byte()) / 255
}
