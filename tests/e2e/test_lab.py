"""The lab itself, with everything real: it serves, stands beside others, fixes itself, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from s3c_actions.core.errors import OutsideError
from s3c_lab import daemons, docker_engine
from s3c_lab.base import base
from s3c_lab.lab import Lab, folder_of, names
from s3c_lab.machine import Machine
from tests.support import ROOT
from tests.support.processes import command_lines
from tests.support.signing import Ended


def s3c_lab(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "s3c_lab", *words],
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )


@pytest.fixture
def other(lab: Lab, machine: Machine) -> Iterator[str]:
    """The name of a lab beside the shared one, taken down after the test."""
    name = f"test-{os.getpid()}-{uuid.uuid4().hex[:6]}"
    yield name
    s3c_lab("down", "--name", name)
    assert name not in names(machine)


@contextmanager
def voting(app: str, database: str, machine: Machine) -> Iterator[str]:
    """Both images running, the app with the database behind it; the page's address."""
    from docker.errors import NotFound

    mark = f"s3c-test-{uuid.uuid4().hex[:8]}"
    with docker_engine.connect(machine) as docker:
        network = docker.networks.create(mark)
        started = []
        try:
            started.append(
                docker.containers.run(
                    database,
                    detach=True,
                    name=f"{mark}-db",
                    network=mark,
                    environment={"POSTGRES_PASSWORD": "not a secret"},
                )
            )
            started.append(
                docker.containers.run(
                    app,
                    detach=True,
                    name=f"{mark}-app",
                    network=mark,
                    ports={"8080/tcp": ("127.0.0.1", 0)},
                    environment={"VOTING_DB_HOST": f"{mark}-db", "VOTING_DB_PASSWORD": "not a secret"},
                )
            )
            started[-1].reload()
            bindings = started[-1].ports["8080/tcp"]
            assert bindings
            port = bindings[0]["HostPort"]
            yield f"http://127.0.0.1:{port}"
        finally:
            for container in started:
                container.remove(force=True, v=True)
            network.remove()
            for image in (app, database):
                try:
                    docker.images.remove(image, force=True)
                except NotFound:
                    continue  # it could not be pulled


def get(url: str, data: bytes | None = None) -> str:
    with urllib.request.urlopen(url, data, timeout=10) as answer:
        return str(answer.read().decode())


def await_page(url: str, seconds: float = 180) -> None:
    until = time.monotonic() + seconds
    while True:
        try:
            get(f"{url}/healthz")
            return
        except OSError:
            assert time.monotonic() < until, "the page does not answer"
            time.sleep(0.2)


def cast_and_read(url: str) -> None:
    await_page(url)
    assert json.loads(get(f"{url}/api/votes")) == {"Cats": 0, "Dogs": 0}
    page = get(f"{url}/", urllib.parse.urlencode({"vote": "Dogs"}).encode())
    assert "1 vote<" in page
    get(f"{url}/", b"vote=Cats")
    get(f"{url}/", b"vote=Cats")
    assert json.loads(get(f"{url}/api/votes")) == {"Cats": 2, "Dogs": 1}
    with pytest.raises(urllib.error.HTTPError, match="400"):
        get(f"{url}/", b"vote=<script>")
    get(f"{url}/", b"vote=reset")
    assert json.loads(get(f"{url}/api/votes")) == {"Cats": 0, "Dogs": 0}


def test_votes_are_taken_and_kept(lab: Lab, machine: Machine) -> None:
    app, database = lab.images
    with voting(app, database, machine) as url:
        cast_and_read(url)


def test_votes_are_taken_after_patching(
    lab: Lab, machine: Machine, fresh: Callable[[str], str], s3c: Callable[..., Ended]
) -> None:
    patched = []
    for short in ("voting-app", "voting-db"):
        ended = s3c(
            "patch",
            fresh(short),
            *("--buildkit-addr", lab.buildkit, "--trivy-cache-dir", lab.trivy_cache, "--offline"),
        )
        assert ended.code == 0, ended.stderr
        patched.append(ended.image["patch"]["reference"])
    with voting(patched[0], patched[1], machine) as url:
        cast_and_read(url)


