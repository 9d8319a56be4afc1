#!/usr/bin/env bash
#
# tests/run.sh [landing|full|bench]     every gate and every test; `landing` by default
#
#   landing   format, lints, docs, licences, the static binary, tests of every level (a quarter of an hour warm on two cores)
#   full      the same with twenty stop and start cycles (an hour)
#   bench     the figures, each beside a peer that is measured in the same run
#
# Flink, tools and build results are kept in ${SPTEST_CACHE:-~/.cache/savepointd}, outside the checkout.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=tests/tools.sh
. tests/tools.sh
check_tools

size=${1:-landing}
case $size in
    landing) cycles=3 ignored=() ;;
    full) cycles=20 ignored=(--run-ignored all) ;;
    bench) cycles=0 ;;
    *)
        echo "usage: ${0##*/} [landing|full|bench]" >&2
        exit 64
        ;;
esac
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$cache/target}
export PATH=$cache/tools/bin:$PATH
step() { printf '\n== %s (%s)\n' "$1" "$(date +%T)"; }

step "static binary"
cargo static
binary=$CARGO_TARGET_DIR/release/savepointd
if [ "$size" = bench ]; then
    # The harness need not be optimised; what it measures is.
    SPTEST_BINARY=$binary cargo test --quiet --locked --bench bars -- --bench
    exit
fi
tests/static.sh "$binary"

install_tool cargo-nextest 0.9.151
install_tool cargo-deny 0.20.2

step "format"
cargo fmt --check
step "lints"
cargo clippy --locked --all-targets --quiet -- -D warnings
step "documentation"
RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --document-private-items --quiet
step "licences, bans, sources"
cargo deny --config .cargo/deny.toml --log-level error check bans licenses sources
step "Flink"
for version in 1.15.4 1.20.5 2.3.0; do
    tests/flink/job.sh "$version"
done
step "tests"
SPTEST_CYCLES=$cycles cargo nextest run --locked ${ignored[@]+"${ignored[@]}"}
