"""The runner that workflows are run on has the properties of a hosted one that an action can notice."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from s3c_actions import __version__
from s3c_lab import docker_engine
from s3c_lab.machine import Machine
from s3c_lab.runner import container
from s3c_lab.runner.container import BUNDLE, SERVICES, HostedRunner, RunnerSettings
from tests.support import wheels


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that the runner sees under the same path."""
    folder = tmp_path_factory.mktemp("shared")
    folder.chmod(0o755)
    return folder


@pytest.fixture(scope="module")
def runner(machine: Machine, tmp_path_factory: pytest.TempPathFactory, shared: Path) -> Iterator[HostedRunner]:
    docker_engine.ensure(machine)
    settings = RunnerSettings(
        name=f"s3c-runner-{os.getpid()}-bare",
        folder=tmp_path_factory.mktemp("runner"),
        work=(shared,),
        hosts=("ghcr.io",),
        bundle=Path(BUNDLE),
    )
    with container.running(settings, machine) as started:
        yield started


class Shell:
    """What the runner's user sees."""

    def __init__(self, runner: HostedRunner) -> None:
        self._runner = runner

    def __call__(self, script: str, code: int = 0) -> str:
        argv = self._runner.command(["bash", "-c", script])
        ended = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
        assert ended.returncode == code, ended.stderr
        return ended.stdout.strip()


@pytest.fixture
def shell(runner: HostedRunner) -> Shell:
    return Shell(runner)


def test_a_job_is_not_root_and_may_become_it(shell: Shell) -> None:
    assert shell("id --user --name") == "runner"
    assert {"docker", "sudo"} <= set(shell("id --groups --name").split())
    assert shell("sudo --non-interactive id --user") == "0"


def test_its_python_is_debians_own_without_packages_and_not_to_be_changed(shell: Shell) -> None:
    assert shell("python3 --version").startswith("Python 3.13.")
    assert shell("python3 -c 'import msgspec'", code=1) == ""
    assert shell("python3 -c 'import pip, venv'") == ""
    assert shell("pip install --quiet msgspec 2>&1 | head -n 1") == "error: externally-managed-environment"


def test_the_wheel_is_installed_and_run_by_its_python(shared: Path, shell: Shell, tmp_path: Path) -> None:
    wheel = wheels.build(tmp_path)
    folder = shared / "package"
    # The runner's network has no registry of packages: what it installs is laid beside it.
    subprocess.run(
        [wheels.uv(), "pip", "install", "--quiet", "--python-version", "3.13", "--target", folder, wheel],
        check=True,
        timeout=600,
    )
    report = folder / "report.json"
    shutil.copyfile(wheels.REPORT, report)
    command = f"cd /tmp && PYTHONPATH={folder} python3 -m s3c_actions"
    assert shell(f"{command} --version").endswith(__version__)
    shell(f"{command} report {report} --fail-on HIGH --output-dir out", code=1)
    assert '"refused"' in shell("grep verdict /tmp/out/result.json")


def test_docker_has_its_default_image_store_and_a_builder_that_copa_cannot_use(shell: Shell) -> None:
    assert shell("docker info --format '{{.Driver}}'") == "overlay2"
    assert shell("docker buildx inspect | sed -n 's/^Driver: *//p'") == "docker"
    assert shell("docker images --quiet") == ""


def test_what_a_job_finds_and_what_it_does_not(shell: Shell) -> None:
    for program in ("git", "node", "curl", "jq", "unzip", "zstd"):
        assert shell(f"command -v {program}") == f"/usr/bin/{program}"
    for program in ("go", "trivy", "copa", "notation", "buildctl", "uv"):
        assert shell(f"command -v {program}", code=1) == ""
    assert shell("ls --almost-all ~/.cache ~/.local 2>/dev/null", code=2) == ""
    assert shell('echo "$RUNNER_ENVIRONMENT $CI"') == "github-hosted true"
    assert shell("getent hosts ghcr.io").split() == [SERVICES, "ghcr.io"]


def test_its_containers_resolve_names_as_it_does_itself(shell: Shell) -> None:
    """As on a hosted runner: what a job reaches is no matter of its loopback network."""
    files = "{ echo /usr/bin/getent; ldd /usr/bin/getent | grep --only-matching '/[^ ]*'; }"
    shell(f"{files} | tar --create --dereference --files-from=- 2>/dev/null | docker import - names")
    assert shell("docker run --rm names getent hosts ghcr.io").split() == [SERVICES, "ghcr.io"]
