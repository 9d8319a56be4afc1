#!/usr/bin/env python3
"""docker/sbom.py [TARGET]: what the binary is made of, as CycloneDX 1.5 on standard output.

Made of what cargo resolves for this target, with the checksums of Cargo.lock; the same every time. What stands in a registry crate's place
(`.cargo/instead`) is named as what it is, with a checksum of its own sources.
"""
import hashlib
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

root = Path(__file__).parent.parent
target = sys.argv[1] if len(sys.argv) > 1 else "x86_64-unknown-linux-gnu"
tree = ["cargo", "tree", "--locked", "--edges", "normal", "--prefix", "none", "--format", "{p}|{l}", "--target", target]
lines = subprocess.run(tree, cwd=root, check=True, capture_output=True, text=True).stdout.splitlines()
found = {}
for line in lines:
    package, licence = line.removesuffix(" (*)").split("|")
    name, version = re.match(r"(\S+) v(\S+)", package).groups()
    found[name, version] = licence

lock = tomllib.loads((root / "Cargo.lock").read_text())["package"]
checksums = {(one["name"], one["version"]): one.get("checksum") for one in lock}


def in_place_of(name):
    sources = sorted((root / ".cargo" / "instead" / name).iterdir())
    digest = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()
    return {"bom-ref": f"instead-of-{name}", "description": f"in the place of {name}: .cargo/instead/{name}"}, digest


def component(name, version, licence):
    purl = f"pkg:cargo/{name}@{version}"
    identity, checksum = {"bom-ref": purl, "purl": purl}, checksums[name, version]
    if checksum is None:
        identity, checksum = in_place_of(name)
    return {
        "type": "library",
        **identity,
        "name": name,
        "version": version,
        "licenses": [{"expression": licence.replace("/", " OR ")}],
        "hashes": [{"alg": "SHA-256", "content": checksum}],
    }


own = tomllib.loads((root / "Cargo.toml").read_text())["package"]
product = {
    "type": "application",
    "bom-ref": own["name"],
    "name": own["name"],
    "version": own["version"],
    "licenses": [{"expression": own["license"]}],
}
del found[own["name"], own["version"]]
components = [component(name, version, licence) for (name, version), licence in sorted(found.items())]
bill = {"bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1, "metadata": {"component": product}, "components": components}
print(json.dumps(bill, indent=2))
