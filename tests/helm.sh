#!/usr/bin/env bash
#
# tests/helm.sh     gets helm into ${SPTEST_CACHE:-~/.cache/savepointd}/tools/bin, which renders a chart as the README says
#
# Built from its Go module (some minutes with a cold Go cache on two cores). What is there already is left alone.
set -euo pipefail

# The newest of those that take any program as a post-renderer, when these tests were written.
helm=v3.19.2

tools=${SPTEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/savepointd}/tools
command -v go >/dev/null || {
    echo "helm can't be installed: needed is go" >&2
    exit 69
}
mkdir -p "$tools/bin"
exec 9>"$tools/helm.lock"
flock 9
[ "$(cat "$tools/bin/helm.version" 2>/dev/null)" != "$helm" ] || exit 0
echo "helm $helm (some minutes)"
rm -rf "$tools/helm-new"
# `nice`: what else runs on the machine has a deadline, this has not.
GOBIN=$tools/helm-new CGO_ENABLED=0 GOFLAGS=-buildvcs=false GOWORK=off nice go install -trimpath -ldflags '-s -w' \
    "helm.sh/helm/v3/cmd/helm@$helm"
mv "$tools/helm-new/helm" "$tools/bin/helm"
rmdir "$tools/helm-new"
echo "$helm" >"$tools/bin/helm.version"
