"""Several images signed and verified at once by the real notation, in a real registry."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from s3c_actions.cli.console import LogProgress
from s3c_actions.cli.run import cache_path
from s3c_actions.core.process import Runner
from s3c_actions.programs.install.pins import NOTATION
from s3c_lab import daemons, registry_server
from s3c_lab.certificates import make
from s3c_lab.machine import Machine, with_system_path
from tests.support.scanning import program
from tests.support.signing import push_image, s3c, signatures

IMAGES = 6


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    environment = with_system_path(dict(os.environ))
    machine = Machine(runner=Runner(environment), progress=LogProgress(sys.stderr), cache=cache_path(environment))
    folder, port = tmp_path_factory.mktemp("registry"), registry_server.free_port()
    registry_server.start(folder, port, machine)
    yield f"localhost:{port}"
    daemons.stop(folder / "registry.pid", machine)


@pytest.mark.parametrize("jobs", ["1", "4"])
def test_each_is_signed_once_and_has_its_own_verdict(registry: str, tmp_path: Path, jobs: str) -> None:
    key, certificate = make("s3c-jobs").write(tmp_path, "signing")
    # Half of them are in one repository, where the lists of signatures lie side by side.
    places = [f"jobs-{jobs}/one" if number % 2 else f"jobs-{jobs}/app{number}" for number in range(IMAGES)]
    images = [push_image(registry, place, f"v{number}", f"{number}") for number, place in enumerate(places)]
    unsigned = push_image(registry, f"jobs-{jobs}/unsigned", "v1", "unsigned")
    notation = ("--jobs", jobs, "--notation-path", program(NOTATION))
    signing = ("--key", key, "--certificate", certificate, *notation)
    first = s3c(tmp_path, "sign", *images, *signing)
    assert first.code == 0, first.stderr
    assert [image["reference"] for image in first.result["images"]] == images
    again = s3c(tmp_path, "sign", *images, *signing)
    assert all(image["sign"]["skipped"] for image in again.result["images"])
    assert [len(signatures(image)) for image in images] == [1] * IMAGES
    verified = s3c(tmp_path, "verify", *images, unsigned, "--trust-store", certificate, *notation)
    assert verified.code == 1
    assert [image["verdict"] for image in verified.result["images"]] == [*["passed"] * IMAGES, "refused"]
    assert verified.result["images"][-1]["error"]["image"] == unsigned
