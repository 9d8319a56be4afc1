# Where cargo builds, so that a run tests what its own checkout holds; sourced.
#
# cargo takes an artefact for fresh if it is newer than its sources, wherever they lie: built from another checkout, or from another
# commit whose files were unpacked with older times, it would be used as it is. So whoever built last leaves a note in the
# target directory, and holds it while he works.

target_of_this_checkout() {
    local here
    here="$PWD $(git rev-parse HEAD 2> /dev/null || echo "of no commit")"
    mkdir -p "$CARGO_TARGET_DIR"
    exec {target_lock}> "$CARGO_TARGET_DIR/.checkout.lock"
    # What a run that is over has left behind needs a moment to go.
    if ! flock --timeout 20 "$target_lock"; then
        CARGO_TARGET_DIR+=-$(printf %s "$PWD" | cksum | cut -d' ' -f1)
        echo "Another run builds in the usual target directory; this one takes $CARGO_TARGET_DIR."
        mkdir -p "$CARGO_TARGET_DIR"
        exec {target_lock}> "$CARGO_TARGET_DIR/.checkout.lock"
        flock "$target_lock"
    fi
    if [ "$(cat "$CARGO_TARGET_DIR/.checkout" 2> /dev/null)" != "$here" ]; then
        # Only our own crate is built again.
        find src tests Cargo.toml -type f -exec touch -c {} +
        echo "$here" > "$CARGO_TARGET_DIR/.checkout"
    fi
}
