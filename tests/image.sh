#!/usr/bin/env bash
#
# tests/image.sh BINARY     the product's image: the same bytes every time, small, nothing in it but the binary, and user 9999
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Another directory, mask, time zone, date of the binary: none of them may show.
BINARY=$1 docker/build.sh "$work/first.tar" localhost/savepointd:test
cp "$1" "$work/other"
(
    umask 077
    TZ=Asia/Kolkata BINARY=$work/other docker/build.sh "$work/second.tar" localhost/savepointd:test
)
cmp "$work/first.tar" "$work/second.tar" || { echo "two builds of the image differ" >&2; exit 1; }

size=$(stat -c %s "$work/first.tar")
[ "$size" -le 10000000 ] || { echo "the image has $size bytes: more than 10 MB" >&2; exit 1; }

read -r layer config < <(tar -xOf "$work/first.tar" manifest.json |
    python3 -c 'import json, sys; image, = json.load(sys.stdin); layer, = image["Layers"]; print(layer, image["Config"])')
tar -xOf "$work/first.tar" "$config" | python3 -c '
import json, sys
config = json.load(sys.stdin)["config"]
assert config["User"] == "9999:9999", config
assert config["Entrypoint"] == ["/bin/savepointd"], config'

mkdir "$work/root"
tar -xOf "$work/first.tar" "$layer" | tar -x -C "$work/root"
found=$(cd "$work/root" && find . -type f | sort | tr '\n' ' ')
want="./bin/savepointd ./etc/group ./etc/passwd ./etc/ssl/certs/ca-certificates.crt "
[ "$found" = "$want" ] || { echo "in the image is $found" >&2; exit 1; }

chmod 755 "$work"
if [ "$(id -u)" = 0 ]; then enter=(chroot --userspec=9999:9999); else enter=(unshare --user --map-root-user chroot); fi
echo "$size bytes, in them: $("${enter[@]}" "$work/root" /bin/savepointd --version)"
