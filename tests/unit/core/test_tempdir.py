"""Temporary folders: those of runs that were killed go, those of runs that go on stay, others are not ours."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

import pytest

from s3c_actions.core import tempdir
from s3c_actions.core.errors import OutsideError


def left_by_a_killed_run(parent: Path, name: str) -> Path:
    folder = parent / f"{tempdir.PREFIX}{name}"
    (folder / "home").mkdir(parents=True)
    (folder / ".running").touch()
    (folder / "home" / "signing.key").write_text("secret")
    return folder


def test_only_its_user_may_enter_and_it_goes_at_the_end(tmp_path):
    with tempdir.open_run_folder(tmp_path) as folder:
        assert folder.parent == tmp_path
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        (folder / "key").touch()
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_run_left_goes_at_the_next_start(tmp_path):
    killed = left_by_a_killed_run(tmp_path, "killed")
    with tempdir.open_run_folder(tmp_path):
        assert not killed.exists()


def test_what_others_have_there_stays(tmp_path):
    elsewhere = left_by_a_killed_run(tmp_path / "elsewhere", "x")
    link = tmp_path / f"{tempdir.PREFIX}link"
    link.symlink_to(elsewhere)
    new = tmp_path / f"{tempdir.PREFIX}new"
    new.mkdir()  # whose run has not locked it yet
    (tmp_path / "other").mkdir()
    with tempdir.open_run_folder(tmp_path) as first, tempdir.open_run_folder(tmp_path) as second:
        assert first.exists()
        assert second.exists()
    assert {path.name for path in tmp_path.iterdir()} == {"elsewhere", link.name, new.name, "other"}
    assert (elsewhere / "home" / "signing.key").exists()


def test_another_users_folder_stays(tmp_path, monkeypatch):
    theirs = left_by_a_killed_run(tmp_path, "theirs")
    monkeypatch.setattr(os, "geteuid", lambda: theirs.stat().st_uid + 1)
    with tempdir.open_run_folder(tmp_path):
        assert theirs.exists()


def test_a_machine_without_a_place_for_temporary_files_is_told_so(tmp_path, monkeypatch):
    def get() -> str:
        raise FileNotFoundError(2, "No usable temporary directory found in ['/tmp']")

    monkeypatch.setattr(tempfile, "gettempdir", get)
    with pytest.raises(OutsideError, match="no folder for temporary files") as error, tempdir.open_run_folder():
        pass
    assert "TMPDIR" in error.value.remedy
    with tempdir.open_run_folder(tmp_path) as folder:
        assert folder.parent == tmp_path
