"""Paths of an image are resolved below its folder, whatever its links say."""

import os
from pathlib import Path

import pytest

from s3c_actions.core.rooted_paths import list_files, open_inside, resolve_inside


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "outside").write_text("a secret of the host")
    root = tmp_path / "root"
    (root / "usr/lib").mkdir(parents=True)
    (root / "usr/lib/libc.so").write_text("libc")
    (root / "lib").symlink_to("usr/lib")
    (root / "absolute").symlink_to("/usr/lib/libc.so")
    (root / "up").symlink_to("../outside")
    (root / "far").symlink_to("../" * 30 + str(tmp_path).strip("/") + "/outside")
    (root / "host").symlink_to(tmp_path / "outside")
    (root / "loop").symlink_to("loop")
    return root


@pytest.mark.parametrize("name", ["lib/libc.so", "/lib/libc.so", "absolute", "usr/../lib/libc.so", "../../lib/libc.so"])
def test_links_lead_somewhere_inside(root: Path, name: str) -> None:
    assert resolve_inside(root, name) == root / "usr/lib/libc.so"
    with open_inside(root, name) as file:
        assert file is not None and file.read() == b"libc"


@pytest.mark.parametrize("name", ["up", "far", "host", "loop", "missing", "usr/lib/libc.so/x", "../outside"])
def test_nothing_leads_outside(root: Path, name: str) -> None:
    assert resolve_inside(root, name) is None
    with open_inside(root, name) as file:
        assert file is None


def test_the_last_component_may_be_missing_and_is_not_followed(root: Path) -> None:
    assert resolve_inside(root, "lib/new", last=False) == root / "usr/lib/new"
    assert resolve_inside(root, "up", last=False) == root / "up"
    assert resolve_inside(root, "missing/new", last=False) is None


def test_a_pipe_is_not_opened(root: Path) -> None:
    os.mkfifo(root / "pipe")
    with open_inside(root, "pipe") as file:
        assert file is None


def test_lists_files_alone(root: Path) -> None:
    os.mkfifo(root / "pipe")
    assert list(list_files(root)) == ["usr/lib/libc.so"]
