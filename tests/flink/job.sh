#!/usr/bin/env bash
#
# job.sh VERSION       compiles job/SeqJob.java for that Flink, prints the path of the jar
#
#   jar=$(tests/flink/job.sh 1.20.5)          .../job/1.20.5-<hash>/seqjob.jar, main class SeqJob
#   FLINK_HOME=$(dirname "$jar")/home         a Flink with this jar in its usrlib/, for application mode:
#   "$FLINK_HOME/bin/standalone-job.sh" start-foreground --job-classname SeqJob --out DIR
#
# home/ is what dist.sh made, by links, plus usrlib/seqjob.jar: a Flink that is shared between checkouts cannot hold the
# job itself, and JobManager and TaskManager take user code from the usrlib/ beside their lib/.
#
# Kept in the cache directory (see dist.sh) under a name with the SHA-256 of the source and of this script, so an edit
# makes a new one. stdout: the path, nothing else; stderr: progress, silent when the jar is there already.
# Needs: what dist.sh needs, and a JDK, 11 to 17 (Flink 2.x also runs on 21; none of them runs on 8 with this jar).
set -euo pipefail

usage() { echo "usage: ${0##*/} VERSION      e.g. ${0##*/} 1.20.5" >&2; exit 64; }
die() { echo "job.sh: $*" >&2; exit 1; }

[ $# -eq 1 ] || usage
version=$1
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
source=$here/job/SeqJob.java

flink=$("$here/dist.sh" "$version")

cache=${SPTEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/savepointd}
case $cache in /*) ;; *) cache=$PWD/$cache ;; esac
hash=$(cat -- "$source" "$here/job.sh" | sha256sum)
dir=$cache/job/$version-${hash%% *}
if [ -d "$dir" ]; then echo "$dir/seqjob.jar"; exit 0; fi

tool() { # NAME   from JAVA_HOME if that is set, as Flink's own scripts do
  if [ -n "${JAVA_HOME:-}" ] && [ -x "$JAVA_HOME/bin/$1" ]; then
    echo "$JAVA_HOME/bin/$1"
  else
    command -v "$1" || die "$1 is missing: a JDK, 11 to 17, is needed for Flink $version (a JRE is not enough); install one, e.g. apt-get install openjdk-17-jdk-headless, or set JAVA_HOME"
  fi
}
javac=$(tool javac)
jar=$(tool jar)

mkdir -p "$cache/job"
tmp=$(mktemp -d "$cache/job/.tmp.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

echo "flink $version: compiling ${source##*/}" >&2
mkdir "$tmp/classes"
# 11 is the oldest Java that Flink 2.x runs on; the jars of 1.15 are content with it too.
"$javac" --release 11 -Xlint:-options -nowarn -cp "$flink/lib/*" -d "$tmp/classes" "$source" >"$tmp/javac.log" 2>&1 || {
  cat "$tmp/javac.log" >&2
  die "${source##*/} does not compile against Flink $version with $javac ($("$javac" -version 2>&1)); a JDK, 11 to 17, is needed"
}

result=$tmp/result
mkdir -p "$result/home/lib" "$result/home/usrlib" "$result/home/log"
"$jar" --create --file "$result/seqjob.jar" --main-class SeqJob -C "$tmp/classes" .
# bin/ is copied: its scripts find FLINK_HOME from where they lie, through symbolic links.
cp -R "$flink/bin" "$flink/conf" "$result/home/"
ln -s "$flink"/lib/*.jar "$result/home/lib/"
ln -s "$flink/plugins" "$result/home/plugins"
ln "$result/seqjob.jar" "$result/home/usrlib/seqjob.jar" 2>/dev/null || cp "$result/seqjob.jar" "$result/home/usrlib/seqjob.jar"

# Two runs may have built it at once: equal results, the first rename wins.
mv -T "$result" "$dir" 2>/dev/null || [ -f "$dir/seqjob.jar" ] || die "could not move the result to $dir"
echo "$dir/seqjob.jar"
