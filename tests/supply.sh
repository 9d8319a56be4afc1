#!/usr/bin/env bash
#
# tests/supply.sh BINARY     the bill of materials names everything that is in the binary; and what is known against it, where that can be asked
#
# Known weaknesses stand in a database that cargo-deny fetches from its repository, which is no package registry: SPTEST_ADVISORIES=yes
# has it fetch that. Licences, sources and bans are checked in every run.
set -euo pipefail
cd "$(dirname "$0")/.."
binary=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

docker/sbom.py > "$work/first"
docker/sbom.py > "$work/second"
cmp "$work/first" "$work/second"
# A crate whose code may panic leaves the path of its sources in the binary.
grep -aoE 'registry/src/[^/]+/[a-zA-Z0-9_-]+-[0-9]+\.[0-9]+\.[^/]*/' "$binary" | cut -d/ -f4 | sort -u > "$work/in-it"
python3 - "$work/first" "$work/in-it" << 'END'
import json, sys
bill = json.load(open(sys.argv[1]))
assert bill["bomFormat"] == "CycloneDX" and bill["components"], "no bill of materials"
for one in bill["components"]:
    assert one["hashes"][0]["content"] and one["licenses"][0]["expression"], one
named = {f"{one['name']}-{one['version'].split('+')[0]}" for one in bill["components"]}
inside = {line.strip().split("+")[0] for line in open(sys.argv[2])}
assert len(inside) > 5, "the binary does not tell what it is made of"
assert inside <= named, f"in the binary and not in the bill: {sorted(inside - named)}"
print(f"bill of materials: {len(named)} crates, {len(inside)} of which the binary names itself")
END

if [ "${SPTEST_ADVISORIES:-}" = yes ]; then
    cargo deny --config .cargo/deny.toml --log-level error check advisories
else
    echo "Not asked: whether anything is known against these crates. SPTEST_ADVISORIES=yes asks, where the advisories' repository can be reached."
fi
