"""The image of BuildKit that s3c runs in a container: the lab's own BuildKit, pushed to the lab's registry."""

from __future__ import annotations

import gzip
import hashlib
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path

from s3c_actions.core.reference import Reference
from s3c_actions.programs.buildkit.container import images
from s3c_actions.programs.install.cache import lock_file, open_scratch_folder
from s3c_actions.programs.install.locate import Program
from s3c_actions.programs.install.pins import BUILDKITD, RUNC
from s3c_actions.registry.credentials import Logins
from s3c_actions.registry.reading import Registry
from s3c_actions.registry.writing import Writer
from s3c_lab.images import TOOLING
from s3c_lab.machine import Machine
from s3c_lab.programs import BUILDCTL
from s3c_lab.together import locate_together

PROGRAMS = {"buildkitd": BUILDKITD, "buildctl": BUILDCTL, "buildkit-runc": RUNC}
LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
# As moby/buildkit's own: the volume is where BuildKit's state is, on a disk that overlayfs can stand on.
_SETTINGS = {"Entrypoint": ["buildkitd"], "Volumes": {"/var/lib/buildkit": {}}}


def name(registry: str) -> str:
    """The reference of the image in a registry, as s3c asks for it where `programs-mirror` is on that host."""
    return images(f"http://{registry}")[0][0]


def push(registry: str, machine: Machine) -> str:
    """Push the image to a lab's registry: a layer of programs on its Debian base. Returns its reference.

    Args:
        registry: host and port of the lab's registry.
        machine: of the lab.

    Raises:
        OutsideError: a program could not be built, or the registry did not take the image.
    """
    target, base = Reference.parse(name(registry)), Reference.parse(f"{registry}/{TOOLING}")
    client = Registry(Logins(environment={}))
    writer = Writer(client)
    below = client.manifest(base)
    config = dict(client.config(base).document)
    layer, content_digest = _layer(locate_together(tuple(PROGRAMS.values()), machine), machine)

    config["config"] = {**config["config"], **_SETTINGS}
    config["rootfs"] = {"type": "layers", "diff_ids": [*config["rootfs"]["diff_ids"], content_digest]}
    config.pop("history", None)  # has an entry for each layer, where there is one
    config_blob, layer_blob = json.dumps(config).encode(), layer.read_bytes()
    for blob in below.document["layers"]:
        writer.mount(target, blob["digest"], base.repository)
    described = []
    for blob in (config_blob, layer_blob):
        described.append({"digest": _digest(blob), "size": len(blob)})
        writer.push_blob(target, _digest(blob), blob)
    manifest = {
        **below.document,
        "config": {**below.document["config"], **described[0]},
        "layers": [*below.document["layers"], {"mediaType": LAYER, **described[1]}],
    }
    writer.push_manifest(target, json.dumps(manifest).encode(), below.descriptor.media_type)
    return str(target)


def _layer(programs: Mapping[str, Program], machine: Machine) -> tuple[Path, str]:
    """The packed layer with the programs, kept in the cache, and the digest of what is in it."""
    paths = {file: programs[pin.name].path for file, pin in PROGRAMS.items()}
    facts = [f"{file} {path} {path.stat().st_size} {path.stat().st_mtime_ns}" for file, path in paths.items()]
    home = machine.cache / "lab" / "buildkit-image"
    folder = home / hashlib.sha256("\n".join(facts).encode()).hexdigest()[:12]
    with lock_file(home / ".lock"):
        if not folder.exists():
            with open_scratch_folder(home, "layer-") as temp:
                plain = temp / "layer.tar"
                with tarfile.open(plain, "w") as tar:
                    for file, path in paths.items():
                        tar.add(path, f"usr/bin/{file}", filter=_owned_by_root)
                content = plain.read_bytes()
                (temp / "layer.tar.gz").write_bytes(gzip.compress(content, 1, mtime=0))
                (temp / "digest").write_text(_digest(content))
                plain.unlink()
                temp.rename(folder)
    return folder / "layer.tar.gz", (folder / "digest").read_text()


def _owned_by_root(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = member.mtime = 0
    member.uname = member.gname = "root"
    member.mode = 0o755
    return member


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
