# What the commands of the README need; sourced by them. Says clearly what is missing.

cache=${SPTEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/savepointd}

missing=()
need() { # COMMAND WHAT-IT-IS
    command -v "$1" > /dev/null || missing+=("$1: $2")
}

check_tools() {
    need cargo "Rust 1.89 or newer, with rustfmt and clippy (rustup installs all of it)"
    need cc "a C compiler, for linking (Debian: gcc libc6-dev)"
    need java "a JDK 17 (Debian: openjdk-17-jdk-headless)"
    need javac "a JDK 17, not only a JRE (Debian: openjdk-17-jdk-headless)"
    need python3 "Python 3.8 or newer (Debian: python3)"
    if command -v python3 > /dev/null && ! python3 -m pip --version > /dev/null 2>&1; then
        missing+=("pip: Python's package installer, which fetches Flink (Debian: python3-pip)")
    fi
    if [ ${#missing[@]} -gt 0 ]; then
        echo "These are needed first:" >&2
        printf '  %s\n' "${missing[@]}" >&2
        exit 69
    fi
}

# install_tool NAME VERSION: a cargo tool of exactly that version, in the cache.
install_tool() {
    local have
    have=$("$cache/tools/bin/$1" "${1#cargo-}" --version 2> /dev/null | awk 'NR == 1 {print $2}') || true
    if [ "$have" != "$2" ]; then
        echo "installing $1 $2 (once, some minutes)"
        cargo install --quiet --locked --root "$cache/tools" "$1@$2"
    fi
}
