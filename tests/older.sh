#!/usr/bin/env bash
#
# tests/older.sh [COMMIT]     builds an older savepointd into the cache and says where it is: SPTEST_OLDER=$(tests/older.sh)
#
# Once there are releases, COMMIT is the oldest that may still run anywhere; until then the newest one of the day before the last commit.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=tests/tools.sh
. tests/tools.sh

if [ $# -gt 0 ]; then
    commit=$(git rev-parse --verify "$1^{commit}")
else
    commit=$(git rev-list -1 --before="$(git log -1 --format=%cs) 00:00 +0000" HEAD)
fi
if [ -z "$commit" ]; then
    echo "This checkout has no older commit: fetch its history, or name one." >&2
    exit 69
fi
at=$cache/older/$commit
if [ ! -x "$at/savepointd" ]; then
    mkdir -p "$at"
    tree=$(mktemp -d)
    trap 'rm -rf "$tree"' EXIT
    git archive "$commit" | tar -x -C "$tree"
    (cd "$tree" && CARGO_TARGET_DIR=$cache/older/target cargo build --quiet --locked --bin savepointd)
    cp "$cache/older/target/debug/savepointd" "$at/savepointd"
fi
echo "$at/savepointd"
