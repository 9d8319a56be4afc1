#!/usr/bin/env bash
#
# tests/stores.sh [--check]     gets real object stores into ${SPTEST_CACHE:-~/.cache/savepointd}/stores; --check: says if it can't
#
# MinIO and fake-gcs-server are built from their Go modules (a quarter of an hour with a cold Go cache on two cores), Azurite comes
# from npm, Hadoop's own small cluster from Maven Central (90 MB). What is there already is left alone.
set -euo pipefail

# The newest of each when these tests were written.
minio=v0.0.0-20260212201848-7aac2a2c5b7c
gcs=v1.56.1
azurite=3.35.0
hadoop=3.4.1

stores=${SPTEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/savepointd}/stores
missing=()
for command in go npm node mvn java flock; do
    command -v "$command" >/dev/null || missing+=("$command")
done
if [ ${#missing[@]} -gt 0 ]; then
    echo "Real object stores can't be installed: needed are ${missing[*]}" >&2
    exit 69
fi

[ "${1:-}" != --check ] || exit 0

mkdir -p "$stores/bin"
exec 9>"$stores/lock"
flock 9

install() { # PROGRAM PACKAGE VERSION      complete or not at all
    [ "$(cat "$stores/bin/$1.version" 2>/dev/null)" != "$3" ] || return 0
    echo "$1 $3 (some minutes)"
    rm -rf "$stores/new"
    # `nice`: what else runs on the machine has a deadline, this has not.
    GOBIN=$stores/new CGO_ENABLED=0 GOFLAGS=-buildvcs=false GOWORK=off nice go install -trimpath -ldflags '-s -w' "$2@$3"
    mv "$stores/new/$1" "$stores/bin/$1"
    echo "$3" >"$stores/bin/$1.version"
}

if [ ! -e "$stores/azurite-$azurite/node_modules/azurite/package.json" ]; then
    echo "Azurite $azurite"
    rm -rf "$stores/azurite-$azurite" "$stores/azurite-new"
    mkdir -p "$stores/azurite-new"
    nice npm install --silent --no-audit --no-fund --prefix "$stores/azurite-new" "azurite@$azurite"
    mv "$stores/azurite-new" "$stores/azurite-$azurite"
fi
ln -sfn "$stores/azurite-$azurite/node_modules/azurite/dist/src/blob/main.js" "$stores/bin/azurite.js"
if [ ! -d "$stores/hadoop-$hadoop" ]; then
    echo "Hadoop $hadoop"
    rm -rf "$stores/hadoop-new"
    mkdir -p "$stores/hadoop-new"
    cat >"$stores/hadoop-new/pom.xml" <<POM
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion><groupId>savepointd</groupId><artifactId>tests</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>org.apache.hadoop</groupId><artifactId>hadoop-client-minicluster</artifactId><version>$hadoop</version></dependency>
    <!-- Java had it until 11; the NameNode's HTTP server still looks for it. -->
    <dependency><groupId>javax.xml.bind</groupId><artifactId>jaxb-api</artifactId><version>2.3.1</version></dependency>
  </dependencies>
</project>
POM
    nice mvn --batch-mode --quiet --file "$stores/hadoop-new/pom.xml" dependency:copy-dependencies \
        "-DoutputDirectory=$stores/hadoop-new"
    mv "$stores/hadoop-new" "$stores/hadoop-$hadoop"
fi
ln -sfn "$stores/hadoop-$hadoop" "$stores/bin/hadoop"
install minio github.com/minio/minio "$minio"
install fake-gcs-server github.com/fsouza/fake-gcs-server "$gcs"
