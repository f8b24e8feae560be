"""The image a node runs in: the lab's Debian base with the packages that Kubernetes needs. The programs are mounted."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from s3c_actions.core.errors import OutsideError
from s3c_actions.programs.install.cache import lock_file, open_scratch_folder
from s3c_lab import docker_engine
from s3c_lab.base import base
from s3c_lab.machine import Machine

if TYPE_CHECKING:
    from docker import DockerClient

PACKAGES = ("containernetworking-plugins", "iproute2", "iptables", "kmod", "mount", "procps", "socat")
_REPOSITORY = "s3c-lab-node"
_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_INSTALL = f"""
set -eu
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends {" ".join(PACKAGES)}
rm -rf /var/cache/apt/* /var/lib/apt/lists/* /var/log/* /usr/share/doc /usr/share/man /usr/share/locale
"""


def loaded(machine: Machine) -> str:
    """Load the image into Docker from the cache, built first when it is missing; returns its name.

    Raises:
        OutsideError: the Debian base or the packages cannot be obtained.
    """
    archive = tarball(machine)
    name = f"{_REPOSITORY}:{_key(archive)}"
    with docker_engine.connect(machine) as docker:
        if not docker.images.list(name=name):
            _import_tarball(docker, archive, name)
    return name


def unload(machine: Machine) -> None:
    """Remove the image from Docker, unless a node still uses it."""
    from docker.errors import APIError

    with docker_engine.connect(machine) as docker:
        for image in docker.images.list(name=_REPOSITORY):
            try:
                docker.images.remove(image.id or "")
            except APIError:
                continue  # another lab's node runs in it


def tarball(machine: Machine) -> Path:
    """The image's file system as a tar file in the cache; built when it is missing.

    Raises:
        OutsideError: the Debian base or the packages cannot be obtained.
    """
    from docker.errors import APIError

    debian = base(machine)
    folder = machine.cache / "lab" / "node"
    archive = folder / f"image-{_key(debian)}.tar"
    with lock_file(folder / ".lock", notice=lambda: machine.progress.note("another lab makes the node's image")):
        if archive.exists():
            return archive
        machine.progress.note(f"installing {', '.join(PACKAGES)} for the node")
        with open_scratch_folder(folder, "image-") as temp, docker_engine.connect(machine) as docker:
            try:
                _export_system(docker, debian, temp / "image.tar", f"{_REPOSITORY}-making:{os.getpid()}")
            except APIError as error:
                raise OutsideError("Docker could not make the node's image.", original=str(error)) from error
            for old in folder.glob("image-*.tar"):
                old.unlink()
            (temp / "image.tar").replace(archive)
    return archive


def _export_system(docker: DockerClient, debian: Path, into: Path, name: str) -> None:
    _import_tarball(docker, debian, name)
    try:
        with _installing_container(docker, name) as container:
            if docker.api.wait(container)["StatusCode"] != 0:
                raise OutsideError(
                    f"Debian's packages {', '.join(PACKAGES)} could not be installed in a container.",
                    cause="Most often the package mirror cannot be reached from one.",
                    remedy="Look at this machine's apt sources and proxy: the lab takes the same mirror.",
                    original=docker.api.logs(container, tail=20).decode(errors="replace"),
                )
            with into.open("wb") as file:
                file.writelines(docker.api.export(container))
    finally:
        docker.images.remove(name, force=True)


@contextmanager
def _installing_container(docker: DockerClient, image: str) -> Iterator[str]:
    # In the host's network, where the mirror and its proxy are known to be reachable.
    container = docker.api.create_container(image, ["/bin/sh", "-c", _INSTALL], host_config={"NetworkMode": "host"})[
        "Id"
    ]
    try:
        docker.api.start(container)
        yield container
    finally:
        docker.api.remove_container(container, force=True, v=True)


def _import_tarball(docker: DockerClient, tarball: Path, name: str) -> None:
    repository, _, tag = name.partition(":")
    docker.api.import_image_from_file(str(tarball), repository=repository, tag=tag, changes=[f"ENV {_PATH}"])


def _key(tarball: Path) -> str:
    facts = f"{tarball.name} {tarball.stat().st_mtime_ns} {_INSTALL}"
    return hashlib.sha256(facts.encode()).hexdigest()[:12]
