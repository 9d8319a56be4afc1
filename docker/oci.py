#!/usr/bin/env python3
"""Writes a container image as one tar, without an engine; the same input gives the same bytes.

    oci.py OUT.tar NAME:TAG [OPTION...] -- ENTRYPOINT [ARGUMENT...]

The tar is an OCI image layout (ctr image import, skopeo, podman load) that is at the same time a Docker archive
(docker load). Layers are not compressed: what a compressor writes depends on its version.
"""

import argparse
import hashlib
import io
import json
import os
import platform
import sys
import tarfile
import tempfile

EPOCH = "1970-01-01T00:00:00Z"
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
SEARCHED = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def arguments(argv):
    cut = argv.index("--") if "--" in argv else len(argv)
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, usage=argparse.SUPPRESS
    )
    parser.add_argument("out")
    parser.add_argument("name")
    parser.add_argument("--layer", action="append", default=[], metavar="FILE.tar", help="a tar as a layer of its own")
    parser.add_argument("--file", action="append", default=[], metavar="SOURCE=PATH[:MODE]", help="a file of root, 0755")
    parser.add_argument("--directory", action="append", default=[], metavar="PATH:MODE:UID", help="an empty directory")
    parser.add_argument("--env", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--label", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--user", metavar="UID:GID")
    parser.add_argument("--workdir", default="/", metavar="PATH")
    parser.add_argument("--default", action="append", default=[], metavar="ARGUMENT", help="an argument if none is given")
    found = parser.parse_args(argv[:cut])
    found.entrypoint = argv[cut + 1 :]
    return found


def write_layer(path, files, directories):
    """The last layer: directories before what lies in them, in the order given, everything dated 1970."""
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        made = set()

        def directory(name, mode=0o755, uid=0):
            if name and name not in made:
                directory(os.path.dirname(name))
                made.add(name)
                entry = tarfile.TarInfo(name)
                entry.type, entry.mode, entry.uid, entry.gid = tarfile.DIRTYPE, mode, uid, uid
                tar.addfile(entry)

        for text in directories:
            name, mode, uid = text.split(":")
            directory(name.strip("/"), int(mode, 8), int(uid))
        for text in files:
            source, name = text.split("=", 1)
            name, _, mode = name.partition(":")
            entry = tarfile.TarInfo(name.strip("/"))
            directory(os.path.dirname(entry.name))
            entry.size, entry.mode = os.path.getsize(source), int(mode or "755", 8)
            with open(source, "rb") as file:
                tar.addfile(entry, file)


def digest(path):
    sha = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            sha.update(block)
    return sha.hexdigest()


def packed(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def described(kind, content):
    return {
        "mediaType": f"application/vnd.oci.image.{kind}",
        "digest": "sha256:" + hashlib.sha256(content).hexdigest(),
        "size": len(content),
    }


def write_image(found, layers):
    machine = platform.machine()
    where = {"architecture": ARCHITECTURES.get(machine, machine), "os": "linux"}
    environment = {"PATH": SEARCHED, **dict(entry.split("=", 1) for entry in found.env)}
    settings = {
        "Entrypoint": found.entrypoint,
        "Env": [f"{key}={value}" for key, value in environment.items()],
        "WorkingDir": found.workdir,
    }
    if found.default:
        settings["Cmd"] = found.default
    if found.user:
        settings["User"] = found.user
    if found.label:
        settings["Labels"] = dict(label.split("=", 1) for label in found.label)
    layers = [(path, digest(path), os.path.getsize(path)) for path in layers]
    config = packed({
        **where,
        "created": EPOCH,
        "config": settings,
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + name for _, name, _ in layers]},
        "history": [{"created": EPOCH, "created_by": "oci.py"} for _ in layers],
    })
    manifest = packed({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": described("config.v1+json", config),
        "layers": [
            {"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": "sha256:" + name, "size": size}
            for _, name, size in layers
        ],
    })
    named = {
        **described("manifest.v1+json", manifest),
        "platform": where,
        "annotations": {
            "io.containerd.image.name": found.name,
            "org.opencontainers.image.ref.name": found.name.rsplit(":", 1)[-1],
        },
    }

    def blob(content):
        return "blobs/sha256/" + hashlib.sha256(content).hexdigest()

    small = [
        ("oci-layout", packed({"imageLayoutVersion": "1.0.0"})),
        ("index.json", packed({"schemaVersion": 2, "manifests": [named]})),
        ("manifest.json", packed([{
            "Config": blob(config),
            "RepoTags": [found.name],
            "Layers": ["blobs/sha256/" + name for _, name, _ in layers],
        }])),
        (blob(config), config),
        (blob(manifest), manifest),
    ]
    with tarfile.open(found.out, "w", format=tarfile.USTAR_FORMAT) as tar:

        def put(name, size, file):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = size, 0o644
            tar.addfile(entry, file)

        for name, content in small:
            put(name, len(content), io.BytesIO(content))
        for path, name, size in {layer[1]: layer for layer in layers}.values():
            with open(path, "rb") as file:
                put("blobs/sha256/" + name, size, file)


def main():
    found = arguments(sys.argv[1:])
    with tempfile.TemporaryDirectory(dir=os.path.dirname(os.path.abspath(found.out))) as work:
        layers = list(found.layer)
        if found.file or found.directory:
            layers.append(os.path.join(work, "layer.tar"))
            write_layer(layers[-1], found.file, found.directory)
        draft, out = os.path.join(work, "image.tar"), found.out
        found.out = draft
        write_image(found, layers)
        os.replace(draft, out)


if __name__ == "__main__":
    main()
