"""`s3c-lab up --kubeconfig`: the gate on a cluster that is there already, whose nodes pull what the charts name.

The cluster is a node of the lab without its gate. In place of pulling, it is given the images under the names that the
charts pull them by, made of the same pinned programs.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from s3c_actions.programs.install import Wanted, locate_all
from s3c_lab import lab as labs
from s3c_lab.lab import Lab
from s3c_lab.machine import Machine
from s3c_lab.node import archives, container, image
from s3c_lab.node.cluster import chart
from s3c_lab.node.files import PAUSE
from s3c_lab.node.programs import GATE, GATEKEEPER, NODE, RATIFY
from tests.e2e.conftest import PREFIX

# Beside no other test of a node: each takes what Docker has of them away when it is the last.
pytestmark = pytest.mark.xdist_group("node")

# What the charts pull, by the program in it.
PULLED = (
    (GATEKEEPER, "/manager", "docker.io/openpolicyagent/gatekeeper"),
    (RATIFY, "/app/ratify", "ghcr.io/notaryproject/ratify"),
)


@pytest.fixture(scope="module")
def programs(machine: Machine) -> dict[str, Path]:
    wanted = (Wanted(pin=pin) for pin in (*NODE, *GATE))
    found = locate_all(wanted, cache=machine.cache, runner=machine.runner, progress=machine.progress)
    return {program.name: program.path for program in found}


@pytest.fixture
def kubeconfig(
    lab: Lab, machine: Machine, programs: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    """Of a cluster without a gate."""
    folder = tmp_path_factory.mktemp("cluster")
    name = f"s3c-{PREFIX}{os.getpid()}-other"
    settings = container.NodeSettings(
        name=name,
        image=image.loaded(machine),
        programs={pin.name: programs[pin.name] for pin in NODE},
        images=tuple(_images(folder, machine, programs)),
        registry=lab.registry,
        folder=folder / "node",
    )
    try:
        yield container.start(settings, machine).kubeconfig
    finally:
        container.remove(name, machine)
        image.unload(machine)


def _images(folder: Path, machine: Machine, programs: dict[str, Path]) -> Iterator[Path]:
    made = [(PAUSE, {"/pause": programs["pause"]}, "/pause")]
    for pin, program, repository in PULLED:
        made.append((f"{repository}:v{pin.version}", {program: programs[pin.name]}, program))
        definitions = (chart(pin, machine) / "crds").glob("*.yaml")
        files = {"/kubectl": programs["kubectl"], **{f"/crds/{file.name}": file for file in definitions}}
        made.append((f"{repository}-crds:v{pin.version}", files, "/kubectl"))
    for number, (reference, files, entrypoint) in enumerate(made):
        archive = folder / f"{number}.tar"
        archives.write(
            archives.StaticImage(
                reference=reference,
                programs=files,
                entrypoint=(entrypoint,),
                user="65532:65532",
                environment={"RATIFY_CONFIG": "/.ratify/"},
            ),
            archive,
        )
        yield archive


def test_the_gate_is_installed_on_a_cluster_that_is_there_and_outlives_the_lab(
    machine: Machine, programs: dict[str, Path], kubeconfig: Path
) -> None:
    def kubectl(*arguments: str) -> subprocess.CompletedProcess[str]:
        argv = [str(programs["kubectl"]), "--kubeconfig", str(kubeconfig), *arguments]
        return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)

    unsigned = f"run --dry-run=server x --image=localhost:1/x@sha256:{64 * '1'}".split()
    assert kubectl(*unsigned).returncode == 0
    name = f"{PREFIX}{os.getpid()}-gates-another"
    made = labs.up(name, 0, machine, kubeconfig=kubeconfig)
    try:
        assert (made.kubeconfig, made.node) == (str(kubeconfig), False)
        assert "[ratify-verification]" in kubectl(*unsigned).stderr
        (key,) = json.loads(kubectl("get", "keymanagementproviders", "-o", "json").stdout)["items"]
        assert key["spec"]["parameters"]["value"] == Path(made.certificate).read_text()
        assert key["status"]["issuccess"] is True
    finally:
        labs.down(name, machine)
    assert "[ratify-verification]" in kubectl(*unsigned).stderr
