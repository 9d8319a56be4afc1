#!/usr/bin/env bash
#
# tests/prometheus.sh [--check]     gets prometheus and promtool into ${SPTEST_CACHE:-~/.cache/savepointd}/prometheus; --check: says if it can't
#
# They come as a Debian package that is unpacked, not installed (20 MB). What is there already is left alone.
set -euo pipefail

prometheus=${SPTEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/savepointd}/prometheus
[ ! -x "$prometheus/usr/bin/promtool" ] || exit 0
missing=()
for command in apt-get dpkg-deb flock; do
    command -v "$command" >/dev/null || missing+=("$command")
done
if [ ${#missing[@]} -gt 0 ]; then
    echo "Prometheus can't be unpacked: needed are ${missing[*]}" >&2
    exit 69
fi
[ "${1:-}" != --check ] || exit 0

mkdir -p "$prometheus"
exec 9>"$prometheus/lock"
flock 9
[ ! -x "$prometheus/usr/bin/promtool" ] || exit 0
echo "Prometheus"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
compgen -G '/var/lib/apt/lists/*Packages*' >/dev/null || apt-get -q update >/dev/null
(cd "$work" && apt-get -q -o APT::Sandbox::User=root download prometheus >/dev/null)
dpkg-deb -x "$work"/prometheus_*.deb "$work/root"
mkdir -p "$prometheus/usr/bin"
# The one that is looked for comes last.
for program in prometheus promtool; do
    mv "$work/root/usr/bin/$program" "$prometheus/usr/bin/$program"
done
