# shellcheck shell=bash disable=SC2034 # others use what is set here
# What the scripts of the node agree on; sourced by them, from the root of the checkout.

# shellcheck source=tests/tools.sh
. tests/tools.sh

case $cache in /*) ;; *) cache=$PWD/$cache ;; esac
node=$cache/node
# The programs: programs.sh.
bin=$node/bin
# A running node's directory. Two nodes with two directories run side by side.
run=${SPTEST_NODE:-$node/run}
case $run in /*) ;; *) run=$PWD/$run ;; esac
# A tmpfs that only the node's own processes see; gone with them.
state=$run/state
# Of every part, and the API server's audit trail.
log=$run/log
# /srv of hostPath volumes.
data=$run/data
cgroup=savepointd-$(printf %s "$run" | cksum | cut -d' ' -f1)

# Inside its network namespace the node has all of them for itself.
address=10.200.0.1
pods=10.244.0.0/16
services=10.96.0.0/16
service_api=10.96.0.1
service_dns=10.96.0.10

say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }

die() { # MESSAGE [CODE]
    say "$1"
    exit "${2:-1}"
}

# within SECONDS WHAT COMMAND...     tries COMMAND again and again until it is true
within() {
    local deadline=$((SECONDS + $1)) what=$2
    shift 2
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$deadline" ] || die "$what: not in time; see $log"
        sleep 0.1
    done
}

# unpack PACKAGE...     Debian packages into $node/root: nothing is installed on the machine
unpack() {
    local package
    mkdir -p "$node"/{packages,root}
    compgen -G '/var/lib/apt/lists/*Packages*' >/dev/null || apt-get -q update >/dev/null
    for package in "$@"; do
        compgen -G "$node/packages/${package}_*.deb" >/dev/null ||
            (cd "$node/packages" && apt-get -q -o APT::Sandbox::User=root download "$package" >/dev/null)
        dpkg-deb -x "$node/packages/${package}"_*.deb "$node/root"
    done
}
