# shellcheck shell=bash disable=SC2154 # settings.sh sets them
# The node's parts: how each is started, and how to see that it serves. Sourced inside the node, behind settings.sh.
#
# A part's process id, as the node counts, is in $state/pids/PART; its output in $log/PART.log.

PATH=$bin:$PATH
parts=(etcd containerd apiserver controller-manager scheduler proxy kubelet dns)

known() { # PART
    local part
    for part in "${parts[@]}"; do [ "$part" != "$1" ] || return 0; done
    die "no part of the node: $1 (${parts[*]})" 64
}

command_of() { # PART      sets `command`
    local pki=$state/pki
    local manager=("--authentication-kubeconfig=$pki/$1.kubeconfig" "--authorization-kubeconfig=$pki/$1.kubeconfig"
        "--kubeconfig=$pki/$1.kubeconfig" --bind-address=127.0.0.1 --leader-elect=false)
    case $1 in
        etcd)
            command=(etcd --name node --data-dir "$state/etcd.data" --unsafe-no-fsync
                --listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://127.0.0.1:2379
                --listen-peer-urls http://127.0.0.1:2380 --initial-advertise-peer-urls http://127.0.0.1:2380
                --initial-cluster node=http://127.0.0.1:2380)
            ;;
        containerd) command=(containerd --config "$state/etc/containerd.toml") ;;
        apiserver)
            # InternalIP: `kubectl logs` and `exec` would want DNS without that.
            command=(kube-apiserver --etcd-servers=http://127.0.0.1:2379 --bind-address=0.0.0.0 --secure-port=443
                "--advertise-address=$address" "--service-cluster-ip-range=$services" --kubelet-preferred-address-types=InternalIP
                "--client-ca-file=$pki/ca.crt" "--tls-cert-file=$pki/apiserver.crt" "--tls-private-key-file=$pki/apiserver.key"
                "--kubelet-client-certificate=$pki/to-kubelet.crt" "--kubelet-client-key=$pki/to-kubelet.key"
                --service-account-issuer=https://kubernetes.default.svc "--service-account-key-file=$pki/tokens.pub"
                "--service-account-signing-key-file=$pki/tokens.key" "--authorization-mode=Node,RBAC"
                --enable-admission-plugins=NodeRestriction --allow-privileged=true
                "--audit-policy-file=$state/etc/audit.yaml" "--audit-log-path=$log/audit.jsonl")
            ;;
        controller-manager)
            command=(kube-controller-manager "${manager[@]}" --use-service-account-credentials=true
                "--service-account-private-key-file=$pki/tokens.key" "--root-ca-file=$pki/ca.crt")
            ;;
        scheduler) command=(kube-scheduler "${manager[@]}") ;;
        proxy) command=(kube-proxy "--config=$state/etc/proxy.yaml") ;;
        kubelet)
            command=(kubelet "--config=$state/etc/kubelet.yaml" "--root-dir=$state/kubelet" "--cert-dir=$state/kubelet/pki"
                --hostname-override=node "--node-ip=$address" "--kubeconfig=$pki/kubelet.kubeconfig" --v=2)
            ;;
        dns) command=(env "KUBECONFIG=$pki/admin.kubeconfig" tests/node/dns.py $service_dns) ;;
    esac
}

pid_of() { cat "$state/pids/$1" 2>/dev/null; }

alive() { # PART
    local pid
    pid=$(pid_of "$1") && grep -qs '^State:[[:space:]]*[^XZ]' "/proc/$pid/status"
}
gone() { ! alive "$1"; }

launch() { # PART
    local command
    alive "$1" && return
    command_of "$1"
    # A session of its own: whoever starts a part again may end before it, with a signal to all of his processes.
    setsid "${command[@]}" >>"$log/$1.log" 2>&1 </dev/null &
    echo $! >"$state/pids/$1"
}

serves() { # PART
    case $1 in
        containerd) ctr --address "$state/containerd.sock" version ;;
        apiserver) curl --silent --insecure --fail "https://$address/readyz" ;;
        kubelet) curl --silent --fail http://127.0.0.1:10248/healthz ;;
        *) alive "$1" ;;
    esac
}

start() { # PART
    launch "$1"
    within 60 "$1 serves" serves "$1"
}

send() { # SIGNAL PART
    local pid
    pid=$(pid_of "$2") || die "$2 was never started"
    kill -s "$1" "$pid" || die "$2 does not run"
}

stop() { # PART      SIGKILL for one that takes its time: an API server waits a minute for those who watch
    local deadline=$((SECONDS + 5))
    alive "$1" || return 0
    send TERM "$1"
    while alive "$1" && [ "$SECONDS" -lt "$deadline" ]; do sleep 0.1; done
    end "$1"
}

end() { # PART
    # It may have ended by itself just now.
    ! alive "$1" || kill -9 "$(pid_of "$1")" 2>/dev/null || true
    within 30 "the end of $1" gone "$1"
}
