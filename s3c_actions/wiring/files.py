"""Files that inputs name."""

from __future__ import annotations

from pathlib import Path

from s3c_actions.core import reading, writing
from s3c_actions.core.errors import InputError


def read_dockerfile(path: Path) -> str:
    """Read the Dockerfile that code scanning shows the findings in.

    Raises:
        InputError: it cannot be read.
    """
    try:
        return reading.read_text_file(path, errors="replace")
    except OSError as error:
        raise InputError(
            "dockerfile", f"{str(path)!r} cannot be read: {error.strerror}.", remedy="Look at the path."
        ) from error


def keep_pipe(path: Path, temp: Path, limit: int) -> Path:
    """Return the path of a file that may be read again and again.

    Args:
        path: that an input names; what a pipe holds (`<(…)`, `/dev/stdin`) is gone once it was read.
        temp: the run's folder, for what a pipe holds.
        limit: in bytes.

    Raises:
        OSError: as `reading.read_file` does.
    """
    if not path.exists() or path.is_file() or path.is_dir():
        return path
    return writing.write(temp / "handed-over", reading.read_file(path, limit))


def read_input_file(path: Path, field: str, limit: int = reading.MAX_SETTINGS_BYTES) -> bytes:
    """Read a file that an input names.

    Args:
        path: of the file.
        field: name of the input.
        limit: in bytes.

    Raises:
        InputError: it cannot be read, or is larger.
    """
    try:
        return reading.read_file(path, limit)
    except OSError as error:
        raise InputError(
            field, f"{path} cannot be read: {error.strerror}.", remedy="Look at the path and its permissions."
        ) from error
