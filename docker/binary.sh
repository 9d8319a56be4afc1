#!/usr/bin/env bash
#
# docker/binary.sh     builds the static binary, prints its path
set -euo pipefail
cd "$(dirname "$0")/.."
cargo static >&2
cargo metadata --format-version 1 --no-deps --locked |
    python3 -c 'import json, sys; print(json.load(sys.stdin)["target_directory"] + "/release/savepointd")'
