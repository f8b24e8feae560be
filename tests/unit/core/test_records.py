"""The SHA-256 of a file is remembered, and counted again after every change of the file."""

import os
import time

import pytest

from s3c_actions.core import records
from s3c_actions.core.records import Records, file_sha256


@pytest.fixture
def known(tmp_path):
    return Records(tmp_path / "state")


@pytest.fixture
def counted(monkeypatch):
    paths = []

    def count(path):
        paths.append(path)
        return file_sha256(path)

    monkeypatch.setattr(records, "file_sha256", count)
    return paths


@pytest.fixture
def program(tmp_path, monkeypatch):
    """A program that was changed long ago, as the clock has it from now on."""
    path = tmp_path / "program"
    path.write_text("of the publisher")
    now = time.time_ns()
    monkeypatch.setattr("time.time_ns", lambda: now + 10 * records.SETTLED_NS)
    return path


def test_a_file_that_does_not_change_is_counted_once(known, counted, program):
    assert {known.sha256(program) for _ in range(3)} == {file_sha256(program)}
    assert counted == [program]


def _write_in_place(path):
    path.write_text("of somebody else")


def _write_with_the_old_time(path):
    before = path.stat()
    path.write_text("of somebody else")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def _replace(path):
    other = path.with_name("other")
    other.write_text("of somebody else")
    before = path.stat()
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.replace(path)


def _replace_by_a_link(path):
    other = path.with_name("other")
    other.write_text("of somebody else")
    path.unlink()
    path.symlink_to(other)


@pytest.mark.parametrize("change", [_write_in_place, _write_with_the_old_time, _replace, _replace_by_a_link])
def test_a_file_of_the_same_size_that_was_changed_is_counted_again(known, program, change):
    before = known.sha256(program)
    change(program)
    assert known.sha256(program) == file_sha256(program) != before


def test_a_file_that_was_changed_just_now_is_counted_again(known, counted, tmp_path):
    path = tmp_path / "program"
    path.write_text("new")
    assert known.sha256(path) == known.sha256(path)
    assert counted == [path, path]


def test_what_others_may_write_to_is_not_relied_on(known, counted, program):
    known.sha256(program)
    known.folder.chmod(0o777)
    known.sha256(program)
    assert counted == [program, program]


def test_a_file_that_cannot_be_read_is_an_error(known, tmp_path):
    with pytest.raises(FileNotFoundError):
        known.sha256(tmp_path / "missing")


@pytest.mark.parametrize("damaged", ["", "\n", "ab", "zz" * 32, "é", "0" * 63, "00" * 33])
def test_a_key_that_was_cut_off_is_replaced_and_never_used(known, damaged):
    key = known.key()
    assert len(key) == 32
    assert known.key() == key
    (known.folder / "key").write_text(damaged)
    new = known.key()
    assert len(new) == 32
    assert new != key
    assert known.key() == new


def test_a_key_that_cannot_be_kept_is_an_error(known, monkeypatch):
    monkeypatch.setattr(known, "_write", lambda *_, **__: None)
    with pytest.raises(OSError, match="it holds no key"):
        known.key()
