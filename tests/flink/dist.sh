#!/usr/bin/env bash
#
# dist.sh VERSION      makes a runnable Flink of that version, prints its FLINK_HOME
#
#   FLINK_HOME=$(tests/flink/dist.sh 1.20.5)
#
# Two Python packages of the Flink project together hold everything a cluster needs, so a test machine needs a Python
# package index and nothing else (no Docker, no archive server):
#   apache-flink-libraries   lib/*.jar, plugins/, bin/bash-java-utils.jar      (source archive up to 1.20, wheel from 2.0)
#   apache-flink             bin/*.sh, conf/*                                  (a wheel; only these files of it are used)
# opt/ (SQL client, PyFlink) is left out.
#
# The result is kept in ${SPTEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/savepointd}/flink/VERSION and is not to be
# written to: give every run its own FLINK_CONF_DIR, FLINK_LOG_DIR and FLINK_PID_DIR. Building is atomic (a killed run
# leaves nothing that looks finished) and safe when several runs want the same version at once.
#
# stdout: the path, nothing else. stderr: progress; silent when the version is there already.
# Needs: bash, coreutils, flock, python3 (3.8 or newer) with pip. About 700 MB of disk while it works, 250 after that.
set -euo pipefail

usage() { echo "usage: ${0##*/} VERSION      e.g. ${0##*/} 1.20.5" >&2; exit 64; }
die() { echo "dist.sh: $*" >&2; exit 1; }
say() { echo "flink $version: $*" >&2; }

