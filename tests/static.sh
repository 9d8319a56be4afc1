#!/usr/bin/env bash
#
# tests/static.sh BINARY     the binary needs nothing of the image it runs in, and is small
set -euo pipefail
binary=$1

if ldd "$binary" > /dev/null 2>&1; then
    echo "$binary needs shared libraries:" >&2
    ldd "$binary" >&2
    exit 1
fi
size=$(stat -c %s "$binary")
echo "$binary: static, $size bytes"
[ "$size" -le $((10 * 1024 * 1024)) ] || { echo "more than 10 MiB" >&2; exit 1; }

# An empty root: no libc, no /etc, no CA bundle. Needs the right to chroot, in a user namespace if need be.
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
cp "$binary" "$root/savepointd"
if [ "$(id -u)" = 0 ]; then enter=(chroot); else enter=(unshare --user --map-root-user chroot); fi
said=$("${enter[@]}" "$root" /savepointd --version)
echo "in an empty root: $said"
"${enter[@]}" "$root" /savepointd history --record file:///record
