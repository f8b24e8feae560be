"""The image of a machine in a container: a Debian base with packages, installed once and kept in the cache."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from s3c_actions.core.errors import OutsideError
from s3c_actions.programs.install.cache import lock_file, open_scratch_folder
from s3c_lab import docker_engine
from s3c_lab.base import BOOKWORM, Suite, base
from s3c_lab.machine import Machine

if TYPE_CHECKING:
    from docker import DockerClient

_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, kw_only=True)
class SystemImage:
    """A root file system in Docker.

    Attributes:
        name: of what runs in it, such as `node`; the image is `s3c-lab-NAME`.
        packages: of Debian, beside the base.
        suite: the Debian release.
        setup: shell commands, whole lines, that run once the packages are installed.
    """

    name: str
    packages: tuple[str, ...]
    suite: Suite = BOOKWORM
    setup: str = ""

    @property
    def repository(self) -> str:
        """The image's name in Docker, without a tag."""
        return f"s3c-lab-{self.name}"

    def load(self, machine: Machine) -> str:
        """Load the image into Docker from the cache, built first when it is missing; returns its name.

        Raises:
            OutsideError: the Debian base or the packages cannot be obtained.
        """
        archive = self.tarball(machine)
        name = f"{self.repository}:{self._key(archive)}"
        with docker_engine.connect(machine) as docker:
            if not docker.images.list(name=name):
                _import_tarball(docker, archive, name)
        return name

    def unload(self, machine: Machine) -> None:
        """Remove the image from Docker, unless a container still uses it."""
        from docker.errors import APIError

        with docker_engine.connect(machine) as docker:
            for image in docker.images.list(name=self.repository):
                try:
                    docker.images.remove(image.id or "")
                except APIError:
                    continue  # another lab's container runs in it

    def tarball(self, machine: Machine) -> Path:
        """The image's file system as a tar file in the cache; built when it is missing.

        Raises:
            OutsideError: the Debian base or the packages cannot be obtained.
        """
        from docker.errors import APIError

        debian = base(machine, self.suite)
        folder = self._folder(machine)
        archive = folder / f"image-{self._key(debian)}.tar"
        waiting = f"another lab makes the {self.name}'s image"
        with lock_file(folder / ".lock", notice=lambda: machine.progress.note(waiting)):
            if archive.exists():
                return archive
            machine.progress.note(f"installing {', '.join(self.packages)} for the {self.name}")
            with open_scratch_folder(folder, "image-") as temp, docker_engine.connect(machine) as docker:
                try:
                    self._export_system(docker, debian, temp / "image.tar")
                except APIError as error:
                    raise OutsideError(
                        f"Docker could not make the {self.name}'s image.", original=str(error)
                    ) from error
                for old in folder.glob("image-*.tar"):
                    old.unlink()
                (temp / "image.tar").replace(archive)
        return archive

    def is_kept(self, machine: Machine) -> bool:
        """Whether the cache has an image; that it is of this base and these packages is not looked at."""
        return any(self._folder(machine).glob("image-*.tar"))

    def _folder(self, machine: Machine) -> Path:
        return machine.cache / "lab" / self.name

    def _export_system(self, docker: DockerClient, debian: Path, into: Path) -> None:
        name = f"{self.repository}-making:{os.getpid()}"
        _import_tarball(docker, debian, name)
        try:
            with _running(docker, name, self._script()) as container:
                if docker.api.wait(container, timeout=docker_engine.TIMEOUT)["StatusCode"] != 0:
                    raise OutsideError(
                        f"Debian's packages {', '.join(self.packages)} could not be installed in a container.",
                        cause="Most often the package mirror cannot be reached from one.",
                        remedy="Look at this machine's apt sources and proxy: the lab takes the same mirror.",
                        original=docker.api.logs(container, tail=20).decode(errors="replace"),
                    )
                with into.open("wb") as file:
                    file.writelines(docker.api.export(container))
        finally:
            docker.images.remove(name, force=True)

    def _script(self) -> str:
        return f"""
set -eu
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends {" ".join(self.packages)}
{self.setup}rm -rf /var/cache/apt/* /var/lib/apt/lists/* /var/log/* /usr/share/doc /usr/share/man /usr/share/locale
"""

    def _key(self, tarball: Path) -> str:
        facts = f"{tarball.name} {tarball.stat().st_mtime_ns} {self._script()}"
        return hashlib.sha256(facts.encode()).hexdigest()[:12]


@contextmanager
def _running(docker: DockerClient, image: str, script: str) -> Iterator[str]:
    # In the host's network, where the mirror and its proxy are known to be reachable.
    container = docker.api.create_container(image, ["/bin/sh", "-c", script], host_config={"NetworkMode": "host"})["Id"]
    try:
        docker.api.start(container)
        yield container
    finally:
        docker.api.remove_container(container, force=True, v=True)


def _import_tarball(docker: DockerClient, tarball: Path, name: str) -> None:
    repository, _, tag = name.partition(":")
    docker.api.import_image_from_file(str(tarball), repository=repository, tag=tag, changes=[f"ENV {_PATH}"])
