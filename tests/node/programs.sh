#!/usr/bin/env bash
#
# tests/node/programs.sh     gets every program of a Kubernetes node into ${SPTEST_CACHE:-~/.cache/savepointd}/node/bin
#
# containerd, runc, the CNI plugins and nft come as Debian packages that are unpacked, not installed; etcd and Kubernetes are built
# from their Go modules (25 minutes with a cold Go cache on two cores). What is there already is left alone.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=tests/node/settings.sh
. tests/node/settings.sh

# 1.35 and newer refuse cgroup v1 unless told otherwise.
kubernetes=1.34.4
# Flink's watches need the progress requests of etcd 3.5.13 or newer; Debian's is older.
etcd=3.6.16

mkdir -p "$bin"
exec 9>"$node/programs.lock"
flock 9

if [ ! -e "$bin/containerd" ]; then
    say "containerd, runc, CNI plugins, nft"
    unpack runc containernetworking-plugins nftables libnftables1 libnftnl11 libmnl0 libjansson4 libxtables12 libedit2 libgmp10 containerd
    ln -sfn "$node/root/usr/sbin/runc" "$bin/runc"
    ln -sfn "$node/root/usr/lib/cni" "$bin/cni"
    # Its libraries stay beside it: nothing is installed on the machine.
    printf '#!/bin/sh\nLD_LIBRARY_PATH="%s" exec "%s" "$@"\n' "$node/root/usr/lib/x86_64-linux-gnu" "$node/root/usr/sbin/nft" >"$bin/nft"
    chmod +x "$bin/nft"
    for program in ctr containerd-shim-runc-v2 containerd; do
        ln -sfn "$node/root/usr/bin/$program" "$bin/$program"
    done
fi

export CGO_ENABLED=0 GOFLAGS=-buildvcs=false GOWORK=off
build() { # PACKAGE...      into $bin, each complete or not at all
    rm -rf "$node/new"
    mkdir -p "$node/new"
    # `nice`: what else runs on the machine has a deadline, this has not.
    nice go build -trimpath -ldflags "$linker" -o "$node/new/" "$@"
    mv "$node/new"/* "$bin/"
}

if [ ! -e "$bin/etcd" ]; then
    say "etcd $etcd (a minute or two)"
    mkdir -p "$node/etcd"
    cd "$node/etcd"
    printf 'module etcd\n\ngo 1.24\n\nrequire go.etcd.io/etcd/server/v3 v%s\n' "$etcd" >go.mod
    printf 'package main\n\nimport (\n\t"os"\n\n\t"go.etcd.io/etcd/server/v3/etcdmain"\n)\n\nfunc main() { etcdmain.Main(os.Args) }\n' >main.go
    GOFLAGS="$GOFLAGS -mod=mod" go mod tidy 2>/dev/null
    linker="-s -w" build .
    cd - >/dev/null
fi

commands=()
for command in kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy; do
    [ -e "$bin/$command" ] || commands+=("k8s.io/kubernetes/cmd/$command")
done
if [ ! -e "$bin/kubectl" ] && ! command -v kubectl >/dev/null; then
    commands+=(k8s.io/kubernetes/cmd/kubectl)
fi
if [ ${#commands[@]} -gt 0 ]; then
    say "Kubernetes $kubernetes: ${commands[*]##*/} (25 minutes with a cold Go cache)"
    mkdir -p "$node/kubernetes"
    cd "$node/kubernetes"
    if [ ! -e go.sum ]; then
        # k8s.io/kubernetes can't be a plain dependency: its go.mod points its own libraries at ./staging. Each of those lines is
        # repeated here with the version that is published.
        theirs=$(go mod download -json "k8s.io/kubernetes@v$kubernetes" | sed -n 's/.*"GoMod": "\(.*\)",*$/\1/p')
        {
            echo "module node"
            grep -E '^(go|godebug) ' "$theirs"
            echo "require k8s.io/kubernetes v$kubernetes"
            echo "replace ("
            sed -nE "s#^\s+(k8s.io/\S+) => \./staging.*#\t\1 => \1 v0.${kubernetes#1.}#p" "$theirs"
            echo ")"
        } >go.mod
        {
            printf '//go:build tools\n\npackage tools\n\nimport (\n'
            for command in kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy kubectl; do
                printf '\t_ "k8s.io/kubernetes/cmd/%s"\n' "$command"
            done
            echo ")"
        } >tools.go
        GOFLAGS="$GOFLAGS -mod=mod" go mod tidy 2>/dev/null
    fi
    linker="-s -w"
    for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
        linker+=" -X $package.gitVersion=v$kubernetes -X $package.gitMajor=1 -X $package.gitMinor=$(cut -d. -f2 <<<"$kubernetes") -X $package.gitTreeState=clean"
    done
    build "${commands[@]}"
fi
