#!/usr/bin/env bash
#
# tests/node/check.sh     says what this machine lacks for a Kubernetes node; 69 if anything
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=tests/node/settings.sh
. tests/node/settings.sh

[ "$(id -u)" = 0 ] || missing+=("root: a kubelet and a container runtime run as root")
[ "$(uname -s)-$(uname -m)" = Linux-x86_64 ] || missing+=("Linux on x86-64: the packages that are unpacked are for that")
[ -e /sys/fs/cgroup/memory/cgroup.procs ] || missing+=("cgroup v1 at /sys/fs/cgroup: version 2 was never tried here")
need go "Go 1.24 or newer, which builds Kubernetes"
need apt-get "Debian or Ubuntu: container programs are taken from their packages"
need dpkg-deb "Debian or Ubuntu: container programs are taken from their packages"
need mvn "Maven, which fetches the definitions of other projects' resources (Debian: maven)"
need perl "mmdebstrap, which makes the user land of the images, is written in it"
for tool in ip:iproute2 nsenter:util-linux unshare:util-linux setpriv:util-linux flock:util-linux ps:procps curl:curl openssl:openssl; do
    need "${tool%:*}" "Debian: ${tool#*:}"
done
if [ "$(awk '/^MemTotal/ {print int($2 / 1024 / 1024)}' /proc/meminfo)" -lt 6 ]; then
    missing+=("7 GiB of memory: images and all state are kept there")
fi
if [ ${#missing[@]} -eq 0 ]; then
    unshare --net --mount --pid --fork ip link add probe type veth peer name other 2>/dev/null ||
        missing+=("namespaces and veth: unshare --net --mount --pid ip link add … is refused here")
    grep -qw overlay /proc/filesystems || modprobe overlay 2>/dev/null || missing+=("overlayfs in the kernel")
    if [ -e "$bin/nft" ]; then
        unshare --net "$bin/nft" list tables 2>/dev/null || missing+=("nf_tables in the kernel: kube-proxy makes Services of it")
    fi
fi
if [ ${#missing[@]} -gt 0 ]; then
    echo "A Kubernetes node for the tests can't run here. These are needed:" >&2
    printf '  %s\n' "${missing[@]}" >&2
    exit 69
fi
