"""The BuildKit in a container, as Docker is asked for it."""

import os
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from s3c_actions.core.errors import InputError, OutsideError
from s3c_actions.core.process import CompletedProgram
from s3c_actions.programs.buildkit import container
from s3c_actions.programs.buildkit.container import ContainerRequest, run_container
from s3c_actions.programs.install.pins import BUILDKITD

HERE = f"/moby/buildkit:v{BUILDKITD.version}"


class Docker:
    """A docker that does what it is asked, but for what `fails` holds by its first words."""

    def __init__(self, fails: dict[str, str] | None = None, listed: str = "") -> None:
        self.fails, self.listed = fails or {}, listed
        self.environment: dict[str, str] = {"PATH": "/usr/bin"}
        self.asked: list[list[str]] = []
        self.files: dict[str, str] = {}

    def run(self, argv: list[str], **_keywords: object) -> CompletedProgram:
        self.asked.append(argv[1:])
        line = " ".join(argv[1:])
        if argv[1] == "cp":
            self.files = {file.name: file.read_text(errors="replace") for file in Path(argv[2]).iterdir()}
        stderr = next((text for words, text in self.fails.items() if line.startswith(words)), "")
        stdout = self.listed if argv[1] == "ps" else ""
        return CompletedProgram(argv=tuple(argv), code=int(bool(stderr)), stdout=stdout, stderr=stderr, seconds=0.0)

    def words(self, verb: str) -> list[list[str]]:
        return [argv for argv in self.asked if argv[0] == verb]


class Notes:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def note(self, text: str) -> None:
        self.lines.append(text)


@pytest.fixture(autouse=True)
def not_in_a_container(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(container, "IN_CONTAINER", tmp_path / "nothing")


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., str]:
    def run(docker: Docker, **wanted: object) -> str:
        request = ContainerRequest(temp=tmp_path, **wanted)  # type: ignore[arg-type]
        with run_container(request, docker, Notes()) as address:  # type: ignore[arg-type]
            assert address.removeprefix("docker-container://") not in [argv[-1] for argv in docker.words("rm")]
            return address

    return run


def test_the_container_and_its_volume_are_removed_at_the_end(run: Callable[..., str]) -> None:
    docker = Docker()
    name = run(docker, registries=("192.0.2.1:5000",)).removeprefix("docker-container://")
    assert docker.words("rm") == [["rm", "--force", "--volumes", name]]
    (create,) = docker.words("create")
    assert "--network" not in create and f"{container.LABEL}={container.identity()}" in create


@pytest.mark.parametrize("words", ["create", "cp", "start"])
def test_a_container_that_does_not_start_is_removed(run: Callable[..., str], words: str) -> None:
    docker = Docker({words: "authorization denied by plugin x: no"})
    with pytest.raises(OutsideError, match="privileged containers"):
        run(docker)
    assert docker.words("rm")


def test_a_docker_without_every_capability_is_asked_for_those_that_buildkit_uses(run: Callable[..., str]) -> None:
    docker = Docker({"start": "runc create failed: unable to apply caps: operation not permitted"})
    with pytest.raises(OutsideError, match="could not start in a container"):
        run(docker)
    privileged, capable = docker.words("create")
    assert "--privileged" in privileged and "--privileged" not in capable and "SYS_ADMIN" in capable


def test_a_run_that_is_interrupted_removes_its_container(tmp_path: Path) -> None:
    docker = Docker()
    with (
        pytest.raises(KeyboardInterrupt),
        run_container(ContainerRequest(temp=tmp_path), docker, Notes()),  # type: ignore[arg-type]
    ):
        raise KeyboardInterrupt
    assert docker.words("rm")


def test_a_configuration_that_cannot_be_read_is_wrong_input(run: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "buildkitd.toml").write_bytes(b"\xff")
    docker = Docker()
    with pytest.raises(InputError, match=r"buildkitd\.toml cannot be read"):
        run(docker, config=tmp_path / "buildkitd.toml")
    assert docker.words("create") == []


