#!/usr/bin/env bash
#
# tests/node/pki.sh DIR SERVER ADDRESS...     a CA, a certificate and a kubeconfig for each part of the cluster, in DIR
#
# SERVER is the API server's URL, each ADDRESS one that it serves on; the first is the node's.
set -euo pipefail
cd "$1"
server=$2
shift 2
addresses=("${@/#/IP:}")

key() { openssl ecparam -name prime256v1 -genkey -noout -out "$1.key"; }

authority() {
    key ca
    openssl req -x509 -new -key ca.key -subj /CN=node -days 3650 -out ca.crt \
        -addext keyUsage=critical,keyCertSign,cRLSign,digitalSignature
}

# The subject is the user (CN) and group (O) that Kubernetes sees.
certificate() { # NAME SUBJECT [ALTERNATIVE-NAMES]
    key "$1"
    openssl req -new -key "$1.key" -subj "$2" -out "$1.csr"
    {
        printf 'basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=clientAuth,serverAuth\n'
        [ -z "${3:-}" ] || printf 'subjectAltName=%s\n' "$3"
    } >"$1.ext"
    openssl x509 -req -in "$1.csr" -CA ca.crt -CAkey ca.key -CAcreateserial -days 3650 -extfile "$1.ext" -out "$1.crt" 2>/dev/null
    rm "$1.csr" "$1.ext"
}

kubeconfig() { # NAME SUBJECT
    certificate "$1" "$2" "${3:-}"
    cat >"$1.kubeconfig" <<YAML
apiVersion: v1
kind: Config
clusters: [{name: node, cluster: {server: "$server", certificate-authority-data: $(base64 -w0 ca.crt)}}]
users: [{name: $1, user: {client-certificate-data: $(base64 -w0 "$1.crt"), client-key-data: $(base64 -w0 "$1.key")}}]
contexts: [{name: node, context: {cluster: node, user: $1}}]
current-context: node
YAML
}

service=DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local
authority
certificate apiserver /CN=kube-apiserver "$service,DNS:localhost,$(IFS=,; echo "${addresses[*]}")"
certificate to-kubelet /O=system:masters/CN=kube-apiserver-kubelet-client
kubeconfig admin /O=system:masters/CN=admin
kubeconfig controller-manager /CN=system:kube-controller-manager
kubeconfig scheduler /CN=system:kube-scheduler
kubeconfig proxy /CN=system:kube-proxy
kubeconfig kubelet /O=system:nodes/CN=system:node:node "DNS:node,${addresses[0]}"
# Signs the tokens of ServiceAccounts.
openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out tokens.key 2>/dev/null
openssl pkey -in tokens.key -pubout -out tokens.pub
