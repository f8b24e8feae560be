"""Containers by runc, as its configuration says; that they hold is in tests/contract/test_smoke.py."""

import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from s3c_actions.core.errors import OutsideError
from s3c_actions.core.process import CompletedProgram
from s3c_actions.programs.buildkit.container import identity
from s3c_actions.programs.containers import runc
from s3c_actions.programs.containers.container import ContainerRequest
from s3c_actions.programs.containers.runc import USERS, RuncRuntime, UnknownUser, find_user
from s3c_actions.registry.runtime_config import RuntimeConfig
from tests.support.containers import unpacked

DEAD = identity().rpartition("/")[0] + "/1"
PASSWD = "root:x:0:0::/:/bin/sh\nweb:x:1000:1001::/:/bin/sh\nbroken\nbad:x:zero:0::/:/\nhuge:x:4000000:0::/:/\n"
GROUP = "root:x:0:\nweb:x:1001:\nextra:x:50:web,other\n"


class Runc:
    """A runc that prints what a test gives it."""

    def __init__(self) -> None:
        self.environment = {"PATH": "/usr/bin"}
        self.name = "runc"
        self.prints: dict[str, str] = {}
        self.asked: list[list[str]] = []

    def run(self, argv: list[str], **_more: Any) -> CompletedProgram:
        assert argv[:3] == [self.name, "--root", "/run/s3c-smoke"]
        self.asked.append(argv[3:])
        return CompletedProgram(tuple(argv), 0, self.prints.get(argv[3], ""), "", 0.0)


class Notes:
    def note(self, text: str) -> None:
        pass


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "etc").mkdir(parents=True)
    (root / "etc/passwd").write_text(PASSWD)
    (root / "etc/group").write_text(GROUP)
    return root


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        ("", (0, 0, [])),
        ("web", (1000, 1001, [50])),
        ("1000", (1000, 1001, [50])),
        ("web:root", (1000, 0, [])),
        ("77", (77, 0, [])),
        ("77:88", (77, 88, [])),
    ],
)
def test_finds_the_user(root: Path, user: str, expected: tuple[int, int, list[int]]) -> None:
    assert find_user(root, user) == expected


@pytest.mark.parametrize("user", ["nobody", "web:none", "huge", str(USERS), "-1", "bad"])
def test_an_unknown_user_is_an_error(root: Path, user: str) -> None:
    with pytest.raises(UnknownUser):
        find_user(root, user)


def test_accounts_are_read_inside_of_the_image(root: Path, tmp_path: Path) -> None:
    (tmp_path / "passwd").write_text("outside:x:1:1::/:/\n")
    (root / "etc/passwd").unlink()
    (root / "etc/passwd").symlink_to("../../passwd")
    with pytest.raises(UnknownUser):
        find_user(root, "outside")
    assert find_user(root, "") == (0, 0, [])


def configured(root: Path, runtime: RuncRuntime, **request: Any) -> dict[str, Any]:
    image = unpacked(root, RuntimeConfig(entrypoint=("/app",), user="web", environment=("A=1",), volumes=("/data",)))
    return runtime._configuration(ContainerRequest(name="s3c-smoke-1", image=image, **request), root / "hosts")


@pytest.fixture
def program() -> Runc:
    return Runc()


@pytest.fixture
def runtime(program: Runc) -> RuncRuntime:
    return RuncRuntime(program, Notes(), lambda: Path("/nothing"))  # type: ignore[arg-type]


def test_a_container_is_isolated_and_limited(root: Path, runtime: RuncRuntime) -> None:
    document = configured(root, runtime, environment=("A=2", "B=x=y"))
    process, linux = document["process"], document["linux"]
    assert process["user"] == {"uid": 1000, "gid": 1001, "additionalGids": [50]} and process["noNewPrivileges"] is True
    assert len(process["capabilities"]) == 5 and not any(process["capabilities"].values())
    assert {"A=2", "B=x=y"} <= set(process["env"]) and process["args"] == ["/app"]
    assert document["root"] == {"path": str(root), "readonly": True}
    assert {namespace["type"] for namespace in linux["namespaces"]} == {
        "pid",
        "ipc",
        "uts",
        "mount",
        "cgroup",
        "user",
        "network",
    }
    assert linux["resources"]["devices"] == [{"allow": False, "access": "rwm"}]
    assert linux["resources"]["pids"]["limit"] == 512 and linux["resources"]["memory"]["limit"] == 1 << 30
    assert linux["seccomp"]["syscalls"] and document["annotations"] == {"io.github.s3c.owner": identity()}
    sizes = {mount["destination"]: mount["options"] for mount in document["mounts"] if mount["type"] == "tmpfs"}
    assert set(sizes) == {"/dev", "/dev/shm", "/data", "/run", "/tmp", "/var/tmp"}
    assert all(any(word.startswith("size=") for word in words) and "nosuid" in words for words in sizes.values())
    binds = [mount for mount in document["mounts"] if "bind" in mount["options"]]
    assert [mount["destination"] for mount in binds] == ["/etc/hosts"] and "ro" in binds[0]["options"]


