#!/usr/bin/env bash
#
# tests/node/definitions.sh     fetches the custom resource definitions of those that manifests in k8s/ are for; prints the path of each
#
# Kept in ${SPTEST_CACHE:-~/.cache/savepointd}/node/definitions.
# stdout: the paths, nothing else; stderr: progress, silent when everything is there already.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=tests/node/settings.sh
. tests/node/settings.sh

prometheus_operator=v0.85.0
flink_operator=1.10.0

definitions=$node/definitions
mkdir -p "$definitions"
exec 9>"$definitions/lock"
flock 9
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

pod_monitor=$definitions/pod-monitor-$prometheus_operator.yaml
prometheus_rule=$definitions/prometheus-rule-$prometheus_operator.yaml
if [ ! -e "$pod_monitor" ] || [ ! -e "$prometheus_rule" ]; then
    say "the Prometheus Operator's definitions"
    module=$(cd "$work" && go mod download -json "github.com/prometheus-operator/prometheus-operator@$prometheus_operator" |
        python3 -c 'import json, sys; print(json.load(sys.stdin)["Dir"])')
    cp "$module/example/prometheus-operator-crd/monitoring.coreos.com_podmonitors.yaml" "$work/definition"
    mv "$work/definition" "$pod_monitor"
    cp "$module/example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml" "$work/definition"
    mv "$work/definition" "$prometheus_rule"
fi

flink_deployment=$definitions/flink-deployment-$flink_operator.yaml
if [ ! -e "$flink_deployment" ]; then
    say "the Flink Kubernetes Operator's definitions"
    (cd "$work" && mvn --quiet --batch-mode org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy \
        "-Dartifact=org.apache.flink:flink-kubernetes-operator-api:$flink_operator" "-DoutputDirectory=$work") >&2
    python3 -m zipfile -e "$work/flink-kubernetes-operator-api-$flink_operator.jar" "$work/jar"
    mv "$work/jar/META-INF/fabric8/flinkdeployments.flink.apache.org-v1.yml" "$flink_deployment"
fi

echo "$pod_monitor"
echo "$prometheus_rule"
echo "$flink_deployment"
