#!/usr/bin/env bash
#
# tests/fuzz.sh [SECONDS [TARGET…]]     libFuzzer on each of the fuzz targets (tests/fuzz/targets.rs), 120 s each unless told otherwise
#
# Coverage comes from LLVM's pass, which the stable toolchain has. What was found worth keeping is kept in the cache and gone on from the
# next time; an input that breaks something is left in tests/fuzz/corpus, where every run of the tests has it from then on.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=tests/tools.sh
. tests/tools.sh
need c++ "a C++ compiler, which builds libFuzzer (Debian: g++)"
check_tools

seconds=${1:-120}
shift || true
targets=("$@")
if [ ${#targets[@]} = 0 ]; then
    mapfile -t targets < <(sed -n 's/^    target("\([a-z-]*\)".*/\1/p' tests/fuzz/targets.rs)
fi

export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$cache/target}/fuzz
mkdir -p "$CARGO_TARGET_DIR"
exec {held}> "$CARGO_TARGET_DIR/.lock"
flock "$held"
host=$(rustc -vV | sed -n 's/^host: //p')
# For the target alone: neither build scripts nor macros are to be instrumented.
export CARGO_PROFILE_DEV_OPT_LEVEL=1 RUSTFLAGS="--cfg fuzzing -Ccodegen-units=1 -Cpasses=sancov-module
    -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters
    -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares"
cargo build --quiet --locked --target "$host" --example fuzz
binary=$CARGO_TARGET_DIR/$host/debug/examples/fuzz

for target in "${targets[@]}"; do
    found=$cache/fuzz/$target
    mkdir -p "$found" "tests/fuzz/corpus/$target"
    seeds=("tests/fuzz/corpus/$target")
    case $target in
        metadata)
            mkdir -p "$cache/fuzz/vectors"
            for vector in tests/vectors/*/_metadata; do cp "$vector" "$cache/fuzz/vectors/$(basename "$(dirname "$vector")")"; done
            seeds+=("$cache/fuzz/vectors")
            ;;
        completed-checkpoint)
            mkdir -p "$cache/fuzz/completed"
            cp tests/vectors/completed-checkpoint-1.20.5 "$cache/fuzz/completed"
            seeds+=("$cache/fuzz/completed")
            ;;
    esac
    printf '%s: ' "$target"
    log=$(mktemp)
    if ! SPTEST_FUZZ_TARGET=$target "$binary" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -max_len=65536 \
        -artifact_prefix="tests/fuzz/corpus/$target/" "$found" "${seeds[@]}" > "$log" 2>&1; then
        tail -n 40 "$log" >&2
        exit 1
    fi
    inputs=$(sed -n 's/^Done \([0-9]*\) runs in .*/\1/p' "$log")
    printf '%s inputs ' "$inputs"
    if [ -n "${SPTEST_EVIDENCE:-}" ]; then
        printf '{"date":"%s","commit":"%s","what":"libFuzzer on what is read, nothing broken","part":"%s","counts":[["inputs",%s]]}\n' \
            "$(date +%F)" "$(git rev-parse --short HEAD)" "$target" "$inputs" >> "$SPTEST_EVIDENCE"
    fi
    sed -n 's/.* cov: \([0-9]*\) ft: \([0-9]*\) .*/reaching \1 edges/p' "$log" | tail -n 1
    rm "$log"
    # Where nothing was broken, what real Flink wrote is all that is committed.
    rmdir --ignore-fail-on-non-empty "tests/fuzz/corpus/$target"
done
