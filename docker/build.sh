#!/usr/bin/env bash
#
# docker/build.sh [OUT.tar [NAME:TAG]]     the product's image, without an engine
#
#   docker/build.sh                                        savepointd.tar, named savepointd:VERSION
#   skopeo copy oci-archive:savepointd.tar docker://…      (or `docker load`, `ctr image import`)
#
# From scratch: the static binary, CA certificates, and the user 9999 that Flink's images have too. The same binary gives the same
# bytes. BINARY names one that is built already.
set -euo pipefail
out=$(realpath -m "${1:-savepointd.tar}")
cd "$(dirname "$0")/.."
version=$(sed -n 's/^version = "\(.*\)"/\1/p;T;q' Cargo.toml)
name=${2:-docker.io/library/savepointd:$version}
# What --version says beside the version; a release has it from its tag.
commit=$(git describe --always --dirty --exclude '*' 2> /dev/null || true)
binary=${BINARY:-$(SAVEPOINTD_COMMIT=${SAVEPOINTD_COMMIT-$commit} docker/binary.sh)}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# Mozilla's list as the Python package index has it: the same for everybody, unlike the one of the machine that builds.
python3 -m pip download --quiet --disable-pip-version-check --no-deps --require-hashes --dest "$work" -r docker/certificates.txt
python3 -m zipfile -e "$work"/certifi-*.whl "$work"

docker/oci.py "$out" "$name" \
    --directory tmp:1777:0 --directory run/savepointd:0700:9999 --directory savepointd:0755:9999 \
    --file "$binary=/bin/savepointd" \
    --file docker/passwd=/etc/passwd:644 --file docker/group=/etc/group:644 \
    --file "$work/certifi/cacert.pem=/etc/ssl/certs/ca-certificates.crt:644" \
    --user 9999:9999 --label org.opencontainers.image.title=savepointd --label "org.opencontainers.image.version=$version" \
    --label org.opencontainers.image.licenses=Apache-2.0 -- /bin/savepointd
