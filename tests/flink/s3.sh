#!/usr/bin/env bash
#
# s3.sh VERSION       gets Flink's own S3 file system from Maven Central, prints a directory for FLINK_PLUGINS_DIR
#
# Kept in ${SPTEST_CACHE:-~/.cache/savepointd}/flink-s3/VERSION. stdout: the path, nothing else; stderr: progress, silent when it is
# there already. Needs Maven.
# Any of the same minor version will do: not every patch is there.
set -euo pipefail

[ $# -eq 1 ] || { echo "usage: ${0##*/} VERSION      e.g. ${0##*/} 1.20.0" >&2; exit 64; }
version=$1
cache=${SPTEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/savepointd}
plugins=$cache/flink-s3/$version
if [ -d "$plugins" ]; then echo "$plugins"; exit 0; fi

command -v mvn >/dev/null || { echo "s3.sh: mvn is missing (it fetches Flink's S3 file system); install it, e.g. apt-get install maven" >&2; exit 69; }
mkdir -p "$cache/flink-s3"
tmp=$(mktemp -d "$cache/flink-s3/.tmp.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
echo "flink $version: its S3 file system (about 30 MB)" >&2
nice mvn --batch-mode --quiet dependency:copy "-Dartifact=org.apache.flink:flink-s3-fs-hadoop:$version" \
    "-DoutputDirectory=$tmp/plugins/s3-fs-hadoop" >&2
# Two runs may have fetched it at once: equal results, the first rename wins.
mv -T "$tmp/plugins" "$plugins" 2>/dev/null || [ -d "$plugins" ]
echo "$plugins"
