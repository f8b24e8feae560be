"""Unit tests start no process and open no connection: an attempt fails the test that made it."""

from __future__ import annotations

import gc
import itertools
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from s3c_actions.core import folders
from s3c_lab.certificates import Identity, make
from tests.support import bare

FORBIDDEN = {
    "subprocess.Popen": "starts a process",
    "os.exec": "starts a process",
    "os.fork": "starts a process",
    "os.forkpty": "starts a process",
    "os.posix_spawn": "starts a process",
    "os.system": "starts a process",
    "socket.bind": "opens a port",
    "socket.connect": "opens a connection",
    "socket.getaddrinfo": "asks the network for a name",
    "socket.gethostbyname": "asks the network for a name",
}

QUICK_CASES = 4
"""Of a test with more cases, how many the quick loop runs; the others are `slow`."""

_state: dict[str, str] = {}
_numbers = itertools.count()


def _watch(event: str, arguments: tuple[object, ...]) -> None:
    if _state and event in FORBIDDEN:
        _state["seen"] = f"a unit test {FORBIDDEN[event]}: {event}{arguments!r:.200}"
        raise RuntimeError(_state["seen"])


sys.addaudithook(_watch)
gc.disable()  # until all tests are collected: a tenth of the time that this takes


@pytest.fixture(autouse=True)
def no_outside() -> Iterator[dict[str, str]]:
    """The audit hook is on while a test runs; an attempt that the code under test swallowed fails it too."""
    _state.update(active="yes")
    yield _state
    seen = _state.get("seen", "")
    _state.clear()
    assert not seen, seen


@pytest.fixture(autouse=True)
def own_records(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Each test is on a machine that has installed nothing yet; the value is the account's home folder there."""
    home = tmp_path_factory.getbasetemp() / f"home-{next(_numbers)}"
    monkeypatch.setattr(folders, "account_home", lambda: home)
    return home


@pytest.fixture(scope="session")
def identity() -> Identity:
    """A key with its certificate, good for signing."""
    return make("s3c-test")


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, identity: Identity) -> Path:
    """A working folder with the files that command lines name, on a machine where nothing answers."""
    bare.silence(monkeypatch)
    monkeypatch.chdir(tmp_path)
    bare.furnish(tmp_path, identity)
    return tmp_path


@pytest.fixture
def programs(alone: Path) -> None:
    """The programs are found there, and do not start."""
    bare.install_programs(alone)


@pytest.hookimpl(tryfirst=True)  # before tests are deselected by their marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what the quick loop leaves out: property tests, and of a test with many cases all but a few, evenly spread.

    Each file keeps one test at least. Nothing is left out where no mark is asked for, as in `make unit k=gate`.
    """
    cases: dict[str, list[pytest.Item]] = {}
    for item in items:
        cases.setdefault(item.nodeid.partition("[")[0], []).append(item)
    quick: set[str] = set()
    for several in cases.values():
        kept = {round(place * (len(several) - 1) / (QUICK_CASES - 1)) for place in range(QUICK_CASES)}
        for number, item in enumerate(several):
            generated = len(several) > QUICK_CASES and number not in kept
            if generated or getattr(getattr(item, "function", None), "is_hypothesis_test", False):
                item.add_marker("slow")
            elif item.get_closest_marker("slow") is None:
                quick.add(item.nodeid.partition("::")[0])
    for item in items:
        file = item.nodeid.partition("::")[0]
        if file not in quick:
            quick.add(file)
            item.own_markers = [mark for mark in item.own_markers if mark.name != "slow"]


def pytest_collection_finish() -> None:
    """What was imported stays: the collector need not look at it again and again."""
    gc.collect()
    gc.freeze()
    gc.enable()
