#!/usr/bin/env bash
#
# tests/counters.sh [--check]     gets valgrind and strace into ${SPTEST_CACHE:-~/.cache/savepointd}/counters; --check: says if it can't
#
# They come as Debian packages that are unpacked, not installed (20 MB). What is there already is left alone.
set -euo pipefail

counters=${SPTEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/savepointd}/counters
[ ! -x "$counters/usr/bin/valgrind" ] || exit 0
missing=()
for command in apt-get dpkg-deb flock; do
    command -v "$command" >/dev/null || missing+=("$command")
done
if [ ${#missing[@]} -gt 0 ]; then
    echo "valgrind and strace can't be unpacked: needed are ${missing[*]}" >&2
    exit 69
fi
[ "${1:-}" != --check ] || exit 0

mkdir -p "$counters"
exec 9>"$counters/lock"
flock 9
[ ! -x "$counters/usr/bin/valgrind" ] || exit 0
echo "valgrind and strace"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
compgen -G '/var/lib/apt/lists/*Packages*' >/dev/null || apt-get -q update >/dev/null
(cd "$work" && apt-get -q -o APT::Sandbox::User=root download valgrind strace libunwind8 >/dev/null)
for package in "$work"/*.deb; do
    dpkg-deb -x "$package" "$work/root"
done
mkdir -p "$counters/usr/bin"
cp -a "$work/root/usr/lib" "$work/root/usr/libexec" "$counters/usr/"
mv "$work/root/usr/bin/strace" "$counters/usr/bin/strace"
# Not the script of that name, which only sets variables for others' programs. It is what is looked for, and comes last.
mv "$work/root/usr/bin/valgrind.bin" "$counters/usr/bin/valgrind"
