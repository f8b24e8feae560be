"""Workflows on a runner like GitHub's: as its user, with programs from a mirror, by the names of the internet."""

from __future__ import annotations

import gzip
import io
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from s3c_actions.programs.install.pins import COPA, NOTATION, TRIVY, Pin, Platform
from s3c_lab import buildkit_image, docker_engine
from s3c_lab.lab import Lab
from s3c_lab.machine import Machine
from s3c_lab.runner import container
from s3c_lab.runner.container import BUNDLE, SERVICES, HostedRunner, RunnerSettings
from s3c_lab.runner.image import UID, USER
from tests.support import ROOT, act
from tests.support.azure.web import Answer, Request
from tests.support.azure.world import World, world
from tests.support.container_registries import Mirror, PackagesRegistry, overloaded
from tests.support.oci import Repository
from tests.support.scanning import program, push_database

MIRROR = "programs.example"
API = "api.github.com"
ACTOR = "octo"
_ACT = "/opt/s3c/act"
_WORK = Path("/home", USER, ".cache", "act")
_PROGRAMS = (TRIVY, COPA, NOTATION)
_PINS = Path("s3c_actions", "programs", "install", "pins.py")

_MARK = "/tmp/hostile"
_PYTHON = f"open({_MARK!r}, 'a').write(__file__ + chr(10))\n"
_PROGRAM = f'#!/bin/sh\necho "$0" >>{_MARK}\necho "Version: {TRIVY.version}"\n'
HOSTILE = {
    "uv.toml": '[[index]]\nurl = "https://hostile.invalid/simple"\ndefault = true\n',
    "pyproject.toml": '[project]\nname = "s3c"\nversion = "1"\n[tool.uv]\nindex-url = "https://hostile.invalid/simple"\n',
    ".python-version": "2.7\n",
    **dict.fromkeys(("venv.py", "json.py", "sitecustomize.py", "s3c_actions/__init__.py"), _PYTHON),
    **dict.fromkeys(("trivy", "copa", "notation", "docker", "uv", "python3"), _PROGRAM),
}
"""What a stranger's pull request may put into the workspace: each leaves a mark when it is used."""


@dataclass
class Hosted:
    """A runner with the names of the internet around it.

    Attributes:
        packages: ghcr.io.
        archives: the paths of the programs' archives below the mirror.
        programs: what the mirror of programs and of BuildKit's image was asked for.
        checkout: of this repository, as a runner downloads it.
        linked: the same, of links to it: see `act.link_checkout`.
        cache: what the service of GitHub Actions' cache keeps.
        folder: which the runner sees under the same path.
    """

    runner: HostedRunner
    world: World
    packages: PackagesRegistry
    archives: tuple[str, ...]
    programs: Mirror
    checkout: Path
    linked: Path
    cache: Path
    folder: Path

    def run(
        self,
        workflow: str,
        name: str,
        *,
        files: Mapping[str, str],
        secrets: Mapping[str, str] | None = None,
        environment: Mapping[str, str] | None = None,
        event: str = "push",
        payload: Mapping[str, Any] | None = None,
        read_only: bool = False,
        whole: bool = False,
    ) -> act.Job:
        """Run a workflow in a repository that is hostile besides; see `act.run`. `whole`: with the checkout itself."""
        bundle = {"SSL_CERT_FILE": BUNDLE, "REQUESTS_CA_BUNDLE": BUNDLE}
        return act.run(
            workflow,
            self.folder / name,
            files={**HOSTILE, **files},
            secrets=secrets,
            environment={**container.VARIABLES, **bundle, **(environment or {})},
            inside=self._inside,
            event=event,
            payload=payload,
            checkout=self.checkout if whole else self.linked,
            work=_WORK,
            read_only=read_only,
        )

    def shell(self, script: str) -> str:
        """What a script of the runner's user prints."""
        argv = self.runner.command(["bash", "-c", script])
        return subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60).stdout.strip()

    def used_of_the_workspace(self) -> list[str]:
        """The hostile files that were run or imported."""
        return self.shell(f"cat {_MARK} 2>/dev/null || true").splitlines()

    def _inside(self, argv: list[str], cwd: Path) -> list[str]:
        for name, text in HOSTILE.items():
            if text == _PROGRAM:
                (cwd / name).chmod(0o755)
        subprocess.run(["chown", "--recursive", f"{UID}:{UID}", str(cwd.parent)], check=True)
        return self.runner.command([_ACT, *argv[1:], "--actor", ACTOR], cwd)


