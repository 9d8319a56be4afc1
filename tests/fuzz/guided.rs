//! The same targets in the hands of libFuzzer, which keeps what reaches something new in the program: `tests/fuzz.sh`.
#![cfg_attr(fuzzing, no_main)]
#![cfg_attr(fuzzing, allow(unsafe_code, reason = "libFuzzer's entry, which its macro makes"))]
#![cfg_attr(fuzzing, allow(clippy::unwrap_used, clippy::panic, unreachable_pub, reason = "as in main.rs"))]

#[cfg(fuzzing)]
mod targets;

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    use std::sync::LazyLock;
    static CHECK: LazyLock<fn(&[u8])> = LazyLock::new(|| {
        let name = std::env::var("SPTEST_FUZZ_TARGET").unwrap();
        targets::TARGETS.iter().find(|target| target.name == name).unwrap().check
    });
    CHECK(bytes);
});

#[cfg(not(fuzzing))]
fn main() {}
