"""The image of BuildKit that s3c runs in a container: the lab's own BuildKit, pushed to the lab's registry."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from s3c_actions.core.errors import OutsideError
from s3c_actions.programs.buildkit.container import images
from s3c_actions.programs.install.pins import BUILDKITD
from s3c_lab import docker_engine
from s3c_lab.images import TOOLING
from s3c_lab.machine import Machine
from s3c_lab.node.cluster import locate_programs
from s3c_lab.node.programs import RUNC
from s3c_lab.programs import BUILDCTL

PROGRAMS = {"buildkitd": BUILDKITD, "buildctl": BUILDCTL, "buildkit-runc": RUNC}
# As moby/buildkit's own: the volume is where BuildKit's state is, on a disk that overlayfs can stand on.
_DOCKERFILE = f"""\
FROM {{base}}
COPY {" ".join(PROGRAMS)} /usr/bin/
VOLUME /var/lib/buildkit
ENTRYPOINT ["buildkitd"]
"""


def name(registry: str) -> str:
    """The reference of the image in a registry, as s3c asks for it where `programs-mirror` is on that host."""
    return images(f"http://{registry}")[0][0]


def push(registry: str, machine: Machine) -> str:
    """Push the image to a lab's registry, built of its Debian base; returns its reference.

    It is not left in Docker: whoever wants it pulls it.

    Args:
        registry: host and port of the lab's registry.
        machine: of the lab.

    Raises:
        OutsideError: a program could not be built, or Docker did not build or push the image.
    """
    reference, base = name(registry), f"{registry}/{TOOLING}"
    programs = locate_programs(tuple(PROGRAMS.values()), machine)
    with docker_engine.connect(machine) as docker, tempfile.TemporaryDirectory(prefix="s3c-lab-") as folder:
        for file, pin in PROGRAMS.items():
            shutil.copy2(programs[pin.name].path, Path(folder, file))
        Path(folder, "Dockerfile").write_text(_DOCKERFILE.format(base=base))
        built = f"s3c-lab-build/buildkit:{os.getpid()}"
        try:
            _must(docker.api.build(path=folder, tag=built, rm=True, forcerm=True, nocache=True, decode=True), "build")
            docker.images.get(built).tag(reference)
            _must(docker.api.push(reference, stream=True, decode=True), "push")
        finally:
            for made in (reference, built, base):
                if docker.images.list(name=made):
                    docker.images.remove(made, force=True)
    return reference


def _must(messages: object, what: str) -> None:
    for message in messages:  # type: ignore[attr-defined]  # docker has no types for its streams
        if "error" in message:
            raise OutsideError(f"Docker could not {what} the image of BuildKit.", original=str(message["error"]))
