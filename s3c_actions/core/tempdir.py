"""The temporary folder of a run: removed at its end, or by a later run when this one was killed."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from stat import S_ISDIR

from s3c_actions.core.errors import OutsideError

PREFIX = "s3c-run-"
_LOCK = ".running"


@contextmanager
def open_run_folder(parent: Path | None = None) -> Iterator[Path]:
    """Create a folder that only this user may enter (0700), and remove it at the end.

    Folders of killed runs in the same parent are removed first: they may contain keys. A run that still goes on is
    recognized by its lock, which the kernel releases when the process ends, however it ends.

    Args:
        parent: where to create it; by default the system's temporary folder.

    Raises:
        OutsideError: the system has none that can be written.
    """
    parent = parent or _default_parent()
    for old in parent.glob(f"{PREFIX}*"):
        _sweep(old)
    created = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
    try:
        # Locked before it gets the name that other runs look for.
        with (created / f"{_LOCK}.new").open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            Path(lock.name).rename(created / _LOCK)
            yield created
    finally:
        shutil.rmtree(created, ignore_errors=True)


def _default_parent() -> Path:
    """Return the system's temporary folder; raise OutsideError where a file can be written in none."""
    try:
        return Path(tempfile.gettempdir())
    except FileNotFoundError as error:
        raise OutsideError(
            "There is no folder for temporary files.",
            cause="Neither the usual folders nor the working folder can be written, or their disk is full.",
            remedy="Make room, or name a folder with the environment variable TMPDIR (`docker run --read-only` needs "
            "`--tmpfs /tmp`).",
            original=str(error),
        ) from error


def _sweep(old: Path) -> None:
    """Remove a folder of an ended run; in a place like /tmp, another user may have replaced it."""
    try:
        is_ours = S_ISDIR(old.lstat().st_mode) and old.lstat().st_uid == os.geteuid()
        if not is_ours:
            return
        with (old / _LOCK).open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(old, ignore_errors=True)
    except OSError:
        return  # it still runs, or is being created or removed at this moment
