"""The lab that the end-to-end tests share, and what each of them gets of its own."""

from __future__ import annotations

import os
import sys
import uuid
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from s3c_actions.console import LogProgress
from s3c_actions.process import Runner
from s3c_actions.shell import cache_folder
from s3c_lab import lab as labs
from s3c_lab.certificates import make
from s3c_lab.lab import Lab
from s3c_lab.machine import Machine, with_system_path
from tests.e2e.oci import Repository, copy_image, layer
from tests.e2e.signing import Ended
from tests.e2e.signing import s3c as run_s3c

PREFIX = "test-"


@pytest.fixture(scope="session")
def machine() -> Machine:
    """The real one."""
    environment = with_system_path(dict(os.environ))
    return Machine(
        runner=Runner(environment=environment),
        progress=LogProgress(sys.stderr),
        cache=cache_folder(environment),
    )


@pytest.fixture(scope="session")
def lab(machine: Machine, request: pytest.FixtureRequest) -> Iterator[Lab]:
    """A lab of this test run, beside any other; its first start on a machine takes minutes and shows its progress."""
    _take_down_the_dead(machine)
    name = f"{PREFIX}{os.getpid()}"
    capture = request.config.pluginmanager.getplugin("capturemanager")
    assert capture is not None
    with capture.global_and_fixture_disabled():
        made = labs.up(name, 0, machine)
    yield made
    with capture.global_and_fixture_disabled():
        labs.down(name, machine)


@pytest.fixture
def fresh(lab: Lab) -> Callable[[str], str]:
    """Copies an image of the lab (`voting-app`, `voting-db`) into a repository of this test; returns its reference."""
    mine = uuid.uuid4().hex[:12]

    def copy(short: str) -> str:
        (original,) = (image for image in lab.images if f"/{short}:" in image)
        return copy_image(original, f"{mine}/{short}")

    return copy


@pytest.fixture(scope="session")
def layers(lab: Lab, machine: Machine) -> list[bytes]:
    """The layers of an image whose packages have security updates pending, and which knows where to get them."""
    base = Repository(lab.registry, "library/debian")
    blobs = [base.blob(one["digest"]) for one in base.get("stable-slim")["layers"]]
    main, security = machine.mirrors("bookworm")
    sources = f"deb {main} bookworm main\ndeb {security} bookworm-security main\n"
    return [*blobs, layer({"etc/apt/sources.list": sources.encode()})]


@pytest.fixture
def repository(lab: Lab, request: pytest.FixtureRequest) -> Repository:
    """A repository of the test's own."""
    return Repository(lab.registry, f"e2e/{os.getpid()}/{request.node.originalname.replace('_', '-')[:60].rstrip('-')}")


@pytest.fixture(scope="session")
def signing_key(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """PEM files of a private key and of its self-signed certificate."""
    return make("s3c-e2e").write(tmp_path_factory.mktemp("keys"), "s3c-e2e")


@pytest.fixture
def s3c(tmp_path: Path) -> Callable[..., Ended]:
    """Runs `python -m s3c_actions` with the arguments given in a folder of this test; see `signing.s3c`."""
    return partial(run_s3c, tmp_path)


def _take_down_the_dead(machine: Machine) -> None:
    """Labs of test runs that were killed."""
    for name in labs.names(machine):
        pid = name.removeprefix(PREFIX)
        if name.startswith(PREFIX) and pid.isdigit() and not Path(f"/proc/{pid}").exists():
            labs.down(name, machine)
