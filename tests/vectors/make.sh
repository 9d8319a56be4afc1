#!/usr/bin/env bash
#
# tests/vectors/make.sh [VECTOR…]      makes the vectors again from real Flink, all of them by default
#
#   tests/vectors/make.sh 2.3.0-checkpoint-rocksdb 1.15.4-canonical-rocksdb
#
# Each vector is one run of Vectors.java on one Flink, which is fetched as for the tests. Vectors.java says what the words
# in a name mean; it compares what Flink's own reader finds with the files that lie in storage before it writes anything.
# Ids, file names and sizes differ from one making to the next.
set -euo pipefail
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)

all=(
    1.15.4-canonical-rocksdb
    1.15.4-native-hashmap
    1.15.4-checkpoint-rocksdb
    1.15.4-checkpoint-changelog-hashmap
    1.15.4-checkpoint-finished-inlined-hashmap
    1.15.4-checkpoint-unaligned-hashmap
    1.17.2-native-rocksdb
    1.17.2-checkpoint-changelog-rocksdb
    1.17.2-checkpoint-unaligned-hashmap
    1.20.5-canonical-hashmap
    1.20.5-native-rocksdb
    1.20.5-checkpoint-inlined-rocksdb
    1.20.5-checkpoint-changelog-memory-hashmap
    1.20.5-checkpoint-merged-rocksdb
    1.20.5-checkpoint-finished-hashmap
    2.0.1-canonical-hashmap
    2.0.1-checkpoint-unaligned-rocksdb
    2.3.0-canonical-rocksdb
    2.3.0-native-hashmap
    2.3.0-native-rocksdb
    2.3.0-checkpoint-rocksdb
    2.3.0-checkpoint-changelog-rocksdb
    2.3.0-checkpoint-finished-hashmap
    2.3.0-checkpoint-merged-unaligned-hashmap
    2.3.0-checkpoint-across-merged-rocksdb
    2.3.0-checkpoint-unaligned-hashmap
)
[ $# -gt 0 ] || set -- "${all[@]}"

# The files' absolute paths get into the vectors.
root=/tmp/flink-vectors
mkdir "$root" || {
    echo "make.sh: another run uses $root, or left it behind: remove it" >&2
    exit 75
}
trap 'rm -rf "$root"' EXIT
opens=(--add-exports=java.base/sun.net.util=ALL-UNNAMED --add-opens=java.base/sun.nio.ch=ALL-UNNAMED)
for package in lang net io nio lang.reflect text time util util.concurrent util.concurrent.atomic util.concurrent.locks math; do
    opens+=("--add-opens=java.base/java.$package=ALL-UNNAMED")
done

for vector; do
    version=${vector%%-*}
    home=$("$here/../flink/dist.sh" "$version")
    classes=$root/classes-$version
    if [ ! -d "$classes" ]; then
        javac --release 11 -Xlint:-options -nowarn -cp "$home/lib/*" -d "$classes" "$here/Vectors.java"
    fi
    work=$root/$vector
    mkdir -p "$work/tmp"
    if ! timeout 180 java -Xmx512m -Djava.io.tmpdir="$work/tmp" "${opens[@]}" -cp "$classes:$home/lib/*" \
        Vectors "$work" "$here/$vector" "${vector#*-}" > "$work/log" 2>&1; then
        cat "$work/log" >&2
        echo "make.sh: $vector failed" >&2
        exit 1
    fi
    echo "$vector: $(stat -c %s "$here/$vector/_metadata") bytes"
    rm -rf "$work"
done
