#!/usr/bin/env bash
#
# tests/node/node.sh COMMAND     a whole Kubernetes cluster of one node in its own process id, mount and network namespaces
#
#   check                            says what this machine lacks for it; 69 if anything
#   up [--parent PID] [IMAGE.tar…]   starts it, if it is not up; loads the images. With a parent it goes down when that process ends
#   load IMAGE.tar…                  loads more images (images.sh)
#   exec COMMAND…                    runs COMMAND inside: kubectl, ctr, curl to the address of a pod or a Service
#   pause|resume|kill|start|restart PART     etcd, containerd, apiserver, controller-manager, scheduler, proxy, kubelet, dns.
#                                    `pause` is SIGSTOP, `kill` SIGKILL; `start` and `restart` return when the part serves
#   down                             ends it and everything that runs in it
#
# Everything of a running node is in ${SPTEST_NODE:-~/.cache/savepointd/node/run}; two such directories are two nodes side by side.
#
#   data/              /srv of hostPath volumes
#   log/PART.log       what each part says
#   log/pods/NAMESPACE_POD_UID/CONTAINER/N.log     what each container says, kept when the pod is gone
#   log/audit.jsonl    every request to the API server: who, what, the answer's code
set -euo pipefail
me=$(realpath "$0")
started_in=$PWD
cd "$(dirname "$0")/../.."
# shellcheck source=tests/node/settings.sh
. tests/node/settings.sh
export SPTEST_NODE=$run

usage() {
    sed -n '3,19s/^# \{0,1\}//p' "$me" >&2
    exit 64
}

# Whoever keeps the node up holds this lock as long as he lives.
is_up() {
    [ -e "$run/lock" ] && ! flock --nonblock "$run/lock" true
}

inside() { # COMMAND...      in the directory where node.sh was called
    local init
    is_up || die "the node is not up" 69
    init=$(cat "$run/pid")
    exec nsenter --target "$init" --mount --net --pid -- env -C "$started_in" "PATH=$bin:$PATH" \
        "KUBECONFIG=$state/pki/admin.kubeconfig" "KUBECACHEDIR=$state/kubectl" \
        "CONTAINERD_ADDRESS=$state/containerd.sock" CONTAINERD_NAMESPACE=k8s.io "$@"
}

# What namespaces don't take with them.
sweep() {
    local controller directories
    shopt -s nullglob
    directories=(/sys/fs/cgroup/*/"$cgroup")
    local deadline=$((SECONDS + 20))
    while [ ${#directories[@]} -gt 0 ]; do
        for controller in "${directories[@]}"; do
            find "$controller" -depth -type d -exec rmdir {} + 2>/dev/null || true
        done
        directories=(/sys/fs/cgroup/*/"$cgroup")
        [ ${#directories[@]} -gt 0 ] || break
        [ "$SECONDS" -lt "$deadline" ] || die "cgroups can't be removed: ${directories[*]}"
        sleep 0.1
    done
    rm -rf "$run/podlogs" "$run/ready" "$run/pid" "$run/supervisor" "$run/loaded"
}

# Keeps the node up until it is told to end, until the node's first process ends, or until the parent does.
supervise() { # [PARENT]
    exec 9>"$run/lock"
    flock --nonblock 9 || exit 0
    sweep
    # However this process ends, all of the node ends with it.
    setpriv --pdeathsig KILL unshare --net --mount --pid --fork --kill-child=SIGKILL --mount-proc tests/node/inside.sh init 9>&- &
    local outer=$! init="" watched=($!)
    trap 'kill -9 $init $outer 2>/dev/null' TERM
    until init=$(ps --no-headers -o pid --ppid "$outer" | tr -d ' ') && [ -n "$init" ]; do
        kill -0 "$outer" 2>/dev/null || exit 1
        sleep 0.05
    done
    echo "$init" >"$run/pid"
    echo $$ >"$run/supervisor"
    if [ -n "${1:-}" ]; then
        tail --pid "$1" -f /dev/null 9>&- &
        watched+=($!)
    fi
    wait -n "${watched[@]}" || true
    # The first process takes all others with it; `unshare` ends when they are gone.
    kill -9 "$init" 2>/dev/null || true
    wait "$outer" || true
    [ -z "${1:-}" ] || kill "${watched[1]}" 2>/dev/null || true
    sweep
}

is_ready() { [ -e "$run/ready" ]; }
ended() { ! kill -0 "$1" 2>/dev/null; }

load() { # IMAGE.tar...
    local image seen
    for image in "$@"; do
        seen=$(stat -c '%n %s %Y' "$image")
        if ! grep -qsxF "$seen" "$run/loaded"; then
            (inside ctr image import "$image" >/dev/null)
            echo "$seen" >>"$run/loaded"
        fi
    done
}

containerd_serves() { (inside ctr version); }

up() { # [--parent PID] [IMAGE.tar...]
    local parent="" images=() supervisor=""
    if [ "${1:-}" = --parent ]; then
        parent=${2:?--parent wants a process id}
        shift 2
    fi
    [ $# -eq 0 ] || mapfile -t images < <(realpath -e "$@")
    tests/node/check.sh
    [ -e "$bin/kubelet" ] || die "tests/node/programs.sh has to be run first" 69
    mkdir -p "$state"
    exec 8>"$run/up"
    flock 8
    if ! is_up; then
        rm -rf "$run/ready" "$log" "$data" "$run/podlogs"
        mkdir -p "$run/podlogs" "$log/pods" "$data"
        # Containers of any user may write there.
        chmod 1777 "$data"
        setsid "$me" supervise "$parent" >"$log/node.log" 2>&1 </dev/null 8>&- &
        supervisor=$!
    fi
    until is_ready; do
        if [ -n "$supervisor" ] && ended "$supervisor"; then
            cat "$log/node.log" >&2
            die "it ended by itself; see $log"
        fi
        # Beside the rest of the start.
        if [ ${#images[@]} -gt 0 ] && containerd_serves >/dev/null 2>&1; then
            load "${images[@]}"
            images=()
        fi
        sleep 0.2
    done
    load "${images[@]}"
}

down() {
    mkdir -p "$run"
    exec 9>"$run/lock"
    if is_up; then
        kill "$(cat "$run/supervisor")"
    fi
    flock --wait 60 9 || die "it does not end; see $log/node.log"
    sweep
}

case ${1:-} in
    check) exec tests/node/check.sh ;;
    up)
        shift
        up "$@"
        ;;
    load)
        shift
        cd "$started_in"
        mapfile -t images < <(realpath -e "$@")
        load "${images[@]}"
        ;;
    exec)
        shift
        [ $# -gt 0 ] || usage
        inside "$@"
        ;;
    pause | resume | kill | start | restart)
        [ $# -eq 2 ] || usage
        inside "$PWD/tests/node/inside.sh" "$@"
        ;;
    down) down ;;
    supervise) supervise "${2:-}" ;;
    *) usage ;;
esac
