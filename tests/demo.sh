#!/usr/bin/env bash
#
# tests/demo.sh [VERSION]     stops and starts a real Flink job under savepointd; VERSION is 1.20.5 by default
#
# Fetches Flink (about 250 MB) on the first run, into ${SPTEST_CACHE:-~/.cache/savepointd}. Everything listens on
# 127.0.0.1, in a temporary directory that is gone afterwards.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=tests/tools.sh
. tests/tools.sh
check_tools

version=${1:-1.20.5}
echo "building savepointd"
target=${CARGO_TARGET_DIR:-target}
cargo build --quiet --locked --bin savepointd --example demo
tests/flink/job.sh "$version" > /dev/null
SPTEST_BINARY=$(realpath "$target/debug/savepointd") "$target/debug/examples/demo" "$version"