@pytest.mark.parametrize("verb", ["create", "cp", "start", "exec"])
def test_a_start_that_is_interrupted_leaves_docker_time_to_finish_what_is_removed_then(
    run: Callable[..., str], monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    class Interrupted(Docker):
        def run(self, argv: list[str], **keywords: object) -> CompletedProgram:
            if argv[1] == verb:
                raise KeyboardInterrupt
            return super().run(argv, **keywords)

    docker = Interrupted()
    monkeypatch.setattr(time, "sleep", lambda seconds: docker.asked.append(["sleep", str(seconds)]))
    with pytest.raises(KeyboardInterrupt):
        run(docker)
    slept, removed = docker.asked[-2:]
    assert (slept, removed[:3]) == (["sleep", str(container.SETTLE_SECONDS)], ["rm", "--force", "--volumes"])


@pytest.mark.parametrize("registry", ["localhost:5000", "127.0.0.1:5000", "[::1]:5000", "reg.localhost"])
def test_a_registry_on_loopback_is_reached_through_the_hosts_network(run: Callable[..., str], registry: str) -> None:
    docker = Docker()
    run(docker, registries=(registry,))
    (create,) = docker.words("create")
    assert create[create.index("--network") + 1] == "host"


@pytest.mark.parametrize(
    ("inside", "hostname", "fails", "network"),
    [
        (True, "0123456789ab", {}, ["container:0123456789ab"]),
        # A Docker of its own in the container does not know the container itself; a name may be chosen.
        (True, "0123456789ab", {"container inspect": "No such container"}, ["host"]),
        (True, "runner-1", {}, ["host"]),
        (False, "0123456789ab", {}, ["host"]),
    ],
)
def test_a_job_in_a_container_shares_its_network(
    run: Callable[..., str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    inside: bool,
    hostname: str,
    fails: dict[str, str],
    network: list[str],
) -> None:
    if inside:
        monkeypatch.setattr(container, "IN_CONTAINER", tmp_path)
    monkeypatch.setattr(socket, "gethostname", lambda: hostname)
    docker = Docker(fails)
    run(docker, registries=("localhost:5000",))
    (create,) = docker.words("create")
    assert [create[at + 1] for at, word in enumerate(create) if word == "--network"] == network


def test_the_mirrors_registry_is_asked_first_and_then_mirrors_the_tooling_image(run: Callable[..., str]) -> None:
    docker = Docker({"image inspect": "No such image"})
    run(docker, mirror="http://127.0.0.1:8080/github")
    assert docker.words("pull") == [["pull", "--quiet", "127.0.0.1:8080" + HERE]]
    assert 'mirrors = ["127.0.0.1:8080"]' in docker.files["buildkitd.toml"]


def test_where_no_registry_has_the_image_the_mirrors_reason_comes_first(run: Callable[..., str]) -> None:
    docker = Docker(
        {
            "image inspect": "No such image",
            "pull --quiet mirror.example": "connection refused",
            "pull --quiet": "toomanyrequests",
        }
    )
    with pytest.raises(OutsideError) as raised:
        run(docker, mirror="https://mirror.example/github")
    assert raised.value.what == f"mirror.example{HERE} could not be pulled: its registry cannot be reached."
    assert raised.value.original == "connection refused\ntoomanyrequests"


def test_an_image_that_is_in_docker_is_not_pulled_from_anywhere(run: Callable[..., str]) -> None:
    docker = Docker({"image inspect --format {{.Id}} mirror.example": "No such image"})
    run(docker, mirror="https://mirror.example/github")
    assert docker.words("pull") == []
    assert docker.words("create")[0][-3] == "docker.io" + HERE


def test_a_mirror_without_the_image_leaves_the_usual_one(run: Callable[..., str]) -> None:
    docker = Docker({"image inspect": "No such image", "pull --quiet mirror.example": "manifest unknown"})
    run(docker, mirror="https://mirror.example/github")
    assert docker.words("create")[0][-3] == "docker.io" + HERE
    assert "mirrors" not in docker.files["buildkitd.toml"]


def test_a_proxys_password_is_not_in_a_command_line(run: Callable[..., str]) -> None:
    docker = Docker()
    docker.environment["HTTPS_PROXY"] = "http://ann:s3cret-word@127.0.0.1:3128"
    run(docker, registries=("192.0.2.1:5000",))
    assert "s3cret-word" not in str(docker.asked)
    (create,) = docker.words("create")
    assert create[create.index("--env") + 1] == "HTTPS_PROXY" and "host" in create


def test_only_a_container_of_a_process_that_has_ended_is_a_leftover(run: Callable[..., str]) -> None:
    boot, namespace, _, started = container.identity().split("/")
    owners = {
        "s3c-buildkit-dead": f"{boot}/{namespace}/{os.getpid()}/1{started}",
        "s3c-buildkit-alive": container.identity(),
        "s3c-buildkit-otherboot": f"x/{namespace}/1/1",
        "s3c-buildkit-container": f"{boot}/1/999999999/1",
        "s3c-buildkit-nothing": "",
        "someone": f"{boot}/{namespace}/{os.getpid()}/1{started}",
    }
    docker = Docker(listed="\n".join(f"{name} {owner}" for name, owner in owners.items()))
    own = run(docker).removeprefix("docker-container://")
    assert [argv[-1] for argv in docker.words("rm")] == ["s3c-buildkit-dead", own]
