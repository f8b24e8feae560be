"""Containers of Docker, as Docker is asked for them."""

import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from s3c_actions.core.errors import OutsideError
from s3c_actions.core.process import CompletedProgram, ProgramTimedOut
from s3c_actions.programs.buildkit.container import identity
from s3c_actions.programs.containers import docker_cli
from s3c_actions.programs.containers.container import ContainerRequest, UnpackedImage
from s3c_actions.programs.containers.docker_cli import DockerRuntime
from s3c_actions.registry.runtime_config import RuntimeConfig
from tests.support.containers import unpacked
from tests.support.layers import skippable, zstandard

DEAD = identity().rpartition("/")[0] + "/1"


class Docker:
    """A docker that does what it is asked, but for what `fails` holds by its first words."""

    def __init__(self) -> None:
        self.environment = {"PATH": "/usr/bin"}
        self.fails: dict[str, str] = {}
        self.prints: dict[str, str] = {}
        self.hangs = ""
        self.asked: list[list[str]] = []
        self.extra: dict[str, str] = {}
        self.archive: dict[str, bytes] = {}

    def run(self, argv: list[str], *, extra: dict[str, str] | None = None, **_more: Any) -> CompletedProgram:
        self.asked.append(argv[1:])
        self.extra |= extra or {}
        line = " ".join(argv[1:])
        if self.hangs and line.startswith(self.hangs):
            raise ProgramTimedOut(argv, 1, "")
        if argv[1] == "load":
            with tarfile.open(argv[-1]) as archive:
                self.archive = {member.name: archive.extractfile(member).read() for member in archive}  # type: ignore[union-attr]
        stderr = next((text for words, text in self.fails.items() if line.startswith(words)), "")
        stdout = next((text for words, text in self.prints.items() if line.startswith(words)), "")
        return CompletedProgram(tuple(argv), int(bool(stderr)), stdout, stderr, 0.0)

    def words(self, verb: str) -> list[list[str]]:
        return [argv for argv in self.asked if argv[0] == verb]


class Notes:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def note(self, text: str) -> None:
        self.lines.append(text)


@pytest.fixture
def docker() -> Docker:
    return Docker()


@pytest.fixture
def runtime(docker: Docker, tmp_path: Path) -> DockerRuntime:
    return DockerRuntime(docker, Notes(), tmp_path)  # type: ignore[arg-type]


@pytest.fixture
def image(tmp_path: Path) -> UnpackedImage:
    layer = tmp_path / "layer"
    layer.write_bytes(b"a layer")
    return unpacked(tmp_path / "root", RuntimeConfig(entrypoint=("/app",), volumes=("/data",)), layer, config=b"{1}")


def pairs(argv: list[str], flag: str) -> list[str]:
    return [argv[at + 1] for at, word in enumerate(argv) if word == flag]


def test_a_container_is_isolated_and_limited(runtime: DockerRuntime, docker: Docker, image: UnpackedImage) -> None:
    with (
        runtime.hold(image, runtime.temp),
        runtime.start(ContainerRequest(name="s3c-smoke-1", image=image)),
    ):
        pass
    (argv,) = docker.words("create")
    assert pairs(argv, "--network") == ["none"] and pairs(argv, "--cap-drop") == ["ALL"]
    assert pairs(argv, "--security-opt") == ["no-new-privileges"] and "--read-only" in argv
    assert pairs(argv, "--cap-add") == [] and pairs(argv, "--pull") == ["never"] and pairs(argv, "--restart") == ["no"]
    assert pairs(argv, "--memory") == pairs(argv, "--memory-swap") == ["1073741824"]
    assert pairs(argv, "--pids-limit") == ["512"] and pairs(argv, "--cpus") == ["1.0"]
    assert pairs(argv, "--log-opt") == ["max-size=1m", "max-file=1"] and "--no-healthcheck" in argv
    mounts = pairs(argv, "--tmpfs")
    assert [mount.partition(":")[0] for mount in mounts] == ["/data", "/run", "/tmp", "/var/tmp"]
    assert all("size=268435456" in mount and "nosuid" in mount and "nodev" in mount for mount in mounts)
    forbidden = {"--privileged", "--volume", "--mount", "--device", "--pid", "--publish", "--userns", "--user"}
    assert not forbidden & set(argv)
    assert argv[-1].startswith("s3c-smoke:") and pairs(argv, "--label") == [f"io.github.s3c.owner={identity()}"]


