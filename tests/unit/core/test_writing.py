"""What is written to, and what is replaced."""

import os
from pathlib import Path

import pytest

from s3c_actions.core import writing

DEVICE = "/dev/null"


@pytest.fixture
def device(tmp_path):
    """A device of our own, where one can be made; root could replace it, and others could replace none."""
    path = tmp_path / "null"
    status = Path(DEVICE).stat()
    try:
        os.mknod(path, status.st_mode, status.st_rdev)
        path.write_text("tried")
    except PermissionError:  # not root, or devices mean nothing on this file system
        path.unlink(missing_ok=True)
        return Path(DEVICE)
    return path


def test_a_device_is_written_to_and_stays(device):
    writing.write(device, "text")
    writing.copy(Path(__file__), device)
    writing.remove(device)
    assert device.is_char_device()


def test_a_link_to_a_device_is_written_through_and_stays(device, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(device)
    writing.write(link, "text")
    assert link.is_symlink()
    assert device.is_char_device()


@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
def test_an_open_stream_is_written_to_and_stays(capfd, name):
    before = os.lstat("/dev/stdout")
    os.write(1, b"before\n")
    writing.write(Path(name), "text\n")
    writing.remove(Path(name))
    assert capfd.readouterr().out == "before\ntext\n"
    assert os.lstat("/dev/stdout") == before


def test_a_pipe_of_the_shell_is_written_to():
    reader, writer = os.pipe()
    writing.write(Path(f"/dev/fd/{writer}"), "text")
    os.close(writer)
    assert os.read(reader, 100) == b"text"
    os.close(reader)


def test_a_device_that_is_full_is_an_error_of_the_disk():
    with pytest.raises(OSError, match="No space left"):
        writing.write(Path("/dev/full"), "text")
    assert Path("/dev/full").is_char_device()


def test_a_file_is_replaced_and_a_link_beside_it_keeps_its_content(tmp_path):
    path, other = tmp_path / "file", tmp_path / "other"
    path.write_text("old")
    other.hardlink_to(path)
    writing.write(path, "new")
    assert (path.read_text(), other.read_text()) == ("new", "old")
