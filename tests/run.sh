#!/usr/bin/env bash
#
# tests/run.sh [landing|full|bench]     every gate and every test; `landing` by default
#
#   landing   format, lints, docs, licences, static binary, image, tests of every level (three quarters of an hour warm on two cores)
#   full      the same with twenty stop and start cycles, hundreds of random faults, and the whole matrix of Flink's versions (hours)
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
    landing) cycles=3 node_cycles=1 profile=default ignored=() versions=(1.15.4 1.17.2 1.20.5 2.3.0) ;;
    full)
        cycles=20 node_cycles=20 profile=full ignored=(--run-ignored all)
        export SPTEST_FAULTS=${SPTEST_FAULTS:-100} SPTEST_EVIDENCE=${SPTEST_EVIDENCE:-$PWD/tests/evidence.jsonl}
        versions=(1.14.6 1.15.4 1.16.3 1.17.2 1.18.1 1.19.3 1.20.5 2.0.1 2.2.1 2.3.0)
        ;;
    bench) cycles=0 ;;
    *)
        echo "usage: ${0##*/} [landing|full|bench]" >&2
        exit 64
        ;;
esac
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$cache/target}
# shellcheck source=tests/target.sh
. tests/target.sh
target_of_this_checkout
export PATH=$cache/tools/bin:$PATH
step() { printf '\n== %s (%s)\n' "$1" "$(date +%T)"; }

node=no
if [ "$size" = bench ]; then
    :
elif tests/node/check.sh; then
    node=yes
    # Where Kubernetes has to be built first, that takes longer than all the rest: it goes on beside it.
    programs_log=$(mktemp)
    set -m
    tests/node/programs.sh >"$programs_log" 2>&1 &
    programs=$!
    set +m
    trap 'kill -- -$programs 2>/dev/null || true; rm -f "$programs_log"' EXIT
elif [ "${CI:-}" = true ]; then
    exit 69
else
    echo "Tests on a Kubernetes node are left out."
fi

stores=no
if [ "$size" = bench ]; then
    :
elif missing=$(tests/stores.sh --check 2>&1); then
    stores=yes
    stores_log=$(mktemp)
    set -m
    # Two Go builds at once would only slow each other.
    (
        if [ $node = yes ]; then while kill -0 "$programs" 2>/dev/null; do sleep 5; done; fi
        tests/stores.sh
        exec tests/helm.sh
    ) >"$stores_log" 2>&1 &
    installing=$!
    set +m
    trap 'kill -- ${programs:+-$programs} -$installing 2>/dev/null || true; rm -f "${programs_log:-}" "$stores_log"' EXIT
elif [ "${CI:-}" = true ]; then
    echo "$missing" >&2
    exit 69
else
    printf '%s\nTests on object stores are left out.\n' "$missing"
fi

prometheus=no
if [ "$size" = bench ]; then
    :
elif missing=$(tests/prometheus.sh --check 2>&1); then
    prometheus=yes
elif [ "${CI:-}" = true ]; then
    echo "$missing" >&2
    exit 69
else
    printf '%s\nTests with a real Prometheus are left out.\n' "$missing"
fi

step "static binary"
cargo static
binary=$CARGO_TARGET_DIR/release/savepointd
if [ "$size" = bench ]; then
    # Without them, the figures that need one are left out.
    if tests/stores.sh --check; then tests/stores.sh; fi
    if tests/counters.sh --check; then tests/counters.sh; fi
    export SPTEST_FIGURES=${SPTEST_FIGURES:-$(mktemp)}
    # The harness need not be optimised; what it measures is.
    SPTEST_BINARY=$binary cargo test --quiet --locked --bench bars -- --bench
    cargo run --quiet --locked --release --example reader-bars
    exit
fi
tests/static.sh "$binary"
step "image"
tests/image.sh "$binary"
tests/supply.sh "$binary"

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
step "Chromium"
tests/chromium.sh || { [ "${CI:-}" != true ] || exit 69; echo "The status page is not looked at in a browser."; }
step "Flink"
for version in "${versions[@]}"; do
    tests/flink/job.sh "$version"
done
if [ $node = yes ]; then
    step "Kubernetes node"
    wait "$programs" || { cat "$programs_log" >&2; exit 1; }
    # One for each checkout, so that two of them can be tested at the same time.
    SPTEST_NODE=$cache/node/run-$(printf %s "$PWD" | cksum | cut -d' ' -f1)
    export SPTEST_NODE
    images=$(tests/node/images.sh 1.20.5 2.3.0)
    # shellcheck disable=SC2086 # no blanks in them
    tests/node/node.sh up --parent $$ $images
fi
left_out=()
if [ $stores = yes ]; then
    step "object stores"
    wait "$installing" || { cat "$stores_log" >&2; exit 1; }
    tests/flink/s3.sh 1.20.0
else
    left_out+=('binary(stores)' 'binary(flink) & test(/^(s3|hdfs)::|^chaos::.*object_store/)')
fi
if [ $prometheus = yes ]; then
    tests/prometheus.sh
else
    left_out+=('binary(observe)')
fi
filter=()
for tests in ${left_out[@]+"${left_out[@]}"}; do
    filter=(-E "${filter[1]:-all()} - ($tests)")
done
step "counts"
if tests/counters.sh --check; then
    tests/counters.sh
elif [ "${CI:-}" = true ]; then
    exit 69
fi
# Beside the committed baseline; what is worse is marked, and fails nothing.
figures=$(mktemp)
SPTEST_FIGURES=$figures SPTEST_BINARY=$binary cargo test --quiet --locked --bench bars -- --bench counts baseline
rm -f "$figures"
if [ "$size" = full ]; then
    step "fuzzing"
    tests/fuzz.sh 120
    step "an older version"
    SPTEST_OLDER=$(tests/older.sh)
    export SPTEST_OLDER
fi
step "tests"
SPTEST_CYCLES=$cycles SPTEST_NODE_CYCLES=$node_cycles cargo nextest run --locked --profile $profile ${filter[@]+"${filter[@]}"} ${ignored[@]+"${ignored[@]}"}
