#!/usr/bin/env bash
#
# tests/node/images.sh [VERSION...]     builds the images that the tests run on the node, prints the path of each; Flink 1.20.5 by default
#
#   localhost/pause:1            what holds a pod's namespaces
#   localhost/savepointd:test    the product, built from this checkout
#   localhost/flink:VERSION      Debian, Java 17, that Flink, the self-checking job; entrypoint.sh has the contract of the official image
#
#   tests/node/node.sh up $(tests/node/images.sh 1.20.5)
#
# Kept in ${SPTEST_CACHE:-~/.cache/savepointd}/node/images under names with a hash of what they are made of.
# stdout: the paths, nothing else; stderr: progress, silent when everything is there already.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=tests/node/settings.sh
. tests/node/settings.sh

images=$node/images
mkdir -p "$images"
exec 9>"$images/lock"
flock 9
# What no checkout has asked for lately.
find "$images" -name '*.tar' -mtime +14 -delete

# made NAME INPUT...      prints the path of the image and is true if it is there already
made() {
    local name=$1 hash
    shift
    hash=$(cat -- "$@" docker/oci.py | sha256sum)
    image=$images/$name-${hash:0:16}.tar
    echo "$image"
    if [ -e "$image" ]; then touch "$image"; else return 1; fi
}

pause() {
    made pause tests/node/image/pause.go && return
    say "the pause image"
    CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o "$images/pause" tests/node/image/pause.go
    docker/oci.py "$image" localhost/pause:1 --file "$images/pause=/pause" -- /pause
}

product() {
    local binary
    binary=$(docker/binary.sh)
    made savepointd "$binary" docker/build.sh && return
    say "the product's image"
    BINARY=$binary docker/build.sh "$image" localhost/savepointd:test >&2
}

# Debian with a Java runtime, as a layer: the path of its tar.
system() {
    local release layer tools=$node/root/usr/bin
    release=$(. /etc/os-release && echo "$VERSION_CODENAME")
    layer=$images/layer-$release-java17-1.tar
    echo "$layer"
    if [ -e "$layer" ]; then
        touch "$layer"
        return
    fi
    say "Debian $release with Java 17 (two minutes)"
    unpack mmdebstrap
    # The package of the Java runtime wants to put a link where manual pages are.
    # shellcheck disable=SC2016 # mmdebstrap's shell expands $1
    PATH=$tools:$PATH SOURCE_DATE_EPOCH=0 nice mmdebstrap --quiet --mode=root --variant=minbase \
        --include=openjdk-17-jre-headless,curl,procps,gettext-base \
        --essential-hook='mkdir -p "$1/usr/share/man/man1"' \
        --customize-hook='echo "flink:x:9999:" >>"$1/etc/group"' \
        --customize-hook='echo "flink:x:9999:9999::/opt/flink:/usr/sbin/nologin" >>"$1/etc/passwd"' \
        --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*' \
        "$release" "$layer.new.tar" >&2
    mv "$layer.new.tar" "$layer"
}

flink() { # VERSION
    local version=$1 jar home layer
    jar=$(tests/flink/job.sh "$version")
    home=$(tests/flink/dist.sh "$version")
    layer=$(system)
    made "flink-$version" "$jar" tests/node/image/entrypoint.sh tests/node/images.sh <(basename "$layer") && return
    say "Flink $version"
    local work=$images/work
    rm -rf "$work"
    mkdir -p "$work"/{conf,opt}
    cp "$home"/conf/* "$work/conf/"
    # As in the official images: reachable from other pods.
    sed -E -i -e 's/^(  |jobmanager\.|taskmanager\.)bind-host: localhost/\1bind-host: 0.0.0.0/' \
        -e 's/^(  |rest\.)(bind-)?address: localhost/\1\2address: 0.0.0.0/' \
        -e '/^(  |taskmanager\.)host: localhost/d' "$work"/conf/*.yaml
    if [ -e "$work/conf/flink-conf.yaml" ] && ! grep -q '^env.java.opts' "$work/conf/flink-conf.yaml"; then
        # Older than its official images' Java 11 was: what newer distributions say about Java 17 themselves.
        local opens="--add-exports=java.base/sun.net.util=ALL-UNNAMED --add-opens=java.base/sun.nio.ch=ALL-UNNAMED" package
        for package in lang net io nio lang.reflect text time util util.concurrent util.concurrent.atomic util.concurrent.locks; do
            opens+=" --add-opens=java.base/java.$package=ALL-UNNAMED"
        done
        printf 'env.java.opts: %s\n' "$opens" >>"$work/conf/flink-conf.yaml"
    fi
    mkdir -p "$work/usrlib"
    cp "$jar" "$work/usrlib/seqjob.jar"
    local as=(--sort=name --owner=9999 --group=9999 --numeric-owner --mtime=@0)
    tar "${as[@]}" -C "$home" --exclude='./conf/*' --exclude='./log/*' --transform 's,^\.,opt/flink,' -cf "$work/flink.tar" .
    tar "${as[@]}" -C "$work" --transform 's,^,opt/flink/,' -rf "$work/flink.tar" conf usrlib
    tar "${as[@]}" -C "$work" --transform 's,^conf,opt/flink/conf.image,' -rf "$work/flink.tar" conf
    local user=()
    # Up to 1.20 the official images start as root and their entrypoint becomes flink.
    case $version in 1.*) ;; *) user=(--user flink) ;; esac
    # JVMs that live for seconds: what pays for hours costs two fifths of their start.
    docker/oci.py "$image" "localhost/flink:$version" --layer "$layer" --layer "$work/flink.tar" \
        --file tests/node/image/entrypoint.sh=/docker-entrypoint.sh --workdir /opt/flink "${user[@]}" \
        --env PATH=/opt/flink/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
        --env FLINK_HOME=/opt/flink --env JAVA_HOME=/usr/lib/jvm/java-17-openjdk-amd64 --env LANG=C.UTF-8 --default help \
        --env "JDK_JAVA_OPTIONS=-XX:TieredStopAtLevel=1 -XX:+UseSerialGC" \
        -- /docker-entrypoint.sh
    rm -rf "$work"
}

pause
product
[ $# -gt 0 ] || set -- 1.20.5
for version in "$@"; do
    flink "$version"
done
