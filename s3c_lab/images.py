"""The lab's images: the base and the two halves of the example, built once and kept as a registry's storage."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from s3c_actions.core.errors import OutsideError
from s3c_actions.programs.install.cache import lock_file, open_scratch_folder
from s3c_lab import daemons, docker_engine, registry_server
from s3c_lab.base import CODENAME, DAYS, base, base_path, fresh
from s3c_lab.machine import Machine

if TYPE_CHECKING:
    from docker import DockerClient

SOURCES = Path(__file__).parent / "images"
APP = "voting-app:1.4.0"
DATABASE = "voting-db:15.0"
TOOLING = "library/debian:stable-slim"
"""Copa takes its tools from an image of this name; BuildKit's mirrors redirect it to the lab's registry."""
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def stored(machine: Machine) -> Path:
    """The storage of a registry that has all images; copy it, never serve it.

    Raises:
        OutsideError: Docker, debootstrap or a build failed.
    """
    tarball = base(machine)
    mirror, security = machine.mirrors(CODENAME)
    folder = machine.cache / "lab" / "images"
    storage = folder / _key(tarball, mirror, security)
    with lock_file(folder / ".lock", notice=lambda: machine.progress.note("another lab builds the images")):
        if storage.exists():
            return storage
        for pid_file in folder.glob(".tmp-images-*/registry.pid"):
            daemons.stop(pid_file, machine)  # of a build that was killed
        with open_scratch_folder(folder, "images-") as temp:
            _build_all(tarball, security, temp, machine)
            for old in folder.iterdir():
                if old.is_dir() and not old.name.startswith("."):
                    shutil.rmtree(old)
            (temp / "registry").replace(storage)
    return storage


def is_kept(machine: Machine) -> bool:
    """Whether a base of these days and images made of one are there; a new mirror or Dockerfile is not looked at."""
    folder = machine.cache / "lab" / "images"
    has_images = folder.is_dir() and any(path.is_dir() and not path.name.startswith(".") for path in folder.iterdir())
    return has_images and fresh(base_path(machine), DAYS)


def _key(tarball: Path, *facts: str) -> str:
    digest = hashlib.sha256("\0".join([*facts, str(tarball.stat().st_mtime_ns)]).encode())
    for file in sorted(path for path in SOURCES.rglob("*") if path.is_file()):
        digest.update(str(file.relative_to(SOURCES)).encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def _build_all(tarball: Path, security: str, temp: Path, machine: Machine) -> None:
    port = registry_server.free_port()
    registry_server.start(temp, port, machine)
    try:
        with docker_engine.connect(machine) as docker, _imported_base(tarball, docker) as imported:
            for image, source in {TOOLING: "tooling", APP: "voting-app", DATABASE: "voting-db"}.items():
                machine.progress.note(f"building {image}")
                built = _docker_build(docker, SOURCES / source, imported, security, machine)
                try:
                    _push(docker, built, f"localhost:{port}/{image}")
                finally:
                    docker.images.remove(built, force=True)
    finally:
        daemons.stop(temp / "registry.pid", machine)


@contextmanager
def _imported_base(tarball: Path, docker: DockerClient) -> Iterator[str]:
    repository, tag = "s3c-lab-base", hashlib.sha256(str(tarball).encode()).hexdigest()[:12]
    name = f"{repository}:{tag}"
    docker.api.import_image_from_file(str(tarball), repository=repository, tag=tag, changes=[f"ENV PATH={PATH}"])
    identity = docker.images.get(name).id
    try:
        yield name
    finally:
        _remove_descendants(docker, identity)
        docker.images.remove(name, force=True)


def _remove_descendants(docker: DockerClient, identity: str | None) -> None:
    """Remove the unnamed images that an interrupted build leaves on top of the base."""
    for image in docker.images.list(all=True):
        if image.attrs.get("ParentId") == identity:
            _remove_descendants(docker, image.id)
            docker.images.remove(image.id or "", force=True)


def _docker_build(docker: DockerClient, folder: Path, imported: str, security: str, machine: Machine) -> str:
    from docker.errors import APIError, BuildError

    lines: list[str] = []
    name = f"s3c-lab-build/{folder.name}:{imported.partition(':')[2]}"
    try:
        messages = docker.api.build(
            path=str(folder),
            tag=name,
            rm=True,
            forcerm=True,
            nocache=True,
            network_mode="host",
            decode=True,
            timeout=docker_engine.TIMEOUT,
            buildargs={"BASE": imported, "SECURITY": f"deb {security} {CODENAME}-security main", **_proxies(machine)},
        )
        for message in messages:
            line = str(message.get("stream") or message.get("error") or "").strip()
            if line:
                lines.append(line)
                machine.progress.note(line)
            if "error" in message:
                raise OutsideError(
                    f"Docker could not build {folder.name}.",
                    cause="Most often the package mirror cannot be reached from a container.",
                    remedy="Look at the last lines of the build.",
                    original="\n".join(lines[-20:]),
                )
    except (APIError, BuildError) as error:
        raise OutsideError(f"Docker could not build {folder.name}.", original=str(error)) from error
    return name


def _push(docker: DockerClient, name: str, target: str) -> None:
    docker.images.get(name).tag(target)
    try:
        for message in docker.api.push(target, stream=True, decode=True):
            if "error" in message:
                raise OutsideError(f"Docker could not push {target}.", original=str(message["error"]))
    finally:
        docker.images.remove(target, force=True, noprune=True)


def _proxies(machine: Machine) -> dict[str, str]:
    names = ("http_proxy", "https_proxy", "no_proxy")
    values = {name: machine.environment.get(name) or machine.environment.get(name.upper(), "") for name in names}
    return {name: value for name, value in values.items() if value}