def test_the_database_refuses_to_start_without_a_password(lab: Lab, machine: Machine) -> None:
    with docker_engine.connect(machine) as docker:
        docker.images.pull(lab.images[1])
        container = docker.containers.create(lab.images[1])
        try:
            container.start()
            assert container.wait()["StatusCode"] == 1
            assert b"no password: set POSTGRES_PASSWORD_FILE" in container.logs()
        finally:
            container.remove(force=True, v=True)
            docker.images.remove(lab.images[1], force=True)


@pytest.mark.parametrize("position", [0, 1])
def test_the_database_of_vulnerabilities_knows_the_images(
    lab: Lab, s3c: Callable[..., Ended], position: int, tmp_path: Path
) -> None:
    ended = s3c(
        *("scan", lab.images[position], "--format", "json", "--ignore-unfixed"),
        *("--trivy-cache-dir", lab.trivy_cache, "--offline"),
    )
    assert ended.code == 0, ended.stderr
    (report,) = tmp_path.rglob("trivy.json")
    vulnerabilities: list[dict[str, Any]] = [
        vulnerability
        for result in json.loads(report.read_text())["Results"]
        for vulnerability in result.get("Vulnerabilities", [])
    ]
    assert sum(vulnerability["Severity"] == "HIGH" for vulnerability in vulnerabilities) > 0
    for vulnerability in vulnerabilities:
        assert vulnerability["FixedVersion"]
        assert vulnerability["Title"]
        assert vulnerability["Title"] != vulnerability["VulnerabilityID"]


def test_up_twice_changes_nothing_and_status_tells_it(lab: Lab) -> None:
    pids = [daemons.running(Path(lab.folder) / f"{name}.pid") for name in ("registry", "buildkitd")]
    again = s3c_lab("up", "--name", lab.name, "--json")
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["registry"] == lab.registry
    assert [daemons.running(Path(lab.folder) / f"{name}.pid") for name in ("registry", "buildkitd")] == pids
    assert None not in pids
    status = s3c_lab("status", "--name", lab.name, "--json")
    assert status.returncode == 0, status.stdout
    assert all(part["there"] for part in json.loads(status.stdout)[lab.name])


