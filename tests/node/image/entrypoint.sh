#!/usr/bin/env bash
#
# The entrypoint of the tests' Flink image, with the contract of the official one:
#
#   standalone-job|jobmanager|taskmanager|history-server ARGUMENT...     Flink's script of that name, in the foreground
#   COMMAND ARGUMENT...                                                  that command, as it is
#
# The configuration is made of JOB_MANAGER_RPC_ADDRESS, TASK_MANAGER_NUMBER_OF_TASK_SLOTS and the lines of FLINK_PROPERTIES. Where it
# can't be written (a ConfigMap, a read-only root) it stays as it is. root becomes flink. Everything is `exec`, nothing stays in front.
# One difference: an empty conf directory (an emptyDir) is filled with the image's files first.

if [ "$(id -u)" = 0 ]; then
    drop=(setpriv --reuid=flink --regid=flink --init-groups)
else
    drop=()
fi

fill_configuration() {
    if [ -z "$(ls -A "$FLINK_HOME/conf")" ]; then
        cp "$FLINK_HOME"/conf.image/* "$FLINK_HOME/conf/"
    fi
}

declare -A options
read_options() {
    options[jobmanager.rpc.address]=${JOB_MANAGER_RPC_ADDRESS:-$(hostname -f)}
    options[blob.server.port]=6124
    options[query.server.port]=6125
    if [ -n "${TASK_MANAGER_NUMBER_OF_TASK_SLOTS:-}" ]; then
        options[taskmanager.numberOfTaskSlots]=$TASK_MANAGER_NUMBER_OF_TASK_SLOTS
    fi
    local line key
    while IFS= read -r line; do
        # The official one does this too: a value can't hold a blank.
        line=$(tr -d '[:space:]' <<<"$line" | envsubst)
        key=${line%%:*}
        [ -z "$key" ] || options[$key]=${line#*:}
    done <<<"${FLINK_PROPERTIES:-}"
}

configure() {
    fill_configuration
    read_options
    local key
    if [ -e "$FLINK_HOME/conf/config.yaml" ]; then
        local parameters=()
        for key in "${!options[@]}"; do
            parameters+=("-D$key=${options[$key]}")
        done
        "$FLINK_HOME/bin/config-parser-utils.sh" "$FLINK_HOME/conf" "$FLINK_HOME/bin" "$FLINK_HOME/lib" "${parameters[@]}"
    else
        for key in "${!options[@]}"; do
            # The last of several lines with one key counts.
            printf '%s: %s\n' "$key" "${options[$key]}" >>"$FLINK_HOME/conf/flink-conf.yaml"
        done
    fi
}

case ${1:-} in
    standalone-job | jobmanager | taskmanager)
        mode=$1
        script=$FLINK_HOME/bin/$mode.sh
        ;;
    history-server)
        mode=$1
        script=$FLINK_HOME/bin/historyserver.sh
        ;;
    *)
        exec "${drop[@]}" "$@"
        ;;
esac
shift
configure
echo "Starting $mode"
exec "${drop[@]}" "$script" start-foreground "$@"