[ $# -eq 1 ] || usage
version=$1
[[ $version =~ ^[0-9]+\.[0-9]+\.[0-9]+$ ]] || usage

cache=${SPTEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/savepointd}
case $cache in /*) ;; *) cache=$PWD/$cache ;; esac
root=$cache/flink
home=$root/$version

# The directory gets its name in one rename at the very end, so its existence is the mark of a finished build.
if [ -d "$home" ]; then echo "$home"; exit 0; fi

command -v python3 >/dev/null || die "python3 is missing (it downloads Flink from the Python package index); install it, e.g. apt-get install python3 python3-pip"
python3 -m pip --version >/dev/null 2>&1 || die "python3 has no pip; install it, e.g. apt-get install python3-pip, or python3 -m ensurepip"
command -v flock >/dev/null || die "flock is missing; install it, e.g. apt-get install util-linux"

mkdir -p "$root"
exec 9>"$root/.$version.lock"
if ! flock -n 9; then
  say "waiting for another run that is making it"
  flock 9
  if [ -d "$home" ]; then echo "$home"; exit 0; fi
fi

# We hold the lock: whatever temporary directory of this version is still there belongs to a killed run.
# (Its pip may live on for a moment and write there; what that leaves behind, the next run removes.)
rm -rf "$root/.$version.tmp."* || true
tmp=$(mktemp -d "$root/.$version.tmp.XXXXXX")
child=
cleanup() {
  if [ -n "$child" ]; then kill "$child" 2>/dev/null || true; wait "$child" 2>/dev/null || true; fi
  rm -rf "$tmp"
}
trap cleanup EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

megabytes() { # of archives downloaded so far
  python3 - "$tmp" <<'PY'
import os, sys
total = 0
for d, _, names in os.walk(sys.argv[1]):
    for n in names:
        if n.endswith((".tar.gz", ".whl")) and "flink" in n:
            try:
                total = max(total, os.path.getsize(os.path.join(d, n)))
            except OSError:
                pass
print(total // 1000000)
PY
}

if [ -t 2 ]; then every=3; else every=15; fi

pip_download() { # LABEL DIR pip-arguments...   runs pip in the background and reports how far it is
  local label=$1 dir=$2 began=$SECONDS reported=$SECONDS status=0
  shift 2
  mkdir -p "$dir" "$tmp/pip"
  # pip downloads into TMPDIR first: keep that here, where there is room and where cleanup finds it.
  # --no-cache-dir: the cache would keep a second copy of a quarter of a gigabyte.
  # --ignore-requires-python: nothing of these packages is ever run by this Python.
  TMPDIR=$tmp/pip python3 -m pip download --quiet --disable-pip-version-check --no-input --no-cache-dir --no-deps \
    --ignore-requires-python --retries 5 --timeout 60 --dest "$dir" "$@" >"$tmp/pip.log" 2>&1 9>&- &
  child=$!
  while kill -0 "$child" 2>/dev/null; do
    sleep 0.5 9>&-
    if [ -n "$label" ] && [ $((SECONDS - reported)) -ge $every ]; then
      reported=$SECONDS
      say "$label, $(megabytes) MB so far, $((SECONDS - began)) s"
    fi
  done
  wait "$child" || status=$?
  child=
  # when it finds nothing, pip lists what there is (for that one Python version)
  sed -n 's/.*(from versions: \(.*\))$/\1/p' "$tmp/pip.log" | tr -s ', ' '\n' >>"$tmp/versions"
  return $status
}

pip_failed() { # WHAT
  if grep -q "No matching distribution found" "$tmp/pip.log"; then
    die "the Python package index has no $1 $version; it has: $(sort -Vu "$tmp/versions" | tr '\n' ' ')"
  fi
  tail -n 15 "$tmp/pip.log" >&2
  die "pip could not download $1 $version (its last words are above); check the network, then run this again"
}

# The small package first: a version that does not exist fails within seconds. The wheels are made per Python version and
# platform, the scripts in them are all the same: take the first there is, for whatever Python.
got=
for py in 39 310 38 311 37; do
  abi=cp$py
  if [ "$py" = 37 ]; then abi=cp37m; fi
  if pip_download "" "$tmp/scripts" --only-binary :all: --python-version $py --implementation cp --abi $abi \
    --platform manylinux1_x86_64 --platform manylinux2014_x86_64 "apache-flink==$version"; then
    got=yes
    break
  fi
  grep -q "No matching distribution found" "$tmp/pip.log" || break
done
[ -n "$got" ] || pip_failed apache-flink

case $version in 1.*) size=250 ;; *) size=330 ;; esac
say "downloading (about $size MB)"
pip_download "downloading (about $size MB)" "$tmp/libraries" "apache-flink-libraries==$version" || pip_failed apache-flink-libraries
rm -rf "$tmp/pip"

say "unpacking"
python3 - "$tmp/home" "$tmp"/scripts/* "$tmp"/libraries/* 9>&- <<'PY'
import os, shutil, sys, tarfile, zipfile

home, archives = sys.argv[1], sys.argv[2:]
# .../deps/lib/x.jar in a source archive, pyflink/lib/x.jar in a wheel
WANTED = ("bin", "conf", "lib", "plugins")


def target(name):
    parts = name.split("/")
    for top in ("deps", "pyflink"):
        if top in parts[:2]:
            rest = parts[parts.index(top) + 1:]
            if len(rest) > 1 and rest[0] in WANTED and rest[-1] and ".." not in rest and not rest[-1].endswith(".py"):
                return os.path.join(home, *rest)
    return None


def put(stream, path):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as out:
        shutil.copyfileobj(stream, out, 1 << 20)


for archive in archives:
    if archive.endswith(".whl"):
        with zipfile.ZipFile(archive) as z:
            for name in z.namelist():
                path = target(name)
                if path:
                    with z.open(name) as f:
                        put(f, path)
    else:
        with tarfile.open(archive, "r|gz") as t:
            for member in t:
                path = target(member.name) if member.isfile() else None
                if path:
                    put(t.extractfile(member), path)

# zip files made on any machine may have lost the mode bits
for name in os.listdir(os.path.join(home, "bin")):
    if name.endswith(".sh") or name in ("flink", "find-flink-home.sh"):
        os.chmod(os.path.join(home, "bin", name), 0o755)
PY

mkdir -p "$tmp/home/log"
for needed in bin/standalone-job.sh bin/taskmanager.sh bin/jobmanager.sh bin/config.sh bin/bash-java-utils.jar conf; do
  [ -e "$tmp/home/$needed" ] || die "the packages of $version do not hold $needed; this script does not know how they are laid out"
done
compgen -G "$tmp/home/lib/flink-dist*.jar" >/dev/null || die "the packages of $version do not hold lib/flink-dist*.jar; this script does not know how they are laid out"

mv -T "$tmp/home" "$home"
echo "$home"