def test_a_shell_works_on_the_lab_without_flags(lab: Lab, tmp_path: Path) -> None:
    """As the workshop has it: evaluated, `s3c-lab env` is all that a shell needs."""
    env = s3c_lab("env", "--name", lab.name)
    assert env.returncode == 0, env.stderr
    line = (
        's3c scan "$LAB_REGISTRY/voting-app:1.4.0" --format json && s3c trust export --certificate "$LAB_CERTIFICATE"'
    )
    ended = subprocess.run(
        ["bash", "-euc", f"{env.stdout}\n{line}"],
        env={name: value for name, value in os.environ.items() if not name.startswith("S3C_") or name == "S3C_CACHE"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert ended.returncode == 0, ended.stderr
    (image,) = json.loads((tmp_path / "s3c-out" / "voting-app" / "trivy.json").read_text())["Metadata"]["RepoDigests"]
    assert image.startswith(f"{lab.registry}/voting-app@sha256:")
    first = Path(lab.certificate).read_text().splitlines()[1]
    assert first in (tmp_path / "s3c-out" / "ratify.yaml").read_text()


def test_two_labs_side_by_side_and_down_leaves_nothing(lab: Lab, machine: Machine, other: str) -> None:
    def tags(registry: str) -> list[str]:
        return sorted(json.loads(get(f"http://{registry}/v2/voting-app/tags/list"))["tags"])

    before = tags(lab.registry)
    up = s3c_lab("up", "--name", other, "--port", "0", "--json")
    assert up.returncode == 0, up.stderr
    second = json.loads(up.stdout)
    assert second["registry"] != lab.registry
    port = second["registry"].rpartition(":")[2]
    assert len(_traces(other, port, machine)["processes"]) == 2
    assert tags(second["registry"]) == ["1.4.0"]
    down = s3c_lab("down", "--name", other)
    assert down.returncode == 0, down.stderr
    assert not folder_of(other, machine).exists()
    assert _traces(other, port, machine) == {"tags": [], "mounts": [], "processes": []}
    with pytest.raises(OSError, match="refused"):
        get(f"http://{second['registry']}/v2/")
    assert tags(lab.registry) == before
    assert "There was no lab" in s3c_lab("down", "--name", other).stdout


def test_a_daemon_that_died_is_reported_and_restarted(other: str, machine: Machine) -> None:
    up = s3c_lab("up", "--name", other, "--port", "0", "--json")
    assert up.returncode == 0, up.stderr
    started = json.loads(up.stdout)
    folder = folder_of(other, machine)
    pid = daemons.running(folder / "registry.pid")
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    while daemons.running(folder / "registry.pid") is not None:
        time.sleep(0.01)
    status = s3c_lab("status", "--name", other)
    assert status.returncode == 1
    assert re.search(r"✘ registry +not running", status.stdout)
    again = s3c_lab("up", "--name", other, "--json")
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout) == started
    assert json.loads(get(f"http://{started['registry']}/v2/voting-db/tags/list"))["tags"] == ["15.0"]


def test_up_after_an_up_that_was_killed(other: str, machine: Machine) -> None:
    folder = folder_of(other, machine)
    child = subprocess.Popen(
        [sys.executable, "-m", "s3c_lab", "up", "--name", other, "--port", "0"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.DEVNULL,
    )
    while not (folder / "registry.pid").exists():
        assert child.poll() is None, "it ended before it could be killed"
        time.sleep(0.005)
    child.kill()
    child.wait()
    assert s3c_lab("status", "--name", other).returncode == 1
    up = s3c_lab("up", "--name", other, "--port", "0", "--json")
    assert up.returncode == 0, up.stderr
    assert s3c_lab("status", "--name", other).returncode == 0
    serving = [line for line in command_lines() if f"/{other}/registry.json" in line]
    assert len(serving) == 1


def test_a_port_that_is_taken(other: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        up = s3c_lab("up", "--name", other, "--port", str(port))
    assert up.returncode == 2
    assert f"port: the registry cannot listen on port {port}" in up.stderr
    assert "--port 0" in up.stderr


def test_a_docker_that_cannot_be_reached(other: str) -> None:
    up = s3c_lab("up", "--name", other, "--port", "0", DOCKER_HOST="unix:///nonexistent/docker.sock")
    assert up.returncode == 3
    assert "DOCKER_HOST" in up.stderr


def test_a_mirror_that_cannot_be_reached(machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nowhere = "http://127.0.0.1:9/debian"
    monkeypatch.setattr(Machine, "mirrors", lambda *_: (nowhere, nowhere))
    with pytest.raises(OutsideError, match=f"could not make a Debian 12 base from {nowhere}") as error:
        base(replace(machine, cache=tmp_path))
    assert "Failed getting release file" in error.value.original
    assert [path.name for path in (tmp_path / "lab" / "base").iterdir()] == [".lock"]


def test_a_name_that_leaves_the_folder() -> None:
    ended = s3c_lab("down", "--name", "../../x")
    assert ended.returncode == 2
    assert "name:" in ended.stderr


def _traces(name: str, port: str, machine: Machine) -> dict[str, list[str]]:
    """What a lab could leave behind; other labs may come and go meanwhile."""
    with docker_engine.connect(machine) as docker:
        return {
            # `images.list` asks for each of them, and fails where another test has removed one meanwhile.
            "tags": [tag for image in docker.api.images() for tag in image["RepoTags"] or () if f":{port}/" in tag],
            "mounts": [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if f"/{name}/" in line],
            "processes": [line for line in command_lines() if f"/labs/{name}/" in line],
        }