@contextmanager
def hosted(lab: Lab, machine: Machine, folder: Path) -> Iterator[Hosted]:
    """A runner in whose network the lab's registry answers as GitHub's, and as the mirrors that a company has.

    Args:
        lab: that is up.
        machine: of the lab.
        folder: a new one.
    """
    docker_engine.ensure(machine)
    port = int(lab.registry.rpartition(":")[2])
    buildkit_image.push(lab.registry, machine)
    push_database(Repository(lab.registry, "aquasec/trivy-db"), Path(lab.trivy_cache))
    archives = dict(map(_archive, _PROGRAMS))
    shared = folder / "shared"
    checkout = _checkout(shared / "s3c", archives)
    cache, linked = shared / "cache", shared / "linked"
    cache.mkdir()
    linked.mkdir()
    os.chown(cache, UID, UID)
    packages = PackagesRegistry(port)
    programs = Mirror(port, ("moby/buildkit/", "library/debian/"))
    with world(folder / "world") as around:
        around.answer_for(packages, packages.host)
        around.answer_for(_releases(archives, programs), MIRROR)
        around.answer_for(Mirror(port, ("aquasec/trivy-db/",)), "mirror.gcr.io")
        around.answer_for(overloaded, "registry-1.docker.io", "auth.docker.io", "index.docker.io")
        around.answer_for(lambda _: Answer(503), API)  # until a test brings its own
        settings = RunnerSettings(
            name=f"s3c-runner-{os.getpid()}",
            folder=folder / "etc",
            work=(shared,),
            programs={Path(sys.executable).parent / "act": _ACT},
            hosts=tuple(around.names),
            bundle=around.bundle,
        )
        with container.running(settings, machine) as runner:
            around.answer_in(runner.pid, SERVICES)
            _prepare(runner, checkout)
            act.link_checkout(checkout, linked)
            yield Hosted(runner, around, packages, tuple(archives), programs, checkout, linked, cache, shared)


def _prepare(runner: HostedRunner, checkout: Path) -> None:
    """Make act's copies of the actions cheap: in memory, and with what Python compiled, as after a job's first step."""
    compiled = ["python3", "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash"]
    owned = f"uid={UID},gid={UID},mode=700"
    for user, argv in (
        ("root", [*compiled, f"{checkout}/s3c_actions", f"{checkout}/actions"]),
        (USER, ["mkdir", "--parents", str(_WORK)]),
        ("root", ["mount", "-t", "tmpfs", "-o", owned, "tmpfs", str(_WORK)]),
    ):
        subprocess.run(runner.command(argv, user=user), capture_output=True, check=True, timeout=120)


def _archive(pin: Pin) -> tuple[str, bytes]:
    """The path of a program's release archive below the release host, and one that holds the lab's own build of it."""
    assert pin.release is not None
    path = pin.release.path_of(pin.version, Platform.here())
    assert path is not None
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        tar.add(program(pin), arcname=pin.release.member)
    return path, gzip.compress(raw.getvalue(), 0, mtime=0)  # packing them well would take the test longest


def _checkout(folder: Path, archives: Mapping[str, bytes]) -> Path:
    """A copy of what the actions run of this repository; only the pins' checksums are changed, to these archives'.

    Not of all that there is: act copies it at each step that uses an action, which took a fifth of a job.
    """
    kept = (*act.RUN_BY_ACTIONS, str(act.STANDINS), str(act.FINGERPRINTS))
    listed = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *kept],
        capture_output=True,
        check=True,
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        target = folder / name
        if (ROOT / name).is_symlink() or (ROOT / name).is_file():  # `actions/scan` is a link to a folder
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target, follow_symlinks=False)
    pins, here = (folder / _PINS).read_text(), Platform.here()
    for pin in _PROGRAMS:
        assert pin.release is not None
        checksum = sha256(archives[pin.release.path_of(pin.version, here) or ""]).hexdigest()
        if here in pin.release.checksums:
            pins = pins.replace(pin.release.checksums[here], checksum)
        else:  # of Copa none is known, so everybody builds it from its module: minutes in each job
            path = f'path="{pin.release.path}",'
            assert pins.count(path) == 1
            pins = pins.replace(path, f'{path} checksums={{Platform("{here.os}", "{here.arch}"): "{checksum}"}},')
    (folder / _PINS).write_text(pins)
    return folder


def _releases(archives: Mapping[str, bytes], images: Mirror) -> Any:
    def answer(request: Request) -> Answer:
        if request.path.startswith("/v2"):
            return images(request)
        images.read.append(request.path)
        data = archives.get(request.path.removeprefix("/"))
        return Answer(404) if data is None else Answer(200, data, {"Content-Type": "application/octet-stream"})

    return answer