def test_root_in_it_is_a_user_of_its_own_outside(root: Path, runtime: RuncRuntime) -> None:
    (mapping,) = configured(root, runtime)["linux"]["uidMappings"]
    assert mapping == {"containerID": 0, "hostID": runtime.first_user, "size": USERS}
    assert runtime.first_user >= 0x70000000 and runtime.first_user + USERS < 1 << 31
    assert runtime.owner(0, 5) == (runtime.first_user, runtime.first_user + 5)
    assert runtime.owner(USERS, -1) == (runtime.first_user + 65534, runtime.first_user + 65534)


def test_capabilities_are_those_that_were_asked_for(root: Path, runtime: RuncRuntime) -> None:
    kinds = configured(root, runtime, capabilities=("CHOWN",))["process"]["capabilities"]
    assert kinds["bounding"] == ["CAP_CHOWN"] and kinds["inheritable"] == kinds["ambient"] == []


def test_a_companion_has_the_network(root: Path, runtime: RuncRuntime, program: Runc) -> None:
    program.prints["state"] = json.dumps({"pid": 42})
    document = configured(root, runtime, peer="s3c-smoke-2")
    assert {"type": "network", "path": "/proc/42/ns/net"} in document["linux"]["namespaces"]
    assert {"type": "user", "path": "/proc/42/ns/user"} in document["linux"]["namespaces"]
    assert "/sys" not in [mount["destination"] for mount in document["mounts"]]


def test_what_killed_runs_left_is_removed_and_nothing_else(runtime: RuncRuntime, program: Runc) -> None:
    program.prints["list"] = json.dumps(
        [
            {"id": "s3c-smoke-aa", "annotations": {runc.OWNER: DEAD}},
            {"id": "s3c-smoke-bb", "annotations": {runc.OWNER: identity()}},
            {"id": "s3c-smoke-cc"},
            {"id": "other", "annotations": {runc.OWNER: DEAD}},
        ]
    )
    runtime.sweep()
    assert program.asked == [["list", "--format", "json"], ["delete", "--force", "s3c-smoke-aa"]]
    program.prints["list"] = "not JSON"
    runtime.sweep()


def test_why_it_cannot_be_used(runtime: RuncRuntime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert runtime.unusable() == "runc needs root"
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(os, "uname", lambda: SimpleNamespace(sysname="Darwin"))
    assert runtime.unusable() == "runc runs on Linux only"


@pytest.mark.parametrize("on_path", [True, False])
def test_it_is_installed_where_it_is_not_on_path(
    monkeypatch: pytest.MonkeyPatch, on_path: bool, program: Runc, tmp_path: Path
) -> None:
    installed: list[Path] = []

    def install() -> Path:
        installed.append(tmp_path / "runc")
        return installed[-1]

    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(runc, "find", lambda *_: Path("/usr/sbin/runc") if on_path else None)
    runtime = RuncRuntime(program, Notes(), install)  # type: ignore[arg-type]
    assert runtime.unusable() == ""
    assert len(installed) == (not on_path)
    program.name = "runc" if on_path else str(tmp_path / "runc")
    runtime.sweep()
    assert program.asked == [["list", "--format", "json"]]


def test_why_it_could_not_be_installed_is_shown(monkeypatch: pytest.MonkeyPatch, program: Runc) -> None:
    def install() -> Path:
        raise OutsideError("runc 1.5.2 could not be built.", remedy="Install it.")

    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(runc, "find", lambda *_: None)
    runtime = RuncRuntime(program, Notes(), install)  # type: ignore[arg-type]
    assert runtime.unusable() == "runc is not on PATH, and could not be installed (runc 1.5.2 could not be built)"