def test_what_was_made_is_removed_whatever_happens(
    runtime: DockerRuntime, docker: Docker, image: UnpackedImage
) -> None:
    request = ContainerRequest(name="s3c-smoke-1", image=image)
    with pytest.raises(KeyboardInterrupt), runtime.hold(image, runtime.temp), runtime.start(request):
        raise KeyboardInterrupt
    assert docker.words("rm") == [["rm", "--force", "--volumes", "s3c-smoke-1"]]
    ((_, tag),) = docker.words("rmi")
    assert tag.startswith("s3c-smoke:") and len(tag.partition(":")[2]) <= 128
    assert [path.name for path in runtime.temp.iterdir()] == ["layer"]


def test_the_archive_holds_what_was_fetched(runtime: DockerRuntime, docker: Docker, image: UnpackedImage) -> None:
    with runtime.hold(image, runtime.temp):
        (entry,) = json.loads(docker.archive["manifest.json"])
        assert docker.archive[entry["Config"]] == b"{1}"
        assert [docker.archive[name] for name in entry["Layers"]] == [b"a layer"]


def test_a_layer_of_zstd_is_expanded_for_a_docker_that_does_not_know_it(
    runtime: DockerRuntime, docker: Docker, image: UnpackedImage
) -> None:
    image.fetched.layers[0].path.write_bytes(skippable(b"a table") + zstandard(b"a layer of zstd"))
    with runtime.hold(image, runtime.temp):
        (entry,) = json.loads(docker.archive["manifest.json"])
        assert [docker.archive[name] for name in entry["Layers"]] == [b"a layer of zstd"]
        assert not list(runtime.temp.glob("*.layer"))


def test_a_command_replaces_the_program(runtime: DockerRuntime, docker: Docker, image: UnpackedImage) -> None:
    request = ContainerRequest(
        name="s3c-smoke-1", image=image, argv=("psql", "-c", "select 1"), capabilities=("CHOWN",)
    )
    with runtime.hold(image, runtime.temp), runtime.start(request):
        pass
    (argv,) = docker.words("create")
    assert pairs(argv, "--entrypoint") == ["psql"] and argv[-2:] == ["-c", "select 1"]
    assert pairs(argv, "--cap-add") == ["CHOWN"]


def test_values_are_not_in_the_command_line_unless_docker_would_read_them(
    runtime: DockerRuntime, docker: Docker, image: UnpackedImage
) -> None:
    environment = ("PASSWORD=secret=1", "PATH=/opt", "DOCKER_HOST=tcp://evil", "LD_PRELOAD=/evil.so")
    request = ContainerRequest(name="s3c-smoke-1", image=image, environment=environment)
    with runtime.hold(image, runtime.temp), runtime.start(request):
        pass
    (argv,) = docker.words("create")
    assert pairs(argv, "--env") == ["PASSWORD", *environment[1:]]
    assert docker.extra == {"PASSWORD": "secret=1"}


def test_a_companion_has_the_network(runtime: DockerRuntime, docker: Docker, image: UnpackedImage) -> None:
    database = ContainerRequest(name="s3c-smoke-1", image=image, hosts=("db",))
    app = ContainerRequest(name="s3c-smoke-2", image=image, peer="s3c-smoke-1")
    with runtime.hold(image, runtime.temp), runtime.start(database), runtime.start(app):
        pass
    first, second = docker.words("create")
    assert pairs(first, "--network") == ["none"] and pairs(first, "--add-host") == ["db:127.0.0.1"]
    assert pairs(second, "--network") == ["container:s3c-smoke-1"] and "--hostname" not in second


