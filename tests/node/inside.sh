#!/usr/bin/env bash
#
# tests/node/inside.sh     what node.sh does inside the node's namespaces: the first process, and acting on single parts
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=tests/node/settings.sh
. tests/node/settings.sh
# shellcheck source=tests/node/parts.sh
. tests/node/parts.sh

# Private; what the parts write in their usual places is gone with the node too.
mounts() {
    local name file
    mount --make-rprivate /
    mount -t tmpfs -o size=75% node "$state"
    mkdir -p "$state"/{pki,etc,pids,cni,addresses,sysctl,kubelet/plugins,containerd}
    mount -t tmpfs node /run
    for name in var/lib var/log; do
        mkdir -p "$state/over/$name"/{upper,work}
        mount -t overlay node -o "lowerdir=/$name,upperdir=$state/over/$name/upper,workdir=$state/over/$name/work" "/$name"
    done
    mount --bind "$data" /srv
    # The kubelet would set these for the whole machine; it leaves alone what reads right already.
    for name in vm/overcommit_memory=1 vm/panic_on_oom=0 kernel/panic=10 kernel/panic_on_oops=1 \
        kernel/keys/root_maxkeys=1000000 kernel/keys/root_maxbytes=25000000; do
        file=$state/sysctl/$(basename "${name%=*}")
        echo "${name#*=}" >"$file"
        mount --bind "$file" "/proc/sys/${name%=*}"
    done
}

# No way out. The node's and the Services' addresses are on lo, pods are behind pairs of veth, Services are made by kube-proxy.
network() {
    ip link set lo up
    ip address add $address/32 dev lo
    ip address add $service_dns/32 dev lo
    ip route add $services dev lo src $address
    echo 1 >/proc/sys/net/ipv4/ip_forward
}

cgroups() {
    local file
    for file in /sys/fs/cgroup/*/cgroup.procs; do
        case $file in */unified/*) ;; *) mkdir -p "${file%/*}/$cgroup" ;; esac
    done
    # Else all pods together get as much of a busy machine as one process.
    echo 8192 >"/sys/fs/cgroup/cpu/$cgroup/cpu.shares"
    # Nothing can run in a new cpuset before it has processors.
    for file in cpuset.cpus cpuset.mems; do
        cat "/sys/fs/cgroup/cpuset/$file" >"/sys/fs/cgroup/cpuset/$cgroup/$file"
    done
}

configuration() {
    local file
    for file in tests/node/etc/*; do
        sed -e "s|@STATE@|$state|g; s|@BIN@|$bin|g; s|@PODS@|$pods|g; s|@ADDRESS@|$address|g; s|@CGROUP@|$cgroup|g" \
            -e "s|@RUN@|$run|g; s|@SERVICE_DNS@|$service_dns|g" "$file" >"$state/etc/${file##*/}"
    done
    mv "$state/etc/cni.conflist" "$state/cni/"
    tests/node/pki.sh "$state/pki" "https://$address" $address 127.0.0.1 $service_api
}

# The kubelet removes a pod's logs with the pod: a second link to each stays in $log/pods, to be read from outside too.
keep_logs() {
    local file kept
    while sleep 0.3; do
        for file in "$run"/podlogs/*/*/*.log; do
            kept=$log/pods/${file#"$run"/podlogs/}
            [ -e "$kept" ] || [ ! -e "$file" ] || { mkdir -p "${kept%/*}" && ln "$file" "$kept"; } 2>/dev/null || true
        done
    done
}

node_ready() {
    kubectl get node node --output 'jsonpath={.status.conditions[?(@.type=="Ready")].status}' | grep True
}
pods_possible() {
    kubectl get serviceaccount default && kubectl get configmap kube-root-ca.crt
}

init() {
    mounts
    network
    cgroups
    configuration
    say "$SECONDS s: configuration"
    local part
    for part in etcd containerd apiserver; do launch "$part"; done
    within 60 "containerd serves" serves containerd
    within 120 "the API server serves" serves apiserver
    say "$SECONDS s: API server"
    for part in "${parts[@]}"; do launch "$part"; done
    export KUBECONFIG=$state/pki/admin.kubeconfig KUBECACHEDIR=$state/kubectl
    within 120 "the node is Ready" node_ready
    say "$SECONDS s: node Ready"
    within 120 "pods can be made" pods_possible
    say "$SECONDS s: pods can be made"
    touch "$run/ready"
    # bash stays the first process: it reaps.
    keep_logs
}

case $1 in
    init) init ;;
    start | pause | resume | kill | restart)
        known "$2"
        case $1 in
            start) start "$2" ;;
            pause) send STOP "$2" ;;
            resume) send CONT "$2" ;;
            kill) end "$2" ;;
            restart)
                stop "$2"
                start "$2"
                ;;
        esac
        ;;
esac
