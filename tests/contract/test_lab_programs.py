"""The lab's programs from a release host: each of the forms in which their publishers release them.

The host is on loopback and serves files of our own, in the forms and at the paths of the publishers; the publishers
themselves are not asked.
"""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from s3c_actions.core.process import Runner
from s3c_actions.core.progress import Silent
from s3c_actions.programs.install import locate
from s3c_actions.programs.install.pins import HELM, Pin, Platform
from s3c_actions.programs.install.releases import WrongChecksum
from s3c_lab.machine import Machine
from s3c_lab.node.programs import NODE, PAUSE
from s3c_lab.together import locate_together
from tests.support.release_host import Host, release_host, script, sha256

CLOSED = "http://127.0.0.1:9"
RELEASED = (*(pin for pin in NODE if pin is not PAUSE), HELM)


class Recorded(Silent):
    """Progress that keeps its lines."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def note(self, text: str) -> None:
        self.lines.append(text)

    notice = warning = note


@pytest.fixture
def host() -> Iterator[Host]:
    with release_host() as state:
        yield state


@pytest.fixture(autouse=True)
def _hosts_not_asked_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locate, "_UNREACHABLE", {})


def machine(folder: Path, mirror: str) -> Machine:
    environment = {
        **{"PATH": os.environ["PATH"], "HOME": str(folder), "S3C_STATE": str(folder / "state")},
        **{name: value for name, value in os.environ.items() if name in ("GOPROXY", "GOSUMDB", "PIP_INDEX_URL")},
        "S3C_PROGRAMS_MIRROR": mirror,
    }
    return Machine(runner=Runner(environment=environment), progress=Recorded(), cache=folder / "cache")


def serve(host: Host) -> tuple[Pin, ...]:
    """Serve a program for each pin, those of one archive in one; returns the pins with the checksums of these."""
    here = Platform.here()
    packed: dict[str, dict[str, bytes]] = {}
    for pin in RELEASED:
        assert pin.release is not None
        path, member = pin.release.path_of(pin.version, here), pin.release.member_of(pin.version, here)
        assert path is not None
        packed.setdefault(path, {})[member] = script(f"v{pin.version}" if pin is HELM else pin.name)
    for path, members in packed.items():
        host.files[f"/{path}"] = members[""] if "" in members else archive_of(members)
    return tuple(
        replace(pin, release=replace(pin.release, checksums={here: sha256(host.files[f"/{path}"])}))
        for pin in RELEASED
        if pin.release is not None and (path := pin.release.path_of(pin.version, here))
    )


def archive_of(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as packed:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            packed.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def test_every_program_comes_from_its_release_and_nothing_is_built(host: Host, tmp_path: Path) -> None:
    pins = serve(host)
    here = machine(tmp_path, host.url)
    programs = locate_together(pins, here)
    assert {program.origin for program in programs.values()} == {"release"}
    assert {name: program.path.read_bytes() for name, program in programs.items()} == {
        pin.name: script(f"v{pin.version}" if pin.name == "helm" else pin.name) for pin in pins
    }
    assert sorted(host.asked) == sorted(host.files)  # one archive holds the programs of containerd
    assert not (tmp_path / "cache" / "go").exists()
    assert locate_together(pins, here) == programs
    assert len(host.asked) == len(host.files)


def test_a_wrong_checksum_is_an_error_and_nothing_is_built(host: Host, tmp_path: Path) -> None:
    pins = serve(host)
    for path in host.files:
        host.files[path] += b"changed"
    for pin in pins:
        with pytest.raises(WrongChecksum):
            locate_together((pin,), machine(tmp_path, host.url))
    assert not (tmp_path / "cache" / "go").exists()
    assert not list((tmp_path / "cache").rglob("origin.json"))


def test_a_host_that_is_down_is_asked_once_and_the_programs_are_built(tmp_path: Path) -> None:
    """With the program that is built fastest, as if its publisher were one with a release host."""
    release = RELEASED[0].release
    assert release is not None
    pins = [replace(PAUSE, release=replace(release, checksums={Platform.here(): digit * 64})) for digit in "01"]
    here = machine(tmp_path, CLOSED)
    assert isinstance(here.progress, Recorded)
    for pin in pins:
        assert locate_together((pin,), here)["pause"].origin == "module"
    reason = "is built from its Go module because its release cannot be downloaded (the host could not be reached)"
    assert len([line for line in here.progress.lines if reason in line]) == 2
    assert len([line for line in here.progress.lines if line.startswith(f"downloading {CLOSED}")]) == 1
