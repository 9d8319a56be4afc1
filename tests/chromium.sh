#!/usr/bin/env bash
#
# tests/chromium.sh     gets Chromium into ${SPTEST_CACHE:-~/.cache/savepointd}/chromium
#
# Debian's package without windows (100 MB), what it needs and this machine lacks, and a font. They are unpacked, not installed. What is
# there already is left alone.
set -euo pipefail

cache=${SPTEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/savepointd}
case $cache in /*) ;; *) cache=$PWD/$cache ;; esac
chromium=$cache/chromium
packages=(chromium-headless-shell chromium-common fonts-liberation)

missing=()
for command in apt-get dpkg-deb flock; do
    command -v "$command" >/dev/null || missing+=("$command")
done
if [ ${#missing[@]} -gt 0 ]; then
    echo "Chromium can't be unpacked from Debian's packages: needed are ${missing[*]}" >&2
    exit 69
fi

mkdir -p "$chromium"
exec 9>"$chromium/lock"
flock 9
[ ! -x "$chromium/chromium" ] || exit 0

wanted() {
    printf '%s\n' "${packages[@]}"
    apt-get -q -s install --no-install-recommends "${packages[@]}" | awk '$1 == "Inst" {print $2}'
}
download() { (cd "$chromium/new" && apt-get -q -o APT::Sandbox::User=root download "$@" >/dev/null); }
rm -rf "$chromium/new" "$chromium/root"
mkdir -p "$chromium"/{new,root}
echo "Chromium (100 MB)"
# Lists that are too old name packages that are gone.
# shellcheck disable=SC2086 # names of packages have no blanks
if ! names=$(wanted 2>/dev/null | sort -u) || ! download $names 2>/dev/null; then
    apt-get -q update >/dev/null
    names=$(wanted | sort -u)
    download $names
fi
for package in "$chromium"/new/*.deb; do
    dpkg-deb -x "$package" "$chromium/root"
done
rm -rf "$chromium/new"

cat >"$chromium/fonts.conf" <<FONTS
<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <dir>$chromium/root/usr/share/fonts</dir>
  <cachedir>$chromium/fonts</cachedir>
  <alias><family>sans-serif</family><prefer><family>Liberation Sans</family></prefer></alias>
  <alias><family>system-ui</family><prefer><family>Liberation Sans</family></prefer></alias>
  <alias><family>monospace</family><prefer><family>Liberation Mono</family></prefer></alias>
</fontconfig>
FONTS
# Its libraries stay beside it.
libraries=$(uname -m)-linux-gnu
libraries=$chromium/root/usr/lib/$libraries:$chromium/root/lib/$libraries:$chromium/root/usr/lib/$libraries/pulseaudio
cat >"$chromium/draft" <<PROGRAM
#!/bin/sh
export LD_LIBRARY_PATH="$libraries" FONTCONFIG_FILE="$chromium/fonts.conf"
exec "$chromium/root/usr/lib/chromium/chromium-headless-shell" "\$@"
PROGRAM
chmod +x "$chromium/draft"
mv "$chromium/draft" "$chromium/chromium"