def test_what_killed_runs_left_is_removed_and_nothing_else(runtime: DockerRuntime, docker: Docker) -> None:
    tag = DEAD.replace("/", "_")
    docker.prints = {
        "ps": f"s3c-smoke-aa {DEAD}\ns3c-smoke-bb {identity()}\nother {DEAD}\ns3c-buildkit-aa {DEAD}\n",
        "images": f"aa-{tag}\nbb-{identity().replace('/', '_')}\nlatest\n",
    }
    runtime.sweep()
    assert docker.words("rm") == [["rm", "--force", "--volumes", "s3c-smoke-aa"]]
    assert docker.words("rmi") == [["rmi", f"s3c-smoke:aa-{tag}"]]


def test_a_container_that_is_not_created_is_an_error(
    runtime: DockerRuntime, docker: Docker, image: UnpackedImage
) -> None:
    docker.fails = {"create": "Error: write: no space left on device"}
    request, no_room = ContainerRequest(name="s3c-smoke-1", image=image), "no room for the image"
    with pytest.raises(OutsideError, match=no_room), runtime.hold(image, runtime.temp), runtime.start(request):
        pass
    assert docker.words("start") == [] and len(docker.words("rm")) == 1 == len(docker.words("rmi"))


def test_a_program_that_is_not_there_is_an_exit_code(
    runtime: DockerRuntime, docker: Docker, image: UnpackedImage
) -> None:
    docker.fails = {"start": 'exec: "/app": no such file'}
    docker.prints = {"inspect": json.dumps([{"Id": "a" * 64, "State": {"Running": False, "ExitCode": 127}}])}
    with (
        runtime.hold(image, runtime.temp),
        runtime.start(ContainerRequest(name="s3c-smoke-1", image=image)) as container,
    ):
        assert (container.state().running, container.state().code) == (False, 127)
        assert "no such file" in container.output()


def test_what_is_seen_of_one_that_runs(runtime: DockerRuntime, docker: Docker, image: UnpackedImage) -> None:
    row = "   0: 00000000:1F90 00000000:0000 0A 0:0 00:0 0 0 0 1\n"
    docker.prints = {
        "inspect": json.dumps([{"Id": "a" * 64, "State": {"Running": True, "Pid": 1, "OOMKilled": False}}]),
        "exec s3c-smoke-1 cat": row,
        "logs": "started",
    }
    with (
        runtime.hold(image, runtime.temp),
        runtime.start(ContainerRequest(name="s3c-smoke-1", image=image)) as container,
    ):
        assert container.state().running and container.output() == "started"
        # Process 1 of this machine is not the container's, so its ports are asked of the container.
        assert container.ports() == frozenset({8080})
        docker.fails = {"exec": "cat: not found"}
        assert container.ports() is None and container.execute(("true",), 1).code == 1
        docker.hangs = "exec"
        assert container.execute(("sleep",), 1).code is None


@pytest.mark.parametrize("answer", ["", "{}", "[]", '[{"State": 1}]', "not JSON"])
def test_a_description_that_cannot_be_read_is_an_error(
    runtime: DockerRuntime, docker: Docker, image: UnpackedImage, answer: str
) -> None:
    docker.prints = {"inspect": answer}
    with (
        runtime.hold(image, runtime.temp),
        runtime.start(ContainerRequest(name="s3c-smoke-1", image=image)) as container,
        pytest.raises(OutsideError),
    ):
        container.state()


def test_why_it_cannot_be_used(runtime: DockerRuntime, docker: Docker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(docker_cli, "find", lambda *_: None)
    assert runtime.unusable() == "docker is not on PATH"
    monkeypatch.setattr(docker_cli, "find", lambda *_: Path("/usr/bin/docker"))
    assert runtime.unusable() == ""
    docker.fails = {"version": "Cannot connect to the Docker daemon"}
    assert runtime.unusable() == "Docker does not answer (Cannot connect to the Docker daemon)"
