#!/bin/sh
# Stands in for the image's entrypoint: writes down how it was started and which signals came, and ends with 143 on SIGTERM.
#
#   FAKE_DIR          where it writes: starts, signals, status, orphans, left
#   FAKE_EXIT         ends at once with this code
#   FAKE_DIE          ends at once by this signal
#   FAKE_IGNORE_TERM  doesn't hear SIGTERM
#   FAKE_ORPHANS      leaves this many processes without a parent behind
#   FAKE_LEAVE        leaves a process in its group behind that doesn't hear SIGTERM

# As the mounted /proc counts; `$$` would be the number in a process id name space of its own.
read -r pid _ </proc/self/stat
grep -E '^Sig(Blk|Ign)' /proc/self/status >"$FAKE_DIR/status"

for name in INT HUP QUIT USR1 USR2; do
    trap "echo $name >>\"\$FAKE_DIR/signals\"" "$name"
done
if [ -n "$FAKE_IGNORE_TERM" ]; then
    trap '' TERM
else
    trap 'echo TERM >>"$FAKE_DIR/signals"; exit 143' TERM
fi

count=${FAKE_ORPHANS:-0}
while [ "$count" -gt 0 ]; do
    (
        sleep 0.2 &
        echo $! >>"$FAKE_DIR/orphans"
    )
    count=$((count - 1))
done
if [ -n "$FAKE_LEAVE" ]; then
    (
        trap '' TERM
        exec sleep 120
    ) &
    echo $! >"$FAKE_DIR/left"
fi

# The argument vector goes last: it is what the tests wait for.
line=$pid
for word in "$0" "$@"; do
    line="$line	$word"
done
printf '%s\n' "$line" >>"$FAKE_DIR/starts"

[ -z "$FAKE_DIE" ] || kill -s "$FAKE_DIE" $$
[ -z "$FAKE_EXIT" ] || exit "$FAKE_EXIT"
while :; do
    sleep 2 &
    wait $!
done
